"""JSON of Stripe: typed reading of fields, where everything unexpected is one named refusal."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime

from compuerta.domain.errors import Refused

JsonObject = Mapping[str, object]

TEXT_CHARS_MAX = 5_000  # no id, state or metadata of Stripe is longer
UNITS_MAX = 10**14
_SECONDS_MAX = 253_402_300_799  # the end of the year 9999


class BodyMalformed(Refused):
    """A body, or one field of it, is not what the API says."""

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
    return as_object(value, "body")


def as_object(value: object, name: str) -> JsonObject:
    """Return what must be an object."""
    if not isinstance(value, dict):
        raise BodyMalformed(name, "must be an object")
    return value


def text(fields: JsonObject, name: str) -> str:
    """Return a field that must be a text."""
    value = text_or_empty(fields, name)
    if not value:
        raise BodyMalformed(name, "is missing")
    return value


def text_or_empty(fields: JsonObject, name: str) -> str:
    """Return a field that may be absent, null or empty, and is then ""."""
    value = fields.get(name)
    if value is None:
        return ""
    if not isinstance(value, str) or len(value) > TEXT_CHARS_MAX:
        raise BodyMalformed(name, f"must be a text of at most {TEXT_CHARS_MAX} characters")
    try:
        value.encode("utf-8")
    except UnicodeEncodeError as error:  # JSON can spell half a surrogate pair; UTF-8 cannot
        raise BodyMalformed(name, "holds half a character") from error
    if "\x00" in value:  # which no database's text holds
        raise BodyMalformed(name, "holds a NUL")
    return value


def whole(fields: JsonObject, name: str, *, least: int = 0) -> int:
    """Return a field that must be an integer, of money or of something counted."""
    value = fields.get(name)
    # True is an int to Python; to a ledger it is not.
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= UNITS_MAX:
        raise BodyMalformed(name, f"must be an integer from {least} to {UNITS_MAX}")
    return value


def flag(fields: JsonObject, name: str) -> bool:
    """Return a field that must be true or false."""
    value = fields.get(name)
    if not isinstance(value, bool):
        raise BodyMalformed(name, "must be true or false")
    return value


def instant(fields: JsonObject, name: str) -> datetime:
    """Return a field that must be seconds since 1970, as UTC."""
    return datetime.fromtimestamp(min(whole(fields, name), _SECONDS_MAX), UTC)


def currency(fields: JsonObject) -> str:
    """Return the currency as ISO 4217 spells it."""
    return text(fields, "currency").upper()


def child(fields: JsonObject, name: str) -> JsonObject:
    """Return a field that must be an object."""
    return as_object(fields.get(name), name)


def expanded(fields: JsonObject, name: str) -> JsonObject | None:
    """Return a field that is an object where it was asked for, and only the name of one where not."""
    value = fields.get(name)
    return value if isinstance(value, dict) else None


def id_of(fields: JsonObject, name: str) -> str:
    """Return the name of another object, whether or not the object itself was asked for; "" for none."""
    found = expanded(fields, name)
    return text_or_empty(fields, name) if found is None else text(found, "id")


def children(fields: JsonObject, name: str) -> list[JsonObject]:
    """Return a field that must be a list of objects."""
    value = fields.get(name)
    if not isinstance(value, list):
        raise BodyMalformed(name, "must be a list")
    return [as_object(each, name) for each in value]
