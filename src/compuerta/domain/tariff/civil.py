"""Local civil time as instants: where days, slots, windows and cycles begin at a site.

Inside the engine an instant is an integer of microseconds since 1970 (UTC): exact, quick to compare, and what
PostgreSQL keeps. A slot is a matter of the wall clock: on the day that loses an hour the hour is not there,
on the day that has it twice, it holds twice (23 and 25 hours).
"""

from bisect import bisect_right
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from compuerta.domain.tariff.components import MINUTES_PER_DAY, Calendar, DayTable, MonthDay, Slot, Window

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_DAY = timedelta(days=1)
MINUTE_US = 60_000_000
HOUR_US = 60 * MINUTE_US
NEW_YEAR = MonthDay(month=1, day=1)
QUARTER_MONTHS = 3
YEAR_MONTHS = 12
# Two years of days; a longer history is walked through in order and keeps only its neighbourhood.
DAYS_KEPT_MAX = 800


def to_us(instant: datetime) -> int:
    """Turn an aware instant into microseconds since 1970."""
    return (instant - _EPOCH) // _MICROSECOND


def from_us(instant_us: int) -> datetime:
    """Turn microseconds since 1970 into an aware UTC instant."""
    return _EPOCH + timedelta(microseconds=instant_us)


def day_of(instant_us: int, *, zone: ZoneInfo) -> date:
    """Return the local date of an instant."""
    return from_us(instant_us).astimezone(zone).date()


def day_start_us(day: date, *, zone: ZoneInfo) -> int:
    """Return the first instant of a local day, also where its 00:00 is skipped."""
    return civil_us(datetime(day.year, day.month, day.day), zone=zone)  # noqa: DTZ001 local on purpose


def civil_us(civil: datetime, *, zone: ZoneInfo) -> int:
    """Return the first instant at which the site's wall clock shows `civil` (naive), or has passed it."""
    first_us = to_us(civil.replace(tzinfo=zone, fold=0))
    other_us = to_us(civil.replace(tzinfo=zone, fold=1))
    if first_us <= other_us:
        return first_us  # shown once, or twice
    return _first_other(other_us, first_us, zone)  # skipped: the clock jumps over it between these two


@dataclass(frozen=True, slots=True)
class Run:
    """A stretch of time in which one period holds: [start, end), within one local day."""

    start_us: int
    end_us: int
    period: int


class Almanac:
    """One calendar at one place: will say which period holds, and until when. Remembers days it has made."""

    __slots__ = ("_calendar", "_days", "_zone")

    def __init__(self, calendar: Calendar, *, zone: ZoneInfo) -> None:
        self._calendar = calendar
        self._zone = zone
        self._days: dict[date, tuple[list[int], tuple[Run, ...]]] = {}

    def run_at(self, instant_us: int) -> Run:
        """Return the run that holds at an instant."""
        starts, runs = self._of(day_of(instant_us, zone=self._zone))
        return runs[bisect_right(starts, instant_us) - 1]

    def runs_of(self, day: date) -> tuple[Run, ...]:
        """Return the runs of a local day, in order."""
        return self._of(day)[1]

    def _of(self, day: date) -> tuple[list[int], tuple[Run, ...]]:
        known = self._days.get(day)
        if known is None:
            if len(self._days) >= DAYS_KEPT_MAX:
                self._days.clear()
            runs = tuple(_runs(table_of(self._calendar, day).slots, day, self._zone))
            known = self._days[day] = ([run.start_us for run in runs], runs)
        return known


def table_of(calendar: Calendar, day: date) -> DayTable:
    """Return the day table of a local date: its season's, by holiday lists first, then by weekday."""
    at = MonthDay(month=day.month, day=day.day)
    season = calendar.seasons[-1]
    for each in calendar.seasons:
        if each.start > at:
            break
        season = each
    for name, table in season.holidays:
        if any(day in each.dates for each in calendar.holiday_lists if each.name == name):
            return calendar.day_tables[table]
    return calendar.day_tables[season.days[day.weekday()]]


