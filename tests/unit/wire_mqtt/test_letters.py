"""Letters under our topics: the same in JSON and CBOR; what is not as the contract says is refused whole."""

import json
from collections.abc import Callable
from contextlib import suppress

import cbor2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from compuerta.wire.pm.letters import (
    FRAME_BYTES_MAX,
    LETTER_BYTES_MAX,
    READINGS_MAX,
    Answer,
    Command,
    Encoding,
    Event,
    ProtocolError,
    PushedReading,
    Readings,
    What,
    answer_from,
    command_from,
    encode,
    event_from,
    readings_from,
)
from compuerta.wire.pm.topics import Direction, Place, place_of, topic

BOTH = pytest.mark.parametrize("encoding", list(Encoding))
FRAME = bytes.fromhex("68943521908855689106333435357B555E16")
READERS: tuple[Callable[[bytes], object], ...] = (command_from, answer_from, event_from, readings_from)
READING = {"meter_no": "000000000001", "ts": 1, "energy_wh": 5}


@BOTH
def test_letters_are_read_as_they_were_written(encoding: Encoding) -> None:
    command = Command(seq=1, ts_ms=2, cid="a.1", exp_ms=3, frame=FRAME)
    answer = Answer(seq=4, ts_ms=5, cid="a.1", frame=FRAME)
    event = Event(seq=6, ts_ms=7, what=What.SIGNAL, rsrp_dbm=-101, snr_db=-3, csq=17, cell="460-00-1")
    reading = PushedReading(meter_no="000000000001", ts_ms=8, energy_wh=9, power_w=10, relay="open")
    readings = Readings(seq=11, ts_ms=12, readings=(reading,))

    assert command_from(encode(command, encoding)) == (command, encoding)
    assert answer_from(encode(answer, encoding)) == (answer, encoding)
    assert event_from(encode(event, encoding)) == (event, encoding)
    assert readings_from(encode(readings, encoding)) == readings


@settings(max_examples=25, deadline=None)
@given(some.binary(max_size=100))
def test_any_bytes_are_a_letter_or_refused(octets: bytes) -> None:
    for read in READERS:
        for said in (octets, b"{" + octets):
            with suppress(ProtocolError):
                read(said)


@settings(max_examples=25, deadline=None)
@given(
    some.dictionaries(
        some.sampled_from(["seq", "ts", "cid", "exp", "frame", "what", "readings", "csq", "cell"]),
        some.recursive(
            some.none() | some.booleans() | some.integers() | some.text(max_size=5) | some.binary(max_size=5),
            lambda inner: some.lists(inner, max_size=3),
            max_leaves=5,
        ),
    )
)
def test_fields_of_any_kind_are_a_letter_or_refused(fields: dict[str, object]) -> None:
    for read in READERS:
        with suppress(ProtocolError):
            read(cbor2.dumps(fields))


@pytest.mark.parametrize(
    "changes",
    [
        {"readings": []},
        {"readings": [READING] * (READINGS_MAX + 1)},
        {"readings": [READING | {"energy_wh": -1}]},
        {"readings": [READING | {"energy_wh": True}]},
        {"readings": [READING | {"energy_wh": 1.5}]},
        {"readings": [READING | {"energy_wh": 2**63}]},
        {"readings": [READING | {"relay": "ajar"}]},
        {"readings": [READING, READING | {"meter_no": 7}]},
        {"seq": None},
    ],
)
def test_readings_are_taken_whole_or_not_at_all(changes: dict[str, object]) -> None:
    fields = {"seq": 1, "ts": 1, "readings": [READING]} | changes

    with pytest.raises(ProtocolError):
        readings_from(json.dumps(fields).encode())


@pytest.mark.parametrize("frame", ["6", "zz", "00" * (FRAME_BYTES_MAX + 1), 7, None])
def test_a_frame_is_bytes_and_not_too_many(frame: object) -> None:
    fields = {"seq": 1, "ts": 1, "cid": "a", "frame": frame}

    with pytest.raises(ProtocolError):
        answer_from(json.dumps(fields).encode())


def test_a_letter_that_is_too_long_is_not_even_read() -> None:
    with pytest.raises(ProtocolError):
        readings_from(b"{" + b" " * LETTER_BYTES_MAX)


def test_a_topic_says_whose_it_is_and_which_way_it_goes() -> None:
    place = Place(tenant="1", device="mq-1", direction=Direction.UP)

    assert place_of(topic("1", "mq-1", Direction.UP)) == place


@pytest.mark.parametrize(
    "name",
    [
        "pm/v1/1/mq-1",
        "pm/v2/1/mq-1/up",
        "pm/v1/1/mq-1/up/x",
        "pm/v1/1/mq 1/up",
        "pm/v1/1//up",
        "pm/v1/1/+/up",
        "pm/v1/1/mq-1/down",
        "",
    ],
)
def test_a_topic_that_is_none_of_ours_is_refused(name: str) -> None:
    with pytest.raises(ProtocolError):
        place_of(name)
