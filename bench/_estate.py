"""A large estate for benchmarks: a hundred thousand accounts and more, written by SQL in one go.

Accounts are of four tariffs in turn: one price; steps; peak and valley; and peak and valley by steps with
standing charge, levy and tax, which is what most bills look like. All began at one midnight and have credit.
"""

import contextlib
import resource
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from threading import Thread

import psycopg

from compuerta.adapters.postgres.server import EmbeddedServer, serving
from compuerta.adapters.postgres.store import PostgresStore
from compuerta.apps.up import migrated
from compuerta.domain.tariff import document
from compuerta.domain.tariff.components import Tariff
from compuerta.domain.tariff.packing import packed
from compuerta.domain.tariff.schedule import Version, in_force
from compuerta.domain.tariff.tally import opened
from compuerta.services import tariffing

ZONE, CURRENCY = "Asia/Shanghai", "CNY"
OPENED_AT = datetime(2026, 9, 30, 16, tzinfo=UTC)  # 1 October, 00:00 in Shanghai
FOUNDERS = tariffing.Founders(drafted_by="manager", approved_by="owner")
# One in a hundred has so little that a day's use takes it below zero; as many fall through a level.
CREDIT_MINOR, LITTLE_MINOR, LEVEL_MINOR = 100_000, 20, 5_010

_ALL_DAY = {
    "day_tables": {"day": ["00:00 all"]},
    "seasons": [{"name": "year", "from": "01-01", "every day": "day"}],
}
_BY_HOUR = {
    "day_tables": {"day": ["00:00 valley", "06:00 peak", "22:00 valley"]},
    "seasons": [{"name": "year", "from": "01-01", "every day": "day"}],
}
_STEPS = {"window": "month", "bounds_kwh": ["200", "400"]}
_PRICES = ["0.6170", "0.6670", "0.9170"], ["0.3070", "0.3570", "0.6070"]


def tariffs() -> Iterator[Tariff]:
    """Yield the four tariffs."""
    one = {"kind": "energy", "name": "Energy", "periods": [{"name": "all", "prices": ["0.5300"]}], **_ALL_DAY}
    stepped = {**one, "periods": [{"name": "all", "prices": _PRICES[0]}], "steps": _STEPS}
    periods = [
        {"name": name, "prices": prices} for name, prices in zip(("peak", "valley"), _PRICES, strict=True)
    ]
    hourly = {**one, **_BY_HOUR, "periods": [{**each, "prices": each["prices"][:1]} for each in periods]}
    both = {**one, **_BY_HOUR, "periods": periods, "steps": _STEPS}
    more = (
        {"kind": "fixed", "name": "Standing charge", "account": "fixed", "amount": "5.00", "per": "month"},
        {"kind": "per_kwh", "name": "Lighting", "account": "levy", "price": "0.0200"},
        {"kind": "percent", "name": "VAT", "account": "tax", "percent": "13"},
    )
    for name, components in {
        "one price": [one], "steps": [stepped], "peak and valley": [hourly], "all of it": [both, *more],
    }.items():  # fmt: skip
        yield document.tariff_from({"name": name, "currency": CURRENCY, "components": components})


