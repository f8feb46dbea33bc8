"""Modbus on the wire: frames found in any noise, what is asked and answered, and values exact."""

from collections.abc import Sequence
from datetime import datetime
from fractions import Fraction

import pytest

from compuerta.wire import modbus
from compuerta.wire.modbus import (
    Bank,
    Deframer,
    Frame,
    Layout,
    MasterSession,
    ProtocolError,
    ReadRegisters,
    Refusal,
    Registers,
    Replied,
    Side,
    Silent,
    Stray,
    Timing,
    WriteRegisters,
    mbap,
    rtu,
)

UNIT_NO = 17
READ = ReadRegisters(start=0x006B, quantity=3)
ANSWER = Registers(octets=bytes.fromhex("AE4156524340"))
# MODBUS application protocol 1.1b3, the examples of 6.3 to 6.6, 6.12 and 7, as PDUs.
PRINTED = [
    ("03006B0003", READ),
    ("0400080001", ReadRegisters(bank=Bank.INPUT, start=8, quantity=1)),
    ("0500ACFF00", modbus.WriteCoil(at=0xAC, on=True)),
    ("0600010003", modbus.WriteRegister(at=1, value=3)),
    ("10000100020 4000A0102".replace(" ", ""), WriteRegisters(start=1, values=(0x000A, 0x0102))),
]
PRINTED_ANSWERS = [
    ("0306022B00000064", Registers(octets=bytes.fromhex("022B00000064"))),
    ("0402000A", Registers(bank=Bank.INPUT, octets=bytes.fromhex("000A"))),
    ("0500ACFF00", modbus.WriteCoil(at=0xAC, on=True)),
    ("0600010003", modbus.WriteRegister(at=1, value=3)),
    ("1000010002", modbus.RegistersWritten(start=1, count=2)),
    ("8102", Refusal(function=1, code=2)),
]


def framed(message: modbus.Request | modbus.Answer, *, unit_no: int = UNIT_NO) -> bytes:
    return modbus.encode(Frame(unit_no, message.to_pdu()))


def a_session(tries_max: int = 3) -> MasterSession:
    return MasterSession(unit_no=UNIT_NO, timing=Timing(first_byte_ms=700, gap_ms=500, tries_max=tries_max))


def woken(session: MasterSession) -> tuple[bytes, Sequence[modbus.Event]]:
    """Jump to the instant at which the session wants to be woken."""
    at_ms = session.wake_at_ms()
    assert at_ms is not None
    return session.wake(at_ms), session.receive(b"", now_ms=at_ms)


@pytest.mark.parametrize(("text", "request_"), PRINTED)
def test_the_printed_requests_are_built_and_read(text: str, request_: modbus.Request) -> None:
    assert request_.to_pdu() == bytes.fromhex(text)
    assert modbus.parse_request(bytes.fromhex(text)) == request_


@pytest.mark.parametrize(("text", "answer"), PRINTED_ANSWERS)
def test_the_printed_answers_are_built_and_read(text: str, answer: modbus.Answer) -> None:
    assert answer.to_pdu() == bytes.fromhex(text)
    assert modbus.parse_answer(bytes.fromhex(text)) == answer


@pytest.mark.parametrize(
    "text",
    ["", "03", "0300000000", "030000007E", "05000112FF", "1000000002040001", "1000000001040001000A", "2B"],
)
def test_what_is_no_request_is_refused(text: str) -> None:
    with pytest.raises(ProtocolError):
        modbus.parse_request(bytes.fromhex(text))


@pytest.mark.parametrize("text", ["", "83", "0303000102", "030200", "1000000000", "0300", "07"])
def test_what_is_no_answer_is_refused(text: str) -> None:
    with pytest.raises(ProtocolError):
        modbus.parse_answer(bytes.fromhex(text))


@pytest.mark.parametrize(
    "request_",
    [
        ReadRegisters(start=0, quantity=0),
        ReadRegisters(start=0, quantity=126),
        ReadRegisters(start=65_536, quantity=1),
        WriteRegisters(start=0, values=()),
        WriteRegisters(start=0, values=(0,) * 124),
        WriteRegisters(start=0, values=(65_536,)),
        modbus.WriteRegister(at=0, value=-1),
    ],
)
def test_what_modbus_cannot_carry_is_refused_before_it_is_sent(request_: modbus.Request) -> None:
    session = a_session()

    with pytest.raises(ProtocolError):
        session.send(request_, now_ms=0)

    assert session.wake_at_ms() is None


