"""JSON of strangers: typed reading of fields, where everything unexpected is one named refusal."""

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime

from compuerta.domain.errors import Refused

JsonObject = Mapping[str, object]

_INSTANT = re.compile(
    r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d{1,6})?(Z|[+-]\d{2}:\d{2})", re.ASCII
)  # RFC 3339


class BodyMalformed(Refused):
    """A body, or one field of it, is not what the protocol says."""

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(f"{field}: {reason}")
        self.field = field
        self.reason = reason


def read_object(body: bytes) -> JsonObject:
    """Read a body as one JSON object in UTF-8."""
    try:
        value: object = json.loads(body.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise BodyMalformed("body", "not JSON in UTF-8") from error
    return _as_object(value, "body")


def write_object(fields: JsonObject) -> bytes:
    """Write a JSON object as the bytes to sign and to send."""
    return json.dumps(fields, ensure_ascii=False, separators=(",", ":")).encode("utf-8")


def text(fields: JsonObject, name: str, *, chars_max: int) -> str:
    """Return a field that must be a text of 1 to `chars_max` characters."""
    value = fields.get(name)
    if not isinstance(value, str) or not 1 <= len(value) <= chars_max:
        raise BodyMalformed(name, f"must be a text of 1 to {chars_max} characters")
    return _encodable(value, name)


def text_or_empty(fields: JsonObject, name: str, *, chars_max: int) -> str:
    """Return a field that may be absent or empty, and is then ""."""
    value = fields.get(name, "")
    if not isinstance(value, str) or len(value) > chars_max:
        raise BodyMalformed(name, f"must be a text of at most {chars_max} characters")
    return _encodable(value, name)


def whole(fields: JsonObject, name: str, *, least: int, most: int) -> int:
    """Return a field that must be an integer between two bounds, both included."""
    value = fields.get(name)
    # True is an int to Python; to a ledger it is not.
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
        raise BodyMalformed(name, f"must be an integer from {least} to {most}")
    return value


def instant(fields: JsonObject, name: str) -> datetime:
    """Return a field that must be an RFC 3339 instant, as UTC."""
    value = text(fields, name, chars_max=40)
    if not _INSTANT.fullmatch(value):
        raise BodyMalformed(name, "must be an instant such as 2026-11-22T10:00:05+08:00")
    try:
        return datetime.fromisoformat(value).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise BodyMalformed(name, "no such instant") from error


def child(fields: JsonObject, name: str) -> JsonObject:
    """Return a field that must be an object."""
    return _as_object(fields.get(name), name)


def _as_object(value: object, name: str) -> JsonObject:
    if not isinstance(value, dict):
        raise BodyMalformed(name, "must be an object")
    return value


def _encodable(value: str, name: str) -> str:
    try:
        value.encode("utf-8")
    except UnicodeEncodeError as error:  # JSON can spell half a surrogate pair; UTF-8 cannot
        raise BodyMalformed(name, "holds half a character") from error
    if "\x00" in value:  # which no database's text holds
        raise BodyMalformed(name, "holds a NUL")
    return value
