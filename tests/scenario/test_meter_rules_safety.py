"""What a meter feels of thieves, faults and overloads, and what a platform's reading then tells of it.

Everything is read, switched and written by the platform's own conversations, through real frames.
"""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest
from tests.scenario.loading_bench import MODELS, Bench, a_bench

from compuerta.domain.instruction import Limits
from compuerta.drivers.abilities import (
    Ending,
    LimitsOrder,
    MeterState,
    ReadOrder,
    RechargeOrder,
    Relay,
    SwitchOrder,
)
from compuerta.virtual.meter import ConstantLoad
from compuerta.virtual.meter import Limits as MeterLimits
from compuerta.virtual.meter.wiring import Wiring
from compuerta.wire import dlt645

HOUR = timedelta(hours=1)
NOMINAL_DV = 2_200
ALL_COUNTS = 10


def a_meter(*, power_w: int = 3_000, balance_minor: int = 100_000, **changes: object) -> Bench:
    model = MODELS["dlt645-standard-4g"]
    return a_bench(model=model, load=ConstantLoad(power_w=power_w), balance_minor=balance_minor, **changes)


def poll(bench: Bench) -> MeterState:
    result = bench.carry_out(ReadOrder())
    assert result.ending is Ending.DONE
    return result.state


def wait(bench: Bench, span: timedelta) -> None:
    bench.wait_until(bench.civil + span)


def rewired(bench: Bench, **changes: object) -> None:
    bench.meter.core.set_wiring(replace(bench.meter.core.wiring, **changes))


def values(bench: Bench, di: int) -> dlt645.Values:
    answer = bench.hear(dlt645.ReadRegister(di=di))
    assert isinstance(answer, dlt645.RegisterAnswer), answer
    return answer.values()


def switched(bench: Bench, relay: Relay, *, kept: bool = False, permits: bool = False) -> tuple[Ending, str]:
    order = SwitchOrder(relay=relay, now=bench.civil, kept=kept, permits=permits)
    result = bench.carry_out(order)
    return result.ending, result.reason


# What somebody does to the meter.


def test_a_cover_opened_and_closed_between_two_polls_is_still_seen() -> None:
    bench = a_meter()
    before = poll(bench)

    bench.meter.core.set_cover(True)
    bench.meter.core.set_cover(False)
    after = poll(bench)

    assert (before.counts["cover"], after.counts["cover"]) == (0, 1)
    assert "cover_open" not in after.flags


def test_an_open_terminal_cover_shows_and_its_record_ends_with_it() -> None:
    bench = a_meter()
    bench.meter.core.set_terminal_cover(True)

    assert "terminal_cover_open" in poll(bench).flags
    assert values(bench, 0x03300E01)["end"] is None
    bench.meter.core.set_terminal_cover(False)
    state = poll(bench)

    assert "terminal_cover_open" not in state.flags
    assert state.counts["terminal_cover"] == 1
    assert values(bench, 0x03300E01)["end"] is not None


def test_a_magnet_leaves_nothing_but_a_count() -> None:
    bench = a_meter()
    before = poll(bench)

    bench.meter.core.set_magnet(True)
    after = poll(bench)

    assert after.flags == before.flags
    assert after.counts == before.counts | {"magnet": 1}


def test_a_reversed_meter_counts_backwards_apart_and_deducts_nothing() -> None:
    bench = a_meter()

    rewired(bench, reversed=frozenset({0}))
    before = poll(bench)
    wait(bench, HOUR)
    after = poll(bench)

    assert (after.energy_wh, after.balance_minor) == (before.energy_wh, before.balance_minor)
    assert values(bench, 0x00020000)["energy_wh"] // 100 == 30
    assert after.power_w == -3_000
    assert {"active_reverse", "active_reverse_a", "reverse_flow", "reverse_flow_a"} <= after.flags
    assert after.counts["reverse_flow"] == 1


