"""How a payment is divided: into lines that add up to what was paid (promise M3).

The order is fixed, and every part is a line of the receipt:

1. the policy's fee on each recharge, and the tax on it;
2. the fees of months that are due, oldest first, each whole or not at all;
3. what lifts a balance below zero: emergency credit, and use that was billed late;
4. debts, the lowest rank first, each by its own share or all together by the policy's;
5. energy: what is left.

3 and 5 together are the credit that the credit authority is given. Nothing takes more than there is: a fee
that is larger than the payment is cut to it, a month that does not fit waits for the next recharge, and so
does a debt. `debt_leaves_minor` is the energy that a recharge buys before any debt is paid: where a payment
is too small for it, all that is left after 1 to 3 is energy, and debts wait.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import Enum
from fractions import Fraction
from typing import Final
from uuid import UUID

from compuerta.domain.policy import DEFAULT, Policy
from compuerta.domain.tariff.components import Recovery

# Who has not recharged for longer is asked for no more.
MONTHS_MAX: Final = 24
# By one recharge: each is a line of its receipt, and what comes after them waits for the next.
DEBTS_MAX: Final = 20
_MILLION: Final = 1_000_000


class DebtKind(Enum):
    """Where a debt comes from."""

    ARREARS = "arrears"  # from before there was prepayment, or from another room
    CHARGE_BACK = "charge_back"  # a payment that its bank took back, after it was used
    RECONNECTION = "reconnection"
    OTHER = "other"


@dataclass(frozen=True, slots=True, kw_only=True)
class Debt:
    """What an account owes from before, and how recharges recover it."""

    account_id: int
    debt_id: UUID
    kind: DebtKind
    name: str  # as the receipt says it
    opened_minor: int
    remaining_minor: int
    opened_at: datetime
    opened_by: str
    why: str
    cause_id: UUID  # what made it: a correction, a dispute, the debt itself
    rank: int = 100  # the lowest is paid first
    share_ppm: int | None = None  # of each recharge; None = together with others, as the policy says
    least_minor: int = 0  # ... and at least this
    suspended_until: datetime | None = None


class PartKind(Enum):
    """What a part of a payment is for."""

    FEE = "fee"
    TAX = "tax"
    FIXED = "fixed"  # the fee of one month
    EMERGENCY = "emergency"  # credit that lifts a balance below zero
    DEBT = "debt"
    ENERGY = "energy"
    CHANGE = "change"


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One line of a divided payment; but for debts, its kind is its name."""

    kind: PartKind
    amount_minor: int  # above zero
    name: str = ""
    period: str = ""  # of a fixed fee: the month, such as "2026-11"
    debt_id: UUID | None = None
    remaining_minor: int | None = None  # of the debt, after it


@dataclass(frozen=True, slots=True, kw_only=True)
class Dues:
    """All that a payment meets before it is energy."""

    debts: tuple[Debt, ...] = ()  # that are not suspended
    months: tuple[str, ...] = ()  # due and not paid
    overdrawn_minor: int = 0  # how far the balance is below zero
    policy: Policy = DEFAULT
    recovery: Recovery | None = None  # of the tariff, where it has one: instead of the policy's share


@dataclass(frozen=True, slots=True, kw_only=True)
class Division:
    """A payment, part by part, in the order in which they were taken."""

    paid_minor: int
    parts: tuple[Part, ...]

    def of(self, *kinds: PartKind) -> int:
        """Return what all parts of these kinds come to."""
        return sum(part.amount_minor for part in self.parts if part.kind in kinds)

    @property
    def credit_minor(self) -> int:
        """What the credit authority is given."""
        return self.of(PartKind.EMERGENCY, PartKind.ENERGY)


@dataclass(slots=True)
class _Purse:
    """What is left of a payment, and what was taken from it."""

    left_minor: int
    parts: list[Part] = field(default_factory=list)

    def take(self, kind: PartKind, amount_minor: int, *, period: str = "", debt: Debt | None = None) -> None:
        """Take an amount for a part; nothing is no part."""
        if amount_minor <= 0:
            return
        part = Part(kind=kind, amount_minor=amount_minor, period=period)
        if debt is not None:
            remaining_minor = debt.remaining_minor - amount_minor
            part = replace(part, name=debt.name, debt_id=debt.debt_id, remaining_minor=remaining_minor)
        self.left_minor -= amount_minor
        self.parts.append(part)


