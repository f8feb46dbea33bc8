"""The frame of DL/T 645-2007: bytes that arrive in any pieces become frames, and frames become bytes.

    [FE x 0..4] 68 | A0..A5 | 68 | C | L | DATA, each byte + 33H | CS | 16

The address travels low byte first; CS is the sum modulo 256 from the first 68H to the last byte of DATA.
68H and 16H may occur inside DATA, so nothing is ever split at them: a frame has its marks, and its sum.
"""

from functools import lru_cache
from typing import NamedTuple
from zlib import adler32

from compuerta.wire.dlt645.fields import ProtocolError

WILDCARD = "A" * 12  # every meter answers: only with one meter on the line
BROADCAST = "9" * 12  # every meter obeys, none answers

DATA_BYTES_MAX = 200  # what we build; DL/T 645-2007 lets an answer carry no more
WAKE_BYTES_MAX = 4  # DL/T 645-2007: 1 to 4 FEH wake the receiver; they are outside the sum
GAP_MS_MAX = 500  # the longest silence inside a frame
ADDRESSES_KEPT_MAX = 4_096  # more than one process of a gateway talks to in a minute

_START = 0x68
_END = 0x16
_WAKE = 0xFE
_HEAD_BYTES = 10  # 68, address, 68, control, length
_TAIL_BYTES = 2  # sum, 16
_ADLER_BYTES_MAX = 256  # 256 x 255 + 1 < 65,521

_WAKES = [bytes((_WAKE,)) * count for count in range(WAKE_BYTES_MAX + 1)]
_ADD_33 = bytes((octet + 0x33) & 0xFF for octet in range(256))
_TAKE_33 = bytes((octet - 0x33) & 0xFF for octet in range(256))


class Frame(NamedTuple):
    """This will hold one frame: the address as twelve digits high digit first, and DATA without its 33H.

    Leading "AA" pairs of an address are a wildcard ("AAAAAAAA3594": the meters that end in 3594).
    It is a named tuple where the habit here is a frozen dataclass: that one takes as long to make as all the
    rest of the decoding.
    """

    address: str
    control: int
    data: bytes


def encode(frame: Frame, *, wake_bytes: int = WAKE_BYTES_MAX) -> bytes:
    """Give the bytes of a frame, after `wake_bytes` times FEH.

    Refuses (`ProtocolError`) an address that is not twelve digits, a control or length outside its byte.
    """
    address, control, data = frame
    if len(data) > DATA_BYTES_MAX:
        raise ProtocolError(f"more than {DATA_BYTES_MAX} bytes of data", octets=data)
    if not 0 <= control <= 0xFF:
        raise ProtocolError(f"the control {control} is not a byte")
    if not 0 <= wake_bytes <= WAKE_BYTES_MAX:
        raise ProtocolError(f"{wake_bytes} wake-up bytes are not 0 to {WAKE_BYTES_MAX}")
    body = b"\x68%b\x68%c%c%b" % (_address_to(address), control, len(data), data.translate(_ADD_33))
    return b"%b%b%c\x16" % (_WAKES[wake_bytes], body, adler32(body) - 1 & 0xFF)  # as in _checksum


def address_matches(pattern: str, meter_no: str) -> bool:
    """Tell if an address as written in a request means this meter.

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
        self.bytes_skipped = 0  # bytes that belonged to no frame, wake-up bytes included
        self.frames_damaged = 0  # beginnings of frames that were given up
        self._gap_ms_max = gap_ms_max
        self._buffer = b""
        self._heard_ms = 0

    @property
    def is_empty(self) -> bool:
        """Tell that no part of a frame is waiting for its rest."""
        return not self._buffer

    def receive(self, data: bytes, *, now_ms: int) -> list[Frame]:
        """Take what came at `now_ms`, and give the frames that are complete."""
        # Silence ends a frame. Without this, one damaged length byte would keep us deaf until that many
        # bytes have come.
        if self._buffer and now_ms - self._heard_ms > self._gap_ms_max:
            frames = self.flush()
            return frames + self.receive(data, now_ms=now_ms) if data else frames
        if not data:
            return []
        self._heard_ms = now_ms
        return self._scan(self._buffer + data, more_may_come=True)

    def flush(self) -> list[Frame]:
        """Give up the half frame in the buffer, and give the whole frames that it had swallowed."""
        return self._scan(self._buffer, more_may_come=False)

    def _scan(self, buffer: bytes, *, more_may_come: bool) -> list[Frame]:
        """Take every whole frame out of these bytes, and keep the beginning of one that is not whole yet."""
        frames = []
        size = len(buffer)
        skipped = at = 0
        while (start := buffer.find(_START, at)) >= 0:
            skipped += start - at
            at = start
            if size >= start + _HEAD_BYTES and buffer[start + 7] == _START:
                end = start + _HEAD_BYTES + _TAIL_BYTES + buffer[start + 9]
            elif size <= start + 7 or (size < start + _HEAD_BYTES and buffer[start + 7] == _START):
                end = size + 1  # too short to know its length
            else:
                end = 0
            if end > size and more_may_come:
                break
            if 0 < end <= size and buffer[end - 1] == _END:
                body = buffer[start : end - _TAIL_BYTES]
                if _checksum(body) == buffer[end - _TAIL_BYTES]:
                    frames.append(
                        Frame(_address_from(body[1:7]), body[8], body[_HEAD_BYTES:].translate(_TAKE_33))
                    )
                    at = end
                    continue
            if end:
                self.frames_damaged += 1
            skipped += 1
            at = start + 1
        else:
            skipped += size - at
            at = size
        self._buffer = buffer[at:]
        self.bytes_skipped += skipped
        return frames


def _checksum(body: bytes) -> int:
    """The sum of the bytes, modulo 256."""
    # The low half of Adler-32 is 1 + the sum of the bytes, modulo 65,521: the fastest sum that Python has,
    # and right as long as 255 in every byte stay below that modulus.
    return (adler32(body) - 1 if len(body) <= _ADLER_BYTES_MAX else sum(body)) & 0xFF


# The same meters talk again and again: a quarter of the codec's time went into their addresses.
@lru_cache(ADDRESSES_KEPT_MAX)
def _address_from(octets: bytes) -> str:
    return octets[::-1].hex().upper()


@lru_cache(ADDRESSES_KEPT_MAX)
def _address_to(address: str) -> bytes:
    try:
        octets = bytes.fromhex(address)[::-1]
    except ValueError:
        octets = b""
    if len(octets) != 6 or octets[::-1].hex().upper() != address:
        raise ProtocolError(f"the address {address!r} is not twelve digits")
    return octets
