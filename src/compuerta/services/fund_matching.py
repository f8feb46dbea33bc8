"""A fund bill held against the trade bill of its day, line by line: what moved in the account, and why.

The trade bill says what was paid, given back, and kept; the fund bill what that did to the account. A payment
is known by our order, a refund by its own reference. The account is charged a fee in whole minor units, in a
line of its own, or by giving back less with a refund: it agrees with the trade bill's to less than one unit.
Nothing is written, and of a bill that is faulty in its last line nothing is used.
"""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from typing import Final, NamedTuple

from compuerta.domain.money import minor_digits
from compuerta.services.payment_ports import Move, StatementFaulty, StatementLine
from compuerta.services.statement_port import Found, What
from compuerta.services.statement_sheet import (
    DIFFERENCES_MAX,
    LINES_MAX,
    LINES_PER_CHUNK,
    Sheet,
    SheetLine,
    SheetTooLong,
    TooDifferent,
    in_order,
    read_cells,
    refund_name,
)

_MICRO_DIGITS: Final = 6
_OF_TRADE: Final = (Move.PAYMENT, Move.FEE, Move.REFUND)
_REFUND: Final = "\t"  # begins the name of a refund; no line of a sheet has one


class PaidOut(NamedTuple):
    """Money that the provider sent to the bank; below zero it came back."""

    payout_no: str
    amount_minor: int
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Matched:
    """What a fund bill and the trade bill of its day come to together."""

    lines: int
    shared: int  # payments and refunds that both tell of
    digest: str  # of both
    gross_minor: int
    refunded_minor: int
    fee_beyond_micro: int  # kept beyond what the trade bill says: roundings, and fees that differ
    opening_minor: int | None
    closing_minor: int | None
    payouts: tuple[PaidOut, ...]
    found: tuple[Found, ...]


class _Told(NamedTuple):
    """What the trade bill says of one payment or refund."""

    amount_minor: int
    fee_micro: int


@dataclass(slots=True)
class _Day:
    """What was read so far, by name; numbers and no objects, since a day may have millions."""

    currency: str
    micro_per_minor: int
    told: dict[str, _Told] = field(default_factory=dict)
    moved: dict[str, int] = field(default_factory=dict)  # in the account, in minor units
    kept: dict[str, int] = field(default_factory=dict)  # by the provider, in millionths
    refunds_of_order: dict[str, list[str]] = field(default_factory=dict)
    foreign: set[str] = field(default_factory=set)  # told in another currency: left out
    strange: dict[str, StatementLine] = field(default_factory=dict)  # that the trade bill does not tell of
    payouts: list[PaidOut] = field(default_factory=list)
    others: list[Found] = field(default_factory=list)
    gross_minor: int = 0
    refunded_minor: int = 0
    balance_minor: int = 0  # what the lines so far come to
    opening_minor: int | None = None
    closing_minor: int | None = None


def match(trade: Sheet, fund: Iterable[StatementLine], *, currency: str) -> Matched:
    """Say how a fund bill differs from the trade bill of its day; lines in another currency are left out.

    Raises what reading the bill raises, `StatementFaulty` where its balances do not add up, `TooDifferent`.
    """
    day = _Day(currency=currency, micro_per_minor=10 ** (_MICRO_DIGITS - minor_digits(currency)))
    _read_trade(trade, day)
    digest, count, rest = hashlib.sha256(trade.digest.encode()), 0, iter(fund)
    while some := list(islice(rest, LINES_PER_CHUNK)):
        digest.update(_meaning(some))
        count += len(some)
        if count > LINES_MAX:
            raise SheetTooLong
        _read_fund([line for line in some if line.currency == currency], day)
    _check_balances(day, line_no=count)
    differing, fee_beyond_micro = _judged(day)
    found = [*day.others, *_rows(trade, day, differing)]
    return Matched(
        lines=count,
        shared=len(day.told.keys() & day.moved.keys()),
        digest=digest.hexdigest(),
        gross_minor=day.gross_minor,
        refunded_minor=day.refunded_minor,
        fee_beyond_micro=fee_beyond_micro,
        opening_minor=day.opening_minor,
        closing_minor=day.closing_minor,
        payouts=tuple(day.payouts),
        found=in_order(found),
    )


def _meaning(lines: Sequence[StatementLine]) -> bytes:
    """Return what makes lines the same lines: all but the instants, which cost as much as all the rest."""
    numbers, references, refunds, amounts, fees, currencies, _, words, *_ = zip(*lines, strict=True)
    texts = (numbers, references, refunds, map(str, amounts), map(str, fees), currencies, words)
    return "\n".join(map("\t".join, texts)).encode()


def _read_trade(trade: Sheet, day: _Day) -> None:
    told = day.told
    for transaction_no, reference, refund, amount, fee, currency, _ in trade.cells():
        name = _REFUND + refund if refund else reference or transaction_no
        if currency != day.currency:
            day.foreign.add(name)
        elif name in told:  # listed twice, which is a difference of the trade bill
            known = told[name]
            told[name] = _Told(known.amount_minor + int(amount), known.fee_micro + int(fee))
        else:
            told[name] = _Told(int(amount), int(fee))
            if refund:
                day.refunds_of_order.setdefault(reference, []).append(name)