def test_a_reversed_phase_of_three_takes_from_the_others_and_is_named() -> None:
    bench = a_meter(phases=3)

    rewired(bench, reversed=frozenset({1}))
    before = poll(bench)
    wait(bench, HOUR)
    after = poll(bench)

    assert after.energy_wh - before.energy_wh == 1_000
    assert {"active_reverse_b", "reverse_flow", "reverse_flow_b"} <= after.flags
    assert not {"active_reverse", "reverse_flow_a", "reverse_flow_c"} & after.flags


def test_a_current_led_around_the_meter_shows_in_the_neutral() -> None:
    bench = a_meter(power_w=2_200)

    rewired(bench, bypassed_percent=50)
    before = poll(bench)
    wait(bench, HOUR)
    after = poll(bench)

    assert after.energy_wh - before.energy_wh == 1_100
    assert values(bench, 0x02800001) == {"current_ma": 10_000}
    assert values(bench, 0x02020100) == {"current_ma": 5_000}
    assert "current_unbalance" in after.flags


def test_a_clean_meter_has_no_flag_and_no_count() -> None:
    state = poll(a_meter(phases=3))

    assert state.flags <= {"identity_valid"}
    assert len(state.counts) == ALL_COUNTS
    assert set(state.counts.values()) == {0}


# Faults of the supply.


@pytest.mark.parametrize(
    ("voltage_dv", "power_w", "flag"),
    [
        (1_300, 1_000, "loss_of_voltage"),
        (1_700, 1_000, "under_voltage"),
        (2_650, 1_000, "over_voltage"),
        (0, 0, "phase_break"),
    ],
)
def test_a_wrong_voltage_is_named_with_its_phase(voltage_dv: int, power_w: int, flag: str) -> None:
    bench = a_meter(power_w=power_w, phases=3)

    rewired(bench, voltages_dv=(NOMINAL_DV, NOMINAL_DV, voltage_dv))
    state = poll(bench)

    names = {"loss_of_voltage", "under_voltage", "over_voltage", "phase_break"}
    assert state.flags & {f"{name}_{phase}" for name in names for phase in "abc"} == (
        {f"{flag}_c"} | ({f"phase_break_{phase}" for phase in "ab"} & state.flags)
    )
    assert flag in state.flags


def test_unbalanced_voltages_and_currents_show() -> None:
    voltage, current = a_meter(phases=3), a_meter(phases=3)

    rewired(voltage, voltages_dv=(NOMINAL_DV, NOMINAL_DV, 1_500))
    rewired(current, lost=frozenset({0}))

    assert "voltage_unbalance" in poll(voltage).flags
    lost = poll(current).flags
    assert {"current_unbalance", "loss_of_current", "loss_of_current_a"} <= lost
    assert not {"voltage_unbalance", "loss_of_current_b"} & lost


def test_too_much_current_is_counted_each_time_it_begins() -> None:
    bench = a_meter(power_w=2_200, limits=MeterLimits(over_current_ma=9_000))

    during = poll(bench)
    bench.meter.core.set_load(1_000)
    bench.meter.core.set_load(3_300)
    after = poll(bench)

    assert {"over_current", "over_current_a"} <= during.flags
    assert (during.counts["over_current"], after.counts["over_current"]) == (1, 2)


def test_a_switch_that_does_not_open_is_counted_as_failed() -> None:
    bench = a_meter()
    bench.meter.core.set_stuck(True)

    ending, reason = switched(bench, Relay.OPEN)
    state = poll(bench)

    assert (ending, reason) == (Ending.ACCEPTED, "trip_delayed")
    assert (state.relay, state.counts["switch_failure"]) == (Relay.CLOSED, 1)


def test_power_cuts_trips_and_closings_are_counted() -> None:
    bench = a_meter()

    bench.meter.core.set_power(False)
    bench.meter.core.set_power(True)
    switched(bench, Relay.OPEN)
    switched(bench, Relay.CLOSED)
    state = poll(bench)

    assert [state.counts[one] for one in ("power_down", "trip", "close")] == [1, 1, 1]


