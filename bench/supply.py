"""A supply decision for 100,000 accounts: from the rows of a database to switches that are written.

Of a hundred accounts one has just used up its credit, five are off for want of it, two are held off by
somebody and one is protected; the rest is on. All are decided: who is as wanted is told by columns, who is
not converges in the ordinary way, with its rows locked, its stages, its story and its messages.
The floor: one statement that reads the same columns, in the same run. Beside it, the table of reasons alone,
once per account, and the ordinary way for a part of the accounts.

    python bench/supply.py [--accounts 100000]
"""

import argparse
import os
import sys
import time
from datetime import timedelta
from typing import Final

import _estate
import psycopg
from _stand import told

from compuerta.adapters.postgres import bulk_supply
from compuerta.adapters.postgres.store import PostgresStore
from compuerta.domain.party import CreditAuthority
from compuerta.domain.supply import HoldKind, Supply, decide
from compuerta.services import converging

TARGET_S: Final = 2.0
ORDINARY: Final = 2_000
PAGE: Final = 500
NOW: Final = _estate.OPENED_AT + timedelta(days=2)
# What has happened to an estate, by the last two digits of its account's number.
_LIVED = (
    """update account_state set delivered_minor = case when account_id %% 100 = 11 then -30
        when account_id %% 100 between 20 and 24 then -700 else %(credit)s end""",
    """update meter_state set wanted_closed = false, wanted_reason = 'out_of_credit', relay = 'open',
        out_since = %(at)s where meter_id %% 100 between 20 and 24""",
    """update meter_state set wanted_closed = false, wanted_reason = 'administrator_hold', relay = 'open'
        where meter_id %% 100 between 30 and 31""",
    "update meter_state set wanted_reason = 'protected' where meter_id %% 100 = 40",
    """insert into supply_hold (meter_id, hold_id, kind, owner, note, started_at)
    select meter_id, gen_random_uuid(),
        case meter_id %% 100 when 40 then 'protected' else 'administrator' end,
        'bench', 'works', %(at)s
    from meter where meter_id %% 100 in (30, 31, 40)""",
    "update meter_state set read_at = %(now)s, heard_at = %(now)s",
)


def main() -> None:
    """Print the seconds of a decision for all, and what it is held against."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--accounts", type=int, default=100_000)
    accounts: int = parser.parse_args().accounts
    with _estate.standing(accounts=accounts) as url:
        live(url)
        store = PostgresStore(url)
        store.query("select 1", {})
        floor_s = read(store, accounts)
        ours_s, converged = decided(store)
        again_s, left = decided(store)
        ordinary_s = ordinary(store)
        check(store, accounts, converged=converged, left=left)
        store.shut()
    told(f"{accounts:,} accounts, load {os.getloadavg()[0]:.1f}")
    told(f"  decided                  {ours_s:8.2f} s, target {TARGET_S:.0f} s, {converged:,} converged")
    told(f"  the same again           {again_s:8.2f} s, {left:,} under way")
    told(f"  the same columns read    {floor_s:8.2f} s, ratio {floor_s / ours_s:.2f}")
    told(f"  the table alone          {alone(accounts):8.2f} s")
    told(f"  one by one               {ordinary_s / ORDINARY * accounts:8.2f} s, from {ORDINARY:,} of them")


def live(url: str) -> None:
    """Let an estate have had two days."""
    values = {"credit": _estate.CREDIT_MINOR, "at": _estate.OPENED_AT, "now": NOW}
    with psycopg.connect(url, autocommit=True) as connection:
        for statement in _LIVED:
            connection.execute(statement, values)
        connection.execute("vacuum analyze")
        connection.execute("checkpoint")


def decided(store: PostgresStore) -> tuple[float, int]:
    """Decide all supplies; returns the seconds, and how many converged."""
    started_s, after, converged = time.perf_counter(), 0, 0
    while True:
        page = bulk_supply.decide_page(store, after=after, now=NOW)
        converged += page.converged
        if page.after is None:
            return time.perf_counter() - started_s, converged
        after = page.after


def read(store: PostgresStore, accounts: int) -> float:
    """Read the columns that decisions rest on, and nothing more."""
    started_s = time.perf_counter()
    with store.transaction() as tx:
        tx.query("select set_config('enable_hashjoin', 'on', true)", {})
        found = tx.query(
            """select array_agg(a.account_id) as id, array_agg(l.delivered_minor) as balance,
                array_agg(l.billing_held) as held, array_agg(m.credit_authority) as authority,
                array_agg(t.relay) as relay, array_agg(t.wanted_closed) as wanted,
                array_agg(t.wanted_reason) as reason, array_agg(t.decide_at) as decide_at,
                array_agg(h.kind) as kind
            from account_state l
            join account a using (account_id)
            join installation i on i.account_id = l.account_id and i.ended_at is null
            join meter m using (meter_id)
            join meter_state t using (meter_id)
            left join supply_hold h using (meter_id)""",
            {},
        )
    seconds = time.perf_counter() - started_s
    assert len(found[0]["id"]) == accounts
    return seconds


def alone(accounts: int) -> float:
    """Ask the table of reasons once per account."""
    platform = CreditAuthority.PLATFORM
    supplies = [
        Supply(balance_minor=balance_minor, credit_authority=platform, holds=holds)
        for balance_minor, holds in ((1, frozenset()), (0, frozenset()), (1, frozenset({HoldKind.PROTECTED})))
    ]
    started_s = time.perf_counter()
    for number in range(accounts):
        decide(supplies[number % 3])
    return time.perf_counter() - started_s


def ordinary(store: PostgresStore) -> float:
    """Converge some accounts that are settled, as a reading of each would."""
    ids = [row["account_id"] for row in store.query(
        "select account_id from account_state where account_id %% 100 > 50 order by account_id limit %(n)s",
        {"n": ORDINARY},
    )]  # fmt: skip
    started_s = time.perf_counter()
    for start in range(0, len(ids), PAGE):
        with store.transaction() as tx:
            converging.converge(tx, ids[start : start + PAGE], now=NOW)
    return (time.perf_counter() - started_s) * ORDINARY / max(len(ids), 1)


def check(store: PostgresStore, accounts: int, *, converged: int, left: int) -> None:
    """Hold what was written against what has happened."""
    row = store.query(
        """select count(*) filter (where kind = 'switch' and not relay_closed) as cuts,
            count(*) filter (where kind = 'look') as looks, count(*) as every
        from instruction""",
        {},
    )[0]
    fine = row["every"] == row["cuts"] + row["looks"] == converged == left == accounts // 100
    if not fine:
        sys.exit(f"{row}, {converged} converged, {left} under way")


if __name__ == "__main__":
    main()
