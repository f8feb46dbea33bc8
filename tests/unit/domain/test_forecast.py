"""When a balance will be used up, by an account's own habits and its tariff, and how far beside that lies."""

import gzip
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from statistics import median

import pytest
from tests.unit.domain.tariff.parts import a_calendar, a_schedule, a_tariff, an_energy

from compuerta.domain import forecast
from compuerta.domain.forecast import Shape
from compuerta.domain.tariff.bill import bill
from compuerta.domain.tariff.rating import extend
from compuerta.domain.tariff.schedule import Schedule
from compuerta.domain.tariff.tally import Span, opened

LOADS = Path("../shared/vectors/tariff_loads_60min.csv.gz")
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
MONDAY = datetime(2026, 1, 5, tzinfo=UTC)
CALENDAR = a_calendar(working=((0, 1), (6, 0), (22, 1)), weekend=((0, 1),))
FLAT = a_schedule(a_tariff(an_energy(("0.50",))))
STEPPED = a_schedule(
    a_tariff(an_energy(("0.6170", "0.6670"), ("0.3070", "0.3570"), bounds_wh=(200_000,), calendar=CALENDAR))
)


def hours(wh: Sequence[int], *, start: datetime = MONDAY) -> list[Span]:
    return [
        Span(start=start + HOUR * place, end=start + HOUR * (place + 1), energy_wh=energy_wh)
        for place, energy_wh in enumerate(wh)
    ]


def shape_of(spans: Sequence[Span], *, now: datetime) -> Shape:
    shape = forecast.shape_of(spans, zone=FLAT.zone, now=now)
    assert shape is not None
    return shape


def evenings(weeks: int) -> list[int]:
    """A kWh in each of four evening hours, and nothing else."""
    return [1_000 if 18 <= hour < 22 else 0 for hour in range(24)] * 7 * weeks


def test_even_use_lasts_as_long_as_division_says() -> None:
    now = MONDAY + 14 * DAY
    shape = shape_of(hours([400] * 14 * 24), now=now)

    found = forecast.used_up(1_000, tally=opened(schedule=FLAT, at=now), schedule=FLAT, shape=shape)

    assert found is not None
    assert abs(found.zero_at - (now + 50 * HOUR)) < timedelta(minutes=1)  # 20 fen an hour
    assert found.error_hours == 0


def test_who_uses_in_the_evening_is_out_in_the_evening() -> None:
    now = MONDAY + 42 * DAY
    shape = shape_of(hours(evenings(6)), now=now)

    # 200 fen an evening: two evenings and a half.
    found = forecast.used_up(500, tally=opened(schedule=FLAT, at=now), schedule=FLAT, shape=shape)

    assert found is not None
    assert abs(found.zero_at - (now + 2 * DAY + 20 * HOUR)) < HOUR


def test_the_step_that_the_balance_meets_counts() -> None:
    now = MONDAY + 14 * DAY
    shape = shape_of(hours([1_000] * 14 * 24), now=now)
    cheap = a_schedule(a_tariff(an_energy(("0.50", "1.00"), bounds_wh=(10_000,))))

    found = forecast.used_up(1_500, tally=opened(schedule=cheap, at=now), schedule=cheap, shape=shape)

    assert found is not None
    assert abs(found.zero_at - (now + 20 * HOUR)) < timedelta(minutes=1)  # ten at 50, ten at 100


def test_nothing_left_is_used_up_already_and_nothing_used_never() -> None:
    tally = opened(schedule=FLAT, at=MONDAY)
    idle = shape_of(hours([0] * 48), now=MONDAY + 2 * DAY)

    gone = forecast.used_up(0, tally=tally, schedule=FLAT, shape=idle)

    assert gone is not None and gone.zero_at == MONDAY
    assert forecast.used_up(1, tally=tally, schedule=FLAT, shape=idle) is None


def test_of_nothing_there_is_no_shape() -> None:
    silence = Span(start=MONDAY, end=MONDAY + 3 * DAY, energy_wh=9_000)
    future = hours([100], start=MONDAY + 30 * DAY)
    old = hours([100], start=MONDAY - 60 * DAY)

    assert forecast.shape_of([silence, *future, *old], zone=FLAT.zone, now=MONDAY + 3 * DAY) is None


