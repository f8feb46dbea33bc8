"""The words of the tariff screens: what a tariff's fields and choices are called, and how a fault is told."""

import re
from collections.abc import Mapping, Sequence
from enum import Enum
from types import MappingProxyType

from django.utils.functional import Promise
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from compuerta.domain.tariff.components import (
    Account,
    Allocation,
    ChangePolicy,
    Role,
    RoundingMode,
    RoundingPlace,
    Scale,
    Scope,
    StepKind,
    Window,
)
from compuerta.domain.tariff.reading import word_of

Choices = Sequence[tuple[str, str]]


def gettext_noop(text: str) -> str:
    """Mark a text to be collected for translation; Django's own cannot before it has its settings."""
    return text


# By the word of the document.
WORDS: Mapping[str, Promise] = MappingProxyType(
    {
        "sharp": _("sharp peak"),
        "peak": _("peak"),
        "flat": _("flat"),
        "valley": _("valley"),
        "deep_valley": _("deep valley"),
        "day": _("day"),
        "month": _("calendar month"),
        "cycle": _("bill's cycle"),
        "quarter": _("quarter"),
        "year": _("year"),
        "graduated": _("each kWh at its own step's price"),
        "slab": _("all kWh at the step reached"),
        "total": _("all energy together"),
        "period": _("each period by itself"),
        "chronological": _("as it is used"),
        "proportional": _("shared by the periods' parts"),
        "none": _("as they are"),
        "person": _("times persons"),
        "kw": _("times contracted kW"),
        "kw_day": _("times contracted kW and days"),
        "continue": _("goes on counting"),
        "reset": _("begins from zero"),
        "prorate": _("begins from zero, with a part of the bounds"),
        "lines": _("each line"),
        "net": _("the net, then the tax"),
        "gross": _("the whole bill"),
        "running": _("the account: the rest goes to the next bill"),
        "half_up": _("half goes up"),
        "half_even": _("half goes to the even"),
        "energy": _("energy"),
        "fixed": _("fixed charge"),
        "demand": _("demand"),
        "minimum": _("minimum"),
        "tax": _("tax"),
        "levy": _("levy"),
        "fee": _("service fee"),
        "subsidy": _("subsidy: taken off"),
        "per_kwh": _("per kWh"),
        "percent": _("percent"),
        "allowance": _("free energy"),
        "recovery": _("debt recovery"),
        "draft": _("draft"),
        "proposed": _("waits for approval"),
        "coming": _("approved, not yet in force"),
        "in_force": _("in force"),
        "replaced": _("replaced"),
        "withdrawn": _("withdrawn"),
        "loaded": _("in the meter, waits for its time"),
        "waiting": _("waiting for its road"),
        "refused": _("refused by the meter"),
        "misfit": _("this meter cannot: set by hand"),
        "untold": _("not told yet"),
        "home": _("a home"),
        "shop": _("a shop"),
        "night": _("mostly at night"),
        "even": _("always the same"),
    }
)
SCALE_BY_DAY = _("times days of the window")
COMPONENT_KINDS = ("fixed", "percent", "per_kwh", "allowance", "minimum", "demand", "recovery")
MINIMUM_WINDOWS = (Window.CYCLE, Window.YEAR)

_LABELS: Mapping[str, Promise] = MappingProxyType(
    {
        "rounding_place": _("What is rounded"),
        "rounding_mode": _("Which way a half goes"),
        "window": _("Counted over a"),
        "kind": _("What a step prices"),
        "scope": _("What counts"),
        "allocation": _("Which kWh are in a step"),
        "scale": _("The bounds are taken"),
        "on_change": _("When a new version begins, the count"),
        "year_start": _("The year begins on (month-day)"),
        "price_per_kwh": _("Price per kWh"),
        "amount": _("Amount"),
        "per": _("For each"),
        "account": _("Booked as"),
        "at_least": _("At least"),
        "percent": _("Percent"),
        "free_kwh": _("Free kWh"),
        "of_payment": _("Percent of a payment"),
    }
)

# What the pages' scripts say.
_SCRIPT: Mapping[str, Promise] = MappingProxyType(
    {
        "season": _("season"),
        "holidays": _("holidays"),
        "kind_of_day": _("kind of day"),
        "step": _("step"),
        "steps": _("Prices by step and period"),
        "price": _("price"),
        "above": _("above that"),
        "all_energy": _("all energy"),
        "up_to": _("up to"),
        "begins": _("begins"),
        "dates": _("dates"),
        "faults": _("to put right"),
        "bill": _("Bill"),
        "unsaved": _("not saved yet"),
        "lost": _("no connection"),
        "price_per_kw": _("Price per kW"),
        "year_cloth": _(
            "The year: a column for each day, a row for each quarter of an hour, in the periods' colours"
        ),
    }
)

