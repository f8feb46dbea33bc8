"""Charging: a use becomes charges and postings, one of each in every bill that the use reaches into.

A charge is round(bill up to now) - round(bill up to before) (promise M4), so that however often a meter is
read, the charges of a bill add up to it. What is kept of a charge are the use and the two bills' totals; its
lines are made again from the bill's opening and its uses, whenever somebody asks (T3), and so are proved.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import pairwise

from compuerta.domain.errors import Broken
from compuerta.domain.ledger import DELIVERED, Line, Posting, PostingKind
from compuerta.domain.naming import derived, named
from compuerta.domain.tariff.bill import Bill, bill
from compuerta.domain.tariff.civil import HOUR_US, from_us, to_us
from compuerta.domain.tariff.components import Terms
from compuerta.domain.tariff.packing import packed, unpacked
from compuerta.domain.tariff.rating import extend
from compuerta.domain.tariff.schedule import Schedule
from compuerta.domain.tariff.tally import Span, Tally, count_days, cut_at_cycle, is_same_bill, opened
from compuerta.services.records import AccountView, Basis, BillOpening, Charge, Holdings, LoadDay

# Two readings nearer than this are one look at the meter, whatever price began between them.
NEAR = timedelta(minutes=15)
# A local day in which the clock is put back, by whatever zone's rule.
LONGEST_DAY = timedelta(hours=26)
# Ten years of monthly bills; a use that is longer is no use.
BILLS_PER_USE_MAX = 121


class UseTooLong(Broken):
    """A use over more bills than any silence can last."""

    def __init__(self, span: Span) -> None:
        super().__init__(f"a use from {span.start.isoformat()} to {span.end.isoformat()} has no end")
        self.span = span


@dataclass(frozen=True, slots=True, kw_only=True)
class Use:
    """What a meter has measured between two readings."""

    meter_id: int
    span: Span


@dataclass(frozen=True, slots=True, kw_only=True)
class Charged:
    """What a use has led to; nothing is written yet."""

    holdings: Holdings  # with the tally and the energy billed
    bills: list[BillOpening]
    charges: list[Charge]
    postings: list[Posting]

    @property
    def amount_minor(self) -> int:
        """What the charges come to."""
        return sum(each.bill_after_minor - each.bill_before_minor for each in self.charges)


def charge(view: AccountView, holdings: Holdings, use: Use, *, now: datetime) -> Charged:
    """Return what a use comes to; `holdings` are those of this moment, after earlier uses of the batch.

    A use that reaches over the end of a bill is cut there first, so that each bill can be made again from its
    own charges alone.
    """
    schedule = view.schedule
    assert schedule is not None, "an account that buys nothing is not charged"
    made = _Made(view, holdings, use.meter_id, now)
    for _ in range(BILLS_PER_USE_MAX):
        head, tail = cut_at_cycle(use.span, made.tally, schedule=schedule)
        made.extend([head], basis=_basis(schedule, head))
        if tail is None:
            return made.charged()
        use = replace(use, span=tail)
    raise UseTooLong(use.span)


def charge_intervals(view: AccountView, meter_id: int, spans: Sequence[Span], *, now: datetime) -> Charged:
    """Return what the intervals up to the end of the open bill come to: one charge, which ends the bill."""
    made = _Made(view, view.holdings, meter_id, now)
    made.extend(spans, basis=Basis.INTERVALS)
    return made.charged()


def intervals_of(days: Iterable[LoadDay], *, since: datetime, until: datetime) -> list[Span]:
    """Return the intervals that begin in [since, until), in order: a use that began before is another's."""
    return [span for day in days for span in spans_of_day(day) if since <= span.start < until]


def spans_of_day(day: LoadDay) -> Iterator[Span]:
    """Yield the intervals of a day, in order."""
    length, start = timedelta(minutes=day.minutes), day.starts_at
    for energy_wh in day.wh:
        yield Span(start=start, end=start + length, energy_wh=energy_wh)
        start += length


