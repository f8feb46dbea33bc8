"""The bill run: the intervals of whole cycles become bills, thousands of accounts in a transaction.

What is billed, and by which rules, is `billing`'s matter: accounts that ask for a closer look go there. A run
may end anywhere and be run again: what was billed is in the tallies, and is not billed again.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import numpy as np
from psycopg.rows import dict_row

from compuerta.adapters.postgres import binary
from compuerta.adapters.postgres.binary import EPOCH_US, copy_in
from compuerta.adapters.postgres.bulk_rows import (
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
from compuerta.services import billing, closing, converging, telling
from compuerta.services.billing import Run
from compuerta.services.charge_columns import Standing, Terms
from compuerta.services.closing import Closed, Due, Energies
from compuerta.services.records import Warned
from compuerta.services.store_port import Conflict

# Their intervals of a month are some tens of megabytes, on both sides of the wire.
ACCOUNTS_PER_BATCH = 4_000

_METERS = """
select array_agg(i.meter_id order by i.meter_id) as meter_id
from account a join installation i on i.account_id = a.account_id and i.ended_at is null
where a.account_id = any(%(ids)s)
"""
# An array of days is put together far faster than days are sent one by one.
_LOADS = """
select minutes, array_agg(meter_id) as meter_id, array_agg(starts_at) as starts_at, array_agg(wh) as wh
from (
    select minutes, meter_id, starts_at, wh from load_day
    where meter_id = any(%(ids)s) and starts_at >= %(start)s and starts_at < %(end)s
    order by meter_id, starts_at
) d
group by minutes, cardinality(wh)
"""
_STAGE = """
create temporary table if not exists closed (
    account_id bigint, billed_wh bigint, delivered_minor bigint, warned bigint, warned_of bigint,
    tally bigint[]
) on commit delete rows
"""
_MOVE = """
update account_state s
set billed_wh = c.billed_wh, delivered_minor = c.delivered_minor, tally = c.tally, warned = c.warned,
    warned_of = c.warned_of, warned_minor = c.delivered_minor
