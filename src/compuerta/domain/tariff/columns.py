"""Many alike accounts at once: their tallies as columns of integers, moved and billed by whole columns.

It says nothing of its own about tariffs: what is compiled here is what `tally` and `bill` say, for accounts
that one version bills within one cycle and one window, and a test holds both together, row by row. What does
not fit is told (`plan_of` returns None, `fits` says no) and goes the ordinary way.

Money is exact: every line is an integer over one common denominator, the plan's `scale`, and nothing is begun
that could pass 63 bits.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from fractions import Fraction
from math import lcm
from typing import Final

import numpy as np
from numpy.typing import NDArray

from compuerta.domain.money import minor_digits
from compuerta.domain.tariff.bill import WH_PER_KWH, days_quantity
from compuerta.domain.tariff.civil import day_of, day_start_us
from compuerta.domain.tariff.components import (
    Account,
    Energy,
    Fixed,
    Minimum,
    Percent,
    PerKwh,
    Rounding,
    RoundingMode,
    RoundingPlace,
    Scope,
    Tariff,
    Terms,
)
from compuerta.domain.tariff.schedule import Schedule, VersionKey
from compuerta.domain.tariff.tally import (
    Tally,
    bounds_of,
    cycle_of,
    next_boundary_us,
    steps_count,
    steps_window,
)

Int64s = NDArray[np.int64]
Bools = NDArray[np.bool_]

UNBOUNDED_WH: Final = int(np.iinfo(np.int64).max)
# Sums and doubled remainders stay below 2^63 where no single amount passes this.
_EXACT_MAX: Final = 2**60


@dataclass(frozen=True, slots=True, kw_only=True)
class Pieces:
    """Stretches of time of one period each, as `Schedule.pieces` cuts them."""

    starts_us: Int64s
    ends_us: Int64s
    periods: Int64s
    changes: Int64s  # how often the period has changed by then


@dataclass(frozen=True, slots=True, kw_only=True)
class _Priced:
    """A line of energy: the sum of some cells times a price."""

    name: str
    account: Account
    cells: tuple[int, ...]
    minor_per_wh: int  # times the plan's scale; a subsidy is below zero


@dataclass(frozen=True, slots=True, kw_only=True)
class _Daily:
    """A line of time: an amount for each number of days."""

    name: str
    account: Account
    amounts: Int64s  # times the plan's scale


@dataclass(frozen=True, slots=True, kw_only=True)
class _Share:
    """A line on other lines."""

    component: Percent
    share: Fraction


@dataclass(frozen=True, slots=True, kw_only=True)
class _Least:
    """What a cycle comes to at least, when it is closed."""

    component: Minimum
    wanted: int  # times the plan's scale


_Rule = _Priced | _Daily | _Share | _Least


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """One version as it bills alike accounts in one cycle and window."""

    version: VersionKey
    steps: int  # cells of each period, without the allowance's
    bounds_wh: Int64s  # [period, bound]; UNBOUNDED_WH where a period has fewer steps
    totals: tuple[int, ...]  # by period: the running total that its energy counts in
    free_wh: int  # the allowance; 0 = none
    free_counts: bool  # whether free energy moves the running totals
    until_us: int  # uses that end before this meet no boundary but of periods and days
    midnights_us: Int64s  # of the cycle's days that this segment pays for
    scale: int
    rounding: Rounding
    rules: tuple[_Rule, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    """What of the tallies moves: a row is an account."""

    cells: Int64s  # [account, cell]
    totals: Int64s  # [account, running total]
    free_used_wh: Int64s


@dataclass(frozen=True, slots=True, kw_only=True)
class Bills:
    """What the accounts owe for the cycle so far."""

    total_minor: Int64s
    by_account: dict[Account, Int64s]
    exact: Int64s  # times the plan's scale, without what was carried in


def plan_of(like: Tally, *, schedule: Schedule, terms: Terms, carry_denominator: int = 1) -> Plan | None:
    """Compile what bills this tally, and all that agree with it in cycle, windows, version and terms.

    `carry_denominator` is one of all that the accounts have carried over. None = not by columns.
    """
    version = schedule.by_key[like.segments[-1].version]
    tariff = version.tariff
    steps = tariff.energy.steps
    count = steps_count(tariff)
    window = steps_window(tariff, like.window_start_us, schedule=schedule)
    bounds = bounds_of(
        like.segments[-1], schedule=schedule, terms=terms, window=window, opened_us=like.opened_us
    )
    sorted_at_last = count == 1 and any(bounds)
    whole = all(isinstance(bound, int) for row in bounds for bound in row)
    if tariff.demands or len(like.segments) > 1 or sorted_at_last or not whole:
        return None
    zone = schedule.zone
    first = day_of(like.segments[0].start_us, zone=zone)
    end = cycle_of(tariff, like.bill_start_us, schedule=schedule).end
    days = [first + timedelta(days=at) for at in range((end - first).days)]
    compiler = _Compiler(tariff, days=len(days), like=like, schedule=schedule)
    scale = lcm(compiler.scale(), carry_denominator)
    if not compiler.is_small(scale):
        return None
    allowance = tariff.allowance
    return Plan(
        version=version.key,
        steps=count,
        bounds_wh=np.array(
            [[*map(int, row), *[UNBOUNDED_WH] * (count - 1 - len(row))] for row in bounds], np.int64
        ).reshape(len(bounds), count - 1),
        totals=tuple(at if steps.scope is Scope.PERIOD else 0 for at in range(len(bounds))),
        free_wh=allowance.energy_wh if allowance else 0,
        free_counts=allowance is not None and allowance.counts_in_steps,
        until_us=next_boundary_us(like, schedule=schedule),
        midnights_us=np.array([day_start_us(day, zone=zone) for day in days], np.int64),
        scale=scale,
        rounding=tariff.rounding,
        rules=tuple(compiler.rules(scale)),
    )


def pieces_of(schedule: Schedule, start_us: int, end_us: int) -> Pieces:
    """Return the pieces of a stretch of time that one version rules."""
    pieces = list(schedule.pieces(start_us, end_us))
    periods = np.array([each.period for each in pieces], np.int64)
    return Pieces(
        starts_us=np.array([each.start_us for each in pieces], np.int64),
        ends_us=np.array([each.end_us for each in pieces], np.int64),
        periods=periods,
        changes=np.cumsum(np.diff(periods, prepend=periods[0]) != 0, dtype=np.int64),
    )


class _Compiler:
    """A tariff's components as rules in integers."""

    def __init__(self, tariff: Tariff, *, days: int, like: Tally, schedule: Schedule) -> None:
        self._tariff = tariff
        self._minor: int = 10 ** minor_digits(tariff.currency)
        self._first = day_of(like.segments[0].start_us, zone=schedule.zone)
        self._days = days
        self._cycle = cycle_of(tariff, like.bill_start_us, schedule=schedule)

    def scale(self) -> int:
        """Return a denominator of every line: shares cut what they are of once more."""
        scale = 1
        for component in self._tariff.components:
            for amount in self._amounts_of(component):
                scale = lcm(scale, amount.denominator)
        for component in self._tariff.components:
            if isinstance(component, Percent):
                scale *= _share_of(component).denominator
        return scale

    def is_small(self, scale: int) -> bool:
        """Tell whether no price and no amount of time alone is too large to be counted in."""
        amounts = [amount for each in self._tariff.components for amount in self._amounts_of(each)]
        return all(abs(amount * scale) < _EXACT_MAX for amount in amounts)

    def rules(self, scale: int) -> list[_Rule]:
        rules: list[_Rule] = []
        for component in self._tariff.components:
            amounts = [int(amount * scale) for amount in self._amounts_of(component)]
            match component:
                case Energy():
                    rules += self._energy(component, amounts)
                case PerKwh():
                    cells = tuple(at for at in range(self._cells()) if (at + 1) % self._row())
                    (each,) = amounts
                    rules.append(
                        _Priced(
                            name=component.name, account=component.account, cells=cells, minor_per_wh=each
                        )
                    )
                case Fixed():
                    table = np.array(amounts, np.int64)
                    rules.append(_Daily(name=component.name, account=component.account, amounts=table))
                case Percent():
                    rules.append(_Share(component=component, share=_share_of(component)))
                case Minimum():
                    rules.append(_Least(component=component, wanted=amounts[0]))
                case _:
                    pass
        return rules

    def _energy(self, energy: Energy, amounts: Sequence[int]) -> list[_Rule]:
        rules: list[_Rule] = []
        prices = iter(amounts)
        for at, period in enumerate(energy.periods):
            for step in range(len(period.ladder.prices)):
                cell = at * self._row() + step
                rules.append(
                    _Priced(
                        name=energy.name, account=Account.ENERGY, cells=(cell,), minor_per_wh=next(prices)
                    )
                )
            if self._tariff.allowance:
                free = at * self._row() + self._row() - 1
                name = self._tariff.allowance.name
                rules.append(_Priced(name=name, account=Account.ENERGY, cells=(free,), minor_per_wh=0))
        return rules

    def _amounts_of(self, component: object) -> list[Fraction]:
        """Return a component's own amounts in minor units: per Wh, by number of days, or for the cycle."""
        match component:
            case Energy():
                prices = [price for period in component.periods for price in period.ladder.prices]
                return [price * self._minor / WH_PER_KWH for price in prices]
            case PerKwh():
                return [component.account.sign * component.price * self._minor / WH_PER_KWH]
            case Fixed():
                return [self._for_days(component, count) for count in range(self._days + 1)]
            case Minimum():
                share = Fraction(self._days, self._cycle.count)
                return [component.amount * self._minor * share]
            case _:
                return []

    def _for_days(self, component: Fixed, count: int) -> Fraction:
        end = self._first + timedelta(days=count)
        quantity = days_quantity(component, self._first, end, cycle_day=self._tariff.cycle_day)
        return component.account.sign * quantity * component.amount * self._minor

    def _row(self) -> int:
        return steps_count(self._tariff) + 1

    def _cells(self) -> int:
        return len(self._tariff.energy.periods) * self._row()


