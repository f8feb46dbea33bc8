"""The port to seals of postings, and the anchors of days."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID

from compuerta.domain.sealing import Anchor
from compuerta.services.freeze_port import DayKey, SiteDay


@dataclass(frozen=True, slots=True, kw_only=True)
class LatePosting:
    """A posting that says that it was booked in a day that had been sealed without it."""

    account_id: int
    posting_id: UUID
    booked_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Sealed:
    """What sealing some accounts of a day came to."""

    last: int | None  # the last account that was looked at; None = there are no more
    late: tuple[LatePosting, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class DaySeals:
    """All seals of a site's day."""

    accounts: int
    postings: int
    digest: bytes  # over each account and its seal's digest, by account


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalCheck:
    """That the journal of a site was recomputed, and what was found."""

    site_id: int
    organisation_id: int
    at: datetime
    anchor_no: int  # the last that there was; 0 = none
    postings: int  # that were read, of all sites that were looked at together
    found: int  # of this site


class Seals(Protocol):
    """What a use case may ask about seals of postings, and the anchors of days."""

    def last_anchor(self, site_id: int) -> Anchor | None:
        """Return a site's last anchor."""
        ...

    def anchor_of(self, key: DayKey) -> Anchor | None:
        """Return the anchor that a day is in: its own, or else the first after it."""
        ...

    def seal(self, day: SiteDay, *, since: datetime | None, after: int, limit: int) -> Sealed:
        """Seal what some accounts of a site have booked in a day or before, and no seal has yet.

        `since` is until when the site is anchored; what was booked before it is late. An account that has a
        seal of the day is left as it is.
        """
        ...

    def seals_of(self, day: SiteDay) -> DaySeals:
        """Return what an anchor takes of all seals of a day."""
        ...

    def put_anchor(self, anchor: Anchor) -> None: ...

    def put_checks(self, checks: Sequence[JournalCheck]) -> None:
        """Write down that journals were recomputed."""
        ...
