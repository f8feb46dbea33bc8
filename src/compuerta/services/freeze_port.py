"""The port to days and freezes: what each meter showed at the midnight that ended a site's day.

A day is the site's own: its instants come from the zone, and it has 23, 24 or 25 hours. A freeze is of the
day that it ends. What is known of a freeze may change, since meters answer late: each change is a new
version, and the last one counts. Nothing that was known is lost (promise T2).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import Enum
from typing import NamedTuple, Protocol


class DayKey(NamedTuple):
    """Which day of which site."""

    site_id: int
    day: date  # the site's own


class DayStep(Enum):
    """What is next to be done with a day that has ended; each step may be done again without effect."""

    FREEZING = "freezing"  # freezes are gathered, and what is missing is supposed
    ROLLING = "rolling"  # opening + recharges + adjustments - charges = closing
    WEIGHING = "weighing"  # books, meter and recomputation are held against each other
    SEALING = "sealing"  # the day's postings are hashed into the chain
    REPORTING = "reporting"
    DONE = "done"


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteDay:
    """A day of a site, and how far its end has come."""

    site_id: int
    day: date
    organisation_id: int
    zone: str
    currency: str
    starts_at: datetime
    ends_at: datetime  # the midnight at which it is frozen
    step: DayStep = DayStep.FREEZING
    due_at: datetime | None  # when its next step is due; None = nothing is expected any more
    version: int = 1  # grows when it is opened again
    meters: int = 0  # that had to freeze
    valid: int = 0
    provisional: int = 0
    missing: int = 0  # with no freeze, and nothing to suppose one by
    done_at: datetime | None = None  # when this version was done

    @property
    def key(self) -> DayKey:
        """Which day it is."""
        return DayKey(self.site_id, self.day)


class FreezeBasis(Enum):
    """What a freeze rests on."""

    METER = "meter"  # the meter's own daily freeze
    READING = "reading"  # a reading at midnight itself, or two beside it that agree: no use between them
    PROVISIONAL = "provisional"  # the mean of up to seven valid days
    MISSING = "missing"  # nothing is known: not zero
    HELD = "held"  # the meter told something that cannot be: a register that fell or jumped


@dataclass(frozen=True, slots=True, kw_only=True)
class Freeze:
    """What a meter showed at the midnight that ended a day."""

    meter_id: int
    day: date
    version: int
    site_id: int
    account_id: int  # for which it measured then
    at: datetime  # the midnight
    basis: FreezeBasis
    known_at: datetime
    energy_wh: int | None = None  # None = missing
    rates_wh: tuple[int, ...] | None = None
    balance_minor: int | None = None  # of a meter with credit, where it told
    clock_off_s: int | None = None  # by how much its clock was ahead when it was last asked
    reason: str = ""  # why it is missing, supposed or held


@dataclass(frozen=True, slots=True, kw_only=True)
class FrozenSite:
    """A site that has days: from its first account on."""

    site_id: int
    organisation_id: int
    name: str
    zone: str
    currency: str
    since: datetime  # when its first account was opened
    last_day: date | None  # that is known


class Freezes(Protocol):
    """What a use case may ask about days and freezes."""

    def sites(self) -> list[FrozenSite]:
        """Return all sites with accounts, by id."""
        ...

    def put_days(self, days: Sequence[SiteDay]) -> None:
        """Begin days; of one that is known, nothing changes."""
        ...

    def claim_days(self, *, now: datetime, until: datetime, limit: int) -> list[SiteDay]:
        """Take days whose next step is due; nobody else takes them before `until`."""
        ...

    def day(self, key: DayKey) -> SiteDay | None:
        """Return a day, locked until the transaction ends."""
        ...

    def save_day(self, day: SiteDay) -> None:
        """Write all that may change of a day."""
        ...

    def put_freezes(self, freezes: Sequence[Freeze]) -> None:
        """Write new versions of freezes."""
        ...

    def freezes(self, key: DayKey) -> list[Freeze]:
        """Return the last version of each freeze of a day, by meter."""
        ...

    def freezes_of(self, meter_ids: Iterable[int], *, since: date, until: date) -> list[Freeze]:
        """Return the last versions of these meters' freezes of [since, until), by meter and day."""
        ...
