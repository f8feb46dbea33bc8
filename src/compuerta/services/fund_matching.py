"""A fund bill held against the trade bill of its day, line by line: what moved in the account, and why.

The trade bill says what was paid, given back, and kept; the fund bill what that did to the account. A payment
is known by our order, a refund by its own reference. The account is charged a fee in whole minor units, in a
line of its own, or by giving back less with a refund: it agrees with the trade bill's to less than one unit.
Nothing is written, and of a bill that is faulty in its last line nothing is used.
"""

import hashlib
from collections.abc import Iterable, Iterator
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
    packed,
    refund_name,
)

_MICRO_DIGITS: Final = 6
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


@dataclass(slots=True)
class _Money:
    """What both bills say of one payment or refund."""

    told_minor: int = 0  # by the trade bill
    told_fee_micro: int = 0
    moved_minor: int = 0  # in the account
    fee_micro: int = 0
    is_told: bool = False
    has_moved: bool = False


@dataclass(slots=True)
class _Day:
    """What was read so far."""

    currency: str
    micro_per_minor: int
    money: dict[str, _Money] = field(default_factory=dict)
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
        digest.update(packed(some))
        count += len(some)
        if count > LINES_MAX:
            raise SheetTooLong
        for line in some:
            if line.currency == currency:
                _read_fund(line, day)
    _check_balances(day, line_no=count)
    found = [*day.others, *_judged(trade, day)]
    return Matched(
        lines=count,
        shared=sum(each.is_told and each.has_moved for each in day.money.values()),
        digest=digest.hexdigest(),
        gross_minor=day.gross_minor,
        refunded_minor=day.refunded_minor,
        fee_beyond_micro=sum(_kept_beyond_micro(name, each, day) for name, each in day.money.items()),
        opening_minor=day.opening_minor,
        closing_minor=day.closing_minor,
        payouts=tuple(day.payouts),
        found=in_order(found),
    )


def _read_trade(trade: Sheet, day: _Day) -> None:
    for transaction_no, reference, refund, amount, fee, currency, _ in trade.cells():
        name = _told_name(transaction_no, reference, refund)
        if currency != day.currency:
            day.foreign.add(name)
            continue
        if refund:
            day.refunds_of_order.setdefault(reference, []).append(refund)
        money = day.money.get(name)
        if money is None:
            day.money[name] = _Money(int(amount), int(fee), is_told=True)
        else:  # listed twice, which is a difference of the trade bill
            money.told_minor += int(amount)
            money.told_fee_micro += int(fee)


def _told_name(transaction_no: str, reference: str, refund_reference: str) -> str:
    return _REFUND + refund_reference if refund_reference else reference or transaction_no


def _read_fund(line: StatementLine, day: _Day) -> None:
    day.balance_minor += line.amount_minor
    if line.balance_minor is not None:
        if day.opening_minor is None:
            day.opening_minor = line.balance_minor - day.balance_minor
        day.closing_minor = line.balance_minor
    match line.move:
        case Move.PAYMENT:
            day.gross_minor += line.amount_minor
        case Move.REFUND:
            day.refunded_minor -= line.amount_minor
        case Move.PAYOUT:
            back = ":back" if line.amount_minor > 0 else ""
            day.payouts.append(PaidOut(line.transaction_no + back, -line.amount_minor, line.at))
            return
        case Move.OTHER | None:
            day.others.append(_found(What.MOVE, line, theirs_minor=line.amount_minor))
            return
    name = _name(line, day)
    if name in day.foreign:
        return
    money = day.money.get(name)
    if money is None:
        money = day.money[name] = _Money()
        day.strange[name] = line
        if len(day.strange) > DIFFERENCES_MAX:
            raise TooDifferent
    if line.move is Move.FEE:
        money.fee_micro -= line.amount_minor * day.micro_per_minor
    else:
        money.moved_minor += line.amount_minor
        money.fee_micro += line.fee_micro
        money.has_moved = True


def _name(line: StatementLine, day: _Day) -> str:
    if line.move is not Move.REFUND:
        refunds = day.refunds_of_order.get(line.reference) if line.amount_minor > 0 else None
        if line.move is Move.FEE and refunds:  # a fee that is given back, in a line of its own
            names = [_REFUND + refund for refund in refunds]
            return next((name for name in names if not day.money[name].fee_micro), names[0])
        return line.reference or line.transaction_no
    if line.refund_reference:
        return _REFUND + line.refund_reference
    # Some fund bills name the order alone: a refund of it that has not moved yet, of this amount if there is.
    waiting = [
        name
        for name in (_REFUND + refund for refund in day.refunds_of_order.get(line.reference, ()))
        if not day.money[name].has_moved
    ]
    same = [name for name in waiting if day.money[name].told_minor == line.amount_minor]
    return (same or waiting or [_REFUND + refund_name(line)])[0]


def _check_balances(day: _Day, *, line_no: int) -> None:
    if day.opening_minor is None or day.closing_minor is None:
        return
    if day.opening_minor + day.balance_minor != day.closing_minor:
        raise StatementFaulty(line_no, "the first balance and all lines do not come to the last balance")


def _judged(trade: Sheet, day: _Day) -> Iterator[Found]:
    differing = {}
    for name, money in day.money.items():
        what = _judge(name, money, day)
        if what is not None:
            differing[name] = what
            if len(differing) > DIFFERENCES_MAX:
                raise TooDifferent
    for name, line in day.strange.items():
        if name in differing:
            yield _differs(differing.pop(name), line, day.money[name], day)
    for told in trade.read() if differing else ():
        name = _told_name(told.transaction_no, told.reference, told.refund_reference)
        if name in differing:
            yield _differs(differing.pop(name), told, day.money[name], day)


def _judge(name: str, money: _Money, day: _Day) -> What | None:
    if not money.is_told:
        return What.FUND_ONLY if money.has_moved else What.FEE
    if not money.has_moved:
        return What.TRADE_ONLY if money.told_minor else None
    is_same = money.moved_minor == money.told_minor
    if not is_same and not name.startswith(_REFUND):
        return What.FUND_AMOUNT
    if abs(_beyond_micro(money, day)) < day.micro_per_minor:
        return None
    return What.FEE if is_same else What.FUND_AMOUNT


def _kept_beyond_micro(name: str, money: _Money, day: _Day) -> int:
    """Return what the provider kept beyond what the trade bill says; an amount that differs is no fee."""
    if _judge(name, money, day) is None and money.has_moved:
        return _beyond_micro(money, day)
    return money.fee_micro - money.told_fee_micro


def _beyond_micro(money: _Money, day: _Day) -> int:
    less_minor = money.told_minor - money.moved_minor
    return money.fee_micro - money.told_fee_micro + less_minor * day.micro_per_minor


def _differs(what: What, line: StatementLine | SheetLine, money: _Money, day: _Day) -> Found:
    if what is What.FEE:
        theirs, ours = (
            (micro + day.micro_per_minor // 2) // day.micro_per_minor
            for micro in (money.fee_micro, money.told_fee_micro)
        )
        return _found(what, line, theirs_minor=theirs, ours_minor=ours if money.is_told else None)
    return _found(
        what, line,
        theirs_minor=money.moved_minor if money.has_moved else None,
        ours_minor=money.told_minor if money.is_told else None,
    )  # fmt: skip


def _found(
    what: What, line: StatementLine | SheetLine, *, theirs_minor: int | None, ours_minor: int | None = None
) -> Found:
    return Found(
        what, line.transaction_no, line.reference, line.refund_reference, theirs_minor, ours_minor,
        line.currency, line.at,
    )  # fmt: skip
