"""SenML as LwM2M uses it (RFC 8428, LwM2M 1.1 7.4.4 and 7.4.5): JSON and CBOR, base names resolved."""

import base64
import binascii
import json
from collections.abc import Mapping
from decimal import Decimal
from io import BytesIO
from math import isfinite
from numbers import Real
from typing import Final

import cbor2

from compuerta.wire.lwm2m.values import RECORDS_MAX, Plain, ProtocolError, Value

# RFC 8428 6, table 4: in CBOR the names are numbers.
_NUMBERS: Final = {-2: "bn", -3: "bt", -4: "bu", 0: "n", 1: "u", 2: "v", 3: "vs", 4: "vb", 8: "vd"}
_VALUES: Final = ("v", "vs", "vb", "vd")
_JSON_DIGITS_MAX: Final = 64  # of one number: a longer one costs more to read than it can mean


def from_json(octets: bytes) -> dict[str, Value]:
    """Read records of `application/senml+json` by their full names."""
    try:
        pack: object = json.loads(octets, parse_int=_integer, parse_float=_decimal, parse_constant=_refused)
    except (ValueError, RecursionError) as error:
        raise ProtocolError("not JSON", octets=octets) from error
    return _resolved(pack)


def from_cbor(octets: bytes) -> dict[str, Value]:
    """Read records of `application/senml+cbor` by their full names."""
    with BytesIO(octets) as stream:
        try:
            pack: object = cbor2.load(stream)
        except (cbor2.CBORDecodeError, ValueError, RecursionError, OverflowError, TypeError) as error:
            raise ProtocolError("not CBOR", octets=octets) from error
        if stream.read(1):
            raise ProtocolError("more than one CBOR item", octets=octets)
    if isinstance(pack, list):
        pack = [
            {_NUMBERS.get(name, name): value for name, value in each.items()}
            if isinstance(each, Mapping)
            else each
            for each in pack
        ]
    return _resolved(pack)


def to_json(records: Mapping[str, Plain]) -> bytes:
    """Write records in JSON; bytes go as base64url without padding (RFC 8428 4.2)."""
    pack = []
    for name, value in records.items():
        written = base64.urlsafe_b64encode(value).rstrip(b"=").decode() if isinstance(value, bytes) else value
        pack.append({"n": name, _kind(value): written})
    return json.dumps(pack, separators=(",", ":")).encode()


def to_cbor(records: Mapping[str, Plain]) -> bytes:
    """Write records in CBOR."""
    number = {name: no for no, name in _NUMBERS.items()}
    return cbor2.dumps([{0: name, number[_kind(value)]: value} for name, value in records.items()])


def _resolved(pack: object) -> dict[str, Value]:
    if not isinstance(pack, list) or len(pack) > RECORDS_MAX:
        raise ProtocolError("not a list of records")
    records: dict[str, Value] = {}
    base = ""
    for each in pack:
        if not isinstance(each, Mapping):
            raise ProtocolError("a record that is none")
        base = _text(each.get("bn", base))
        name = base + _text(each.get("n", ""))
        found = [(kind, each[kind]) for kind in _VALUES if kind in each]
        if len(found) > 1 or name in records:
            raise ProtocolError(f"{name[:80]!r} twice")
        if found:
            records[name] = _value(*found[0])
    return records


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise ProtocolError("a name that is no text")
    return value


def _value(kind: str, value: object) -> Value:
    match kind, value:
        case "v", bool():
            raise ProtocolError("a truth where a number belongs")
        case ("v", int() | Decimal()) | ("vs", str()) | ("vb", bool()) | ("vd", bytes()):
            assert isinstance(value, int | Decimal | str | bytes)
            return value
        case "v", Real() if isfinite(value):  # binary numbers of CBOR
            return Decimal(repr(value))
        case "vd", str():
            try:
                return base64.urlsafe_b64decode(value + "=" * (-len(value) % 4))
            except (binascii.Error, ValueError) as error:
                raise ProtocolError("not base64") from error
        case _:
            raise ProtocolError(f"a value of the wrong kind for {kind}")


def _kind(value: Plain) -> str:
    if isinstance(value, bool):
        return "vb"
    if isinstance(value, bytes):
        return "vd"
    return "vs" if isinstance(value, str) else "v"


def _integer(digits: str) -> int:
    if len(digits) > _JSON_DIGITS_MAX:
        raise ValueError(digits[:_JSON_DIGITS_MAX])
    return int(digits)


def _decimal(digits: str) -> Decimal:
    if len(digits) > _JSON_DIGITS_MAX:
        raise ValueError(digits[:_JSON_DIGITS_MAX])
    return Decimal(digits)


def _refused(constant: str) -> int:
    raise ValueError(constant)
