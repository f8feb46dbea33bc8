"""What a meter deducts by its tables, when, and what it remembers of it: one rule per test, in frames."""

from datetime import date, datetime, timedelta

import pytest
from tests.scenario.meter_bench import HOUR_MS, MINUTE_MS, NOON, a_bench, err
from tests.scenario.tariff_bench import (
    DONE,
    FLAT,
    HOURS,
    MONTHLY_BLOCK,
    NEVER,
    NOVEMBER,
    PEAK,
    PRICES,
    REST_DAY,
    STEPS,
    VALLEY,
    WORKDAY,
    a_ladder_block,
    a_tariff_bench,
    entries,
    minute,
    rates_wh,
    spent_minor,
)

from compuerta.domain.party import CreditAuthority
from compuerta.drivers.abilities import Relay
from compuerta.virtual.meter import Holiday, Ladder, Settlement, Slot, TariffTables, Zone
from compuerta.virtual.meter.clock import DAY_MS
from compuerta.wire.dlt645 import (
    BROADCAST,
    BroadcastTime,
    ErrBit,
    ReadRegister,
)
from compuerta.wire.dlt645.fields import bcd_to, moment_to

# Slots, rates, days.


def test_use_is_counted_and_charged_at_the_rate_of_its_slot() -> None:
    bench = a_tariff_bench(HOURS)

    bench.wait(span_ms=12 * HOUR_MS)

    assert rates_wh(bench) == (0, 10_000, 0, 2_000)
    assert spent_minor(bench) == 10 * 100 + 2 * 30


def test_a_reading_at_the_edge_of_a_slot_tells_the_use_before_it() -> None:
    bench = a_tariff_bench(HOURS, power_w=1_234)

    bench.wait(span_ms=10 * HOUR_MS)
    assert rates_wh(bench) == (0, 12_340, 0, 0)
    assert bench.values(0x02800020) == {"price_e4": 3_000}
    bench.wait(span_ms=30_000)  # 10.28 Wh at the rate of the night

    assert rates_wh(bench) == (0, 12_340, 0, 10)


def test_less_than_a_unit_is_carried_on_and_not_charged() -> None:
    bench = a_tariff_bench(HOURS, power_w=1_000)

    bench.wait(span_ms=35_999)
    assert rates_wh(bench) == (0, 0, 0, 0)
    assert spent_minor(bench) == 0
    bench.wait(span_ms=1)

    assert rates_wh(bench) == (0, 10, 0, 0)
    assert spent_minor(bench) == 1


def test_a_meter_with_one_price_counts_at_one_rate() -> None:
    bench = a_bench(balance_minor=100_000, price_e4=5_000)

    bench.wait(span_ms=24 * HOUR_MS)

    assert rates_wh(bench) == (0, 0, 24_000, 0)
    assert set(bench.values(0x040501FF).values()) == {5_000}
    assert bench.values(0x0280000B) == {"price_e4": 0}


def test_a_day_table_is_a_circle_and_so_is_the_year() -> None:
    evening = (Slot(hour=6, rate=PEAK), Slot(hour=20, rate=VALLEY))
    zones = (Zone(month=3, day=1, table_no=1), Zone(month=11, day=15, table_no=2))
    tables = TariffTables(zones=zones, day_tables=(REST_DAY, evening), rate_prices_e4=PRICES)
    bench = a_tariff_bench(tables, at=datetime(2027, 2, 28, 5, 0))  # noqa: DTZ001

    bench.wait(span_ms=2 * HOUR_MS)
    assert rates_wh(bench) == (0, 1_000, 0, 1_000)
    bench.wait(span_ms=18 * HOUR_MS)  # into 1 March

    assert rates_wh(bench) == (0, 14_000, 1_000, 5_000)


@pytest.mark.parametrize(
    ("changes", "rate"),
    [
        ({}, PEAK),
        ({"weekday_bits": 0x7E}, FLAT),  # NOON is a Sunday
        ({"weekday_bits": 0x3F}, PEAK),  # Saturdays rest
        ({"holidays": (Holiday(on=date(2026, 11, 22), table_no=2),)}, FLAT),
        ({"holidays": (Holiday(on=date(2026, 11, 22), table_no=1),), "weekday_bits": 0x7E}, PEAK),
        ({"holidays": (Holiday(on=date(2025, 11, 22), table_no=2),)}, PEAK),
    ],
)
def test_a_holiday_goes_before_a_day_of_rest_and_that_before_the_zone(
    changes: dict[str, object], rate: int
) -> None:
    tables = {"day_tables": (WORKDAY, REST_DAY), "rate_prices_e4": PRICES, "rest_table_no": 2}
    bench = a_tariff_bench(TariffTables(**tables | changes))

    assert bench.values(0x02800021) == {"price_e4": PRICES[rate - 1]}


