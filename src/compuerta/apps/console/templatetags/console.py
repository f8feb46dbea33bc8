"""How amounts, energy and time look in templates; the reader's language decides the signs."""

import re
from datetime import UTC, datetime
from decimal import Decimal

from django import template
from django.conf import settings
from django.utils import formats
from django.utils.translation import get_language, ngettext
from django.utils.translation import gettext as _

from compuerta.apps.console import bank_words, labels, till_words, use_reads, warning_forms
from compuerta.domain import receipt_words
from compuerta.domain.division import Part
from compuerta.domain.energy import format_kwh
from compuerta.domain.money import format_minor, minor_digits
from compuerta.domain.policy import Level, LevelKind

register = template.Library()

_SIGNS = {"CNY": "¥", "JPY": "¥", "EUR": "€", "USD": "$", "GBP": "£", "MXN": "$", "CLP": "$", "COP": "$"}
_AFTER = frozenset({"EUR"})  # signs that follow the amount


@register.filter
def money(amount_minor: int | None, currency: str | None) -> str:
    """Show minor units as money: 523450 CNY is ¥5,234.50 in English."""
    if amount_minor is None or not currency:
        return "–"
    digits = minor_digits(currency)
    amount = formats.number_format(
        Decimal(abs(amount_minor)).scaleb(-digits), decimal_pos=digits, force_grouping=True
    )
    minus = "−" if amount_minor < 0 else ""
    sign = _SIGNS.get(currency, f"{currency}\u00a0")
    # As messages and papers have it: whoever reads Spanish finds the sign behind.
    is_after = currency in _AFTER or (get_language() or "").startswith("es")
    return f"{minus}{amount}\u00a0{sign.rstrip()}" if is_after else f"{minus}{sign}{amount}"


@register.filter
def round_money(amount_minor: int, currency: str) -> str:
    """Show money without its decimals where they are zero: ¥50."""
    # At the end of the figure only: ¥10,000 has a ",00", too.
    return re.sub(r"[.,]00(?!\d)", "", money(amount_minor, currency))


@register.filter
def plain(amount_minor: int, currency: str) -> str:
    """Show minor units as somebody would type them: 5000 CNY is 50."""
    return format_minor(amount_minor, currency=currency).removesuffix(".00")


@register.filter
def exact(value: Decimal) -> str:
    """Show a decimal with all its digits, and none that say nothing."""
    places = -int(value.normalize().as_tuple().exponent)
    return formats.number_format(value, decimal_pos=max(places, 0), force_grouping=True)


@register.filter
def kwh(energy_wh: int | None) -> str:
    """Show watt-hours as kilowatt-hours with two decimals, rounded down as meters do."""
    if energy_wh is None:
        return "–"
    shown = formats.number_format(Decimal(format_kwh(energy_wh)), decimal_pos=2, force_grouping=True)
    return f"{shown}\u00a0kWh"


@register.filter
def power(power_w: int | None) -> str:
    """Show watts, from one kilowatt on as kilowatts."""
    if power_w is None:
        return "–"
    if abs(power_w) < 1000:
        return f"{power_w}\u00a0W"
    return f"{formats.number_format(Decimal(power_w).scaleb(-3), decimal_pos=2)}\u00a0kW"


@register.filter
def seconds(span_ms: int | None) -> str:
    """Show milliseconds as seconds with one decimal, longer spans as minutes or hours."""
    if span_ms is None:
        return "–"
    if span_ms < 100_000:
        return f"{formats.number_format(Decimal(span_ms).scaleb(-3), decimal_pos=1)}\u00a0s"
    return _span(span_ms // 1000)


@register.filter
def age(at: datetime | None) -> str:
    """Show how long an instant is past: 12 s, 5 min, 3 h, 2 d."""
    return "–" if at is None else _span(max(0, int((datetime.now(UTC) - at).total_seconds())))


@register.filter
def ago(at: datetime | None) -> str:
    """Show an instant as its distance: "12 s ago"."""
    return _("never") if at is None else _("%(span)s ago") % {"span": age(at)}


@register.filter
def ahead(at: datetime | None) -> str:
    """Show how far an instant lies ahead: "in 12 min"."""
    if at is None:
        return "–"
    ahead_s = int((at - datetime.now(UTC)).total_seconds())
    return _("in %(span)s") % {"span": _span(ahead_s)} if ahead_s > 0 else _("now")


@register.filter
def word(name: str) -> str:
    """Show a row's name as a word."""
    return labels.word(name)


@register.filter
def fault_word(text: str) -> str:
    """Show why a file is refused in the reader's words; what names something of the file stays as it is."""
    return str(bank_words.FAULTS.get(text, text))


@register.filter
def language_name(code: str) -> str:
    """Return a language's name in that language."""
    names: dict[str, str] = dict(settings.LANGUAGES)
    return names.get(code, code)


@register.filter
def level(key: str, currency: str) -> str:
    """Return a level as people write it, such as 50.00 CNY, 10 kWh or 2 days."""
    kind, _colon, value = key.partition(":")
    known = Level(kind=LevelKind(kind), value=int(value))
    text = warning_forms.written(known, currency=currency)
    match known.kind:
        case LevelKind.MONEY:
            return money(known.value, currency)
        case LevelKind.ENERGY:
            return f"{text} kWh"
        case LevelKind.DAYS:
            return ngettext("%(count)s day", "%(count)s days", known.value // 24) % {"count": text}


@register.filter
def partname(part: Part) -> str:
    """Show what a part of a payment is for, as its receipt will say it."""
    return part.name or receipt_words.word(part.kind.value, language=use_reads.reader())


@register.filter
def tendername(kind: str) -> str:
    """Show what was paid with: cash, a card, or the provider behind a phone."""
    known = till_words.TENDERS.get(kind)
    return provider(kind) if known is None else str(known)


@register.filter
def told(detail: str) -> str:
    """Show what a meter told with words for the names in it: `cover_open: 3 -> 4`."""
    return re.sub(r"[a-z]+(?:_[a-z]+)+|[a-z]{5,}", lambda name: labels.word(name[0]), detail)


@register.filter
def provider(name: str) -> str:
    """Show a provider account's name as people know it; an account may add a word to it: wechat-north."""
    if name == "till":
        return _("Till")
    known = {
        "wechat": _("WeChat Pay"),
        "alipay": _("Alipay"),
        "card": _("Card"),
        "paybill": "M-Pesa",
    }
    return known.get(name.partition("-")[0], name)


def _span(span_s: int) -> str:
    if span_s < 100:
        return f"{span_s}\u00a0s"
    if span_s < 6000:
        return f"{span_s // 60}\u00a0min"
    if span_s < 172_800:
        return f"{span_s // 3600}\u00a0h"
    days = span_s // 86_400
    return ngettext("%(days)s day", "%(days)s days", days) % {"days": days}
