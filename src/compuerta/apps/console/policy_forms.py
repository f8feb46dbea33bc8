"""The form of supply policies: plain fields with units, between what people type and a policy document."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, time
from enum import Enum
from typing import Final

from django.http import QueryDict
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from compuerta.apps.console import amounts
from compuerta.apps.console.scopes import Layer
from compuerta.domain.errors import Refused
from compuerta.domain.money import format_minor
from compuerta.domain.policy import SLOTS_MAX, Json, Policy, PolicyFaulty, Slot, policy_of

TEXT_CHARS_MAX: Final = 8_000  # four hundred holidays, and some to spare
DIGITS_MAX: Final = 12
_PPM_PERCENT: Final = 10_000
NEVER: Final = "never"  # as it is typed, in every language


class Kind(Enum):
    """How a field is written."""

    NUMBER = "number"
    MONEY = "money"
    TRUTH = "truth"
    PERCENT = "percent"
    CHOICE = "choice"
    MONTH = "month"
    CLOCK = "clock"
    SLOTS = "slots"
    DAYS = "days"


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """A field of a policy in plain words."""

    name: str
    kind: Kind
    label: Promise
    unit: Promise | str = ""
    note: Promise | str = ""
    choices: Sequence[tuple[str, Promise]] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Typed:
    """What stands in a field; nothing is as above."""

    text: str = ""
    is_none: bool = False  # a list that is settled as empty


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A field as the form shows it, with what holds from above and where that is settled."""

    field: Field
    typed: Typed
    fault: str
    above: str
    above_from: str  # "" = nobody has settled it


def _field(
    name: str, kind: Kind, label: Promise, unit: Promise | str = "", note: Promise | str = ""
) -> Field:
    return Field(name=name, kind=kind, label=label, unit=unit, note=note)