def test_one_hour_of_use_speaks_for_all_hours() -> None:
    shape = shape_of(hours([700]), now=MONDAY + HOUR)

    assert min(shape.hours_mwh) > 690_000


def test_this_week_counts_more_than_the_weeks_before() -> None:
    now = MONDAY + 28 * DAY
    shape = shape_of(hours([100] * 21 * 24 + [500] * 7 * 24), now=now)

    assert 250_000 < sum(shape.hours_mwh) / 168 < 400_000


def test_some_days_ahead_cost_what_the_bill_will_say() -> None:
    now = MONDAY + 14 * DAY
    shape = shape_of(hours([400] * 14 * 24), now=now)
    tally = opened(schedule=FLAT, at=now)

    assert forecast.cost_of(3, tally=tally, schedule=FLAT, shape=shape) == 3 * 24 * 20


def beside(load: Sequence[int], *, days: int, at: int, schedule: Schedule) -> float | None:
    """Return by how many hours a forecast misses, of a balance that lasts some days in truth."""
    start = MONDAY
    now = start + at * HOUR
    tally = opened(schedule=schedule, at=now)
    spent, truth = -bill(tally, schedule=schedule).exact, tally
    for span in hours(load[at : at + days * 24], start=now):
        moved = extend(truth, span, schedule=schedule)
        truth = moved.tally
        spent += sum(ended.total_minor for _, ended in moved.closed)
    balance_minor = int(spent + bill(truth, schedule=schedule).exact)
    if balance_minor <= 0:
        return None
    past = hours(load[at - 42 * 24 : at], start=now - 42 * DAY)
    found = forecast.used_up(balance_minor, tally=tally, schedule=schedule, shape=shape_of(past, now=now))
    assert found is not None
    return abs((found.zero_at - now) / HOUR - days * 24)


@pytest.mark.slow
@pytest.mark.skipif(not LOADS.exists(), reason="the load histories are not part of the project")
def test_on_real_loads_half_of_the_forecasts_miss_by_less_than_a_seventh() -> None:
    with gzip.open(LOADS, "rt", encoding="ascii") as lines:
        names = lines.readline().strip().split(",")
        rows = [list(map(int, line.split(","))) for line in lines]
    loads = {
        name: [row[column] for row in rows]
        for column, name in enumerate(names)
        if name not in ("zero", "const100")
    }
    chance = Random(1)
    shares, near_hours = [], []
    for load in loads.values():
        for days in (2, 5, 10):
            for _ in range(2):
                at = chance.randrange(45 * 24, len(load) - 20 * 24)
                missed = beside(load, days=days, at=at, schedule=STEPPED)
                if missed is not None:
                    shares.append(missed / (days * 24))
                    near_hours += [missed] if days == 2 else []

    assert len(shares) > 120
    # What docs/messages.md tells.
    assert median(shares) < 0.15
    assert median(near_hours) < 12


def a_flat_of(chance: Random) -> list[int]:
    """Eight weeks of a flat: a peak in the morning and one in the evening, and each hour as luck has it."""
    peak_wh, evening = chance.randint(300, 1_500), chance.randint(18, 21)
    habits = {7: 50, 8: 40, 13: 35, evening: 100, evening + 1: 90, evening + 2: 60}
    return [peak_wh * habits.get(hour, 15) * chance.randint(40, 160) // 10_000 for hour in [*range(24)] * 56]


@pytest.mark.slow
def test_of_flats_with_habits_and_luck_half_of_the_forecasts_miss_by_less_than_a_tenth() -> None:
    chance = Random(4)
    shares = []
    for load in (a_flat_of(chance) for _ in range(12)):
        for days in (2, 5):
            missed = beside(load, days=days, at=42 * 24 + chance.randrange(100), schedule=STEPPED)
            if missed is not None:
                shares.append(missed / (days * 24))

    assert len(shares) > 12
    assert median(shares) < 0.1