def test_a_known_frame_has_the_known_crc() -> None:
    assert framed(ReadRegisters(start=0, quantity=10), unit_no=1).hex() == "01030000000ac5cd"


@pytest.mark.parametrize("side", Side)
def test_noise_before_a_frame_costs_at_most_a_silence(side: Side) -> None:
    message = READ if side is Side.MASTER else ANSWER
    for noise in (b"\x00", b"\xff\xfe", b"\x11\x03", b"\x11\x10\x00\x00\x00\x7b\xf6", framed(READ)[:-1]):
        deframer = Deframer(side)

        heard = deframer.receive(noise + framed(message), now_ms=0)
        heard += deframer.flush()

        assert Frame(UNIT_NO, message.to_pdu()) in heard


@pytest.mark.parametrize("at", range(11))
def test_a_flipped_bit_is_no_answer(at: int) -> None:
    octets = bytearray(framed(ANSWER))
    octets[at] ^= 0x10
    session = a_session(tries_max=1)
    session.send(READ, now_ms=0)

    told = session.receive(bytes(octets), now_ms=10)
    woken(session)

    assert not [event for event in told if isinstance(event, Replied)]


def test_an_answer_in_halves_is_waited_for() -> None:
    session = a_session()
    session.send(READ, now_ms=0)

    first = session.receive(framed(ANSWER)[:5], now_ms=600)
    second = session.receive(framed(ANSWER)[5:], now_ms=1_000)

    assert first == []
    assert second == [Replied(request=READ, answer=ANSWER)]


def test_a_talker_without_end_does_not_hold_the_line() -> None:
    session = a_session(tries_max=1)
    session.send(READ, now_ms=0)
    told: list[modbus.Event] = []

    now_ms = 0
    while not told and now_ms < 60_000:
        now_ms += 100
        told += session.receive(b"\x11\x03", now_ms=now_ms)
        session.wake(now_ms)

    assert told == [Silent(request=READ)]
    assert now_ms < 5_000


@pytest.mark.parametrize(
    "other",
    [
        framed(Registers(octets=bytes(4))),
        framed(Registers(bank=Bank.INPUT, octets=bytes(6))),
        framed(Refusal(function=4, code=2)),
        framed(modbus.RegistersWritten(start=0x6B, count=3)),
    ],
)
def test_what_answers_something_else_is_a_stray(other: bytes) -> None:
    session = a_session(tries_max=1)
    session.send(READ, now_ms=0)

    [event] = session.receive(other, now_ms=10)

    assert isinstance(event, Stray)
    assert woken(session)[1] == [Silent(request=READ)]


@pytest.mark.parametrize(
    "written", [modbus.RegistersWritten(start=2, count=2), modbus.RegistersWritten(start=1, count=1)]
)
def test_another_write_that_was_done_is_no_answer(written: modbus.RegistersWritten) -> None:
    session = a_session(tries_max=1)
    write = WriteRegisters(start=1, values=(1, 2))
    session.send(write, now_ms=0)

    [event] = session.receive(framed(written), now_ms=10)
    told = session.receive(framed(modbus.RegistersWritten(start=1, count=2)), now_ms=20)

    assert isinstance(event, Stray)
    assert [type(each) for each in told] == [Replied]


def test_what_another_unit_says_is_not_looked_at() -> None:
    session = a_session(tries_max=1)
    session.send(READ, now_ms=0)

    told = session.receive(framed(ANSWER, unit_no=18) + framed(ANSWER), now_ms=10)

    assert told == [Replied(request=READ, answer=ANSWER)]


def test_what_nobody_asked_for_is_a_stray() -> None:
    [event] = a_session().receive(framed(ANSWER), now_ms=0)

    assert isinstance(event, Stray)


