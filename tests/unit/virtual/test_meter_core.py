"""The meter without its protocol: exact money, exact trips, and a memory that survives power cuts."""

from dataclasses import replace
from datetime import datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from compuerta.domain.party import CreditAuthority
from compuerta.drivers.abilities import MeterEvent, Relay
from compuerta.virtual.meter.clock import DAY_MS, ms_from_civil
from compuerta.virtual.meter.core import MeterCore, TimeStandsStill
from compuerta.virtual.meter.load import ConstantLoad, DailyLoad
from compuerta.virtual.meter.orders import OpenReason
from compuerta.virtual.meter.purse import COST_E6_PER_MINOR
from compuerta.virtual.meter.registers import WH_PER_UNIT
from compuerta.virtual.meter.setup import Limits, MeterSetup
from compuerta.virtual.meter.tables import Ladder, TariffTables

HOUR_MS = 3_600_000
MINUTE_MS = 60_000
NOON_MS = ms_from_civil(datetime(2026, 11, 22, 12, 0, 0))  # noqa: DTZ001 a meter's clock
OPERATOR = b"\x44\x33\x22\x11"


def a_setup(*, balance_minor: int = 5_000, power_w: int = 1_000, **changes: object) -> MeterSetup:
    setup = MeterSetup(
        meter_no="558890213594",
        balance_minor=balance_minor,
        load=ConstantLoad(power_w=power_w),
        civil_offset_ms=NOON_MS,
    )
    return replace(setup, **changes)


def a_core(setup: MeterSetup | None = None) -> MeterCore:
    return MeterCore(setup or a_setup(), now_ms=0)


def test_the_relay_opens_at_the_very_watt_hour_at_which_money_is_gone() -> None:
    core = a_core(a_setup(balance_minor=5_000, power_w=1_000))  # 50.00 at 0.50 per kWh: 100 kWh

    core.advance(to_ms=100 * HOUR_MS - 1)
    assert core.relay is Relay.CLOSED
    core.advance(to_ms=1_000 * HOUR_MS)

    assert core.relay is Relay.OPEN
    assert core.energy_wh == 100_000
    assert core.balance_minor == 0


@given(power_w=st.integers(min_value=100, max_value=20_000), balance_minor=st.integers(1, 300))
def test_the_trip_costs_no_more_than_the_unit_that_uses_the_money_up(
    power_w: int, balance_minor: int
) -> None:
    core = a_core(a_setup(balance_minor=balance_minor, power_w=power_w))

    core.advance(to_ms=3 * DAY_MS)

    assert core.purse is not None
    overshoot_e6 = core.purse.cost_e6 - balance_minor * COST_E6_PER_MINOR
    assert 0 <= overshoot_e6 < core.price.price_e4
    assert core.relay is Relay.OPEN


@settings(max_examples=40, deadline=None)  # each example plays six days
@given(
    cuts=st.lists(st.integers(min_value=0, max_value=3 * DAY_MS), max_size=20),
    watts=st.lists(st.integers(min_value=0, max_value=9_999), min_size=24, max_size=24),
    balance_minor=st.integers(min_value=-500, max_value=20_000),
    price_e4=st.integers(min_value=1, max_value=20_000),
    drift_ppm=st.integers(min_value=-500, max_value=500),
)
def test_no_way_of_slicing_time_changes_energy_money_or_relay(
    cuts: list[int], watts: list[int], balance_minor: int, price_e4: int, drift_ppm: int
) -> None:
    setup = a_setup(
        balance_minor=balance_minor,
        load=DailyLoad(hourly_power_w=tuple(watts)),
        price_e4=price_e4,
        drift_ppm=drift_ppm,
        limits=Limits(power_w_max=9_000, overload_min=7),
    )
    whole, sliced = a_core(setup), a_core(setup)

    whole.advance(to_ms=3 * DAY_MS)
    for cut_ms in sorted(cuts):
        sliced.advance(to_ms=cut_ms)
    sliced.advance(to_ms=3 * DAY_MS)

    for core in (whole, sliced):
        assert core.purse is not None
        assert core.purse.cost_e6 == core.energy_wh // WH_PER_UNIT * price_e4
        used_e6 = (balance_minor - core.purse.balance_minor) * COST_E6_PER_MINOR
        assert abs(core.purse.cost_e6 - used_e6) <= COST_E6_PER_MINOR // 2
    assert sliced.energy_wh == whole.energy_wh
    assert sliced.rates_wh == whole.rates_wh
    assert sliced.balance_minor == whole.balance_minor
    assert sliced.relay is whole.relay
    assert sliced.records == whole.records


