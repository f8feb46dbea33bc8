"""What the screens of months and of the sealed journal read."""

from dataclasses import dataclass
from datetime import date, datetime

from compuerta.apps.console.reads import rows
from compuerta.domain.sealing import text_of_anchor

ANCHORS_SHOWN_MAX = 62  # of all sites


@dataclass(frozen=True, slots=True, kw_only=True)
class AnchorRow:
    """The anchor of a site's day."""

    site_id: int
    site_name: str
    anchor_no: int
    day: date
    made_at: datetime
    accounts: int
    postings: int
    digest: bytes

    @property
    def letters(self) -> str:
        """What is kept elsewhere of it."""
        return text_of_anchor(bytes(self.digest))


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckRow:
    """When a site's journal was recomputed last, and what was found."""

    site_id: int
    at: datetime
    anchor_no: int
    found: int


def anchors(organisation_id: int) -> list[AnchorRow]:
    """Return the last anchors of the sites that somebody may see."""
    return rows(
        AnchorRow,
        """select n.site_id, s.name as site_name, n.anchor_no, n.day, n.made_at, n.accounts, n.postings,
            n.digest
        from anchor n join site s using (site_id)
        where n.organisation_id = %(organisation_id)s
        order by n.day desc, s.name, n.site_id limit %(limit)s""",
        {"organisation_id": organisation_id, "limit": ANCHORS_SHOWN_MAX},
    )


def checks(organisation_id: int) -> dict[int, CheckRow]:
    """Return the last check of each site's journal."""
    found = rows(
        CheckRow,
        """select distinct on (site_id) site_id, at, anchor_no, found from journal_check
        where organisation_id = %(organisation_id)s order by site_id, at desc""",
        {"organisation_id": organisation_id},
    )
    return {each.site_id: each for each in found}
