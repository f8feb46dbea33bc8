"""What makes a tariff refusable: every fault at once, each with its place in the document and what to do.

What is merely idle (a period that no hour uses, a day table that no season names) is no fault: published
tariffs have such, and nobody pays more or less for it. A holiday list that no season uses is one, because
somebody believes that those days are cheaper.
"""

from calendar import monthrange
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from fractions import Fraction

from compuerta.domain.errors import Refused
from compuerta.domain.money import MINOR_DIGITS
from compuerta.domain.tariff.components import (
    MINUTES_PER_DAY,
    Account,
    Allocation,
    Allowance,
    Calendar,
    ChangePolicy,
    Component,
    DayTable,
    Demand,
    Energy,
    Fixed,
    Minimum,
    MonthDay,
    Percent,
    Period,
    PerKwh,
    Recovery,
    Scope,
    StepKind,
    Tariff,
    Window,
)
from compuerta.domain.tariff.reading import PRICE_DECIMALS

CYCLE_DAY_MAX = 28  # every month has it
AMOUNT_MAX = 10**9  # major units; a dearer kWh is a slip of the keyboard
RATCHET_MONTHS_MAX = 24
MINUTES_PER_HOUR = 60
_COMMON_YEAR = 2025  # without 29 February, which not every year has
_ALL = Fraction(1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """Why a tariff is refused: the place in its document, and what to do there."""

    place: str
    reason: str


class TariffFaulty(Refused):
    """A tariff that can be read and must not be used; carries all its faults."""

    def __init__(self, faults: tuple[Fault, ...]) -> None:
        super().__init__("; ".join(f"{fault.place}: {fault.reason}" for fault in faults))
        self.faults = faults


def refuse_faults(tariff: Tariff) -> None:
    """Refuse a tariff that has faults."""
    faults = check(tariff)
    if faults:
        raise TariffFaulty(tuple(faults))


def check(tariff: Tariff) -> list[Fault]:
    """Return all faults of a tariff, in the order of its document."""
    faults = [*_header_faults(tariff), *_count_faults(tariff)]
    for number, component in enumerate(tariff.components):
        place = f"components[{number}]"
        found = [*_component_faults(component), *_base_faults(tariff, number=number)]
        if isinstance(component, Energy):
            found += _window_faults(tariff, component)
        faults += [Fault(place=f"{place}{at}", reason=reason) for at, reason in found]
    return faults


def check_change(after: Tariff, *, before: Tariff) -> list[Fault]:
    """Return why one tariff cannot follow another on the same account, at an instant inside a bill."""
    faults = []
    if after.currency != before.currency:
        faults.append(Fault(place="currency", reason=f"must stay {before.currency}: accounts are kept in it"))
    steps, old = after.energy.steps, before.energy.steps
    if steps.on_change is ChangePolicy.CONTINUE and after.energy.is_stepped and before.energy.is_stepped:
        place = f"{energy_place(after)}.steps.on_change"
        instead = "write reset or prorate"
        if steps.window is not old.window or steps.scope is not old.scope:
            reason = f"a running total means nothing in another window or scope: {instead}"
            faults.append(Fault(place=place, reason=reason))
        elif steps.scope is Scope.PERIOD and _period_names(after) != _period_names(before):
            reason = f"each period's running total needs the same periods: {instead}"
            faults.append(Fault(place=place, reason=reason))
    return faults


def energy_place(tariff: Tariff) -> str:
    """Return where the document has the price of energy, such as `components[0]`."""
    return f"components[{tariff.components.index(tariff.energy)}]"


# Within a component a fault is (place below it, reason).
_Found = Iterator[tuple[str, str]]


def _header_faults(tariff: Tariff) -> Iterator[Fault]:
    if not tariff.name.strip():
        yield Fault(place="name", reason="write a name")
    if tariff.currency not in MINOR_DIGITS:
        yield Fault(place="currency", reason=f"write one of {', '.join(sorted(MINOR_DIGITS))}")
    if not 1 <= tariff.cycle_day <= CYCLE_DAY_MAX:
        yield Fault(place="cycle_day", reason=f"write a day from 1 to {CYCLE_DAY_MAX}, which every month has")


def _count_faults(tariff: Tariff) -> Iterator[Fault]:
    count = sum(isinstance(each, Energy) for each in tariff.components)
    if count == 0:
        yield Fault(place="components", reason="write one component of kind energy")
    once: tuple[tuple[type, str], ...] = (
        (Energy, "energy"),
        (Allowance, "allowance"),
        (Recovery, "recovery"),
        (Minimum, "minimum"),
    )
    for kind, word in once:
        places = [number for number, each in enumerate(tariff.components) if isinstance(each, kind)]
        for number in places[1:]:
            yield Fault(place=f"components[{number}]", reason=f"a tariff has only one of kind {word}")
    names = [each.name for each in tariff.components]
    for number in _repeated(names):
        reason = f"{names[number]} is taken: write another name"
        yield Fault(place=f"components[{number}].name", reason=reason)
    lengths = [(number, each) for number, each in enumerate(tariff.components) if isinstance(each, Demand)]
    for number, demand in lengths[1:]:
        if demand.interval_min != lengths[0][1].interval_min:
            reason = "power is measured once: write the same interval in all demand components"
            yield Fault(place=f"components[{number}].interval_minutes", reason=reason)


def _component_faults(component: Component) -> _Found:
    match component:
        case Energy():
            yield from _energy_faults(component)
        case Demand():
            yield from _demand_faults(component)
        case PerKwh(price=price):
            yield from _price_faults(".price", price)
        case Fixed(amount=amount):
            yield from _price_faults(".amount", amount)
        case Percent(share=share):
            yield from _share_faults(".percent", share)
        case Recovery(share=share, least_minor=least_minor):
            yield from _share_faults(".percent", share)
            if least_minor < 0:
                yield ".least", "write an amount of 0 or more"
        case Allowance(energy_wh=energy_wh):
            if energy_wh <= 0:
                yield ".energy_kwh", "write more than 0 kWh, or leave the allowance out"
        case Minimum(amount=amount, per=per):
            yield from _price_faults(".amount", amount)
            if per not in (Window.CYCLE, Window.YEAR):
                yield ".per", "write cycle or year"


def _window_faults(tariff: Tariff, energy: Energy) -> _Found:
    """Steps that only a whole bill decides need windows that begin where bills begin."""
    steps = energy.steps
    slab = steps.kind is StepKind.SLAB
    if not energy.is_stepped or (not slab and steps.allocation is not Allocation.PROPORTIONAL):
        return
    first_day = steps.year_start.day if steps.window is Window.YEAR else 1
    if steps.window is Window.DAY:
        yield ".steps.window", "slab and proportional steps are made with the bill: write cycle"
    elif slab and steps.window in (Window.QUARTER, Window.YEAR):
        yield ".steps.window", "a bill that is paid cannot change with the next: write cycle for slab steps"
    elif steps.window is not Window.CYCLE and tariff.cycle_day != first_day:
        yield ".steps.window", f"begins on day {first_day}, and bills on day {tariff.cycle_day}: write cycle"


def _energy_faults(energy: Energy) -> _Found:
    steps = energy.steps
    yield from _period_faults(
        energy.periods, bounds=".steps.bounds_kwh", own="bounds_kwh", negative_allowed=energy.negative_allowed
    )
    yield from _calendar_faults(energy.calendar, periods=len(energy.periods))
    yield from _month_day_faults(".steps.year_start", steps.year_start, last=CYCLE_DAY_MAX)
    if (steps.household_persons > 0) != (steps.household_extra_wh > 0):
        yield ".steps.household", "write both persons and extra_kwh above 0, or leave both out"
    if min(steps.household_persons, steps.household_extra_wh) < 0:
        yield ".steps.household", "write numbers of 0 or more"
    if steps.kind is StepKind.SLAB and steps.allocation is Allocation.PROPORTIONAL:
        yield ".steps.allocation", "slab steps price all energy alike: leave allocation out"


def _demand_faults(demand: Demand) -> _Found:
    yield from _period_faults(demand.periods, bounds=".bounds_kw", own="bounds_kw", negative_allowed=False)
    yield from _calendar_faults(demand.calendar, periods=len(demand.periods))
    if demand.interval_min < 1 or MINUTES_PER_HOUR % demand.interval_min:
        yield ".interval_minutes", "write a part of an hour, such as 15, 30 or 60"
    else:
        for table in demand.calendar.day_tables:
            for number, slot in enumerate(table.slots):
                if slot.start_min % demand.interval_min:
                    yield (
                        f".day_tables.{table.name}[{number}]",
                        f"begins inside an interval of {demand.interval_min} minutes: move it to an edge",
                    )
    if not 0 <= demand.ratchet_months <= RATCHET_MONTHS_MAX:
        yield ".ratchet.months", f"write a number from 0 to {RATCHET_MONTHS_MAX}"
    if (demand.ratchet_months > 0) != (demand.ratchet_share > 0):
        yield ".ratchet", "write both months and percent above 0, or leave both out"
    if not 0 <= demand.ratchet_share <= _ALL:
        yield ".ratchet.percent", "write a share from 0 to 100"


def _period_faults(periods: tuple[Period, ...], *, bounds: str, own: str, negative_allowed: bool) -> _Found:
    if not periods:
        yield ".periods", "write at least one period"
    names = [period.name for period in periods]
    for number in _repeated(names):
        yield f".periods[{number}].name", f"{names[number]} is taken: write another name"
    shared = len({period.ladder.bounds for period in periods}) == 1
    for number, period in enumerate(periods):
        place, ladder = f".periods[{number}]", period.ladder
        if len(ladder.prices) != len(ladder.bounds) + 1:
            wanted = f"write {len(ladder.bounds) + 1} prices, one for each step"
            yield f"{place}.prices", f"{wanted}; there are {len(ladder.prices)}"
        for step, price in enumerate(ladder.prices):
            yield from _price_faults(f"{place}.prices[{step}]", price, negative_allowed=negative_allowed)
        if shared and number:
            continue  # the same bounds are told of once
        for step, bound in enumerate(ladder.bounds):
            if bound <= (ladder.bounds[step - 1] if step else 0):
                at = f"{bounds}[{step}]" if shared else f"{place}.{own}[{step}]"
                yield at, "steps must rise: write more than the bound before, or than 0"


def _calendar_faults(calendar: Calendar, *, periods: int) -> _Found:
    tables = calendar.day_tables
    yield from _name_faults(".day_tables", [table.name for table in tables])
    for table in tables:
        yield from _slot_faults(table, periods=periods)
    if not calendar.seasons:
        yield ".seasons", "write at least one season"
    names = [season.name for season in calendar.seasons]
    for number in _repeated(names):
        yield f".seasons[{number}].name", f"{names[number]} is taken: write another name"
    for number, season in enumerate(calendar.seasons):
        place = f".seasons[{number}]"
        yield from _month_day_faults(f"{place}.from", season.start)
        if number and season.start <= calendar.seasons[number - 1].start:
            yield f"{place}.from", "seasons must rise through the year: write a later day than the one before"
        if len(season.days) != 7 or not all(0 <= day < len(tables) for day in season.days):
            yield place, "name a day table for each of the seven weekdays"
        yield from _holiday_faults(f"{place}.holidays", dict(season.holidays), calendar=calendar)
    used = {name for season in calendar.seasons for name, _ in season.holidays}
    yield from _name_faults(".holidays", [each.name for each in calendar.holiday_lists])
    for each in calendar.holiday_lists:
        if each.name not in used:
            yield f".holidays.{each.name}", "no season says what its days are: add it there"


def _slot_faults(table: DayTable, *, periods: int) -> _Found:
    place, slots = f".day_tables.{table.name}", table.slots
    if not slots or slots[0].start_min != 0:
        yield (place if not slots else f"{place}[0]"), "the day has a gap before this: begin at 00:00"
    for number, slot in enumerate(slots):
        if number and slot.start_min <= slots[number - 1].start_min:
            yield f"{place}[{number}]", "overlaps the slot before it: write a later time"
        if not 0 <= slot.start_min < MINUTES_PER_DAY:
            yield f"{place}[{number}]", "is beyond the day: write a time before 24:00"
        if not 0 <= slot.period < periods:
            yield f"{place}[{number}]", "name one of the component's periods"


def _holiday_faults(place: str, holidays: dict[str, int], *, calendar: Calendar) -> _Found:
    """Two lists that disagree on a date are a fault: the order of a document's mapping means nothing."""
    known = {each.name: each.dates for each in calendar.holiday_lists}
    tables: dict[date, int] = {}
    for name, table in holidays.items():
        if name not in known:
            yield f"{place}.{name}", "is not among the component's holidays: write its dates there"
        elif not 0 <= table < len(calendar.day_tables):
            yield f"{place}.{name}", "name one of the component's day tables"
        for day in sorted(known.get(name, ())):
            if tables.setdefault(day, table) != table:
                yield f"{place}.{name}", f"{day} is in another list with another day table: keep it in one"


def _base_faults(tariff: Tariff, *, number: int) -> _Found:
    """The base of a percent or a minimum: components before it that are on the bill."""
    component = tariff.components[number]
    if not isinstance(component, Percent | Minimum):
        return
    before = _on_bill(tariff.components[:number])
    later = {each.name for each in tariff.components[number:]}
    for at, name in enumerate(component.base):
        if name not in before:
            reason = "must come before this" if name in later else "is no line of the bill"
            yield f".base[{at}]", f"{name} {reason}"
    for at in _repeated(component.base):
        yield f".base[{at}]", f"{component.base[at]} is there twice"
    if not before:
        yield "", "nothing comes before it that it could be taken of: move it down"
    if isinstance(component, Percent) and component.included:
        yield from _included_faults(component, number=number, components=tariff.components)


def _included_faults(percent: Percent, *, number: int, components: tuple[Component, ...]) -> _Found:
    """A share that prices contain is told apart from them: from whose, and from which account, is plain."""
    base = _base_of(percent, components[:number])
    if percent.account is Account.SUBSIDY:
        yield ".account", "a subsidy is taken off the bill and cannot be included in prices"
    if any(isinstance(each, Percent | Minimum) for each in base.values()):
        yield ".base", "name the components whose own prices contain it: energy, per_kwh, fixed, demand"
    elif len({_account_of(each) for each in base.values()}) > 1:
        yield ".base", "name components of one account: what is told apart leaves that account"
    for at, other in enumerate(components[:number]):
        if isinstance(other, Percent) and other.included:
            contains_it = _base_of(other, components[:at])
            for name in filter(contains_it.__contains__, base):
                yield ".base", f"{name} contains {other.name} already: write one share for both"


def _base_of(component: Percent | Minimum, earlier: tuple[Component, ...]) -> dict[str, Component]:
    before = _on_bill(earlier)
    return {name: each for name, each in before.items() if not component.base or name in component.base}


def _on_bill(components: tuple[Component, ...]) -> dict[str, Component]:
    return {each.name: each for each in components if not isinstance(each, Allowance | Recovery)}


def _account_of(component: Component) -> Account:
    match component:
        case PerKwh(account=account) | Fixed(account=account):
            return account
        case Demand():
            return Account.DEMAND
        case _:
            return Account.ENERGY


def _price_faults(place: str, price: Fraction, *, negative_allowed: bool = False) -> _Found:
    if (price * 10**PRICE_DECIMALS).denominator != 1:
        yield place, f"write at most {PRICE_DECIMALS} decimals"
    if price < 0 and not negative_allowed:
        yield place, "is below nothing: write 0 or more"
    if abs(price) > AMOUNT_MAX:
        yield place, f"write at most {AMOUNT_MAX}"


def _share_faults(place: str, share: Fraction) -> _Found:
    if not 0 < share <= _ALL:
        yield place, "write a share above 0 and up to 100"
    if (share * 100 * 10**PRICE_DECIMALS).denominator != 1:
        yield place, f"write at most {PRICE_DECIMALS} decimals"


def _month_day_faults(place: str, day: MonthDay, *, last: int = 31) -> _Found:
    if not 1 <= day.month <= 12 or not 1 <= day.day <= min(monthrange(_COMMON_YEAR, day.month)[1], last):
        latest = f", the {last}th at the latest" if last < 31 else ""
        yield place, f"write a day that every year has{latest}, such as 06-01"


def _name_faults(place: str, names: list[str]) -> _Found:
    for number in _repeated(names):
        yield f"{place}.{names[number]}", "is there twice: write another name"


def _repeated(names: Iterable[str]) -> list[int]:
    seen: set[str] = set()
    repeated = []
    for number, name in enumerate(names):
        if name in seen:
            repeated.append(number)
        seen.add(name)
    return repeated


def _period_names(tariff: Tariff) -> list[str]:
    return [period.name for period in tariff.energy.periods]