def test_days_of_rest_and_holidays_are_written_and_hold_at_once() -> None:
    bench = a_tariff_bench(HOURS)
    assert bench.write(0x04030001, entries("26112202")) == err(0x14, ErrBit.OTHER)  # no holidays are set yet

    assert bench.write(0x04000802, b"\x02") == DONE
    assert bench.write(0x04000801, b"\x7e") == DONE
    assert bench.values(0x02800021) == {"price_e4": PRICES[FLAT - 1]}
    bench.write(0x04000205, bcd_to(1, length=2))
    assert bench.write(0x04030001, entries("26112201")) == DONE

    assert bench.values(0x02800021) == {"price_e4": PRICES[PEAK - 1]}
    assert bench.read(0x04030001) == entries("26112201")
    assert bench.write(0x04030002, entries("26112301")) == err(0x14, ErrBit.OTHER)
    assert bench.write(0x04030001, entries("26112203")) == err(0x14, ErrBit.OTHER)
    assert bench.write(0x04000205, bcd_to(0, length=2)) == err(0x14, ErrBit.OTHER)
    bench.write(0x04030001, bytes(4))
    assert bench.values(0x02800021) == {"price_e4": PRICES[FLAT - 1]}
    assert bench.write(0x04000205, bcd_to(0, length=2)) == DONE


# Steps.


@pytest.mark.parametrize(("from_kwh", "to_kwh", "cost_minor"), [(95, 105, 1_250), (40, 140, 12_000)])
def test_a_use_over_a_bound_costs_each_part_its_own_price(
    from_kwh: int, to_kwh: int, cost_minor: int
) -> None:
    bench = a_tariff_bench(STEPS, at=NOVEMBER)
    bench.wait(span_ms=from_kwh * HOUR_MS)
    before_minor = spent_minor(bench)

    bench.wait(span_ms=(to_kwh - from_kwh) * HOUR_MS)

    assert spent_minor(bench) - before_minor == cost_minor
    assert bench.values(0x000B0000) == {"energy_wh": to_kwh * 1_000}


def test_the_lower_step_includes_its_upper_bound() -> None:
    bench = a_tariff_bench(STEPS, at=NOVEMBER)

    bench.wait(span_ms=100 * HOUR_MS)
    assert spent_minor(bench) == 10_000
    assert bench.values(0x0280000B) == {"price_e4": 15_000}  # of the next unit
    bench.wait(span_ms=2 * 36_000)

    assert spent_minor(bench) == 10_003


def test_the_prices_of_rate_and_step_add_up() -> None:
    ladder = Ladder(bounds_wh=(5_000, 8_000), prices_e4=(0, 500, 3_000))
    bench = a_tariff_bench(TariffTables(day_tables=(WORKDAY,), rate_prices_e4=PRICES, ladder=ladder))

    bench.wait(span_ms=12 * HOUR_MS)  # 10 kWh of the day, 2 of the night

    assert spent_minor(bench) == 500 + 3 * 105 + 2 * 130 + 2 * 60
    shown = [bench.values(di)["price_e4"] for di in (0x02800021, 0x0280000B, 0x02800020)]
    assert shown == [3_000, 3_000, 6_000]


def test_steps_begin_anew_with_the_month_and_the_use_before_is_told() -> None:
    bench = a_tariff_bench(STEPS, at=datetime(2026, 11, 26, 0, 0))  # noqa: DTZ001
    bench.wait(span_ms=5 * DAY_MS)  # 120 kWh, to the very midnight

    assert bench.values(0x000B0000) == {"energy_wh": 0}
    assert bench.values(0x000B0001) == {"energy_wh": 120_000}
    assert bench.values(0x00010301) == {"energy_wh": 120_000}
    assert bench.values(0x0280000B) == {"price_e4": 10_000}
    assert spent_minor(bench) == 10_000 + 3_000
    bench.wait(span_ms=DAY_MS)

    assert spent_minor(bench) == 10_000 + 3_000 + 2_400


def test_steps_of_a_year_begin_anew_at_each_valid_moment_and_not_with_the_month() -> None:
    settlements = (Settlement(month=12, day=5, hour=10), Settlement(month=1, day=28))
    ladder = Ladder(bounds_wh=(100_000,), prices_e4=(10_000, 15_000), settlements=settlements)
    bench = a_tariff_bench(TariffTables(ladder=ladder), at=datetime(2026, 11, 30, 0, 0))  # noqa: DTZ001

    bench.wait(span_ms=2 * DAY_MS)
    assert bench.values(0x000B0000) == {"energy_wh": 48_000}
    bench.wait_until(datetime(2026, 12, 5, 9, 59, 59))  # noqa: DTZ001
    assert bench.values(0x000B0001) == {"energy_wh": 0}
    bench.wait(span_ms=1_000)
    assert bench.values(0x000B0001) == {"energy_wh": 130_000}
    assert bench.values(0x000B0000) == {"energy_wh": 0}
    bench.wait_until(datetime(2027, 1, 28))  # noqa: DTZ001

    assert bench.values(0x000B0000) == {"energy_wh": 0}
    assert bench.values(0x000C0000) == {"energy_wh": 27 * 24_000}
    assert bench.values(0x000C0001) == {"energy_wh": 31 * 24_000}
    assert bench.values(0x000D0000) == {"energy_wh": 27 * 24_000}
    assert bench.values(0x000D0001) == {"energy_wh": 32 * 24_000}


