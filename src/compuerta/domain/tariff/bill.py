"""The bill: exact money made of a tally's cells, rounded where the tariff says, line by line.

A charge is bill(after).total_minor - bill(before).total_minor, so that the charges of a cycle add up to its
bill to the last minor unit, however often the meter was read (promise M4).
"""

from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from enum import Enum
from fractions import Fraction

from compuerta.domain.money import minor_digits
from compuerta.domain.tariff.civil import day_of, day_start_us, from_us, table_of, window_of
from compuerta.domain.tariff.components import (
    Account,
    Demand,
    Energy,
    Fixed,
    Minimum,
    Percent,
    Period,
    PerKwh,
    Rounding,
    RoundingMode,
    RoundingPlace,
    Scope,
    StepKind,
    Terms,
    Window,
)
from compuerta.domain.tariff.schedule import Schedule, VersionKey
from compuerta.domain.tariff.tally import (
    NO_TERMS,
    W_PER_KW,
    Amount,
    Tally,
    bill_cycle,
    bounds_of,
    peaks_of,
    steps_count,
    steps_window,
)

WH_PER_KWH = 1_000
_HOUR_MIN = 60
_HALF = Fraction(1, 2)
_ONE_DAY = timedelta(days=1)


class Unit(Enum):
    """What a line's quantity counts."""

    WH = "wh"
    DAY = "day"
    MONTH = "month"  # a day is a part of one
    CYCLE = "cycle"
    QUARTER = "quarter"
    YEAR = "year"
    W = "w"
    MINOR = "minor"  # money, of which the price is a share


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line of a bill: quantity x price = exact, and the minor units that it is shown with."""

    version: VersionKey
    name: str
    account: Account
    unit: Unit
    quantity: Fraction
    price: Fraction  # major units per kWh, day, month ..., kW; of MINOR, a share
    exact: Fraction  # minor units; negative where it is taken off
    amount_minor: int = 0
    period: str = ""
    step: int | None = None  # from 0; None = a price without steps
    from_wh: Amount | None = None  # of the step: above this ...
    to_wh: Amount | None = None  # ... up to and including this; None = no end


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """Where the steps' running totals stand under a bill's last version, by period, in Wh."""

    version: VersionKey
    window_start: datetime
    opened: Mapping[str, Amount] | None  # when the version took over; None = another window has begun since
    reached: Mapping[str, Amount]


@dataclass(frozen=True, slots=True, kw_only=True)
class Bill:
    """What an account owes for one cycle, up to an instant of it."""

    start: datetime
    until: datetime
    lines: tuple[Line, ...]
    exact: Fraction  # minor units before they are rounded, without what was carried in
    total_minor: int
    carry: Fraction  # what rounding RUNNING hands to the next bill
    carried: Fraction = Fraction(0)  # what it took over from the one before
    way: Way | None = None  # None = no steps that fill in the order of use

    def by_account(self) -> dict[Account, int]:
        """Return the minor units of each account; they add up to the total."""
        sums: dict[Account, int] = {}
        for line in self.lines:
            sums[line.account] = sums.get(line.account, 0) + line.amount_minor
        return sums


def bill(tally: Tally, *, schedule: Schedule, terms: Terms = NO_TERMS, closing: bool = False) -> Bill:
    """Return the bill of a tally as it stands; `closing` adds what falls due at the end of a cycle."""
    lines: list[Line] = []
    for at in range(len(tally.segments)):
        lines += _Maker(tally, at, schedule, terms).lines(before=tuple(lines), closing=closing)
    rounding = rounding_of(tally, schedule=schedule)
    exact = sum((line.exact for line in lines), Fraction(0))
    running = rounding.place is RoundingPlace.RUNNING
    carry = tally.carry if running else Fraction(0)
    amounts = _amounts(lines, rounding, carry)
    total_minor = sum(amounts)
    return Bill(
        start=tally.bill_start,
        until=tally.until,
        lines=tuple(replace(line, amount_minor=amount) for line, amount in zip(lines, amounts, strict=True)),
        exact=exact,
        total_minor=total_minor,
        carry=carry + exact - total_minor if running else Fraction(0),
        carried=carry,
        way=_way(tally, schedule),
    )


def _way(tally: Tally, schedule: Schedule) -> Way | None:
    segment = tally.segments[-1]
    version = schedule.by_key[segment.version]
    tariff = version.tariff
    if steps_count(tariff) == 1:
        return None
    names = [period.name for period in tariff.energy.periods]

    def by_period(totals: Sequence[Amount]) -> dict[str, Amount]:
        return dict(zip(names, totals if len(totals) > 1 else [*totals] * len(names), strict=True))

    began = steps_window(tariff, segment.start_us, schedule=schedule).first
    is_same = began == day_of(tally.window_start_us, zone=schedule.zone)
    return Way(
        version=version.key,
        window_start=from_us(tally.window_start_us),
        opened=by_period(segment.opening) if is_same else None,
        reached=by_period(tally.totals),
    )


def base_of(component: Percent | Minimum, lines: Iterable[Line]) -> list[Line]:
    """Return the lines that a percentage or a minimum looks at; no minimum looks at another."""
    over = [line for line in lines if not component.base or line.name in component.base]
    if isinstance(component, Minimum):
        return [line for line in over if line.account is not Account.MINIMUM]
    return over


def rounding_of(tally: Tally, *, schedule: Schedule) -> Rounding:
    """Return how a bill is rounded: as it began, whatever versions follow in it.

    A bill that is not `running` takes nothing from the one before: what was carried, less than a minor unit,
    is then left with the customer.
    """
    return schedule.by_key[tally.segments[0].version].tariff.rounding


def rounded(amount: Fraction, mode: RoundingMode) -> int:
    """Return an exact amount of minor units as an integer; below zero its mirror image."""
    match mode:
        case RoundingMode.HALF_UP:
            return (amount + _HALF).__floor__() if amount >= 0 else -(_HALF - amount).__floor__()
        case RoundingMode.HALF_EVEN:
            return round(amount)


def days_quantity(component: Fixed, first: date, end: date, *, cycle_day: int) -> Fraction:
    """Return how much of a fixed amount the local days [first, end) are: of a longer window, a part each."""
    quantity, day = Fraction(0), first
    while day < end:
        window = window_of(day, window=component.per, cycle_day=cycle_day)
        until = min(window.end, end)
        quantity += Fraction((until - day).days, window.count)
        day = until
    return quantity


class _Maker:
    """Makes the lines of one segment, component by component."""

    def __init__(self, tally: Tally, at: int, schedule: Schedule, terms: Terms) -> None:
        self._tally = tally
        self._at = at
        self._segment = tally.segments[at]
        self._is_last = at == len(tally.segments) - 1
        self._schedule = schedule
        self._terms = terms
        self._version = schedule.by_key[self._segment.version]
        self._tariff = self._version.tariff
        self._minor: int = 10 ** minor_digits(self._tariff.currency)
        self._minor_per_wh = Fraction(self._minor, WH_PER_KWH)
        self._lines: list[Line] = []

    def lines(self, *, before: tuple[Line, ...], closing: bool) -> list[Line]:
        """Return the lines; with the minimum if closing, over the lines of earlier segments too."""
        for component in self._tariff.components:
            match component:
                case Energy():
                    self._energy(component)
                case PerKwh():
                    self._per_kwh(component)
                case Fixed():
                    self._fixed(component)
                case Demand() if self._is_last:
                    self._demand(component)
                case Percent():
                    self._percent(component)
                case Minimum() if closing and self._is_last:
                    self._minimum(component, (*before, *self._lines))
                case _:
                    pass  # an allowance is in the cells already; a recovery is a matter of payments
        return self._lines

    def _put(
        self, name: str, account: Account, unit: Unit, *, quantity: Fraction | int, price: Fraction
    ) -> Line:
        exact = quantity * price * self._factor(unit)
        line = Line(
            version=self._version.key,
            name=name,
            account=account,
            unit=unit,
            quantity=Fraction(quantity),
            price=price,
            exact=account.sign * exact,
        )
        self._lines.append(line)
        return line

    def _factor(self, unit: Unit) -> Fraction | int:
        match unit:
            case Unit.WH:
                return self._minor_per_wh
            case Unit.W:
                return Fraction(self._minor, W_PER_KW)
            case Unit.MINOR:
                return 1
            case _:
                return self._minor

    # Energy.

    def _energy(self, energy: Energy) -> None:
        count = steps_count(self._tariff)
        cells = self._segment.cells
        # Of several windows in one bill, the line tells the last one's bounds.
        latest_us = max(self._segment.start_us, self._tally.window_start_us if self._is_last else 0)
        window = steps_window(self._tariff, latest_us, schedule=self._schedule)
        bounds = bounds_of(
            self._segment,
            schedule=self._schedule,
            terms=self._terms,
            window=window,
            opened_us=self._tally.opened_us,
        )
        for at, period in enumerate(energy.periods):
            row = cells[at * (count + 1) : (at + 1) * (count + 1)]
            steps = row[:-1] if count > 1 else self._steps_at_last(at, bounds[at])
            for step, quantity in enumerate(steps):
                if quantity:
                    self._energy_line(energy.name, period, bounds[at], step, quantity)
            allowance = self._tariff.allowance
            if row[-1] and allowance is not None:
                free = self._put(allowance.name, Account.ENERGY, Unit.WH, quantity=row[-1], price=Fraction(0))
                self._lines[-1] = replace(free, period=period.name)

    def _energy_line(
        self, name: str, period: Period, bounds: Sequence[Amount], step: int, quantity: Amount
    ) -> None:
        price = period.ladder.prices[step]
        stepped = bool(bounds)
        self._lines.append(
            Line(
                version=self._version.key,
                name=name,
                account=Account.ENERGY,
                unit=Unit.WH,
                quantity=Fraction(quantity),
                price=price,
                exact=quantity * price * self._minor_per_wh,
                period=period.name,
                step=step if stepped else None,
                from_wh=(bounds[step - 1] if step else 0) if stepped else None,
                to_wh=bounds[step] if step < len(bounds) else None,
            )
        )

    def _steps_at_last(self, at: int, bounds: Sequence[Amount]) -> list[Amount]:
        """Return a period's energy by step where that is decided by the whole cycle: slab, proportional."""
        steps = self._tariff.energy.steps
        own = self._segment.cells[at * 2]
        if not bounds:
            return [own]
        per_period = steps.scope is Scope.PERIOD
        counted = self._counted(at) if per_period else sum(map(self._counted, range(len(self._energies()))))
        opening = self._segment.opening[at if per_period else 0]
        if steps.kind is StepKind.SLAB:
            reached = bisect_left(bounds, opening + counted)
            return [own if step == reached else 0 for step in range(len(bounds) + 1)]
        if not counted:
            return [0]
        uppers, lowers = [*bounds, None], [0, *bounds]
        return [
            Fraction(_inside(opening, opening + counted, lower, upper)) * own / counted
            for lower, upper in zip(lowers, uppers, strict=True)
        ]

    def _energies(self) -> tuple[Amount, ...]:
        return self._segment.cells[::2]

    def _counted(self, at: int) -> Amount:
        paid, free = self._segment.cells[at * 2 : at * 2 + 2]
        allowance = self._tariff.allowance
        return paid + free if allowance is not None and allowance.counts_in_steps else paid

    def _per_kwh(self, component: PerKwh) -> None:
        count = steps_count(self._tariff)
        cells = self._segment.cells
        paid_wh = sum(amount for at, amount in enumerate(cells) if (at + 1) % (count + 1))
        if paid_wh:
            self._put(component.name, component.account, Unit.WH, quantity=paid_wh, price=component.price)

    # Time.

    def _fixed(self, component: Fixed) -> None:
        quantity = days_quantity(component, *self._days(), cycle_day=self._tariff.cycle_day)
        if quantity:
            unit = Unit(component.per.value)
            self._put(component.name, component.account, unit, quantity=quantity, price=component.amount)

    def _days(self) -> tuple[date, date]:
        """Return the local days that this segment pays for: [first, end)."""
        tally, zone = self._tally, self._schedule.zone
        until_us = max(tally.until_us, tally.accrued_us)
        if self._is_last:
            end = day_of(until_us - 1, zone=zone) + _ONE_DAY
        else:
            end = self._first_day(self._at + 1)
        first = self._first_day(self._at)
        return first, max(end, first) if until_us > self._segment.start_us else first

    def _first_day(self, at: int) -> date:
        """A day belongs to the version that it began with; an account's first day to its first version."""
        start_us, zone = self._tally.segments[at].start_us, self._schedule.zone
        day = day_of(start_us, zone=zone)
        whole = at == 0 or day_start_us(day, zone=zone) == start_us
        return day if whole else day + _ONE_DAY

    # Power.

    def _demand(self, component: Demand) -> None:
        demands = self._tariff.demands
        first = sum(len(each.periods) for each in demands[: demands.index(component)])
        peaks_wh = peaks_of(self._tally)[first : first + len(component.periods)]
        floors_wh = self._floors_wh(component, first)
        for period, peak_wh, floor_wh in zip(component.periods, peaks_wh, floors_wh, strict=True):
            billed_w = max(Fraction(peak_wh), floor_wh) * _HOUR_MIN / component.interval_min
            bounds = period.ladder.bounds
            for step, price in enumerate(period.ladder.prices):
                lower = bounds[step - 1] if step else 0
                inside = _inside(0, billed_w, lower, bounds[step] if step < len(bounds) else None)
                if inside > 0:
                    line = self._put(component.name, Account.DEMAND, Unit.W, quantity=inside, price=price)
                    self._lines[-1] = replace(line, period=period.name, step=step if bounds else None)

    def _floors_wh(self, component: Demand, first: int) -> list[Fraction]:
        """Return what each period's peak is taken for at least: a share of those of the cycles before."""
        count = len(component.periods)
        past_wh = [
            peaks_wh[first : first + count]
            for peaks_wh in self._tally.past_peaks_wh[: component.ratchet_months]
        ]
        held = self._held_by(component) if past_wh else set()
        # A period that has the cycle to itself is a season's: its power is compared with all of the past's.
        alone = len(held) == 1
        highest_wh = [
            max(
                (peaks_wh[was] for peaks_wh in past_wh for was in range(len(peaks_wh)) if alone or was == at),
                default=0,
            )
            for at in range(count)
        ]
        return [
            component.ratchet_share * (peak_wh if at in held else 0) for at, peak_wh in enumerate(highest_wh)
        ]

    def _held_by(self, component: Demand) -> set[int]:
        """Return the periods that the calendar has in this cycle; no other is billed for its past."""
        cycle = bill_cycle(self._tally, schedule=self._schedule)
        days = (cycle.first + _ONE_DAY * at for at in range(cycle.count))
        return {slot.period for day in days for slot in table_of(component.calendar, day).slots}

    # Money on money.

    def _percent(self, component: Percent) -> None:
        base = base_of(component, self._lines)
        if not base:
            return
        of = self._base_minor(base)
        if not component.included:
            self._put(component.name, component.account, Unit.MINOR, quantity=of, price=component.share)
            return
        share = component.share / (1 + component.share)
        self._put(component.name, component.account, Unit.MINOR, quantity=of, price=share)
        # What is told apart was in the base's prices: it is taken from there.
        self._put(component.name, base[0].account, Unit.MINOR, quantity=of, price=-share)

    def _base_minor(self, base: Sequence[Line]) -> Fraction:
        rounding = rounding_of(self._tally, schedule=self._schedule)
        exact = sum((line.exact for line in base), Fraction(0))
        match rounding.place:
            case RoundingPlace.LINES:
                return Fraction(sum(rounded(line.exact, rounding.mode) for line in base))
            case RoundingPlace.NET:
                return Fraction(rounded(exact, rounding.mode))
            case RoundingPlace.GROSS | RoundingPlace.RUNNING:
                return exact

    def _minimum(self, component: Minimum, lines: Sequence[Line]) -> None:
        exact = sum((line.exact for line in base_of(component, lines)), Fraction(0))
        zone = self._schedule.zone
        first = day_of(self._tally.bill_start_us, zone=zone)
        cycle = bill_cycle(self._tally, schedule=self._schedule)
        wanted = component.amount * self._minor
        if component.per is Window.YEAR:
            if cycle.end.year == cycle.first.year:
                return  # the year goes on
            year = window_of(cycle.first, window=Window.YEAR)
            lived = year.end - max(year.first, day_of(self._tally.opened_us, zone=zone))
            wanted *= Fraction(lived.days, year.count)
            exact += self._tally.year_exact
        else:
            wanted *= Fraction((cycle.end - first).days, cycle.count)
        if exact < wanted:
            short = (wanted - exact) / self._minor
            self._put(component.name, Account.MINIMUM, Unit(component.per.value), quantity=1, price=short)