def divide(paid_minor: int, dues: Dues) -> Division:
    """Divide a payment of more than nothing; its parts add up to it."""
    assert paid_minor > 0 and dues.overdrawn_minor >= 0, "nothing is divided, or a balance is below itself"
    purse = _Purse(left_minor=paid_minor)
    _take_fee(purse, dues.policy)
    _take_months(purse, dues)
    purse.take(PartKind.EMERGENCY, min(dues.overdrawn_minor, purse.left_minor))
    _take_debts(purse, dues)
    purse.take(PartKind.ENERGY, purse.left_minor)
    return Division(paid_minor=paid_minor, parts=tuple(purse.parts))


def months_due(*, since: str, until: str, paid: Iterable[str]) -> tuple[str, ...]:
    """Return the months of [since, until] that nobody has paid, of the last `MONTHS_MAX`; as "2026-11"."""
    known, last = frozenset(paid), _number(until)
    first = max(_number(since), last - MONTHS_MAX + 1)
    months = (f"{number // 12:04d}-{number % 12 + 1:02d}" for number in range(first, last + 1))
    return tuple(month for month in months if month not in known)


def in_turn(debts: Iterable[Debt], *, now: datetime) -> tuple[Debt, ...]:
    """Return the debts that a recharge recovers now, in the order in which it does."""
    taken = (
        each
        for each in debts
        if each.remaining_minor and (each.suspended_until is None or each.suspended_until <= now)
    )
    return tuple(sorted(taken, key=lambda each: (each.rank, each.opened_at, each.debt_id))[:DEBTS_MAX])


def recovered(debts: Iterable[Debt], parts: Sequence[Part]) -> list[Debt]:
    """Return the debts that these parts have lowered, as they are now."""
    left = {part.debt_id: part.remaining_minor for part in parts if part.kind is PartKind.DEBT}
    return [replace(each, remaining_minor=left[each.debt_id] or 0) for each in debts if each.debt_id in left]


def _number(month: str) -> int:
    year, _, of_year = month.partition("-")
    return int(year) * 12 + int(of_year) - 1


def _take_fee(purse: _Purse, policy: Policy) -> None:
    paid_minor = purse.left_minor
    wanted = policy.recharge_fee_minor + _share(paid_minor, policy.recharge_fee_ppm)
    # The largest fee that leaves room for its own tax.
    most = paid_minor * _MILLION // (_MILLION + policy.recharge_fee_tax_ppm)
    fee_minor = min(wanted, most)
    purse.take(PartKind.FEE, fee_minor)
    purse.take(PartKind.TAX, _share(fee_minor, policy.recharge_fee_tax_ppm))


def _take_months(purse: _Purse, dues: Dues) -> None:
    monthly_minor = dues.policy.monthly_fee_minor
    for month in dues.months:
        if monthly_minor > purse.left_minor:
            return  # the oldest first: a younger one does not fit either
        purse.take(PartKind.FIXED, monthly_minor, period=month)


def _take_debts(purse: _Purse, dues: Dues) -> None:
    base_minor = purse.left_minor
    room_minor = max(base_minor - dues.policy.debt_leaves_minor, 0)
    shared_minor = _share(base_minor, dues.policy.debt_share_ppm)
    if dues.recovery is not None:
        part = _rounded(base_minor * dues.recovery.share)
        shared_minor = max(part, dues.recovery.least_minor)
    for debt in dues.debts:
        own = debt.share_ppm is not None
        wanted = _share(base_minor, debt.share_ppm or 0) if own else shared_minor
        taken_minor = min(max(wanted, debt.least_minor), debt.remaining_minor, room_minor)
        if not own:
            shared_minor = max(shared_minor - taken_minor, 0)
        room_minor -= taken_minor
        purse.take(PartKind.DEBT, taken_minor, debt=debt)


def _share(amount_minor: int, ppm: int) -> int:
    return _rounded(Fraction(amount_minor * ppm, _MILLION))


def _rounded(amount: Fraction) -> int:
    return int(amount + Fraction(1, 2))  # half up; none of these is negative
