"""Values in registers: whole numbers, IEEE floats and clocks, by type and order of words; always exact."""

from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from fractions import Fraction
from typing import Final

from compuerta.wire.modbus.fields import ProtocolError

CLOCK_BYTES: Final = 6
_CENTURY: Final = 2_000
_FLOAT_BYTES: Final = 4
_MANTISSA_BITS: Final = 23
_EXPONENT_BIAS: Final = 127
_EXPONENT_NOT_A_NUMBER: Final = 255


class Kind(Enum):
    """How the bytes of a value are read."""

    UNSIGNED = "u"
    SIGNED = "i"
    FLOAT = "f"


@dataclass(frozen=True, slots=True)
class Layout:
    """A type and the order of its words; within a word the high byte comes first (protocol 1.1b3, 4.2)."""

    kind: Kind
    words: int
    low_word_first: bool = False

    @staticmethod
    def of(name: str, *, low_word_first: bool = False) -> "Layout":
        """Return the layout of a name such as "u16", "i32" or "f32"; refuses others."""
        if name not in _WORDS:
            raise ProtocolError(f"{name} is not one of {', '.join(_WORDS)}")
        return Layout(Kind(name[0]), _WORDS[name], low_word_first)


_WORDS: Final = {"u16": 1, "i16": 1, "u32": 2, "i32": 2, "u64": 4, "i64": 4, "f32": 2}


def decode_number(octets: bytes, layout: Layout) -> Fraction:
    """Return the number exactly; refuses other lengths, and floats that are no number."""
    if len(octets) != 2 * layout.words:
        raise ProtocolError(f"{len(octets)} bytes where {2 * layout.words} belong", octets=octets)
    ordered = _ordered(octets, layout)
    if layout.kind is Kind.FLOAT:
        return _float(ordered)
    return Fraction(int.from_bytes(ordered, signed=layout.kind is Kind.SIGNED))


def encode_number(number: Fraction, layout: Layout) -> bytes:
    """Return the bytes of the nearest number that the layout has; refuses what does not fit."""
    if layout.kind is Kind.FLOAT:
        return _ordered(_float_bytes(number), layout)
    whole = nearest(number)
    try:
        return _ordered(whole.to_bytes(2 * layout.words, signed=layout.kind is Kind.SIGNED), layout)
    except OverflowError as error:
        raise ProtocolError(f"{whole} does not fit into {layout.words} registers") from error


def nearest(number: Fraction) -> int:
    """Return the whole number next to `number`, halves away from zero."""
    doubled = 2 * abs(number)
    whole = (doubled.numerator // doubled.denominator + 1) // 2
    return whole if number >= 0 else -whole


def decode_clock(octets: bytes, *, bcd: bool) -> datetime:
    """Return year, month, day, hour, minute and second of one byte each; refuses what is no instant."""
    if len(octets) != CLOCK_BYTES:
        raise ProtocolError(f"{len(octets)} bytes are no clock", octets=octets)
    try:
        year, month, day, hour, minute, second = [int(f"{octet:02x}") if bcd else octet for octet in octets]
        return datetime(_CENTURY + year, month, day, hour, minute, second)  # noqa: DTZ001 it knows no zone
    except ValueError as error:
        raise ProtocolError("no instant", octets=octets) from error


def encode_clock(at: datetime, *, bcd: bool) -> bytes:
    """Return the six bytes of an instant of this century."""
    year = at.year - _CENTURY
    if not 0 <= year < 100:
        raise ProtocolError(f"{at.year} has no two digits")
    parts = (year, at.month, at.day, at.hour, at.minute, at.second)
    return bytes(int(f"{part:02d}", 16) if bcd else part for part in parts)


def _ordered(octets: bytes, layout: Layout) -> bytes:
    if not layout.low_word_first:
        return octets
    return b"".join(octets[at : at + 2] for at in range(len(octets) - 2, -2, -2))


def _float(octets: bytes) -> Fraction:
    bits = int.from_bytes(octets)
    sign = -1 if bits >> 31 else 1
    exponent, mantissa = bits >> _MANTISSA_BITS & 0xFF, bits & (1 << _MANTISSA_BITS) - 1
    if exponent == _EXPONENT_NOT_A_NUMBER:
        raise ProtocolError("no number", octets=octets)
    if exponent:
        mantissa |= 1 << _MANTISSA_BITS
    power = max(exponent, 1) - _EXPONENT_BIAS - _MANTISSA_BITS
    return sign * mantissa * Fraction(2) ** power


def _float_bytes(number: Fraction) -> bytes:
    """Return the nearest float, halves away from zero."""
    size = abs(number)
    if size == 0:
        return bytes(_FLOAT_BYTES)
    exponent = size.numerator.bit_length() - size.denominator.bit_length()
    if Fraction(2) ** exponent > size:
        exponent -= 1
    mantissa = nearest(size / Fraction(2) ** (exponent - _MANTISSA_BITS))
    # The mantissa's first bit is added, not written: one that was rounded up to two raises the exponent.
    bits = (exponent + _EXPONENT_BIAS - 1 << _MANTISSA_BITS) + mantissa
    if not 1 <= bits >> _MANTISSA_BITS < _EXPONENT_NOT_A_NUMBER:
        raise ProtocolError("too large, or too small, for a float")
    return ((1 << 31 if number < 0 else 0) | bits).to_bytes(_FLOAT_BYTES)