def test_events_that_were_cleared_are_not_counted_again_while_they_go_on() -> None:
    bench = a_meter()
    bench.meter.core.set_cover(True)

    bench.hear(dlt645.ClearEvents(password_level=2, password="000000", operator=bytes(4)))
    wait(bench, HOUR)

    assert poll(bench).counts["cover"] == 0


# Overload.


def test_an_overload_opens_the_relay_in_the_meter_and_its_count_tells_why() -> None:
    bench = a_meter(power_w=6_000, limits=MeterLimits(power_w_max=5_000, overload_min=2))
    during = poll(bench)

    wait(bench, timedelta(minutes=3))
    after = poll(bench)

    assert {"overload", "overload_a"} <= during.flags
    assert (during.relay, during.counts["overload"]) == (Relay.CLOSED, 0)
    assert (after.relay, after.counts["overload"]) == (Relay.OPEN, 1)
    assert "overload" not in after.flags


def test_an_overload_that_passes_in_time_is_not_counted() -> None:
    bench = a_meter(power_w=6_000, limits=MeterLimits(power_w_max=5_000, overload_min=2))

    wait(bench, timedelta(minutes=1))
    bench.meter.core.set_load(1_000)
    wait(bench, HOUR)
    state = poll(bench)

    assert (state.relay, state.counts["overload"]) == (Relay.CLOSED, 0)


def test_an_overload_under_kept_power_is_counted_once_and_trips_at_the_release() -> None:
    bench = a_meter(power_w=6_000, limits=MeterLimits(power_w_max=5_000, overload_min=2))
    bench.meter.core.keep(True)

    wait(bench, HOUR)
    kept = poll(bench)
    bench.meter.core.keep(False)
    released = poll(bench)

    assert (kept.relay, kept.counts["overload"]) == (Relay.CLOSED, 1)
    assert (released.relay, released.counts["overload"]) == (Relay.OPEN, 1)


def test_a_button_pressed_into_the_same_load_overloads_again() -> None:
    bench = a_meter(power_w=6_000, limits=MeterLimits(power_w_max=5_000))
    wait(bench, HOUR)

    bench.meter.core.press_button()
    wait(bench, HOUR)
    state = poll(bench)

    assert (state.relay, state.counts["overload"]) == (Relay.OPEN, 2)


# Keeping power, permitting, limits.


def test_kept_power_closes_a_meter_whose_money_is_used_up_and_release_lets_it_trip() -> None:
    bench = a_meter(balance_minor=0)
    assert poll(bench).relay is Relay.OPEN

    assert switched(bench, Relay.CLOSED, kept=True) == (Ending.DONE, "")
    wait(bench, HOUR)
    kept = poll(bench)
    released = switched(bench, Relay.CLOSED)

    assert (kept.relay, "keep_power" in kept.flags) == (Relay.CLOSED, True)
    assert kept.balance_minor is not None and kept.balance_minor < 0
    assert released == (Ending.DONE, "released")
    assert poll(bench).relay is Relay.OPEN


def test_without_kept_power_a_meter_without_money_does_not_close() -> None:
    bench = a_meter(balance_minor=0)

    assert switched(bench, Relay.CLOSED) == (Ending.REFUSED, "refused_by_meter")
    assert poll(bench).relay is Relay.OPEN


def test_a_kept_meter_opens_when_it_is_ordered_to() -> None:
    bench = a_meter()
    switched(bench, Relay.CLOSED, kept=True)

    assert switched(bench, Relay.OPEN) == (Ending.DONE, "")
    state = poll(bench)
    assert (state.relay, "keep_power" in state.flags) == (Relay.OPEN, False)


