"""What differs between two tariffs, in words for the person who pays or approves, not in paths."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import Enum
from fractions import Fraction
from typing import assert_never

from compuerta.domain.money import format_minor
from compuerta.domain.tariff.components import (
    Allocation,
    Allowance,
    Calendar,
    ChangePolicy,
    Component,
    Demand,
    Energy,
    Fixed,
    Minimum,
    Percent,
    Period,
    PerKwh,
    Recovery,
    Scale,
    Scope,
    StepKind,
    Steps,
    Tariff,
)
from compuerta.domain.tariff.document import WEEKDAYS, decimal_text, kilo_text, month_day_text, slot_text
from compuerta.domain.tariff.reading import word_of

_KINDS = {
    StepKind.GRADUATED: "each kWh at the price of its own step",
    StepKind.SLAB: "all kWh at the price of the step reached",
}
_SCOPES = {Scope.TOTAL: "the energy of all periods together", Scope.PERIOD: "each period's own energy"}
_ALLOCATIONS = {
    Allocation.CHRONOLOGICAL: "in the order of use",
    Allocation.PROPORTIONAL: "every step shared by the periods' parts",
}
_SCALES = {
    Scale.NONE: "the same for everybody",
    Scale.DAY: "times the days of the window",
    Scale.PERSON: "times the persons",
    Scale.KW: "times the kW of contracted power",
    Scale.KW_DAY: "times the kW of contracted power and the days of the window",
}
_POLICIES = {
    ChangePolicy.CONTINUE: "the count goes on",
    ChangePolicy.RESET: "the count starts again",
    ChangePolicy.PRORATE: "the count starts again, with bounds by the days",
}

_Fact = tuple[str, str]  # (place, what holds there)


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """A place where two tariffs differ; None = there is nothing there."""

    place: str
    before: str | None
    after: str | None


def differences(old: Tariff | None, new: Tariff) -> tuple[Difference, ...]:
    """Return what differs, what `old` has first; nothing where both say the same, all where none was."""
    before, after = dict(_facts(old)) if old else {}, dict(_facts(new))
    return tuple(
        Difference(place=place, before=before.get(place), after=after.get(place))
        for place in dict.fromkeys([*before, *after])
        if before.get(place) != after.get(place)
    )


def _facts(tariff: Tariff) -> Iterator[_Fact]:
    yield "Name", tariff.name
    yield "Currency", tariff.currency
    yield "First day of a bill", str(tariff.cycle_day)
    yield "Rounding", f"{_words(tariff.rounding.place)}, {_words(tariff.rounding.mode)}"
    yield "Lines in order", _list(each.name for each in tariff.components)
    for component in tariff.components:
        for place, value in _component_facts(component, currency=tariff.currency):
            yield f"{component.name}{', ' if place else ''}{place}", value


def _component_facts(component: Component, *, currency: str) -> Iterator[_Fact]:
    """Yield (place below the component, value)."""
    match component:
        case Energy(negative_allowed=negative_allowed):
            yield "", "price of energy"
            yield from _period_facts(component.periods, unit="kWh", currency=currency)
            yield from _steps_facts(component.steps)
            yield from _calendar_facts(component.calendar, periods=component.periods)
            yield "prices below nothing", "allowed" if negative_allowed else "not allowed"
        case Demand(ratchet_months=months, ratchet_share=share):
            yield "", f"price of the highest power in {component.interval_min} minutes"
            yield from _period_facts(component.periods, unit="kW", currency=currency)
            yield from _calendar_facts(component.calendar, periods=component.periods)
            if months:
                yield "at least", f"{_percent(share)} of the peaks of {months} bills before"
        case PerKwh(account=account, price=price):
            yield "", f"{decimal_text(price)} {currency} per kWh, {_words(account)}"
        case Fixed(account=account, amount=amount, per=per):
            yield "", f"{decimal_text(amount)} {currency} per {_words(per)}, {_words(account)}"
        case Percent(account=account, share=share, base=base, included=included):
            placed = "included in" if included else "on top of"
            yield "", f"{_percent(share)} {placed} {_base(base)}, {_words(account)}"
        case Allowance(energy_wh=energy_wh, window=window, counts_in_steps=counts):
            yield "", f"{kilo_text(energy_wh)} kWh free per {_words(window)}"
            yield "counts in the steps", "yes" if counts else "no"
        case Minimum(amount=amount, per=per, base=base):
            yield "", f"at least {decimal_text(amount)} {currency} per {_words(per)} for {_base(base)}"
        case Recovery(share=share, least_minor=least_minor):
            least = format_minor(least_minor, currency=currency)
            yield "", f"{_percent(share)} of a payment, at least {least} {currency}"
        case _:
            assert_never(component)


def _period_facts(periods: tuple[Period, ...], *, unit: str, currency: str) -> Iterator[_Fact]:
    shared = len({period.ladder.bounds for period in periods}) == 1
    if shared:
        yield from _bound_facts("", periods[0].ladder.bounds, unit=unit)
    yield "periods in order", _list(period.name for period in periods)
    for period in periods:
        yield f"{period.name}, role", _words(period.role)
        if not shared:
            yield from _bound_facts(f"{period.name}, ", period.ladder.bounds, unit=unit)
        for step, price in enumerate(period.ladder.prices, start=1):
            place = f"{period.name}, price of step {step}" if step > 1 else f"{period.name}, price"
            yield place, f"{decimal_text(price)} {currency} per {unit}"


def _bound_facts(place: str, bounds: tuple[int, ...], *, unit: str) -> Iterator[_Fact]:
    for step, bound in enumerate(bounds, start=1):
        yield f"{place}step {step} ends at", f"{kilo_text(bound)} {unit}"


def _steps_facts(steps: Steps) -> Iterator[_Fact]:
    yield "steps count over", f"a {_words(steps.window)}"
    yield "year of the steps begins", month_day_text(steps.year_start)
    yield "steps price", _KINDS[steps.kind]
    yield "steps count", _SCOPES[steps.scope]
    yield "steps fill", _ALLOCATIONS[steps.allocation]
    yield "bounds are", _SCALES[steps.scale]
    yield "at a new version", _POLICIES[steps.on_change]
    yield "moving in", "bounds by the days that are left" if steps.prorate_moves else "whole bounds"
    if steps.household_persons:
        yield "large households", f"{steps.household_persons} persons or more"
        yield "large households' bounds", f"{kilo_text(steps.household_extra_wh)} kWh higher"


def _calendar_facts(calendar: Calendar, *, periods: tuple[Period, ...]) -> Iterator[_Fact]:
    names = [table.name for table in calendar.day_tables]
    for table in sorted(calendar.day_tables, key=lambda table: table.name):
        yield f"day table {table.name}", _list(slot_text(slot, periods=periods) for slot in table.slots)
    for season in calendar.seasons:
        start = f"from {month_day_text(season.start)}"
        days = [f"{day} {names[table]}" for day, table in zip(WEEKDAYS, season.days, strict=True)]
        holidays = [f"{name} {names[table]}" for name, table in sorted(season.holidays)]
        yield f"season {season.name}", _list([start, *days, *holidays])
    for each in calendar.holiday_lists:
        for day in sorted(each.dates):
            yield f"{each.name} {day}", "holiday"


def _words(kind: Enum) -> str:
    return word_of(kind).replace("_", " ")


def _list(words: Iterable[str]) -> str:
    return ", ".join(words)


def _percent(share: Fraction) -> str:
    return f"{decimal_text(share * 100)} %"


def _base(names: tuple[str, ...]) -> str:
    return _list(names) or "all before it"
