"""What a session does with its bytes, whatever they are."""

from datetime import datetime

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from compuerta.adapters.links.registration import Sieve, template
from compuerta.adapters.links.streams import AcrelStream, BareStream, Stream, Taken
from compuerta.domain.crc16 import crc16
from compuerta.wire import acrel

SERIAL_NO = "12307210720085"
TOLD = bytes.fromhex("01030400000064")
TOLD += crc16(TOLD)
CARRIED = acrel.carry(TOLD)
FOREIGN = acrel.encode(acrel.Frame(command=0x90, body=b"1".ljust(20, b"\0") + TOLD))
pieces = st.lists(
    st.binary(max_size=30) | st.sampled_from([CARRIED, FOREIGN, CARRIED[:7], CARRIED[7:], b"\x7b\x7b\x91[["]),
    max_size=8,
)


def taken(stream: Stream, *said: bytes) -> list[Taken]:
    return [stream.take(each, now_ms=0, civil_now=lambda: None) for each in said]


@pytest.mark.slow
@given(pieces)
def test_any_bytes_are_taken_and_only_whole_frames_of_its_own_are_passed(said: list[bytes]) -> None:
    passed = b"".join(each.passed for each in taken(AcrelStream(SERIAL_NO), *said))

    assert passed == TOLD * (len(passed) // len(TOLD))
    assert len(passed) <= b"".join(said).count(CARRIED) * len(TOLD)


@given(pieces)
def test_a_bare_session_passes_what_comes_in_its_order(said: list[bytes]) -> None:
    assume(b"HB" not in b"".join(said))
    stream = BareStream(Sieve((template("HB"),)))

    passed = b"".join(each.passed for each in taken(stream, *said))

    assert b"".join(said).startswith(passed)
    assert stream.wrap(TOLD) == TOLD


def test_only_who_says_another_name_speaks_for_another() -> None:
    others_name, nobodys, its_own = taken(
        AcrelStream(SERIAL_NO), FOREIGN, acrel.encode(acrel.Frame(command=0x94, body=b"")), CARRIED
    )

    assert others_name == Taken(foreign="1")
    assert nobodys == Taken()  # a heartbeat has no name
    assert its_own == Taken(passed=TOLD)


def test_the_clock_is_asked_for_only_when_the_meter_asks() -> None:
    asked: list[str] = []

    def civil_now() -> datetime:
        asked.append("asked")
        return datetime(2026, 11, 23)  # noqa: DTZ001 - what a meter's clock shows

    stream = AcrelStream(SERIAL_NO)
    stream.take(CARRIED, now_ms=0, civil_now=civil_now)
    assert asked == []
    question = acrel.encode(acrel.Frame(command=0x93, body=SERIAL_NO.encode().ljust(20, b"\0")))

    told = stream.take(question, now_ms=0, civil_now=civil_now)

    assert asked == ["asked"]
    assert told.answers[3:6] == bytes((26, 11, 23))