# What `checking` and `document` say, with the values' places; collected to be translated.
_REASONS = (
    gettext_noop('write digits such as "%(example)s", with at most %(decimals)s decimals'),
    gettext_noop("write a text of 1 to %(most)s characters"),
    gettext_noop("write it without control characters, and without spaces around it"),
    gettext_noop("write a whole number, without quotes"),
    gettext_noop("write a whole number from 0 to %(most)s"),
    gettext_noop("is not a day of the calendar"),
    gettext_noop("write a date such as %(example)s"),
    gettext_noop("is not a currency known here; write one of %(known)s"),
    gettext_noop("has %(count)s entries, at most %(most)s are taken"),
    gettext_noop("%(name)s is taken: write another name"),
    gettext_noop("is there twice: write another name"),
    gettext_noop("a tariff has only one of kind %(kind)s"),
    gettext_noop("write a day from 1 to %(last)s, which every month has"),
    gettext_noop("steps must rise: write more than the bound before, or than 0"),
    gettext_noop("is below nothing: write 0 or more"),
    gettext_noop("write at most %(most)s decimals"),
    gettext_noop("write at most %(most)s"),
    gettext_noop("write a share above 0 and up to 100"),
    gettext_noop("write a share from 0 to 100"),
    gettext_noop("write more than 0 kWh, or leave the allowance out"),
    gettext_noop("seasons must rise through the year: write a later day than the one before"),
    gettext_noop("%(day)s is in another list with another day table: keep it in one"),
    gettext_noop("the day has a gap before this: begin at 00:00"),
    gettext_noop("overlaps the slot before it: write a later time"),
    gettext_noop("write both persons and extra_kwh above 0, or leave both out"),
    gettext_noop("write both months and percent above 0, or leave both out"),
    gettext_noop("slab steps price all energy alike: leave allocation out"),
    gettext_noop("write a part of an hour, such as 15, 30 or 60"),
    gettext_noop("begins inside an interval of %(minutes)s minutes: move it to an edge"),
    gettext_noop("power is measured once: write the same interval in all demand components"),
    gettext_noop("must stay %(currency)s: accounts are kept in it"),
    gettext_noop("a bill that is paid cannot change with the next: write cycle for slab steps"),
    gettext_noop("a running total means nothing in another window or scope: %(instead)s"),
    gettext_noop("each period's running total needs the same periods: %(instead)s"),
    gettext_noop("a subsidy is taken off the bill and cannot be included in prices"),
    gettext_noop("begins on day %(first)s, and bills on day %(cycle)s: write cycle"),
    gettext_noop("is beyond the day: write a time before 24:00"),
    gettext_noop("%(name)s is no line of the bill"),
    gettext_noop("%(name)s must come before this"),
    gettext_noop("is not among the component's holidays: write its dates there"),
    gettext_noop("name a day table for each of the seven weekdays"),
    gettext_noop("name components of one account: what is told apart leaves that account"),
    gettext_noop("name one of the component's day tables"),
    gettext_noop("name one of the component's periods"),
    gettext_noop("name the components whose own prices contain it: energy, per_kwh, fixed, demand"),
    gettext_noop("no season says what its days are: add it there"),
    gettext_noop("nothing comes before it that it could be taken of: move it down"),
    gettext_noop("%(name)s contains %(other)s already: write one share for both"),
    gettext_noop("%(name)s is there twice"),
    gettext_noop("%(wanted)s; there are %(count)s"),
    gettext_noop("write %(steps)s prices, one for each step"),
    gettext_noop("slab and proportional steps are made with the bill: write cycle"),
    gettext_noop("write a day that every year has%(latest)s, such as 06-01"),
    gettext_noop("write a name"),
    gettext_noop("write a number from 0 to %(most)s"),
    gettext_noop("write an amount of 0 or more"),
    gettext_noop("write at least one period"),
    gettext_noop("write at least one season"),
    gettext_noop("write cycle or year"),
    gettext_noop("write numbers of 0 or more"),
    gettext_noop("write one component of kind energy"),
    gettext_noop("write reset or prorate"),
    gettext_noop("say which period holds when, for each kind of day"),
    gettext_noop('write the time it begins and its period, such as "06:00 peak"'),
    gettext_noop("write a mapping with a kind: %(known)s"),
    gettext_noop("write a mapping of fields"),
    gettext_noop("write a mapping of names"),
    gettext_noop("write a list"),
    gettext_noop("write a text, in quotes"),
    gettext_noop("write true or false"),
    gettext_noop('write it in quotes, such as "0.5300": without them it may change on the way'),
    gettext_noop('write month and day in quotes, such as "06-01"'),
    gettext_noop("write the names of fields as texts"),
    gettext_noop("write one price: add_on is put on it, step by step"),
    gettext_noop("version %(number)s begins then: write another moment"),
    gettext_noop("version %(number)s, which follows, cannot: %(place)s: %(reason)s"),
    gettext_noop("shares the bounds of a window begun on %(first)s: begin with the next"),
    gettext_noop("is past where it is used: write a later moment"),
    gettext_noop("is not known here; known are %(known)s"),
    gettext_noop("%(name)s has no day table"),
    gettext_noop("%(name)s has a day table already"),
    gettext_noop("write one of %(known)s"),
)
# What ends as another reason does, and so is looked for after it.
_LATE = (gettext_noop("%(name)s is missing"),)