def _share_of(component: Percent) -> Fraction:
    within: Fraction = component.share / (1 + component.share)
    return within if component.included else component.share


# Use.


def sort_in(plan: Plan, columns: Columns, *, periods: Int64s, energy_wh: Int64s) -> Columns:
    """Return the columns after a use of each account, of one period each (`tally` has the rule)."""
    cells, totals, free_used_wh = columns.cells.copy(), columns.totals.copy(), columns.free_used_wh
    free_wh = np.minimum(energy_wh, np.maximum(plan.free_wh - free_used_wh, 0))
    for period in np.unique(periods).tolist():
        which, row = plan.totals[period], period * (plan.steps + 1)
        here = periods == period
        free = np.where(here, free_wh, 0)
        paid = np.where(here, energy_wh, 0) - free
        cells[:, row + plan.steps] += free
        if plan.free_counts:
            totals[:, which] += free
        below, reached = totals[:, which].copy(), totals[:, which] + paid
        totals[:, which] = reached
        given = np.zeros_like(paid)
        for step, bound in enumerate(plan.bounds_wh[period].tolist()):
            until = np.minimum(reached, bound) - np.minimum(below, bound)
            cells[:, row + step] += until - given
            given = until
        cells[:, row + plan.steps - 1] += paid - given
    return Columns(cells=cells, totals=totals, free_used_wh=free_used_wh + free_wh)