def _read_fund(lines: Sequence[StatementLine], day: _Day) -> None:
    moved, kept, told, per_minor = day.moved, day.kept, day.told, day.micro_per_minor
    for line in lines:
        move, amount_minor = line.move, line.amount_minor
        day.balance_minor += amount_minor
        if line.balance_minor is not None:
            if day.opening_minor is None:
                day.opening_minor = line.balance_minor - day.balance_minor
            day.closing_minor = line.balance_minor
        if move not in _OF_TRADE:
            _keep_other(line, day)
            continue
        name = line.reference or line.transaction_no
        if move is Move.REFUND or (amount_minor > 0 and move is Move.FEE):
            name = _refund_named(line, name, day)
        if name in day.foreign:
            continue
        if name not in told:
            _keep_strange(name, line, day)
        if move is Move.FEE:
            kept[name] = kept.get(name, 0) - amount_minor * per_minor
            continue
        moved[name] = moved.get(name, 0) + amount_minor
        if line.fee_micro:
            kept[name] = kept.get(name, 0) + line.fee_micro
        if move is Move.PAYMENT:
            day.gross_minor += amount_minor
        else:
            day.refunded_minor -= amount_minor


def _keep_other(line: StatementLine, day: _Day) -> None:
    if line.move is Move.PAYOUT:
        back = ":back" if line.amount_minor > 0 else ""
        day.payouts.append(PaidOut(line.transaction_no + back, -line.amount_minor, line.at))
    else:
        day.others.append(_found(What.MOVE, line, theirs_minor=line.amount_minor))
    if len(day.payouts) + len(day.others) > DIFFERENCES_MAX:
        raise TooDifferent


def _keep_strange(name: str, line: StatementLine, day: _Day) -> None:
    day.strange.setdefault(name, line)
    if len(day.strange) > DIFFERENCES_MAX:
        raise TooDifferent


def _refund_named(line: StatementLine, order: str, day: _Day) -> str:
    """Name a refund, or a fee that is given back with one; some fund bills name the order alone."""
    refunds = day.refunds_of_order.get(line.reference, [])
    if line.move is Move.FEE:  # in a line of its own, of a refund of which none was given back yet
        return next((name for name in refunds if name not in day.kept), refunds[0] if refunds else order)
    if line.refund_reference:
        return _REFUND + line.refund_reference
    waiting = [name for name in refunds if name not in day.moved]
    same = [name for name in waiting if day.told[name].amount_minor == line.amount_minor]
    return (same or waiting or [_REFUND + refund_name(line)])[0]


def _check_balances(day: _Day, *, line_no: int) -> None:
    if day.opening_minor is None or day.closing_minor is None:
        return
    if day.opening_minor + day.balance_minor != day.closing_minor:
        raise StatementFaulty(line_no, "the first balance and all lines do not come to the last balance")


def _judged(day: _Day) -> tuple[dict[str, What], int]:
    """Return what differs, and what was kept beyond what the trade bill says."""
    differing: dict[str, What] = {}
    fee_beyond_micro = sum(day.kept.values())
    moved, kept, per_minor = day.moved, day.kept, day.micro_per_minor
    for name, (told_minor, told_fee_micro) in day.told.items():
        fee_beyond_micro -= told_fee_micro
        moved_minor = moved.get(name)
        if moved_minor is None:
            if told_minor:
                differing[name] = What.TRADE_ONLY
            continue
        less_micro = (told_minor - moved_minor) * per_minor
        is_refund = name.startswith(_REFUND)
        if -per_minor < kept.get(name, 0) - told_fee_micro + less_micro < per_minor and (
            is_refund or not less_micro
        ):
            fee_beyond_micro += less_micro
        else:  # an amount that differs is no fee
            differing[name] = What.FUND_AMOUNT if less_micro else What.FEE
        if len(differing) > DIFFERENCES_MAX:
            raise TooDifferent
    for name in day.strange:
        differing[name] = What.FUND_ONLY if name in moved else What.FEE
    return differing, fee_beyond_micro


def _rows(trade: Sheet, day: _Day, differing: dict[str, What]) -> Iterator[Found]:
    """Tell what differs with the line that says it: the fund bill's, or else the trade bill's."""
    left = dict(differing)
    for name, line in day.strange.items():
        yield _differs(left.pop(name), name, line, day)
    for cells in trade.cells() if left else ():
        name = _REFUND + cells[2] if cells[2] else cells[1] or cells[0]
        if name in left:
            yield _differs(left.pop(name), name, read_cells(cells), day)


def _differs(what: What, name: str, line: StatementLine | SheetLine, day: _Day) -> Found:
    told = day.told.get(name)
    if what is What.FEE:
        fees_micro = (day.kept.get(name, 0), 0 if told is None else told.fee_micro)
        theirs, ours = ((micro + day.micro_per_minor // 2) // day.micro_per_minor for micro in fees_micro)
        return _found(what, line, theirs_minor=theirs, ours_minor=None if told is None else ours)
    ours_minor = None if told is None else told.amount_minor
    return _found(what, line, theirs_minor=day.moved.get(name), ours_minor=ours_minor)


def _found(
    what: What, line: StatementLine | SheetLine, *, theirs_minor: int | None, ours_minor: int | None = None
) -> Found:
    return Found(
        what, line.transaction_no, line.reference, line.refund_reference, theirs_minor, ours_minor,
        line.currency, line.at,
    )  # fmt: skip