def _inside(start: Amount, end: Amount, lower: Amount, upper: Amount | None) -> Amount:
    """Return how much of [start, end) lies between two bounds."""
    top = end if upper is None else min(end, upper)
    return max(top - max(start, lower), 0)


def _amounts(lines: Sequence[Line], rounding: Rounding, carry: Fraction) -> list[int]:
    """Return each line's minor units; they add up to the total that the rounding makes."""
    mode = rounding.mode
    match rounding.place:
        case RoundingPlace.LINES:
            return [rounded(line.exact, mode) for line in lines]
        case RoundingPlace.NET:
            net = [at for at, line in enumerate(lines) if not _is_tax(line)]
            shown = {at: rounded(line.exact, mode) for at, line in enumerate(lines)}
            parts = [lines[at].exact for at in net]
            shown |= zip(net, _shared(parts, rounded(sum(parts, Fraction(0)), mode)), strict=True)
            return [shown[at] for at in range(len(lines))]
        case RoundingPlace.GROSS | RoundingPlace.RUNNING:
            parts = [line.exact for line in lines]
            return _shared(parts, rounded(sum(parts, carry), mode))


def _is_tax(line: Line) -> bool:
    """Tell a tax, and what an included one takes from its base: these two are rounded alike and cancel."""
    return line.account is Account.TAX or (line.unit is Unit.MINOR and line.price < 0)


def _shared(parts: Sequence[Fraction], total_minor: int) -> list[int]:
    """Share a total over exact parts by largest remainder; ties go to the earlier line."""
    shown = [part.__floor__() for part in parts]
    rest = total_minor - sum(shown)
    by_remainder = sorted(range(len(parts)), key=lambda at: shown[at] - parts[at])
    # What was carried in can make the rest one more than there are lines, or one less than none.
    for at in by_remainder[:rest] if rest >= 0 else by_remainder[rest:]:
        shown[at] += 1 if rest > 0 else -1
    if rest > len(parts) and parts:
        shown[by_remainder[0]] += rest - len(parts)
    return shown