def spread_in(
    plan: Plan, columns: Columns, pieces: Pieces, *, spans_us: tuple[Int64s, Int64s], energy_wh: Int64s
) -> Columns:
    """Return the columns after a use of each account, spread evenly over its time, by running floors."""
    starts_us, ends_us = spans_us
    first, last = _ends_in(pieces, spans_us)
    given, whole_us = np.zeros_like(energy_wh), ends_us - starts_us
    for further in range(int((last - first).max(initial=0)) + 1):
        at = np.minimum(first + further, last)
        until_us = np.minimum(pieces.ends_us[at], ends_us)
        until = energy_wh * (until_us - starts_us) // whole_us
        columns = sort_in(plan, columns, periods=pieces.periods[at], energy_wh=until - given)
        given = until
    return columns


def is_one_period(pieces: Pieces, spans_us: tuple[Int64s, Int64s]) -> Bools:
    """Tell of each use whether one period holds throughout."""
    first, last = _ends_in(pieces, spans_us)
    alike: Bools = pieces.changes[first] == pieces.changes[last]
    return alike


def _ends_in(pieces: Pieces, spans_us: tuple[Int64s, Int64s]) -> tuple[Int64s, Int64s]:
    """Return the first and the last piece of each use."""
    starts_us, ends_us = spans_us
    first = np.searchsorted(pieces.starts_us, starts_us, side="right") - 1
    last = np.searchsorted(pieces.starts_us, ends_us - 1, side="right") - 1
    return first.astype(np.int64), last.astype(np.int64)


