"""JSON of Daraja: typed reading of fields, where everything unexpected is one named refusal.

Numbers come as numbers, as texts, and with decimals that mean nothing; each is read to the last digit.
"""

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

from compuerta.domain.errors import Refused

JsonObject = Mapping[str, object]

ZONE = timezone(timedelta(hours=3))  # East Africa Time, all year
CURRENCY = "KES"
TEXT_CHARS_MAX = 1_000
AMOUNT_CENTS_MAX = 10**12
_AMOUNT = re.compile(r"(?P<whole>[0-9]{1,10})(?:\.(?P<cents>[0-9]{1,2})0*)?", re.ASCII)
_STAMP = re.compile(r"[0-9]{14}", re.ASCII)
_STAMP_FORM = "%Y%m%d%H%M%S"


class BodyMalformed(Refused):
    """A body, or one field of it, is not what the API says."""

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(f"{field}: {reason}")
        self.field = field
        self.reason = reason


def read_object(body: bytes) -> JsonObject:
    """Read a body as one JSON object in UTF-8; numbers with a point keep every digit."""
    try:
        value: object = json.loads(body.decode("utf-8"), parse_float=Decimal)
    except (ValueError, ArithmeticError, RecursionError) as error:
        raise BodyMalformed("body", "not JSON in UTF-8") from error
    return as_object(value, "body")


def write_object(fields: JsonObject) -> bytes:
    """Write a JSON object as the bytes to send."""
    return json.dumps(fields, ensure_ascii=True, separators=(",", ":")).encode("ascii")


def as_object(value: object, name: str) -> JsonObject:
    """Return what must be an object."""
    if not isinstance(value, dict):
        raise BodyMalformed(name, "must be an object")
    return value


def child(fields: JsonObject, name: str) -> JsonObject:
    """Return a field that must be an object."""
    return as_object(fields.get(name), name)


def text(fields: JsonObject, name: str) -> str:
    """Return a field that must be there, as text: Daraja writes the same field as number and as text."""
    value = text_or_empty(fields, name)
    if not value:
        raise BodyMalformed(name, "is missing")
    return value


def text_or_empty(fields: JsonObject, name: str) -> str:
    """Return a field that may be absent, null or empty, and is then ""."""
    value = fields.get(name)
    if value is None:
        return ""
    if isinstance(value, bool) or not isinstance(value, str | int | Decimal):
        raise BodyMalformed(name, "must be a text or a number")
    told = str(value).strip()
    if len(told) > TEXT_CHARS_MAX or not told.isprintable():
        raise BodyMalformed(name, f"must be a text of at most {TEXT_CHARS_MAX} characters")
    try:
        told.encode("utf-8")
    except UnicodeEncodeError as error:  # JSON can spell half a surrogate pair; UTF-8 cannot
        raise BodyMalformed(name, "holds half a character") from error
    return told


def amount_minor(fields: JsonObject, name: str) -> int:
    """Return an amount in cents, of a text such as "50.00" or a number such as 50.0; refuses half a cent."""
    found = _AMOUNT.fullmatch(text(fields, name))
    if found is None:
        raise BodyMalformed(name, "must be an amount such as 50.00")
    cents = int(found["whole"]) * 100 + int((found["cents"] or "0").ljust(2, "0"))
    if not 0 < cents <= AMOUNT_CENTS_MAX:
        raise BodyMalformed(name, "must be more than nothing, and less than all")
    return cents


def stamp(at: datetime) -> str:
    """Return an instant as Daraja spells it: 14 digits of East African time."""
    return at.astimezone(ZONE).strftime(_STAMP_FORM)


def instant(fields: JsonObject, name: str) -> datetime:
    """Return a field of 14 digits of East African time, as UTC."""
    told = text(fields, name)
    if not _STAMP.fullmatch(told):
        raise BodyMalformed(name, "must be 14 digits such as 20261122100205")
    try:
        return datetime.strptime(told, _STAMP_FORM).replace(tzinfo=ZONE).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise BodyMalformed(name, "no such instant") from error