def spans_between(registers: Mapping[datetime, int]) -> list[Span]:
    """Return the uses between the first registers of each hour; one that ran backwards tells nothing."""
    firsts: dict[int, datetime] = {}
    for at in sorted(registers):
        firsts.setdefault(to_us(at) // HOUR_US, at)
    return [
        Span(start=start, end=end, energy_wh=registers[end] - registers[start])
        for start, end in pairwise(firsts.values())
        if registers[end] >= registers[start]
    ]


def charge_days(
    view: AccountView, holdings: Holdings, meter_id: int, *, until: datetime, now: datetime
) -> Charged:
    """Return what the days until an instant come to, where no use is known yet: standing charges."""
    assert view.schedule is not None and holdings.tally
    made = _Made(view, holdings, meter_id, now)
    made.count_days(until)
    return made.charged()


def tally_of(view: AccountView, holdings: Holdings) -> Tally:
    """Return an account's tally: the kept one, or that of its beginning."""
    assert view.schedule is not None
    if holdings.tally:
        return unpacked(holdings.tally)
    return opened(schedule=view.schedule, at=view.account.period.start)


def made_again(
    opening: Tally,
    charges: Iterable[Charge],
    *,
    schedule: Schedule,
    terms: Terms,
    days: Sequence[LoadDay] = (),
) -> Iterator[tuple[Bill, Bill]]:
    """Make a bill again from its opening and its charges, in order: before and after each of them.

    `days` are those of the meter, for charges that rest on intervals.
    """
    tally, before = opening, bill(opening, schedule=schedule, terms=terms)
    for each in charges:
        if each.basis is Basis.DAYS:
            tally = count_days(tally, each.read_at, schedule=schedule)
            after = bill(tally, schedule=schedule, terms=terms)
        else:
            energy_wh = each.to_wh - each.from_wh
            span = Span(start=each.from_at, end=each.read_at, energy_wh=energy_wh, rates_wh=each.rates_wh)
            spans = [span]
            if each.basis is Basis.INTERVALS:
                # Days that are gone make another bill, and whoever compares the two sees it.
                spans = intervals_of(days, since=each.from_at, until=each.read_at) or spans
            for span in spans:
                moved = extend(tally, span, schedule=schedule, terms=terms)
                tally = moved.tally
            after = moved.closed[0][1] if moved.closed else bill(tally, schedule=schedule, terms=terms)
        yield before, after
        before = after


class _Made:
    """The charges of one use while they are being made."""

    def __init__(self, view: AccountView, holdings: Holdings, meter_id: int, now: datetime) -> None:
        assert view.schedule is not None
        self._view = view
        self._schedule = view.schedule
        self._holdings = holdings
        self._meter_id = meter_id
        self._now = now
        self.tally = tally_of(view, holdings)
        self._bill: Bill | None = None  # as it stands in the charges so far; None = not made yet
        self._charged = Charged(holdings=holdings, bills=[], charges=[], postings=[])
        self._billed_wh = holdings.billed_wh
        if not holdings.tally:
            self._open()

    def extend(self, spans: Sequence[Span], *, basis: Basis) -> None:
        """Charge uses that follow each other, none of which reaches over the end of the bill, as one."""
        terms, at = self._view.terms_at(self.tally.bill_start), self.tally
        for each in spans:
            moved = extend(self.tally, each, schedule=self._schedule, terms=terms)
            self.tally = moved.tally
        span = spans[0] if len(spans) == 1 else _whole(spans)
        if moved.closed:
            _, ended = moved.closed[0]
            self._put(at, span, basis, ended)
            self._bill = None
            self._open()
        elif not is_same_bill(at, self.tally, schedule=self._schedule):
            self._put(at, span, basis, self._bill_of(self.tally))

    def count_days(self, until: datetime) -> None:
        at = self.tally
        self.tally = count_days(at, until, schedule=self._schedule)
        span = Span(start=at.until, end=from_us(self.tally.accrued_us), energy_wh=0)
        self._put(at, span, Basis.DAYS, self._bill_of(self.tally))

    def charged(self) -> Charged:
        holdings = replace(self._holdings, tally=packed(self.tally), billed_wh=self._billed_wh)
        return replace(self._charged, holdings=holdings)

    def _bill_of(self, tally: Tally) -> Bill:
        return bill(tally, schedule=self._schedule, terms=self._view.terms_at(tally.bill_start))

    def _open(self) -> None:
        self._charged.bills.append(
            BillOpening(
                account_id=self._view.account.account_id,
                bill_start=self.tally.bill_start,
                tally=packed(self.tally),
            )
        )

    def _put(self, at: Tally, span: Span, basis: Basis, after: Bill) -> None:
        """Put a charge, and its posting; what moves neither energy nor money leaves nothing."""
        before, self._bill = self._bill or self._bill_of(at), after
        lines = _lines(before, after)
        if not (span.energy_wh or lines):
            return
        account = self._view.account
        to_wh = self._billed_wh + span.energy_wh
        made = Charge(
            account_id=account.account_id,
            charge_id=named(
                "charge", account.account_id, span.end.isoformat(), at.bill_start_us, basis.value
            ),
            meter_id=self._meter_id,
            read_at=span.end,
            from_wh=self._billed_wh,
            to_wh=to_wh,
            bill_before_minor=before.total_minor,
            bill_after_minor=after.total_minor,
            bill_start=at.bill_start,
            from_at=span.start,
            version=self._schedule.version_at(to_us(span.end) - 1).key,
            basis=basis,
            rates_wh=span.rates_wh,
        )
        self._billed_wh = to_wh
        self._charged.charges.append(made)
        if lines:
            self._charged.postings.append(self._posting(made, lines))

    def _posting(self, made: Charge, lines: tuple[Line, ...]) -> Posting:
        return Posting(
            account_id=made.account_id,
            posting_id=derived(made.charge_id, PostingKind.CHARGE.value),
            kind=PostingKind.CHARGE,
            currency=self._view.account.currency,
            lines=lines,
            booked_at=self._now,
            cause_id=made.charge_id,
        )


def _whole(spans: Sequence[Span]) -> Span:
    return Span(start=spans[0].start, end=spans[-1].end, energy_wh=sum(each.energy_wh for each in spans))


def _lines(before: Bill, after: Bill) -> tuple[Line, ...]:
    """Return a charge's lines: what the account pays, and to which accounts it goes."""
    was, now = before.by_account(), after.by_account()
    moves = {code: now.get(code, 0) - was.get(code, 0) for code in [*was, *(set(now) - set(was))]}
    paid = Line(code=DELIVERED, amount_minor=after.total_minor - before.total_minor)
    earned = [Line(code=code.value, amount_minor=-minor) for code, minor in moves.items()]
    return tuple(line for line in (paid, *sorted(earned, key=lambda each: each.code)) if line.amount_minor)


def _basis(schedule: Schedule, span: Span) -> Basis:
    """Tell whether something had to be supposed: when, within a long silence, the energy was used."""
    if span.rates_wh is not None or span.end - span.start <= NEAR:
        return Basis.READ
    pieces = schedule.pieces(to_us(span.start), to_us(span.end))
    return Basis.SPREAD if len({(piece.version.key, piece.period) for piece in pieces}) > 1 else Basis.READ
