"""Acrel's vectors beside the codec: whole, in pieces, damaged; and what holds for any bytes."""

import json
from pathlib import Path
from typing import TypedDict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compuerta.domain.crc16 import remainder
from compuerta.wire import acrel
from compuerta.wire.acrel import Deframer, Frame
from compuerta.wire.acrel import frame as frame_room


class Row(TypedDict):
    id: str
    hex: str
    command: int
    meaning: str


ROWS: list[Row] = json.loads((Path(acrel.__file__).parent / "vectors.json").read_text("utf-8"))
EACH = pytest.mark.parametrize("row", ROWS, ids=[row["id"] for row in ROWS])
frames = st.builds(Frame, command=st.integers(0, 255), body=st.binary(max_size=80))


def heard(*pieces: bytes) -> list[Frame]:
    deframer = Deframer()
    return [frame for piece in pieces for frame in deframer.receive(piece, now_ms=0)]


@EACH
def test_a_vector_says_what_is_written_beside_it(row: Row) -> None:
    explained = acrel.explain(bytes.fromhex(row["hex"]))

    assert [(each.command, each.meaning) for each in explained] == [(row["command"], row["meaning"])]


@EACH
def test_a_vector_survives_the_wire_in_any_pieces(row: Row) -> None:
    wire = bytes.fromhex(row["hex"])

    (frame,) = heard(wire)

    assert acrel.encode(frame) == wire
    assert heard(*(bytes((octet,)) for octet in wire)) == [frame]
    assert heard(b"\x00\x7d" + wire[:9], wire[9:] + wire) == [frame, frame]


@EACH
def test_a_damaged_vector_costs_only_itself(row: Row) -> None:
    wire = bytes.fromhex(row["hex"])
    damaged = wire[:2] + bytes((wire[2] ^ 1,)) + wire[3:]
    whole = bytes.fromhex(ROWS[0]["hex"])

    assert heard(damaged) == []
    assert [frame.command for frame in heard(damaged + whole)] == [0x84]
    assert heard(wire[:-1]) == []


def test_silence_ends_a_half_frame() -> None:
    deframer = Deframer()
    half = bytes.fromhex(ROWS[0]["hex"])[:40]
    beat = bytes.fromhex("7b7b94beef7d7d")

    assert deframer.receive(half, now_ms=0) == []
    assert deframer.receive(beat, now_ms=acrel.frame.GAP_MS_MAX + 1) == [Frame(command=0x94)]


def test_a_flood_of_beginnings_is_taken_for_noise() -> None:
    deframer = Deframer()

    found = deframer.receive(b"\x7b\x7b\x90" * 4_000, now_ms=0)

    assert found == []
    assert deframer.frames_damaged == acrel.DAMAGED_MAX
    assert deframer.receive(bytes.fromhex("7b7b94beef7d7d"), now_ms=1) == [Frame(command=0x94)]


def test_end_marks_inside_a_body_are_summed_once_however_they_come(monkeypatch: pytest.MonkeyPatch) -> None:
    summed: list[int] = []

    def counting(octets: bytes, after: int = 0xFFFF) -> int:
        summed.append(len(octets))
        return remainder(octets, after)

    monkeypatch.setattr(frame_room, "remainder", counting)
    body = b"\x7d\x7d" * 500
    wire = acrel.encode(Frame(command=0x91, body=body))

    found = heard(*(bytes((octet,)) for octet in wire))

    assert found == [Frame(command=0x91, body=body)]
    assert sum(summed) <= len(wire)


@pytest.mark.slow
@given(st.lists(frames, max_size=4), st.data())
def test_frames_come_the_same_whole_or_cut_anywhere(sent: list[Frame], draw: st.DataObject) -> None:
    stream = b"".join(acrel.encode(frame) for frame in sent)
    cut = draw.draw(st.integers(0, len(stream)))

    assert heard(stream[:cut], stream[cut:]) == sent


@pytest.mark.slow
@given(st.lists(st.binary(max_size=60) | st.sampled_from([b"\x7b\x7b", b"\x7d\x7d", b"[[1-1((", b"))]]"])))
def test_any_bytes_give_frames_and_any_frame_a_message_or_a_refusal(pieces: list[bytes]) -> None:
    found = heard(*pieces) + [Frame(command=octet, body=b"".join(pieces)) for octet in (0x84, 0x90, 0x91)]

    for frame in found:
        try:
            acrel.parse(frame)
        except acrel.ProtocolError as error:
            assert error.reason
