"""Local days, slots, windows and cycles as instants."""

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo, available_timezones

import pytest
from tests.unit.domain.tariff.parts import a_calendar, utc

from compuerta.domain.tariff.civil import (
    Almanac,
    Days,
    civil_us,
    day_of,
    day_start_us,
    from_us,
    table_of,
    to_us,
    window_of,
)
from compuerta.domain.tariff.components import (
    Calendar,
    DayTable,
    HolidayList,
    MonthDay,
    Season,
    Slot,
    Window,
)

HOUR_US = 3_600_000_000
MADRID = ZoneInfo("Europe/Madrid")
SANTIAGO = ZoneInfo("America/Santiago")
HAVANA = ZoneInfo("America/Havana")
LORD_HOWE = ZoneInfo("Australia/Lord_Howe")
# Night 00-08, shoulder and peak by day: the pattern of the DST vectors.
PATTERN = [(0, 0), (8, 1), (10, 2), (14, 1), (18, 2), (22, 1)]


def hours_by_period(day: date, zone: ZoneInfo, *, calendar: Calendar) -> dict[int, float]:
    """How long each period holds on a day."""
    hours: dict[int, float] = {}
    for run in Almanac(calendar, zone=zone).runs_of(day):
        hours[run.period] = hours.get(run.period, 0) + (run.end_us - run.start_us) / HOUR_US
    return hours


def test_an_instant_survives_the_way_to_microseconds_and_back() -> None:
    instant = datetime(2026, 3, 29, 1, 2, 3, 456_789, tzinfo=UTC)

    assert from_us(to_us(instant)) == instant


@pytest.mark.parametrize(
    ("day", "hours"),
    [
        (date(2026, 3, 28), {0: 8, 1: 8, 2: 8}),
        (date(2026, 3, 29), {0: 7, 1: 8, 2: 8}),
        (date(2026, 10, 25), {0: 9, 1: 8, 2: 8}),
    ],
)
def test_slots_are_of_the_wall_clock_on_days_of_23_and_25_hours(day: date, hours: dict[int, float]) -> None:
    assert hours_by_period(day, MADRID, calendar=a_calendar(working=PATTERN)) == hours


def test_a_slot_that_is_skipped_is_not_there_and_one_that_repeats_holds_twice() -> None:
    calendar = a_calendar(working=[(0, 0), (2, 1), (3, 0)])

    assert hours_by_period(date(2026, 3, 29), MADRID, calendar=calendar) == {0: 23}
    assert hours_by_period(date(2026, 10, 25), MADRID, calendar=calendar) == {0: 23, 1: 2}


def test_a_shift_of_half_an_hour_lengthens_the_slot_by_half_an_hour() -> None:
    calendar = a_calendar(working=[(0, 0), (2, 1), (3, 0)])

    # Clocks go from 02:00 back to 01:30 in April, and from 02:00 on to 02:30 in October.
    assert hours_by_period(date(2026, 4, 5), LORD_HOWE, calendar=calendar) == {0: 23.5, 1: 1}
    assert hours_by_period(date(2026, 10, 4), LORD_HOWE, calendar=calendar) == {0: 23, 1: 0.5}


def test_a_day_whose_midnight_is_skipped_begins_at_one() -> None:
    start = from_us(day_start_us(date(2026, 9, 6), zone=SANTIAGO))

    assert start == utc(2026, 9, 6, 4)
    assert start.astimezone(SANTIAGO).hour == 1
    assert hours_by_period(date(2026, 9, 6), SANTIAGO, calendar=a_calendar(working=PATTERN))[0] == 7


def test_a_day_whose_last_hour_repeats_has_25_hours() -> None:
    calendar = a_calendar(working=PATTERN)

    assert hours_by_period(date(2026, 4, 4), SANTIAGO, calendar=calendar) == {0: 8, 1: 9, 2: 8}


