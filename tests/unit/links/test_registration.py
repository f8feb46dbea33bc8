"""Registration templates, and the sieve that takes heartbeats out between frames and never out of one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compuerta.adapters.links.registration import Sieve, Template, TemplateMalformed, template
from compuerta.wire import dlt645

READ = bytes.fromhex("FEFEFEFE68943521908855681104333334330916")
METER_NO = "558890213594"
HEARTBEAT = template("HB")


@pytest.mark.parametrize(
    ("text", "received", "endpoint_id"),
    [
        ("CPT1:{imei}", b"CPT1:860123456789012", "860123456789012"),
        ("{iccid}", b"898600D0123456789012", "898600D0123456789012"),
        ("SN{sn:8};", b"SNab12CD34;rest", "ab12CD34"),
        ("{meter_no}", b"558890213594h", METER_NO),
        ("LOGIN", b"LOGIN", ""),
    ],
)
def test_a_registration_packet_says_who_dials(text: str, received: bytes, endpoint_id: str) -> None:
    assert template(text).id_in(received) == endpoint_id


def test_fixed_text_may_be_written_in_hexadecimal() -> None:
    # The heartbeat of a known meter: eleven fixed bytes, then twelve ASCII digits.
    heartbeat = template("00010001000100120a020c{meter_no}", written="hex")

    assert heartbeat.id_in(bytes.fromhex("00010001000100120a020c") + METER_NO.encode()) == METER_NO


@pytest.mark.parametrize(
    "received", [b"CPT1:86012345678901", b"CPT2:860123456789012", b"CPT1:86012345678901x"]
)
def test_what_is_cut_short_or_different_is_no_registration(received: bytes) -> None:
    assert template("CPT1:{imei}").id_in(received) is None


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("{imei}{iccid}", "ascii"),
        ("{sn}", "ascii"),
        ("{owner}", "ascii"),
        ("", "ascii"),
        ("x" * 129, "ascii"),
        ("año", "ascii"),
        ("0g", "hex"),
    ],
)
def test_a_template_that_cannot_be_told_apart_is_refused(text: str, written: str) -> None:
    with pytest.raises(TemplateMalformed):
        template(text, written="hex" if written == "hex" else "ascii")


def sifted(*chunks: bytes, swallowed: tuple[Template, ...] = (HEARTBEAT,)) -> bytes:
    sieve = Sieve(swallowed)
    return b"".join(sieve.receive(chunk) for chunk in chunks)


def test_heartbeats_between_frames_are_swallowed() -> None:
    assert sifted(b"HB" + READ + b"HBHB", READ + b"HB", b"HB") == READ + READ


def test_a_heartbeat_in_two_pieces_is_swallowed() -> None:
    assert sifted(READ + b"H", b"B" + READ) == READ + READ


def test_a_registration_before_every_packet_is_swallowed() -> None:
    packet = template("CPT1:{imei}")

    assert sifted(b"CPT1:860123456789012" + READ, swallowed=(packet, HEARTBEAT)) == READ


def test_bytes_inside_a_frame_that_look_like_a_heartbeat_stay() -> None:
    payload = bytes((octet - 0x33) & 0xFF for octet in b"HBHB")
    frame = dlt645.encode(dlt645.Frame(address=METER_NO, control=0x91, data=payload))
    assert b"HBHB" in frame

    assert sifted(frame[:14], frame[14:16], frame[16:] + b"HB") == frame


def test_noise_that_is_no_packet_is_for_the_codec() -> None:
    assert sifted(b"\x00h\x01" + bytes(8) + b"Hx") == b"\x00h\x01" + bytes(8) + b"Hx"


@given(
    parts=st.lists(st.sampled_from([b"HB", READ]), max_size=8),
    cuts=st.lists(st.integers(min_value=1, max_value=40), max_size=40),
)
def test_however_the_stream_is_cut_frames_come_through_whole(parts: list[bytes], cuts: list[int]) -> None:
    stream = b"".join(parts)
    chunks, place = [], 0
    for cut in cuts:
        chunks.append(stream[place : place + cut])
        place += cut
    chunks.append(stream[place:])

    assert sifted(*chunks) == READ * parts.count(READ)


@given(st.lists(st.binary(max_size=30), max_size=10))
def test_nothing_but_packets_is_lost_whatever_comes(chunks: list[bytes]) -> None:
    stream = b"".join(chunks)
    sieve = Sieve(())

    passed = b"".join(sieve.receive(chunk) for chunk in chunks)

    # What is not passed is the head of a frame that may still come.
    assert stream.startswith(passed)
    assert len(stream) - len(passed) < 10
