"""Wording: what is told in which words, in three languages; an organisation's own words may replace ours.

Each kind of message has its fields and no others: a field that nobody fills is refused by its name when the
words are written, and not met when they are sent. `{address}` stays: only who sends knows how this house is
reached, and a pay link begins with it.
"""

import re
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from enum import Enum
from types import MappingProxyType
from typing import Final
from zoneinfo import ZoneInfo

from compuerta.domain.contact import Language
from compuerta.domain.errors import Refused
from compuerta.domain.money import format_minor
from compuerta.domain.our_words import ALARMS, MONTHS, OURS, REASONS, WEEKDAYS

SUBJECT_CHARS_MAX: Final = 120
BODY_CHARS_MAX: Final = 2_000
ADDRESS: Final = "{address}"
_FIELD = re.compile(r"\{([^{}]*)\}")
_DAYS_NAMED: Final = 6  # further ahead the name of a weekday is of two days
_SYMBOLS: Final[Mapping[str, str]] = MappingProxyType({"CNY": "¥", "EUR": "€", "USD": "$", "GBP": "£"})


class TemplateFaulty(Refused):
    """Words that cannot be sent; the field is named."""

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(f"{field}: {reason}")
        self.field = field
        self.reason = reason


class Told(Enum):
    """What is told."""

    WARNING = "warning"
    LAST_CHANCE = "last_chance"
    CUT = "cut"
    RESTORED = "restored"
    EMERGENCY = "emergency"
    TEMPORARY = "temporary"
    PAYMENT = "payment"
    WELCOME = "welcome"
    ALARM = "alarm"
    CONFIRM = "confirm"
    DAILY_REPORT = "daily_report"


_PAYING: Final = ("place", "balance", "pay_link")
FIELDS: Final[Mapping[Told, tuple[str, ...]]] = MappingProxyType(
    {
        Told.WARNING: (*_PAYING, "zero_at"),
        Told.LAST_CHANCE: (*_PAYING, "until"),
        Told.CUT: (*_PAYING, "reason"),
        Told.RESTORED: ("place", "balance"),
        Told.EMERGENCY: (*_PAYING, "amount"),
        Told.TEMPORARY: ("place", "balance", "until"),
        Told.PAYMENT: ("place", "balance", "amount", "receipt_link"),
        Told.WELCOME: ("place", "pay_link"),
        Told.ALARM: ("place", "alarm", "severity", "at"),
        Told.CONFIRM: ("place", "code"),
        Told.DAILY_REPORT: (
            "place",
            "day",
            "energy",
            "received",
            "charged",
            "missing",
            "alarms",
            "anchor",
            "note",
            "report_link",
        ),
    }
)
URGENT: Final = frozenset({Told.LAST_CHANCE, Told.CUT, Told.CONFIRM})  # whatever the hour


def check(told: Told, *, subject: str, body: str) -> None:
    """Refuse words with a field that is not one of theirs, too many of them, or none."""
    for field, text, characters_max in (
        ("subject", subject, SUBJECT_CHARS_MAX),
        ("body", body, BODY_CHARS_MAX),
    ):
        if len(text) > characters_max:
            raise TemplateFaulty(field, f"write at most {characters_max} characters")
        for name in _FIELD.findall(text):
            if name not in FIELDS[told]:
                known = ", ".join(f"{{{each}}}" for each in FIELDS[told])
                raise TemplateFaulty(field, f"{{{name}}} is not one of {known}")
        if "{" in _FIELD.sub("", text) or "}" in _FIELD.sub("", text):
            raise TemplateFaulty(field, "a brace stands alone; write fields such as {place}")
    if not body.strip():
        raise TemplateFaulty("body", "write what is to be said")
    if "\n" in subject:
        raise TemplateFaulty("subject", "write one line")


def ours(told: Told, language: Language) -> tuple[str, str]:
    """Return our subject and body, with their fields."""
    return OURS[told.value, language]


def filled(text: str, fields: Mapping[str, str]) -> str:
    """Return words with their fields filled; what stands in a field is never read as one."""
    return _FIELD.sub(lambda found: fields[found[1]], text)


def amount(amount_minor: int, *, currency: str, language: Language) -> str:
    """Return an amount as a reader of a language writes it, such as ¥19.99 or 19,99 €."""
    sign, digits = ("-" if amount_minor < 0 else ""), format_minor(abs(amount_minor), currency=currency)
    symbol = _SYMBOLS.get(currency)
    if language is Language.SPANISH:
        return f"{sign}{digits.replace('.', ',')} {symbol or currency}"
    return f"{sign}{symbol}{digits}" if symbol else f"{sign}{digits} {currency}"


def instant(at: datetime, *, zone: ZoneInfo, now: datetime, language: Language) -> str:
    """Return an instant of the site's wall clock, such as Thursday 21:00; further ahead with its date."""
    local, clock = at.astimezone(zone), at.astimezone(zone).strftime("%H:%M")
    days = (local.date() - now.astimezone(zone).date()).days
    if 0 <= days <= _DAYS_NAMED:
        return f"{WEEKDAYS[language][local.weekday()]} {clock}"
    return f"{_date(local, language)} {clock}"


def about(at: datetime | None, *, zone: ZoneInfo, now: datetime, language: Language) -> str:
    """Return an instant that is only foreseen, to the hour; from a week ahead on, to the day."""
    if at is None:
        return _UNKNOWN[language]
    rounded = (at + timedelta(minutes=30)).astimezone(zone).replace(minute=0, second=0, microsecond=0)
    days = (rounded.date() - now.astimezone(zone).date()).days
    near = instant(rounded, zone=zone, now=now, language=language)
    return _ABOUT[language](near if days <= _DAYS_NAMED else _date(rounded, language))


def reason(name: str, *, language: Language) -> str:
    """Return why supply is off, by the reason's name."""
    return REASONS[language].get(name, name.replace("_", " "))


def alarm(name: str, *, language: Language) -> str:
    """Return what an alarm is about, by the name of its kind or severity."""
    return ALARMS[language].get(name, name.replace("_", " "))


def _date(local: datetime, language: Language) -> str:
    month = MONTHS[language][local.month - 1]
    match language:
        case Language.ENGLISH:
            return f"{local.day} {month}"
        case Language.SPANISH:
            return f"{local.day} de {month}"
        case Language.CHINESE:
            return f"{month}{local.day}日"


_ABOUT: Final[Mapping[Language, Callable[[str], str]]] = MappingProxyType(
    {
        Language.ENGLISH: lambda near: f"about {near}",
        Language.SPANISH: lambda near: f"hacia el {near}",
        Language.CHINESE: lambda near: f"{near}左右",
    }
)
_UNKNOWN: Final[Mapping[Language, str]] = MappingProxyType(
    {Language.ENGLISH: "not known yet", Language.SPANISH: "aún no se sabe", Language.CHINESE: "暂时无法预计"}
)
