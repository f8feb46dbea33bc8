"""Days of intervals from a head-end: each is kept once, and none that is no day of its site."""

from dataclasses import replace
from datetime import timedelta

import pytest
from tests.unit.services.town import HOUR, NOON, a_town

from compuerta.adapters.memory import MemoryStore
from compuerta.services import profiling
from compuerta.services.profiling import Outcome
from compuerta.services.records import LoadDay

MIDNIGHT = NOON - timedelta(hours=12)  # in Shanghai
DAY = 24 * HOUR


def a_day(store: MemoryStore) -> LoadDay:
    (home,) = a_town(store).homes
    return LoadDay(meter_id=home.meter_id, starts_at=MIDNIGHT, minutes=60, wh=tuple(range(24)))


def test_a_day_twice_is_a_day_once() -> None:
    store = MemoryStore()
    day = a_day(store)

    first = profiling.take_load_days(store, [day, day], now=NOON + DAY)
    second = profiling.take_load_days(store, [day], now=NOON + DAY)

    assert (first, second) == ([Outcome.CREATED, Outcome.EXISTS], [Outcome.EXISTS])
    assert list(store.tables.load_days.values()) == [day]
    assert not store.tables.cases


def test_a_day_told_otherwise_is_not_taken_and_has_a_case() -> None:
    store = MemoryStore()
    day = a_day(store)
    profiling.take_load_days(store, [day], now=NOON + DAY)

    outcomes = profiling.take_load_days(store, [replace(day, wh=(7,) * 24)], now=NOON + DAY)

    assert outcomes == [Outcome.EXISTS_DIFFERENT]
    assert list(store.tables.load_days.values()) == [day]
    assert [case.kind for case in store.tables.cases.values()] == ["intervals_differ"]


@pytest.mark.parametrize(
    ("changes", "outcome"),
    [
        ({"starts_at": MIDNIGHT + HOUR}, Outcome.MALFORMED),
        ({"wh": (1,) * 23}, Outcome.MALFORMED),
        ({"wh": ()}, Outcome.MALFORMED),
        ({"wh": (-1,) * 24}, Outcome.MALFORMED),
        ({"minutes": 30}, Outcome.MALFORMED),
        ({"starts_at": MIDNIGHT + DAY}, Outcome.FROM_THE_FUTURE),
        ({"meter_id": 99}, Outcome.METER_UNKNOWN),
    ],
)
def test_what_is_no_day_of_a_known_meter_is_refused_by_name(
    changes: dict[str, object], outcome: Outcome
) -> None:
    store = MemoryStore()
    day = a_day(store)

    assert profiling.take_load_days(store, [replace(day, **changes)], now=NOON + DAY) == [outcome]
    assert not store.tables.load_days


def test_a_day_with_more_than_any_supply_delivers_is_not_taken_and_has_a_case() -> None:
    store = MemoryStore()
    day = a_day(store)

    for wh in (1_000_001, 2**31, 10**30):
        told = replace(day, wh=(*day.wh[:-1], wh))
        assert profiling.take_load_days(store, [told], now=NOON + DAY) == [Outcome.JUMP]

    assert not store.tables.load_days
    assert {case.kind for case in store.tables.cases.values()} == {"intervals_jump"}


def test_half_hours_of_a_day_are_a_day() -> None:
    store = MemoryStore()
    day = replace(a_day(store), minutes=30, wh=(1,) * 48)

    assert profiling.take_load_days(store, [day], now=NOON + DAY) == [Outcome.CREATED]
