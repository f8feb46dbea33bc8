"""Freezes: judged by what is known around them, supposed by facts alone, and clocks through summer time."""

from datetime import UTC, datetime, timedelta
from fractions import Fraction
from zoneinfo import ZoneInfo

import pytest

from compuerta.domain.energy import Delta
from compuerta.domain.freeze import (
    CLOCK_OFF_MAX,
    Known,
    clock_off_then,
    daily_uses_wh,
    days_between,
    is_off,
    judged,
    supposed_wh,
)

MADRID = ZoneInfo("Europe/Madrid")
SHANGHAI = ZoneInfo("Asia/Shanghai")
SANTIAGO = ZoneInfo("America/Santiago")
MIDNIGHT = datetime(2026, 11, 22, 16, tzinfo=UTC)  # in Shanghai
DAY = timedelta(days=1)
HOUR = timedelta(hours=1)


def at(energy_wh: int, *, hours: int = 0) -> Known:
    return Known(at=MIDNIGHT + hours * HOUR, energy_wh=energy_wh)


@pytest.mark.parametrize(
    ("before_wh", "told_wh", "after_wh", "verdict"),
    [
        (1_000, 2_000, 3_000, Delta.PLAUSIBLE),
        (1_000, 1_000, 1_000, Delta.PLAUSIBLE),
        (1_000, 990, 3_000, Delta.BACKWARDS),
        (1_000, 99_999_990, None, Delta.JUMP),
        (1_000, 5_000, 3_000, Delta.JUMP),  # readings on both sides agree that it was never so high
        (1_000, 2_000, 0, Delta.PLAUSIBLE),  # the register fell after midnight: the freeze is older
        (None, 2_000, 1_000, Delta.JUMP),
        (None, 99_999_990, None, Delta.PLAUSIBLE),  # nothing is known of it yet
    ],
)
def test_a_freeze_is_judged_by_what_is_known_before_and_after_it(
    before_wh: int | None, told_wh: int, after_wh: int | None, verdict: Delta
) -> None:
    before = None if before_wh is None else at(before_wh, hours=-1)
    after = None if after_wh is None else at(after_wh, hours=1)

    assert judged(at(told_wh), before=before, after=after) is verdict


def test_only_days_between_two_neighbouring_facts_count_and_none_that_falls() -> None:
    facts = [(5, 900), (1, 100), (2, 300), (6, 1_000), (7, 950), (9, 2_000)]

    assert daily_uses_wh(facts) == [200, 100]


def test_the_mean_of_the_last_seven_days_is_added_for_each_day() -> None:
    uses_wh = [9_000_000, 10, 20, 30, 40, 50, 60, 70]

    two_days = supposed_wh(at(1_000), uses_wh, until=MIDNIGHT + 2 * DAY, zone=SHANGHAI, ceiling_wh=None)

    assert two_days == 1_000 + 2 * 40


def test_half_a_day_is_half_the_mean_and_a_later_reading_is_a_ceiling() -> None:
    last, until = at(1_000, hours=-12), MIDNIGHT

    assert supposed_wh(last, [100], until=until, zone=SHANGHAI, ceiling_wh=None) == 1_050
    assert supposed_wh(last, [100], until=until, zone=SHANGHAI, ceiling_wh=1_020) == 1_020


def test_without_a_single_day_that_is_a_fact_nothing_is_supposed() -> None:
    assert supposed_wh(at(1_000), [], until=MIDNIGHT + DAY, zone=SHANGHAI, ceiling_wh=None) is None


@pytest.mark.parametrize(
    ("start", "hours"),
    [
        (datetime(2026, 3, 28, 23, tzinfo=UTC), 23),
        (datetime(2026, 10, 24, 22, tzinfo=UTC), 25),
        (datetime(2026, 7, 1, 22, tzinfo=UTC), 24),
    ],
)
def test_a_day_of_23_or_25_hours_is_one_day(start: datetime, hours: int) -> None:
    assert days_between(start, start + hours * HOUR, zone=MADRID) == 1
    assert days_between(start, start + hours * HOUR / 2, zone=MADRID) == Fraction(1, 2)


def test_a_clock_that_slept_through_the_end_of_summer_time_was_right_at_midnight() -> None:
    midnight = datetime(2026, 10, 24, 22, tzinfo=UTC)
    seen_at = midnight + 4 * HOUR  # an hour after clocks went back

    assert clock_off_then(3_600, seen_at=seen_at, at=midnight, zone=MADRID) == 0
    assert clock_off_then(3_600, seen_at=seen_at, at=seen_at - HOUR / 2, zone=MADRID) == 3_600


def test_where_clocks_go_back_at_midnight_one_that_did_not_froze_an_hour_early() -> None:
    midnight = datetime(2026, 4, 5, 4, tzinfo=UTC)  # 24:00 became 23:00 an hour before

    off_s = clock_off_then(3_600, seen_at=midnight + HOUR, at=midnight, zone=SANTIAGO)

    assert off_s == 3_600
    assert is_off(off_s)


@pytest.mark.parametrize("sign", [1, -1])
def test_a_clock_is_off_beyond_two_minutes(sign: int) -> None:
    bound_s = int(CLOCK_OFF_MAX.total_seconds())

    assert not is_off(sign * bound_s)
    assert is_off(sign * (bound_s + 1))