def test_a_step_in_the_tariff_is_met_exactly() -> None:
    ladder = Ladder(bounds_wh=(10_000,), prices_e4=(5_000, 8_000))
    core = a_core(a_setup(balance_minor=10_000, power_w=3_333, tariff=TariffTables(ladder=ladder)))

    core.advance(to_ms=10 * HOUR_MS)  # 33.33 kWh

    assert core.energy_wh == 33_330
    assert core.balance_minor == 10_000 - 500 - 1_866  # 23.33 x 0.80 = 18.664


def test_a_recharge_after_a_trip_for_money_closes_and_is_told_with_its_instants() -> None:
    core = a_core(a_setup(balance_minor=100, power_w=1_000))
    core.advance(to_ms=3 * HOUR_MS)
    assert (core.relay, core.open_reason) == (Relay.OPEN, OpenReason.MONEY)

    core.recharge(amount_minor=1_000, purchase_no=1)

    assert core.relay is Relay.CLOSED
    assert core.balance_minor == 1_000
    credited = core.records.credited[0]
    assert (credited.credited_at_ms, credited.closed_at_ms) == (3 * HOUR_MS, 3 * HOUR_MS)


def test_without_the_direct_close_bit_a_recharge_waits_for_the_button() -> None:
    core = a_core(a_setup(balance_minor=0, run_feature_word=0))

    core.recharge(amount_minor=1_000, purchase_no=1)
    assert core.relay is Relay.PERMITTED
    core.advance(to_ms=HOUR_MS)
    core.press_button()

    assert core.relay is Relay.CLOSED
    assert core.energy_wh == 0
    assert core.records.credited[0].closed_at_ms == HOUR_MS


def test_a_recharge_never_lifts_a_remote_trip() -> None:
    core = a_core()
    core.order_trip(operator=OPERATOR)

    core.recharge(amount_minor=9_000, purchase_no=1)
    core.press_button()

    assert (core.relay, core.open_reason) == (Relay.OPEN, OpenReason.REMOTE)


def test_the_overdraft_is_used_before_the_trip_and_paid_first_by_the_recharge() -> None:
    core = a_core(a_setup(balance_minor=0, power_w=1_000, limits=Limits(overdraft_minor=500)))

    core.advance(to_ms=100 * HOUR_MS)
    assert (core.balance_minor, core.energy_wh, core.relay) == (-500, 10_000, Relay.OPEN)
    core.recharge(amount_minor=700, purchase_no=1)

    assert (core.balance_minor, core.relay) == (200, Relay.CLOSED)


def test_supply_stays_off_below_the_amount_that_permits_closing() -> None:
    core = a_core(a_setup(balance_minor=0, limits=Limits(permit_minor=500)))

    core.recharge(amount_minor=499, purchase_no=1)
    assert core.relay is Relay.OPEN
    core.recharge(amount_minor=1, purchase_no=2)

    assert core.relay is Relay.CLOSED


def test_alarm_two_opens_once_as_a_reminder_and_the_button_closes_again() -> None:
    limits = Limits(alarm_2_minor=1_000)
    core = a_core(a_setup(balance_minor=1_050, power_w=1_000, limits=limits, alarm_2_trips=True))

    core.advance(to_ms=10 * HOUR_MS)
    assert (core.relay, core.open_reason, core.energy_wh) == (Relay.OPEN, OpenReason.REMINDER, 1_000)
    core.press_button()
    core.advance(to_ms=12 * HOUR_MS)

    assert (core.relay, core.energy_wh) == (Relay.CLOSED, 3_000)


def test_keep_power_ignores_the_end_of_money_until_it_is_released() -> None:
    core = a_core(a_setup(balance_minor=50, power_w=1_000))
    core.keep(True)

    core.advance(to_ms=3 * HOUR_MS)
    assert (core.relay, core.balance_minor) == (Relay.CLOSED, -100)
    core.keep(False)

    assert core.relay is Relay.OPEN


