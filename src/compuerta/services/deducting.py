"""Deducting: registers of many meters become charges by whole columns, where nothing asks for a closer look.

It has no rules of its own: it does what `observe` does, for accounts whose uses meet no boundary but those of
periods and days, and leaves all others, whole, to `observe`. Both write the same rows, and a test says so.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import lcm
from typing import Final, TypeVar

import numpy as np

from compuerta.domain import alert
from compuerta.domain.energy import POWER_W_MAX
from compuerta.domain.ledger import DELIVERED
from compuerta.domain.money import minor_digits
from compuerta.domain.naming_many import Names, derived_many, named_many
from compuerta.domain.tariff import columns, components
from compuerta.domain.tariff.civil import day_of, from_us
from compuerta.domain.tariff.columns import Bills, Bools, Columns, Int64s, Pieces, Plan
from compuerta.domain.tariff.components import Account
from compuerta.domain.tariff.packing import HEAD, SEGMENT_HEAD, Shape, shape_of, unpacked
from compuerta.domain.tariff.schedule import Schedule
from compuerta.drivers.abilities import Relay
from compuerta.services.charging import NEAR
from compuerta.services.store_port import Basis

NONE: Final = int(np.iinfo(np.int64).min)  # stands for what is not known
RELAYS: Final = tuple(Relay)  # a relay as a column is its place here
# A charge's lines as columns: what the account pays, then where it goes, in the order of a posting.
CODES: Final = (DELIVERED, *sorted(account.value for account in Account))
_ACCOUNTS: Final = {account: CODES.index(account.value) for account in Account}
_REGISTER_STEP_WH = 10
_HOUR_S = 3_600
_SECOND_US = 1_000_000
# Energy times microseconds stays below 2^63.
_SPREAD_MAX: Final = 2**62
_UNTIL, _OPENED, _BILL_START = (HEAD.index(name) for name in ("until_us", "opened_us", "bill_start_us"))
_WINDOW, _FREE, _FREE_USED = (
    HEAD.index(name) for name in ("window_start_us", "free_start_us", "free_used_wh")
)
_ACCRUED, _CARRY, _CARRY_OF = (
    HEAD.index(name) for name in ("accrued_us", "carry_numerator", "carry_denominator")
)
_VERSION_NO, _START = (SEGMENT_HEAD.index(name) for name in ("version_no", "start_us"))


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
class Standing:
    """What accounts of one schedule and terms have, a row each, by meter."""

    account_id: Int64s
    meter_id: Int64s
    register_wh: Int64s
    register_at_us: Int64s
    billed_wh: Int64s
    delivered_minor: Int64s
    tally: Int64s  # [account, number]: packed, all of one length

    def at(self, rows: Int64s | Bools) -> "Standing":
        """Return some rows, by a mask or by their numbers."""
        return Standing(**{name: getattr(self, name)[rows] for name in Standing.__slots__})


@dataclass(frozen=True, slots=True, kw_only=True)
class Charges:
    """Charges with their postings, a row each."""

    account_id: Int64s
    charge_id: Names
    posting_id: Names
    meter_id: Int64s
    read_at_us: Int64s
    from_at_us: Int64s
    from_wh: Int64s
    to_wh: Int64s
    bill_before_minor: Int64s
    bill_after_minor: Int64s
    bill_start_us: Int64s
    version: Int64s  # [charge, (tariff, number)]
    is_spread: Bools
    amounts_minor: Int64s  # [charge, code]: the posting's lines; all zero = there is none

    def at(self, rows: Int64s | Bools) -> "Charges":
        """Return some rows, by a mask or by their numbers."""
        return Charges(**{name: getattr(self, name)[rows] for name in Charges.__slots__})


@dataclass(frozen=True, slots=True, kw_only=True)
class Warnings:
    """Balances that fell through a level."""

    account_id: Int64s
    level_minor: Int64s
    balance_minor: Int64s
    at_us: Int64s


@dataclass(frozen=True, slots=True, kw_only=True)
class Deducted:
    """What the uses of some accounts have led to; nothing is written yet."""

    rows: Int64s  # of the standing: whose uses these are
    after: Standing  # the same accounts, with all uses
    charges: Charges
    warnings: Warnings


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """By what all accounts of a standing are billed."""

    schedule: Schedule
    contract: components.Terms
    currency: str


def deduct(standing: Standing, registers: Registers, *, terms: Terms) -> Iterator[Deducted]:
    """Yield what the registers lead to, one group of like accounts after the other; whom none names is left.

    Each account of the standing has registers, all of them after its last and not in the future, and is one
    whose readings `observe` would charge.
    """
    first = np.searchsorted(registers.meter_id, standing.meter_id, side="left")
    count = np.searchsorted(registers.meter_id, standing.meter_id, side="right") - first
    fit = _fit(standing, registers, first)
    for rows, shape in _alike(standing.tally, terms.schedule, np.flatnonzero(fit)):
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
        yield hand.deducted(rows, currency=terms.currency)


def _fit(standing: Standing, registers: Registers, first: Int64s) -> Bools:
    """Tell of which accounts each use is plausible (as `energy.judge_delta` says) and can be spread."""
    # What each register is compared with: the one before it, or what was billed last.
    was_wh, was_us = np.roll(registers.energy_wh, 1), np.roll(registers.at_us, 1)
    was_wh[first], was_us[first] = standing.register_wh, standing.register_at_us
    energy_wh, span_us = registers.energy_wh - was_wh, registers.at_us - was_us
    elapsed_s = span_us // _SECOND_US + 1
    fine = (span_us > 0) & (energy_wh >= 0)
    fine &= (energy_wh - _REGISTER_STEP_WH) * _HOUR_S <= POWER_W_MAX * elapsed_s
    fine &= energy_wh < _SPREAD_MAX // np.maximum(span_us, 1)
    alike: Bools = np.logical_and.reduceat(fine, first) & (
        standing.tally[:, _UNTIL] == standing.register_at_us
    )
    return alike


def _alike(tallies: Int64s, schedule: Schedule, rows: Int64s) -> Iterator[tuple[Int64s, Shape]]:
    """Part rows into those whose tallies are of one shape, version, cycle and windows."""
    moves = any(version.tariff.energy.steps.prorate_moves for version in schedule.by_key.values())
    for totals in np.unique(tallies[rows, HEAD.index("totals")]).tolist():
        some = rows[tallies[rows, HEAD.index("totals")] == totals]
        shape = shape_of(tallies[some[0]].tolist())
        if shape is None:
            continue
        for at, wanted in shape.heads.items():
            some = some[tallies[some, at] == wanted]
        segment = shape.segment_at.start
        parts = [tallies[some, at] for at in (segment, segment + _VERSION_NO, _WINDOW, _FREE)]
        parts += [
            _days(tallies[some, segment + _START], schedule),
            _days(tallies[some, _BILL_START], schedule),
        ]
        if moves:
            parts.append(_days(tallies[some, _OPENED], schedule))
        group = np.zeros(len(some), np.int64)
        for part in parts:
            values, places = np.unique(part, return_inverse=True)
            if len(values) > 1:
                _, group = np.unique(group * len(values) + places, return_inverse=True)
        for number in range(int(group.max()) + 1):
            yield some[group == number], shape


def _days(instants_us: Int64s, schedule: Schedule) -> Int64s:
    values, places = np.unique(instants_us, return_inverse=True)
    days = [day_of(each, zone=schedule.zone).toordinal() for each in values.tolist()]
    return np.array(days, np.int64)[places]


def _plan(standing: Standing, last: Registers, shape: Shape, terms: Terms) -> tuple[Plan | None, Bools]:
    """Return the plan of alike rows, and which of them meet no boundary that it does not know."""
    tallies = standing.tally
    denominator = lcm(*np.unique(tallies[:, _CARRY_OF]).tolist())
    like = unpacked(tallies[0].tolist())
    plan = columns.plan_of(like, schedule=terms.schedule, terms=terms.contract, carry_denominator=denominator)
    if plan is None:
        return None, np.zeros(len(tallies), np.bool_)
    billed_wh = tallies[:, shape.cells_at].sum(axis=1) + last.energy_wh - standing.register_wh
    counted = columns.is_counted(plan, energy_wh=int(billed_wh.max()), carry=plan.scale)
    within: Bools = (last.at_us < plan.until_us) & (np.abs(tallies[:, _CARRY]) <= tallies[:, _CARRY_OF])
    return (plan if counted else None), within


class _Hand:
    """Some accounts while their uses are being charged, the first ones in each call."""

    def __init__(self, standing: Standing, shape: Shape, plan: Plan, schedule: Schedule) -> None:
        self._standing, self._shape, self._plan = standing, shape, plan
        tally = self._tally = standing.tally.copy()
        self._columns = Columns(
            cells=tally[:, shape.cells_at].copy(),
            totals=tally[:, shape.totals_at].copy(),
            free_used_wh=tally[:, _FREE_USED].copy(),
        )
        self._starts_us = tally[:, shape.segment_at.start + _START]
        self._carry = tally[:, _CARRY] * (plan.scale // tally[:, _CARRY_OF])
        self._register_wh, self._at_us = standing.register_wh.copy(), standing.register_at_us.copy()
        self._billed_wh = standing.billed_wh.copy()
        self._pieces: Pieces = columns.pieces_of(schedule, int(self._at_us.min()), plan.until_us)
        self._bills = self._made()
        self._uses: list[_Use] = []

    def use(self, registers: Registers) -> None:
        """Charge one use of each of the first so many accounts."""
        live = len(registers.at_us)
        spans_us = self._at_us[:live].copy(), registers.at_us
        energy_wh = registers.energy_wh - self._register_wh[:live]
        self._columns = self._extended(live, spans_us, energy_wh)
        self._register_wh[:live], self._at_us[:live] = registers.energy_wh, registers.at_us
        before = self._bills
        self._bills = self._made()
        self._uses.append(
            _Use(
                spans_us=spans_us,
                from_wh=self._billed_wh[:live].copy(),
                energy_wh=energy_wh,
                before_minor=before.total_minor[:live],
                after_minor=self._bills.total_minor[:live],
                amounts_minor=_amounts(before, self._bills)[:live],
                is_spread=~columns.is_one_period(self._pieces, spans_us)
                & (spans_us[1] - spans_us[0] > NEAR.total_seconds() * _SECOND_US),
            )
        )
        self._billed_wh[:live] += energy_wh

    def deducted(self, rows: Int64s, *, currency: str) -> Deducted:
        """Return all that has come of it."""
        tally, shape = self._tally, self._shape
        tally[:, _UNTIL], tally[:, _FREE_USED] = self._at_us, self._columns.free_used_wh
        tally[:, shape.totals_at], tally[:, shape.cells_at] = self._columns.totals, self._columns.cells
        balance_minor = self._standing.delivered_minor.copy()
        warnings = []
        for use in self._uses:
            live = len(use.energy_wh)
            was = balance_minor[:live].copy()
            balance_minor[:live] -= use.amounts_minor[:, 0]
            warnings.append(self._warned(was, balance_minor[:live], use, currency))
        return Deducted(
            rows=rows,
            after=Standing(
                account_id=self._standing.account_id,
                meter_id=self._standing.meter_id,
                register_wh=self._register_wh,
                register_at_us=self._at_us,
                billed_wh=self._billed_wh,
                delivered_minor=balance_minor,
                tally=tally,
            ),
            charges=joined([self._charges(use) for use in self._uses]),
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
        counted_us = np.maximum(self._at_us, self._tally[:, _ACCRUED])
        days = columns.days_of(self._plan, starts_us=self._starts_us, until_us=counted_us)
        return columns.bills(self._plan, self._columns, days=days, carry=self._carry)

    def _charges(self, use: "_Use") -> Charges:
        # What moves neither energy nor money leaves nothing.
        rows = np.flatnonzero((use.energy_wh > 0) | use.amounts_minor.any(axis=1))
        account_id, bill_start_us = self._standing.account_id[rows], self._tally[rows, _BILL_START]
        read_at_us, is_spread = use.spans_us[1][rows], use.is_spread[rows]
        charge_id = named_many(_facts(account_id, read_at_us, bill_start_us, is_spread))
        return Charges(
            account_id=account_id,
            charge_id=charge_id,
            posting_id=derived_many(charge_id, "charge"),
            meter_id=self._standing.meter_id[rows],
            read_at_us=read_at_us,
            from_at_us=use.spans_us[0][rows],
            from_wh=use.from_wh[rows],
            to_wh=use.from_wh[rows] + use.energy_wh[rows],
            bill_before_minor=use.before_minor[rows],
            bill_after_minor=use.after_minor[rows],
            bill_start_us=bill_start_us,
            version=np.tile(np.array(self._plan.version, np.int64), (len(rows), 1)),
            is_spread=is_spread,
            amounts_minor=use.amounts_minor[rows],
        )

    def _warned(self, was: Int64s, is_now: Int64s, use: "_Use", currency: str) -> Warnings:
        """Return the lowest level that each balance fell through, as `alert.crossed` does."""
        lowest = np.full(len(was), NONE)
        for level in sorted(alert.LEVELS_MAJOR, reverse=True):
            level_minor = level * 10 ** minor_digits(currency)
            lowest = np.where((is_now <= level_minor) & (level_minor < was), level_minor, lowest)
        rows = np.flatnonzero(lowest != NONE)
        return Warnings(
            account_id=self._standing.account_id[rows],
            level_minor=lowest[rows],
            balance_minor=is_now[rows],
            at_us=use.spans_us[1][rows],
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Use:
    """One use of each of so many accounts, and what it came to."""

    spans_us: tuple[Int64s, Int64s]
    from_wh: Int64s
    energy_wh: Int64s
    before_minor: Int64s
    after_minor: Int64s
    amounts_minor: Int64s
    is_spread: Bools


def _amounts(before: Bills, after: Bills) -> Int64s:
    """Return a charge's lines, by code: the account pays, the others earn."""
    amounts = np.zeros((len(after.total_minor), len(CODES)), np.int64)
    amounts[:, 0] = after.total_minor - before.total_minor
    for account, minor in after.by_account.items():
        amounts[:, _ACCOUNTS[account]] = before.by_account[account] - minor
    return amounts


def _facts(account_id: Int64s, read_at_us: Int64s, bill_start_us: Int64s, is_spread: Bools) -> Iterator[str]:
    """Write of each charge what names it, as `charging` does."""
    instants, places = np.unique(read_at_us, return_inverse=True)
    written = [from_us(each).isoformat() for each in instants.tolist()]
    basis = {False: Basis.READ.value, True: Basis.SPREAD.value}
    rows = zip(account_id.tolist(), places.tolist(), bill_start_us.tolist(), is_spread.tolist(), strict=True)
    for account, place, bill_start, spread in rows:
        yield f"charge:{account}:{written[place]}:{bill_start}:{basis[spread]}"


Table = TypeVar("Table", Registers, Charges, Warnings, Standing)


def joined(parts: Sequence[Table]) -> Table:
    """Return the rows of all parts, one after the other."""
    names: tuple[str, ...] = parts[0].__slots__
    return type(parts[0])(**{name: np.concatenate([getattr(part, name) for part in parts]) for name in names})
