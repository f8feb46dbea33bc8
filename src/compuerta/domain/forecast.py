"""Forecasting: when a balance will be used up, from the account's own habits and the tariff's own prices.

A shape is what an account uses in each hour of the local week, made of its own past: a week ago counts half
as much as now. Where little is known of an hour, what is known of that time of day speaks for it, and at last
the average of all. What the use will cost is what the bill says of it, so that a forecast and a bill can
never disagree about prices.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from fractions import Fraction
from typing import Final
from zoneinfo import ZoneInfo

from compuerta.domain.tariff.bill import bill
from compuerta.domain.tariff.civil import HOUR_US, from_us, to_us
from compuerta.domain.tariff.components import Terms
from compuerta.domain.tariff.rating import extend
from compuerta.domain.tariff.schedule import Schedule
from compuerta.domain.tariff.tally import NO_TERMS, Span, Tally

HOURS_PER_DAY: Final = 24
HOURS_PER_WEEK: Final = 7 * HOURS_PER_DAY
HISTORY: Final = timedelta(days=42)  # what is older counts a sixty-fourth, and is left out
DAYS_MAX: Final = 92  # further ahead nobody is told an instant
GAP_MAX: Final = timedelta(hours=26)  # a longer silence says how much, but not when
_HALVED_EVERY: Final = timedelta(days=7)
_WEIGHT: Final = 64  # of an hour of this week; six weeks ago it is 1
_BELIEF: Final = 128  # of the coarser guess: as much as two hours of this week
_MILLI: Final = 1_000
_DEVIATIONS_MAX: Final = 14  # days by which a shape is tried on its own past


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """What an account uses in each hour of the local week, Monday's first hour first."""

    hours_mwh: tuple[int, ...]  # milliwatt-hours
    days_known: int  # how many days it rests on
    deviation_permille: int  # by how much a day of the past was beside it, of an average day


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """When a balance will be used up."""

    zero_at: datetime
    error_hours: int  # how far beside it usually lies, as the past tells