@contextlib.contextmanager
def standing(*, accounts: int, billed_by: str = "register") -> Iterator[str]:
    """Give the address of a durable database with an estate; it ends with the block."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    directory = Path(tempfile.mkdtemp(prefix="compuerta-bench-", dir="/var/tmp"))
    directory.chmod(0o755)  # the database's own account passes through it
    try:
        with serving(EmbeddedServer(directory / "postgres", shared_buffers_mb=1_024)) as url:
            migrated({"COMPUERTA_DATA": str(directory), "DATABASE_URL": url})
            build(url, accounts=accounts, billed_by=billed_by)
            yield url
    finally:
        shutil.rmtree(directory)


def build(url: str, *, accounts: int, billed_by: str) -> None:
    """Write an estate whose account and meter ids are 1, 2, 3 ..."""
    store = PostgresStore(url)
    with store.transaction() as tx:
        organisation_id = tx.add_organisation("Estate")
        site_id = tx.add_site(organisation_id=organisation_id, name="All", zone=ZONE, currency=CURRENCY)
        ids, openings = [], []
        for tariff in tariffs():
            ids.append(
                tariffing.found(tx, tariff, organisation_id=organisation_id, founders=FOUNDERS, now=OPENED_AT)
            )
            version = Version(
                tariff_id=ids[-1], version_no=1, effective_from=tariffing.SINCE_EVER, tariff=tariff
            )
            openings.append(packed(opened(schedule=in_force([version], zone=ZONE), at=OPENED_AT)))
    store.shut()
    values = {
        "organisation": organisation_id, "site": site_id, "tariffs": ids, "at": OPENED_AT,
        "accounts": accounts, "billed_by": billed_by, "credit": CREDIT_MINOR,
        "little": LITTLE_MINOR, "level": LEVEL_MINOR,
    }  # fmt: skip
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("create temporary table opening (tariff_id bigint, tally bigint[])")
        for tariff_id, tally in zip(ids, openings, strict=True):
            connection.execute("insert into opening values (%s, %s)", [tariff_id, list(tally)])
        for statement in _WRITTEN:
            connection.execute(statement, values)
        connection.execute("vacuum analyze")
        connection.execute("checkpoint")


_WRITTEN = (
    "insert into endpoint (endpoint_id, organisation_id, road, bearer, address, baud)"
    " values ('bus', %(organisation)s, 'rs485', 'serial', '/dev/bus', 2400)",
    """insert into supply_point (supply_point_id, site_id, name, pay_token) overriding system value
    select n, %(site)s, n::text, gen_random_uuid() from generate_series(1, %(accounts)s) n""",
    """insert into meter overriding system value
    select n, %(organisation)s, lpad(n::text, 12, '0'), 'dlt645-remote-rs485', 'platform',
        lpad(n::text, 12, '0'), 'bus', 'rs485'
    from generate_series(1, %(accounts)s) n""",
    """insert into account (account_id, organisation_id, site_id, supply_point_id, kind, name, opened_at,
        tariff_id, billed_by) overriding system value
    select n, %(organisation)s, %(site)s, n, 'customer', 'Party ' || n, %(at)s,
        (%(tariffs)s::bigint[])[n %% 4 + 1], %(billed_by)s
    from generate_series(1, %(accounts)s) n""",
    """insert into installation (meter_id, account_id, started_at)
    select n, n, %(at)s from generate_series(1, %(accounts)s) n""",
    """insert into meter_state (meter_id, wanted_closed, wanted_reason, relay, energy_wh, read_at, heard_at)
    select n, true, 'in_credit', 'closed', 0, %(at)s, %(at)s from generate_series(1, %(accounts)s) n""",
    """insert into bill (account_id, bill_start, opening)
    select account_id, %(at)s, tally from account join opening using (tariff_id) order by account_id""",
    """insert into posting (account_id, posting_id, kind, currency, codes, amounts_minor, booked_at, cause_id)
    select n, gen_random_uuid(), 'recharge', 'CNY', array['cash:till', 'delivered'], array[credit, -credit],
        %(at)s, gen_random_uuid()
    from generate_series(1, %(accounts)s) n, lateral (
        select case n %% 100 when 7 then %(little)s when 9 then %(level)s else %(credit)s end::bigint
    ) held (credit)""",
    """insert into account_state (account_id, delivered_minor, register_wh, register_at, tally)
    select account_id, -amounts_minor[2], 0, %(at)s, tally
    from posting join account using (account_id) join opening using (tariff_id) order by account_id""",
)  # fmt: skip


def write_month(url: str) -> None:
    """Write 31 days of hours for every meter of an estate."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(
            """create temporary table pattern as
            select n, array_agg((random() * 1500)::integer) as wh
            from generate_series(0, 996) n, generate_series(1, 24) hour group by n"""
        )
        connection.execute("create index on pattern (n)")
        connection.execute(
            """insert into load_day
            select meter_id, %s + day * interval '1 day', 60, wh
            from meter, generate_series(0, 30) day, lateral (
                select wh from pattern where n = (meter_id * 31 + day) %% 997 limit 1
            ) p""",
            [OPENED_AT],
        )
        connection.execute("vacuum analyze load_day")
        connection.execute("checkpoint")


def at_once(works: list[Callable[[], None]]) -> float:
    """Do some works side by side, each in a thread that mostly waits, and return the seconds that it took."""
    threads = [Thread(target=work) for work in works]
    started_s = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return time.perf_counter() - started_s


def peak_bytes() -> int:
    """Return the most memory that this process has had."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1_024
