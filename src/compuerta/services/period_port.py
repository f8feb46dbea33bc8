"""The port to months of the books, open and closed, and to what still stands open in one."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import NamedTuple, Protocol

from compuerta.domain.errors import Refused

CLOSED_SQLSTATE = "CPM01"  # with which PostgreSQL refuses what the memory refuses by itself


class PeriodClosed(Refused):
    """Something is booked into a month that is closed for good."""

    def __init__(self, detail: str) -> None:
        super().__init__(
            f"{detail}; what was wrong in a closed month is put right by a reversal that is booked now. "
            "If this is booked now, the clock of the machine that books it is late: put it right"
        )
        self.detail = detail


class Total(NamedTuple):
    """What a month has booked under a code."""

    currency: str
    code: str
    amount_minor: int


class LastAnchor(NamedTuple):
    """The last anchor of a site in a month."""

    site_id: int
    anchor_no: int
    digest: str  # hexadecimal


@dataclass(frozen=True, slots=True, kw_only=True)
class MonthClose:
    """A month of an organisation's books, closed."""

    organisation_id: int
    month: date  # its first day
    closed_at: datetime
    closed_by: str
    why: str
    named: Mapping[str, int]  # what was not as it should be, and how often
    totals: tuple[Total, ...]
    anchors: tuple[LastAnchor, ...]
    previous: bytes  # the digest of the close before it
    digest: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What stands open in a month, counted."""

    days_open: int = 0  # days of sites that are not done, or were never begun
    days_unsealed: int = 0  # sites whose last day of the month is not anchored
    shifts_open: int = 0
    bills_waiting: int = 0  # providers' bills that are not there, or faulty
    differences_open: int = 0
    freezes_missing: int = 0
    freezes_provisional: int = 0
    suspense: int = 0  # accounts with money that could not be placed
    cases_open: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """A month, and when it ends at each site; a site whose first account came later has no part in it."""

    organisation_id: int
    month: date
    first_day: date
    last_day: date
    begins: Mapping[int, datetime]  # by site
    ends: Mapping[int, datetime]


class Periods(Protocol):
    """What a use case may ask about months of the books, open and closed."""

    def last(self, organisation_id: int) -> MonthClose | None:
        """Return the last month that is closed; locks the organisation's months."""
        ...

    def closes(self, organisation_id: int) -> list[MonthClose]:
        """Return all closed months, the last first."""
        ...

    def put(self, close: MonthClose) -> None: ...

    def standing(self, reach: Reach) -> Standing:
        """Count what stands open in a month."""
        ...

    def totals(self, reach: Reach) -> list[Total]:
        """Return what was booked in a month, by currency and code."""
        ...

    def anchors(self, reach: Reach) -> list[LastAnchor]:
        """Return the last anchor of each site up to the end of a month, by site."""
        ...
