"""Residents' statements: a month of an account, from opening to closing, line by line.

Money is the credit of our books, delivered or on its way, by the instant of booking. An account is one
party's contract, so that nothing of whoever lived there before is in it. What the lines come to is held
against the ledger's own sum before anybody sees them.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from enum import Enum
from typing import Final, TypeVar
from uuid import UUID

from compuerta.domain.errors import Broken, Refused
from compuerta.domain.ledger import DEBT, DELIVERED, UNDELIVERED, Posting, PostingKind, liability_minor
from compuerta.domain.party import BUYING, zone_of
from compuerta.services.day_end import bounds_of
from compuerta.services.day_port import CHARGING, RECHARGING, AccountDay
from compuerta.services.history_port import Charged, CodeSum, Recharged, Tenancy
from compuerta.services.statement_months import Month, running
from compuerta.services.store_port import Store, Transaction

CREDIT: Final = frozenset({DELIVERED, UNDELIVERED})
# What was used in the last minutes of a month is read, and booked, in the next.
READ_LATE_MAX: Final = timedelta(days=3)
READS_MAX: Final = 3
Stated = TypeVar("Stated")


class AccountUnknown(Refused):
    """There is no such account, or it buys nothing."""

    def __init__(self, account_id: int) -> None:
        super().__init__(f"there is no account {account_id} that buys electricity")
        self.account_id = account_id


class MonthOutside(Refused):
    """A month in which the account did not exist yet, or that has not begun."""

    def __init__(self, month: Month, *, first: Month, last: Month) -> None:
        super().__init__(f"there is no statement for {month}; choose one from {first} to {last}")
        self.month = month
        self.first = first
        self.last = last


class DoesNotAddUp(Broken):
    """The lines of a statement are not what the ledger says."""

    def __init__(self, account_id: int, *, lines_minor: int, ledger_minor: int) -> None:
        super().__init__(f"account {account_id}: lines come to {lines_minor}, the ledger to {ledger_minor}")
        self.account_id = account_id


class Effect(Enum):
    """What a posting is to a balance, as accounts' days say it."""

    RECHARGED = "recharged"
    CHARGED = "charged"
    ADJUSTED = "adjusted"


def effect_of(kind: PostingKind) -> Effect:
    """Return what a posting of a kind is to a balance; reversals, moves and refunds are adjustments."""
    if kind in RECHARGING:
        return Effect.RECHARGED
    return Effect.CHARGED if kind in CHARGING else Effect.ADJUSTED


@dataclass(frozen=True, slots=True, kw_only=True)
class Moved:
    """One posting that moved the credit."""

    at: datetime  # of its booking
    kind: PostingKind
    cause_id: UUID
    credit_minor: int  # what it added; a charge adds less than nothing
    recharge: Recharged | None = None

    @property
    def effect(self) -> Effect:
        """What it is to the balance."""
        return effect_of(self.kind)


@dataclass(frozen=True, slots=True, kw_only=True)
class StatementDay:
    """A day: opening + recharged + adjusted - charged = closing."""

    day: date
    opening_minor: int
    recharged_minor: int
    adjusted_minor: int
    charged_minor: int
    closing_minor: int
    used_wh: int | None  # None = not known, which is not zero
    is_provisional: bool = False
    is_explained: bool = False  # there are charges whose lines can be shown
    agrees: bool | None = None  # with the day as it was rolled forward; None = it was not

    @property
    def tells(self) -> bool:
        """Whether there is anything to read of it."""
        moves = (self.recharged_minor, self.adjusted_minor, self.charged_minor)
        return any(moves) or self.used_wh is not None or self.agrees is False


