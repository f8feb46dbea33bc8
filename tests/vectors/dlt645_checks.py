"""What every DL/T 645 vector has to pass, wherever it comes from."""

import random
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import pytest

from compuerta.wire import dlt645
from compuerta.wire.dlt645 import Deframer, Frame, ProtocolError

GOOD = Frame(address="000000000099", control=0x91, data=bytes.fromhex("0001020342"))
GOOD_WIRE = dlt645.encode(GOOD)
NOISE_BYTES_MAX = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class Vector:
    """Bytes on the wire, the frame that they are, and what it means ("" = nobody says)."""

    name: str
    wire: bytes
    frame: Frame
    meaning: str = ""


def heard(*pieces: bytes) -> list[Frame]:
    """The frames in these pieces, and in what is left when silence follows."""
    deframer = Deframer()
    frames = [frame for piece in pieces for frame in deframer.receive(piece, now_ms=0)]
    return frames + deframer.flush()


def check_rebuilds(vector: Vector) -> None:
    """Decoded, and encoded again byte for byte with as many wake-up bytes."""
    wake_bytes = len(vector.wire) - len(vector.wire.lstrip(b"\xfe"))
    assert Deframer().receive(vector.wire, now_ms=0) == [vector.frame]
    assert dlt645.encode(vector.frame, wake_bytes=wake_bytes) == vector.wire


def check_pieces(vector: Vector) -> None:
    """Cut anywhere, or byte by byte: the same frame, and it comes with its last byte."""
    wire = vector.wire
    for at in range(1, len(wire)):
        assert heard(wire[:at], wire[at:]) == [vector.frame]
    deframer = Deframer()
    frames = [deframer.receive(wire[at : at + 1], now_ms=at) for at in range(len(wire))]
    assert frames[-1] == [vector.frame]
    assert not any(frames[:-1])


def check_noise(vector: Vector) -> None:
    """Between random bytes, twice in a row: found both times, and nothing else."""
    chance = random.Random(vector.name)
    before, between, after = (chance.randbytes(chance.randrange(NOISE_BYTES_MAX)) for _ in range(3))
    assert heard(before + vector.wire + between + vector.wire + after) == [vector.frame] * 2


def check_truncation(vector: Vector) -> None:
    """With its end, or its beginning, missing: no frame."""
    body = vector.wire.lstrip(b"\xfe")
    for at in range(1, len(body)):
        assert heard(body[:at]) == []
        assert heard(body[at:]) == []


def check_bit_flips(vector: Vector) -> None:
    """With any single bit wrong: the true frame or none, and the frame after it is not lost."""
    for place in range(len(vector.wire) * 8):
        damaged = bytearray(vector.wire)
        damaged[place // 8] ^= 1 << place % 8
        frames = heard(bytes(damaged) + GOOD_WIRE)
        assert frames in ([GOOD], [vector.frame, GOOD])


def check_meaning(vector: Vector) -> None:
    """Parsed in its direction and rebuilt; refused in the other; explained with its own fields."""
    frame = vector.frame
    parse: Callable[[Frame], dlt645.Answer | dlt645.Request]
    wrong: Callable[[Frame], dlt645.Answer | dlt645.Request]
    parse, wrong = dlt645.parse_request, dlt645.parse_answer
    if frame.control & 0x80:
        parse, wrong = wrong, parse
    assert parse(frame).to_frame(frame.address) == frame
    with pytest.raises(ProtocolError):
        wrong(frame)
    (explained,) = dlt645.explain(vector.wire)
    assert (explained.address, explained.control) == (frame.address, frame.control)
    assert explained.data_hex == frame.data.hex()
    assert explained.meaning == (vector.meaning or explained.meaning)
    assert explained.meaning


CHECKS = (
    check_rebuilds,
    check_pieces,
    check_noise,
    check_truncation,
    check_bit_flips,
    check_meaning,
)


def check_stream(vectors: list[Vector]) -> None:
    """All of them in one stream, in pieces of random size: every frame once, in order."""
    chance = random.Random(len(vectors))
    stream = b"".join(vector.wire for vector in vectors)
    cuts = sorted({0, len(stream), *(chance.randrange(len(stream)) for _ in range(len(vectors)))})
    assert heard(*(stream[a:b] for a, b in pairwise(cuts))) == [vector.frame for vector in vectors]