from closed c where s.account_id = c.account_id
"""
_BY_INTERVALS: Final = "a.billed_by = 'intervals'"


def bill_some(store: PostgresStore, *, after: int, until: datetime, now: datetime) -> int | None:
    """Bill the next accounts that are billed by intervals, by id from after one on; None = no more."""
    with store.transaction() as tx:
        account_ids = tx.interval_accounts(after=after, limit=ACCOUNTS_PER_BATCH)
    if not account_ids:
        return None
    bill_accounts(store, account_ids, until=until, now=now)
    return account_ids[-1]


def bill_accounts(store: PostgresStore, account_ids: Sequence[int], *, until: datetime, now: datetime) -> Run:
    """Bill some accounts: by columns where that is possible, and all others one by one."""
    try:
        billed, done = _bill(store, account_ids, until=until, now=now)
    except Conflict:
        billed, done = 0, set()
    total = Run(billed=billed)
    rest = [account_id for account_id in account_ids if account_id not in done]
    for at in range(0, len(rest), billing.ACCOUNTS_PER_BATCH):
        with store.transaction() as tx:
            some = rest[at : at + billing.ACCOUNTS_PER_BATCH]
            total = _sum(total, billing.bill_accounts(tx, some, until=until, now=now))
    return total


def _sum(one: Run, other: Run) -> Run:
    return Run(billed=one.billed + other.billed, waiting=one.waiting + other.waiting)


def _bill(
    store: PostgresStore, account_ids: Sequence[int], *, until: datetime, now: datetime
) -> tuple[int, set[int]]:
    """Bill by columns, and return how many bills that were, and whose accounts have no other to be made."""
    with store.copying() as (tx, connection):
        cursor = connection.cursor(binary=True, row_factory=dict_row)
        binary.speak_arrays(cursor)
        cursor.execute(_STAGE)
        (meters,) = cursor.execute(_METERS, {"ids": np.array(account_ids, np.int64)}).fetchall()
        if meters["meter_id"] is None:
            return 0, set()
        rows = locked(cursor, meters["meter_id"], also=_BY_INTERVALS)
        on_watch = watched(cursor, meters["meter_id"])
        billed, done, unsettled = 0, set[int](), []
        warnings: list[Warned] = []
        for row in rows:
            hand = _Hand(row, on_watch, now=now)
            for terms, alike in billed_alike(tx, row, now=now):
                hand.bill(cursor, alike, terms=terms, until_us=to_us(until))
            billed += len(hand.billed)
            done |= hand.done
            unsettled += hand.unsettled()
            warnings += hand.warnings
        cursor.execute(_MOVE)
        telling.warned(tx, warnings, now=now)
        converging.converge(tx, unsettled, now=now)
    return billed, done


@dataclass(frozen=True, slots=True, kw_only=True)
class _Loads:
    """The intervals of cycles, and of which accounts they are all there."""

    energies_wh: Energies
    whole: Bools
    minutes: int


class _Hand:
    """Accounts whose tallies are of one length, while their bills are made."""

    def __init__(self, row: Row, on_watch: Sequence[int], *, now: datetime) -> None:
        self._now = now
        names = (
            "account_id", "meter_id", "register_wh", "billed_wh", "delivered_minor", "warned", "warned_of",
            "warned_minor", "tally",
        )  # fmt: skip
        self._standing = Standing(
            **{name: row[name] for name in names}, register_at_us=row["register_at"] + EPOCH_US
        )
        self._balance_minor = row["delivered_minor"].copy()
        self._relay, self._wanted = row["relay"], row["wanted"]
        self._watched = np.isin(row["meter_id"], on_watch)
        self.billed: list[int] = []
        self.warnings: list[Warned] = []
        self.done: set[int] = set()

    def bill(self, cursor: Cursor, alike: Int64s, *, terms: Terms, until_us: int) -> None:
        """Bill those of some accounts whose bills have ended, and write what comes of it."""
        some = self._standing.at(alike)
        for due in closing.due(some, terms=terms):
            accounts = some.at(due.rows)
            if due.end_us > until_us:
                self.done |= set(accounts.account_id.tolist())
                continue
            for loads in _loads(cursor, due, accounts.meter_id):
                mine = alike[due.rows][loads.whole]
                closed = closing.close(
                    due, self._standing.at(mine), loads.energies_wh[loads.whole], minutes=loads.minutes
                )
                if closed is not None:
                    self._write(cursor, due, closed, mine)
            if closing.next_end_us(due) <= until_us:
                self.done -= set(accounts.account_id.tolist())  # the run is late by more than a bill

    def unsettled(self) -> list[int]:
        """Return the billed accounts for which supply has to be decided."""
        settled = is_settled(wanted=self._wanted, relay=self._relay, balance_minor=self._balance_minor)
        billed = np.isin(self._standing.account_id, self.billed)
        unsettled: list[int] = self._standing.account_id[billed & (self._watched | ~settled)].tolist()
        return unsettled

    def _write(self, cursor: Cursor, due: Due, closed: Closed, rows: Int64s) -> None:
        after, count = closed.after, len(rows)
        account_id = binary.bigints("account_id", after.account_id)
        opening = binary.bigint_arrays("opening", after.tally)
        copy_in(cursor, "bill", [account_id, binary.instants("bill_start", due.end_us), opening], rows=count)
        copy_charges(cursor, closed.charges, currency=due.terms.currency, now=self._now)
        copy_warnings(cursor, closed.warnings)
        self.warnings += closed.warnings.rows()
        fields = [
            account_id,
            binary.bigints("billed_wh", after.billed_wh),
            binary.bigints("delivered_minor", after.delivered_minor),
            binary.bigints("warned", after.warned),
            binary.bigints("warned_of", after.warned_of),
            binary.bigint_arrays("tally", after.tally),
        ]
        copy_in(cursor, "closed", fields, rows=count)
        self._balance_minor[rows] = after.delivered_minor
        self.billed += after.account_id.tolist()
        self.done |= set(after.account_id.tolist())


def _loads(cursor: Cursor, due: Due, meter_ids: Int64s) -> Iterator[_Loads]:
    """Yield what is known of cycles, for each length of intervals that meters keep."""
    order = np.argsort(meter_ids)
    values = {"ids": meter_ids[order], "start": from_us(due.start_us), "end": from_us(due.end_us)}
    found = cursor.execute(_LOADS, values).fetchall()
    for minutes in sorted({row["minutes"] for row in found}):
        counts = np.diff(due.days_us) // (minutes * 60_000_000)
        begins = np.append(0, counts.cumsum())
        energies_wh = np.zeros((len(meter_ids), begins[-1]), np.int32)
        known = np.zeros(len(meter_ids), np.int64)
        for row in (each for each in found if each["minutes"] == minutes):
            place = order[np.searchsorted(meter_ids, row["meter_id"], sorter=order)]
            day = np.searchsorted(due.days_us, row["starts_at"] + EPOCH_US)
            for number in np.unique(day).tolist():
                wh = row["wh"]
                if number >= len(counts) or counts[number] != wh.shape[1]:
                    continue
                here = day == number
                here &= row["starts_at"] + EPOCH_US == due.days_us[number]
                energies_wh[place[here], begins[number] : begins[number + 1]] = wh[here]
                known[place[here]] += 1
        whole = known == len(counts)
        if whole.any():
            yield _Loads(energies_wh=energies_wh, whole=whole, minutes=minutes)