def test_a_midnight_that_comes_twice_counts_the_first_time() -> None:
    start = from_us(day_start_us(date(2026, 11, 1), zone=HAVANA))

    assert start == utc(2026, 11, 1, 4)
    assert hours_by_period(date(2026, 11, 1), HAVANA, calendar=a_calendar(working=PATTERN))[0] == 9


def test_a_time_that_is_skipped_is_passed_when_the_clock_jumps() -> None:
    jump = utc(2026, 3, 29, 1)

    for minute in (0, 1, 30, 59):
        skipped = datetime(2026, 3, 29, 2, minute)  # noqa: DTZ001 the wall clock's
        assert from_us(civil_us(skipped, zone=MADRID)) == jump
    assert from_us(civil_us(datetime(2026, 3, 29, 3), zone=MADRID)) == jump  # noqa: DTZ001


@pytest.mark.slow
def test_every_day_of_every_zone_is_covered_without_gap_or_overlap() -> None:
    calendar = a_calendar(working=PATTERN)
    for name in sorted(available_timezones()):
        zone = ZoneInfo(name)
        almanac = Almanac(calendar, zone=zone)
        # Where the year's shifts lie: the days around each change of offset.
        days = [date(2026, 1, 1) + timedelta(days=number) for number in range(366)]
        offsets = [datetime(day.year, day.month, day.day, 12, tzinfo=zone).utcoffset() for day in days]
        changed = [at for at in range(1, len(days)) if offsets[at] != offsets[at - 1]]
        for day in {days[near] for at in changed for near in (at - 1, at)} | {days[0]}:
            runs = almanac.runs_of(day)
            assert runs[0].start_us == day_start_us(day, zone=zone)
            assert runs[-1].end_us == day_start_us(day + timedelta(days=1), zone=zone)
            for before, after in pairwise(runs):
                assert before.end_us == after.start_us
            for run in runs:
                assert almanac.run_at(run.start_us) == almanac.run_at(run.end_us - 1) == run
                assert day_of(run.start_us, zone=zone) == day


def test_a_holiday_comes_before_the_weekday_and_a_season_goes_round_the_year() -> None:
    tables = tuple(DayTable(name=name, slots=(Slot(start_min=0, period=0),)) for name in "abcd")
    summer = Season(name="summer", start=MonthDay(month=4, day=15), days=(0,) * 7, holidays=(("feast", 1),))
    winter = Season(name="winter", start=MonthDay(month=10, day=1), days=(2,) * 5 + (3,) * 2)
    feast = HolidayList(name="feast", dates=frozenset({date(2026, 5, 1), date(2026, 12, 25)}))
    calendar = Calendar(day_tables=tables, seasons=(summer, winter), holiday_lists=(feast,))

    found = {
        day: table_of(calendar, day).name
        for day in (
            date(2026, 4, 14),
            date(2026, 4, 15),
            date(2026, 5, 1),
            date(2026, 9, 30),
            date(2026, 12, 25),
            date(2026, 1, 3),
        )
    }

    assert "".join(found.values()) == "cabacd"


@pytest.mark.parametrize(
    ("window", "first", "end"),
    [
        (Window.DAY, date(2024, 2, 29), date(2024, 3, 1)),
        (Window.MONTH, date(2024, 2, 1), date(2024, 3, 1)),
        (Window.CYCLE, date(2024, 2, 15), date(2024, 3, 15)),
        (Window.QUARTER, date(2024, 1, 1), date(2024, 4, 1)),
        (Window.YEAR, date(2023, 7, 1), date(2024, 7, 1)),
    ],
)
def test_a_window_is_whole_days_around_a_day(window: Window, first: date, end: date) -> None:
    found = window_of(date(2024, 2, 29), window=window, cycle_day=15, year_start=MonthDay(month=7, day=1))

    assert found == Days(first, end)


def test_a_cycle_before_its_day_began_last_month_and_over_the_new_year() -> None:
    found = window_of(
        date(2026, 1, 14), window=Window.CYCLE, cycle_day=15, year_start=MonthDay(month=1, day=1)
    )

    assert (found, found.count) == (Days(date(2025, 12, 15), date(2026, 1, 15)), 31)
