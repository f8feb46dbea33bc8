"""Modbus RTU frames in a stream of bytes: unit, PDU, CRC.

Nothing in an RTU frame says where it begins or whether it asks or answers. Its length follows from its
function code, for requests and for answers differently, and its CRC tells whether that was the length. On a
real line a silence of three and a half characters ends a frame; converters and mobile networks do not keep
it, so only a longer silence is trusted here.
"""

from collections.abc import Collection
from enum import Enum
from typing import Final, NamedTuple

from compuerta.domain.crc16 import crc16, remainder
from compuerta.wire.modbus.fields import READ_WORDS_MAX, WRITE_WORDS_MAX, ProtocolError
from compuerta.wire.modbus.messages import EXCEPTION_BIT, Function

FRAME_BYTES_MAX: Final = 256  # MODBUS serial line 1.02, 2.5.1
FRAME_BYTES_MIN: Final = 4
GAP_MS_MAX: Final = 500  # silence that ends a frame, with room for converters and mobile networks
_PDU_BYTES_MAX: Final = 253
_CRC_BYTES: Final = 2
_SHORT_BYTES: Final = 8  # of every request but a long write, and of every answer to a write
_EXCEPTION_BYTES: Final = 5
# Plain numbers: they are looked up for every byte of a noisy line.
_READS: Final = frozenset({0x03, 0x04})
_SHORT_REQUESTS: Final = frozenset({0x03, 0x04, 0x05, 0x06})
_WRITES: Final = frozenset({0x05, 0x06, 0x10})
_EXCEPTIONS: Final = frozenset(function | EXCEPTION_BIT for function in Function)


class Side(Enum):
    """Who speaks: it decides how long a frame is."""

    MASTER = "master"
    METER = "meter"


class Frame(NamedTuple):
    """A unit's address, and what is asked of it or what it answers.

    (A tuple, since one is made for all that is heard: a frozen dataclass takes twice the time.)
    """

    unit_no: int
    pdu: bytes


def encode(frame: Frame) -> bytes:
    """Return the bytes on the line; refuses a PDU that is too long, and addresses that are no byte."""
    if not 0 <= frame.unit_no <= 255:
        raise ProtocolError(f"unit {frame.unit_no} is no byte")
    if not 1 <= len(frame.pdu) <= _PDU_BYTES_MAX:
        raise ProtocolError(f"{len(frame.pdu)} bytes are no PDU")
    octets = bytes((frame.unit_no,)) + frame.pdu
    return octets + crc16(octets)


def decode(octets: bytes) -> Frame:
    """Return the one frame that `octets` are, whoever said it; refuses a wrong CRC or length."""
    if not FRAME_BYTES_MIN <= len(octets) <= FRAME_BYTES_MAX:
        raise ProtocolError(f"{len(octets)} bytes are no frame", octets=octets[:FRAME_BYTES_MAX])
    if remainder(octets):
        raise ProtocolError("the CRC is wrong", octets=octets)
    return Frame(octets[0], octets[1:-_CRC_BYTES])


def length_of(octets: bytes, *, side: Side) -> int | None:
    """Return how long the frame is that begins with `octets`; 0 = too few to tell, None = none begins so."""
    return _length_of_request(octets, 0) if side is Side.MASTER else _length_of_answer(octets, 0)


def _length_of_request(octets: bytes, at: int) -> int | None:
    if len(octets) < at + 2:
        return 0
    function = octets[at + 1]
    if function in _SHORT_REQUESTS:
        return _SHORT_BYTES
    if function != Function.WRITE_REGISTERS:
        return None
    if len(octets) < at + 7:
        return 0
    size = octets[at + 6]
    is_one = 0 < size <= 2 * WRITE_WORDS_MAX and size == 2 * (octets[at + 4] << 8 | octets[at + 5])
    return 7 + size + _CRC_BYTES if is_one else None


def _length_of_answer(octets: bytes, at: int) -> int | None:
    if len(octets) < at + 2:
        return 0
    function = octets[at + 1]
    if function in _READS:
        if len(octets) < at + 3:
            return 0
        size = octets[at + 2]
        return 3 + size + _CRC_BYTES if 0 < size <= 2 * READ_WORDS_MAX and size % 2 == 0 else None
    if function in _WRITES:
        return _SHORT_BYTES
    return _EXCEPTION_BYTES if function in _EXCEPTIONS else None


class Deframer:
    """This will find the frames of one side in a stream: any bytes in, whole frames with a right CRC out.

    What begins no frame is dropped byte by byte. What may begin one is waited for, until a silence shows that
    its length was a lie; then the search goes on behind its first byte, so that damage costs one frame.
    With `units` given, only frames of these are looked for: in the echo of a request, and in what is for
    others, there is much that could be the beginning of anything.
    """

    def __init__(self, side: Side, *, gap_ms: int = GAP_MS_MAX, units: Collection[int] = range(256)) -> None:
        self._length = _length_of_request if side is Side.MASTER else _length_of_answer
        self._units = frozenset(units)
        self._gap_ms = gap_ms
        self._buffer = b""
        self._heard_ms = 0

    @property
    def is_empty(self) -> bool:
        """Whether nothing has been begun that more bytes could complete."""
        return not self._buffer

    def receive(self, data: bytes, *, now_ms: int) -> list[Frame]:
        """Take bytes and give the frames that are whole now."""
        # As most lines bring it: one frame, and nothing before it.
        if not self._buffer and self._length(data, 0) == len(data) and not remainder(data):
            unit_no = data[0]
            if unit_no in self._units:
                return [Frame(unit_no, data[1:-_CRC_BYTES])]
        frames = self.flush() if self._buffer and now_ms - self._heard_ms > self._gap_ms else []
        if data:
            self._heard_ms = now_ms
            self._buffer += data
            frames += self._take(is_over=False)
        return frames

    def flush(self) -> list[Frame]:
        """Give the frames that lie behind a beginning which nothing has completed."""
        return self._take(is_over=True)

    def _take(self, *, is_over: bool) -> list[Frame]:
        frames = []
        octets, at, end = self._buffer, 0, len(self._buffer)
        while at < end:
            length = self._length(octets, at) if octets[at] in self._units else None
            if length is None:
                at += 1
            elif length == 0 or end - at < length:
                if not is_over:
                    break
                at += 1
            elif not remainder(octets[at : at + length]):
                frames.append(Frame(octets[at], octets[at + 1 : at + length - _CRC_BYTES]))
                at += length
            else:
                at += 1
        self._buffer = octets[at:]
        return frames
