"""`compuerta decode coap`: what a CoAP datagram says, and LwM2M and the meter's frame inside it."""

import json
from collections.abc import Mapping
from decimal import Decimal
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from compuerta.apps.captures import octets_of
from compuerta.wire import coap
from compuerta.wire.coap.options import NUMBERS, TEXTS, Option, block_of, number_of, texts_of
from compuerta.wire.dlt645.decode import explain
from compuerta.wire.lwm2m import objects, senml, tlv, values
from compuerta.wire.lwm2m.objects import ContentFormat
from compuerta.wire.lwm2m.registration import RegistrationMalformed, links_to, registration_of

_NAMES = {
    Option.IF_MATCH: "If-Match",
    Option.URI_HOST: "Uri-Host",
    Option.ETAG: "ETag",
    Option.IF_NONE_MATCH: "If-None-Match",
    Option.OBSERVE: "Observe",
    Option.URI_PORT: "Uri-Port",
    Option.LOCATION_PATH: "Location-Path",
    Option.URI_PATH: "Uri-Path",
    Option.CONTENT_FORMAT: "Content-Format",
    Option.MAX_AGE: "Max-Age",
    Option.URI_QUERY: "Uri-Query",
    Option.ACCEPT: "Accept",
    Option.LOCATION_QUERY: "Location-Query",
    Option.BLOCK2: "Block2",
    Option.BLOCK1: "Block1",
    Option.SIZE2: "Size2",
    Option.PROXY_URI: "Proxy-Uri",
    Option.PROXY_SCHEME: "Proxy-Scheme",
    Option.SIZE1: "Size1",
}
_METHODS = {1: "GET", 2: "POST", 3: "PUT", 4: "DELETE"}


def decode(
    text: Annotated[str, typer.Argument(metavar="HEX", help="one datagram in hexadecimal")],
    as_json: Annotated[bool, typer.Option("--json", help="print JSON")] = False,
) -> None:
    """Tell what a CoAP datagram says: header, options, blocks, LwM2M values, and the meter's frame inside."""
    told = explained(coap.decode(octets_of(text)))
    if as_json:
        typer.echo(json.dumps(told, ensure_ascii=False))
        return
    table = Table("field", "value")
    for name, value in told.items():
        if value not in (None, "", [], {}):
            table.add_row(name, Text(value if isinstance(value, str) else json.dumps(value)))
    Console().print(table)


def explained(message: coap.Message) -> dict[str, object]:
    """Return what a message says, ready for JSON; refuses options that cannot be read."""
    form = number_of(message, Option.CONTENT_FORMAT)
    path = texts_of(message, Option.URI_PATH)
    name = coap.code_name(message.code)
    return {
        "kind": message.kind.name,
        "code": f"{name} {_METHODS[message.code]}" if message.code in _METHODS else name,
        "message_id": message.message_id,
        "token_hex": message.token.hex(),
        "options": [_option(number, value) for number, value in message.options],
        "path": "".join(f"/{part}" for part in path),
        "path_name": objects.name_of(path),
        "observe": number_of(message, Option.OBSERVE),
        "block1": _block(message, Option.BLOCK1),
        "block2": _block(message, Option.BLOCK2),
        "content_format": _form(form),
        "payload_hex": message.payload.hex(),
        "registration": _registration(message),
        "values": _values(message.payload, form, path),
        "frames": [
            {"address": each.address, "control": each.control, "meaning": each.meaning}
            for each in explain(message.payload)
        ],
    }


def _option(number: int, value: bytes) -> dict[str, object]:
    known = next((option for option in Option if option == number), None)
    named = {"number": number, "name": "" if known is None else _NAMES[known]}
    if known in TEXTS:
        return {**named, "value": value.decode(errors="replace")}
    if known in NUMBERS:
        return {**named, "value": int.from_bytes(value, "big")}
    return {**named, "value_hex": value.hex()}


def _block(message: coap.Message, option: Option) -> dict[str, object] | None:
    block = block_of(message, option)
    return None if block is None else {"no": block.no, "more": block.more, "size": block.size}


def _form(number: int | None) -> dict[str, object] | None:
    if number is None:
        return None
    known = {int(form): form.name.lower() for form in ContentFormat}
    return {"number": number, "name": known.get(number, "")}


def _registration(message: coap.Message) -> dict[str, object] | None:
    """What a device says of itself, where this is a registration."""
    if texts_of(message, Option.URI_PATH) != objects.REGISTRATION or not message.is_request:
        return None
    try:
        said = registration_of(texts_of(message, Option.URI_QUERY), message.payload)
    except RegistrationMalformed as refusal:
        return {"refused": str(refusal)}
    links = links_to(said.objects).decode()
    return {"name": said.name, "lifetime_s": said.lifetime_s, "sleeps": said.sleeps, "objects": links}


def _values(payload: bytes, form: int | None, path: objects.Path) -> list[dict[str, object]]:
    """The values of LwM2M in a payload, by path and name; none where it holds none."""
    try:
        match form:
            case ContentFormat.SENML_JSON:
                found: Mapping[str, values.Value] = senml.from_json(payload)
            case ContentFormat.SENML_CBOR:
                found = senml.from_cbor(payload)
            case ContentFormat.TLV:
                found = _flat(tlv.decode(payload), "".join(f"/{part}" for part in path))
            case _:
                return []
    except values.ProtocolError as refusal:
        return [{"refused": str(refusal)}]
    return [
        {"path": at, "name": objects.name_of(objects.path_of(at)), **_value(value)}
        for at, value in found.items()
    ]


def _value(value: values.Value) -> dict[str, object]:
    """TLV does not say of which kind a value is: its bytes, and the number that they would be."""
    if not isinstance(value, bytes):
        return {"value": str(value) if isinstance(value, Decimal) else value}
    number = tlv.integer_of(value) if len(value) in tlv.INTEGER_BYTES else None
    return {"value_hex": value.hex(), "number": number}


def _flat(entries: tuple[tlv.Entry, ...], under: str) -> dict[str, values.Value]:
    found: dict[str, values.Value] = {}
    for entry in entries:
        at = f"{under}/{entry.number}"
        if entry.entries:
            found |= _flat(entry.entries, at)
        else:
            found[at] = entry.value
    return found