@pytest.mark.parametrize("annual_first", [True, False])
def test_a_change_between_months_and_years_is_a_settlement(annual_first: bool) -> None:
    settlements = {True: entries("070100") + NEVER * 3, False: NEVER * 4}
    start = Ladder(settlements=(Settlement(month=7, day=1),)) if annual_first else Ladder()
    bench = a_tariff_bench(TariffTables(ladder=start))
    block = a_ladder_block(bounds=(0,) * 6, prices=(1_000,) * 7, settlements=settlements[not annual_first])
    bench.write_sealed(0x040605FF, block)
    bench.write_sealed(0x04000109, minute(NOON + timedelta(hours=3, minutes=20)))

    bench.wait(span_ms=3 * HOUR_MS)
    assert bench.values(0x000B0000) == {"energy_wh": 3_000}
    bench.wait(span_ms=HOUR_MS)

    assert bench.values(0x000B0001) == {"energy_wh": 3_330}
    assert bench.values(0x00010301) == {"energy_wh": 3_330}
    assert bench.values(0x00010302) == {"energy_wh": 0}


def test_a_change_of_steps_within_a_month_goes_on_counting() -> None:
    bench = a_tariff_bench(STEPS, at=NOVEMBER)
    bench.write(0x04000207, b"\x01")
    bench.write_sealed(0x040605FF, MONTHLY_BLOCK)
    bench.write_sealed(0x04000109, minute(NOVEMBER + timedelta(hours=60)))

    bench.wait(span_ms=70 * HOUR_MS)

    assert bench.values(0x000B0000) == {"energy_wh": 70_000}
    assert spent_minor(bench) == 60 * 100 + 10 * 40


# The clock.


