"""The data identifiers that Compuerta knows: what each holds, in which layout, under which name.

The table is `table.ROWS`: patterns of eight hex digits in which small letters stand for a rate, a phase, a
settlement day, a record. `lookup` finds the row of an identifier; the rest turns bytes into values and back.
"""

from dataclasses import dataclass
from typing import Final

from compuerta.wire.dlt645 import layouts, table
from compuerta.wire.dlt645.fields import ProtocolError
from compuerta.wire.dlt645.layouts import Field, Value, Values

__all__ = ["Register", "Value", "Values", "decode_values", "encode_values", "lookup"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Register:
    """One data identifier: a name, its fields, and the field that repeats to the end, if one does."""

    di: int
    name: str
    fields: tuple[Field, ...]
    repeated: Field | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Pattern:
    row: table.Row
    mask: int
    fixed: int
    variables: tuple[tuple[int, table.Variable], ...]  # shift of the byte, what it counts


def lookup(di: int) -> Register | None:
    """Find what an identifier holds; None if it is not in the table."""
    for pattern in _PATTERNS.get(di >> 24, ()):
        if di & pattern.mask == pattern.fixed:
            octets = [(di >> shift & 0xFF, variable) for shift, variable in pattern.variables]
            if all(octet in variable.octets for octet, variable in octets):
                words = [variable.name(octet) for octet, variable in octets]
                name = " ".join(word for word in (pattern.row.name, *words) if word)
                return Register(di=di, name=name, fields=pattern.row.fields, repeated=pattern.row.repeated)
    return None


def fields_of(register: Register, *, length: int) -> tuple[Field, ...]:
    """Give the fields of a register over so many bytes."""
    return layouts.spread(register.fields, register.repeated, length=length)


def decode_values(di: int, octets: bytes) -> Values:
    """Read the values of an identifier by name; an unknown one, or another layout, is refused."""
    values: dict[str, Value] = {}
    at = 0
    for field in fields_of(_known(di), length=len(octets)):
        values[field.name] = layouts.decode(field, octets[at : at + field.length])
        at += field.length
    return values


def encode_values(di: int, values: Values) -> bytes:
    """Write all values of an identifier; missing, unknown or unfit ones are refused."""
    register = _known(di)
    repeats = len(values) - len(register.fields)
    length = sum(field.length for field in register.fields)
    if register.repeated:
        length += max(repeats, 0) * register.repeated.length
    laid = layouts.spread(register.fields, register.repeated, length=length)
    names = {field.name for field in laid}
    if names != values.keys():
        odd = ", ".join(sorted(names ^ values.keys()))
        raise ProtocolError(f"{register.name} wants other values: {odd}")
    return b"".join(layouts.encode(field, values[field.name]) for field in laid)


def _known(di: int) -> Register:
    register = lookup(di)
    if not register:
        raise ProtocolError(f"the register {di:08X} is not in the table")
    return register


def _pattern(row: table.Row) -> _Pattern:
    mask = fixed = 0
    variables = []
    for place, shift in zip(range(0, 8, 2), (24, 16, 8, 0), strict=True):
        pair = row.pattern[place : place + 2]
        if pair in table.VARIABLES:
            variables.append((shift, table.VARIABLES[pair]))
        else:
            mask |= 0xFF << shift
            fixed |= int(pair, 16) << shift
    return _Pattern(row=row, mask=mask, fixed=fixed, variables=tuple(variables))


def _by_class() -> dict[int, list[_Pattern]]:
    patterns: dict[int, list[_Pattern]] = {}
    for row in table.ROWS:
        pattern = _pattern(row)
        patterns.setdefault(pattern.fixed >> 24, []).append(pattern)
    return patterns


_PATTERNS: Final = _by_class()
