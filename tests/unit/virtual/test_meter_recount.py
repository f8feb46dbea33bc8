"""What a meter deducts by random tables, recounted unit by unit in the plainest way there is."""

from collections import Counter
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from compuerta.virtual.meter import DailyLoad, Ladder, MeterSetup, Settlement, Slot, TariffTables, Zone
from compuerta.virtual.meter.clock import DAY_MS, ms_from_civil
from compuerta.virtual.meter.core import MeterCore
from compuerta.virtual.meter.tariff import TableKind

HOUR_MS = 3_600_000
WMS_PER_UNIT = 36_000_000
DAYS = 2
START = datetime(2026, 11, 30, 0, 0)  # noqa: DTZ001 a meter's clock; the second day is another month
RATES = 5
ANNUAL = (Settlement(month=11, day=28), Settlement(month=12, day=1, hour=7))

minutes = st.integers(min_value=0, max_value=24 * 60 - 1)
prices = st.integers(min_value=0, max_value=30_000)
day_tables = st.dictionaries(minutes, st.integers(1, RATES), min_size=1, max_size=14).map(
    lambda starts: tuple(
        Slot(hour=start // 60, minute=start % 60, rate=rate) for start, rate in sorted(starts.items())
    )
)
watts = st.lists(st.integers(min_value=0, max_value=3_000), min_size=24, max_size=24)


@st.composite
def ladders(draw: st.DrawFn) -> Ladder:
    bounds = sorted(draw(st.sets(st.integers(1, 6_000), max_size=6)))
    return Ladder(
        bounds_wh=tuple(units * 10 for units in bounds),
        prices_e4=tuple(draw(st.lists(prices, min_size=len(bounds) + 1, max_size=len(bounds) + 1))),
        settlements=draw(st.sampled_from([(), ANNUAL])),
    )


@st.composite
def tariffs(draw: st.DrawFn) -> TariffTables:
    return TariffTables(
        zones=(Zone(month=1, day=1, table_no=1), Zone(month=12, day=1, table_no=2)),
        day_tables=(draw(day_tables), draw(day_tables)),
        rate_prices_e4=tuple(draw(st.lists(prices, min_size=RATES, max_size=RATES))),
        ladder=draw(ladders()),
    )


def a_core(tables: TariffTables, *, hourly_w: list[int]) -> MeterCore:
    setup = MeterSetup(
        meter_no="558890213594",
        balance_minor=50_000_000,
        load=DailyLoad(hourly_power_w=tuple(hourly_w)),
        civil_offset_ms=ms_from_civil(START),
        tariff=tables,
    )
    return MeterCore(setup, now_ms=0)


def instants_of_units(hourly_w: list[int]) -> list[datetime]:
    """The last millisecond in which each unit of 0.01 kWh was still being used."""
    instants, energy_wms = [], 0
    for hour in range(24 * DAYS):
        for _ in range(3_000 * HOUR_MS // WMS_PER_UNIT + 1):
            needed_wms = WMS_PER_UNIT * (len(instants) + 1) - energy_wms
            if hourly_w[hour % 24] * HOUR_MS < needed_wms:
                break
            last_ms = -(-needed_wms // hourly_w[hour % 24]) - 1
            instants.append(START + timedelta(hours=hour, milliseconds=last_ms))
        energy_wms += hourly_w[hour % 24] * HOUR_MS
    return instants


def rate_at(tables: TariffTables, at: datetime) -> int:
    slots = tables.day_tables[at.month == 12]
    rate = slots[-1].rate
    for slot in slots:
        if (slot.hour, slot.minute) <= (at.hour, at.minute):
            rate = slot.rate
    return rate


def recount(tables: TariffTables, instants: list[datetime]) -> Counter[tuple[int, int]]:
    """Units by rate and step."""
    settled_at = START.replace(month=12, day=1, hour=7 if tables.ladder.settlements else 0)
    cells: Counter[tuple[int, int]] = Counter()
    used_units = Counter[bool]()
    for at in instants:
        used_units[at >= settled_at] += 1
        used_wh = used_units[at >= settled_at] * 10
        step = sum(1 for bound_wh in tables.ladder.bounds_wh if used_wh > bound_wh)
        cells[rate_at(tables, at), step] += 1
    return cells


def cost_e6(cells: Counter[tuple[int, int]], tables: TariffTables) -> int:
    return sum(
        units * (tables.rate_prices_e4[rate - 1] + tables.ladder.prices_e4[step])
        for (rate, step), units in cells.items()
    )


@pytest.mark.slow
@settings(max_examples=100, deadline=None)  # each example plays two days and recounts thousands of units
@given(tables=tariffs(), hourly_w=watts, cuts=st.lists(st.integers(0, DAYS * DAY_MS), max_size=9))
def test_the_meter_deducts_what_a_slow_recount_deducts(
    tables: TariffTables, hourly_w: list[int], cuts: list[int]
) -> None:
    whole, sliced = a_core(tables, hourly_w=hourly_w), a_core(tables, hourly_w=hourly_w)

    whole.advance(to_ms=DAYS * DAY_MS)
    for cut_ms in sorted(cuts):
        sliced.advance(to_ms=cut_ms)
    sliced.advance(to_ms=DAYS * DAY_MS)

    cells = recount(tables, instants_of_units(hourly_w))
    by_rate = tuple(
        10 * sum(units for (each, _), units in cells.items() if each == rate) for rate in range(1, RATES + 1)
    )
    for core in (whole, sliced):
        assert core.purse is not None
        assert core.purse.cost_e6 == cost_e6(cells, tables)
        assert core.rates_wh == by_rate
        assert core.energy_wh == sum(by_rate)
    assert sliced.records == whole.records


@pytest.mark.slow
@settings(max_examples=100, deadline=None)
@given(
    tables=tariffs(),
    hourly_w=watts,
    spare=st.lists(prices, min_size=RATES, max_size=RATES).map(tuple),
    switch_min=st.integers(min_value=1, max_value=DAYS * 24 * 60),
)
def test_prices_that_change_at_any_minute_hold_from_it_on(
    tables: TariffTables, hourly_w: list[int], spare: tuple[int, ...], switch_min: int
) -> None:
    core = a_core(tables, hourly_w=hourly_w)
    switch_at = START + timedelta(minutes=switch_min)
    core.tariff.set_spare_prices(spare, first_rate=1)
    core.tariff.set_switch(TableKind.PRICES, switch_civil_ms=ms_from_civil(switch_at), civil_ms=core.civil_ms)

    core.advance(to_ms=DAYS * DAY_MS)

    instants = instants_of_units(hourly_w)
    before = recount(tables, [at for at in instants if at < switch_at])
    after = recount(tables, instants) - before
    assert core.purse is not None
    changed = replace(tables, rate_prices_e4=spare)
    assert core.purse.cost_e6 == cost_e6(before, tables) + cost_e6(after, changed)