_MINUTES: Final = gettext_lazy("minutes")
_PAID_TWICE: Final = (
    ("credit", gettext_lazy("is credited too")),
    ("suspend", gettext_lazy("is kept for a refund")),
)
_RECHARGES: Final = (
    _field("recharge_least_minor", Kind.MONEY, gettext_lazy("At least"), "",
           gettext_lazy("where nothing is settled, one of the currency")),
    _field("recharge_most_minor", Kind.MONEY, gettext_lazy("At most"), "",
           gettext_lazy("where nothing is settled, ten thousand of it")),
    _field("hoarding_minor", Kind.MONEY, gettext_lazy("Credit that an account may have"), "",
           gettext_lazy("balance and recharge together; 0 = as much as they like")),
    _field("debt_share_ppm", Kind.PERCENT, gettext_lazy("Of each recharge to debts"), "%",
           gettext_lazy("unless the debt or the tariff says another share")),
    _field("debt_leaves_minor", Kind.MONEY, gettext_lazy("Energy before any debt is paid"), "",
           gettext_lazy("of a smaller recharge no debt takes anything")),
    _field("recharge_fee_minor", Kind.MONEY, gettext_lazy("Fee on each recharge")),
    _field("recharge_fee_ppm", Kind.PERCENT, gettext_lazy("Fee of each recharge"), "%",
           gettext_lazy("both fees are added up")),
    _field("recharge_fee_tax_ppm", Kind.PERCENT, gettext_lazy("Tax on these fees"), "%"),
    _field("monthly_fee_minor", Kind.MONEY, gettext_lazy("Monthly fee"), "",
           gettext_lazy("from the first recharge of a month; missed months too, 24 at most")),
    _field("monthly_fee_since", Kind.MONTH, gettext_lazy("Monthly fee since"), "",
           gettext_lazy("a month such as 2026-11; empty = since each account began")),
    Field(name="paid_twice", kind=Kind.CHOICE, label=gettext_lazy("A second payment of one order"),
          choices=_PAID_TWICE),
)  # fmt: skip
GROUPS: Final[Sequence[tuple[Promise, Sequence[Field]]]] = (
    (
        gettext_lazy("From zero to the cut"),
        (
            _field("last_chance_min", Kind.NUMBER, gettext_lazy("Last chance"), _MINUTES,
                   gettext_lazy("from zero to the cut; 0 = at once")),
            _field("permits", Kind.TRUTH, gettext_lazy("Closing by button"), "",
                   gettext_lazy("the resident presses the meter's button to have power again")),
        ),
    ),
    (
        gettext_lazy("Emergency credit"),
        (
            _field("emergency_minor", Kind.MONEY, gettext_lazy("Amount"), "",
                   gettext_lazy("0 = there is none")),
            _field("emergency_below_minor", Kind.MONEY, gettext_lazy("Offered at or below a balance of")),
            _field("emergency_automatic", Kind.TRUTH, gettext_lazy("By itself at zero"), "",
                   gettext_lazy("given without asking; without an amount there is nothing to give")),
        ),
    ),
    (
        gettext_lazy("Friendly hours: nobody is cut then"),
        (
            _field("friendly_slots", Kind.SLOTS, gettext_lazy("Hours of each day"), "",
                   gettext_lazy("such as 22:00-08:00, 12:00-14:00; at most 8")),
            _field("friendly_weekends", Kind.TRUTH, gettext_lazy("Whole weekends")),
            _field("holidays", Kind.DAYS, gettext_lazy("Holidays"), "",
                   gettext_lazy("days such as 2026-12-25, 2027-01-01")),
        ),
    ),
    (
        gettext_lazy("Overload"),
        (
            _field("overload_rest_min", Kind.NUMBER, gettext_lazy("Rest after an overload"), _MINUTES),
            _field("overload_closings_max", Kind.NUMBER, gettext_lazy("Closings by itself"),
                   gettext_lazy("an hour"), gettext_lazy("then it stays off until somebody has looked")),
            _field("load_limit_w", Kind.NUMBER, gettext_lazy("Load limit"), "W",
                   gettext_lazy("0 = the meter's own; for meters that watch one")),
        ),
    ),
    (
        gettext_lazy("What is looked at"),
        (
            _field("occupied_idle_days", Kind.NUMBER, gettext_lazy("No use where somebody lives, for"),
                   gettext_lazy("days")),
            _field("silent_after_min", Kind.NUMBER, gettext_lazy("A meter not heard for"), _MINUTES),
        ),
    ),
    (
        gettext_lazy("Daily reports"),
        (
            _field("daily_report_at", Kind.CLOCK, gettext_lazy("Sent at"), "",
                   gettext_lazy("by the site's clock, such as 07:00; never = to nobody")),
        ),
    ),
    (gettext_lazy("Recharges"), _RECHARGES),
)  # fmt: skip
FIELDS: Final[Mapping[str, Field]] = {field.name: field for _title, group in GROUPS for field in group}
_LISTS: Final = (Kind.SLOTS, Kind.DAYS)


def shown(document: Mapping[str, Json], *, currency: str) -> dict[str, Typed]:
    """Return what a scope has settled itself, as it would be typed."""
    own = policy_of(document)
    texts = {
        name: _written(field.kind, getattr(own, name), currency)
        for name, field in FIELDS.items()
        if name in document
    }
    return {
        name: Typed(text=texts.get(name, ""), is_none=texts.get(name) == "" and field.kind in _LISTS)
        for name, field in FIELDS.items()
    }


def typed(post: QueryDict) -> dict[str, Typed]:
    """Return the form as somebody has filled it in."""
    return {
        name: Typed(text=post.get(name, "").strip()[:TEXT_CHARS_MAX], is_none=f"{name}_none" in post)
        for name in FIELDS
    }


def document_of(form: Mapping[str, Typed], *, currency: str) -> tuple[dict[str, Json], dict[str, str]]:
    """Return what a form settles, and what cannot be, by field, in the reader's language."""
    document: dict[str, Json] = {}
    faults: dict[str, str] = {}
    for name, field in FIELDS.items():
        given = form[name]
        if not given.text and not given.is_none:
            continue
        try:
            document[name] = _read(field.kind, given.text, currency)
            policy_of({name: document[name]})
        except Refused as error:
            faults[name] = _fault(field.kind, error)
    return document, faults


def rows(
    form: Mapping[str, Typed], faults: Mapping[str, str], layers: Sequence[Layer], *, currency: str
) -> list[tuple[Promise, list[Row]]]:
    """Return the form in its groups, with what holds from above."""
    policy = policy_of(*(layer.document for layer in layers))
    return [
        (title, [_row(field, form, faults, layers, _told(field, policy, currency)) for field in group])
        for title, group in GROUPS
    ]


