"""Who dials, by the first bytes; and two devices that answer to one address."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compuerta.adapters.links import doubles as doubles_room
from compuerta.adapters.links.doubles import Doubles
from compuerta.adapters.links.introductions import (
    Dialect,
    Introduction,
    Unclear,
    introduction,
    ivy_profile,
)
from compuerta.adapters.links.registration import Sieve, rtu_bytes, template
from compuerta.domain.crc16 import crc16
from compuerta.wire import dlt645

METER_NO = "558890213594"
ANSWER = dlt645.encode(dlt645.Frame(address=METER_NO, control=0x91, data=bytes.fromhex("0000000012345600")))
LOGIN = bytes.fromhex(
    "7b7b8431323330373231303732303038350000000000003839383630343238323231394330343233363130"
    "000000000000000000001a0100010001001e70f77d7d"
)


def rtu(text: str) -> bytes:
    octets = bytes.fromhex(text)
    return octets + crc16(octets)


TOLD = rtu("01030400000064")
BY_FIRST_FRAME = [
    (ANSWER, METER_NO, Dialect.BARE),
    (ANSWER[4:], METER_NO, Dialect.BARE),
    (LOGIN, "12307210720085", Dialect.ACREL),
    (TOLD, "modbus:1", Dialect.BARE),
    (rtu("019002"), "modbus:1", Dialect.BARE),
]


@pytest.mark.parametrize(("said", "name", "dialect"), BY_FIRST_FRAME)
def test_a_first_frame_names_who_dials_once_it_is_whole(said: bytes, name: str, dialect: Dialect) -> None:
    for cut in range(len(said)):
        assert introduction(said[:cut]) is Unclear.MORE
    assert introduction(said) == Introduction(registration=name, dialect=dialect, rest=said)


@pytest.mark.parametrize(
    "said",
    [
        b"GET / HTTP/1.1\r\n",
        b"\x00\x01\x00\x01",
        ANSWER[:-2] + b"\x00\x16",  # its sum is wrong
        dlt645.encode(dlt645.Frame(address=METER_NO, control=0x11, data=bytes(4))),  # another master
        dlt645.encode(dlt645.Frame(address=dlt645.WILDCARD, control=0x91, data=bytes(4))),
        b"\xfe" * 20,
        LOGIN[:-4] + b"\x00\x00\x7d\x7d",
        b"\x7b\x7b\x94\xbe\xef\x7d\x7d",  # lives, but whose?
        TOLD[:-1] + b"\x00",
        b"\xff" + TOLD[1:],
    ],
)
def test_first_bytes_that_name_nobody_are_known_to_do_so(said: bytes) -> None:
    assert introduction(said) is Unclear.NOBODY


@given(st.binary(max_size=400))
def test_any_first_bytes_are_an_introduction_or_none(said: bytes) -> None:
    assert isinstance(introduction(said), Introduction | Unclear)


def test_the_heartbeat_of_an_ivy_meter_names_it() -> None:
    said = bytes.fromhex("00010001000100120a020c") + b"240000000042" + bytes.fromhex("0dabcd")

    assert ivy_profile().registration.id_in(said) == "240000000042"
    assert ivy_profile().registration.id_in(said[:-1]) is None
    assert ivy_profile().registration.id_in(b"\x01" + said[1:]) is None


@pytest.mark.parametrize("size", [0, 1, 4, 7, 100])
def test_a_heartbeat_inside_a_modbus_frame_is_no_heartbeat(size: int) -> None:
    told = rtu("010306484200004842")
    stream = told + b"HB" + told + b"HBHB"
    sieve = Sieve((template("HB"),))

    pieces = [stream[:size], stream[size:]] if size < 100 else [bytes((octet,)) for octet in stream]

    assert b"".join(sieve.receive(piece) for piece in pieces) == told + told


def test_modbus_frames_are_measured_by_their_function() -> None:
    assert [rtu_bytes(rtu(text)) for text in ("010300000001", "0106000100ff", "018302", "010302ffff")] == [
        8,
        8,
        5,
        7,
    ]
    assert [rtu_bytes(octets) for octets in (b"", b"\x01", b"\x01\x03", b"\x01\x03\x02")] == [None] * 4
    assert [rtu_bytes(octets) for octets in (b"\x00", b"\xf8\x03", b"\x01\x42", TOLD[:-1] + b"\0")] == [0] * 4


ASKED = dlt645.encode(dlt645.Frame(address=METER_NO, control=0x11, data=bytes(4)))
OTHER = dlt645.encode(dlt645.Frame(address=METER_NO, control=0x91, data=bytes.fromhex("0000000099999900")))
PUSH = dlt645.encode(dlt645.Frame(address=METER_NO, control=0x91, data=bytes.fromhex("ff050004") + bytes(14)))


def test_two_different_answers_to_one_question_are_two_devices() -> None:
    doubles = Doubles()
    doubles.ask(ASKED)

    assert doubles.hear(ANSWER) is None
    assert doubles.hear(OTHER[:9]) is None
    assert doubles.hear(OTHER[9:]) == METER_NO


@pytest.mark.parametrize(
    ("asked", "answers"),
    [
        ([ASKED], [ANSWER, ANSWER]),  # a gateway that doubles
        ([ASKED, ASKED], [ANSWER, OTHER]),  # the first one was late
        ([ASKED], [ANSWER, PUSH]),
        ([ASKED], [ANSWER, b"HB" * 30]),
        ([ASKED], [ASKED, ANSWER]),  # a converter that echoes
        ([rtu("010300000002")], [rtu("02030400000001"), rtu("02030400000002")]),  # of another unit
        ([rtu("010300000002")], [rtu("01040400000001"), rtu("01040400000002")]),  # of another function
    ],
)
def test_a_doubled_a_late_and_an_unasked_answer_are_not(asked: list[bytes], answers: list[bytes]) -> None:
    doubles = Doubles()
    for each in asked:
        doubles.ask(each)

    assert [doubles.hear(each) for each in answers] == [None, None]


def test_who_talks_byte_by_byte_is_not_looked_at_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[bytes] = []

    def no_answers(heard: bytes, _: bytes) -> list[tuple[str, bytes]]:
        looked.append(heard)
        return []

    monkeypatch.setattr(doubles_room, "_answers", no_answers)
    doubles = Doubles()
    doubles.ask(ASKED)

    for octet in b"\x42" * 2_000:
        doubles.hear(bytes((octet,)))

    assert len(looked) == doubles_room.LOOKS_MAX


def test_two_devices_that_talk_in_small_pieces_are_told_too() -> None:
    doubles = Doubles()
    doubles.ask(ASKED)
    said = ANSWER + OTHER  # until one answer is whole nothing is looked at

    heard = [doubles.hear(said[at : at + 2]) for at in range(0, len(said), 2)]

    assert heard == [None] * (len(heard) - 1) + [METER_NO]


def test_what_is_kept_of_the_answers_to_one_question_is_bounded() -> None:
    doubles = Doubles()
    doubles.ask(ASKED)

    for _ in range(4):
        doubles.hear(b"\x42" * doubles_room.HEARD_BYTES_MAX)

    assert len(doubles._heard) == doubles_room.HEARD_BYTES_MAX


def test_a_late_modbus_answer_to_the_question_before_is_not_another_device() -> None:
    doubles = Doubles()
    doubles.ask(rtu("010300000002"))
    doubles.ask(rtu("0103000d0002"))

    assert doubles.hear(TOLD) is None
    assert doubles.hear(rtu("01030400000065")) is None
    assert doubles.hear(rtu("01030400000066")) == "modbus:1"


def test_two_different_modbus_answers_are_two_devices_too() -> None:
    doubles = Doubles()
    doubles.ask(rtu("010300000002"))

    assert doubles.hear(TOLD) is None
    assert doubles.hear(rtu("02030400000001")) is None
    doubles.ask(rtu("010300000003"))  # the one before was answered: nothing can be late
    assert doubles.hear(TOLD + rtu("01030400000065")) == "modbus:1"
