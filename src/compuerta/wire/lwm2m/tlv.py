"""The TLV form of LwM2M (1.0, 6.4.3): values and what holds them, nested at most three deep."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from compuerta.wire.lwm2m.values import ProtocolError

ENTRIES_MAX: Final = 256
INTEGER_BYTES: Final = (1, 2, 4, 8)  # LwM2M 1.0, appendix C
DEPTH_MAX: Final = 3  # object instance, multiple resource, resource instance


class Holds(IntEnum):
    """What an entry is."""

    OBJECT_INSTANCE = 0
    RESOURCE_INSTANCE = 1
    MULTIPLE_RESOURCE = 2
    RESOURCE = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One entry: a value, or others."""

    holds: Holds
    number: int
    value: bytes = b""
    entries: tuple["Entry", ...] = ()


def decode(octets: bytes) -> tuple[Entry, ...]:
    """Read entries; refuses what breaks off, is nested too deep or says more than a meter may."""
    return _decode(octets, depth=1)


def encode(entries: Sequence[Entry]) -> bytes:
    """Write entries."""
    return b"".join(_encoded(entry) for entry in entries)


def integer_of(value: bytes) -> int:
    """Read a signed number of 1, 2, 4 or 8 bytes (LwM2M 1.0, appendix C)."""
    if len(value) not in INTEGER_BYTES:
        raise ProtocolError("not an integer", octets=value)
    return int.from_bytes(value, "big", signed=True)


def integer_to(value: int) -> bytes:
    """Write a signed number in the fewest bytes of 1, 2, 4 and 8."""
    for length in INTEGER_BYTES:
        if -(1 << 8 * length - 1) <= value < 1 << 8 * length - 1:
            return value.to_bytes(length, "big", signed=True)
    raise ProtocolError(f"{value} does not fit eight bytes")


def _decode(octets: bytes, *, depth: int) -> tuple[Entry, ...]:
    if depth > DEPTH_MAX:
        raise ProtocolError("nested too deep")
    entries: list[Entry] = []
    at = 0
    while at < len(octets):
        if len(entries) == ENTRIES_MAX:
            raise ProtocolError(f"more than {ENTRIES_MAX} entries")
        kind = octets[at]
        number_bytes = 2 if kind & 0x20 else 1
        length_bytes = kind >> 3 & 0x03
        head_end = at + 1 + number_bytes + length_bytes
        if head_end > len(octets):
            raise ProtocolError("an entry breaks off", octets=octets[at:])
        number = int.from_bytes(octets[at + 1 : at + 1 + number_bytes], "big")
        length = (
            int.from_bytes(octets[head_end - length_bytes : head_end], "big") if length_bytes else kind % 8
        )
        at = head_end + length
        if at > len(octets):
            raise ProtocolError("a value breaks off", octets=octets[head_end:])
        value = octets[head_end:at]
        holds = Holds(kind >> 6)
        if holds in (Holds.OBJECT_INSTANCE, Holds.MULTIPLE_RESOURCE):
            entries.append(Entry(holds=holds, number=number, entries=_decode(value, depth=depth + 1)))
        else:
            entries.append(Entry(holds=holds, number=number, value=value))
    return tuple(entries)


def _encoded(entry: Entry) -> bytes:
    value = encode(entry.entries) if entry.entries else entry.value
    if not 0 <= entry.number <= 0xFFFF or len(value) > 0xFFFF:
        raise ProtocolError(f"entry {entry.number} does not fit")
    number = entry.number.to_bytes(2 if entry.number > 0xFF else 1, "big")
    length = b"" if len(value) < 8 else len(value).to_bytes(1 if len(value) < 0x100 else 2, "big")
    kind = entry.holds << 6 | (len(number) - 1) << 5 | len(length) << 3 | (0 if length else len(value))
    return bytes((kind,)) + number + length + value
