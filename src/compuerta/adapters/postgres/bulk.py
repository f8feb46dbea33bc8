"""A million registers at once: whole batches of accounts are read, charged and written by columns.

What is written, and by which rules, is `observe`'s matter: accounts that ask for a closer look go there, and
so do all of a batch that another transaction was faster with. A batch is one transaction: what is taken is
taken, and the same registers again change nothing.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise

import numpy as np
from psycopg.rows import dict_row

from compuerta.adapters.postgres import binary
from compuerta.adapters.postgres.binary import EPOCH_US, copy_in
from compuerta.adapters.postgres.bulk_rows import (
    VALUES,
    Cursor,
    Row,
    billed_alike,
    copy_charges,
    copy_warnings,
    is_settled,
    locked,
    watched,
)
from compuerta.adapters.postgres.store import PostgresStore
from compuerta.domain.tariff.civil import from_us, to_us
from compuerta.domain.tariff.columns import Bools, Int64s
from compuerta.drivers.abilities import MeterState
from compuerta.services import converging, deducting, observe, telling
from compuerta.services.charge_columns import NONE, Standing, Terms
from compuerta.services.deducting import RELAYS, Registers
from compuerta.services.records import Warned
from compuerta.services.store_port import Conflict

# So many that a round trip is nothing, so few that locks are held for a second and a batch fits the cache.
METERS_PER_BATCH = 20_000
# One by one an account takes about a millisecond; locks are held no longer than in the ordinary way.
METERS_ONE_BY_ONE = 500

# Whose readings are charged, and nothing more.
_BY_REGISTER = """a.billed_by = 'register' and not l.awaits_closing and l.register_wh is not null
    and l.register_at is not null and l.register_rates_wh is null and t.read_at is not null"""
_STAGE = """
create temporary table if not exists deducted (
    account_id bigint, meter_id bigint, register_wh bigint, register_at timestamptz, billed_wh bigint,
    delivered_minor bigint, warned bigint, warned_of bigint, relay bigint, power_w bigint, tally bigint[]
) on commit delete rows
"""
_MOVE_ACCOUNTS = """
update account_state s
set register_wh = d.register_wh, register_at = d.register_at, billed_wh = d.billed_wh,
    delivered_minor = d.delivered_minor, tally = d.tally, warned = d.warned, warned_of = d.warned_of,
    warned_minor = d.delivered_minor
from deducted d where s.account_id = d.account_id
"""
_MOVE_METERS = """
update meter_state s
set energy_wh = d.register_wh, relay = (%(relays)s::text[])[d.relay], power_w = nullif(d.power_w, %(none)s),
    flags = '{}', read_at = d.register_at, heard_at = d.register_at
from deducted d where s.meter_id = d.meter_id
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """How many registers were taken, and how."""

    by_columns: int = 0
    one_by_one: int = 0


def take_registers(store: PostgresStore, registers: Registers, *, now: datetime) -> Taken:
    """Take registers of many meters, in any order; a register twice is a register once."""
    registers = registers.at(np.lexsort((registers.at_us, registers.meter_id)))
    by_columns = one_by_one = 0
    for batch in _batches(registers, METERS_PER_BATCH):
        try:
            taken = _take(store, batch, now=now)
        except Conflict:
            taken = np.zeros(len(batch.meter_id), np.bool_)
        by_columns += int(taken.sum())
        for some in _batches(batch.at(~taken), METERS_ONE_BY_ONE):
            observe.take_readings(store, list(_reports(some)), now=now)
            one_by_one += len(some.meter_id)
    return Taken(by_columns=by_columns, one_by_one=one_by_one)


def _batches(registers: Registers, meters_max: int) -> Iterator[Registers]:
    begins = np.flatnonzero(np.diff(registers.meter_id, prepend=-1))
    cuts = [*begins[::meters_max].tolist(), len(registers.meter_id)]
    for start, end in pairwise(cuts):
        yield registers.at(np.arange(start, end))


def _reports(registers: Registers) -> Iterator[observe.MeterReport]:
    for row in range(len(registers.meter_id)):
        relay, power_w = int(registers.relay[row]), int(registers.power_w[row])
        state = MeterState(
            energy_wh=int(registers.energy_wh[row]),
            relay=None if relay == NONE else RELAYS[relay],
            power_w=None if power_w == NONE else power_w,
        )
        at = from_us(int(registers.at_us[row]))
        yield observe.MeterReport(meter_id=int(registers.meter_id[row]), at=at, state=state)


def _take(store: PostgresStore, registers: Registers, *, now: datetime) -> Bools:
    """Take one batch by columns, and tell which registers that were."""
    taken = np.zeros(len(registers.meter_id), np.bool_)
    with store.copying() as (tx, connection):
        cursor = connection.cursor(binary=True, row_factory=dict_row)
        binary.speak_arrays(cursor)
        meter_ids = np.unique(registers.meter_id)
        cursor.execute(_STAGE)
        unsettled: list[int] = []
        warnings: list[Warned] = []
        rows = locked(cursor, meter_ids, also=_BY_REGISTER)
        on_watch = watched(cursor, meter_ids)
        for row in rows:
            hand = _Hand(row, registers, watched=on_watch, now=now)
            for terms, alike in billed_alike(tx, row, now=now):
                hand.take(cursor, alike, terms=terms)
            taken |= hand.taken
            unsettled += hand.unsettled()
            warnings += hand.warnings
        cursor.execute(_MOVE_ACCOUNTS)
        cursor.execute(_MOVE_METERS, VALUES)
        telling.warned(tx, warnings, now=now)
        converging.converge(tx, unsettled, now=now)
    return taken


