"""Keeping power, permitting, limits: done when the meter shows it, and nothing is sent that holds already."""

from dataclasses import replace

import pytest
from tests.unit.drivers.test_dlt645 import (
    NOON,
    RELAY_CLOSED,
    RELAY_OPEN,
    RELAY_PERMITTED,
    REMOTE,
    STANDARD,
    Meter,
    a_recharge,
    play,
)

from compuerta.domain.instruction import Limits
from compuerta.drivers.abilities import Ending, LimitsOrder, Relay, SwitchOrder
from compuerta.wire import dlt645
from compuerta.wire.dlt645 import RelayCommand, StatusWord3

KEPT_OPEN = replace(RELAY_OPEN, keep_power=True)
KEPT_CLOSED = replace(RELAY_CLOSED, keep_power=True)
ALARM_1, ALARM_2, POWER = 0x04001001, 0x04001002, 0x04090B01


def commands(meter: Meter) -> list[RelayCommand]:
    return [request.command for request in meter.requests if isinstance(request, dlt645.RelayControl)]


@pytest.mark.parametrize(
    ("word_3", "sent"),
    [
        (RELAY_OPEN, [RelayCommand.KEEP_POWER, RelayCommand.CLOSE]),
        (RELAY_CLOSED, [RelayCommand.KEEP_POWER]),
        (KEPT_OPEN, [RelayCommand.CLOSE]),
        (KEPT_CLOSED, []),
    ],
)
def test_power_is_kept_before_the_relay_closes(word_3: StatusWord3, sent: list[RelayCommand]) -> None:
    meter = Meter(word_3=word_3)

    result = play(SwitchOrder(relay=Relay.CLOSED, now=NOON, kept=True), meter)

    assert commands(meter) == sent
    assert (result.ending, result.state.relay) == (Ending.DONE, Relay.CLOSED)
    assert "keep_power" in result.state.flags


@pytest.mark.parametrize(
    ("relay", "sent", "reason"),
    [
        (Relay.OPEN, [RelayCommand.RELEASE_POWER, RelayCommand.TRIP], ""),
        (Relay.CLOSED, [RelayCommand.RELEASE_POWER], "released"),
    ],
)
def test_a_switch_that_keeps_nothing_releases_first(
    relay: Relay, sent: list[RelayCommand], reason: str
) -> None:
    meter = Meter(word_3=KEPT_CLOSED)

    result = play(SwitchOrder(relay=relay, now=NOON), meter)

    assert commands(meter) == sent
    assert (result.ending, result.reason, result.state.relay) == (Ending.DONE, reason, relay)
    assert "keep_power" not in result.state.flags


def test_a_release_is_all_that_is_done_even_where_the_meter_then_trips_by_itself() -> None:
    meter = Meter(word_3=KEPT_OPEN)

    result = play(SwitchOrder(relay=Relay.CLOSED, now=NOON), meter)

    assert commands(meter) == [RelayCommand.RELEASE_POWER]
    assert (result.ending, result.reason, result.state.relay) == (Ending.DONE, "released", Relay.OPEN)


def test_opening_never_keeps() -> None:
    meter = Meter()

    play(SwitchOrder(relay=Relay.OPEN, now=NOON, kept=True), meter)

    assert commands(meter) == [RelayCommand.TRIP]


@pytest.mark.parametrize(
    ("word_3", "kept", "reason"),
    [(RELAY_OPEN, True, "keep_not_read_back"), (KEPT_CLOSED, False, "keep_power")],
)
def test_power_that_does_not_read_back_as_wished_is_accepted_only(
    word_3: StatusWord3, kept: bool, reason: str
) -> None:
    meter = Meter(word_3=word_3, is_stuck=True)

    result = play(SwitchOrder(relay=Relay.CLOSED, now=NOON, kept=kept), meter)

    assert (result.ending, result.reason) == (Ending.ACCEPTED, reason)
    assert len(commands(meter)) == 1


@pytest.mark.parametrize(
    ("word_3", "sent", "relay"),
    [
        (RELAY_OPEN, [RelayCommand.PERMIT], Relay.PERMITTED),
        (RELAY_PERMITTED, [], Relay.PERMITTED),
        (RELAY_CLOSED, [], Relay.CLOSED),
    ],
)
def test_a_permit_is_done_when_the_button_or_the_meter_may_close(
    word_3: StatusWord3, sent: list[RelayCommand], relay: Relay
) -> None:
    meter = Meter(word_3=word_3)

    result = play(SwitchOrder(relay=Relay.CLOSED, now=NOON, permits=True), meter, model=REMOTE)

    assert commands(meter) == sent
    assert (result.ending, result.state.relay) == (Ending.DONE, relay)
    assert result.reason == ("waits_for_button" if relay is Relay.PERMITTED else "")