# Money.


@dataclass(frozen=True, slots=True, kw_only=True)
class _Line:
    """One line of all bills; where it is not present it is zero."""

    name: str
    account: Account
    is_tax: bool  # a tax, or what an included one takes from its base (`bill` rounds them alike)
    exact: Int64s
    present: Bools


def is_counted(plan: Plan, *, energy_wh: int, carry: int = 0) -> bool:
    """Tell whether bills of so much energy, with so much carried in (times the scale), pass no 63 bits."""
    total = plan.scale + abs(carry)
    for rule in plan.rules:
        match rule:
            case _Priced():
                total += abs(rule.minor_per_wh) * energy_wh
            case _Daily():
                total += int(np.abs(rule.amounts).max())
            case _Share():
                # Its base may be rounded, line by line; an included share stands in two lines.
                part = (total + len(plan.rules) * plan.scale) * rule.share
                total += (2 if rule.component.included else 1) * part.__ceil__()
            case _Least():
                total += abs(rule.wanted)
    return total < _EXACT_MAX


def days_of(plan: Plan, *, starts_us: Int64s, until_us: Int64s) -> Int64s:
    """Return for how many days each account pays, of a bill from an instant to another."""
    days = np.searchsorted(plan.midnights_us, until_us - 1, side="right")
    return np.where(until_us > starts_us, days, 0)


def bills(plan: Plan, columns: Columns, *, days: Int64s, carry: Int64s, closing: bool = False) -> Bills:
    """Return what the accounts owe, as `bill.bill` does.

    `carry` is what was carried in, times the scale. Closing adds the minimum of a cycle.
    """
    lines: list[_Line] = []
    for rule in plan.rules:
        match rule:
            case _Priced():
                quantity = columns.cells[:, list(rule.cells)].sum(axis=1)
                lines.append(
                    _line(rule.name, rule.account, exact=quantity * rule.minor_per_wh, present=quantity > 0)
                )
            case _Daily():
                lines.append(_line(rule.name, rule.account, exact=rule.amounts[days], present=days > 0))
            case _Share():
                lines += _shares(plan, rule, lines)
            case _Least() if closing:
                lines.append(_least(rule, lines, rows=len(days)))
            case _:
                pass
    running = plan.rounding.place is RoundingPlace.RUNNING
    amounts = _amounts(plan, lines, carry=carry if running else np.zeros_like(carry))
    by_account: dict[Account, Int64s] = {}
    for line, amount in zip(lines, amounts, strict=True):
        by_account[line.account] = by_account.get(line.account, 0) + amount
    zero = np.zeros(len(days), np.int64)
    return Bills(
        total_minor=sum(amounts, zero), by_account=by_account, exact=sum((line.exact for line in lines), zero)
    )


def _line(name: str, account: Account, *, exact: Int64s, present: Bools, is_tax: bool = False) -> _Line:
    return _Line(name=name, account=account, is_tax=is_tax, exact=exact, present=present)


def _shares(plan: Plan, rule: _Share, lines: Sequence[_Line]) -> list[_Line]:
    component = rule.component
    base = [line for line in lines if not component.base or line.name in component.base]
    if not base:
        return []
    present = np.logical_or.reduce([line.present for line in base])
    of = _base(plan, base)
    part = of // rule.share.denominator * rule.share.numerator
    own = _line(
        component.name,
        component.account,
        exact=component.account.sign * part,
        present=present,
        is_tax=component.account is Account.TAX,
    )
    if not component.included:
        return [own]
    # What is told apart is taken from the account of the first line that the base has.
    found, taken = np.zeros(len(part), np.bool_), []
    first: dict[Account, Bools] = {}
    for line in base:
        fresh = line.present & ~found
        first[line.account] = first.get(line.account, np.zeros_like(found)) | fresh
        found |= line.present
    for account, mask in first.items():
        exact = np.where(mask, -account.sign * part, 0)
        is_tax = account is Account.TAX or rule.share > 0
        taken.append(_line(component.name, account, exact=exact, present=mask, is_tax=is_tax))
    return [own, *taken]