def test_a_permit_waits_for_the_button() -> None:
    bench = a_meter()
    switched(bench, Relay.OPEN)

    assert switched(bench, Relay.CLOSED, permits=True) == (Ending.DONE, "waits_for_button")
    assert poll(bench).relay is Relay.PERMITTED
    bench.meter.core.press_button()

    assert poll(bench).relay is Relay.CLOSED


def test_a_recharge_under_a_hold_leaves_a_kept_meter_dark() -> None:
    bench = a_meter(balance_minor=0)
    switched(bench, Relay.CLOSED, kept=True)
    order = RechargeOrder(
        amount_minor=5_000,
        purchase_no=1,
        customer_no=bench.meter.core.customer_no or "",
        close=False,
    )

    result = bench.carry_out(order)

    assert (result.ending, result.credited) == (Ending.DONE, True)
    assert (bench.meter.core.relay, bench.meter.core.keep_power) == (Relay.OPEN, False)


def test_limits_are_written_into_the_meter_and_read_back() -> None:
    bench = a_meter(power_w=6_000)
    limits = Limits(alarm_1_minor=5_000, alarm_2_minor=2_000, power_w_max=5_500)

    result = bench.carry_out(LimitsOrder(limits=limits))
    again = bench.carry_out(LimitsOrder(limits=limits))
    writes = bench.writes
    wait(bench, HOUR)

    assert (result.ending, again.ending, writes) == (Ending.DONE, Ending.DONE, [])
    assert bench.meter.core.limits == MeterLimits(alarm_1_minor=5_000, alarm_2_minor=2_000, power_w_max=5_500)
    assert poll(bench).counts["overload"] == 1


def test_a_limit_of_zero_is_not_watched_any_more() -> None:
    bench = a_meter(power_w=6_000, limits=MeterLimits(power_w_max=5_000))

    bench.carry_out(LimitsOrder(limits=Limits(power_w_max=0)))
    wait(bench, HOUR)
    state = poll(bench)

    assert (state.relay, state.counts["overload"]) == (Relay.CLOSED, 0)


# What a meter says of its own accord.


def heard(pushed: bytes) -> dlt645.Answer:
    [frame] = dlt645.Deframer().receive(pushed, now_ms=0)
    return dlt645.parse_answer(frame)


@pytest.mark.parametrize(
    "happens",
    [
        lambda bench: bench.meter.core.set_cover(True),
        lambda bench: bench.meter.core.set_terminal_cover(True),
        lambda bench: bench.meter.core.set_magnet(True),
        lambda bench: rewired(bench, reversed=frozenset({0})),
    ],
)
def test_a_new_event_is_told_once_by_the_status_words(happens: Callable[[Bench], None]) -> None:
    bench = a_meter()
    assert bench.meter.take_push() == b""

    happens(bench)
    pushed = heard(bench.meter.take_push())

    assert isinstance(pushed, dlt645.RegisterAnswer)
    assert pushed == bench.hear(dlt645.ReadRegister(di=0x040005FF))
    assert bench.meter.take_push() == b""


@pytest.mark.parametrize("mute", ["silent", "dark", "switched"])
def test_a_mute_meter_and_an_ordinary_switch_tell_nothing(mute: str) -> None:
    bench = a_meter()

    match mute:
        case "silent":
            bench.meter.silent = True
            bench.meter.core.set_cover(True)
        case "dark":
            bench.meter.core.set_power(False)
            bench.meter.core.set_cover(True)
        case _:
            switched(bench, Relay.OPEN)

    assert bench.meter.take_push() == b""


def test_wiring_put_right_again_is_as_it_was() -> None:
    bench = a_meter(phases=3)
    sound = bench.meter.core.wiring
    rewired(bench, lost=frozenset({2}))

    bench.meter.core.set_wiring(Wiring(voltages_dv=(NOMINAL_DV,) * 3))

    assert bench.meter.core.wiring is sound
    assert "loss_of_current" not in poll(bench).flags
