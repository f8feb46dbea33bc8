"""A million registers to balances and supply decisions, against the same rows written without any rule.

Ours: `bulk.take_registers` on a durable database: each register becomes a reading, a charge, a posting and a
balance; accounts that fall below zero get the instruction that opens their relay, and those that fall through
a level their warning. Two shapes: a million accounts with a register each, and a tenth of the accounts with
ten each. Two processes share the accounts, one for each of two cores.
The floor: the rows that ours has left, written by INSERT .. SELECT and UPDATE from table to table, into
copies of our tables with all their checks and indexes, by as many connections, in the same run.

    python bench/deduction.py [--registers 200000] [--workers 2]       (--registers 1000000 is the full size)
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

from compuerta.adapters.postgres import books, bulk
from compuerta.adapters.postgres.store import PostgresStore
from compuerta.domain.tariff.civil import to_us
from compuerta.drivers.abilities import Relay
from compuerta.services import promises
from compuerta.services.charge_columns import NONE
from compuerta.services.deducting import RELAYS, Registers

TARGET_S = 20.0
HOUR_US = 3_600_000_000
FLOOR = (
    "create schema floor",
    *(f"create table floor.{name} (like {name} including all)" for name in ("reading", "charge", "posting")),
    *(
        f"create table floor.{name} (like {name} including all); insert into floor.{name} table {name}"
        for name in ("account_state", "meter_state")
    ),
    "vacuum analyze floor.account_state, floor.meter_state",
)
# What a range of accounts is given, from the rows that ours has left.
FLOOR_WORK = (
    "insert into floor.reading select * from reading where meter_id between %s and %s",
    """insert into floor.charge ({charge_columns})
    select {charge_columns} from charge where account_id between %s and %s""",
    "insert into floor.posting select * from posting where kind = 'charge' and account_id between %s and %s",
    """update floor.account_state f set delivered_minor = s.delivered_minor, register_wh = s.register_wh,
        register_at = s.register_at, billed_wh = s.billed_wh, tally = s.tally
    from account_state s where s.account_id = f.account_id and f.account_id between %s and %s""",
    """update floor.meter_state f set energy_wh = s.energy_wh, read_at = s.read_at, heard_at = s.heard_at
    from meter_state s where s.meter_id = f.meter_id and f.meter_id between %s and %s""",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """How many accounts tell of how many hours."""

    accounts: int
    hours: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """What one worker has done."""

    taken: bulk.Taken
    peak_bytes: int


def main() -> None:
    """Print both shapes' seconds, and their ratio to the floor."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--registers", type=int, default=200_000)
    parser.add_argument("--workers", type=int, default=2)
    given = parser.parse_args()
    check_promises()
    for hours in (1, 10):
        measure(Shape(accounts=given.registers // hours, hours=hours), workers=given.workers)


def measure(shape: Shape, *, workers: int) -> None:
    """Build an estate, take its registers, and write the same rows again without a rule."""
    with _estate.standing(accounts=shape.accounts) as url:
        cuts = np.linspace(0, shape.accounts, workers + 1).astype(int).tolist()
        ranges = list(zip((cut + 1 for cut in cuts[:-1]), cuts[1:], strict=True))
        with ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn")) as pool:
            list(pool.map(warm, [url] * workers))
            started_s = time.perf_counter()
            done = list(pool.map(partial(take, url, shape.hours), ranges))
            ours_s = time.perf_counter() - started_s
        floor_s = floor(url, ranges)
        report(url, shape, done, ours_s=ours_s, floor_s=floor_s)


def warm(url: str) -> None:
    """Connect once, so that what is measured is the work."""
    PostgresStore(url).query("select 1", {})


def take(url: str, hours: int, ids: tuple[int, int]) -> Done:
    """Take the registers of a range of accounts."""
    store = PostgresStore(url)
    taken = bulk.take_registers(
        store, a_day(ids, hours=hours), now=_estate.OPENED_AT + timedelta(hours=hours + 1)
    )
    store.shut()
    return Done(taken=taken, peak_bytes=_estate.peak_bytes())


def a_day(ids: tuple[int, int], *, hours: int) -> Registers:
    """Write the registers of each hour, told within a quarter of an hour after it, in no order."""
    chance = np.random.default_rng(ids[0])
    meters = np.arange(ids[0], ids[1] + 1)
    energy_wh = chance.integers(20, 300, (hours, len(meters))).cumsum(axis=0) * 10
    late_us = chance.integers(0, 900, (hours, len(meters))) * 1_000_000
    at_us = to_us(_estate.OPENED_AT) + np.arange(1, hours + 1)[:, np.newaxis] * HOUR_US + late_us
    mixed = chance.permutation(hours * len(meters))
    return Registers(
        meter_id=np.tile(meters, hours)[mixed],
        at_us=at_us.reshape(-1)[mixed],
        energy_wh=energy_wh.reshape(-1)[mixed],
        relay=np.full(len(mixed), RELAYS.index(Relay.CLOSED)),
        power_w=np.full(len(mixed), NONE),
    )


def floor(url: str, ranges: Sequence[tuple[int, int]]) -> float:
    """Write the same rows without any rule."""
    with psycopg.connect(url, autocommit=True) as connection:
        for statement in FLOOR:
            connection.execute(statement)
        columns = connection.execute(
            """select string_agg(attname, ', ' order by attnum) from pg_attribute
            where attrelid = 'charge'::regclass and attnum > 0 and not attisdropped and attgenerated = ''"""
        ).fetchone()
        connection.execute("checkpoint")
    assert columns is not None

    def write(ids: tuple[int, int]) -> None:
        with psycopg.connect(url) as connection:
            for statement in FLOOR_WORK:
                connection.execute(statement.format(charge_columns=columns[0]), ids)

    return _estate.at_once([partial(write, ids) for ids in ranges])


def report(url: str, shape: Shape, done: Sequence[Done], *, ours_s: float, floor_s: float) -> None:
    """Print the figures, and hold them against the rows."""
    registers = shape.accounts * shape.hours
    by_columns = sum(each.taken.by_columns for each in done)
    assert by_columns + sum(each.taken.one_by_one for each in done) == registers
    row = PostgresStore(url).query(
        """select (select count(*) from reading) as readings, (select count(*) from charge) as charges,
        (select count(*) from posting where kind = 'charge') as postings,
        (select count(*) from warning) as warnings,
        (select count(*) from instruction where kind = 'switch') as cuts,
        (select count(*) from account_state where delivered_minor <= 0) as empty""",
        {},
    )[0]
    assert row["readings"] == row["charges"] == registers and row["cuts"] == row["empty"] > 0
    told(f"{shape.accounts:,} accounts x {shape.hours}, {len(done)} workers, load {os.getloadavg()[0]:.1f}")
    told(f"  taken                    {ours_s:9.2f} s, target {TARGET_S:.0f} s for a million")
    told(f"                           {registers / ours_s:9,.0f} registers/s, {by_columns:,} by columns")
    told(f"  the same rows, no rule   {floor_s:9.2f} s, ratio {floor_s / ours_s:.2f}")
    told(f"  peak memory of a worker  {max(each.peak_bytes for each in done) / 2**20:9,.0f} MiB")
    told(f"  {row['postings']:,} postings, {row['warnings']:,} warnings, {row['cuts']:,} relays to open")


def check_promises() -> None:
    """Keep the promises on a small estate, before anything is timed."""
    with _estate.standing(accounts=400) as url:
        take(url, 30, (1, 400))
        now = _estate.OPENED_AT + timedelta(hours=31)
        broken = promises.broken(promises.check(books.load(url, now=now), now=now))
    if broken:
        sys.exit("\n".join(broken))
    told("promises: kept by 400 accounts x 30")


if __name__ == "__main__":
    main()