def test_a_remote_trip_waits_for_its_delay() -> None:
    core = a_core(a_setup(limits=Limits(trip_delay_min=5)))
    core.order_trip(operator=OPERATOR)

    core.advance(to_ms=5 * MINUTE_MS - 1)
    assert core.relay is Relay.CLOSED
    core.advance(to_ms=5 * MINUTE_MS)

    assert core.relay is Relay.OPEN
    assert core.records.trips[0].operator == OPERATOR


def test_a_remote_trip_waits_while_too_much_current_flows_but_not_for_ever() -> None:
    limits = Limits(protected_current_ma=4_000, protection_min=30)
    core = a_core(a_setup(power_w=1_000, limits=limits))  # 4.545 A
    core.order_trip(operator=OPERATOR)

    core.advance(to_ms=30 * MINUTE_MS - 1)
    assert core.relay is Relay.CLOSED
    core.advance(to_ms=30 * MINUTE_MS)

    assert core.relay is Relay.OPEN


def test_an_overload_opens_after_its_delay_and_the_button_closes_again() -> None:
    core = a_core(a_setup(power_w=6_000, limits=Limits(power_w_max=5_000, overload_min=2)))

    core.advance(to_ms=HOUR_MS)
    assert (core.open_reason, core.energy_wh) == (OpenReason.OVERLOAD, 200)
    core.set_load(1_000)
    core.press_button()

    assert core.relay is Relay.CLOSED


def test_a_power_cut_is_remembered_through_and_nothing_flows_in_it() -> None:
    core = a_core(a_setup(balance_minor=5_000))
    core.advance(to_ms=HOUR_MS)

    core.set_power(False)
    core.advance(to_ms=2 * DAY_MS)
    core.set_power(True)

    assert (core.energy_wh, core.balance_minor, core.relay) == (1_000, 4_950, Relay.CLOSED)
    assert core.records.counts[MeterEvent.POWER_DOWN] == 1


def test_a_stuck_relay_goes_on_supplying_and_says_so() -> None:
    core = a_core(a_setup(balance_minor=50))
    core.set_stuck(True)

    core.advance(to_ms=4 * HOUR_MS)
    assert (core.wish, core.relay, core.balance_minor) == (Relay.OPEN, Relay.CLOSED, -150)
    core.set_stuck(False)

    assert core.relay is Relay.OPEN


def test_every_midnight_is_frozen_and_sixty_two_are_kept() -> None:
    core = a_core(a_setup(balance_minor=1_000_000))

    core.advance(to_ms=70 * DAY_MS)

    freezes = core.records.daily_freezes
    assert len(freezes) == 62
    assert freezes[0].at == datetime(2027, 1, 31, 0, 0)  # noqa: DTZ001
    assert freezes[0].energy_wh - freezes[1].energy_wh == 24_000


def test_a_clock_set_over_midnight_freezes_the_day_once() -> None:
    core = a_core()

    core.set_clock(core.civil_ms + DAY_MS)
    core.set_clock(core.civil_ms + HOUR_MS)

    assert [freeze.at.day for freeze in core.records.daily_freezes] == [23]


def test_a_drifting_clock_freezes_at_its_own_midnight() -> None:
    core = a_core(a_setup(drift_ppm=1_000))

    core.advance(to_ms=12 * HOUR_MS - 1)

    assert len(core.records.daily_freezes) == 1
    assert core.records.daily_freezes[0].at.hour == 0


def test_a_meter_of_the_platform_holds_no_money_and_never_trips_for_it() -> None:
    core = a_core(a_setup(balance_minor=0, credit_authority=CreditAuthority.PLATFORM))

    core.advance(to_ms=DAY_MS)

    assert (core.balance_minor, core.relay, core.energy_wh) == (None, Relay.CLOSED, 24_000)


def test_time_that_goes_backwards_is_a_bug_and_says_so() -> None:
    core = a_core()
    core.advance(to_ms=10)

    with pytest.raises(TimeStandsStill):
        core.advance(to_ms=9)
