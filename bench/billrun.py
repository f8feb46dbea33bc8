"""A month of hours to posted charges, against the same rows read and written without any rule.

Ours: `bulk_bills` on a durable database: the days of intervals of each account are read, sorted by the kernel
into the cells of its tariff, billed exactly, and written as charge, posting, balance and the next bill's
opening, thousands of accounts in a transaction. Two processes share the accounts, one for each of two cores;
what counts is intervals per second and core.
The floor: the same days sent by COPY and thrown away, and the rows that ours has left written by
INSERT .. SELECT and UPDATE into copies of our tables with all their checks and indexes, by as many
connections, in the same run.

    python bench/billrun.py [--accounts 20000] [--workers 2]        (--accounts 100000 is the full size)
"""

import argparse
import multiprocessing
import os
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from functools import partial

import _estate
import numpy as np
import psycopg
from _stand import told

from compuerta.adapters.postgres import books, bulk_bills
from compuerta.adapters.postgres.store import PostgresStore
from compuerta.domain.tariff import kernel
from compuerta.services import promises
from compuerta.services.billing import Run

HOURS = 744
UNTIL = _estate.OPENED_AT + timedelta(hours=HOURS)
NOW = UNTIL + timedelta(hours=3)
TARGET_PER_CORE = 3_000_000
TARGET_MIB = 2_048
FLOOR = (
    "create schema floor",
    *(f"create table floor.{name} (like {name} including all)" for name in ("charge", "posting", "bill")),
    "create table floor.account_state (like account_state including all)",
    "insert into floor.account_state table account_state",
    "vacuum analyze floor.account_state",
)
FLOOR_WORK = (
    """insert into floor.charge ({charge_columns})
    select {charge_columns} from charge where account_id between %s and %s""",
    "insert into floor.posting select * from posting where kind = 'charge' and account_id between %s and %s",
    "insert into floor.bill select * from bill where account_id between %s and %s",
    """update floor.account_state f set delivered_minor = s.delivered_minor, billed_wh = s.billed_wh,
        tally = s.tally
    from account_state s where s.account_id = f.account_id and f.account_id between %s and %s""",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """What one worker has done."""

    run: Run
    peak_bytes: int


def main() -> None:
    """Print intervals per second and core, memory, and the ratio to the floor."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--accounts", type=int, default=20_000)
    parser.add_argument("--workers", type=int, default=2)
    given = parser.parse_args()
    check_promises()
    with _estate.standing(accounts=given.accounts, billed_by="intervals") as url:
        _estate.write_month(url)
        cuts = np.linspace(0, given.accounts, given.workers + 1).astype(int).tolist()
        ranges = list(zip((cut + 1 for cut in cuts[:-1]), cuts[1:], strict=True))
        with ProcessPoolExecutor(given.workers, mp_context=multiprocessing.get_context("spawn")) as pool:
            list(pool.map(warm, [url] * given.workers))
            started_s = time.perf_counter()
            done = list(pool.map(partial(bill, url), ranges))
            ours_s = time.perf_counter() - started_s
        report(url, given.accounts, done, ours_s=ours_s, floor_s=floor(url, ranges))


def warm(url: str) -> None:
    """Connect once, and load the compiled kernel, so that what is measured is the work."""
    PostgresStore(url).query("select 1", {})
    none = np.zeros(1, np.int64)
    kernel.cells_of(
        kernel.blocks_of(np.zeros((1, 1), np.int32)),
        runs=kernel.runs_of(periods=none, windows=none, step_windows=none),
        ladders=kernel.Ladders(bounds_wh=np.zeros((1, 1, 1), np.int64), totals=none),
        opening_wh=np.zeros((1, 1), np.int64),
    )


def bill(url: str, ids: tuple[int, int]) -> Done:
    """Bill a range of accounts."""
    store, run = PostgresStore(url), Run()
    for first in range(ids[0], ids[1] + 1, bulk_bills.ACCOUNTS_PER_BATCH):
        some = range(first, min(first + bulk_bills.ACCOUNTS_PER_BATCH, ids[1] + 1))
        one = bulk_bills.bill_accounts(store, some, until=UNTIL, now=NOW)
        run = Run(billed=run.billed + one.billed, waiting=run.waiting + one.waiting)
    store.shut()
    return Done(run=run, peak_bytes=_estate.peak_bytes())


def floor(url: str, ranges: Sequence[tuple[int, int]]) -> float:
    """Send the same days, and write the same rows, without any rule."""
    with psycopg.connect(url, autocommit=True) as connection:
        for statement in FLOOR:
            connection.execute(statement)
        columns = connection.execute(
            """select string_agg(attname, ', ' order by attnum) from pg_attribute
            where attrelid = 'charge'::regclass and attnum > 0 and not attisdropped and attgenerated = ''"""
        ).fetchone()
        connection.execute("checkpoint")
    assert columns is not None

    def work(ids: tuple[int, int]) -> None:
        with psycopg.connect(url) as connection:
            asked = "copy (select * from load_day where meter_id between {} and {}) to stdout (format binary)"
            with connection.cursor().copy(asked.format(*ids)) as sent:
                for _ in sent:
                    pass
            for statement in FLOOR_WORK:
                connection.execute(statement.format(charge_columns=columns[0]), ids)

    return _estate.at_once([partial(work, ids) for ids in ranges])


def report(url: str, accounts: int, done: Sequence[Done], *, ours_s: float, floor_s: float) -> None:
    """Print the figures, and hold them against the rows."""
    assert sum(each.run.billed for each in done) == accounts and not any(each.run.waiting for each in done)
    row = PostgresStore(url).query(
        """select (select count(*) from charge) as charges, (select sum(to_wh) from charge) as wh,
        (select count(*) from posting where kind = 'charge') as postings,
        (select sum(w) from load_day, unnest(wh) w) as measured_wh,
        (select count(*) from instruction where kind = 'switch') as cuts""",
        {},
    )[0]
    assert row["charges"] == row["postings"] == accounts and row["wh"] == row["measured_wh"]
    intervals = accounts * HOURS
    per_core = intervals / ours_s / len(done)
    told(f"{accounts:,} accounts x {HOURS} hours, {len(done)} workers, load {os.getloadavg()[0]:.1f}")
    told(f"  bill run                 {ours_s:9.2f} s, {intervals / ours_s:12,.0f} intervals/s")
    told(f"  per core                 {per_core:9,.0f} intervals/s, target {TARGET_PER_CORE:,}")
    told(f"  the same rows, no rule   {floor_s:9.2f} s, ratio {floor_s / ours_s:.2f}")
    peak_mib = max(each.peak_bytes for each in done) / 2**20
    told(f"  peak memory of a worker  {peak_mib:9,.0f} MiB, target {TARGET_MIB:,} for all")
    told(f"  {row['postings']:,} postings, {row['wh']:,} Wh on both sides, {row['cuts']:,} relays to open")


def check_promises() -> None:
    """Keep the promises on a small estate, before anything is timed."""
    with _estate.standing(accounts=200, billed_by="intervals") as url:
        _estate.write_month(url)
        bill(url, (1, 200))
        broken = promises.broken(promises.check(books.load(url, now=NOW), now=NOW, settled=True))
    if broken:
        sys.exit("\n".join(broken))
    told(f"promises: kept by 200 accounts x {HOURS}")


if __name__ == "__main__":
    main()
