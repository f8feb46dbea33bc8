"""How the bytes of a register become values with names and units, and back.

Values are ints in a small unit that the name ends in (`energy_wh`, `voltage_mv`, `amount_minor`). A register
that is coarser than its unit (0.01 kWh = 10 Wh) cuts off what it cannot show, as the meter's display does.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, time
from enum import Enum, auto

from compuerta.wire.dlt645 import fields, status
from compuerta.wire.dlt645.fields import ProtocolError
from compuerta.wire.dlt645.status import StatusWord3

Value = int | str | bytes | datetime | date | time | frozenset[str] | StatusWord3 | None
Values = Mapping[str, Value]

REPEATS_MAX = 64  # rates, the longest list there is: 63 and the total


class Layout(Enum):
    """How a field is written."""

    BCD = auto()
    SIGNED_BCD = auto()  # the top bit is the sign, or the direction of flow
    BINARY = auto()
    DIGITS = auto()  # BCD digits as text, high digit first: numbers of meters, MMDDhh ...
    MOMENT = auto()  # datetime, naive; all zeros = None
    DATE = auto()
    TIME = auto()
    WORD = auto()  # a status word as names of bits
    WORD_3 = auto()
    RAW = auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One value of a register: `factor` small units are one step of the register; length 0 = the rest."""

    name: str
    layout: Layout
    length: int
    factor: int = 1
    unit: str = ""
    decimals: int = 0
    order: str = ""  # of a date's bytes
    word: int = 0  # of a status word


def decode(field: Field, octets: bytes) -> Value:
    """Read one field."""
    match field.layout:
        case Layout.BCD:
            return fields.bcd_from(octets) * field.factor
        case Layout.SIGNED_BCD:
            return fields.signed_bcd_from(octets) * field.factor
        case Layout.BINARY:
            return fields.binary_from(octets) * field.factor
        case Layout.DIGITS:
            return fields.digits_from(octets)
        case Layout.MOMENT:
            return fields.moment_from(octets, order=field.order) if any(octets) else None
        case Layout.DATE:
            return fields.moment_from(octets, order=field.order).date() if any(octets) else None
        case Layout.TIME:
            return _time_from(octets, order=field.order)
        case Layout.WORD:
            return status.bit_names(field.word, bits=fields.binary_from(octets))
        case Layout.WORD_3:
            return status.status_word_3(fields.binary_from(octets))
        case Layout.RAW:
            return octets


def encode(field: Field, value: Value) -> bytes:
    """Write one field; a value of another type, or one that does not fit, is refused."""
    length = field.length
    match field.layout, value:
        case Layout.BCD, int():
            return fields.bcd_to(value // field.factor, length=length)
        case Layout.SIGNED_BCD, int():
            steps = abs(value) // field.factor
            return fields.signed_bcd_to(-steps if value < 0 else steps, length=length)
        case Layout.BINARY, int():
            return fields.binary_to(value // field.factor, length=length)
        case Layout.DIGITS, str():
            return fields.digits_to(value, length=length)
        case ((Layout.MOMENT | Layout.DATE), None):
            return bytes(length)
        case Layout.MOMENT, datetime():
            return fields.moment_to(value, order=field.order)
        case Layout.DATE, date():
            at = fields.civil_time(value.year, value.month, value.day)
            return fields.moment_to(at, order=field.order)
        case Layout.TIME, time():
            at = fields.civil_time(fields.CENTURY, 1, 1, value.hour, value.minute, value.second)
            return fields.moment_to(at, order=field.order)
        case Layout.WORD, frozenset():
            return fields.binary_to(status.bits_of(field.word, names=value), length=length)
        case Layout.WORD_3, StatusWord3():
            return fields.binary_to(value.bits, length=length)
        case Layout.RAW, bytes():
            return fields.exact(value, length=length) if length else value
        case _:
            raise ProtocolError(f"{field.name} cannot be {value!r}")


def describe(field: Field, value: Value) -> str:
    """Say a value as a person reads it: "2.26 kWh"."""
    match value:
        case bool() | None:
            return "none"
        case int():
            steps = abs(value) // field.factor
            whole = f"{steps:0{field.decimals + 1}d}"
            text = whole if not field.decimals else f"{whole[: -field.decimals]}.{whole[-field.decimals :]}"
            return f"{'-' if value < 0 else ''}{text} {field.unit}".rstrip()
        case bytes():
            return value.hex() or "nothing"
        case datetime():
            return value.isoformat(sep=" ")
        case frozenset():
            return _listed(value) or "nothing set"
        case StatusWord3():
            return f"{value.bits:04X} ({_listed(value.flags) or 'relay closed, no flag set'})"
        case _:
            return str(value)


def _listed(names: frozenset[str]) -> str:
    return ", ".join(sorted(names)).replace("_", " ")


def spread(fixed: tuple[Field, ...], repeated: Field | None, *, length: int) -> tuple[Field, ...]:
    """Lay fields over so many bytes: the fixed ones, then the repeated one until the end."""
    rest = length - sum(field.length for field in fixed)
    if repeated and rest >= 0 and rest % repeated.length == 0 and rest // repeated.length <= REPEATS_MAX:
        count = rest // repeated.length
        named = (replace(repeated, name=repeated.name.format(n=n)) for n in range(1, count + 1))
        return fixed + tuple(named)
    if not repeated and fixed and not fixed[-1].length and rest >= 0:
        return (*fixed[:-1], replace(fixed[-1], length=rest))
    if rest:
        raise ProtocolError(f"{length} bytes do not fit the register")
    return fixed


def _time_from(octets: bytes, *, order: str) -> time:
    if len(octets) != len(order):
        raise ProtocolError(f"{len(octets)} bytes where {len(order)} belong", octets=octets)
    parts = {letter: fields.bcd_from(octets[at : at + 1]) for at, letter in enumerate(order)}
    at = fields.civil_time(fields.CENTURY, 1, 1, parts["h"], parts["m"], parts.get("s", 0))
    return at.time()