def shape_of(spans: Iterable[Span], *, zone: ZoneInfo, now: datetime) -> Shape | None:
    """Return the shape of uses before an instant; None where nothing is known."""
    known = [hour for span in spans for hour in _hours_of(span, zone=zone, now=now)]
    if not known:
        return None
    at_hour, at_time, overall = _Sums.empty(HOURS_PER_WEEK), _Sums.empty(HOURS_PER_DAY), _Sums.empty(1)
    for hour in known:
        weight = _WEIGHT >> (hour.age // _HALVED_EVERY)
        at_hour.add(hour.of_week, hour, weight)
        at_time.add(hour.of_week % HOURS_PER_DAY, hour, weight)
        overall.add(0, hour, weight)
    average = overall.mean(0, guess=0, belief=0)
    times = [at_time.mean(time, guess=average, belief=_BELIEF) for time in range(HOURS_PER_DAY)]
    hours = tuple(
        at_hour.mean(hour, guess=times[hour % HOURS_PER_DAY], belief=_BELIEF)
        for hour in range(HOURS_PER_WEEK)
    )
    return Shape(
        hours_mwh=hours,
        days_known=sum(hour.share_us for hour in known) // (HOURS_PER_DAY * HOUR_US),
        deviation_permille=_deviation(known, hours),
    )


def used_up(
    balance_minor: int, *, tally: Tally, schedule: Schedule, shape: Shape, terms: Terms = NO_TERMS
) -> Forecast | None:
    """Return when a balance that stood at the tally's end will be used up; None = not within `DAYS_MAX`."""
    if balance_minor <= 0:
        return Forecast(zero_at=tally.until, error_hours=0)
    walk = _Walk(schedule, shape, terms)
    for stretch in walk.ahead(tally):
        if stretch.cost_after >= balance_minor:
            return _foreseen(walk, stretch, balance_minor, since=tally.until)
    return None


def cost_of(days: int, *, tally: Tally, schedule: Schedule, shape: Shape, terms: Terms = NO_TERMS) -> int:
    """Return what the next days will cost, rounded up to a minor unit."""
    assert 0 < days < DAYS_MAX
    until = tally.until + timedelta(days=days)
    for stretch in _Walk(schedule, shape, terms).ahead(tally):
        if stretch.end >= until:
            share = Fraction(
                (until - stretch.start) // timedelta(microseconds=1),
                (stretch.end - stretch.start) // timedelta(microseconds=1),
            )
            cost = stretch.cost_before + (stretch.cost_after - stretch.cost_before) * share
            return -int(-cost // 1)
    raise AssertionError("whoever walks ahead passes every day")


@dataclass(frozen=True, slots=True)
class _Hour:
    """What is known of one hour: a part of it, and what was used in that part."""

    of_week: int
    day: int  # ordinal, of the local date
    share_us: int
    use_mwh: int
    age: timedelta


@dataclass(frozen=True, slots=True)
class _Sums:
    """Weighted uses and times, by place."""

    mwh: list[int]
    us: list[int]

    @classmethod
    def empty(cls, places: int) -> "_Sums":
        return cls([0] * places, [0] * places)

    def add(self, place: int, hour: _Hour, weight: int) -> None:
        self.mwh[place] += weight * hour.use_mwh
        self.us[place] += weight * hour.share_us

    def mean(self, place: int, *, guess: int, belief: int) -> int:
        """Return the use of an hour; the guess counts as much as so many weighted hours."""
        known_us = self.us[place] + belief * HOUR_US
        return (self.mwh[place] * HOUR_US + guess * belief * HOUR_US) // known_us if known_us else guess


def _hours_of(span: Span, *, zone: ZoneInfo, now: datetime) -> Iterator[_Hour]:
    """Cut a use into the hours of the local week; what is old, or too long a silence, says nothing."""
    length_us = (span.end - span.start) // timedelta(microseconds=1)
    if not 0 < length_us <= GAP_MAX // timedelta(microseconds=1) or not now - HISTORY < span.end <= now:
        return
    start_us, end_us = to_us(span.start), to_us(span.end)
    at_us = start_us
    while at_us < end_us:
        until_us = min(at_us - at_us % HOUR_US + HOUR_US, end_us)
        local = from_us(at_us).astimezone(zone)
        yield _Hour(
            of_week=local.weekday() * HOURS_PER_DAY + local.hour,
            day=local.toordinal(),
            share_us=until_us - at_us,
            use_mwh=span.energy_wh * _MILLI * (until_us - at_us) // length_us,
            age=now - from_us(until_us),
        )
        at_us = until_us


def _deviation(known: Sequence[_Hour], hours_mwh: Sequence[int]) -> int:
    """Return how far days of the past lay beside the shape, of an average day, in thousandths."""
    beside: dict[int, list[int]] = {}
    for hour in known:
        day = beside.setdefault(hour.day, [0, 0])
        day[0] += hour.use_mwh - hours_mwh[hour.of_week] * hour.share_us // HOUR_US
        day[1] += hour.use_mwh
    last = [beside[day] for day in sorted(beside)[-_DEVIATIONS_MAX:]]
    used = sum(use for _, use in last)
    return sum(abs(difference) for difference, _ in last) * _MILLI // used if used else _MILLI


@dataclass(frozen=True, slots=True)
class _Stretch:
    """Time in which habits were walked through, and what all costs when it begins and when it ends."""

    start: datetime
    end: datetime
    cost_before: Fraction
    cost_after: Fraction
    tally: Tally  # when it begins


@dataclass(frozen=True, slots=True)
class _Walk:
    """By what is walked ahead."""

    schedule: Schedule
    shape: Shape
    terms: Terms

    def ahead(self, tally: Tally) -> Iterator[_Stretch]:
        """Walk from one change of price or day to the next."""
        start_us = to_us(tally.until)
        until_us = start_us + DAYS_MAX * HOURS_PER_DAY * HOUR_US
        pieces = self.schedule.pieces(start_us, until_us)
        stretches = ((from_us(piece.start_us), from_us(piece.end_us)) for piece in pieces)
        return self._walked(tally, stretches, cost=Fraction(0))

    def within(self, stretch: _Stretch) -> Iterator[_Stretch]:
        """Walk through a stretch hour by hour: a step of the tariff may begin in any of them."""
        between = _hours_between(stretch.start, stretch.end)
        return self._walked(stretch.tally, between, cost=stretch.cost_before)

    def _walked(
        self, tally: Tally, stretches: Iterable[tuple[datetime, datetime]], *, cost: Fraction
    ) -> Iterator[_Stretch]:
        spent, before = cost - self._bill(tally), cost
        over_mwh = 0  # what is less than a Wh goes to the next stretch
        for start, end in stretches:
            energy_mwh = over_mwh + _energy_mwh(self.shape, start, end, zone=self.schedule.zone)
            energy_wh, over_mwh = divmod(energy_mwh, _MILLI)
            span = Span(start=start, end=end, energy_wh=energy_wh)
            moved = extend(tally, span, schedule=self.schedule, terms=self.terms)
            spent += sum((last.total_minor for _, last in moved.closed), 0)
            after = spent + self._bill(moved.tally)
            yield _Stretch(start, end, before, after, tally)
            tally, before = moved.tally, after

    def _bill(self, tally: Tally) -> Fraction:
        return bill(tally, schedule=self.schedule, terms=self.terms).exact


def _foreseen(walk: _Walk, stretch: _Stretch, balance_minor: int, *, since: datetime) -> Forecast:
    """Return the instant within a stretch at which a balance is used up."""
    zero_at = stretch.end
    for hour in walk.within(stretch):
        if hour.cost_after >= balance_minor:
            rise = hour.cost_after - hour.cost_before
            share = (balance_minor - hour.cost_before) / rise if rise > 0 else Fraction(0)
            length_us = (hour.end - hour.start) // timedelta(microseconds=1)
            zero_at = hour.start + timedelta(microseconds=int(max(share, Fraction(0)) * length_us))
            break
    ahead_hours = (zero_at - since) // timedelta(hours=1)
    # Habits drift, so that one day's error is much like the next one's: they add up.
    return Forecast(
        zero_at=zero_at, error_hours=ahead_hours * min(walk.shape.deviation_permille, _MILLI) // _MILLI
    )


def _energy_mwh(shape: Shape, start: datetime, end: datetime, *, zone: ZoneInfo) -> int:
    energy = 0
    for begin, until in _hours_between(start, end):
        local = begin.astimezone(zone)
        hour = shape.hours_mwh[local.weekday() * HOURS_PER_DAY + local.hour]
        energy += hour * ((until - begin) // timedelta(microseconds=1)) // HOUR_US
    return energy


def _hours_between(start: datetime, end: datetime) -> Iterator[tuple[datetime, datetime]]:
    at_us, end_us = to_us(start), to_us(end)
    while at_us < end_us:
        until_us = min(at_us - at_us % HOUR_US + HOUR_US, end_us)
        yield from_us(at_us), from_us(until_us)
        at_us = until_us
