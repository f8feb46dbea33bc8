"""A million registers at once: whole batches of accounts are read, charged and written by columns.

What is written, and by which rules, is `observe`'s matter: accounts that ask for a closer look go there, and
so do all of a batch that another transaction was faster with. A batch is one transaction: what is taken is
taken, and the same registers again change nothing.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import Any, Final

import numpy as np
import psycopg
from psycopg.rows import dict_row

from compuerta.adapters.postgres import binary
from compuerta.adapters.postgres.binary import EPOCH_US, copy_in
from compuerta.adapters.postgres.store import PostgresStore
from compuerta.adapters.postgres.transaction import PostgresTransaction
from compuerta.domain.ledger import PostingKind
from compuerta.domain.supply import Reason
from compuerta.domain.tariff.civil import from_us, to_us
from compuerta.domain.tariff.columns import Bools, Int64s
from compuerta.drivers.abilities import MeterState, Relay
from compuerta.services import converging, deducting, observe
from compuerta.services.charge_columns import BASES, CODES, NONE, Charges, Standing, Terms, Warnings
from compuerta.services.deducting import RELAYS, Registers
from compuerta.services.store_port import Conflict

# So many that a round trip is nothing, so few that locks are held for a second and a batch fits the cache.
METERS_PER_BATCH = 20_000
# One by one an account takes about a millisecond; locks are held no longer than in the ordinary way.
METERS_ONE_BY_ONE = 500

_IN_CREDIT, _OUT_OF_CREDIT = 1, 2  # what is wanted of a meter, in the statement below
_PLACE: Final = {relay: place for place, relay in enumerate(RELAYS, start=1)}  # 0 = not known
_CHARGE_BIGINTS = (
    "account_id", "meter_id", "from_wh", "to_wh", "bill_before_minor", "bill_after_minor",
)  # fmt: skip

# As `statements.LOCK_ACCOUNTS` and `LOCK_METERS` lock, in the same order; the rows stay where they are.
_LOCK_ACCOUNTS = """
with locked as (
    select account_id from account_state
    where account_id in (
        select account_id from installation where meter_id = any(%(ids)s) and ended_at is null
    )
    order by account_id for update
) select coalesce(min(account_id), 0) as first, coalesce(max(account_id), 0) as last from locked
"""
_LOCK_METERS = """
with locked as (
    select meter_id from meter_state where meter_id = any(%(ids)s) order by meter_id for update
) select count(*) from locked
"""
# Accounts whose readings are charged and nothing more, as arrays, by the length of their tallies.
_STANDING = """
select
    array_agg(l.account_id) as account_id, array_agg(i.meter_id) as meter_id,
    array_agg(l.register_wh) as register_wh, array_agg(l.register_at) as register_at,
    array_agg(l.billed_wh) as billed_wh, array_agg(l.delivered_minor) as delivered_minor,
    array_agg(l.tally) as tally,
    array_agg(t.read_at) as read_at,
    array_agg(coalesce(array_position(%(relays)s::text[], t.relay), 0)::bigint) as relay,
    array_agg(coalesce(t.power_w, %(none)s)) as power_w,
    array_agg(case
        when t.wanted_closed and t.wanted_reason = %(in_credit)s then 1
        when not t.wanted_closed and t.wanted_reason = %(out_of_credit)s then 2
        else 0
    end::bigint) as wanted,
    array_agg(a.site_id) as site_id, array_agg(a.tariff_id) as tariff_id,
    array_agg(coalesce(a.persons, 0)::bigint) as persons,
    array_agg(coalesce(a.contracted_w, 0)) as contracted_w
from installation i
join account_state l on l.account_id = i.account_id {of_account_state}
join account a on a.account_id = i.account_id {of_account}
join meter m on m.meter_id = i.meter_id {of_meter}
join meter_state t on t.meter_id = i.meter_id {of_meter_state}
where i.meter_id = any(%(ids)s) and i.ended_at is null
    and m.credit_authority = 'platform' and a.kind = 'customer' and a.billed_by = 'register'
    and not a.reassigned and not l.billing_held and not l.awaits_closing
    and l.register_wh is not null and l.register_at is not null and l.register_rates_wh is null
    and l.tally <> '{{}}' and t.read_at is not null
