"""Fitting: whether a meter can deduct by a tariff itself: the tables that it is given, or why it cannot.

A meter knows year zones, day tables, rest days, holidays, one price per rate and one per step (price of a kWh
= price of the rate + price of the step), and rounds its running total half up when somebody looks. What is
more than that does not fit; every reason is told with its place in the tariff's document. Where it does not
fit, the fallback is that the platform deducts and the meter is a switch (credit authority `platform`).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, time, timedelta
from fractions import Fraction
from itertools import combinations
from types import MappingProxyType

from compuerta.domain.money import minor_digits
from compuerta.domain.tariff.checking import energy_place
from compuerta.domain.tariff.civil import table_of
from compuerta.domain.tariff.components import (
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
    Role,
    RoundingMode,
    RoundingPlace,
    Scale,
    Scope,
    StepKind,
    Tariff,
    Terms,
    Window,
)
from compuerta.domain.tariff.document import decimal_text
from compuerta.domain.tariff.tally import household_wh

PRICE_E4 = 10_000  # a meter's price has four decimals
REST_TABLE_NO = 1  # always the first, so that a change of tariff seldom has to change it
# So far ahead a meter is given holidays: more of them could not be loaded within one lease.
HOLIDAY_YEARS = 2
WEEKDAYS = range(7)  # Monday first
_DAY = timedelta(days=1)
_MIDNIGHT = time()
_QUARTERS = tuple(MonthDay(month=month, day=1) for month in (1, 4, 7, 10))
_MONTHS = range(1, 13)
_RATE_OF_ROLE: Mapping[Role, int] = MappingProxyType({role: no for no, role in enumerate(Role, start=1)})


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceProfile:
    """What a meter that holds money can hold of prices; the defaults are what DL/T 645's registers hold."""

    bounds_max: int  # there is one step more than bounds
    settlements_max: int  # days of the year on which the steps begin anew; with none, every month does
    settlement_day_max: int = 28
    price_e4_max: int = 99_999_999  # XXXX.XXXX
    bound_step_wh: int = 10  # the register's unit: 0.01 kWh
    bound_wh_max: int = 999_999_990  # XXXXXX.XX kWh
    money_digits: int = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class MeterProfile:
    """What a model of meter can hold; `prices` is None where the meter counts by rate and holds no money."""

    zones_max: int
    day_tables_max: int
    slots_max: int
    rates_max: int
    holidays_max: int
    has_weekend: bool  # it knows rest days, with one day table for the whole year
    prices: PriceProfile | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RateSlot:
    """From this minute of the wall clock on, use is counted at this rate."""

    start_min: int
    rate: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Zone:
    """From this day of the year on, working days follow this day table."""

    start: MonthDay
    table_no: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Holiday:
    """This date follows this day table, whatever its weekday."""

    on: date
    table_no: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceTables:
    """What a meter deducts: price of the rate + price of the step, in 0.0001 of the major unit per kWh."""

    rate_prices_e4: tuple[int, ...]  # of rate 1, 2 ...; a rate that no day table names repeats another's
    bounds_wh: tuple[int, ...]
    step_prices_e4: tuple[int, ...]  # one more than bounds
    settlements: tuple[MonthDay, ...]  # at 00:00 of these days the steps begin anew; none = with each month


