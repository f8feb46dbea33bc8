"""The port to months of the books, open and closed, and to what still stands open in one."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from enum import Enum
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


class Check(Enum):
    """What is looked at before a month is closed; each is counted, and nothing counted is as it should be."""

    DAYS_OPEN = "days_open"  # days of sites that are not done
    DAYS_UNSEALED = "days_unsealed"  # sites whose last day of the month is not anchored
    SHIFTS_OPEN = "shifts_open"
    BILLS_WAITING = "bills_waiting"  # of providers: not there yet, or faulty
    DIFFERENCES_OPEN = "differences_open"  # of bills, that nobody has decided
    BILLS_MISSING = "bills_missing"  # that never came
    FREEZES_MISSING = "freezes_missing"
    FREEZES_PROVISIONAL = "freezes_provisional"
    SUSPENSE = "suspense"  # accounts with money that could not be placed
    CASES_OPEN = "cases_open"
    BANK_UNTIED = "bank_untied"  # entries of the bank's statements that are tied to nothing


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """A month of an organisation, and when it begins and ends at each of its sites."""

    organisation_id: int
    month: date  # its first day
    last_day: date
    begins: Mapping[int, datetime]  # by site
    ends: Mapping[int, datetime]

    @property
    def until(self) -> datetime:
        """When it has ended everywhere."""
        return max(self.ends.values())


class Periods(Protocol):
    """What a use case may ask about months of the books, open and closed."""

    def closes(self, organisation_id: int) -> list[MonthClose]:
        """Return all closed months, the last first."""
        ...

    def hold(self, organisation_id: int) -> None:
        """Let nobody close a month, or book late, beside this transaction; who does so now is waited for."""
        ...

    def put(self, close: MonthClose) -> None: ...

    def days_done(self, reach: Reach) -> int:
        """Count the days of a month that are done, of all sites."""
        ...

    def standing(self, reach: Reach) -> dict[Check, int]:
        """Count what else stands open in a month, but what the bank's part counts."""
        ...

    def totals(self, reach: Reach) -> list[Total]:
        """Return what was booked in a month, by currency and code."""
        ...

    def anchors(self, reach: Reach) -> list[LastAnchor]:
        """Return the last anchor of each site up to the end of a month, by site."""
        ...
