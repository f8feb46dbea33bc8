"""What public firmware does with relay orders (1CH), one rule per test, through real frames."""

from dataclasses import replace
from datetime import timedelta

import pytest
from tests.scenario.meter_bench import HOUR_MS, MINUTE_MS, NOON, OPERATOR, Bench, a_bench, err

from compuerta.drivers.abilities import Relay
from compuerta.wire.dlt645 import (
    ErrBit,
    RelayAnswer,
    RelayBit,
    RelayCommand,
    RelayControlEncrypted,
    RelayErrorAnswer,
    RelayErrorBit,
)
from compuerta.wire.dlt645.fields import bcd_to, moment_to

# Relay, 1.5.


def test_a_trip_opens_and_word_three_says_so() -> None:
    bench = a_bench()

    assert bench.switch(RelayCommand.TRIP) == RelayAnswer()

    assert bench.word_3() & 0b0101_0000 == 0b0101_0000
    assert bench.read(0x02030000) == bytes(3)
    assert bench.read(0x1D000001) == bcd_to(1, length=3)
    assert bench.read(0x1D00FF01)[:10] == moment_to(NOON, order="smhDMY") + OPERATOR


def test_an_order_whose_validity_is_over_is_refused() -> None:
    bench = a_bench()

    assert bench.switch(RelayCommand.TRIP, valid_min=-1) == err(0x1C, ErrBit.OTHER)
    assert bench.meter.core.relay is Relay.CLOSED


def test_a_close_permitted_waits_for_the_button() -> None:
    bench = a_bench()
    bench.switch(RelayCommand.TRIP)

    bench.switch(RelayCommand.PERMIT)
    assert bench.word_3() & 0b0101_0000 == 0b0001_0000
    bench.meter.core.press_button()

    assert bench.word_3() & 0b0101_0000 == 0


@pytest.mark.parametrize("command", [RelayCommand.CLOSE, RelayCommand.PERMIT])
def test_closing_is_refused_while_the_overdraft_is_exhausted(command: RelayCommand) -> None:
    bench = a_bench(balance_minor=0)

    assert bench.switch(command) == err(0x1C, ErrBit.OTHER)
    assert bench.meter.core.relay is Relay.OPEN


def test_under_power_keeping_every_trip_is_refused_until_it_is_released() -> None:
    bench = a_bench()
    assert bench.switch(RelayCommand.KEEP_POWER) == RelayAnswer()
    assert bench.word_3() & 1 << 12

    assert bench.switch(RelayCommand.TRIP) == err(0x1C, ErrBit.OTHER)
    bench.switch(RelayCommand.RELEASE_POWER)

    assert bench.switch(RelayCommand.TRIP) == RelayAnswer()
    assert bench.meter.core.relay is Relay.OPEN


def test_an_alarm_order_does_not_trip() -> None:
    bench = a_bench()

    assert bench.switch(RelayCommand.ALARM) == RelayAnswer()
    assert bench.meter.core.alarm_ordered
    bench.switch(RelayCommand.ALARM_OFF)

    assert not bench.meter.core.alarm_ordered
    assert bench.meter.core.relay is Relay.CLOSED


@pytest.mark.parametrize(
    ("command", "relay"),
    [(RelayCommand.TRIP_RESTORE_D, Relay.CLOSED), (RelayCommand.TRIP_RESTORE_E, Relay.PERMITTED)],
)
def test_a_trip_with_automatic_restore_ends_by_itself(command: RelayCommand, relay: Relay) -> None:
    bench = a_bench()

    bench.switch(command, auto_restore=2)
    bench.wait(span_ms=10 * MINUTE_MS - 1)
    assert bench.meter.core.relay is Relay.OPEN
    bench.wait(span_ms=1)

    assert bench.meter.core.relay is relay


def test_a_wrong_password_is_refused_and_three_lock_the_day() -> None:
    bench = a_bench(power_w=0)
    wrong = err(0x1C, ErrBit.NOT_AUTHORISED)

    assert [bench.switch(RelayCommand.TRIP, password="123456") for _ in range(3)] == [wrong] * 3
    assert bench.switch(RelayCommand.TRIP) == wrong
    assert bench.write(0x04001001, bytes(4)) == err(0x14, ErrBit.NOT_AUTHORISED)
    bench.wait(span_ms=12 * HOUR_MS)

    assert bench.switch(RelayCommand.TRIP) == RelayAnswer()


def test_a_level_that_may_not_switch_is_refused() -> None:
    bench = a_bench(relay_levels=frozenset({0x02}))

    assert bench.switch(RelayCommand.TRIP, password_level=0x04) == err(0x1C, ErrBit.NOT_AUTHORISED)


def a_sealed_trip(bench: Bench, *, extended_answer: bool) -> RelayControlEncrypted:
    until = moment_to(NOON + timedelta(minutes=10), order="smhDMY")
    ciphertext = bytes((RelayCommand.TRIP, 0)) + until + bytes(8)
    return RelayControlEncrypted(
        operator=OPERATOR, ciphertext=ciphertext, mac=bench.mac(ciphertext), extended_answer=extended_answer
    )


def test_a_sealed_trip_needs_an_identity_and_says_more_if_asked() -> None:
    bench = a_bench()
    without = bench.ask(a_sealed_trip(bench, extended_answer=True))
    assert without == RelayErrorAnswer(err=frozenset({RelayErrorBit.IDENTITY_EXPIRED}))
    assert bench.ask(a_sealed_trip(bench, extended_answer=False)) == err(0x1C, ErrBit.NOT_AUTHORISED)
    bench.identify()

    answer = bench.ask(a_sealed_trip(bench, extended_answer=True))

    assert answer == RelayAnswer(extended=frozenset({RelayBit.TRIPPED}))
    assert bench.meter.core.relay is Relay.OPEN


def test_a_forged_sealed_trip_is_refused() -> None:
    bench = a_bench()
    bench.identify()
    forged = replace(a_sealed_trip(bench, extended_answer=True), mac=bytes(4))

    assert bench.ask(forged) == RelayErrorAnswer(err=frozenset({RelayErrorBit.MAC_WRONG}))
    assert bench.meter.core.relay is Relay.CLOSED