RateSlots = tuple[RateSlot, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class MeterTables:
    """A tariff as a meter holds it; day tables are numbered from 1, rates too."""

    zones: tuple[Zone, ...]
    day_tables: tuple[RateSlots, ...]
    rest_days: frozenset[int]  # weekdays, Monday = 0, that follow day table REST_TABLE_NO all year
    holidays: tuple[Holiday, ...]  # rising by date
    rate_of_period: tuple[int, ...]  # by the tariff's periods: in which register a period's use is counted
    prices: PriceTables | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Misfit:
    """One thing that the meter cannot do, and where the tariff asks for it."""

    place: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Unfit:
    """Why a tariff cannot be loaded: the platform has to deduct it, with the meter as its switch."""

    misfits: tuple[Misfit, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Loading:
    """When a tariff takes over in a meter, from which one, and for whom."""

    at: datetime  # naive: the site's wall clock, which is the meter's
    before: Tariff | None = None  # what it deducts by until then; None = it is loaded for the first time
    terms: Terms = field(default_factory=Terms)


def fit(tariff: Tariff, *, profile: MeterProfile, loading: Loading) -> MeterTables | Unfit:
    """Return the tables by which a meter of this profile deducts exactly what the tariff says, or why not.

    The tariff is one that `checking` has passed. With `profile.prices` None only the calendar must fit.
    """
    place = energy_place(tariff)
    rates = rates_of(tariff.energy.periods, rates_max=profile.rates_max)
    days = _Days(tariff.energy, rates=rates, profile=profile, place=place)
    days.arrange(loading)
    misfits = days.misfits
    prices = None
    if profile.prices is not None:
        ladder = _Prices(tariff, rates=rates, profile=profile.prices, place=place)
        misfits += _components_that_misfit(tariff)
        misfits += _rounding_that_misfits(tariff, profile=profile.prices)
        prices = ladder.tables(loading)
        misfits += ladder.misfits
    if misfits:
        return Unfit(misfits=tuple(misfits))
    return MeterTables(
        zones=days.zones,
        day_tables=tuple(days.numbers),
        rest_days=days.rest_days,
        holidays=days.holidays,
        rate_of_period=rates,
        prices=prices,
    )


def rates_of(periods: Sequence[Period], *, rates_max: int) -> tuple[int, ...]:
    """Number the periods as meters do (1 sharp ... 4 valley), or in order where roles do not tell them."""
    by_role = tuple(_RATE_OF_ROLE[period.role] for period in periods)
    if len(set(by_role)) == len(by_role) and max(by_role) <= rates_max:
        return by_role
    return tuple(range(1, len(periods) + 1))


# Days: zones, day tables, rest days, holidays.


class _Days:
    """Will lay a calendar out as a meter's tables, and keep what of it does not fit."""

    def __init__(self, energy: Energy, *, rates: tuple[int, ...], profile: MeterProfile, place: str) -> None:
        self.misfits: list[Misfit] = []
        self.numbers: dict[RateSlots, int] = {}  # the day tables in use, in order
        self.zones: tuple[Zone, ...] = ()
        self.rest_days: frozenset[int] = frozenset()
        self.holidays: tuple[Holiday, ...] = ()
        self._calendar = energy.calendar
        self._rates = rates
        self._profile = profile
        self._place = place

    def arrange(self, loading: Loading) -> None:
        """Fill the tables; that of the rest days comes first."""
        if max(self._rates) > self._profile.rates_max:
            self._miss("periods", f"{max(self._rates)} rates: the meter has {self._profile.rates_max}")
        rest_days = _rest_days_of(self._calendar, rates=self._rates, profile=self._profile)
        if rest_days is None:
            kinds = "one day table for rest days all year and, per season, one for all other days"
            self._miss("seasons", f"the meter has {kinds if self._profile.has_weekend else 'no rest days'}")
        else:
            self.rest_days = rest_days
            self._number_tables()
        self._list_holidays(loading)
        for number, content in enumerate(self.numbers, start=1):
            if len(content) > self._profile.slots_max:
                reason = f"{len(content)} slots (day table {number}): the meter has {self._profile.slots_max}"
                self._miss("day_tables", reason)
        self._miss_beyond("day_tables", len(self.numbers), self._profile.day_tables_max, "day tables")
        self._miss_beyond("seasons", len(self.zones), self._profile.zones_max, "seasons")
        self._check_takeover(loading)

    def _number_tables(self) -> None:
        seasons = self._calendar.seasons
        for weekday in self.rest_days:
            self._number(self._calendar.day_tables[seasons[0].days[weekday]])
        zones: list[Zone] = []
        for season in seasons:
            working = next(season.days[weekday] for weekday in WEEKDAYS if weekday not in self.rest_days)
            table_no = self._number(self._calendar.day_tables[working])
            if not zones or zones[-1].table_no != table_no:
                zones.append(Zone(start=season.start, table_no=table_no))
        self.zones = tuple(zones)

    def _number(self, table: DayTable) -> int:
        return self.numbers.setdefault(_content(table, self._rates), len(self.numbers) + 1)

    def _list_holidays(self, loading: Loading) -> None:
        """List the dates ahead that are not as their weekday says."""
        first = loading.at.date()
        self.holidays = tuple(
            Holiday(on=day, table_no=self._number(table))
            for day, table in _special_days(self._calendar, rates=self._rates)
            if day >= first
        )
        if self.holidays and self.holidays[-1].on >= first + HOLIDAY_YEARS * 365 * _DAY:
            last = self.holidays[-1].on
            # What is not loaded would be deducted like any other day, and nobody would be told.
            reason = f"{last} is more than {HOLIDAY_YEARS} years ahead: leave it to a later version"
            self._miss("holidays", reason)
        self._miss_beyond("holidays", len(self.holidays), self._profile.holidays_max, "holidays ahead")

    def _check_takeover(self, loading: Loading) -> None:
        """Holidays and rest days have no second set: they have to change at a moment that nobody notices."""
        at, before = loading.at, loading.before
        calendars = [self._calendar] if before is None else [self._calendar, before.energy.calendar]
        if at.time() != _MIDNIGHT and any(_is_listed(calendar, at.date()) for calendar in calendars):
            self._miss("holidays", "the day of the change is a holiday: let it begin at 00:00")
        if before is None:
            return
        rates = rates_of(before.energy.periods, rates_max=self._profile.rates_max)
        rested = _rest_days_of(before.energy.calendar, rates=rates, profile=self._profile)
        changed = self.rest_days ^ (rested or frozenset())
        eve = at - _DAY if at.time() == _MIDNIGHT else at
        if {at.weekday(), eve.weekday()} <= changed:
            self._miss("seasons", "rest days change between two of them: let it begin next to a working day")

    def _miss_beyond(self, name: str, count: int, most: int, what: str) -> None:
        if count > most:
            self._miss(name, f"{count} {what}: the meter has {most}")

    def _miss(self, name: str, reason: str) -> None:
        self.misfits.append(Misfit(place=f"{self._place}.{name}", reason=reason))


def _content(table: DayTable, rates: tuple[int, ...]) -> RateSlots:
    """Return a day table by rates; slots that follow each other at one rate are one."""
    slots: list[RateSlot] = []
    for slot in table.slots:
        if not slots or slots[-1].rate != rates[slot.period]:
            slots.append(RateSlot(start_min=slot.start_min, rate=rates[slot.period]))
    return tuple(slots)


def _rest_days_of(
    calendar: Calendar, *, rates: tuple[int, ...], profile: MeterProfile
) -> frozenset[int] | None:
    """Return the fewest weekdays that can be the meter's rest days; None = no choice of them fits."""
    contents = [_content(table, rates) for table in calendar.day_tables]
    weeks = [[contents[table] for table in season.days] for season in calendar.seasons]
    for count in WEEKDAYS if profile.has_weekend else range(1):
        for rest_days in combinations(WEEKDAYS, count):
            rest = {week[weekday] for week in weeks for weekday in rest_days}
            working = [{week[day] for day in WEEKDAYS if day not in rest_days} for week in weeks]
            if len(rest) <= 1 and all(len(tables) == 1 for tables in working):
                return frozenset(rest_days)
    return None


def _special_days(calendar: Calendar, *, rates: tuple[int, ...]) -> Iterator[tuple[date, DayTable]]:
    """Yield the listed dates, rising, on which another day table holds than without the lists."""
    without = replace(calendar, holiday_lists=())
    for day in sorted({day for each in calendar.holiday_lists for day in each.dates}):
        table = table_of(calendar, day)
        if _content(table, rates) != _content(table_of(without, day), rates):
            yield day, table


def _is_listed(calendar: Calendar, day: date) -> bool:
    return any(day in each.dates for each in calendar.holiday_lists)


# Money: components, rounding, prices, steps.


def _components_that_misfit(tariff: Tariff) -> Iterator[Misfit]:
    for at, component in enumerate(tariff.components):
        reason = ""
        match component:
            case Fixed():
                reason = "a meter deducts for use only, not for time"
            case Demand():
                reason = "a meter deducts for energy only, not for power"
            case Allowance():
                reason = "a meter knows no free energy"
            case Minimum():
                reason = "a meter knows no minimum"
            case Percent() if not component.included:
                reason = "a meter adds no percentage: write prices that include it"
            case _:  # energy and what is put on each kWh; recovery is a matter of payments
                continue
        yield Misfit(place=f"components[{at}]", reason=reason)


def _rounding_that_misfits(tariff: Tariff, *, profile: PriceProfile) -> Iterator[Misfit]:
    if tariff.rounding.place is not RoundingPlace.RUNNING:
        yield Misfit(place="rounding.place", reason="a meter rounds its running total: write running")
    if tariff.rounding.mode is not RoundingMode.HALF_UP:
        yield Misfit(place="rounding.mode", reason="a meter rounds half up")
    digits = minor_digits(tariff.currency)
    if digits != profile.money_digits:
        reason = f"{digits} decimals: the meter's money has {profile.money_digits}"
        yield Misfit(place="currency", reason=reason)


class _Prices:
    """Will part the prices of a kWh into one per rate and one per step, and keep what does not fit."""

    def __init__(self, tariff: Tariff, *, rates: tuple[int, ...], profile: PriceProfile, place: str) -> None:
        self.misfits: list[Misfit] = []
        self._tariff = tariff
        self._steps = tariff.energy.steps
        self._periods = tariff.energy.periods
        self._rates = rates
        self._profile = profile
        self._place = place

    def tables(self, loading: Loading) -> PriceTables:
        """Return the tables; they mean something only where there are no misfits."""
        bounds = sorted({bound for period in self._periods for bound in period.ladder.bounds})
        if bounds:
            self._check_window()
            self._check_counting()
            self._check_change(loading)
        # Each period's prices over the bounds of all: what is one step for it may be two for another.
        rows = [
            [period.ladder.prices[_step_above(period, lower)] for lower in (0, *bounds)]
            for period in self._periods
        ]
        extra = sum((_on_each_kwh(component) for component in self._tariff.components), Fraction(0))
        rows_e4 = [
            [self._price_e4(price + extra, period=at, step=step) for step, price in enumerate(row)]
            for at, row in enumerate(rows)
        ]
        rises_e4 = [price_e4 - rows_e4[0][0] for price_e4 in rows_e4[0]]
        self._check_additive(rows_e4, rises_e4)
        # Where a later step is cheaper, the first one's price is above zero: a register has no sign.
        step_prices_e4 = tuple(rise_e4 - min(rises_e4) for rise_e4 in rises_e4)
        by_rate = {rate: row[0] - step_prices_e4[0] for rate, row in zip(self._rates, rows_e4, strict=True)}
        usual_e4 = by_rate[self._rates[0]]
        return PriceTables(
            rate_prices_e4=tuple(by_rate.get(rate, usual_e4) for rate in range(1, max(self._rates) + 1)),
            bounds_wh=self._bounds_wh(bounds, loading),
            step_prices_e4=step_prices_e4,
            settlements=_settlements_held(self._tariff, profile=self._profile),
        )

    def _price_e4(self, price: Fraction, *, period: int, step: int) -> int:
        price_e4 = price * PRICE_E4
        name = f"periods[{period}].prices[{step}]"
        if price_e4.denominator != 1:
            self._miss(name, f"{decimal_text(price)} is finer than the meter's four decimals")
        elif price_e4 < 0:
            self._miss(name, "a meter deducts no price below zero")
        elif price_e4 > self._profile.price_e4_max:
            self._miss(name, "the price is more than the meter's register holds")
        return int(price_e4)

    def _check_additive(self, rows_e4: list[list[int]], rises_e4: list[int]) -> None:
        for period, row in enumerate(rows_e4):
            for step, rise_e4 in enumerate(rises_e4):
                if row[step] - row[0] != rise_e4:
                    reason = "a meter puts the same on every rate's price from step to step"
                    self._miss(f"periods[{period}].prices[{step}]", reason)

    def _bounds_wh(self, bounds: list[int], loading: Loading) -> tuple[int, ...]:
        steps, profile = self._steps, self._profile
        extra_wh = household_wh(steps, terms=loading.terms)
        bounds_wh = tuple(bound + extra_wh for bound in bounds)
        for at, bound_wh in enumerate(bounds_wh):
            name = f"steps.bounds_kwh[{at}]"
            if bound_wh % profile.bound_step_wh:
                self._miss(name, f"a meter counts in units of {profile.bound_step_wh} Wh")
            if bound_wh > profile.bound_wh_max:
                self._miss(name, "the bound is more than the meter's register holds")
        if len(bounds) > profile.bounds_max:
            self._miss("steps.bounds_kwh", f"{len(bounds)} bounds: the meter has {profile.bounds_max}")
        return bounds_wh

    def _check_window(self) -> None:
        settlements = _settlements_of(self._tariff)
        most, day_max = self._profile.settlements_max, self._profile.settlement_day_max
        if settlements is None:
            self._miss("steps.window", "a meter's steps begin anew by the month, or on days of the year")
        elif len(settlements) > most:
            reason = f"the steps begin anew on {len(settlements)} days a year: the meter has {most}"
            self._miss("steps.window", reason)
        elif any(settlement.day > day_max for settlement in settlements):
            self._miss("steps.year_start", f"a meter's steps begin anew on day {day_max} at the latest")

    def _check_counting(self) -> None:
        steps = self._steps
        several = len(self._periods) > 1
        if steps.kind is not StepKind.GRADUATED:
            self._miss("steps.kind", "a meter never goes back on what it has deducted")
        if steps.scope is not Scope.TOTAL and several:
            self._miss("steps.scope", "a meter counts the steps on the use of all periods together")
        if steps.allocation is not Allocation.CHRONOLOGICAL and several:
            self._miss("steps.allocation", "a meter deducts use as it comes: write chronological")
        if steps.scale is not Scale.NONE:
            self._miss("steps.scale", "a meter's bounds are the same for every day and customer")
        if steps.prorate_moves:
            self._miss("steps.prorate_moves", "a meter's bounds are the same for every window")

    def _check_change(self, loading: Loading) -> None:
        """Compare what the steps' running total does at the takeover: in the meter, and by the tariff."""
        before, policy = loading.before, self._steps.on_change
        if before is None:
            return
        held = _settlements_held(self._tariff, profile=self._profile)
        old_held = _settlements_held(before, profile=self._profile)
        begins = _begins_window(loading.at, held)
        meter_ends = _begins_window(loading.at, old_held)
        # A meter begins anew when it goes from months to days of the year, or back, at whatever moment.
        meter_resets = meter_ends or bool(held) is not bool(old_held)
        tariff_ends = _begins_window(loading.at, _settlements_of(before))
        tariff_resets = tariff_ends or policy is not ChangePolicy.CONTINUE
        prorates = ChangePolicy.PRORATE in (policy, before.energy.steps.on_change)
        begin_together = meter_ends and tariff_ends and begins
        is_clear = meter_resets or not begins
        if meter_resets is not tariff_resets or not is_clear or (prorates and not begin_together):
            does = "begins the steps anew" if meter_resets else "goes on with the steps"
            reason = f"a meter {does} at {loading.at:%m-%d %H:%M}: change where a window of both begins"
            self._miss("steps.on_change", reason)

    def _miss(self, name: str, reason: str) -> None:
        self.misfits.append(Misfit(place=f"{self._place}.{name}", reason=reason))


def _step_above(period: Period, lower: int) -> int:
    """Return the step that use just above `lower` falls into."""
    return sum(bound <= lower for bound in period.ladder.bounds)


def _on_each_kwh(component: Component) -> Fraction:
    """Return what a component puts on each kWh beside the energy's own price."""
    return component.account.sign * component.price if isinstance(component, PerKwh) else Fraction(0)


def _settlements_of(tariff: Tariff) -> tuple[MonthDay, ...] | None:
    """Return the days of the year on which the steps begin anew; () = with each month, None = by the day."""
    match tariff.energy.steps.window:
        case Window.MONTH:
            return ()
        case Window.CYCLE:
            day = tariff.cycle_day
            return () if day == 1 else tuple(MonthDay(month=month, day=day) for month in _MONTHS)
        case Window.QUARTER:
            return _QUARTERS
        case Window.YEAR:
            return (tariff.energy.steps.year_start,)
        case Window.DAY:
            return None


def _settlements_held(tariff: Tariff, *, profile: PriceProfile) -> tuple[MonthDay, ...]:
    """Return what a meter is given of them: without steps it may be less than the window says."""
    settlements = _settlements_of(tariff) or ()
    fits = all(settlement.day <= profile.settlement_day_max for settlement in settlements)
    return settlements if fits and len(settlements) <= profile.settlements_max else ()


def _begins_window(at: datetime, settlements: tuple[MonthDay, ...] | None) -> bool:
    if at.time() != _MIDNIGHT:
        return False
    if settlements is None:
        return True
    return MonthDay(month=at.month, day=at.day) in settlements if settlements else at.day == 1
