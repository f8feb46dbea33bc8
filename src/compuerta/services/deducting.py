"""Deducting: registers of many meters become charges by whole columns, where nothing asks for a closer look.

It has no rules of its own: it does what `observe` does, for accounts whose uses meet no boundary but those of
periods and days, and leaves all others, whole, to `observe`. Both write the same rows, and a test says so.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from math import lcm
from typing import Final

import numpy as np

from compuerta.domain import alert
from compuerta.domain.energy import POWER_W_MAX
from compuerta.domain.policy import Level
from compuerta.domain.tariff import columns
from compuerta.domain.tariff.columns import Bills, Bools, Columns, Int64s, Pieces, Plan
from compuerta.domain.tariff.packing import Shape, unpacked
from compuerta.domain.tariff.schedule import Schedule
from compuerta.drivers.abilities import Relay
from compuerta.services.charge_columns import (
    ACCRUED,
    BASES,
    CARRY,
    CARRY_OF,
    FREE_USED,
    START,
    UNTIL,
    Charges,
    Standing,
    Terms,
    Uses,
    Warnings,
    alike,
    amounts_of,
    charges_of,
    joined,
    warned,
)
from compuerta.services.charging import NEAR
from compuerta.services.records import Basis

RELAYS: Final = tuple(Relay)  # a relay as a column is its place here
_REGISTER_STEP_WH = 10
_HOUR_S = 3_600
_SECOND_US = 1_000_000
# Energy times microseconds stays below 2^63.
_SPREAD_MAX: Final = 2**62


@dataclass(frozen=True, slots=True, kw_only=True)
class Registers:
    """What many meters said of themselves; rows by meter, then by time. NONE = not said."""

    meter_id: Int64s
    at_us: Int64s
    energy_wh: Int64s
    relay: Int64s
    power_w: Int64s

    def at(self, rows: Int64s | Bools) -> "Registers":
        """Return some rows, by a mask or by their numbers."""
        return Registers(**{name: getattr(self, name)[rows] for name in Registers.__slots__})


@dataclass(frozen=True, slots=True, kw_only=True)
class Deducted:
    """What the uses of some accounts have led to; nothing is written yet."""

    rows: Int64s  # of the standing: whose uses these are
    after: Standing  # the same accounts, with all uses
    charges: Charges
    warnings: Warnings


def deduct(standing: Standing, registers: Registers, *, terms: Terms) -> Iterator[Deducted]:
    """Yield what the registers lead to, one group of like accounts after the other; whom none names is left.

    Each account of the standing has registers, all of them after its last and not in the future, and is one
    whose readings `observe` would charge.
    """
    first = np.searchsorted(registers.meter_id, standing.meter_id, side="left")
    count = np.searchsorted(registers.meter_id, standing.meter_id, side="right") - first
    fit = _fit(standing, registers, first)
    for rows, shape in alike(standing.tally, terms.schedule, np.flatnonzero(fit)):
        # Who has most registers comes first, so that the further ones are those of the first so many rows.
        rows = rows[np.argsort(-count[rows], kind="stable")]
        last = registers.at(first[rows] + count[rows] - 1)
        plan, within = _plan(standing.at(rows), last, shape, terms)
        if plan is None or not within.any():
            continue
        rows = rows[within]
        hand = _Hand(standing.at(rows), shape, plan, terms.schedule)
        for further in range(int(count[rows].max())):
            live = int(np.count_nonzero(count[rows] > further))
            hand.use(registers.at(first[rows[:live]] + further))
        yield hand.deducted(rows, levels=terms.levels)


def _fit(standing: Standing, registers: Registers, first: Int64s) -> Bools:
    """Tell of which accounts each use is plausible (as `energy.judge_delta` says) and can be spread."""
    # What each register is compared with: the one before it, or what was billed last.
    was_wh, was_us = np.roll(registers.energy_wh, 1), np.roll(registers.at_us, 1)
    was_wh[first], was_us[first] = standing.register_wh, standing.register_at_us
    energy_wh, span_us = registers.energy_wh - was_wh, registers.at_us - was_us
    elapsed_s = span_us // _SECOND_US + 1
    fine = (span_us > 0) & (energy_wh >= 0)
    # Divided, since a product of what a broken register shows could pass 63 bits, and come out small.
    fine &= energy_wh - _REGISTER_STEP_WH <= POWER_W_MAX * elapsed_s // _HOUR_S
    fine &= energy_wh < _SPREAD_MAX // np.maximum(span_us, 1)
    fit: Bools = np.logical_and.reduceat(fine, first)
    fit &= standing.tally[:, UNTIL] == standing.register_at_us
    return fit


def _plan(standing: Standing, last: Registers, shape: Shape, terms: Terms) -> tuple[Plan | None, Bools]:
    """Return the plan of alike rows, and which of them meet no boundary that it does not know."""
    tallies = standing.tally
    denominator = lcm(*np.unique(tallies[:, CARRY_OF]).tolist())
    like = unpacked(tallies[0].tolist())
    plan = columns.plan_of(like, schedule=terms.schedule, terms=terms.contract, carry_denominator=denominator)
    if plan is None:
        return None, np.zeros(len(tallies), np.bool_)
    billed_wh = tallies[:, shape.cells_at].sum(axis=1) + last.energy_wh - standing.register_wh
    counted = columns.is_counted(plan, energy_wh=int(billed_wh.max()), carry=plan.scale)
    within: Bools = (last.at_us < plan.until_us) & (np.abs(tallies[:, CARRY]) <= tallies[:, CARRY_OF])
    return (plan if counted else None), within


def _copied(standing: Standing) -> dict[str, Int64s]:
    """Return copies of the columns that uses change one after the other."""
    return {
        name: getattr(standing, name).copy()
        for name in ("delivered_minor", "warned", "warned_of", "warned_minor")
    }


class _Hand:
    """Some accounts while their uses are being charged, the first ones in each call."""

    def __init__(self, standing: Standing, shape: Shape, plan: Plan, schedule: Schedule) -> None:
        self._standing, self._shape, self._plan = standing, shape, plan
        tally = self._tally = standing.tally.copy()
        self._columns = Columns(
            cells=tally[:, shape.cells_at].copy(),
            totals=tally[:, shape.totals_at].copy(),
            free_used_wh=tally[:, FREE_USED].copy(),
        )
        self._starts_us = tally[:, shape.segment_at.start + START]
        self._carry = tally[:, CARRY] * (plan.scale // tally[:, CARRY_OF])
        self._register_wh, self._at_us = standing.register_wh.copy(), standing.register_at_us.copy()
        self._billed_wh = standing.billed_wh.copy()
        self._pieces: Pieces = columns.pieces_of(schedule, int(self._at_us.min()), plan.until_us)
        self._bills = self._made()
        self._uses: list[Uses] = []

    def use(self, registers: Registers) -> None:
        """Charge one use of each of the first so many accounts."""
        live = len(registers.at_us)
        spans_us = self._at_us[:live].copy(), registers.at_us
        energy_wh = registers.energy_wh - self._register_wh[:live]
        self._columns = self._extended(live, spans_us, energy_wh)
        self._register_wh[:live], self._at_us[:live] = registers.energy_wh, registers.at_us
        before = self._bills
        self._bills = self._made()
        spread = ~columns.is_one_period(self._pieces, spans_us)
        spread &= spans_us[1] - spans_us[0] > NEAR.total_seconds() * _SECOND_US
        self._uses.append(
            Uses(
                starts_us=spans_us[0],
                ends_us=spans_us[1],
                from_wh=self._billed_wh[:live].copy(),
                energy_wh=energy_wh,
                before_minor=before.total_minor[:live],
                after_minor=self._bills.total_minor[:live],
                amounts_minor=amounts_of(before, self._bills)[:live],
                basis=np.where(spread, BASES.index(Basis.SPREAD), BASES.index(Basis.READ)),
            )
        )
        self._billed_wh[:live] += energy_wh

    def deducted(self, rows: Int64s, *, levels: Sequence[Level]) -> Deducted:
        """Return all that has come of it."""
        tally, shape = self._tally, self._shape
        tally[:, UNTIL], tally[:, FREE_USED] = self._at_us, self._columns.free_used_wh
        tally[:, shape.totals_at], tally[:, shape.cells_at] = self._columns.totals, self._columns.cells
        standing = replace(self._standing, **_copied(self._standing))
        warnings, charges = [], []
        for use in self._uses:
            live = len(use.energy_wh)
            some = standing.at(np.arange(live))
            is_minor = some.delivered_minor - use.amounts_minor[:, 0]
            charges.append(charges_of(some, use, version=self._plan.version))
            said, spoken = warned(some, ends_us=use.ends_us, is_minor=is_minor, levels=levels)
            warnings.append(said)
            standing.delivered_minor[:live] = standing.warned_minor[:live] = is_minor
            standing.warned[:live], standing.warned_of[:live] = spoken, alert.mark(levels)
        return Deducted(
            rows=rows,
            after=Standing(
                account_id=self._standing.account_id,
                meter_id=self._standing.meter_id,
                register_wh=self._register_wh,
                register_at_us=self._at_us,
                billed_wh=self._billed_wh,
                delivered_minor=standing.delivered_minor,
                warned=standing.warned,
                warned_of=standing.warned_of,
                warned_minor=standing.warned_minor,
                tally=tally,
            ),
            charges=joined(charges),
            warnings=joined(warnings),
        )

    def _extended(self, live: int, spans_us: tuple[Int64s, Int64s], energy_wh: Int64s) -> Columns:
        kept = self._columns
        some = Columns(
            cells=kept.cells[:live], totals=kept.totals[:live], free_used_wh=kept.free_used_wh[:live]
        )
        moved = columns.spread_in(self._plan, some, self._pieces, spans_us=spans_us, energy_wh=energy_wh)
        if live == len(kept.cells):
            return moved
        return Columns(
            cells=np.concatenate((moved.cells, kept.cells[live:])),
            totals=np.concatenate((moved.totals, kept.totals[live:])),
            free_used_wh=np.concatenate((moved.free_used_wh, kept.free_used_wh[live:])),
        )

    def _made(self) -> Bills:
        counted_us = np.maximum(self._at_us, self._tally[:, ACCRUED])
        days = columns.days_of(self._plan, starts_us=self._starts_us, until_us=counted_us)
        return columns.bills(self._plan, self._columns, days=days, carry=self._carry)
