"""The frame of Acrel's 4G meters: bytes that arrive in any pieces become frames, and frames become bytes.

    7B 7B | command | body | CRC low, high | 7D 7D

The CRC is that of Modbus, over command and body. No length is told, and 7D 7D may occur inside the body: a
frame ends where the marks and the CRC agree.
"""

from dataclasses import dataclass
from typing import Final

from compuerta.domain.crc16 import crc16
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
        self._buffer = b""
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
            at = start
            end = _end_of_frame(buffer, start)
            if end:
                frames.append(Frame(command=buffer[start + 2], body=buffer[start + 3 : end - 4]))
                at = end
            elif more_may_come and len(buffer) - start < _FRAME_BYTES_MAX and not _is_over(buffer, start):
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
        self.frames_damaged += given_up
        self._buffer = buffer[at:]
        return frames


def _end_of_frame(buffer: bytes, start: int) -> int:
    """Return where the frame that begins at `start` ends; 0 = not in these bytes."""
    end = start + _AROUND_BYTES - len(_END)
    while (end := buffer.find(_END, end, start + _FRAME_BYTES_MAX)) >= 0:
        if crc16(buffer[start + 2 : end - 2]) == buffer[end - 2 : end]:
            return end + len(_END)
        end += 1
    return 0


def _is_over(buffer: bytes, start: int) -> bool:
    """Tell whether a frame that is damaged has ended: its end marks are followed by those of the next.

    Without this a damaged frame would keep the whole ones after it waiting for the silence.
    """
    at = buffer.find(_END + _START, start + _AROUND_BYTES - len(_END))
    return at >= 0 and _end_of_frame(buffer, at + len(_END)) > 0