def _runs(slots: tuple[Slot, ...], day: date, zone: ZoneInfo) -> list[Run]:
    """Lay the slots over the day's instants, one stretch of constant offset from UTC after the other."""
    start_us, end_us = day_start_us(day, zone=zone), day_start_us(day + _DAY, zone=zone)
    midnight_us = to_us(datetime(day.year, day.month, day.day, tzinfo=UTC))
    runs: list[Run] = []
    for from_instant_us, until_us, offset_us in _stretches(start_us, end_us, zone):
        for at, slot in enumerate(slots):
            stop_min = slots[at + 1].start_min if at + 1 < len(slots) else MINUTES_PER_DAY
            lower_us = max(midnight_us + slot.start_min * MINUTE_US - offset_us, from_instant_us)
            upper_us = min(midnight_us + stop_min * MINUTE_US - offset_us, until_us)
            if lower_us >= upper_us:
                continue
            if runs and runs[-1].period == slot.period and runs[-1].end_us == lower_us:
                lower_us = runs.pop().start_us
            runs.append(Run(start_us=lower_us, end_us=upper_us, period=slot.period))
    return runs


def _stretches(start_us: int, end_us: int, zone: ZoneInfo) -> list[tuple[int, int, int]]:
    """Cut a day where the zone's offset changes: (from, until, offset), all in microseconds."""
    cuts = [start_us]
    at_us = start_us
    while at_us < end_us:
        next_us = min(at_us + HOUR_US, end_us)
        if _offset_us(at_us, zone) != _offset_us(next_us - 1, zone):
            cuts.append(_first_other(at_us, next_us - 1, zone))
        elif _offset_us(next_us - 1, zone) != _offset_us(next_us, zone) and next_us < end_us:
            cuts.append(next_us)
        at_us = next_us
    ends = [*cuts[1:], end_us]
    return [(lower, upper, _offset_us(lower, zone)) for lower, upper in zip(cuts, ends, strict=True)]


def _first_other(lower_us: int, upper_us: int, zone: ZoneInfo) -> int:
    before_us = _offset_us(lower_us, zone)
    while upper_us - lower_us > 1:
        middle_us = (lower_us + upper_us) // 2
        if _offset_us(middle_us, zone) == before_us:
            lower_us = middle_us
        else:
            upper_us = middle_us
    return upper_us


def _offset_us(instant_us: int, zone: ZoneInfo) -> int:
    offset = from_us(instant_us).astimezone(zone).utcoffset()
    assert offset is not None
    return offset // _MICROSECOND


@dataclass(frozen=True, slots=True)
class Days:
    """A window of whole local days: [first, end)."""

    first: date
    end: date

    @property
    def count(self) -> int:
        """How many days it has."""
        return (self.end - self.first).days


def window_of(day: date, *, window: Window, cycle_day: int = 1, year_start: MonthDay = NEW_YEAR) -> Days:
    """Return the window that a local day lies in; years are the calendar's, unless they begin elsewhere."""
    match window:
        case Window.DAY:
            return Days(day, day + _DAY)
        case Window.MONTH:
            first = day.replace(day=1)
            return Days(first, add_months(first, 1))
        case Window.CYCLE:
            first = day.replace(day=cycle_day)
            first = first if first <= day else add_months(first, -1)
            return Days(first, add_months(first, 1))
        case Window.QUARTER:
            first = date(day.year, (day.month - 1) // QUARTER_MONTHS * QUARTER_MONTHS + 1, 1)
            return Days(first, add_months(first, QUARTER_MONTHS))
        case Window.YEAR:
            first = date(day.year, year_start.month, year_start.day)
            first = first if first <= day else add_months(first, -YEAR_MONTHS)
            return Days(first, add_months(first, YEAR_MONTHS))


def add_months(day: date, months: int) -> date:
    """Return the same day of another month; only for days up to the 28th, which every month has."""
    year, month = divmod(day.year * YEAR_MONTHS + day.month - 1 + months, YEAR_MONTHS)
    return date(year, month + 1, day.day)
