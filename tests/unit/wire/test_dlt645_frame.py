"""The deframer among noise, silence and damage, and what the encoder refuses."""

import pytest

from compuerta.wire import dlt645
from compuerta.wire.dlt645 import BROADCAST, Deframer, Frame, ProtocolError, address_matches, encode

METER_NO = "000260700042"
READ = Frame(address=METER_NO, control=0x11, data=bytes.fromhex("00000100"))
ANSWER = Frame(address=METER_NO, control=0x91, data=bytes.fromhex("0000010056341200"))


def test_a_damaged_length_keeps_nobody_deaf_longer_than_silence() -> None:
    deframer = Deframer(gap_ms_max=500)
    damaged = bytearray(encode(READ, wake_bytes=0))
    damaged[9] = 0xF0

    before = deframer.receive(bytes(damaged) + encode(ANSWER), now_ms=0)
    within = deframer.receive(b"", now_ms=500)
    after = deframer.receive(b"", now_ms=501)

    assert (before, within, after) == ([], [], [ANSWER])
    assert deframer.frames_damaged == 1


def test_half_a_frame_is_forgotten_after_silence() -> None:
    deframer = Deframer(gap_ms_max=500)
    wire = encode(ANSWER)

    deframer.receive(wire[:12], now_ms=0)
    late = deframer.receive(wire[12:], now_ms=501)

    assert late == []
    assert deframer.is_empty


def test_half_a_frame_waits_for_its_rest_until_the_gap() -> None:
    deframer = Deframer(gap_ms_max=500)
    wire = encode(ANSWER)

    deframer.receive(wire[:12], now_ms=0)
    in_time = deframer.receive(wire[12:], now_ms=500)

    assert in_time == [ANSWER]


def test_the_counters_tell_what_was_lost() -> None:
    deframer = Deframer()
    damaged = bytearray(encode(READ, wake_bytes=0))
    damaged[-2] ^= 1

    frames = deframer.receive(b"\x01\x02" + bytes(damaged) + encode(ANSWER, wake_bytes=0), now_ms=0)

    assert frames == [ANSWER]
    assert deframer.frames_damaged == 1
    assert deframer.bytes_skipped == 2 + len(damaged)


def test_no_stream_fills_the_buffer_beyond_one_frame() -> None:
    deframer = Deframer()

    for now_ms in range(100):
        deframer.receive(b"\x68" * 1_000, now_ms=now_ms)

    skipped = 100 * 1_000 - deframer.bytes_skipped
    assert 0 < skipped < 10 + 255 + 2


def test_start_and_end_marks_inside_the_data_are_data() -> None:
    frame = ANSWER._replace(data=bytes.fromhex("35e335e335e335e3"))  # 68 16 68 16 ... on the wire

    assert Deframer().receive(encode(frame), now_ms=0) == [frame]


def test_the_longest_frame_a_meter_can_send_has_its_sum_checked_rightly() -> None:
    # 255 bytes of data are beyond what we build, and every byte at its highest is beyond Adler-32.
    body = b"\x68" + b"\xff" * 6 + b"\x68\xff\xff" + b"\xff" * 255
    wire = body + bytes((sum(body) & 0xFF, 0x16))

    (frame,) = Deframer().receive(wire, now_ms=0)

    assert frame.data == b"\xcc" * 255


@pytest.mark.parametrize(
    "address", ["", "12345678901", "1234567890123", "12345678901x", "aaaaaaaaaaaa", "12 34 56 78 9"]
)
def test_an_address_that_is_not_twelve_digits_is_refused(address: str) -> None:
    with pytest.raises(ProtocolError):
        encode(READ._replace(address=address))


@pytest.mark.parametrize("control", [-1, 256])
def test_a_control_outside_a_byte_is_refused(control: int) -> None:
    with pytest.raises(ProtocolError):
        encode(READ._replace(control=control))


def test_more_data_than_the_standard_carries_is_refused() -> None:
    assert len(encode(READ._replace(data=bytes(200)), wake_bytes=0)) == 212
    with pytest.raises(ProtocolError):
        encode(READ._replace(data=bytes(201)))


@pytest.mark.parametrize("wake_bytes", [-1, 5])
def test_other_than_none_to_four_wake_bytes_are_refused(wake_bytes: int) -> None:
    with pytest.raises(ProtocolError):
        encode(READ, wake_bytes=wake_bytes)


@pytest.mark.parametrize(
    ("pattern", "meter_no", "matches"),
    [
        ("558890213594", "558890213594", True),
        ("558890213594", "558890213595", False),
        (dlt645.WILDCARD, "558890213594", True),
        ("AAAAAAAA3594", "558890213594", True),
        ("AAAAAAAA3594", "558890213595", False),
        ("AAAAAAAA3594", "359400000000", False),
        ("AA3594AAAAAA", "553594000000", False),  # only leading pairs are a wildcard
        (BROADCAST, "558890213594", False),
    ],
)
def test_an_address_means_the_meters_that_it_means(pattern: str, meter_no: str, matches: bool) -> None:
    assert address_matches(pattern, meter_no) is matches