def test_our_own_echo_is_not_the_answer_to_a_read() -> None:
    session = a_session()
    octets = session.send(READ, now_ms=0)

    told = session.receive(octets + framed(ANSWER), now_ms=10)

    assert [event for event in told if isinstance(event, Replied)] == [Replied(request=READ, answer=ANSWER)]


def test_an_exception_ends_the_exchange_with_its_code() -> None:
    session = a_session()
    session.send(READ, now_ms=0)

    told = session.receive(framed(Refusal(function=3, code=6)), now_ms=10)

    assert told == [Replied(request=READ, answer=Refusal(function=3, code=6))]


def test_a_late_answer_to_the_first_try_never_meets_the_next_question() -> None:
    session = a_session()
    session.send(READ, now_ms=0)
    repeat, _ = woken(session)
    newer = Registers(octets=b"\x00\x01\x00\x02\x00\x03")

    late = session.receive(framed(ANSWER), now_ms=750)  # of the first try, which came after its time
    second = session.receive(framed(newer), now_ms=800)
    _, told = woken(session)

    assert repeat == framed(READ)
    assert late == second == []
    assert told == [Replied(request=READ, answer=newer)]


def test_silence_in_all_tries_is_told_once() -> None:
    session = a_session()
    session.send(READ, now_ms=0)

    repeats = [woken(session)[0], woken(session)[0]]
    last = woken(session)

    assert repeats == [framed(READ)] * 2
    assert last == (b"", [Silent(request=READ)])
    assert session.wake_at_ms() is None


def test_one_master_asks_one_thing_at_a_time() -> None:
    session = a_session()
    session.send(READ, now_ms=0)

    with pytest.raises(modbus.ExchangeInFlight):
        session.send(READ, now_ms=1)


def test_a_meter_hears_what_is_for_it_and_for_everybody() -> None:
    meter = modbus.MeterSession(unit_no=UNIT_NO)
    write = modbus.WriteRegister(at=1, value=2)

    heard = meter.receive(framed(READ) + framed(READ, unit_no=18) + framed(write, unit_no=0), now_ms=0)

    assert heard == [
        modbus.Requested(request=READ, broadcast=False),
        modbus.Requested(request=write, broadcast=True),
    ]


def test_on_tcp_only_the_answer_to_the_last_question_is_let_through() -> None:
    dress = modbus.Dress()
    asked = [dress.outward(framed(READ)) for _ in range(2)]
    answers = [octets[:2] + b"\0\0" + (9).to_bytes(2) + framed(ANSWER)[:-2] for octets in asked]

    late, now = dress.inward(answers[0]), dress.inward(answers[1])

    assert asked[0].hex() == "0001000000061103006b0003"
    assert (late, now) == (b"", framed(ANSWER))


def test_a_packet_of_another_protocol_is_passed_over() -> None:
    dress = modbus.Dress()
    dress.outward(framed(READ))
    packet = mbap.encode(mbap.Packet(1, Frame(UNIT_NO, ANSWER.to_pdu())))

    assert dress.inward(packet[:2] + b"\0\1" + packet[4:]) == b""
    assert dress.inward(packet) == framed(ANSWER)


def test_what_is_no_modbus_does_not_go_out_as_it() -> None:
    assert modbus.Dress().outward(bytes.fromhex("68AAAAAAAAAAAA681300DF16")) == b""


def test_a_stream_out_of_step_is_found_again() -> None:
    dress = modbus.Dress()
    dress.outward(framed(READ))
    packet = mbap.encode(mbap.Packet(1, Frame(UNIT_NO, ANSWER.to_pdu())))

    heard = dress.inward(b"\x00\x01\x07\x00\x00" + packet[:7]) + dress.inward(packet[7:])

    assert heard == framed(ANSWER)