group by cardinality(l.tally)
"""
# Row by row through five indexes costs three times as much as reading five short stretches of them, which is
# what a batch's ids are where most meters tell something.
_SCATTERED = _STANDING.format(of_account_state="", of_account="", of_meter="", of_meter_state="")
_DENSE = _STANDING.format(
    of_account_state="and l.account_id between %(first)s and %(last)s",
    of_account="and a.account_id between %(first)s and %(last)s",
    of_meter="and m.meter_id between %(first_meter)s and %(last_meter)s",
    of_meter_state="and t.meter_id between %(first_meter)s and %(last_meter)s",
)
_DENSE_MAX = 2  # times as many ids in the stretch as in the batch
_MERGE = "set local enable_nestloop = off; set local enable_mergejoin = on; set local work_mem = '64MB'"
_BY_KEY = "set local enable_nestloop = on; set local enable_mergejoin = off"
# Meters with a hold, or with a switch on its way: whoever decides on their supply has to look.
_WATCHED = """
select meter_id from supply_hold where meter_id between %(first)s and %(last)s
union
select meter_id from instruction
where meter_id between %(first)s and %(last)s and ended_at is null and kind = 'switch'
"""
_STAGE = """
create temporary table if not exists deducted (
    account_id bigint, meter_id bigint, register_wh bigint, register_at timestamptz, billed_wh bigint,
    delivered_minor bigint, relay bigint, power_w bigint, tally bigint[]
) on commit delete rows
"""
_MOVE_ACCOUNTS = """
update account_state s
set register_wh = d.register_wh, register_at = d.register_at, billed_wh = d.billed_wh,
    delivered_minor = d.delivered_minor, tally = d.tally
from deducted d where s.account_id = d.account_id
"""
_MOVE_METERS = """
update meter_state s
set energy_wh = d.register_wh, relay = (%(relays)s::text[])[d.relay], power_w = nullif(d.power_w, %(none)s),
    flags = '{}', read_at = d.register_at, heard_at = d.register_at
