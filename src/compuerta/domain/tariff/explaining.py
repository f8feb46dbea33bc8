"""Explaining: what a charge is made of, as facts; the words are the screens' matter.

A charge is the difference of two states of one bill, and so are its moves: line by line what was added, at
which price, of which version, and where on the steps' running total it lay. The moves' minor units add up to
the charge, and per account to its posting, because both are differences of the same lines.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

from compuerta.domain.tariff.bill import Bill, Line, Unit
from compuerta.domain.tariff.components import Account
from compuerta.domain.tariff.schedule import VersionKey
from compuerta.domain.tariff.tally import Amount


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """What was added to one line: quantity x price = exact.

    A quantity below nothing takes back what was billed at a price that no longer holds (slab, proportional).
    A move of no quantity with an amount is a minor unit that rounding has given to this line.
    """

    version: VersionKey
    name: str
    account: Account
    unit: Unit
    quantity: Fraction
    price: Fraction  # as in `Line`
    exact: Fraction  # minor units
    amount_minor: int
    period: str = ""
    step: int | None = None
    # The stretch of the steps' running total that this step covers of the charge, in Wh; periods that count
    # together share it. None = no steps, steps that the whole bill decides, or more than one window.
    from_wh: Amount | None = None
    to_wh: Amount | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """How exact money became a charge: exact + carried - left = amount_minor."""

    exact: Fraction  # what the moves add up to
    carried: Fraction  # what rounding had left over before (below zero: it had been ahead)
    left: Fraction  # what it leaves for the next charge
    amount_minor: int


def explain(before: Bill | None, after: Bill) -> tuple[Move, ...]:
    """Return what a charge is made of, in the bill's order; `before` is None where a bill begins with it."""
    assert before is None or before.start == after.start, "a charge lies within one bill"
    was = _by_key(before.lines if before else ())
    now = _by_key(after.lines)
    stretches = _stretches(before, after)
    moves = []
    for key in [*now, *(key for key in was if key not in now)]:
        move = _difference(was.get(key, ()), now.get(key, ()))
        if move.quantity or move.exact or move.amount_minor:
            moves.append(_placed(move, stretches.get((move.version, move.period))))
    return tuple(moves)


def settle(before: Bill | None, after: Bill) -> Settled:
    """Return how the exact money of a charge was rounded; arguments as in `explain`."""
    return Settled(
        exact=after.exact - (before.exact if before else 0),
        carried=_left(before) if before else after.carried,
        left=_left(after),
        amount_minor=after.total_minor - (before.total_minor if before else 0),
    )


def _left(bill: Bill) -> Fraction:
    return bill.carried + bill.exact - bill.total_minor


_Key = tuple[VersionKey, str, Account, Unit, str, int | None]


def _by_key(lines: Iterable[Line]) -> dict[_Key, tuple[Line, ...]]:
    """A version that holds twice within a bill has two lines of a kind."""
    found: dict[_Key, tuple[Line, ...]] = {}
    for line in lines:
        key = line.version, line.name, line.account, line.unit, line.period, line.step
        found[key] = (*found.get(key, ()), line)
    return found


def _difference(old: Sequence[Line], new: Sequence[Line]) -> Move:
    like = [*old, *new][-1]
    return Move(
        version=like.version,
        name=like.name,
        account=like.account,
        unit=like.unit,
        quantity=_sum(line.quantity for line in new) - _sum(line.quantity for line in old),
        price=like.price,
        exact=_sum(line.exact for line in new) - _sum(line.exact for line in old),
        amount_minor=sum(line.amount_minor for line in new) - sum(line.amount_minor for line in old),
        period=like.period,
        step=like.step,
        from_wh=like.from_wh,
        to_wh=like.to_wh,
    )


def _sum(amounts: Iterable[Fraction]) -> Fraction:
    return sum(amounts, Fraction(0))


_Stretch = tuple[Amount, Amount]  # of a running total: from, to


def _stretches(before: Bill | None, after: Bill) -> dict[tuple[VersionKey, str], _Stretch]:
    """Return how far each period's running total has come, where that is one stretch of one window."""
    way = after.way
    if way is None:
        return {}
    start = way.opened
    if before is not None and before.way is not None and before.way.version == way.version:
        start = before.way.reached if before.way.window_start == way.window_start else None
    if start is None:
        return {}
    return {(way.version, period): (start[period], reached) for period, reached in way.reached.items()}


def _placed(move: Move, stretch: _Stretch | None) -> Move:
    """Return the move with the part of the stretch that lies in its step."""
    if stretch is None or move.from_wh is None:
        return replace(move, from_wh=None, to_wh=None)
    start, end = stretch
    lower = max(start, move.from_wh)
    upper = end if move.to_wh is None else min(end, move.to_wh)
    inside = lower < upper
    return replace(move, from_wh=lower if inside else None, to_wh=upper if inside else None)
