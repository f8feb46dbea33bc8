"""Friendly hours are the site's own civil time, whatever its clocks do."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compuerta.domain.friendly import friendly_until, is_friendly
from compuerta.domain.policy import Policy, Slot

SHANGHAI, MADRID = ZoneInfo("Asia/Shanghai"), ZoneInfo("Europe/Madrid")
NIGHTS = Policy(friendly_slots=(Slot(start=time(22), end=time(7)),))
EVENINGS = Policy(friendly_slots=(Slot(start=time(18), end=time(0)),), friendly_weekends=True)


def at(text: str, zone: ZoneInfo = SHANGHAI) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=zone).astimezone(UTC)


@pytest.mark.parametrize(
    ("local", "friendly"),
    [
        ("2026-11-23 21:59:59", False),
        ("2026-11-23 22:00", True),
        ("2026-11-24 00:00", True),
        ("2026-11-24 06:59:59", True),
        ("2026-11-24 07:00", False),
    ],
)
def test_a_slot_may_pass_midnight(local: str, friendly: bool) -> None:
    assert is_friendly(NIGHTS, SHANGHAI, at(local)) is friendly


def test_a_weekend_begins_with_fridays_evening_and_ends_with_sunday() -> None:
    friday_evening = at("2026-11-27 19:00")

    assert not is_friendly(EVENINGS, SHANGHAI, at("2026-11-27 17:59"))
    assert friendly_until(EVENINGS, SHANGHAI, friday_evening) == at("2026-11-30 00:00")


def test_a_named_holiday_is_friendly_as_a_whole() -> None:
    policy = Policy(holidays=(date(2027, 1, 1),))

    assert friendly_until(policy, SHANGHAI, at("2027-01-01 00:00")) == at("2027-01-02 00:00")
    assert not is_friendly(policy, SHANGHAI, at("2026-12-31 23:59"))


def test_without_any_hours_nothing_is_friendly() -> None:
    assert not is_friendly(Policy(), SHANGHAI, at("2026-11-28 12:00"))


def test_what_is_always_friendly_has_no_end() -> None:
    halves = Policy(friendly_slots=(Slot(start=time(0), end=time(12)), Slot(start=time(12), end=time(0))))

    assert friendly_until(halves, SHANGHAI, at("2026-11-23 12:00")) is None


def test_a_night_that_loses_an_hour_ends_by_the_clock_on_the_wall() -> None:
    before, end = at("2026-03-29 01:00", MADRID), at("2026-03-29 07:00", MADRID)

    assert friendly_until(NIGHTS, MADRID, before) == end
    assert end - before == timedelta(hours=5)


def test_a_slot_whose_end_is_skipped_ends_where_the_clock_jumps() -> None:
    policy = Policy(friendly_slots=(Slot(start=time(1), end=time(2, 30)),))

    assert friendly_until(policy, MADRID, at("2026-03-29 01:30", MADRID)) == at("2026-03-29 03:00", MADRID)


def test_a_slot_whose_end_is_shown_twice_ends_at_each() -> None:
    policy = Policy(friendly_slots=(Slot(start=time(1), end=time(2, 30)),))
    first_end = datetime(2026, 10, 25, 0, 30, tzinfo=UTC)

    assert friendly_until(policy, MADRID, at("2026-10-25 01:30", MADRID)) == first_end
    assert is_friendly(policy, MADRID, first_end + timedelta(minutes=30))
    assert friendly_until(policy, MADRID, first_end + timedelta(minutes=30)) == first_end + timedelta(hours=1)


@given(
    hours=st.integers(min_value=0, max_value=24 * 370),
    start=st.integers(min_value=0, max_value=47),
    length=st.integers(min_value=1, max_value=47),
    weekends=st.booleans(),
)
def test_a_friendly_stretch_is_friendly_to_its_last_minute(
    hours: int, start: int, length: int, weekends: bool
) -> None:
    def clock(half_hours: int) -> time:
        return time(half_hours % 48 // 2, half_hours % 2 * 30)

    slot = Slot(start=clock(start), end=clock(start + length))
    policy = Policy(friendly_slots=(slot,), friendly_weekends=weekends)
    now = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(hours=hours)

    if is_friendly(policy, MADRID, now):
        end = friendly_until(policy, MADRID, now)
        assert end is not None
        assert end > now
        assert is_friendly(policy, MADRID, end - timedelta(minutes=1))
        assert not is_friendly(policy, MADRID, end)