# What `fitting` says of a meter.
_MISFITS = (
    gettext_noop("meters of this model take no tables: its prices are set by hand"),
    gettext_noop("a meter deducts for use only, not for time"),
    gettext_noop("a meter deducts for energy only, not for power"),
    gettext_noop("a meter knows no free energy"),
    gettext_noop("a meter knows no minimum"),
    gettext_noop("a meter adds no percentage: write prices that include it"),
    gettext_noop("a meter rounds its running total: write running"),
    gettext_noop("a meter rounds half up"),
    gettext_noop("a meter puts the same on every rate's price from step to step"),
    gettext_noop("a meter counts in units of %(unit)s Wh"),
    gettext_noop("a meter's steps begin anew by the month, or on days of the year"),
    gettext_noop("a meter's steps begin anew on day %(day)s at the latest"),
    gettext_noop("a meter never goes back on what it has deducted"),
    gettext_noop("a meter counts the steps on the use of all periods together"),
    gettext_noop("a meter deducts use as it comes: write chronological"),
    gettext_noop("a meter's bounds are the same for every day and customer"),
    gettext_noop("a meter's bounds are the same for every window"),
    gettext_noop("the steps begin anew on %(count)s days a year: the meter has %(most)s"),
    gettext_noop("the day of the change is a holiday: let it begin at 00:00"),
    gettext_noop("rest days change between two of them: let it begin next to a working day"),
    gettext_noop("the meter has no rest days"),
    gettext_noop(
        "the meter has one day table for rest days all year and, per season, one for all other days"
    ),
    gettext_noop("%(count)s slots (day table %(number)s): the meter has %(most)s"),
    gettext_noop("%(count)s decimals: the meter's money has %(most)s"),
    gettext_noop("%(count)s %(what)s: the meter has %(most)s"),
    gettext_noop("bounds"),
    gettext_noop("rates"),
    gettext_noop("day tables"),
    gettext_noop("seasons"),
    gettext_noop("holidays ahead"),
    gettext_noop("%(day)s is more than %(count)s years ahead: leave it to a later version"),
    gettext_noop("a meter begins the steps anew at %(at)s: change where a window of both begins"),
    gettext_noop("a meter goes on with the steps at %(at)s: change where a window of both begins"),
    gettext_noop("%(price)s is finer than the meter's four decimals"),
    gettext_noop("a meter deducts no price below zero"),
    gettext_noop("the bound is more than the meter's register holds"),
    gettext_noop("the price is more than the meter's register holds"),
)
# What `urdb` says of a rate.
_RATES = (
    gettext_noop("is not rated here: a meter does not know the grid's peak"),
    gettext_noop("is not rated here; add it to the prices, or leave it out"),
    gettext_noop("does not say what of demand by time of use it looks back on: leave one of them out"),
    gettext_noop("a ratchet of some months only is not rated here"),
    gettext_noop("a rate has one minimum, and there is another"),
    gettext_noop("its bounds are in several units; write all in one"),
    gettext_noop("differs from %(name)s: leave one of them out"),
    gettext_noop("has no tier; write one with its rate"),
    gettext_noop("only the last tier is without a bound"),
    gettext_noop("tiers must rise"),
    gettext_noop("write a tier with its rate"),
    gettext_noop("write a share from 0 to 1"),
    gettext_noop("write how many months are looked back on"),
    gettext_noop("write %(count)s months"),
    gettext_noop("write %(count)s period numbers"),
    gettext_noop("write a number such as 0.0421641"),
    gettext_noop("write a number"),
    gettext_noop("write a whole number from %(least)s to %(most)s"),
    gettext_noop("write a year from %(least)s to %(most)s"),
    gettext_noop("has %(count)s intervals; the year %(year)s has %(wanted)s"),
    gettext_noop("has an interval below nothing"),
    gettext_noop("is missing; write 0 where nothing is charged"),
    gettext_noop("is below nothing"),
    gettext_noop("is finer than a thousandth"),
    gettext_noop("is missing"),
)
# What cases about tariffs say; why a meter cannot hold one follows after a colon.
_CASES = (
    gettext_noop("set version %(number)s of tariff %(tariff)s in meter %(meter)s at %(at)s"),
    gettext_noop(
        "meter %(meter)s did not have version %(number)s of tariff %(tariff)s at %(at)s: it deducts by the"
        " tariff before until it takes over, and the books by the new one"
    ),
    gettext_noop("the bill to %(end)s waits: nothing is known from %(gap)s on"),
)
# What `diff` says, piece by piece between commas.
_PHRASES = (
    gettext_noop("Name"),
    gettext_noop("Currency"),
    gettext_noop("First day of a bill"),
    gettext_noop("Rounding"),
    gettext_noop("Lines in order"),
    gettext_noop("price of energy"),
    gettext_noop("price of the highest power in %(minutes)s minutes"),
    gettext_noop("periods in order"),
    gettext_noop("role"),
    gettext_noop("price"),
    gettext_noop("price of step %(step)s"),
    gettext_noop("step %(step)s ends at"),
    gettext_noop("%(amount)s per kWh"),
    gettext_noop("%(amount)s per kW"),
    gettext_noop("%(amount)s per %(window)s"),
    gettext_noop("%(share)s included in %(base)s"),
    gettext_noop("%(share)s on top of %(base)s"),
    gettext_noop("all before it"),
    gettext_noop("%(energy)s free per %(window)s"),
    gettext_noop("counts in the steps"),
    gettext_noop("at least %(amount)s per %(window)s for %(base)s"),
    gettext_noop("at least %(amount)s"),
    gettext_noop("at least"),
    gettext_noop("%(share)s of the peaks of %(count)s bills before"),
    gettext_noop("%(share)s of a payment"),
    gettext_noop("yes"),
    gettext_noop("no"),
    gettext_noop("steps count over"),
    gettext_noop("steps price"),
    gettext_noop("steps count"),
    gettext_noop("steps fill"),
    gettext_noop("bounds are"),
    gettext_noop("at a new version"),
    gettext_noop("moving in"),
    gettext_noop("whole bounds"),
    gettext_noop("bounds by the days that are left"),
    gettext_noop("each kWh at the price of its own step"),
    gettext_noop("all kWh at the price of the step reached"),
    gettext_noop("the energy of all periods together"),
    gettext_noop("each period's own energy"),
    gettext_noop("in the order of use"),
    gettext_noop("every step shared by the periods' parts"),
    gettext_noop("the same for everybody"),
    gettext_noop("times the days of the window"),
    gettext_noop("times the persons"),
    gettext_noop("times the kW of contracted power"),
    gettext_noop("times the kW of contracted power and the days of the window"),
    gettext_noop("year of the steps begins"),
    gettext_noop("large households"),
    gettext_noop("large households' bounds"),
    gettext_noop("%(persons)s persons or more"),
    gettext_noop("%(energy)s higher"),
    gettext_noop("prices below nothing"),
    gettext_noop("allowed"),
    gettext_noop("not allowed"),
    gettext_noop("the count goes on"),
    gettext_noop("the count starts again"),
    gettext_noop("with bounds by the days"),
    gettext_noop("day table %(name)s"),
    gettext_noop("season %(name)s"),
    gettext_noop("from %(day)s"),
    gettext_noop("holiday"),
    gettext_noop("monday %(table)s"),
    gettext_noop("tuesday %(table)s"),
    gettext_noop("wednesday %(table)s"),
    gettext_noop("thursday %(table)s"),
    gettext_noop("friday %(table)s"),
    gettext_noop("saturday %(table)s"),
    gettext_noop("sunday %(table)s"),
    gettext_noop("a %(window)s from %(day)s"),
    gettext_noop("a %(window)s"),
)


