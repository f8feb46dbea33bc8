"""What strangers write: JSON, yuan and Beijing time; everything unexpected is one named refusal."""

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, timezone

from compuerta.domain.errors import Refused

JsonObject = Mapping[str, object]
Texts = Mapping[str, str]

FEN_MAX = 10_000_000_000  # 100,000,000.00 yuan: the most that Alipay takes
BEIJING = timezone(timedelta(hours=8))

_YUAN = re.compile(r"-?(0|[1-9][0-9]{0,8})(\.[0-9]{1,2})?", re.ASCII)
_INSTANT = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,3})?", re.ASCII)


class BodyMalformed(Refused):
    """A body, or one field of it, is not what the protocol says."""

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(f"{field}: {reason}")
        self.field = field
        self.reason = reason


def read_object(text: str) -> JsonObject:
    """Read a text as one JSON object."""
    try:
        value: object = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise BodyMalformed("body", "not JSON") from error
    if not isinstance(value, dict):
        raise BodyMalformed("body", "must be an object")
    return value


def write_object(fields: JsonObject) -> str:
    """Write a JSON object as the text to sign and to send."""
    return json.dumps(fields, ensure_ascii=False, separators=(",", ":"))


def text(fields: JsonObject, name: str, *, chars_max: int = 256) -> str:
    """Return a field that must be a text of 1 to `chars_max` characters."""
    value = fields.get(name)
    if not isinstance(value, str) or not 1 <= len(value) <= chars_max:
        raise BodyMalformed(name, f"must be a text of 1 to {chars_max} characters")
    return _storable(value, name)


def text_or_empty(fields: JsonObject, name: str, *, chars_max: int = 256) -> str:
    """Return a field that may be absent or empty, and is then ""."""
    value = fields.get(name, "")
    if not isinstance(value, str) or len(value) > chars_max:
        raise BodyMalformed(name, f"must be a text of at most {chars_max} characters")
    return _storable(value, name)


def fen(fields: JsonObject, name: str, *, least: int = 1, most: int = FEN_MAX) -> int:
    """Return a field that must be yuan with at most two decimals, as fen; half a fen is refused."""
    value = text(fields, name, chars_max=16)
    if not _YUAN.fullmatch(value):
        raise BodyMalformed(name, "must be yuan such as 100.00, with no part of a fen")
    whole, _, part = value.partition(".")
    amount = int(whole + part.ljust(2, "0"))
    if not least <= amount <= most:
        raise BodyMalformed(name, f"must be from {least} to {most} fen")
    return amount


def yuan(amount_fen: int) -> str:
    """Write fen as yuan with two decimals."""
    sign, amount = "-" if amount_fen < 0 else "", abs(amount_fen)
    return f"{sign}{amount // 100}.{amount % 100:02d}"


def instant(fields: JsonObject, name: str) -> datetime:
    """Return a field that must be a time in Beijing, as UTC; what is below a second is cut off."""
    value = text(fields, name, chars_max=32)
    if not _INSTANT.fullmatch(value):
        raise BodyMalformed(name, "must be a time such as 2026-11-22 10:00:05")
    try:
        return datetime.fromisoformat(f"{value[:19]}+08:00").astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise BodyMalformed(name, "no such time") from error


def write_instant(at: datetime) -> str:
    """Write an instant as Beijing's time, to the second."""
    return at.astimezone(BEIJING).strftime("%Y-%m-%d %H:%M:%S")


def _storable(value: str, name: str) -> str:
    # JSON can spell half a surrogate pair, which UTF-8 cannot; no database's text holds a NUL.
    if "\x00" in value or (not value.isascii() and any("\ud800" <= each <= "\udfff" for each in value)):
        raise BodyMalformed(name, "holds what is no character")
    return value
