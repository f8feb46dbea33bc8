"""What Acrel's meters and gateways say by MQTT: JSON under topics that name sender, product, kind and serial.

    /gw/acrelHW/{product}/{kind}/{serial}      from the device
    /server/acrelHW/{product}/{kind}/{serial}  to it

Published in full: login and its answer, the parameters that a meter reports, and the question for the time
without its answer. Of the other kinds only the names are published (data, hstdata, heart, event, control,
transport ...): they are recognised, and their fields are kept as they came.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from compuerta.wire.acrel.frame import ProtocolError

PAYLOAD_BYTES_MAX: Final = 8_192
FIELDS_MAX: Final = 128
_COMPANY: Final = "acrelHW"
_FROM_DEVICE: Final = "gw"
_TO_DEVICE: Final = "server"
_ANSWERED: Final = frozenset({"login", "para"})  # with {"type": ..., "res": 1}, as published
_NAME_CHARS_MAX: Final = 64

Value = str | int | bool | None  # of a field; numbers with a point are kept as text, lists and objects too


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A topic in its parts."""

    product: str
    kind: str
    serial_no: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What a device says."""

    place: Place
    meter_serial_no: str | None  # of the meter behind a gateway, where it is not the device itself
    fields: Mapping[str, Value]

    @property
    def signal_percent(self) -> int | None:
        """How well the device hears its mast, where it says so."""
        rssi = self.fields.get("rssi")
        return rssi if isinstance(rssi, int) and 0 <= rssi <= 100 else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """A topic with its payload."""

    topic: str
    payload: bytes


def parse(letter: Letter) -> Report:
    """Return what a device says; raises `ProtocolError` for whatever is not of this form.

    The device is who the topic names: a broker that lets each device write its own topics only has proved it.
    """
    place = _place(letter.topic)
    fields = _fields(letter.payload)
    said = fields.get("type", place.kind)
    if said != place.kind:
        raise ProtocolError(f"calls itself {said!r} under the topic of {place.kind!r}", octets=letter.payload)
    if fields.get("gwSN", place.serial_no) != place.serial_no:
        raise ProtocolError("speaks in the name of another device", octets=letter.payload)
    meter = fields.get("meterSN")
    return Report(place=place, meter_serial_no=meter if isinstance(meter, str) else None, fields=fields)


def answer(report: Report) -> Letter | None:
    """Return what `report` is answered with; None where it wants no answer, or none was published."""
    if report.place.kind not in _ANSWERED:
        return None
    return Letter(
        topic=topic_of(report.place),
        payload=json.dumps({"type": report.place.kind, "res": 1}, separators=(",", ":")).encode(),
    )


def topic_of(place: Place) -> str:
    """Return the topic by which a device hears."""
    return f"/{_TO_DEVICE}/{_COMPANY}/{place.product}/{place.kind}/{place.serial_no}"


def _place(topic: str) -> Place:
    parts = topic.split("/")
    if len(parts) != 6 or parts[:3] != ["", _FROM_DEVICE, _COMPANY]:
        raise ProtocolError("is no topic of a device")
    for part in parts[3:]:
        if not 0 < len(part) <= _NAME_CHARS_MAX or not part.isascii() or not part.isprintable():
            raise ProtocolError("has a topic with a part that is no name")
    return Place(product=parts[3], kind=parts[4], serial_no=parts[5])


def _fields(payload: bytes) -> dict[str, Value]:
    if len(payload) > PAYLOAD_BYTES_MAX:
        raise ProtocolError(f"more than {PAYLOAD_BYTES_MAX} bytes")
    try:
        found = json.loads(payload, parse_float=str, parse_constant=str)
        json.dumps(found, ensure_ascii=False).encode()  # JSON can spell half a surrogate pair; UTF-8 cannot
    except (ValueError, RecursionError) as error:
        raise ProtocolError("is no JSON", octets=payload[:64]) from error
    if not isinstance(found, dict) or len(found) > FIELDS_MAX:
        raise ProtocolError(f"is no object of at most {FIELDS_MAX} fields", octets=payload[:64])
    return {name: _kept(value) for name, value in found.items()}


def _kept(value: object) -> Value:
    if value is None or isinstance(value, str | int):
        return value
    return json.dumps(value, ensure_ascii=False)
