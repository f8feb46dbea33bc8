"""Closing: bills of whole cycles are made of intervals by columns, and the next bills are begun.

It does what `billing` does, for accounts that one version bills throughout, from the first instant of a cycle
to the last; all others are left, whole, to `billing`. Both write the same rows, and a test says so.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date
from math import lcm
from typing import Final

import numpy as np
from numpy.typing import NDArray

from compuerta.domain import alert
from compuerta.domain.tariff import columns, kernel
from compuerta.domain.tariff.civil import day_of, from_us, to_us
from compuerta.domain.tariff.columns import Bills, Columns, Int64s, Plan
from compuerta.domain.tariff.components import ChangePolicy, Minimum, RoundingPlace, Scale, Tariff, Window
from compuerta.domain.tariff.packing import Shape, packed, unpacked
from compuerta.domain.tariff.tally import Span, Tally, cycle_end, sort_in, steps_window
from compuerta.services.charge_columns import (
    ACCRUED,
    BASES,
    BILL_START,
    CARRY,
    CARRY_OF,
    OPENED,
    START,
    UNTIL,
    WINDOW_START,
    YEAR,
    Charges,
    Standing,
    Terms,
    Uses,
    Warnings,
    alike,
    amounts_of,
    charges_of,
    warned,
)
from compuerta.services.records import Basis

Energies = NDArray[np.int32]

_MINUTE_US = 60_000_000
_BY_DAYS: Final = frozenset({Scale.DAY, Scale.KW_DAY})


@dataclass(frozen=True, slots=True, kw_only=True)
class Due:
    """Accounts whose bills end together, and how they are made."""

    rows: Int64s  # of the standing
    terms: Terms
    shape: Shape
    plan: Plan
    start_us: int
    end_us: int
    next_tally: Tally  # that of the first of them, had it used nothing

    @property
    def days_us(self) -> Int64s:
        """Where the days begin, and where the last one ends."""
        return np.append(self.plan.midnights_us, self.end_us)


@dataclass(frozen=True, slots=True, kw_only=True)
class Closed:
    """What has become of some accounts; nothing is written yet."""

    after: Standing
    charges: Charges
    warnings: Warnings


def due(standing: Standing, *, terms: Terms) -> Iterator[Due]:
    """Yield the accounts whose open bills can be made by columns when they end."""
    tallies = standing.tally
    whole = (tallies[:, UNTIL] == tallies[:, BILL_START]) & (tallies[:, YEAR] == 0)
    whole &= np.abs(tallies[:, CARRY]) <= tallies[:, CARRY_OF]
    for rows, shape in alike(tallies, terms.schedule, np.flatnonzero(whole)):
        like = unpacked(tallies[rows[0]].tolist())
        end_us = to_us(cycle_end(like, schedule=terms.schedule))
        version = terms.schedule.by_key[like.segments[0].version]
        _, replaced_us = terms.schedule.reign_at(like.until_us)
        if not _is_simple(version.tariff) or (replaced_us is not None and replaced_us <= end_us):
            continue
        if _has_other_bounds(like, version.tariff, terms, end_us):
            continue
        denominator = lcm(*np.unique(tallies[rows, CARRY_OF]).tolist())
        plan = columns.plan_of(
            like, schedule=terms.schedule, terms=terms.contract, carry_denominator=denominator
        )
        if plan is None or plan.midnights_us[0] != like.bill_start_us:
            continue
        nothing = Span(start=like.until, end=from_us(end_us), energy_wh=0)
        yield Due(
            rows=rows[tallies[rows, BILL_START] == like.bill_start_us],
            terms=terms,
            shape=shape,
            plan=plan,
            start_us=like.bill_start_us,
            end_us=end_us,
            next_tally=sort_in(like, nothing, schedule=terms.schedule, terms=terms.contract).tally,
        )


def _is_simple(tariff: Tariff) -> bool:
    """Tell whether cells are all that a bill needs to know of use: free energy is not among them."""
    annual = any(isinstance(each, Minimum) and each.per is Window.YEAR for each in tariff.components)
    return tariff.allowance is None and not annual


def _has_other_bounds(like: Tally, tariff: Tariff, terms: Terms, end_us: int) -> bool:
    """Tell whether steps begin anew within the cycle with other bounds than before."""
    steps = tariff.energy.steps
    window = steps_window(tariff, like.bill_start_us, schedule=terms.schedule)
    renewed = window.end < day_of(end_us, zone=terms.schedule.zone)
    prorated = steps.prorate_moves or steps.on_change is ChangePolicy.PRORATE
    return renewed and (prorated or steps.scale in _BY_DAYS)


def close(bills: Due, standing: Standing, energies_wh: Energies, *, minutes: int) -> Closed | None:
    """Return what the intervals of whole cycles come to, an account a row; None = not by columns.

    `standing` has the accounts of these bills of which every interval is known.
    """
    starts_us = np.arange(bills.start_us, bills.end_us, minutes * _MINUTE_US)
    assert energies_wh.shape == (len(standing.account_id), len(starts_us))
    moved = _sorted(bills, standing, energies_wh, starts_us)
    if moved is None or not columns.is_counted(
        bills.plan, energy_wh=int(moved.cells.sum(axis=1).max()), carry=bills.plan.scale
    ):
        return None
    before, last = _bills(bills, standing, moved)
    tally = _next_tallies(bills, standing, moved, last)
    energy_wh = moved.cells.sum(axis=1)
    rows = len(energy_wh)
    uses = Uses(
        starts_us=standing.tally[:, UNTIL],
        ends_us=np.full(rows, bills.end_us),
        from_wh=standing.billed_wh,
        energy_wh=energy_wh,
        before_minor=before.total_minor,
        after_minor=last.total_minor,
        amounts_minor=amounts_of(before, last),
        basis=np.full(rows, BASES.index(Basis.INTERVALS)),
    )
    is_minor = standing.delivered_minor - uses.amounts_minor[:, 0]
    levels = bills.terms.levels
    said, spoken = warned(standing, ends_us=uses.ends_us, is_minor=is_minor, levels=levels)
    after = replace(
        standing,
        billed_wh=standing.billed_wh + energy_wh,
        delivered_minor=is_minor,
        warned=spoken,
        warned_of=np.full(rows, alert.mark(levels)),
        warned_minor=is_minor,
        tally=tally,
    )
    return Closed(
        after=after,
        charges=charges_of(standing, uses, version=bills.plan.version),
        warnings=said,
    )


def _sorted(bills: Due, standing: Standing, energies_wh: Energies, starts_us: Int64s) -> Columns | None:
    """Return the cells of the cycle by the kernel; None = a period changes within an interval."""
    plan, shape, schedule = bills.plan, bills.shape, bills.terms.schedule
    pieces = columns.pieces_of(schedule, bills.start_us, bills.end_us)
    if not np.isin(pieces.starts_us, starts_us).all():
        return None
    tariff = schedule.by_key[plan.version].tariff
    firsts = [_first_of_window(tariff, bills, day_us) for day_us in plan.midnights_us.tolist()]
    day = np.searchsorted(plan.midnights_us, starts_us, side="right") - 1
    cells = kernel.cells_of(
        kernel.blocks_of(energies_wh),
        runs=kernel.runs_of(
            periods=pieces.periods[np.searchsorted(pieces.starts_us, starts_us, side="right") - 1],
            windows=np.zeros(len(starts_us), np.int64),
            step_windows=np.array([each.toordinal() for each in firsts], np.int64)[day],
        ),
        ladders=kernel.Ladders(bounds_wh=plan.bounds_wh[np.newaxis], totals=np.array(plan.totals, np.int64)),
        opening_wh=standing.tally[:, shape.totals_at].T,
    )
    by_account = np.moveaxis(cells.energy_wh[:, 0], -1, 1)
    rows, periods = len(energies_wh), len(plan.totals)
    by_account = by_account.reshape(-1, periods, plan.steps)[:rows]
    none_free = np.zeros((rows, periods, 1), np.int64)
    return Columns(
        cells=np.concatenate((by_account, none_free), axis=2).reshape(rows, -1),
        totals=cells.closing_wh.T,
        free_used_wh=np.zeros(rows, np.int64),
    )


def _first_of_window(tariff: Tariff, bills: Due, instant_us: int) -> date:
    return steps_window(tariff, instant_us, schedule=bills.terms.schedule).first


def _bills(bills: Due, standing: Standing, moved: Columns) -> tuple[Bills, Bills]:
    """Return the bills as they stood, and as they end."""
    tally, plan, shape = standing.tally, bills.plan, bills.shape
    carry = tally[:, CARRY] * (plan.scale // tally[:, CARRY_OF])
    stood = Columns(
        cells=tally[:, shape.cells_at],
        totals=tally[:, shape.totals_at],
        free_used_wh=np.zeros(len(tally), np.int64),
    )
    starts_us = tally[:, shape.segment_at.start + START]
    counted_us = np.maximum(tally[:, UNTIL], tally[:, ACCRUED])
    days = columns.days_of(plan, starts_us=starts_us, until_us=counted_us)
    before = columns.bills(plan, stood, days=days, carry=carry)
    all_days = np.full(len(tally), len(plan.midnights_us))
    return before, columns.bills(plan, moved, days=all_days, carry=carry, closing=True)


def _next_tallies(bills: Due, standing: Standing, moved: Columns, last: Bills) -> Int64s:
    """Return the tallies of the bills that begin now."""
    was, shape, plan = standing.tally, bills.shape, bills.plan
    tally = np.tile(np.array(packed(bills.next_tally), np.int64), (len(was), 1))
    tally[:, OPENED], tally[:, ACCRUED] = was[:, OPENED], was[:, ACCRUED]
    if tally[0, WINDOW_START] < bills.end_us:  # the steps go on counting
        tally[:, shape.totals_at] = tally[:, shape.opening_at] = moved.totals
    if plan.rounding.place is RoundingPlace.RUNNING:
        carry = was[:, CARRY] * (plan.scale // was[:, CARRY_OF])
        rest = carry + last.exact - last.total_minor * plan.scale
        common = np.gcd(rest, plan.scale)
        tally[:, CARRY], tally[:, CARRY_OF] = rest // common, plan.scale // common
    return tally


def next_end_us(bills: Due) -> int:
    """Return when the bills that begin now will end."""
    return to_us(cycle_end(bills.next_tally, schedule=bills.terms.schedule))