def _base(plan: Plan, base: Sequence[_Line]) -> Int64s:
    """Return what a share is of, times the scale."""
    exact: Int64s = np.sum([line.exact for line in base], axis=0)
    match plan.rounding.place:
        case RoundingPlace.LINES:
            mode = plan.rounding.mode
            whole: Int64s = np.sum([_rounded(line.exact, plan.scale, mode) for line in base], axis=0)
            return whole * plan.scale
        case RoundingPlace.NET:
            return _rounded(exact, plan.scale, plan.rounding.mode) * plan.scale
        case RoundingPlace.GROSS | RoundingPlace.RUNNING:
            return exact


def _least(rule: _Least, lines: Sequence[_Line], *, rows: int) -> _Line:
    over = [
        line.exact
        for line in lines
        if (not rule.component.base or line.name in rule.component.base)
        and line.account is not Account.MINIMUM
    ]
    short = rule.wanted - sum(over, np.zeros(rows, np.int64))
    return _line(rule.component.name, Account.MINIMUM, exact=np.where(short > 0, short, 0), present=short > 0)


def _rounded(exact: Int64s, scale: int, mode: RoundingMode) -> Int64s:
    """Round as `bill.rounded` does."""
    match mode:
        case RoundingMode.HALF_UP:
            whole = (2 * np.abs(exact) + scale) // (2 * scale)
            return np.where(exact >= 0, whole, -whole)
        case RoundingMode.HALF_EVEN:
            whole = exact // scale
            rest = 2 * (exact - whole * scale)
            up: Int64s = whole + ((rest > scale) | ((rest == scale) & (whole % 2 == 1)))
            return up


def _amounts(plan: Plan, lines: Sequence[_Line], *, carry: Int64s) -> list[Int64s]:
    """Return each line's minor units, as `bill` rounds them."""
    mode, scale = plan.rounding.mode, plan.scale
    match plan.rounding.place:
        case RoundingPlace.LINES:
            return [_rounded(line.exact, scale, mode) for line in lines]
        case RoundingPlace.NET:
            net = [at for at, line in enumerate(lines) if not line.is_tax]
            shown = {at: _rounded(line.exact, scale, mode) for at, line in enumerate(lines)}
            parts = [lines[at] for at in net]
            total = _rounded(sum((line.exact for line in parts), np.zeros_like(carry)), scale, mode)
            shown |= zip(net, _shared(parts, total, scale), strict=True)
            return [shown[at] for at in range(len(lines))]
        case RoundingPlace.GROSS | RoundingPlace.RUNNING:
            total = _rounded(sum((line.exact for line in lines), carry), scale, mode)
            return _shared(lines, total, scale)


def _shared(lines: Sequence[_Line], total_minor: Int64s, scale: int) -> list[Int64s]:
    """Share totals over the lines by largest remainder; ties go to the earlier line."""
    if len({line.account for line in lines}) == 1:
        # All goes to one account: it need not be known by which line.
        present = np.logical_or.reduce([line.present for line in lines])
        return [np.where(present, total_minor, 0), *[np.zeros_like(total_minor)] * (len(lines) - 1)]
    shown = [line.exact // scale for line in lines]
    remainders = [line.exact - part * scale for line, part in zip(lines, shown, strict=True)]
    rest = total_minor - sum(shown, np.zeros_like(total_minor))
    count = sum((line.present for line in lines), np.zeros_like(total_minor))
    for at, line in enumerate(lines):
        rank = np.zeros_like(total_minor)
        for other, beside in enumerate(lines):
            if other != at:
                ahead = remainders[other] > remainders[at]
                if other < at:
                    ahead |= remainders[other] == remainders[at]
                rank += beside.present & ahead
        more = line.present & (rank < rest)
        less = line.present & (rest < 0) & (rank >= count + rest)
        # What was carried in can make the rest one more than there are lines.
        beyond = np.where(line.present & (rank == 0), np.maximum(rest - count, 0), 0)
        shown[at] = shown[at] + more - less + beyond
    return shown
