"""The form of warnings: levels, quiet hours, channels and staff, between fields and a policy document."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Final

from django.http import QueryDict

from compuerta.apps.console import amounts
from compuerta.domain.errors import Refused
from compuerta.domain.money import format_minor
from compuerta.domain.policy import (
    AMOUNT_MINOR_MAX,
    CHANNELS,
    LEVELS_MAX,
    Json,
    Level,
    LevelKind,
    PolicyFaulty,
)

FIELDS: Final = ("levels", "quiet", "channels", "tells_staff")
BLANK_ROWS: Final = 3
_WH: Final = 1_000
_HOURS: Final = 24
INHERITED: Final = ""  # what a scope says nothing about is as above


@dataclass(frozen=True, slots=True, kw_only=True)
class LevelRow:
    """One level as people write it: money in major units, energy in kWh, time in days."""

    kind: str = LevelKind.MONEY.value
    text: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class WarningForm:
    """What the form shows; empty choices are inherited."""

    own_levels: bool
    levels: Sequence[LevelRow]
    quiet: str  # "", "none" or "hours"
    quiet_start: str
    quiet_end: str
    channels: Sequence[str]
    tells_staff: str  # "", "yes" or "no"


def shown(document: Mapping[str, Json], *, currency: str) -> WarningForm:
    """Return the form of what a scope has settled."""
    levels, quiet = document.get("levels"), document.get("quiet")
    start, _, end = quiet.partition("-") if isinstance(quiet, str) else ("22:00", "", "07:00")
    rows = [_row(each, currency) for each in levels] if isinstance(levels, list) else []
    channels = document.get("channels")
    named = [str(each) for each in channels] if isinstance(channels, list) else []
    staff = document.get("tells_staff")
    return WarningForm(
        own_levels=isinstance(levels, list),
        levels=[*rows, *[LevelRow()] * min(BLANK_ROWS, LEVELS_MAX - len(rows))],
        quiet=INHERITED if "quiet" not in document else "none" if quiet is None else "hours",
        quiet_start=start,
        quiet_end=end,
        channels=[*named, *[""] * (len(CHANNELS) - len(named))],
        tells_staff=INHERITED if not isinstance(staff, bool) else "yes" if staff else "no",
    )


def typed(post: QueryDict) -> WarningForm:
    """Return the form as somebody has filled it in."""
    pairs = zip(post.getlist("kind"), post.getlist("value"), strict=False)
    rows = [LevelRow(kind=kind, text=text.strip()) for kind, text in pairs if text.strip()][:LEVELS_MAX]
    return WarningForm(
        own_levels=bool(post.get("own_levels")),
        levels=[*rows, *[LevelRow()] * min(BLANK_ROWS, LEVELS_MAX - len(rows))],
        quiet=post.get("quiet", INHERITED),
        quiet_start=post.get("quiet_start", ""),
        quiet_end=post.get("quiet_end", ""),
        channels=post.getlist("channel")[: len(CHANNELS)],
        tells_staff=post.get("tells_staff", INHERITED),
    )


def document_of(form: WarningForm, *, currency: str) -> dict[str, Json]:
    """Return what a form settles; refuses, by the field, what cannot be read."""
    document: dict[str, Json] = {}
    if form.own_levels:
        document["levels"] = [_level(row, currency) for row in form.levels if row.text]
    if form.quiet == "none":
        document["quiet"] = None
    elif form.quiet == "hours":
        document["quiet"] = f"{form.quiet_start}-{form.quiet_end}"
    channels = list(dict.fromkeys(each for each in form.channels if each))
    if channels:
        document["channels"] = channels
    if form.tells_staff:
        document["tells_staff"] = form.tells_staff == "yes"
    return document


def written(level: Level, *, currency: str) -> str:
    """Return a level's value as people write it."""
    match level.kind:
        case LevelKind.MONEY:
            return format_minor(level.value, currency=currency)
        case LevelKind.ENERGY:
            return _plain(Decimal(level.value) / _WH)
        case LevelKind.DAYS:
            return _plain(Decimal(level.value) / _HOURS)


def _row(each: Json, currency: str) -> LevelRow:
    assert isinstance(each, Mapping)
    kind, value = LevelKind(str(each["kind"])), each["value"]
    assert isinstance(value, int)
    return LevelRow(kind=kind.value, text=written(Level(kind=kind, value=value), currency=currency))


def _level(row: LevelRow, currency: str) -> dict[str, Json]:
    if row.kind == LevelKind.MONEY.value:
        try:
            return {"kind": row.kind, "value": amounts.typed(row.text, currency=currency)}
        except Refused as error:
            raise PolicyFaulty("levels", str(error)) from error
    unit = _WH if row.kind == LevelKind.ENERGY.value else _HOURS
    try:
        value = Decimal(row.text.replace(",", ".")) * unit
    except InvalidOperation:
        raise PolicyFaulty("levels", f"{row.text!r}: write a number such as 10 or 2.5") from None
    # Compared before it is made an int: a few letters such as 1e999999 are a million digits.
    if not value.is_finite() or not 0 < value <= AMOUNT_MINOR_MAX:
        raise PolicyFaulty("levels", f"{row.text!r}: write a number above 0 that a balance may have")
    if value != value.to_integral_value():
        raise PolicyFaulty("levels", f"{row.text!r}: too fine; write whole Wh, or whole hours of a day")
    return {"kind": row.kind, "value": int(value)}


def _plain(number: Decimal) -> str:
    return f"{number.normalize():f}"