@dataclass(frozen=True, slots=True, kw_only=True)
class Owed:
    """What an account owes from before: what was added, what recharges recovered, what nobody will pay."""

    opening_minor: int
    added_minor: int
    recovered_minor: int
    written_off_minor: int
    closing_minor: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ResidentStatement:
    """A month of an account."""

    tenancy: Tenancy
    month: Month
    since: datetime
    until: datetime
    is_over: bool  # the month; otherwise it is as of now
    opening_minor: int
    closing_minor: int
    undelivered_minor: int  # of the closing: on its way to the meter
    moved: tuple[Moved, ...]
    days: tuple[StatementDay, ...]
    owed: Owed

    def minor(self, effect: Effect) -> int:
        """Return what all postings of an effect have made of the credit."""
        return sum(each.credit_minor for each in self.moved if each.effect is effect)

    @property
    def used_wh(self) -> int | None:
        """The energy of the days that are known; None = of none."""
        known = [each.used_wh for each in self.days if each.used_wh is not None]
        return sum(known) if known else None

    @property
    def days_missing(self) -> int:
        """How many days' use is not known."""
        return sum(each.used_wh is None for each in self.days)

    @property
    def disagreeing(self) -> tuple[date, ...]:
        """The days that were rolled forward to other figures."""
        return tuple(each.day for each in self.days if each.agrees is False)


def months_of(tenancy: Tenancy, *, now: datetime) -> tuple[Month, Month]:
    """Return the first and the last month that an account has a statement for."""
    first, last = (running(each, zone=tenancy.zone) for each in (tenancy.opened_at, now))
    return first, max(first, last)


def resident_statement(store: Store, account_id: int, *, month: Month, now: datetime) -> ResidentStatement:
    """Return a month of an account; of the running month, up to now."""

    def read() -> ResidentStatement:
        with store.transaction() as tx:
            tenancy = tx.histories.tenancy(account_id)
            if tenancy is None or tenancy.kind not in BUYING:
                raise AccountUnknown(account_id)
            first, last = months_of(tenancy, now=now)
            if not first <= month <= last:
                raise MonthOutside(month, first=first, last=last)
            return _stated(tx, tenancy, month, now=now)

    return read_steadily(read, unsteady=DoesNotAddUp)


def read_steadily(read: Callable[[], Stated], *, unsteady: type[Broken]) -> Stated:
    """Read again what did not tie, for something may have been booked between two looks of one reading.

    Who still does not tie then has a fault.
    """
    for _ in range(READS_MAX - 1):
        with suppress(unsteady):
            return read()
    return read()


def _stated(tx: Transaction, tenancy: Tenancy, month: Month, *, now: datetime) -> ResidentStatement:
    account_id = tenancy.account_id
    since, ends_at = month.bounds(zone=tenancy.zone)
    until = min(ends_at, now)
    before = tx.histories.sums([account_id], until=since)
    after = tx.histories.sums([account_id], until=until)
    moved = tuple(_moved(tx, account_id, since=since, until=until))
    opening_minor, closing_minor = _credit(before), _credit(after)
    _require_tied(account_id, lines_minor=opening_minor + _sum(moved), ledger_minor=closing_minor)
    charged = tx.histories.charged(account_id, since=since, until=min(until + READ_LATE_MAX, now))
    rolled = tx.days.of_accounts([account_id], since=month.first, until=month.after.first)
    return ResidentStatement(
        tenancy=tenancy,
        month=month,
        since=since,
        until=until,
        is_over=ends_at <= now,
        opening_minor=opening_minor,
        closing_minor=closing_minor,
        undelivered_minor=-sum(each.amount_minor for each in after if each.code == UNDELIVERED),
        moved=moved,
        days=tuple(
            _days(tenancy, _lived(tenancy, month, moved, until), moved, charged, rolled, opening_minor)
        ),
        owed=owed_of(before, after),
    )


def _require_tied(account_id: int, *, lines_minor: int, ledger_minor: int) -> None:
    if lines_minor != ledger_minor:
        raise DoesNotAddUp(account_id, lines_minor=lines_minor, ledger_minor=ledger_minor)


def _moved(tx: Transaction, account_id: int, *, since: datetime, until: datetime) -> Iterator[Moved]:
    recharges = {each.grant_id: each for each in tx.histories.recharged(account_id, since=since, until=until)}
    for posting in tx.histories.postings(account_id, since=since, until=until):
        credit_minor = sum(liability_minor(posting, code=code) for code in sorted(CREDIT))
        recharge = recharges.get(posting.cause_id) if _is_grant(posting) else None
        if credit_minor or recharge is not None:  # a recharge may go to debts and fees alone
            yield Moved(
                at=posting.booked_at,
                kind=posting.kind,
                cause_id=posting.cause_id,
                credit_minor=credit_minor,
                recharge=recharge,
            )


