"""Columns in PostgreSQL's binary form: arrays come out whole, and rows go in by COPY.

A row costs nothing here but its bytes: whole columns are laid side by side by numpy. Nothing is parsed or
written one by one, and nothing is null: who has nulls copies those rows apart, without the column.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import psycopg
from numpy.typing import NDArray
from psycopg.abc import AdaptContext, Buffer
from psycopg.adapt import Dumper
from psycopg.pq import Format

Int64s = NDArray[np.int64]

# PostgreSQL counts its microseconds from 2000-01-01.
EPOCH_US = 946_684_800_000_000
_INT8_OID, _INT8_ARRAY_OID, _TEXT_OID = 20, 1016, 25
_HEAD_BYTES, _DIMENSION_BYTES = 12, 8
_AS_THE_OWNER = "select set_config('compuerta.role', current_user, true), set_config('role', 'none', true)"
_AS_BEFORE = "select set_config('role', current_setting('compuerta.role'), true)"
_HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)
_TRAILER = b"\xff\xff"
_ARRAY_HEAD = [("dimensions", ">i4"), ("has_null", ">i4"), ("oid", ">i4"), ("count", ">i4"), ("first", ">i4")]


class Int64Loader:
    """This will read bigint[] and timestamptz[] as arrays; the latter in microseconds since 2000."""

    format = Format.BINARY
    _item = ">i8"

    def __init__(self, oid: int, context: AdaptContext | None = None) -> None:
        """Take what psycopg hands over; nothing of it matters."""

    def load(self, value: Buffer) -> NDArray[Any]:
        """Turn one array, of any number of dimensions and without nulls, into numpy's."""
        count = int(np.frombuffer(value, ">i4", 1)[0])
        lengths = np.frombuffer(value, ">i4", 2 * count, _HEAD_BYTES)[::2]
        layout = np.dtype([("bytes", ">i4"), ("item", self._item)])
        items = np.frombuffer(value, layout, offset=_HEAD_BYTES + _DIMENSION_BYTES * count)
        native = np.dtype(self._item).newbyteorder("=")
        return items["item"].astype(native).reshape(lengths.tolist() if count else [0])


class Int32Loader(Int64Loader):
    """This will read integer[] as arrays. (It inherits, since only the width differs.)"""

    _item = ">i4"


class Int64Dumper(Dumper):
    """This will write an array as bigint[]. (It inherits, as psycopg asks for.)"""

    format = Format.BINARY
    oid = _INT8_ARRAY_OID

    def dump(self, obj: Int64s) -> bytes:
        """Turn an array of one dimension into PostgreSQL's bytes."""
        items = np.empty(len(obj), [("bytes", ">i4"), ("item", ">i8")])
        items["bytes"], items["item"] = 8, obj
        return np.array([1, 0, _INT8_OID, len(obj), 1], ">i4").tobytes() + items.tobytes()


def speak_arrays(cursor: psycopg.Cursor[Any]) -> None:
    """Let a cursor take and give arrays as numpy's."""
    cursor.adapters.register_dumper(np.ndarray, Int64Dumper)
    types = cursor.adapters.types
    for name in ("int8", "timestamptz"):
        cursor.adapters.register_loader(types[name].array_oid, Int64Loader)
    cursor.adapters.register_loader(types["int4"].array_oid, Int32Loader)


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One column of rows that all have the same length in bytes."""

    name: str
    layout: np.dtype[Any]
    values: Any  # an array of that layout, or one value for all rows


def bigints(name: str, values: Int64s) -> Field:
    """Write bigint."""
    return Field(name=name, layout=np.dtype(">i8"), values=values)


def integers(name: str, values: Int64s) -> Field:
    """Write integer."""
    return Field(name=name, layout=np.dtype(">i4"), values=values)


def instants(name: str, values_us: Int64s | int) -> Field:
    """Write timestamptz, of microseconds since 1970."""
    return Field(name=name, layout=np.dtype(">i8"), values=values_us - EPOCH_US)


def uuids(name: str, values: NDArray[np.uint8]) -> Field:
    """Write uuid, of sixteen bytes each."""
    return Field(name=name, layout=np.dtype((np.uint8, (16,))), values=values)


def text(name: str, value: str) -> Field:
    """Write one text in all rows."""
    letters = value.encode()
    return Field(name=name, layout=np.dtype(f"V{len(letters)}"), values=np.void(letters))


def bigint_arrays(name: str, values: Int64s) -> Field:
    """Write bigint[], of one length in all rows."""
    rows, count = values.shape
    layout = np.dtype([*_ARRAY_HEAD, ("items", [("bytes", ">i4"), ("item", ">i8")], (count,))])
    arrays = np.empty(rows, layout)
    for part, value in zip(
        ("dimensions", "has_null", "oid", "count", "first"), (1, 0, _INT8_OID, count, 1), strict=True
    ):
        arrays[part] = value
    arrays["items"]["bytes"], arrays["items"]["item"] = 8, values
    return Field(name=name, layout=layout, values=arrays)


def text_array(name: str, values: Sequence[str]) -> Field:
    """Write one text[] in all rows."""
    head = np.array([1, 0, _TEXT_OID, len(values), 1], ">i4").tobytes()
    items = [value.encode() for value in values]
    whole = head + b"".join(len(item).to_bytes(4, "big") + item for item in items)
    return Field(name=name, layout=np.dtype(f"V{len(whole)}"), values=np.void(whole))


def copy_in(cursor: psycopg.Cursor[Any], table: str, fields: Sequence[Field], *, rows: int) -> None:
    """Write rows into a table; columns that are not named take their defaults."""
    if not rows:
        return
    parts: list[tuple[str, Any]] = [("fields", ">i2")]
    for field in fields:
        parts += [(f"{field.name} bytes", ">i4"), (field.name, field.layout)]
    lines = np.empty(rows, np.dtype(parts))
    lines["fields"] = len(fields)
    for field in fields:
        lines[f"{field.name} bytes"] = field.layout.itemsize
        lines[field.name] = field.values
    names = ", ".join(field.name for field in fields)
    # COPY is refused to roles that policies apply to, be they open to all rows: it goes in as the owner, for
    # this one statement; the tables' own guards are triggers.
    cursor.execute(_AS_THE_OWNER)
    with cursor.copy(f"copy {table} ({names}) from stdin (format binary)") as copy:
        copy.write(_HEADER)
        copy.write(lines.tobytes())
        copy.write(_TRAILER)
    cursor.execute(_AS_BEFORE)