def _patterns(msgids: Sequence[str]) -> Sequence[tuple[str, re.Pattern[str]]]:
    """Return each with the pattern that finds its values in what was said."""
    values = re.compile(r"%\\\((\w+)\\\)s")
    return [(msgid, re.compile(values.sub(r"(?P<\1>.+)", re.escape(msgid)))) for msgid in msgids]


_WORDY = frozenset({"window", "base", "kind", "wanted", "instead", "what", "reason"})
REASON_PATTERNS, PHRASE_PATTERNS = _patterns((*_REASONS, *_MISFITS, *_RATES, *_LATE)), _patterns(_PHRASES)

_CASE_PATTERNS = _patterns(_CASES)
# A misfit's place in the document, which tells nothing on a screen without the document.
_PLACE = re.compile(r"(^|, )(?:components\[\S*|rounding\.\S*|currency): ")


def word(name: str) -> str:
    """Return the word for a document's word in the reader's language."""
    found = WORDS.get(name)
    return name if found is None else str(found)


def for_scripts() -> dict[str, str]:
    """Return the words that the pages' scripts say."""
    return {name: str(told) for name, told in {**WORDS, **_SCRIPT}.items()}


def labels() -> dict[str, str]:
    """Return what fields are called."""
    return {name: str(told) for name, told in _LABELS.items()}


