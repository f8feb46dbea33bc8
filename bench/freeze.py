"""The end of a day of a million accounts: freezes written, and each day rolled forward, in the database.

Ours: a freeze for every meter from what its registers showed at midnight, then the roll-forward of every
account by its postings of the day and its freezes (promise T1), and the look whether holdings agree.
The floor: as many rows of the same widths inserted into two bare tables by INSERT .. SELECT, in the same run.

    python bench/freeze.py [--accounts 100000]        (--accounts 1000000 is the full size)
"""

import argparse
import sys
import time
from collections.abc import Callable
from datetime import date, datetime, timedelta
from typing import Final, TypeVar

import _estate
import psycopg
from _stand import told

from compuerta.adapters.postgres.store import PostgresStore
from compuerta.services import rolling
from compuerta.services.day_end import bounds_of
from compuerta.services.freeze_port import DayStep, SiteDay

Result = TypeVar("Result")

FIRST: Final = date(2026, 10, 1)  # the estate's first day, rolled before
DAY: Final = timedelta(days=1)
TARGET_S: Final = 60
# Four charges of each account in the day, and a recharge of every fifth.
_POSTINGS: Final = (
    """insert into posting (account_id, posting_id, kind, currency, codes, amounts_minor, booked_at, cause_id)
    select account_id, gen_random_uuid(), 'charge', 'CNY', '{delivered,revenue:energy}', array[53, -53],
        %(starts_at)s + n * interval '5 hours', gen_random_uuid()
    from generate_series(1, 4) n, account""",
    """insert into posting (account_id, posting_id, kind, currency, codes, amounts_minor, booked_at, cause_id)
    select account_id, gen_random_uuid(), 'recharge', 'CNY', '{cash:till,delivered}', array[5000, -5000],
        %(starts_at)s + interval '12 hours', gen_random_uuid()
    from account where account_id %% 5 = 0""",
    """update account_state
    set delivered_minor = delivered_minor - 4 * 53 + case when account_id %% 5 = 0 then 5000 else 0 end""",
    "vacuum analyze posting, account_state",
    "checkpoint",
)
_FREEZES: Final = """
insert into meter_freeze (meter_id, day, version, site_id, account_id, at, basis, known_at, energy_wh)
select i.meter_id, %(day)s, 1, a.site_id, a.account_id, %(ends_at)s, 'meter', %(ends_at)s, %(energy_wh)s
from installation i join account a using (account_id) where i.ended_at is null
"""
_FLOOR: Final = (
    "create table floor_freeze (like meter_freeze including defaults including indexes)",
    "create table floor_day (like account_day including defaults including indexes)",
    "insert into floor_freeze select * from meter_freeze where day = %(day)s",
    "insert into floor_day select * from account_day where day = %(day)s",
)


def main() -> None:
    """Print seconds for each part, and the ratio to the floor."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--accounts", type=int, default=100_000)
    given = parser.parse_args()
    with _estate.standing(accounts=given.accounts) as url:
        store = PostgresStore(url)
        first, second = begun(store, FIRST), begun(store, FIRST + DAY)
        freeze(url, first, energy_wh=0)
        _, first_s = timed(lambda: rolling.roll_day(store, first, first.ends_at))
        run(url, _POSTINGS, second)
        _, freeze_s = timed(lambda: freeze(url, second, energy_wh=4_000))
        _, roll_s = timed(lambda: rolling.roll_day(store, second, second.ends_at))
        with store.transaction() as tx:
            _, look_s = timed(lambda: tx.days.differing(second, limit=1))
        rows, cases = counted(url, second)
        floor_s = floor(url, second)
        store.shut()
    told(f"{rows:,} days of accounts rolled from {rows * 4 + rows // 5:,} postings, {cases} that differ")
    told(f"first day, with no yesterday: {first_s:.1f} s")
    told(
        f"freezes {freeze_s:.1f} s, rolled forward {roll_s:.1f} s (of it the look at holdings {look_s:.1f} s)"
    )
    whole_s = freeze_s + roll_s
    told(f"whole {whole_s:.1f} s (target {TARGET_S} s for a million)")
    told(f"floor: bare rows in {floor_s:.1f} s; frozen and rolled in {whole_s / floor_s:.2f} times it")
    sys.exit(0 if rows == given.accounts and not cases and whole_s < TARGET_S else 1)


def begun(store: PostgresStore, day: date) -> SiteDay:
    """Begin a day of the estate that waits to be rolled."""
    starts_at, ends_at = bounds_of(day, zone=_estate.ZONE)
    site_day = SiteDay(
        site_id=1, day=day, organisation_id=1, zone=_estate.ZONE, currency=_estate.CURRENCY,
        starts_at=starts_at, ends_at=ends_at, due_at=ends_at, step=DayStep.ROLLING,
    )  # fmt: skip
    with store.transaction() as tx:
        tx.freezes.put_days([site_day])
    return site_day


def freeze(url: str, day: SiteDay, *, energy_wh: int) -> None:
    """Write what every meter showed at the midnight that ends a day."""
    with psycopg.connect(url) as connection:
        connection.execute(_FREEZES, {"day": day.day, "ends_at": day.ends_at, "energy_wh": energy_wh})


def run(url: str, statements: tuple[str, ...], day: SiteDay) -> None:
    """Run statements one by one."""
    values: dict[str, date | datetime] = {"starts_at": day.starts_at, "day": day.day}
    with psycopg.connect(url, autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement, values if "%" in statement else None)


def counted(url: str, day: SiteDay) -> tuple[int, int]:
    """Return how many accounts have their day with the use of it, and how many cases there are."""
    with psycopg.connect(url) as connection:
        found = connection.execute(
            """select count(*), (select count(*) from case_file) from account_day
            where day = %s and used_wh = 4000 and charged_minor = 212""",
            [day.day],
        ).fetchone()
    assert found is not None
    return int(found[0]), int(found[1])


def floor(url: str, day: SiteDay) -> float:
    """Return how long it takes to insert as many bare rows, with their keys and nothing else."""
    run(url, _FLOOR[:2], day)
    _, floor_s = timed(lambda: run(url, _FLOOR[2:], day))
    return floor_s


def timed(work: Callable[[], Result]) -> tuple[Result, float]:
    """Return what a work gives, and its seconds."""
    started_s = time.perf_counter()
    return work(), time.perf_counter() - started_s


if __name__ == "__main__":
    main()
