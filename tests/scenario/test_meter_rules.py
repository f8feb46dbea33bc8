"""Addresses, broadcasts, reads, writes, the clock: one rule of public firmware per test, in real frames."""

from datetime import datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.scenario.meter_bench import CUSTOMER_NO, HOUR_MS, METER_NO, NOON, OPERATOR, a_bench, err, refused

from compuerta.drivers.abilities import Relay
from compuerta.drivers.mac import purchase_payload
from compuerta.drivers.model import RechargeLayout
from compuerta.virtual.meter.clock import DAY_MS
from compuerta.wire.dlt645 import (
    BROADCAST,
    WILDCARD,
    Acknowledged,
    AddressAnswer,
    BroadcastTime,
    ChangeBaud,
    ChangePassword,
    ClearEvents,
    ClearMeter,
    Deframer,
    ErrBit,
    FollowUpAnswer,
    Frame,
    Freeze,
    Function,
    ReadAddress,
    ReadFollowUp,
    ReadRegister,
    RegisterAnswer,
    RelayCommand,
    RelayControl,
    SerrBit,
    StatusAnswer,
    StatusQuery,
    WriteAddress,
    WriteRegister,
    encode,
)
from compuerta.wire.dlt645.fields import bcd_from, bcd_to, moment_to

# Addresses and broadcasts, 1.1.


def test_other_meters_frames_are_not_heard() -> None:
    assert a_bench().ask(ReadRegister(di=0x00010000), address="111111111111") is None


def test_a_wildcard_reads_and_the_answer_carries_the_full_address() -> None:
    bench = a_bench(energy_wh=2_260)

    assert bench.ask(ReadAddress(), address=WILDCARD) == AddressAnswer(meter_no=METER_NO)
    answer = bench.ask(ReadRegister(di=0x00010000), address="AAAAAAAA3594")
    assert answer == RegisterAnswer(di=0x00010000, payload=bcd_to(226, length=4))


def test_a_wildcard_never_writes_switches_or_recharges() -> None:
    bench = a_bench()
    bench.identify()
    order = RelayControl(
        command=RelayCommand.TRIP, password_level=2, password="000000", valid_until=NOON + timedelta(days=1)
    )
    write = WriteRegister(di=0x04001001, password_level=2, password="000000", value=bytes(4))

    assert bench.ask(order, address=WILDCARD) == err(0x1C, ErrBit.OTHER)
    assert bench.ask(write, address="AAAAAAAA3594") == err(0x14, ErrBit.OTHER)
    assert bench.ask(ChangeBaud(baud=9600), address=WILDCARD) == err(0x17, ErrBit.OTHER)
    assert bench.ask(bench.a_recharge(), address=WILDCARD) == refused(SerrBit.OTHER)
    assert isinstance(bench.ask(StatusQuery(operator=OPERATOR), address=WILDCARD), StatusAnswer)

    assert bench.meter.core.relay is Relay.CLOSED
    assert bench.meter.core.balance_minor == 5_000


@pytest.mark.parametrize("address", [BROADCAST])
def test_a_broadcast_is_obeyed_and_never_answered(address: str) -> None:
    bench = a_bench()

    assert bench.ask(Freeze(), address=address) is None
    assert bench.ask(ReadRegister(di=0x00010000), address=address) is None

    assert bench.read(0x05010001) == moment_to(NOON, order="mhDMY")


@pytest.mark.parametrize(("error_s", "corrected"), [(300, True), (-300, True), (301, False), (-3_600, False)])
def test_broadcast_time_corrects_only_small_errors(error_s: int, corrected: bool) -> None:
    bench = a_bench()
    wanted = NOON + timedelta(seconds=error_s)

    assert bench.ask(BroadcastTime(at=wanted), address=BROADCAST) is None

    assert bench.read(0x04000102) == moment_to(wanted if corrected else NOON, order="smh")


def test_broadcast_time_corrects_once_a_day_and_never_near_midnight() -> None:
    bench = a_bench(power_w=0)
    bench.ask(BroadcastTime(at=NOON + timedelta(seconds=60)), address=BROADCAST)
    bench.ask(BroadcastTime(at=NOON), address=BROADCAST)
    assert bench.read(0x04000102) == moment_to(NOON + timedelta(seconds=60), order="smh")

    bench.wait(span_ms=12 * HOUR_MS)  # 00:01 of the next day
    bench.ask(BroadcastTime(at=NOON + timedelta(hours=12)), address=BROADCAST)

    assert bench.read(0x04000102) == bytes((0x00, 0x01, 0x00))


