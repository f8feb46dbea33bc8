"""Fields: what people type into a form, read in one way: whole numbers, energy, instants."""

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Final

from compuerta.domain.errors import Refused
from compuerta.domain.party import zone_of

Form = Mapping[str, str]
# No register has more digits. Bounded as text: a few letters such as 1e999999 are a million digits.
_LETTERS_MAX: Final = 12
_WHOLE_MAX: Final = 2**31


class FieldOdd(Refused):
    """A field of the form that cannot be read."""

    def __init__(self, field: str) -> None:
        super().__init__(f"{field} cannot be read")
        self.field = field


def whole(form: Form, field: str) -> int | None:
    """Read a whole number, 0 or more; nothing typed is None."""
    text = form.get(field, "").strip()
    if not text:
        return None
    if not (text.isascii() and text.isdigit()) or len(text) > _LETTERS_MAX or int(text) > _WHOLE_MAX:
        raise FieldOdd(field)
    return int(text)


def energy_wh(form: Form, field: str) -> int | None:
    """Read kilowatt-hours as watt-hours, 0 or more; a decimal comma is a point, and nothing typed is None."""
    text = form.get(field, "").strip().replace(",", ".")
    if not text:
        return None
    if len(text) > _LETTERS_MAX:
        raise FieldOdd(field)
    try:
        energy = Decimal(text)
    except InvalidOperation:
        raise FieldOdd(field) from None
    if not energy.is_finite() or energy.adjusted() > _LETTERS_MAX or energy < 0 or energy * 1000 % 1:
        raise FieldOdd(field)
    return int(energy * 1000)


def instant(form: Form, field: str, *, zone: str) -> datetime | None:
    """Read an instant as the site's clocks show it, unless it names another offset; nothing typed is None."""
    text = form.get(field, "").strip()
    if not text:
        return None
    try:
        read = datetime.fromisoformat(text)
        return read.replace(tzinfo=read.tzinfo or zone_of(zone)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise FieldOdd(field) from None