def choices() -> dict[str, Choices]:
    """Return the choices of every field that has some."""
    scales = [(name, str(SCALE_BY_DAY) if name == "day" else told) for name, told in _choices(Scale)]
    return {
        "role": _choices(Role),
        "window": _choices(Window),
        "kind": _choices(StepKind),
        "scope": _choices(Scope),
        "allocation": _choices(Allocation),
        "scale": scales,
        "on_change": _choices(ChangePolicy),
        "rounding_place": _choices(RoundingPlace),
        "rounding_mode": _choices(RoundingMode),
        "account": _choices(Account),
        "minimum_per": [(word_of(each), word(word_of(each))) for each in MINIMUM_WINDOWS],
        "component": [(kind, word(kind)) for kind in COMPONENT_KINDS],
    }


def blanks() -> dict[str, dict[str, object]]:
    """Return a new component of each kind, as a document says it, named in the reader's language."""
    made: dict[str, dict[str, object]] = {
        "fixed": {"account": "fixed", "amount": "1.00", "per": "month"},
        "percent": {"account": "tax", "percent": "10"},
        "per_kwh": {"account": "levy", "price": "0.01"},
        "allowance": {"energy_kwh": "50"},
        "minimum": {"amount": "1.00", "per": "cycle"},
        "demand": {"interval_minutes": 30, "periods": [{"name": word("peak"), "prices": ["1.00"]}]},
        "recovery": {"percent": "25"},
    }
    return {
        kind: {"kind": kind, "name": word(kind)[:1].upper() + word(kind)[1:], **made[kind]}
        for kind in COMPONENT_KINDS
    }


def fault_told(reason: str) -> str:
    """Return a fault's reason in the reader's language; one that has no translation as it is."""
    return _said_again(reason, REASON_PATTERNS)


def case_told(detail: str) -> str:
    """Return what a case says, in the reader's language; what is not about tariffs stays as it is."""
    what, _colon, why = detail.partition(": ")
    told = _said_again(what, _CASE_PATTERNS)
    if not any(pattern.fullmatch(what) for _msgid, pattern in _CASE_PATTERNS):
        return _said_again(detail, _CASE_PATTERNS)
    reasons = _PLACE.sub("\n", why).strip().splitlines()
    return f"{told}: {'; '.join(fault_told(reason) for reason in reasons)}"


def phrase(text: str) -> str:
    """Return what a difference says, piece by piece; names that people gave stay as they are."""
    return ", ".join(_said_again(piece, PHRASE_PATTERNS) for piece in text.split(", "))


def _said_again(text: str, patterns: Sequence[tuple[str, re.Pattern[str]]]) -> str:
    if (name := text.replace(" ", "_")) in WORDS:
        return word(name)
    for msgid, pattern in patterns:
        found = pattern.fullmatch(text)
        if found is not None:
            # A name that somebody gave stays, even where it is a word of ours.
            values = {
                name: _said_again(value, patterns) if name in _WORDY else value
                for name, value in found.groupdict().items()
            }
            return gettext(msgid) % values
    return text


def _choices(kind: type[Enum]) -> Choices:
    return [(word_of(each), word(word_of(each))) for each in kind]
