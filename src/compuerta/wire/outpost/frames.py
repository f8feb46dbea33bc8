"""Frames between an outpost and the platform: length (4 bytes, high first), kind, line, payload."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Final

from compuerta.domain.errors import Refused

LINES_MAX: Final = 32  # of one outpost: more serial ports than any small machine has
NONCE_BYTES: Final = 32
HEAD_BYTES: Final = 4 + 2
# Orders for the meters of all lines of an outpost, with their tariffs, are far below this.
PAYLOAD_BYTES_MAX: Final = 4 * 1024 * 1024
STRANGER_BYTES_MAX: Final = 256  # until the other side has shown who it is


class Kind(Enum):
    """What a frame is; each is said by one side only, but for ticks."""

    CHALLENGE = 1  # platform: a nonce
    PROOF = 2  # outpost: who it is, and that it has the key
    WELCOME = 3  # platform: the proof was good
    ORDERS = 4  # platform: which meters there are, and what may be decided without it
    RECORDS = 5  # outpost: what happened while it was alone
    KEPT = 6  # platform: up to which record all is committed
    OFFER = 7  # outpost: a line is there, and at rest
    WITHDRAW = 8  # outpost: a line is gone
    RETURN = 9  # platform: a line is not wanted any more
    SAY = 10  # platform: bytes for a line, stamped
    HEARD = 11  # outpost: bytes of a line
    TICK = 12  # outpost: its clock; platform: the same back


class ProtocolError(Refused):
    """Bytes that are no frame; nothing after them can be understood."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"no frame of an outpost: {reason}")
        self.reason = reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """One frame; `line` is 0 where it is about none."""

    kind: Kind
    line: int = 0
    payload: bytes = b""


def encode(frame: Frame) -> bytes:
    """Return a frame's bytes."""
    assert 0 <= frame.line <= LINES_MAX, "lines are counted from 1 to LINES_MAX"
    assert len(frame.payload) <= PAYLOAD_BYTES_MAX, "what is sent is bounded where it is made"
    return len(frame.payload).to_bytes(4) + bytes((frame.kind.value, frame.line)) + frame.payload


class Deframer:
    """This will cut a stream into frames; `payload_bytes_max` may be raised once the other side is known."""

    def __init__(self, *, payload_bytes_max: int = STRANGER_BYTES_MAX) -> None:
        self.payload_bytes_max = payload_bytes_max
        self._pending = bytearray()

    def receive(self, octets: bytes) -> Iterator[Frame]:
        """Yield the frames that are whole by now, each by the bound that holds when it is asked for.

        Raises `ProtocolError`, after which the stream is dead.
        """
        self._pending += octets
        while len(self._pending) >= HEAD_BYTES:
            length = int.from_bytes(self._pending[:4])
            if length > self.payload_bytes_max:
                raise ProtocolError(f"{length} bytes where {self.payload_bytes_max} are allowed")
            end = HEAD_BYTES + length
            if len(self._pending) < end:
                return
            kind, line = self._pending[4:HEAD_BYTES]
            payload = bytes(self._pending[HEAD_BYTES:end])
            del self._pending[:end]
            yield _frame(kind, line, payload)


def _frame(kind: int, line: int, payload: bytes) -> Frame:
    try:
        known = Kind(kind)
    except ValueError as error:
        raise ProtocolError(f"kind {kind} is not known") from error
    if line > LINES_MAX:
        raise ProtocolError(f"line {line} where {LINES_MAX} are allowed")
    return Frame(kind=known, line=line, payload=payload)
