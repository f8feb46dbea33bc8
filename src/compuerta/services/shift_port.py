"""The port to tills, shifts, and sales under numbers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from typing import Protocol
from uuid import UUID

CASH = "cash"


@dataclass(frozen=True, slots=True, kw_only=True)
class Till:
    """A counter that takes money in shifts, with the last numbers that it gave out."""

    provider: str
    organisation_id: int
    site_id: int | None = None  # None = sells for all
    currency: str
    drawer_max_minor: int | None = None  # more cash than this is to be taken to the safe
    receipt_no_last: int = 0
    shift_no_last: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Shift:
    """A cashier at a till, from float to count."""

    provider: str
    shift_id: UUID
    organisation_id: int
    shift_no: int  # the number of its Z report
    cashier: str
    opened_at: datetime
    float_minor: int
    counted_minor: int | None = None  # blind: before the cashier sees what should be there
    counted_at: datetime | None = None
    expected_minor: int | None = None
    denominations: Mapping[str, int] = field(
        default_factory=dict
    )  # how many of each note or coin, if counted so
    reason: str = ""  # why there is more or less
    accepted_by: str | None = None
    closed_at: datetime | None = None

    @property
    def over_minor(self) -> int:
        """What was counted beyond what should be there; below zero it is missing."""
        return (self.counted_minor or 0) - (self.expected_minor or 0)


class MovementKind(Enum):
    """Why cash goes in or out without a sale."""

    FLOAT = "float"
    DROP = "drop"  # to the safe
    PAYOUT = "payout"  # something was paid for
    REFUND = "refund"  # a sale was undone
    MOVE = "move"  # somebody moved in or out: securities and settlements
    COUNT = "count"  # the end: all goes to the safe


@dataclass(frozen=True, slots=True, kw_only=True)
class CashMovement:
    """Cash that goes in or out of a drawer without a sale."""

    provider: str
    movement_id: UUID
    organisation_id: int
    shift_id: UUID
    kind: MovementKind
    amount_minor: int  # into the drawer; out of it is negative
    why: str
    who: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class TillSale:
    """A sale at a till; its payment is in the ledger. Without a number it waits for a phone's payment."""

    account_id: int
    attempt_id: UUID
    organisation_id: int
    provider: str
    shift_id: UUID
    receipt_no: int | None = None
    tenders: Mapping[str, int]  # by kind; cash is what was handed over
    change_minor: int = 0
    note: str = ""  # the number of a cheque, of a transfer, of a card terminal's slip
    sold_by: str
    sold_at: datetime
    voided_at: datetime | None = None
    voided_by: str | None = None
    void_why: str | None = None
    void_receipt_no: int | None = None

    @property
    def cash_minor(self) -> int:
        """What the sale brought into the drawer."""
        return self.tenders.get(CASH, 0) - self.change_minor

    @property
    def amount_minor(self) -> int:
        """What was paid."""
        return sum(self.tenders.values()) - self.change_minor


def receipt_number(till: str, receipt_no: int) -> str:
    """Return a number as it is printed: of this till, and one more than the one before."""
    return f"{till}-{receipt_no:06d}"


class Shifts(Protocol):
    """What a use case may ask about tills, shifts, and sales under numbers."""

    def add_till(self, till: Till) -> None: ...
    def till(self, provider: str) -> Till | None:
        """Return a till, locked until the transaction ends; None where it sells without shifts."""
        ...

    def save_till(self, till: Till) -> None: ...
    def put_shift(self, shift: Shift) -> None: ...
    def save_shift(self, shift: Shift) -> None: ...
    def shift(self, organisation_id: int, shift_id: UUID) -> Shift | None: ...
    def shift_of(self, organisation_id: int, cashier: str) -> Shift | None:
        """Return the shift that somebody has open and has not counted."""
        ...

    def shift_at(self, provider: str) -> Shift | None:
        """Return the shift that is open at a till and not counted."""
        ...

    def put_movement(self, movement: CashMovement) -> bool:
        """Write cash that went in or out; False where it is written already."""
        ...

    def movements(self, shift: Shift) -> list[CashMovement]:
        """Return the cash that went in or out without a sale, in order."""
        ...

    def put_sale(self, sale: TillSale) -> None: ...
    def save_sales(self, sales: Sequence[TillSale]) -> None: ...
    def sale(self, account_id: int, attempt_id: UUID) -> TillSale | None: ...
    def sales(self, shift: Shift) -> list[TillSale]:
        """Return a shift's sales by their numbers; those that wait for one come last."""
        ...