def _is_grant(posting: Posting) -> bool:
    return effect_of(posting.kind) is Effect.RECHARGED


def _lived(tenancy: Tenancy, month: Month, moved: Sequence[Moved], until: datetime) -> list[date]:
    """Return the days of the month on which the account was open, or something was booked to it."""
    zone = zone_of(tenancy.zone)
    last = until - timedelta(microseconds=1)
    if tenancy.closed_at is not None:
        last = min(last, max([tenancy.closed_at, *(each.at for each in moved)]))
    starts = [tenancy.opened_at, *(each.at for each in moved[:1])]
    first_day, last_day = min(starts).astimezone(zone).date(), last.astimezone(zone).date()
    return [day for day in month.days() if first_day <= day <= last_day]


def _days(
    tenancy: Tenancy,
    lived: Sequence[date],
    moved: Sequence[Moved],
    charged: Sequence[Charged],
    rolled: Sequence[AccountDay],
    opening_minor: int,
) -> Iterator[StatementDay]:
    by_day = {each.day: each for each in rolled}
    for day in lived:
        starts_at, ends_at = bounds_of(day, zone=tenancy.zone)
        sums = dict.fromkeys(Effect, 0)
        for each in moved:
            if starts_at <= each.at < ends_at:
                sums[each.effect] += each.credit_minor
        # Use up to midnight is of the day that midnight ends.
        read = [each for each in charged if starts_at < each.read_at <= ends_at]
        closing_minor = opening_minor + sum(sums.values())
        made = StatementDay(
            day=day,
            opening_minor=opening_minor,
            recharged_minor=sums[Effect.RECHARGED],
            adjusted_minor=sums[Effect.ADJUSTED],
            charged_minor=-sums[Effect.CHARGED],
            closing_minor=closing_minor,
            used_wh=sum(each.used_wh for each in read) if read else None,
            is_explained=bool(read) and all(each.is_explained for each in read),
        )
        yield _rolled(made, by_day.get(day))
        opening_minor = closing_minor


def _rolled(day: StatementDay, rolled: AccountDay | None) -> StatementDay:
    """Hold a day against the one that was rolled forward, whose energy is that of the frozen registers."""
    if rolled is None:
        return day
    names = ("opening_minor", "recharged_minor", "adjusted_minor", "charged_minor", "closing_minor")
    agrees = all(getattr(day, name) == getattr(rolled, name) for name in names)
    return replace(
        day,
        used_wh=day.used_wh if rolled.used_wh is None else rolled.used_wh,
        is_provisional=rolled.is_provisional and rolled.used_wh is not None,
        agrees=agrees,
    )


def owed_of(before: Sequence[CodeSum], after: Sequence[CodeSum]) -> Owed:
    """Return how what is owed from before moved between two sums of the ledger."""

    def of(sums: Sequence[CodeSum]) -> dict[PostingKind, int]:
        by_kind: dict[PostingKind, int] = {}
        for each in sums:
            if each.code == DEBT:
                by_kind[each.kind] = by_kind.get(each.kind, 0) + each.amount_minor
        return by_kind

    was, now = of(before), of(after)
    moves = {kind: now[kind] - was.get(kind, 0) for kind in now}
    opening_minor, closing_minor = sum(was.values()), sum(now.values())
    recovered_minor = -sum(minor for kind, minor in moves.items() if effect_of(kind) is Effect.RECHARGED)
    written_off_minor = -moves.get(PostingKind.WRITE_OFF, 0)
    return Owed(
        opening_minor=opening_minor,
        added_minor=closing_minor - opening_minor + recovered_minor + written_off_minor,
        recovered_minor=recovered_minor,
        written_off_minor=written_off_minor,
        closing_minor=closing_minor,
    )


def _credit(sums: Sequence[CodeSum]) -> int:
    return -sum(each.amount_minor for each in sums if each.code in CREDIT)


def _sum(moved: Sequence[Moved]) -> int:
    return sum(each.credit_minor for each in moved)