class _Hand:
    """Accounts whose tallies are of one length, while their registers are taken."""

    def __init__(self, row: Row, registers: Registers, *, watched: Sequence[int], now: datetime) -> None:
        order = np.argsort(row["meter_id"])
        self._order = np.argsort(order)  # where each account of the answer is now
        self._now = now
        names = (
            "account_id", "meter_id", "register_wh", "billed_wh", "delivered_minor", "warned", "warned_of",
            "warned_minor", "tally",
        )  # fmt: skip
        self._standing = Standing(
            **{name: row[name][order] for name in names}, register_at_us=row["register_at"][order] + EPOCH_US
        )
        self._balance_minor = self._standing.delivered_minor.copy()
        self._relay, self._power_w = row["relay"][order], row["power_w"][order]
        meters = self._standing.meter_id
        self._wanted, self._watched = row["wanted"][order], np.isin(meters, watched)
        self._registers = registers
        self.warnings: list[Warned] = []
        self._place = np.minimum(np.searchsorted(meters, registers.meter_id), len(meters) - 1)
        self._fresh, self.taken = self._judged(row["read_at"][order] + EPOCH_US)

    def _judged(self, read_at_us: Int64s) -> tuple[Bools, Bools]:
        """Tell which registers are news, and which are known already; doubtful accounts have neither."""
        told, place = self._registers, self._place
        ours = self._standing.meter_id[place] == told.meter_id
        doubtful = read_at_us > to_us(self._now + observe.AHEAD_MAX)
        doubtful[place[ours & (told.at_us > to_us(self._now))]] = True
        ours &= ~doubtful[place]
        repeated = (np.diff(told.meter_id, prepend=-1) == 0) & (np.diff(told.at_us, prepend=-1) == 0)
        news = (told.at_us > read_at_us[place]) & ~repeated
        return ours & news, ours & ~news

    def take(self, cursor: Cursor, alike: Int64s, *, terms: Terms) -> None:
        """Charge and write what the registers of some accounts, billed alike, lead to."""
        mine = np.zeros(len(self._wanted), np.bool_)
        mine[self._order[alike]] = True
        own = np.flatnonzero(self._fresh & mine[self._place])
        rows = np.unique(self._place[own])
        if not len(rows):
            return
        told = self._registers.at(own)
        for deducted in deducting.deduct(self._standing.at(rows), told, terms=terms):
            taken = rows[deducted.rows]
            chosen = np.zeros(len(mine), np.bool_)
            chosen[taken] = True
            which = own[chosen[self._place[own]]]
            self.taken[which] = True
            self._see(taken, which)
            self._balance_minor[taken] = deducted.after.delivered_minor
            copy_readings(cursor, self._registers.at(which), table="reading")
            copy_charges(cursor, deducted.charges, currency=terms.currency, now=self._now)
            copy_warnings(cursor, deducted.warnings)
            self.warnings += deducted.warnings.rows()
            self._stage(cursor, deducted.after, taken)

    def unsettled(self) -> list[int]:
        """Return the accounts for which supply has to be decided.

        Not those of which registers are left to be taken one by one: nobody is cut on half of what is told.
        """
        reported = np.zeros(len(self._wanted), np.bool_)
        reported[self._place[self.taken]] = True
        reported &= ~np.isin(self._standing.meter_id, self._registers.meter_id[~self.taken])
        settled = is_settled(wanted=self._wanted, relay=self._relay, balance_minor=self._balance_minor)
        unsettled: list[int] = self._standing.account_id[reported & (self._watched | ~settled)].tolist()
        return unsettled

    def _see(self, rows: Int64s, which: Int64s) -> None:
        """Keep the last that the meters said of relay and power."""
        told = self._registers.at(which)
        first = np.searchsorted(told.meter_id, self._standing.meter_id[rows], side="left")
        last = np.searchsorted(told.meter_id, self._standing.meter_id[rows], side="right") - 1
        for kept, said, values in (
            (self._relay, told.relay != NONE, told.relay + 1),
            (self._power_w, told.power_w != NONE, told.power_w),
        ):
            latest = np.maximum.accumulate(np.where(said, np.arange(len(said)), -1))[last]
            kept[rows] = np.where(latest >= first, values[latest], kept[rows])

    def _stage(self, cursor: Cursor, after: Standing, rows: Int64s) -> None:
        fields = [
            binary.bigints("account_id", after.account_id),
            binary.bigints("meter_id", after.meter_id),
            binary.bigints("register_wh", after.register_wh),
            binary.instants("register_at", after.register_at_us),
            binary.bigints("billed_wh", after.billed_wh),
            binary.bigints("delivered_minor", after.delivered_minor),
            binary.bigints("warned", after.warned),
            binary.bigints("warned_of", after.warned_of),
            binary.bigints("relay", self._relay[rows]),
            binary.bigints("power_w", self._power_w[rows]),
            binary.bigint_arrays("tally", after.tally),
        ]
        copy_in(cursor, "deducted", fields, rows=len(rows))


def copy_readings(cursor: Cursor, told: Registers, *, table: str) -> None:
    """Copy registers into a table of readings."""
    has_power = told.power_w != NONE
    for relay in np.unique(told.relay).tolist():
        for rows in (np.flatnonzero((told.relay == relay) & has) for has in (has_power, ~has_power)):
            some = told.at(rows)
            fields = [
                binary.bigints("meter_id", some.meter_id),
                binary.instants("at", some.at_us),
                binary.bigints("energy_wh", some.energy_wh),
            ]
            if relay != NONE:
                fields.append(binary.text("relay", RELAYS[relay].value))
            if len(rows) and has_power[rows[0]]:
                fields.append(binary.bigints("power_w", some.power_w))
            copy_in(cursor, table, fields, rows=len(rows))