def test_an_address_is_written_only_with_the_programming_key() -> None:
    bench = a_bench()
    assert bench.ask(WriteAddress(meter_no="000000000007"), address=WILDCARD) is None

    bench.meter.core.programming_key = True
    answer = bench.ask(WriteAddress(meter_no="000000000007"), address=WILDCARD)

    assert answer == Acknowledged(function=0x15)
    assert bench.meter.meter_no == "000000000007"
    assert bench.ask(ReadRegister(di=0x04000401)) is not None


@settings(deadline=None)
@given(
    control=st.sampled_from([*Function, 0x00, 0x1E, 0x71]),
    body=st.binary(max_size=60),
    di=st.sampled_from([b"", *(di.to_bytes(4, "little") for di in (0x00900200, 0x04001001, 0x070102FF))]),
    layout=st.sampled_from(RechargeLayout),
)
def test_no_frame_at_all_makes_a_meter_fail_or_answer_twice(
    control: int, body: bytes, di: bytes, layout: RechargeLayout
) -> None:
    bench = a_bench(layout=layout)
    frame = encode(Frame(address=METER_NO, control=control, data=di + body))

    answers = Deframer().receive(bench.meter.receive(frame, now_ms=0), now_ms=0)

    assert len(answers) <= 1
    assert all(answer.address == METER_NO and answer.control & 0x80 for answer in answers)


# Reads, writes, the clock.


def test_an_unknown_register_is_refused() -> None:
    assert a_bench().ask(ReadRegister(di=0x0BADBEEF)) == err(0x11, ErrBit.NO_SUCH_REGISTER)


@pytest.mark.parametrize(
    ("di", "values"),
    [
        (0x00010000, {"energy_wh": 12_340}),
        (0x00900200, {"amount_minor": 5_000}),
        (0x02010100, {"voltage_mv": 220_000}),
        (0x02020100, {"current_ma": 4_545}),
        (0x02030000, {"power_mw": 1_000_000}),
        (0x0400010C, {"clock": NOON}),
        (0x04000401, {"meter_no": METER_NO}),
        (0x04000402, {"meter_no": METER_NO}),
        (0x0400040E, {"customer_no": CUSTOMER_NO}),
        (0x04001001, {"amount_minor": 2_000}),
        (0x04050103, {"price_e4": 5_000}),
        (0x05060101, None),
        (0x03300D01, None),
        (0x1D00FF01, None),
        (0x0333FF01, None),
        (0x0334FF01, None),
        (0x0203FF00, None),
        (0x040005FF, None),
    ],
)
def test_what_the_meter_says_the_codec_understands(di: int, values: dict[str, object] | None) -> None:
    bench = a_bench(energy_wh=12_340)
    bench.wait(span_ms=0 if values else DAY_MS)

    answer = bench.ask(ReadRegister(di=di))

    assert isinstance(answer, RegisterAnswer)
    understood = answer.values()
    assert "raw" not in understood
    assert values is None or understood == values


def test_a_long_block_comes_in_parts_and_a_part_can_be_asked_again() -> None:
    bench = a_bench(energy_wh=12_340)

    first = bench.ask(ReadRegister(di=0x0001FFFF))
    second = bench.ask(ReadFollowUp(di=0x0001FFFF, sequence=1))

    assert isinstance(first, RegisterAnswer) and first.more
    assert isinstance(second, FollowUpAnswer) and not second.more
    assert len(first.payload + second.payload) == 13 * 5 * 4
    assert first.payload[:4] == bcd_to(1_234, length=4)
    assert bench.ask(ReadFollowUp(di=0x0001FFFF, sequence=1)) == second
    assert bench.ask(ReadFollowUp(di=0x0001FFFF, sequence=2)) == err(0x12, ErrBit.NO_SUCH_REGISTER)


def test_alarm_amounts_are_written_and_move_the_alarm() -> None:
    bench = a_bench(balance_minor=5_000)
    assert not bench.word_3() & 1 << 7

    assert bench.write(0x04001001, bcd_to(5_000, length=4)) == Acknowledged(function=0x14)

    assert bench.read(0x04001001) == bcd_to(5_000, length=4)
    assert bench.word_3() & 1 << 7


def test_a_value_that_is_no_number_is_refused() -> None:
    assert a_bench().write(0x04001001, b"\xff\xff\xff\xff") == err(0x14, ErrBit.OTHER)


