"""A second engine, written to be compared with the first: quarter of an hour by quarter, in fractions.

It shares the tariffs' shapes with the engine and nothing else: each tick asks for its own local time, a
window is the set of days that have the same key, and a bill is made of plain sums. Slow, and simple.
All instants given to it lie on quarters of an hour, and so do all boundaries of the tariffs.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import ROUND_HALF_EVEN, ROUND_HALF_UP, Decimal
from fractions import Fraction
from functools import cache
from zoneinfo import ZoneInfo

from compuerta.domain.tariff.components import (
    Account,
    Allocation,
    Calendar,
    ChangePolicy,
    Demand,
    Energy,
    Fixed,
    Minimum,
    Percent,
    PerKwh,
    Rounding,
    RoundingMode,
    RoundingPlace,
    Scale,
    Scope,
    StepKind,
    Tariff,
    Terms,
    Window,
)
from compuerta.domain.tariff.tally import Span

TICK = timedelta(minutes=15)
DAY = timedelta(days=1)
CENTS = 100

# Name, period, step, account, number of the version.
Key = tuple[str, str, int | None, Account, int]


@dataclass
class Reckoned:
    """One bill: exact cents by line, and the total that they are rounded to."""

    lines: dict[Key, Fraction]
    total_minor: int
    exact: Fraction


@dataclass
class _Open:
    """A bill in progress, with one part for each version in it."""

    first: date
    parts: list["_Part"] = field(default_factory=list)
    days: list[tuple[date, int]] = field(default_factory=list)  # with the part that each belongs to
    peaks_wh: dict[tuple[int, int], int] = field(default_factory=dict)


@dataclass
class _Part:
    number: int  # of the version
    opening: dict[int, Fraction]
    stepped: dict[tuple[int, int], Fraction] = field(default_factory=dict)
    paid: dict[int, Fraction] = field(default_factory=dict)
    free: dict[int, Fraction] = field(default_factory=dict)


class Reckoner:
    """Rates one account; the tariffs are given with the wall clock's time that each begins at."""

    def __init__(
        self, tariffs: Sequence[tuple[datetime, Tariff]], *, zone: str, start: datetime, terms: Terms
    ) -> None:
        self.starts = [begin for begin, _ in tariffs]
        self.tariffs = [tariff for _, tariff in tariffs]
        self.zone = ZoneInfo(zone)
        self.terms = terms
        self.now = start
        self.opened = self.local(start).date()
        self.bills: list[Reckoned] = []
        self.midnights: dict[date, datetime] = {}
        self.carry = Fraction(0)
        self.totals: dict[int, Fraction] = {}
        self.free_used = Fraction(0)
        self.interval: tuple[object, int] = (None, 0)
        self.past_peaks_wh: list[dict[tuple[int, int], int]] = []
        self.number = self.version(self.local(start))
        self.keys = self._keys(self.opened)
        self.open = _Open(first=self.opened, parts=[_Part(self.number, {})])

    # Time.

    def local(self, instant: datetime) -> datetime:
        return instant.astimezone(self.zone).replace(tzinfo=None)

    def version(self, local: datetime) -> int:
        return max((at for at, begin in enumerate(self.starts) if begin <= local), default=0)

    @property
    def tariff(self) -> Tariff:
        return self.tariffs[self.number]

    @property
    def rounding(self) -> Rounding:
        """A bill is rounded as it began."""
        return self.tariffs[self.open.parts[0].number].rounding

    def days_like(self, day: date, window: Window, *, january: bool = False) -> tuple[date, ...]:
        """All days of a day's window."""
        start = self.tariff.energy.steps.year_start
        return _days_like(day, window, self.tariff.cycle_day, (1, 1) if january else (start.month, start.day))

    def _keys(self, day: date) -> tuple[date, date | None, date]:
        """The first days of the windows of the steps, of the allowance, and of the bill."""
        allowance = self.tariff.allowance
        free = self.days_like(day, allowance.window, january=True)[0] if allowance else None
        steps = self.days_like(day, self.tariff.energy.steps.window)[0]
        return steps, free, self.days_like(day, Window.CYCLE)[0]

    def arrive(self, instant: datetime) -> None:
        """Let what begins at an instant begin: a bill, a version, a window."""
        self.now = instant
        local = self.local(instant)
        steps_key, free_key, cycle_key = self._keys(local.date())
        ends = steps_key != self.keys[0]
        closing = cycle_key != self.keys[2]
        if closing:
            self.bills.append(self.bill(closing=True))
            running = self.rounding.place is RoundingPlace.RUNNING
            left = self.carry + self.bills[-1].exact - self.bills[-1].total_minor
            self.carry = left if running else Fraction(0)
            self.past_peaks_wh.insert(0, self.open.peaks_wh)
            self.open = _Open(first=local.date())
        number = self.version(local)
        changes = number != self.number
        was, self.number = self.tariff, number
        if ends or (changes and self.tariff.energy.steps.on_change is not ChangePolicy.CONTINUE):
            self.totals = {}
        steps_key, free_key, cycle_key = self._keys(local.date())
        if free_key != self.keys[1]:
            self.free_used = Fraction(0)
        if closing or changes:
            self.open.parts.append(_Part(number, dict(self.totals)))
            self.interval = (None, 0)
            if changes and _shape(was) != _shape(self.tariff):
                self.open.peaks_wh = {}
        self.keys = steps_key, free_key, cycle_key

    def period(self, calendar: Calendar, instant: datetime) -> int:
        local = self.local(instant)
        season = [
            each
            for each in calendar.seasons
            if (each.start.month, each.start.day) <= (local.month, local.day)
        ]
        table = (season or calendar.seasons)[-1].days[local.weekday()]
        minute = local.hour * 60 + local.minute
        return [slot.period for slot in calendar.day_tables[table].slots if slot.start_min <= minute][-1]

    # Use.

    def take(self, span: Span) -> None:
        """Rate a use."""
        start = max(span.start, self.now)
        while self.now < start:
            self.tick(0)
        if span.end <= start:
            self.add(self.period(self.tariff.energy.calendar, self.now), span.energy_wh)
            return
        ticks = [start + number * TICK for number in range((span.end - start) // TICK)]
        tariffs = [self.tariffs[self.version(self.local(tick))] for tick in ticks]
        periods = [
            self.period(tariff.energy.calendar, tick) for tariff, tick in zip(tariffs, ticks, strict=True)
        ]
        fewest = min(len(tariff.energy.periods) for tariff in tariffs)
        energies = [0] * len(ticks)
        if span.rates_wh is None or len(span.rates_wh) > fewest:
            _spread(span.energy_wh, range(len(ticks)), energies)
        else:
            for period, energy_wh in enumerate(span.rates_wh):
                own = [at for at, each in enumerate(periods) if each == period]
                _spread(energy_wh, own, energies)
                if not own:
                    self.add(period, energy_wh)
        for energy_wh in energies:
            self.tick(energy_wh)

    def tick(self, energy_wh: int) -> None:
        """Use energy in the coming quarter of an hour, and arrive at its end."""
        day = self.local(self.now).date()
        if not self.open.days or self.open.days[-1][0] != day:
            self.open.days.append((day, len(self.open.parts) - 1))
        self.measure(energy_wh)
        self.add(self.period(self.tariff.energy.calendar, self.now), energy_wh)
        self.arrive(self.now + TICK)

    def measure(self, energy_wh: int) -> None:
        """Keep the highest energy of an interval, by demand and its period."""
        for number, demand in enumerate(self.tariff.demands):
            midnight = self.midnight(self.local(self.now).date())
            interval = midnight, (self.now - midnight) // timedelta(minutes=demand.interval_min)
            if number == 0:
                before = self.interval[1] if self.interval[0] == interval else 0
                self.interval = interval, before + energy_wh
            key = number, self.period(demand.calendar, self.now)
            self.open.peaks_wh[key] = max(self.open.peaks_wh.get(key, 0), self.interval[1])

    def midnight(self, day: date) -> datetime:
        """The first instant of a local day."""
        if day not in self.midnights:
            first = self.now
            while self.local(first - TICK).date() == day:
                first -= TICK
            self.midnights[day] = first
        return self.midnights[day]

    def add(self, period: int, energy_wh: int) -> None:
        """Put energy where it belongs."""
        part, tariff = self.open.parts[-1], self.tariff
        allowance, steps = tariff.allowance, tariff.energy.steps
        free = Fraction(0)
        if allowance is not None:
            free = min(Fraction(energy_wh), max(allowance.energy_wh - self.free_used, Fraction(0)))
            self.free_used += free
        paid = energy_wh - free
        part.free[period] = part.free.get(period, Fraction(0)) + free
        part.paid[period] = part.paid.get(period, Fraction(0)) + paid
        which = period if steps.scope is Scope.PERIOD else 0
        counts = allowance is not None and allowance.counts_in_steps
        lower = self.totals.get(which, Fraction(0)) + (free if counts else 0)
        self.totals[which] = lower + paid
        bounds = self.bounds(period, self.local(self.now).date())
        for step in range(len(bounds) + 1):
            inside = _inside(lower, lower + paid, bounds, step)
            part.stepped[period, step] = part.stepped.get((period, step), Fraction(0)) + inside

    def bounds(self, period: int, day: date) -> list[Fraction]:
        """The bounds of a period, in the window of a day."""
        tariff = self.tariff
        steps, bounds = tariff.energy.steps, tariff.energy.periods[period].ladder.bounds
        if not bounds:
            return []
        plain = steps.scale is Scale.NONE and not steps.prorate_moves
        factor = Fraction(1)
        if not plain or steps.on_change is ChangePolicy.PRORATE:
            window = self.days_like(day, steps.window)
            granted = [each for each in window if not steps.prorate_moves or each >= self.opened]
            if steps.on_change is ChangePolicy.PRORATE:
                granted = [each for each in granted if self.version(_last_moment(each)) == self.number]
            factor = Fraction(len(granted), len(window))
            factor *= {
                Scale.NONE: Fraction(1),
                Scale.DAY: Fraction(len(window)),
                Scale.PERSON: Fraction(self.terms.persons or 1),
                Scale.KW: Fraction(self.terms.contracted_w or 0, 1000),
                Scale.KW_DAY: Fraction((self.terms.contracted_w or 0) * len(window), 1000),
            }[steps.scale]
        large = steps.household_persons and (self.terms.persons or 0) >= steps.household_persons
        extra = steps.household_extra_wh if large else 0
        return [(bound + extra) * factor for bound in bounds]

    def has_begun(self) -> bool:
        """Tell whether there is anything in the bill in progress."""
        used = [amount for part in self.open.parts for amount in (*part.paid.values(), *part.free.values())]
        return bool(self.open.days) or any(used)

    # Money.

    def bill(self, *, closing: bool = False) -> Reckoned:
        """The bill as it stands."""
        lines: list[tuple[Key, Fraction, bool]] = []  # the last: tax, or what an included tax takes away
        here, last = self.number, len(self.open.parts) - 1
        for at, part in enumerate(self.open.parts):
            self.number = part.number
            made: list[tuple[Key, Fraction, bool]] = []
            for component in self.tariff.components:
                match component:
                    case Energy():
                        made += self._energy(component, part)
                    case PerKwh():
                        amount = sum(part.paid.values()) * component.price * CENTS / 1000
                        made.append((self._name(component), _signed(component.account, amount), False))
                    case Fixed():
                        days = [day for day, owner in self.open.days if owner == at]
                        made.append((self._name(component), self._fixed(component, days), False))
                    case Demand() if at == last:
                        made += self._demand(component)
                    case Percent():
                        made += self._percent(component, made)
                    case Minimum() if closing and at == last:
                        made += self._minimum(component, [*lines, *made])
            lines += made
        rounding = self.rounding
        self.number = here
        exact = sum((amount for _, amount, _ in lines), Fraction(0))
        sums: dict[Key, Fraction] = {}
        for key, amount, _ in lines:
            sums[key] = sums.get(key, Fraction(0)) + amount
        return Reckoned(
            lines={key: amount for key, amount in sums.items() if amount},
            total_minor=self._total(lines, rounding.place, rounding.mode),
            exact=exact,
        )

    def _total(
        self, lines: list[tuple[Key, Fraction, bool]], place: RoundingPlace, mode: RoundingMode
    ) -> int:
        amounts = [amount for _, amount, _ in lines]
        if place is RoundingPlace.LINES:
            return sum(cents(amount, mode) for amount in amounts)
        if place is RoundingPlace.NET:
            net = sum((amount for _, amount, is_tax in lines if not is_tax), Fraction(0))
            return cents(net, mode) + sum(cents(amount, mode) for _, amount, is_tax in lines if is_tax)
        carry = self.carry if place is RoundingPlace.RUNNING else 0
        return cents(sum(amounts, Fraction(0)) + carry, mode)

    def _name(self, component: PerKwh | Fixed | Percent, account: Account | None = None) -> Key:
        return component.name, "", None, account or component.account, self.number

    def _energy(self, energy: Energy, part: _Part) -> Iterable[tuple[Key, Fraction, bool]]:
        steps = energy.steps
        late = steps.kind is StepKind.SLAB or steps.allocation is Allocation.PROPORTIONAL
        stepped = self._late_steps(part) if late else part.stepped
        for (period, step), amount in sorted(stepped.items()):
            if amount:
                own = energy.periods[period]
                key = energy.name, own.name, step if own.ladder.bounds else None, Account.ENERGY, self.number
                yield key, amount * own.ladder.prices[step] * CENTS / 1000, False

    def _late_steps(self, part: _Part) -> dict[tuple[int, int], Fraction]:
        steps, stepped = self.tariff.energy.steps, {}
        allowance = self.tariff.allowance
        counts = allowance is not None and allowance.counts_in_steps
        counted = {at: paid + (part.free[at] if counts else 0) for at, paid in part.paid.items()}
        for period, paid in part.paid.items():
            # Such steps have the cycle for their window; any day of it will do.
            bounds = self.bounds(period, self.open.first if not self.open.days else self.open.days[-1][0])
            per_period = steps.scope is Scope.PERIOD
            total = counted[period] if per_period else sum(counted.values(), Fraction(0))
            opening = part.opening.get(period if per_period else 0, Fraction(0))
            for step in range(len(bounds) + 1):
                if steps.kind is StepKind.SLAB:
                    reached = sum(opening + total > bound for bound in bounds)
                    stepped[period, step] = paid if step == reached else Fraction(0)
                elif total:
                    stepped[period, step] = _inside(opening, opening + total, bounds, step) * paid / total
        return stepped

    def _fixed(self, component: Fixed, days: list[date]) -> Fraction:
        amount = sum(
            (
                component.amount * CENTS / len(self.days_like(day, component.per, january=True))
                for day in days
            ),
            Fraction(0),
        )
        return _signed(component.account, amount)

    def _demand(self, demand: Demand) -> Iterable[tuple[Key, Fraction, bool]]:
        number = self.tariff.demands.index(demand)
        per_hour = Fraction(60, demand.interval_min)
        for at, period in enumerate(demand.periods):
            past = [peaks.get((number, at), 0) for peaks in self.past_peaks_wh[: demand.ratchet_months]]
            peak_wh = max(
                Fraction(self.open.peaks_wh.get((number, at), 0)), max(past, default=0) * demand.ratchet_share
            )
            bounds = [Fraction(bound) for bound in period.ladder.bounds]
            for step, price in enumerate(period.ladder.prices):
                inside = _inside(Fraction(0), peak_wh * per_hour, bounds, step)
                key = demand.name, period.name, step if bounds else None, Account.DEMAND, self.number
                yield key, inside * price * CENTS / 1000, False

    def _percent(
        self, component: Percent, made: list[tuple[Key, Fraction, bool]]
    ) -> Iterable[tuple[Key, Fraction, bool]]:
        base = [(key, amount) for key, amount, _ in made if not component.base or key[0] in component.base]
        base = [(key, amount) for key, amount in base if amount]
        if not base:
            return
        amount = sum((amount for _, amount in base), Fraction(0))
        mode = self.rounding.mode
        if self.rounding.place is RoundingPlace.LINES:
            amount = Fraction(sum(cents(each, mode) for _, each in base))
        if self.rounding.place is RoundingPlace.NET:
            amount = Fraction(cents(amount, mode))
        is_tax = component.account is Account.TAX
        if component.included:
            inside = amount * component.share / (1 + component.share)
            yield self._name(component), inside, True
            yield self._name(component, base[0][0][3]), -inside, True
        else:
            yield self._name(component), _signed(component.account, amount * component.share), is_tax

    def _minimum(
        self, component: Minimum, made: list[tuple[Key, Fraction, bool]]
    ) -> Iterable[tuple[Key, Fraction, bool]]:
        assert component.per is Window.CYCLE, "the year's minimum has its own tests"
        exact = sum(
            (amount for key, amount, _ in made if not component.base or key[0] in component.base), Fraction(0)
        )
        cycle = self.days_like(self.open.first, Window.CYCLE)
        lived = [day for day in cycle if day >= self.open.first]
        short = component.amount * CENTS * Fraction(len(lived), len(cycle)) - exact
        if short > 0:
            yield (component.name, "", None, Account.MINIMUM, self.number), short, False


@cache
def _days_like(day: date, window: Window, cycle_day: int, year_start: tuple[int, int]) -> tuple[date, ...]:
    def key(each: date) -> object:
        match window:
            case Window.DAY:
                return each
            case Window.MONTH:
                return each.year, each.month
            case Window.CYCLE:
                begun = each if each.day >= cycle_day else each.replace(day=1) - DAY
                return begun.year, begun.month
            case Window.QUARTER:
                return each.year, (each.month + 2) // 3
            case Window.YEAR:
                return each.year - ((each.month, each.day) < year_start)

    around = [day + number * DAY for number in range(-366, 367)]
    return tuple(each for each in around if key(each) == key(day))


def cents(amount: Fraction, mode: RoundingMode) -> int:
    """Round as the standard library does."""
    rounding = ROUND_HALF_UP if mode is RoundingMode.HALF_UP else ROUND_HALF_EVEN
    doubled = amount * 2
    if doubled.denominator == 1:
        return int((Decimal(doubled.numerator) / 2).quantize(Decimal(1), rounding=rounding))
    return round(amount)  # not a half: nothing to decide


def _signed(account: Account, amount: Fraction) -> Fraction:
    return -amount if account is Account.SUBSIDY else amount


def _shape(tariff: Tariff) -> list[int]:
    return [len(demand.periods) for demand in tariff.demands]


def _last_moment(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, 23, 59)  # noqa: DTZ001 the wall clock's


def _inside(lower: Fraction, upper: Fraction, bounds: Sequence[Fraction], step: int) -> Fraction:
    bottom = bounds[step - 1] if step else Fraction(0)
    top = bounds[step] if step < len(bounds) else max(upper, bottom)
    return max(min(upper, top) - max(lower, bottom), Fraction(0))


def _spread(energy_wh: int, places: Sequence[int], energies: list[int]) -> None:
    for number, place in enumerate(places):
        energies[place] += energy_wh * (number + 1) // len(places) - energy_wh * number // len(places)
