"""The small parts that messages and registers are made of: digits, numbers, dates, all low byte first.

Decoding is strict: a nibble above nine where a digit must be is refused, never guessed.
The meter's clock shows local civil time and knows no zone: its dates are naive, and stay so in this room.
"""

from datetime import datetime

from compuerta.domain.errors import Refused

CENTURY = 2000  # the standard carries two digits of the year


class ProtocolError(Refused):
    """Bytes, or values, that DL/T 645-2007 does not allow here."""

    def __init__(self, reason: str, *, octets: bytes = b"") -> None:
        super().__init__(f"{reason} [{octets.hex()}]" if octets else reason)
        self.reason = reason
        self.octets = octets


def take(octets: bytes, *lengths: int) -> tuple[bytes, ...]:
    """Cut bytes into parts of exactly these lengths; too many or too few bytes are refused."""
    if len(octets) != sum(lengths):
        raise ProtocolError(f"{len(octets)} bytes where {sum(lengths)} belong", octets=octets)
    parts = []
    at = 0
    for length in lengths:
        parts.append(octets[at : at + length])
        at += length
    return tuple(parts)


def digits_from(octets: bytes) -> str:
    """Read BCD digits, high digit first: 94 35 21 90 88 55 -> "558890213594"."""
    digits = octets[::-1].hex()
    if not digits.isdecimal():
        raise ProtocolError("not decimal digits", octets=octets)
    return digits


def digits_to(digits: str, *, length: int) -> bytes:
    """Write exactly 2 x `length` decimal digits as BCD, low byte first."""
    if len(digits) != 2 * length or not (digits.isascii() and digits.isdecimal()):
        raise ProtocolError(f"{digits!r} is not {2 * length} decimal digits")
    return bytes.fromhex(digits)[::-1]


def bcd_from(octets: bytes) -> int:
    """Read an unsigned BCD number."""
    return int(digits_from(octets) or "0")


def bcd_to(value: int, *, length: int) -> bytes:
    """Write an unsigned number as `length` bytes of BCD; what does not fit is refused."""
    if not 0 <= value < 100**length:
        raise ProtocolError(f"{value} does not fit {2 * length} digits")
    return bytes.fromhex(f"{value:0{2 * length}d}")[::-1]


def signed_bcd_from(octets: bytes) -> int:
    """Read BCD whose top bit is the sign, or the direction of flow."""
    if not octets:
        raise ProtocolError("no bytes where a signed number belongs")
    magnitude = bcd_from(octets[:-1] + bytes((octets[-1] & 0x7F,)))
    return -magnitude if octets[-1] & 0x80 else magnitude


def signed_bcd_to(value: int, *, length: int) -> bytes:
    """Write BCD with its top bit set for a negative value; the top digit is then at most 7."""
    octets = bcd_to(abs(value), length=length)
    if octets[-1] & 0x80:
        raise ProtocolError(f"{value} leaves no room for the sign in {length} bytes")
    return octets[:-1] + bytes((octets[-1] | 0x80,)) if value < 0 else octets


def binary_from(octets: bytes) -> int:
    """Read an unsigned binary number."""
    return int.from_bytes(octets, "little")


def binary_to(value: int, *, length: int) -> bytes:
    """Write an unsigned binary number; what does not fit is refused."""
    if not 0 <= value < 256**length:
        raise ProtocolError(f"{value} does not fit {length} bytes")
    return value.to_bytes(length, "little")


def civil_time(year: int, month: int, day: int, hour: int = 0, minute: int = 0, second: int = 0) -> datetime:
    """Give a moment of the meter's clock: naive, or refused where the calendar has none."""
    try:
        return datetime(year, month, day, hour, minute, second)  # noqa: DTZ001 - the meter knows no zone
    except ValueError as error:
        raise ProtocolError(f"no such date: {error}") from error


def moment_from(octets: bytes, *, order: str) -> datetime:
    """Read a date whose bytes stand in this order, such as "smhDMY" or "smhWDMY" (W = weekday)."""
    if len(octets) != len(order):
        raise ProtocolError(f"{len(octets)} bytes where {len(order)} belong", octets=octets)
    parts = {letter: bcd_from(octets[at : at + 1]) for at, letter in enumerate(order)}
    if parts.get("W", 0) > 6:
        raise ProtocolError("no such day of the week", octets=octets)
    get = parts.get
    return civil_time(CENTURY + parts["Y"], parts["M"], parts["D"], get("h", 0), get("m", 0), get("s", 0))


def moment_to(at: datetime, *, order: str) -> bytes:
    """Write a date in this order of bytes; a zone, or a year outside 2000 to 2099, is refused."""
    if at.tzinfo is not None:
        raise ProtocolError("the meter's clock shows civil time: give it without a zone")
    parts = {
        "s": at.second,
        "m": at.minute,
        "h": at.hour,
        "D": at.day,
        "M": at.month,
        "Y": at.year - CENTURY,
        "W": at.isoweekday() % 7,  # Sunday is 0
    }
    return b"".join(bcd_to(parts[letter], length=1) for letter in order)


def di_from(octets: bytes) -> int:
    """Read a data identifier: 00 00 01 00 -> 00010000."""
    if len(octets) != 4:
        raise ProtocolError("a data identifier has four bytes", octets=octets)
    return binary_from(octets)


def di_to(di: int) -> bytes:
    """Write a data identifier, DI0 first."""
    return binary_to(di, length=4)


def exact(octets: bytes, *, length: int) -> bytes:
    """Give opaque bytes back if there are as many as belong here."""
    return take(octets, length)[0]