@pytest.mark.parametrize(
    ("text", "name", "low_first", "number"),
    [
        ("0001E240", "u32", False, Fraction(123_456)),
        ("E2400001", "u32", True, Fraction(123_456)),
        ("FFFF", "i16", False, Fraction(-1)),
        ("FFFF", "u16", False, Fraction(65_535)),
        ("FFFFFFFE", "i32", False, Fraction(-2)),
        ("0004000300020001", "u64", True, Fraction(0x0001_0002_0003_0004)),
        ("42F6E666", "f32", False, Fraction(0xF6E666, 1 << 17)),  # 123.45 as nearly as a float has it
        ("E66642F6", "f32", True, Fraction(0xF6E666, 1 << 17)),
        ("C0200000", "f32", False, Fraction(-5, 2)),
        ("00000000", "f32", False, Fraction(0)),
    ],
)
def test_numbers_are_exact_both_ways(text: str, name: str, low_first: bool, number: Fraction) -> None:
    layout = Layout.of(name, low_word_first=low_first)

    assert modbus.decode_number(bytes.fromhex(text), layout) == number
    assert modbus.encode_number(number, layout).hex().upper() == text


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (Fraction(1, 10), "3DCCCCCD"),
        (Fraction(-1, 10), "BDCCCCCD"),
        (Fraction((1 << 25) - 1), "4C000000"),  # rounded up into the next exponent
    ],
)
def test_a_number_that_no_float_has_becomes_the_nearest(number: Fraction, text: str) -> None:
    assert modbus.encode_number(number, Layout.of("f32")).hex().upper() == text


@pytest.mark.parametrize("text", ["7F800000", "FFC00000"])
def test_a_float_that_is_no_number_is_refused(text: str) -> None:
    with pytest.raises(ProtocolError):
        modbus.decode_number(bytes.fromhex(text), Layout.of("f32"))


@pytest.mark.parametrize(("number", "name"), [(65_536, "u16"), (-1, "u32"), (32_768, "i16"), (2**200, "f32")])
def test_a_number_that_does_not_fit_is_refused(number: int, name: str) -> None:
    with pytest.raises(ProtocolError):
        modbus.encode_number(Fraction(number), Layout.of(name))


@pytest.mark.parametrize(("bcd", "text"), [(True, "261123004556"), (False, "1A0B17002D38")])
def test_a_clock_has_a_byte_for_each_part(bcd: bool, text: str) -> None:
    at = datetime(2026, 11, 23, 0, 45, 56)  # noqa: DTZ001 a meter knows no zone

    assert modbus.encode_clock(at, bcd=bcd).hex().upper() == text
    assert modbus.decode_clock(bytes.fromhex(text), bcd=bcd) == at


@pytest.mark.parametrize(("bcd", "text"), [(True, "26112300456A"), (False, "1A0D17002D38"), (False, "00")])
def test_a_clock_that_is_no_instant_is_refused(bcd: bool, text: str) -> None:
    with pytest.raises(ProtocolError):
        modbus.decode_clock(bytes.fromhex(text), bcd=bcd)


def test_bytes_with_two_readings_are_told_as_both() -> None:
    found = modbus.explain(framed(modbus.WriteRegister(at=1, value=3)))

    assert [(each.direction, each.meaning) for each in found] == [
        ("request", "register 0001 = 0003"),
        ("answer", "register 0001 = 0003"),
    ]


def test_a_capture_is_explained_frame_by_frame() -> None:
    tcp = bytes.fromhex("0001000000061103006B0003")
    found = modbus.explain(
        b"\x00" + framed(READ) + framed(ANSWER) + tcp + framed(Refusal(function=3, code=2))
    )

    assert [(each.at, each.framing, each.direction, each.unit_no) for each in found] == [
        (1, "rtu", "request", UNIT_NO),
        (9, "rtu", "answer", UNIT_NO),
        (20, "tcp", "request", UNIT_NO),
        (32, "rtu", "answer", UNIT_NO),
    ]
    assert found[1].values_hex == ("AE41", "5652", "4340")
    assert found[3].meaning == "refused: illegal_address"


def test_what_is_no_frame_gives_nothing() -> None:
    assert modbus.explain(bytes.fromhex("68AAAAAAAAAAAA681300DF16")) == []
    assert modbus.explain(b"") == []


def test_frames_are_as_long_as_modbus_lets_them_be() -> None:
    longest = Registers(octets=bytes(250))

    assert len(framed(longest)) == 255
    assert Deframer(Side.METER).receive(framed(longest), now_ms=0) == [Frame(UNIT_NO, longest.to_pdu())]
    with pytest.raises(ProtocolError):
        rtu.encode(Frame(UNIT_NO, bytes(254)))