def test_prices_change_by_the_spare_set_at_the_switch_time_and_never_directly() -> None:
    bench = a_bench(balance_minor=100_000, power_w=1_000)
    new_price = bcd_to(8_000, length=4)
    assert bench.write(0x040501FF, new_price * 4) == err(0x14, ErrBit.OTHER)

    bench.write(0x040502FF, new_price * 4)
    bench.write(0x04000108, moment_to(NOON + timedelta(hours=1), order="mhDMY"))
    bench.wait(span_ms=3 * HOUR_MS)

    assert bench.read(0x04050101) == new_price
    assert bench.meter.core.balance_minor == 100_000 - 50 - 2 * 80


def test_the_clock_is_set_in_one_piece_or_two() -> None:
    bench = a_bench()
    at = datetime(2027, 1, 2, 3, 4, 5)  # noqa: DTZ001 a meter's clock

    assert bench.write(0x0400010C, moment_to(at, order="smhWDMY")) == Acknowledged(function=0x14)
    assert bench.read(0x0400010C) == moment_to(at, order="smhWDMY")
    bench.write(0x04000101, moment_to(NOON, order="WDMY"))
    bench.write(0x04000102, moment_to(NOON, order="smh"))

    assert bench.read(0x0400010C) == moment_to(NOON, order="smhWDMY")


def test_a_changed_password_is_the_only_one_from_then_on() -> None:
    bench = a_bench()
    change = ChangePassword(
        di=0x04000C03, old_level=0x02, old_password="000000", new_level=0x02, new_password="654321"
    )

    bench.ask(change)

    assert bench.write(0x04001001, bytes(4)) == err(0x14, ErrBit.NOT_AUTHORISED)
    assert bench.write(0x04001001, bytes(4), password="654321") == Acknowledged(function=0x14)


def test_a_sealed_refund_takes_money_out_once_and_records_it() -> None:
    bench = a_bench(balance_minor=5_000)
    bench.identify()
    value = purchase_payload(amount_minor=2_000, purchase_no=1)
    refund = WriteRegister(
        di=0x04001006, password_level=0x98, password="000000", value=value + bench.mac(value)
    )

    first, second = bench.ask(refund), bench.ask(refund)

    assert (first, second) == (Acknowledged(function=0x14), err(0x14, ErrBit.OTHER))
    assert bench.meter.core.balance_minor == 3_000
    assert bench.read(0x03340301) == bcd_to(2_000, length=4)


def test_clearing_the_meter_needs_the_password_and_leaves_the_money() -> None:
    bench = a_bench(energy_wh=9_990)
    wrong = ClearMeter(password_level=2, password="123456")
    assert bench.ask(wrong) == err(0x1A, ErrBit.NOT_AUTHORISED)

    assert bench.ask(ClearMeter(password_level=2, password="000000")) == Acknowledged(function=0x1A)

    assert bench.read(0x00010000) == bytes(4)
    assert bcd_from(bench.read(0x00900200)) == 5_000


def test_an_open_cover_shows_in_word_seven_and_stays_in_the_events() -> None:
    bench = a_bench()
    bench.meter.core.set_cover(True)
    assert bench.read(0x04000507) == b"\x00\x02"

    bench.meter.core.set_cover(False)

    assert bench.read(0x04000507) == bytes(2)
    assert bcd_from(bench.read(0x03300D00)) == 1
    assert len(bench.read(0x03300D01)) == 60
    bench.ask(ClearEvents(password_level=2, password="000000"))
    assert bcd_from(bench.read(0x03300D00)) == 0


def test_the_daily_freeze_is_read_with_its_energy() -> None:
    bench = a_bench(balance_minor=100_000)
    bench.wait(span_ms=DAY_MS)

    assert bench.read(0x05060001) == moment_to(NOON + timedelta(hours=12), order="mhDMY")
    assert bench.read(0x05060101)[:4] == bcd_to(1_200, length=4)
    assert bench.ask(ReadRegister(di=0x05060002)) == err(0x11, ErrBit.NO_SUCH_REGISTER)


def test_a_meter_without_power_is_silent_and_remembers() -> None:
    bench = a_bench()
    bench.meter.core.set_power(False)
    assert bench.ask(ReadRegister(di=0x00900200)) is None

    bench.wait(span_ms=HOUR_MS)
    bench.meter.core.set_power(True)

    assert bcd_from(bench.read(0x00900200)) == 5_000