def test_a_recharge_that_permits_leaves_the_closing_to_the_user() -> None:
    meter = Meter(word_3=RELAY_OPEN)

    result = play(replace(a_recharge(), permits=True), meter)

    assert commands(meter) == [RelayCommand.PERMIT]
    assert (result.credited, result.reason, result.state.relay) == (True, "waits_for_button", Relay.PERMITTED)


def test_a_recharge_under_a_hold_releases_and_trips_before_the_money() -> None:
    meter = Meter(word_3=KEPT_CLOSED)

    result = play(replace(a_recharge(), close=False), meter)

    kinds = [type(request) for request in meter.requests]
    assert commands(meter) == [RelayCommand.RELEASE_POWER, RelayCommand.TRIP]
    assert kinds.index(dlt645.Recharge) > len(kinds) - 1 - kinds[::-1].index(dlt645.RelayControl)
    assert (result.credited, result.state.relay) == (True, Relay.OPEN)


@pytest.mark.parametrize("word_3", [KEPT_CLOSED, RELAY_CLOSED])
def test_no_money_is_sent_under_a_hold_to_a_meter_that_stays_on(word_3: StatusWord3) -> None:
    meter = Meter(word_3=word_3, is_stuck=True)

    result = play(replace(a_recharge(), close=False), meter)

    assert (result.ending, result.credited) == (Ending.BUSY, False)
    assert not any(isinstance(request, dlt645.Recharge) for request in meter.requests)


# Limits.


def watched() -> dict[int, bytes]:
    return {ALARM_1: bytes(4), ALARM_2: bytes(4), POWER: bytes(3)}


def written(meter: Meter) -> dict[int, bytes]:
    return {one.di: one.value for one in meter.requests if isinstance(one, dlt645.WriteRegister)}


def test_limits_are_written_and_read_back() -> None:
    meter = Meter(limits=watched())

    limits = Limits(alarm_1_minor=5_000, alarm_2_minor=2_000, power_w_max=8_800)
    result = play(LimitsOrder(limits=limits), meter)

    assert result.ending is Ending.DONE
    assert meter.limits == {
        ALARM_1: b"\x00\x50\x00\x00",
        ALARM_2: b"\x00\x20\x00\x00",
        POWER: b"\x00\x80\x08",
    }


def test_a_limit_that_is_so_already_or_is_left_is_not_written() -> None:
    meter = Meter(limits=watched() | {ALARM_2: b"\x00\x20\x00\x00"})

    result = play(LimitsOrder(limits=Limits(alarm_2_minor=2_000, power_w_max=0)), meter)

    assert result.ending is Ending.DONE
    assert written(meter) == {}


def test_a_limit_that_is_not_kept_is_accepted_only() -> None:
    meter = Meter(limits=watched(), is_stuck=True)

    result = play(LimitsOrder(limits=Limits(power_w_max=3_000)), meter)

    assert (result.ending, result.reason) == (Ending.ACCEPTED, "not_read_back")


def test_a_meter_without_money_takes_no_alarms_and_the_power_all_the_same() -> None:
    both, alarms = Meter(limits=watched()), Meter(limits=watched())

    taken = play(LimitsOrder(limits=Limits(alarm_1_minor=5_000, power_w_max=3_000)), both, model=REMOTE)
    refused = play(LimitsOrder(limits=Limits(alarm_1_minor=5_000)), alarms, model=REMOTE)

    assert taken.ending is Ending.DONE
    assert list(written(both)) == [POWER]
    assert (refused.ending, refused.reason) == (Ending.REFUSED, "model_takes_no_limits")
    assert alarms.requests == []


def test_a_model_that_takes_no_limits_refuses_them() -> None:
    model = replace(STANDARD, limits={})

    result = play(LimitsOrder(limits=Limits(power_w_max=1)), Meter(), model=model)

    assert (result.ending, result.reason) == (Ending.REFUSED, "model_takes_no_limits")


@pytest.mark.parametrize("limits", [Limits(power_w_max=100_000), Limits(alarm_1_minor=100_000_000)])
def test_more_than_a_register_has_digits_is_refused_unsent(limits: Limits) -> None:
    meter = Meter(limits=watched())

    result = play(LimitsOrder(limits=limits), meter)

    assert (result.ending, result.reason) == (Ending.REFUSED, "order_not_sendable")
    assert meter.requests == []
