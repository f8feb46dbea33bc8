"""What screens of statements read beside the statements themselves: sites, and who may see which."""

from dataclasses import dataclass

from compuerta.apps.console.reads import rows


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteRow:
    """A site with somebody in it."""

    site_id: int
    name: str
    zone: str
    currency: str


def sites(organisation_id: int) -> list[SiteRow]:
    """Return the sites of an organisation that have accounts, by name."""
    return rows(
        SiteRow,
        """select site_id, name, zone, currency from site z
        where organisation_id = %(organisation_id)s
            and exists (select from account a where a.site_id = z.site_id and a.kind <> 'suspense')
        order by name, site_id""",
        {"organisation_id": organisation_id},
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Meter:
    meter_id: int


def meter_of(account_id: int) -> int | None:
    """Return the meter that measures for an account now."""
    found = rows(
        _Meter,
        "select meter_id from installation where account_id = %(account_id)s and ended_at is null",
        {"account_id": account_id},
    )
    return found[0].meter_id if found else None