from deducted d where s.meter_id = d.meter_id
"""
_RELAY_NAMES: Final = [relay.value for relay in RELAYS]
_VALUES: Final = {
    "relays": _RELAY_NAMES,
    "none": NONE,
    "in_credit": Reason.IN_CREDIT.value,
    "out_of_credit": Reason.OUT_OF_CREDIT.value,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """How many registers were taken, and how."""

    by_columns: int = 0
    one_by_one: int = 0


Cursor = psycopg.Cursor[Any]
Row = dict[str, Any]


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
        values = {"ids": meter_ids, **_VALUES}
        cursor.execute(_STAGE)
        unsettled: list[int] = []
        rows = _locked(cursor, values, meter_ids)
        stretch = {"first": int(meter_ids[0]), "last": int(meter_ids[-1])}
        watched = [each["meter_id"] for each in cursor.execute(_WATCHED, stretch).fetchall()]
        for row in rows:
            hand = _Hand(row, registers, watched=watched, now=now)
            for terms, alike in _billed_alike(tx, row, now=now):
                hand.take(cursor, alike, terms=terms)
            taken |= hand.taken
            unsettled += hand.unsettled()
        cursor.execute(_MOVE_ACCOUNTS)
        cursor.execute(_MOVE_METERS, values)
        converging.converge(tx, unsettled, now=now)
    return taken


def _locked(cursor: Cursor, values: Mapping[str, object], meter_ids: Int64s) -> list[Row]:
    """Lock the accounts of meters, and return what stands in them."""
    (found,) = cursor.execute(_LOCK_ACCOUNTS, values).fetchall()
    cursor.execute(_LOCK_METERS, values)
    stretch = {**found, "first_meter": int(meter_ids[0]), "last_meter": int(meter_ids[-1])}
    longest = max(found["last"] - found["first"], int(meter_ids[-1] - meter_ids[0])) + 1
    if longest > _DENSE_MAX * len(meter_ids):
        return cursor.execute(_SCATTERED, values).fetchall()
    connection = cursor.connection
    connection.execute(_MERGE)
    rows = cursor.execute(_DENSE, {**values, **stretch}).fetchall()
    connection.execute(_BY_KEY)
    return rows


def _billed_alike(tx: PostgresTransaction, row: Row, *, now: datetime) -> Iterator[tuple[Terms, Int64s]]:
    """Part the accounts of a standing by what they are billed by."""
    parts = np.stack([row[name] for name in ("site_id", "tariff_id", "persons", "contracted_w")])
    _, first, groups = np.unique(parts, axis=1, return_index=True, return_inverse=True)
    account_ids = row["account_id"][first].tolist()
    views = tx.look_at(account_ids, now=now)
    for group, account_id in enumerate(account_ids):
        view = views[account_id]
        assert view.schedule is not None
        terms = Terms(schedule=view.schedule, contract=view.terms_at(now), currency=view.account.currency)
        yield terms, np.flatnonzero(groups.reshape(-1) == group)


class _Hand:
    """Accounts whose tallies are of one length, while their registers are taken."""

    def __init__(self, row: Row, registers: Registers, *, watched: Sequence[int], now: datetime) -> None:
        order = np.argsort(row["meter_id"])
        self._order = np.argsort(order)  # where each account of the answer is now
        self._now = now
        names = ("account_id", "meter_id", "register_wh", "billed_wh", "delivered_minor", "tally")
        self._standing = Standing(
            **{name: row[name][order] for name in names}, register_at_us=row["register_at"][order] + EPOCH_US
        )
        self._balance_minor = self._standing.delivered_minor.copy()
        self._relay, self._power_w = row["relay"][order], row["power_w"][order]
        meters = self._standing.meter_id
        self._wanted, self._watched = row["wanted"][order], np.isin(meters, watched)
        self._registers = registers
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
            _copy_readings(cursor, self._registers.at(which))
            _copy_charges(cursor, deducted.charges, currency=terms.currency, now=self._now)
            _copy_warnings(cursor, deducted.warnings)
            self._stage(cursor, deducted.after, taken)

    def unsettled(self) -> list[int]:
        """Return the accounts for which supply has to be decided: all others have what they should have."""
        reported = np.zeros(len(self._wanted), np.bool_)
        reported[self._place[self.taken]] = True
        on = np.isin(self._relay, [_PLACE[Relay.CLOSED], _PLACE[Relay.PERMITTED]])
        lit = (self._wanted == _IN_CREDIT) & (self._balance_minor > 0) & on
        off = self._relay == _PLACE[Relay.OPEN]
        dark = (self._wanted == _OUT_OF_CREDIT) & (self._balance_minor <= 0) & off
        settled = (lit | dark) & ~self._watched
        unsettled: list[int] = self._standing.account_id[reported & ~settled].tolist()
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
            binary.bigints("relay", self._relay[rows]),
            binary.bigints("power_w", self._power_w[rows]),
            binary.bigint_arrays("tally", after.tally),
        ]
        copy_in(cursor, "deducted", fields, rows=len(rows))


def _copy_readings(cursor: Cursor, told: Registers) -> None:
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
            copy_in(cursor, "reading", fields, rows=len(rows))


def _copy_charges(cursor: Cursor, charges: Charges, *, currency: str, now: datetime) -> None:
    for basis in np.unique(charges.basis).tolist():
        some = charges.at(charges.basis == basis)
        fields = [
            *(binary.bigints(name, getattr(some, name)) for name in _CHARGE_BIGINTS),
            binary.uuids("charge_id", some.charge_id),
            binary.instants("read_at", some.read_at_us),
            binary.instants("from_at", some.from_at_us),
            binary.instants("bill_start", some.bill_start_us),
            binary.bigints("tariff_id", some.version[:, 0]),
            binary.integers("version_no", some.version[:, 1]),
            binary.text("basis", BASES[basis].value),
        ]
        copy_in(cursor, "charge", fields, rows=len(some.account_id))
    _copy_postings(cursor, charges, currency=currency, now=now)


def _copy_postings(cursor: Cursor, charges: Charges, *, currency: str, now: datetime) -> None:
    """Write postings, those with the same lines together."""
    lines = charges.amounts_minor != 0
    patterns = lines @ (1 << np.arange(len(CODES)))
    for pattern in np.unique(patterns[patterns > 0]).tolist():
        some = charges.at(patterns == pattern)
        codes = [at for at in range(len(CODES)) if pattern >> at & 1]
        fields = [
            binary.bigints("account_id", some.account_id),
            binary.uuids("posting_id", some.posting_id),
            binary.text("kind", PostingKind.CHARGE.value),
            binary.text("currency", currency),
            binary.text_array("codes", [CODES[at] for at in codes]),
            binary.bigint_arrays("amounts_minor", some.amounts_minor[:, codes]),
            binary.instants("booked_at", to_us(now)),
            binary.uuids("cause_id", some.charge_id),
        ]
        copy_in(cursor, "posting", fields, rows=len(some.account_id))


def _copy_warnings(cursor: Cursor, warnings: Warnings) -> None:
    fields = [
        binary.bigints("account_id", warnings.account_id),
        binary.bigints("level_minor", warnings.level_minor),
        binary.bigints("balance_minor", warnings.balance_minor),
        binary.instants("at", warnings.at_us),
    ]
    copy_in(cursor, "warning", fields, rows=len(warnings.account_id))
