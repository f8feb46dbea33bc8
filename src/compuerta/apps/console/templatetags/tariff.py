"""How a bill's lines look in templates: what is counted, and at which price."""

from datetime import datetime
from decimal import Decimal
from fractions import Fraction

from django import template
from django.utils import formats
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from compuerta.apps.console import tariff_words
from compuerta.domain.money import minor_digits
from compuerta.domain.tariff.bill import Line, Unit
from compuerta.domain.tariff.explaining import Move
from compuerta.services import tariffing

register = template.Library()

_DECIMALS_MAX = 9
_EXACT_DECIMALS = 6


@register.filter
def exact(amount: Fraction, currency: str) -> str:
    """Show exact money, in major units: with six decimals, and a sign where there are more."""
    major = amount / 10 ** minor_digits(currency)
    shown = _number(major, decimals=_EXACT_DECIMALS)
    return shown if (major * 10**_EXACT_DECIMALS).denominator == 1 else f"{shown}…"


@register.filter
def quantity(line: Line | Move) -> str:
    """Show what a line counts: 120.5 kWh, 30 days, 1,250.00 of money."""
    match line.unit:
        case Unit.WH:
            return f"{_number(line.quantity / 1000, decimals=3)}\u00a0kWh"
        case Unit.W:
            return f"{_number(line.quantity / 1000, decimals=3)}\u00a0kW"
        case Unit.MINOR:
            return ""
        case Unit.DAY | Unit.MONTH | Unit.CYCLE | Unit.QUARTER | Unit.YEAR:
            return _times(line.unit, one=line.quantity == 1) % {"n": _number(line.quantity, decimals=2)}


@register.filter
def price(line: Line | Move) -> str:
    """Show the price of a line's unit; a share of money as percent."""
    if line.unit is Unit.MINOR:
        return f"{_number(line.price * 100, decimals=4)}\u00a0%"
    return _number(line.price, decimals=_DECIMALS_MAX)


@register.filter
def step(line: Line | Move) -> str:
    """Show which step a line is in: 100 – 240 kWh."""
    if line.step is None:
        return ""
    if line.from_wh is None:
        return _("step %(number)s") % {"number": line.step + 1}
    low = _number(Fraction(line.from_wh) / 1000, decimals=1)
    if line.to_wh is None:
        return f"> {low}\u00a0kWh"
    return f"{low} – {_number(Fraction(line.to_wh) / 1000, decimals=1)}\u00a0kWh"


@register.filter
def tariff_word(name: str) -> str:
    """Show a word of a tariff or of a version's state."""
    return tariff_words.word(name)


@register.filter
def begins(effective_from: datetime) -> str:
    """Show from when a version holds, by the wall clock; a first one holds from before there was use."""
    if effective_from <= tariffing.SINCE_EVER:
        return _("from the beginning")
    return _("from %(at)s") % {"at": f"{effective_from:%Y-%m-%d %H:%M}"}


@register.filter
def phrase(text: str | None) -> str:
    """Show what a difference says, in the reader's language."""
    return "" if text is None else tariff_words.phrase(text)


@register.filter
def case_detail(text: str) -> str:
    """Show what a case says, in the reader's language."""
    return tariff_words.case_told(text)


def _times(unit: Unit, *, one: bool) -> str:
    count = 1 if one else 2  # a part of a month is spoken of as many are
    match unit:
        case Unit.DAY:
            return ngettext("%(n)s day", "%(n)s days", count)
        case Unit.MONTH:
            return ngettext("%(n)s month", "%(n)s months", count)
        case Unit.CYCLE:
            return ngettext("%(n)s cycle", "%(n)s cycles", count)
        case Unit.QUARTER:
            return ngettext("%(n)s quarter", "%(n)s quarters", count)
        case _:
            return ngettext("%(n)s year", "%(n)s years", count)


def _number(value: Fraction, *, decimals: int) -> str:
    scaled = round(value * 10**decimals)
    text = f"{Decimal(scaled).scaleb(-decimals):f}"
    short = text.rstrip("0").rstrip(".") if "." in text else text
    kept = len(short.partition(".")[2])
    return str(formats.number_format(Decimal(short), decimal_pos=kept, force_grouping=True))
