"""The port to days and freezes: what each meter showed at the midnight that ended a site's day.

A day is the site's own: its instants come from the zone, and it has 23, 24 or 25 hours. A freeze is of the
day that it ends. What is known of a freeze may change, since meters answer late: each change is a new
version, and the last one counts. Nothing that was known is lost (promise T2).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import Enum
from typing import Final, NamedTuple, Protocol

from compuerta.drivers.abilities import FROZEN_AT_ANOTHER_TIME, NOT_FROZEN
from compuerta.services.records import Reading

DAYS_KEPT_MAX: Final = 62  # as many midnights as a meter keeps: what is older, nobody can tell any more

# Why a freeze is not what the meter froze. After the final ones, it is not asked again.
NOT_TOLD: Final = "not_told"
CLOCK_OFF: Final = "clock_off"  # its clock was wrong: it froze at another instant
FINAL: Final = frozenset({CLOCK_OFF, NOT_FROZEN, FROZEN_AT_ANOTHER_TIME})


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

    @property
    def is_valid(self) -> bool:
        """Whether its register is a fact."""
        return self.basis in VALID

    @property
    def is_told(self) -> bool:
        """Whether there is nothing to wait for: a fact, or what a person has to look at."""
        return self.is_valid or self.basis is FreezeBasis.HELD


VALID: Final = frozenset({FreezeBasis.METER, FreezeBasis.READING})


@dataclass(frozen=True, slots=True, kw_only=True)
class Measuring:
    """A meter that measures for an account, from when to when."""

    meter_id: int
    account_id: int
    site_id: int
    holds_credit: bool  # the balance lies in it
    since: datetime
    until: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class WantedFreeze:
    """A midnight of a meter that nobody has told yet."""

    meter_id: int
    day: date
    at: datetime
    zone: str


# The last reading by an instant, and the first from one on, of those that tell energy.
Around = tuple[Reading | None, Reading | None]


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

    def look_at_day(self, key: DayKey) -> SiteDay | None:
        """Return a day as it stands, whoever has locked it."""
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

    def counted(self, key: DayKey) -> dict[FreezeBasis, int]:
        """Return on what the freezes of a day rest, and how many on each."""
        ...

    def freezes_of(self, meter_ids: Iterable[int], *, since: date, until: date) -> list[Freeze]:
        """Return the last versions of these meters' freezes of [since, until), by meter and day."""
        ...

    def measuring(self, site_id: int, *, at: datetime, after: int, limit: int) -> list[Measuring]:
        """Return the meters that measured at an instant, by id from after one on."""
        ...

    def installations(self, meter_ids: Iterable[int]) -> list[Measuring]:
        """Return for whom these meters measure and measured, by meter and start."""
        ...

    def around(self, meter_ids: Iterable[int], *, until: datetime, since: datetime) -> dict[int, Around]:
        """Return each meter's last reading by `until` and first from `since` on."""
        ...

    def wanted(self, meter_ids: Iterable[int], *, since: datetime, limit: int) -> list[WantedFreeze]:
        """Return the midnights since an instant that these meters may still tell: first each meter's newest.

        So those that never answer do not keep the others from being asked for older ones.
        """
        ...
