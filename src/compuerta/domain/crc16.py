"""The check sum that Modbus RTU and Acrel's frames end with."""

from typing import Final

_POLYNOMIAL: Final = 0xA001  # x16 + x15 + x2 + 1, the lowest bit first
_INITIAL: Final = 0xFFFF


def _of_octet(octet: int) -> int:
    for _ in range(8):
        octet = octet >> 1 ^ (_POLYNOMIAL if octet & 1 else 0)
    return octet


_TABLE: Final = tuple(_of_octet(octet) for octet in range(256))


def crc16(octets: bytes) -> bytes:
    """Return the two bytes that follow `octets`, the low one first (MODBUS serial line 1.02, 2.5.1.2)."""
    remainder = _INITIAL
    for octet in octets:
        remainder = remainder >> 8 ^ _TABLE[(remainder ^ octet) & 0xFF]
    return remainder.to_bytes(2, "little")
