"""The check sum that Modbus RTU and Acrel's frames end with."""

import struct
from collections.abc import Callable
from typing import Final

_POLYNOMIAL: Final = 0xA001  # x16 + x15 + x2 + 1, the lowest bit first
_INITIAL: Final = 0xFFFF


def _of_octet(octet: int) -> int:
    for _ in range(8):
        octet = octet >> 1 ^ (_POLYNOMIAL if octet & 1 else 0)
    return octet


# What two bytes leave of a remainder, by all values of both: frames are divided by words, since this is
# reckoned for every frame of every line.
_BY_OCTET: Final = [_of_octet(octet) for octet in range(256)]
_LOW: Final = [_BY_OCTET[each & 0xFF] ^ each >> 8 for each in _BY_OCTET]
_BY_WORD: Final = [high ^ low for high in _BY_OCTET for low in _LOW]


def _words(count: int) -> Callable[[bytes], tuple[int, ...]]:
    return struct.Struct(f"<{count}H").unpack_from


_USUAL_BYTES_MAX: Final = 257  # no Modbus frame is longer
_WORDS: Final = tuple(_words(count) for count in range(_USUAL_BYTES_MAX // 2 + 1))


def crc16(octets: bytes) -> bytes:
    """Return the two bytes that follow `octets`, the low one first (MODBUS serial line 1.02, 2.5.1.2)."""
    return remainder(octets).to_bytes(2, "little")


def remainder(octets: bytes, after: int = _INITIAL) -> int:
    """Return what remains of the division: 0 where `octets` end with their own check sum.

    `after` is what remained of the bytes before: a long sum may be made piece by piece.
    """
    remaining, table, size = after, _BY_WORD, len(octets)
    words = _WORDS[size >> 1] if size <= _USUAL_BYTES_MAX else _words(size >> 1)
    for word in words(octets):
        remaining = table[remaining ^ word]
    if size & 1:
        remaining = remaining >> 8 ^ _BY_OCTET[(remaining ^ octets[-1]) & 0xFF]
    return remaining
