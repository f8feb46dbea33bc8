"""The frame of Acrel's 4G meters: bytes that arrive in any pieces become frames, and frames become bytes.

    7B 7B | command | body | CRC low, high | 7D 7D

The CRC is that of Modbus, over command and body. No length is told, and 7D 7D may occur inside the body: a
frame ends where the marks and the CRC agree.
"""

from dataclasses import dataclass
from typing import Final

from compuerta.domain.crc16 import crc16, remainder
from compuerta.domain.errors import Refused

BODY_BYTES_MAX: Final = 1_200  # the longest that was published is a data frame of 505
GAP_MS_MAX: Final = 3_000  # silence that ends a frame: a mobile network may pause inside a TCP segment
# Beginnings given up in one call before the rest of what came is taken for noise: each costs a check sum over
# as many bytes as a frame may have, and a flood of them would keep all other sessions waiting.
DAMAGED_MAX: Final = 32

_START: Final = b"\x7b\x7b"
_END: Final = b"\x7d\x7d"
_AROUND_BYTES: Final = 7  # marks, command and CRC
_FRAME_BYTES_MAX: Final = BODY_BYTES_MAX + _AROUND_BYTES


class ProtocolError(Refused):
    """Bytes, or a message, that the protocol has no place for."""

    def __init__(self, reason: str, *, octets: bytes = b"") -> None:
        super().__init__(reason)
        self.reason = reason
        self.octets = octets


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """One frame: the command byte, and the body as it came."""

    command: int
    body: bytes = b""


def encode(frame: Frame) -> bytes:
    """Give the bytes of a frame; refuses (`ProtocolError`) a command or body that does not fit."""
    if not 0 <= frame.command <= 0xFF:
        raise ProtocolError(f"the command {frame.command} is not a byte")
    if len(frame.body) > BODY_BYTES_MAX:
        raise ProtocolError(f"more than {BODY_BYTES_MAX} bytes of body", octets=frame.body)
    covered = bytes((frame.command,)) + frame.body
    return _START + covered + crc16(covered) + _END


class Deframer:
    """This will find the frames in a stream that may be cut, joined, noisy or damaged.

    No bytes make it raise, and it holds no more than one frame of bytes between calls.
    """

    def __init__(self) -> None:
        self.bytes_skipped = 0  # bytes that belonged to no frame
        self.frames_damaged = 0  # beginnings of frames that were given up
        self._buffer = b""  # from the beginning of a frame on
        self._reach = _Reach()
        self._heard_ms = 0

    def receive(self, data: bytes, *, now_ms: int) -> list[Frame]:
        """Take what came at `now_ms`, and give the frames that are complete."""
        frames = self.flush() if self._buffer and now_ms - self._heard_ms > GAP_MS_MAX else []
        if data:
            self._heard_ms = now_ms
            frames += self._scan(self._buffer + data, more_may_come=True)
        return frames

    def flush(self) -> list[Frame]:
        """Give up the half frame in the buffer, and give the whole frames that it had swallowed."""
        return self._scan(self._buffer, more_may_come=False)

    def _scan(self, buffer: bytes, *, more_may_come: bool) -> list[Frame]:
        frames: list[Frame] = []
        at, given_up = 0, 0
        while (start := buffer.find(_START, at)) >= 0 and given_up < DAMAGED_MAX:
            self.bytes_skipped += start - at
            if start > 0:
                self._reach = _Reach()
            at = start
            end = self._reach.end_of_frame(buffer, start)
            if end:
                frames.append(Frame(command=buffer[start + 2], body=buffer[start + 3 : end - 4]))
                at = end
            elif more_may_come and not self._reach.is_over(buffer, start):
                break
            else:
                given_up += 1
                self.bytes_skipped += 1
                at += 1
        else:
            # The last byte may be the first half of the marks.
            kept = more_may_come and given_up < DAMAGED_MAX and buffer[at:].endswith(_START[:1])
            self.bytes_skipped += len(buffer) - at - kept
            at = len(buffer) - kept
            self._reach = _Reach()
        self.frames_damaged += given_up
        self._buffer = buffer[at:]
        return frames


@dataclass(slots=True, kw_only=True)
class _Reach:
    """How far a beginning has been looked at, so that no byte of it is summed twice however it comes."""

    looked: int = _AROUND_BYTES - len(_END)  # where end marks may still be found; all from the beginning on
    summed: int = len(_START)
    remaining: int = remainder(b"")

    def end_of_frame(self, buffer: bytes, start: int) -> int:
        """Return where the frame that begins at `start` ends; 0 = not in these bytes."""
        while (end := buffer.find(_END, start + self.looked, start + _FRAME_BYTES_MAX)) >= 0:
            self.remaining = remainder(buffer[start + self.summed : end - 2], self.remaining)
            self.summed = end - 2 - start
            if self.remaining.to_bytes(2, "little") == buffer[end - 2 : end]:
                return end + len(_END)
            self.looked = end + 1 - start
        return 0

    def is_over(self, buffer: bytes, start: int) -> bool:
        """Tell whether this beginning is damaged: too long, or the next frame begins after its end marks.

        Without the second, a damaged frame would keep whole ones waiting for the silence after it. A body
        with these four bytes in it is given up too: once in four thousand million.
        """
        if len(buffer) - start >= _FRAME_BYTES_MAX:
            return True
        return buffer.find(_END + _START, start + _AROUND_BYTES - len(_END)) >= 0
