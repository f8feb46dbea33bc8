"""The port to providers' bills, and what of them does not agree."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import Enum
from typing import NamedTuple, Protocol

from compuerta.services.payment_ports import StatementKind

Named = tuple[str, str]  # a line: the provider's transaction number, and the refund's reference or ""


class StatementKey(NamedTuple):
    """Which bill."""

    provider: str
    day: date  # the provider's own
    kind: StatementKind


class StatementState(Enum):
    """What is known of a bill."""

    WAITING = "waiting"  # not fetched yet
    MATCHED = "matched"  # fetched, checked, and held against our books
    EMPTY = "empty"  # there is none, and nothing of ours on that day
    MISSING = "missing"  # there is none, though we have payments of that day
    FAULTY = "faulty"  # it cannot be read, or does not add up: nothing of it is used


class What(Enum):
    """How a line and our books differ."""

    THEIRS_ONLY = "theirs_only"
    OURS_ONLY = "ours_only"
    AMOUNT = "amount"  # or the currency
    REFERENCE = "reference"
    TWICE = "twice"
    REFUND_THEIRS_ONLY = "refund_theirs_only"
    REFUND_OURS_ONLY = "refund_ours_only"
    OTHER_DAY = "other_day"  # it agrees, and is of a day beside this one by our books
    FUND_ONLY = "fund_only"  # money moved in the account, and the trade bill does not say why
    TRADE_ONLY = "trade_only"  # the trade bill says so, and no money moved
    FUND_AMOUNT = "fund_amount"  # another amount moved than the trade bill says
    FEE = "fee"  # another fee was taken than the trade bill says
    GAP = "gap"  # the account begins the day with other money than it ended the last one
    MOVE = "move"  # the provider's account moved for a reason that is not known


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """A bill of a provider's day, and how it agrees."""

    provider: str
    day: date
    kind: StatementKind
    organisation_id: int
    currency: str  # of the sums; lines in another one are matched, and not added up
    state: StatementState = StatementState.WAITING
    asks: int = 0
    ask_at: datetime | None = None  # when it is fetched next; None = never again by itself
    reason: str = ""  # why it is not there, or faulty
    version: int = 0  # how often it came with other contents
    digest: str = ""  # SHA-256 of its lines
    fetched_at: datetime | None = None
    lines: int = 0
    matched: int = 0
    differing: int = 0
    gross_minor: int = 0
    refunded_minor: int = 0
    fee_micro: int = 0  # millionths of the major unit: fees have five decimals
    fee_minor: int = 0  # what is booked of it
    opening_minor: int | None = None  # of a fund bill: what the account held before it, and after
    closing_minor: int | None = None
    paid_out_minor: int = 0  # ... and what went to the bank

    @property
    def is_final(self) -> bool:
        """Whether no other bill of this day is to be expected."""
        is_faulty = self.state is StatementState.FAULTY
        return self.ask_at is None if is_faulty else self.state is not StatementState.WAITING

    @property
    def key(self) -> StatementKey:
        """Which bill it is."""
        return StatementKey(self.provider, self.day, self.kind)


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """A line of a bill that does not agree with our books, or money of ours that is not in it."""

    provider: str
    day: date
    kind: StatementKind
    difference_no: int
    organisation_id: int
    what: What
    transaction_no: str
    reference: str
    refund_reference: str
    theirs_minor: int | None
    ours_minor: int | None
    currency: str
    at: datetime
    waits: bool = False  # for the bill of the next day, in which it may be
    ended_at: datetime | None = None
    ended_by: str | None = None
    outcome: str | None = None
    note: str = ""  # why, in the words of whoever ended it

    @property
    def name(self) -> Named:
        """The line that it is about."""
        return self.transaction_no, self.refund_reference


class Found(NamedTuple):
    """A difference as a comparison finds it."""

    what: What
    transaction_no: str
    reference: str
    refund_reference: str
    theirs_minor: int | None
    ours_minor: int | None
    currency: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """Whose bill is compared, of which instants, added up in which currency."""

    provider: str
    start: datetime
    end: datetime
    currency: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """What a comparison comes to."""

    lines: int
    gross_minor: int
    refunded_minor: int
    fee_micro: int
    found: tuple[Found, ...]


class Statements(Protocol):
    """What a use case may ask about providers' bills, and what of them does not agree."""

    def put(self, statements: Sequence[Statement]) -> None:
        """Begin bills; of one that is known, nothing changes."""
        ...

    def claim(self, *, now: datetime, until: datetime, limit: int) -> list[Statement]:
        """Take bills that are to be fetched now; nobody else takes them before `until`."""
        ...

    def statement(self, key: StatementKey) -> Statement | None:
        """Return a bill, locked until the transaction ends."""
        ...

    def save(self, statement: Statement) -> None:
        """Write all that may change of a bill."""
        ...

    def fees_but(self, key: StatementKey, *, currency: str) -> tuple[int, int]:
        """Return what all other bills of a provider say of fees, in millionths, and what is booked of it."""
        ...

    def has_payments(self, scope: Scope) -> bool:
        """Tell whether we have payments of a provider between two instants."""
        ...

    def differences(self, key: StatementKey) -> list[Difference]:
        """Return the differences of a bill by number, locked until the transaction ends."""
        ...

    def put_differences(self, differences: Sequence[Difference]) -> None:
        """Write new differences."""
        ...

    def save_differences(self, differences: Sequence[Difference]) -> None:
        """Write whether differences wait, and their ends."""
        ...

    def funds_beside(self, key: StatementKey) -> tuple[Statement | None, Statement | None]:
        """Return the fund bills before and after a day that say what the account held, locked."""
        ...

    def on_other_days(self, key: StatementKey, named: Iterable[Named]) -> set[Named]:
        """Return which of these lines are in such a bill of a day that is not theirs by our books.

        A refund that only a bill told of is one: we heard of it later.
        """
        ...