def test_a_clock_set_over_the_edge_of_a_slot_changes_the_rate_at_once() -> None:
    bench = a_tariff_bench(HOURS)
    bench.wait(span_ms=HOUR_MS)

    bench.write(0x0400010C, moment_to(NOON.replace(hour=23), order="smhWDMY"))
    assert bench.values(0x02800021) == {"price_e4": PRICES[VALLEY - 1]}
    bench.wait(span_ms=HOUR_MS // 2)
    bench.write(0x0400010C, moment_to(NOON, order="smhWDMY"))
    bench.wait(span_ms=HOUR_MS)

    assert rates_wh(bench) == (0, 2_000, 0, 500)


def test_a_clock_set_over_a_settlement_settles_once_and_again_when_it_comes_back() -> None:
    bench = a_tariff_bench(STEPS)
    bench.wait(span_ms=5 * HOUR_MS)
    december = datetime(2026, 12, 3, 12, 30)  # noqa: DTZ001

    bench.write(0x0400010C, moment_to(december, order="smhWDMY"))
    assert bench.values(0x000B0001) == {"energy_wh": 5_000}
    assert bench.read(0x05060001) == minute(december)
    bench.wait(span_ms=HOUR_MS)
    assert bench.values(0x000B0000) == {"energy_wh": 1_000}
    assert bench.values(0x00010302) == {"energy_wh": 0}

    bench.write(0x0400010C, moment_to(datetime(2026, 11, 30, 23, 0), order="smhWDMY"))  # noqa: DTZ001
    assert bench.values(0x000B0000) == {"energy_wh": 1_000}
    bench.wait(span_ms=HOUR_MS)

    assert bench.values(0x000B0001) == {"energy_wh": 2_000}
    assert bench.values(0x00010301) == {"energy_wh": 7_000}
    assert bench.values(0x00010302) == {"energy_wh": 5_000}


def test_a_clock_set_over_a_switch_time_switches_and_back_does_not_undo_it() -> None:
    bench = a_tariff_bench(HOURS)
    bench.write(0x04050202, bcd_to(20_000, length=4))
    bench.write(0x04000108, minute(NOON + timedelta(hours=1)))

    bench.write(0x0400010C, moment_to(NOON + timedelta(hours=2), order="smhWDMY"))
    assert bench.values(0x02800020) == {"price_e4": 20_000}
    bench.write(0x0400010C, moment_to(NOON, order="smhWDMY"))
    bench.wait(span_ms=3 * HOUR_MS)

    assert bench.values(0x02800020) == {"price_e4": 20_000}


@pytest.mark.parametrize(("minutes", "corrected"), [(5, True), (4, False), (-4, False), (-5, True)])
def test_broadcast_time_corrects_nothing_near_a_settlement(minutes: int, corrected: bool) -> None:
    ladder = Ladder(settlements=(Settlement(month=11, day=22, hour=12),))
    at = NOON + timedelta(minutes=minutes)
    bench = a_tariff_bench(TariffTables(ladder=ladder), at=at)

    bench.ask(BroadcastTime(at=at + timedelta(seconds=9)), address=BROADCAST)

    assert bench.read(0x04000102) == moment_to(at + timedelta(seconds=9 * corrected), order="smh")


# Freezes.


def test_every_hour_is_frozen_and_the_last_254_are_kept() -> None:
    bench = a_tariff_bench(HOURS)

    bench.wait(span_ms=300 * HOUR_MS + MINUTE_MS)

    assert bench.values(0x05040001) == {"at": NOON + timedelta(hours=300)}
    assert bench.values(0x05040101) == {"total_energy_wh": 300_000}
    assert bench.values(0x050401FE) == {"total_energy_wh": 47_000}
    assert bench.ask(ReadRegister(di=0x050400FF)) == err(0x11, ErrBit.NO_SUCH_REGISTER)


def test_an_hour_without_mains_is_not_frozen_and_a_day_is_made_up_for() -> None:
    bench = a_tariff_bench(HOURS)
    bench.meter.core.set_power(False)

    bench.wait(span_ms=13 * HOUR_MS)
    bench.meter.core.set_power(True)

    assert bench.ask(ReadRegister(di=0x05040001)) == err(0x11, ErrBit.NO_SUCH_REGISTER)
    assert bench.read(0x05060001) == minute(NOON + timedelta(hours=12))


def test_the_freeze_of_the_day_and_the_settlement_have_the_rates() -> None:
    bench = a_tariff_bench(HOURS, at=datetime(2026, 11, 30, 12, 0))  # noqa: DTZ001
    bench.wait(span_ms=13 * HOUR_MS)

    rates = {
        "rate_1_energy_wh": 0,
        "rate_2_energy_wh": 10_000,
        "rate_3_energy_wh": 0,
        "rate_4_energy_wh": 2_000,
    }
    assert bench.values(0x05060101) == {"total_energy_wh": 12_000} | rates
    assert bench.values(0x0001FF01) == {"total_energy_wh": 12_000} | rates
    assert bench.values(0x00010401) == {"energy_wh": 2_000}


def test_a_block_of_all_rates_is_as_long_as_the_rates_are_many() -> None:
    bench = a_tariff_bench(HOURS)
    assert len(bench.read(0x0001FF00)) == 4 * 5

    bench.write(0x04000204, bcd_to(12, length=1))

    assert len(bench.read(0x0001FF00)) == 4 * 13
    assert len(bench.read(0x0001FF01)) == 4 * 13
    assert len(bench.read(0x040501FF)) == 4 * 12
    assert bench.ask(ReadRegister(di=0x00010D00)) == err(0x11, ErrBit.NO_SUCH_REGISTER)


# Money.


def test_the_relay_opens_at_the_unit_that_uses_the_money_up_in_whatever_slot_and_step() -> None:
    ladder = Ladder(bounds_wh=(11_000,), prices_e4=(0, 5_000))
    tables = TariffTables(day_tables=(WORKDAY,), rate_prices_e4=PRICES, ladder=ladder)
    # 10 kWh of the day 10.00, 1 kWh of the night 0.30, then 0.80 a kWh: 0.40 for half of one.
    bench = a_bench(balance_minor=1_070, power_w=1_000, tariff=tables)

    bench.wait(span_ms=11 * HOUR_MS + HOUR_MS // 2 - 1)
    assert bench.meter.core.relay is Relay.CLOSED
    bench.wait(span_ms=1)

    assert bench.meter.core.relay is Relay.OPEN
    assert rates_wh(bench) == (0, 10_000, 0, 1_500)
    assert bench.values(0x00900200) == {"amount_minor": 0}
    bench.identify()
    bench.ask(bench.a_recharge(amount_minor=100))
    assert bench.meter.core.relay is Relay.CLOSED


def test_a_meter_that_holds_no_money_counts_by_rate_all_the_same() -> None:
    bench = a_bench(tariff=HOURS, credit_authority=CreditAuthority.PLATFORM)

    bench.wait(span_ms=12 * HOUR_MS)

    assert rates_wh(bench) == (0, 10_000, 0, 2_000)
