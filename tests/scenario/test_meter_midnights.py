"""A meter's midnights over real frames: found by the moment that they carry, however its clock was set."""

from datetime import datetime, timedelta
from random import Random

import pytest
from tests.scenario.loading_bench import MODELS, REMOTE, STANDARD, Bench
from tests.scenario.meter_bench import CUSTOMER_NO, ESAM, METER_NO, NOON

from compuerta.drivers.abilities import (
    FROZEN_AT_ANOTHER_TIME,
    NOT_FROZEN,
    NOT_YET_FROZEN,
    Ending,
    FreezeOrder,
    MeterFreeze,
    ReadOrder,
    Result,
)
from compuerta.drivers.model import Model, RechargeLayout
from compuerta.virtual.meter import ConstantLoad, MeterSetup, VirtualMeter
from compuerta.virtual.meter.clock import ms_from_civil

VENDOR = MODELS["dlt645-vendor-rs485"]
DAY = timedelta(days=1)
HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)
FIRST = datetime(2026, 11, 23)  # noqa: DTZ001 a meter's clock; the first midnight after noon of the 22nd


def a_bench(model: Model = REMOTE, *, balance_minor: int = 5_000) -> Bench:
    """Return a meter that uses 12 kWh up to its first midnight, and 24 kWh on each day after it."""
    setup = MeterSetup(
        meter_no=METER_NO,
        customer_no=CUSTOMER_NO,
        credit_authority=model.credit_authority,
        layout=RechargeLayout.VENDOR if model is VENDOR else RechargeLayout.STANDARD,
        balance_minor=balance_minor,
        load=ConstantLoad(power_w=1_000),
        civil_offset_ms=ms_from_civil(NOON),
    )
    return Bench(VirtualMeter(setup, now_ms=0, esam=ESAM, chance=Random(1)), model=model)


def asked(bench: Bench, *midnights: datetime, unanswered: int = -1) -> Result:
    return bench.carry_out(FreezeOrder(midnights=midnights, now=bench.civil), unanswered=unanswered)


def the_freeze(bench: Bench, midnight: datetime) -> MeterFreeze:
    (freeze,) = asked(bench, midnight).freezes
    return freeze


def set_clock(bench: Bench, civil: datetime) -> None:
    bench.meter.core.set_clock(ms_from_civil(civil))


def test_midnights_are_read_with_their_rates_the_newest_first() -> None:
    bench = a_bench()
    bench.wait_until(FIRST + DAY + HOUR)

    result = asked(bench, FIRST + DAY, FIRST)

    assert result.ending is Ending.DONE
    assert [each.energy_wh for each in result.freezes] == [36_000, 12_000]
    assert result.freezes[0].rates_wh == (0, 0, 36_000, 0)
    assert [each.balance_minor for each in result.freezes] == [None, None]
    assert len(bench.requests) == 5  # the clock; and of each its moment and its energy


def test_a_midnight_that_the_clock_has_not_reached_is_asked_for_again_later() -> None:
    bench = a_bench()
    bench.wait_until(FIRST - MINUTE)

    assert the_freeze(bench, FIRST).reason == NOT_YET_FROZEN


@pytest.mark.parametrize("days", [1, 62, 63])
def test_what_a_meter_keeps_ends_with_the_sixty_second_midnight(days: int) -> None:
    bench = a_bench()
    bench.wait_until(FIRST + (days - 1) * DAY + HOUR)

    freeze = the_freeze(bench, FIRST)

    assert freeze.reason == (NOT_FROZEN if days > 62 else "")
    assert freeze.energy_wh == (None if days > 62 else 12_000)


def test_a_midnight_before_the_meter_was_there_is_not_zero() -> None:
    bench = a_bench()
    bench.wait_until(FIRST + HOUR)

    assert the_freeze(bench, FIRST - DAY) == MeterFreeze(midnight=FIRST - DAY, reason=NOT_FROZEN)


def test_a_clock_set_over_midnight_has_frozen_at_another_time() -> None:
    bench = a_bench()
    bench.wait_until(FIRST - 10 * MINUTE)
    set_clock(bench, FIRST + 10 * MINUTE)

    assert the_freeze(bench, FIRST).reason == FROZEN_AT_ANOTHER_TIME


def test_of_a_midnight_that_came_twice_the_second_counts_and_others_are_found_behind_it() -> None:
    bench = a_bench()
    bench.wait_until(FIRST + DAY + 30 * MINUTE)
    set_clock(bench, FIRST + DAY - 30 * MINUTE)
    bench.wait_until(FIRST + DAY + HOUR)

    second, first = asked(bench, FIRST + DAY, FIRST).freezes

    assert second.energy_wh == 37_000
    assert first.energy_wh == 12_000


def test_a_midnight_that_was_jumped_over_is_not_frozen_and_its_neighbour_is_found() -> None:
    bench = a_bench()
    bench.wait_until(FIRST + HOUR)
    set_clock(bench, FIRST + 2 * DAY + HOUR)

    result = asked(bench, FIRST + DAY, FIRST)

    assert [each.reason for each in result.freezes] == [NOT_FROZEN, ""]


@pytest.mark.parametrize(
    ("model", "balance_minor", "told_minor"),
    [
        (VENDOR, 5_000, 4_400),  # 12 kWh at 0.5 a kWh
        (VENDOR, 600, None),  # nothing remains: an overdraft may hide behind it
        (STANDARD, 5_000, None),  # its file does not say that it freezes money
    ],
)
def test_money_is_read_beside_the_energy_only_where_the_models_file_says_so(
    model: Model, balance_minor: int, told_minor: int | None
) -> None:
    bench = a_bench(model, balance_minor=balance_minor)
    bench.wait_until(FIRST + HOUR)

    freeze = the_freeze(bench, FIRST)

    assert (freeze.energy_wh, freeze.balance_minor) == (12_000, told_minor)


def test_what_was_told_before_the_silence_is_kept() -> None:
    bench = a_bench()
    bench.wait_until(FIRST + DAY + HOUR)

    result = asked(bench, FIRST + DAY, FIRST, unanswered=3)

    assert (result.ending, result.reason) == (Ending.SILENT, "no_answer")
    assert [each.energy_wh for each in result.freezes] == [36_000]


def test_a_clock_that_was_put_right_tells_how_it_was_found() -> None:
    bench = a_bench()
    bench.wait_until(FIRST + HOUR)
    set_clock(bench, FIRST + 2 * HOUR)

    result = bench.carry_out(ReadOrder(now=FIRST + HOUR))

    assert result.reason == "clock_set"
    assert result.state.clock_found is not None and result.state.clock is not None
    assert result.state.clock_found - result.state.clock > 50 * MINUTE