def _row(
    field: Field, form: Mapping[str, Typed], faults: Mapping[str, str], layers: Sequence[Layer], above: str
) -> Row:
    from_name = next((layer.name for layer in reversed(layers) if field.name in layer.document), "")
    return Row(
        field=field,
        typed=form[field.name],
        fault=faults.get(field.name, ""),
        above=above,
        above_from=from_name,
    )


def _told(field: Field, policy: Policy, currency: str) -> str:
    text = _written(field.kind, getattr(policy, field.name), currency)
    if field.kind is Kind.TRUTH:
        return _("yes") if text == "yes" else _("no")
    if field.kind is Kind.CHOICE:
        return str(dict(field.choices)[text])
    if not text:
        return "–"
    return f"{text} {currency if field.kind is Kind.MONEY else field.unit}".strip()


def _written(kind: Kind, value: object, currency: str) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        match kind:
            case Kind.MONEY:
                return format_minor(value, currency=currency)
            case Kind.PERCENT:
                return f"{value // _PPM_PERCENT}.{value % _PPM_PERCENT:04d}".rstrip("0").rstrip(".")
        return str(value)
    if isinstance(value, time) or kind is Kind.CLOCK:
        return value.isoformat("minutes") if isinstance(value, time) else NEVER
    if value is None or isinstance(value, str):
        return value or ""
    assert isinstance(value, tuple)
    return ", ".join(_item(each) for each in value)


def _item(each: Slot | date) -> str:
    if isinstance(each, Slot):
        return f"{each.start.isoformat('minutes')}-{each.end.isoformat('minutes')}"
    return each.isoformat()


def _read(kind: Kind, text: str, currency: str) -> Json:
    match kind:
        case Kind.MONEY:
            return amounts.typed(text, currency=currency)
        case Kind.NUMBER:  # what is no number stays as it is: the policy refuses it
            return int(text) if text.isdecimal() and len(text) <= DIGITS_MAX else text
        case Kind.PERCENT:
            return _ppm(text)
        case Kind.CLOCK:
            return None if text == NEVER else text
        case Kind.CHOICE | Kind.MONTH:
            return text
        case Kind.TRUTH:
            return text == "yes"
        case Kind.SLOTS | Kind.DAYS:
            tight = re.sub(r"\s*[-–—]\s*", "-", text.replace("：", ":"))  # as Chinese keyboards write it
            return [each for each in re.split(r"[\s,;，、]+", tight) if each]


def _ppm(text: str) -> Json:
    """Return millionths of what is written in percent; what is no percentage stays, and is refused."""
    whole, _point, rest = text.replace(",", ".").partition(".")
    if not re.fullmatch(r"[0-9]{1,3}", whole) or not re.fullmatch(r"[0-9]{0,4}", rest):
        return text
    return int(whole) * _PPM_PERCENT + int(rest.ljust(4, "0"))


def _fault(kind: Kind, error: Refused) -> str:
    """Say in the reader's language what a field takes, and which part of a list it is not."""
    reason = error.reason if isinstance(error, PolicyFaulty) else ""
    odd = re.match(r"'[^']*': ", reason)
    part = odd[0].replace("'", "") if odd else ""
    match kind:
        case Kind.SLOTS:
            return part + _("Write at most %(most)s stretches such as 22:00-08:00.") % {"most": SLOTS_MAX}
        case Kind.DAYS:
            return part + _("Write days such as 2026-12-25.")
        case Kind.MONEY:
            return _("This is no amount of money. Write for example 50 or 50.00.")
        case Kind.MONTH:
            return _("Write a month such as 2026-11.")
        case Kind.CLOCK:
            return _("Write an hour such as 07:00, or never.")
        case Kind.PERCENT:
            most = int(re.findall(r"\d+", reason)[-1]) // _PPM_PERCENT
            return _("Write a percentage from 0 to %(most)s, such as 1.5.") % {"most": most}
        case Kind.CHOICE:
            return _("Choose one of the list.")
        case Kind.NUMBER | Kind.TRUTH:
            least, most = re.findall(r"\d+", reason)  # as the policy bounds it
            return _("Write a whole number from %(least)s to %(most)s.") % {"least": least, "most": most}
