"""The frame of DL/T 645-2007: bytes that arrive in any pieces become frames, and frames become bytes.

    [FE x 0..4] 68 | A0..A5 | 68 | C | L | DATA, each byte + 33H | CS | 16

The address travels low byte first; CS is the sum modulo 256 from the first 68H to the last byte of DATA.
68H and 16H may occur inside DATA, so nothing is ever split at them: a frame is what has its marks and its sum.
"""

from dataclasses import dataclass

from compuerta.wire.dlt645.fields import ProtocolError

WILDCARD = "A" * 12  # every meter answers: only with one meter on the line
BROADCAST = "9" * 12  # every meter obeys, none answers

DATA_BYTES_MAX = 200  # what we build; DL/T 645-2007 lets an answer carry no more
WAKE_BYTES_MAX = 4  # DL/T 645-2007: 1 to 4 FEH wake the receiver; they are outside the sum
GAP_MS_MAX = 500  # the longest silence inside a frame

_START = 0x68
_END = 0x16
_WAKE = 0xFE
_HEAD_BYTES = 10  # 68, address, 68, control, length
_TAIL_BYTES = 2  # sum, 16

_ADD_33 = bytes((octet + 0x33) & 0xFF for octet in range(256))
_TAKE_33 = bytes((octet - 0x33) & 0xFF for octet in range(256))


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """This will hold one frame: the address as twelve digits high digit first, and DATA without its 33H.

    Leading "AA" pairs of an address are the standard's wildcard ("AAAAAAAA3594": the meters that end in 3594).
    """

    address: str
    control: int
    data: bytes


def encode(frame: Frame, *, wake_bytes: int = WAKE_BYTES_MAX) -> bytes:
    """This will give the bytes of a frame, after `wake_bytes` times FEH.

    Refuses (`ProtocolError`) an address that is not twelve digits, a control or length outside its byte.
    """
    address = _address_octets(frame.address)
    data = frame.data
    if len(data) > DATA_BYTES_MAX:
        raise ProtocolError(f"more than {DATA_BYTES_MAX} bytes of data", octets=data)
    if not 0 <= frame.control <= 0xFF:
        raise ProtocolError(f"the control {frame.control} is not a byte")
    if not 0 <= wake_bytes <= WAKE_BYTES_MAX:
        raise ProtocolError(f"{wake_bytes} wake-up bytes are not 0 to {WAKE_BYTES_MAX}")
    body = b"\x68%b\x68%c%c%b" % (address, frame.control, len(data), data.translate(_ADD_33))
    return b"%b%b%c\x16" % (b"\xfe" * wake_bytes, body, sum(body) & 0xFF)


def address_matches(pattern: str, meter_no: str) -> bool:
    """This will tell if an address as written in a request means this meter.

    Leading "AA" pairs stand for anything (abbreviated address, DL/T 645-2007 5.2.2); the broadcast address
    means nobody in particular and matches only itself.
    """
    known = pattern
    while known.startswith("AA"):
        known = known[2:]
    return len(pattern) == len(meter_no) == 12 and meter_no.endswith(known)


class Deframer:
    """This will find the frames in a stream that may be cut, joined, noisy or damaged.

    No bytes make it raise. It holds less than one frame of bytes between calls.
    A damaged frame costs no more than itself: only its first byte is dropped before the search goes on.
    """

    def __init__(self, gap_ms_max: int = GAP_MS_MAX) -> None:
        self.bytes_skipped = 0  # bytes that belonged to no frame; wake-up bytes are not counted
        self.frames_damaged = 0  # beginnings of frames that were given up
        self._gap_ms_max = gap_ms_max
        self._buffer = b""
        self._heard_ms = 0

    @property
    def is_empty(self) -> bool:
        """This will tell that no part of a frame is waiting for its rest."""
        return not self._buffer

    def receive(self, data: bytes, *, now_ms: int) -> list[Frame]:
        """This will take what came at `now_ms`, and give the frames that are complete."""
        frames: list[Frame] = []
        # Silence ends a frame. Without this, one damaged length byte would keep us deaf until that many
        # bytes have come.
        if self._buffer and now_ms - self._heard_ms > self._gap_ms_max:
            frames = self.flush()
        if data:
            self._heard_ms = now_ms
            self._buffer += data
            self._scan(frames, complete=False)
        return frames

    def flush(self) -> list[Frame]:
        """This will give up the half frame in the buffer, and give the whole frames that it had swallowed."""
        frames: list[Frame] = []
        self._scan(frames, complete=True)
        return frames

    def _scan(self, frames: list[Frame], *, complete: bool) -> None:
        """Move every whole frame out of the buffer; `complete` says that nothing more will come."""
        buffer = self._buffer
        size = len(buffer)
        at = 0
        while (start := buffer.find(_START, at)) >= 0:
            if start > at:
                self._skip(buffer[at:start])
            at = start
            end = _frame_end(buffer, start)
            if end > size and not complete:
                break
            if 0 < end <= size and (frame := _frame_at(buffer, start, end)):
                frames.append(frame)
                at = end
                continue
            self.frames_damaged += 1 if end else 0
            self._skip(buffer[start : start + 1])
            at = start + 1
        else:
            self._skip(buffer[at:])
            at = size
        self._buffer = buffer[at:]

    def _skip(self, octets: bytes) -> None:
        self.bytes_skipped += len(octets) - octets.count(_WAKE)


def _frame_end(buffer: bytes, start: int) -> int:
    """Where the frame that begins at `start` would end; beyond the buffer if it is cut; 0 if it is none."""
    size = len(buffer)
    if size <= start + 7:
        return size + 1
    if buffer[start + 7] != _START:
        return 0
    if size < start + _HEAD_BYTES:
        return size + 1
    return start + _HEAD_BYTES + buffer[start + 9] + _TAIL_BYTES


def _frame_at(buffer: bytes, start: int, end: int) -> Frame | None:
    """The frame between two places, if its end mark and its sum are right."""
    if buffer[end - 1] != _END or sum(buffer[start : end - 2]) & 0xFF != buffer[end - 2]:
        return None
    return Frame(
        address=buffer[start + 1 : start + 7][::-1].hex().upper(),
        control=buffer[start + 8],
        data=buffer[start + _HEAD_BYTES : end - _TAIL_BYTES].translate(_TAKE_33),
    )


def _address_octets(address: str) -> bytes:
    try:
        octets = bytes.fromhex(address)
    except ValueError:
        octets = b""
    if len(octets) != 6 or len(address) != 12 or address != address.upper():
        raise ProtocolError(f"the address {address!r} is not twelve digits")
    return octets[::-1]
