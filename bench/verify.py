"""The journal of an estate, sealed day by day, and recomputed from its rows.

Ours: `compuerta verify`: every posting comes out by binary COPY and is hashed, every seal and anchor is made
again, and what differs is named. Some rows are changed, taken out and put in behind the program's back before
it runs once more: each has to be found, and nothing else.
The floor: the same rows come out by the same COPY and are hashed, and that is all; in the same run.

    python bench/verify.py [--accounts 20000] [--days 10]
"""

import argparse
import sys
import time
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from datetime import date, timedelta
from hashlib import sha256
from typing import TypeVar

import _estate
import psycopg
from _stand import told

from compuerta.adapters.postgres import journal
from compuerta.adapters.postgres.store import PostgresStore
from compuerta.domain.sealing import COLUMNS
from compuerta.services import sealing, verifying
from compuerta.services.day_end import bounds_of
from compuerta.services.freeze_port import DayStep, SiteDay
from compuerta.services.verifying import Question, Verified

Result = TypeVar("Result")

FIRST_DAY = date(2026, 10, 1)
TARGET_PER_S = 200_000
EACH = 20  # rows that are changed, taken out, and put in
_POSTINGS = """
insert into posting (account_id, posting_id, kind, currency, codes, amounts_minor, booked_at, cause_id)
select account_id, gen_random_uuid(), 'charge', 'CNY', '{delivered, revenue:energy, tax}',
    array[account_id + 113, -account_id - 100, -13], %(midnight)s + part * interval '7 hours',
    gen_random_uuid()
from account, generate_series(1, 3) part
"""
_PLANTED = (
    f"""update posting set amounts_minor = '{{5, -5}}', codes = '{{delivered, revenue:energy}}'
    where (account_id, posting_id) in (
        select account_id, min(posting_id::text)::uuid from posting where account_id <= {EACH} group by 1)""",
    f"""delete from posting where (account_id, posting_id) in (
        select account_id, max(posting_id::text)::uuid from posting where account_id <= {EACH} group by 1)""",
    f"""insert into posting
        (account_id, posting_id, kind, currency, codes, amounts_minor, booked_at, cause_id)
    select account_id, gen_random_uuid(), kind, currency, codes, amounts_minor, booked_at, gen_random_uuid()
    from posting where (account_id, posting_id) in (
        select account_id, min(posting_id::text)::uuid from posting where account_id <= {EACH} group by 1)""",
)


def main() -> None:
    """Print postings per second, what was found, and the ratio to the floor."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--accounts", type=int, default=20_000)
    parser.add_argument("--days", type=int, default=10)
    given = parser.parse_args()
    with _estate.standing(accounts=given.accounts) as url:
        sealed_s = [sealed(url, FIRST_DAY + timedelta(days=number)) for number in range(given.days)]
        began_s = time.process_time()
        whole, whole_s = timed(lambda: verified(url))
        worked_s = time.process_time() - began_s
        hashed, floor_s = timed(lambda: floor(url))
        plant(url)
        damaged = verified(url)
    found = Counter(each.wrong.value for each in damaged.found)
    per_s = whole.postings / whole_s
    told(f"a day of {given.accounts:,} accounts sealed in {max(sealed_s):.1f} s at most")
    told(f"{whole.postings:,} postings, {whole.seals:,} seals: {whole_s:.1f} s")
    told(f"verified: {per_s:,.0f} postings/s (target {TARGET_PER_S:,})")
    told(f"by our own processor time: {whole.postings / worked_s:,.0f} postings/s")
    told(
        f"floor: {hashed / floor_s:,.0f} postings/s copied out and hashed;"
        f" verified in {whole_s / floor_s:.1f} times it"
    )
    told(f"planted {EACH} of each kind, found: {dict(found)}")
    is_right = whole.is_whole and found == {"changed": EACH, "missing": EACH, "inserted": EACH}
    sys.exit(0 if is_right and per_s >= TARGET_PER_S else 1)


def sealed(url: str, day: date) -> float:
    """Write a day's postings and seal them; return the seconds of the sealing."""
    starts_at, ends_at = bounds_of(day, zone=_estate.ZONE)
    with closing(psycopg.connect(url, autocommit=True)) as connection:
        connection.execute(_POSTINGS, {"midnight": starts_at})
        connection.execute("analyze posting")
    begun = SiteDay(
        site_id=1, day=day, organisation_id=1, zone=_estate.ZONE, currency=_estate.CURRENCY,
        starts_at=starts_at, ends_at=ends_at, step=DayStep.SEALING, due_at=None,
    )  # fmt: skip
    store = PostgresStore(url)
    with store.transaction() as tx:
        tx.freezes.put_days([begun])
    _, took_s = timed(lambda: sealing.seal_day(store, begun, ends_at))
    store.shut()
    return took_s


def verified(url: str) -> Verified:
    """Recompute the journal."""
    question = Question(now=bounds_of(FIRST_DAY, zone=_estate.ZONE)[0] + timedelta(days=60))
    with journal.opened(url) as found:
        return verifying.verify(found, question, tell=lambda _: None)


def floor(url: str) -> int:
    """Copy all rows out, hash each, and return how many there were."""
    number = 0
    asked = f"copy (select {', '.join(COLUMNS)} from posting) to stdout (format binary)"
    with (
        closing(psycopg.connect(url)) as connection,
        connection.cursor() as cursor,
        cursor.copy(asked) as copy,
    ):
        for row in copy:
            sha256(row).digest()
            number += 1
    return number


def plant(url: str) -> None:
    """Change rows as somebody does who owns the database."""
    with closing(psycopg.connect(url, autocommit=True)) as connection:
        connection.execute("set session_replication_role = replica")
        for statement in _PLANTED:
            assert connection.execute(statement).rowcount == EACH


def timed(work: Callable[[], Result]) -> tuple[Result, float]:
    """Do some work, and return with its result the seconds that it took."""
    started_s = time.perf_counter()
    result = work()
    return result, time.perf_counter() - started_s


if __name__ == "__main__":
    main()
