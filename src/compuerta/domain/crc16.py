"""The check sum that Modbus RTU and Acrel's frames end with."""

import struct
from array import array
from collections.abc import Callable
from functools import lru_cache
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
_BY_WORD: Final = array("H", [high ^ low for high in _BY_OCTET for low in _LOW])


def crc16(octets: bytes) -> bytes:
    """Return the two bytes that follow `octets`, the low one first (MODBUS serial line 1.02, 2.5.1.2)."""
    return remainder(octets).to_bytes(2, "little")


def remainder(octets: bytes) -> int:
    """Return what remains of the division: 0 where `octets` end with their own check sum."""
    remaining, table, size = _INITIAL, _BY_WORD, len(octets)
    for word in _words(size >> 1)(octets):
        remaining = table[remaining ^ word]
    if size & 1:
        remaining = remaining >> 8 ^ _BY_OCTET[(remaining ^ octets[-1]) & 0xFF]
    return remaining


@lru_cache(maxsize=256)  # as many lengths as a frame may have; longer ones make room for each other
def _words(count: int) -> Callable[[bytes], tuple[int, ...]]:
    return struct.Struct(f"<{count}H").unpack_from
