"""Ten thousand homes in the dark pay within a minute, over roads that lose a fifth of all that is said.

Payments come as a provider's verified words into `accept_payments`, in the batches in which a door takes
them, at a steady pace; two gateways, each a process with half of the meters, deliver to virtual meters over
4G roads of their own, 80 ms away. At the end the books and every relay are looked at: each payment credited
once, each relay closed.
What the roads alone take is measured by `convergence.py`.

    python bench/storm.py [--meters 10000] [--loss 20] [--seconds 60]
"""

import argparse
import os
import statistics
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from functools import partial
from multiprocessing import get_context
from typing import Final

import _estate
import psycopg
from _roads import End, Gateway, World, a_virtual
from _stand import told

from compuerta.adapters.postgres.store import PostgresStore
from compuerta.apps import wiring
from compuerta.domain.payment import PaymentNotice
from compuerta.drivers.abilities import Relay
from compuerta.drivers.line import Line
from compuerta.services import vend

TARGET_S: Final = 120.0
GATEWAYS = 2
PAID_MINOR = 2_000
BATCH_MS = 100
REACHED = (
    """insert into endpoint (endpoint_id, organisation_id, road, bearer, address)
    select 'e' || meter_id, organisation_id, '4g', 'dial_in', lpad(meter_id::text, 15, '0') from meter""",
    "update meter set road = '4g', endpoint_id = 'e' || meter_id",
    # Everybody is in the dark, by the books and at the meter.
    "update account_state set delivered_minor = 0",
    """update meter_state set wanted_closed = false, wanted_reason = 'out_of_credit', relay = 'open',
        read_at = now(), heard_at = now()""",
    """insert into supply_point (supply_point_id, site_id, name, pay_token) overriding system value
    select max(supply_point_id) + 1, max(site_id), '-', gen_random_uuid() from supply_point""",
    """insert into account (account_id, organisation_id, site_id, supply_point_id, kind, name, opened_at)
    overriding system value
    select max(supply_point_id), max(organisation_id), max(site_id), max(supply_point_id), 'suspense', '-',
        now()
    from supply_point join site using (site_id)""",
    """insert into provider_account (provider, organisation_id, kind, suspense_account_id)
    select 'wechat', organisation_id, 'wechat', max(account_id) from account group by 2""",
    """insert into attempt (account_id, attempt_id, provider, reference, amount_minor, currency, description,
        created_at, expires_at, state)
    select account_id, gen_random_uuid(), 'wechat', 'storm' || account_id, %(paid)s, 'CNY', 'storm', now(),
        now() + interval '1 hour', 'presented'
    from account where kind = 'customer'""",
    """insert into payment_reference (provider, kind, reference, account_id, row_id)
    select provider, 'order', reference, account_id, attempt_id from attempt""",
    "vacuum analyze",
)
LIT = """
select extract(epoch from t.closed_at - t.paid_at)::float8 as waited_s
from recharge_timeline t where t.closed_at is not null
"""
CREDITED = """
select (select count(*) from payment where verdict = 'credited') as payments,
    (select count(*) from recharge) as recharges,
    (select count(*) from meter_state where relay = 'closed') as closed,
    (select count(*) from case_file) as cases
"""


def main() -> None:
    """Print when the last home had power, and how long each waited."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--meters", type=int, default=10_000)
    parser.add_argument("--loss", type=int, default=20)
    parser.add_argument("--seconds", type=int, default=60)
    given = parser.parse_args()
    with (
        a_dark_town(given.meters) as url,
        ProcessPoolExecutor(GATEWAYS + 1, mp_context=get_context("spawn")) as apart,
    ):
        load = os.getloadavg()[0]
        told(f"{given.meters:,} payments in {given.seconds} s, {given.loss} % lost, load {load:.1f}")
        began_s = time.time() + 10  # until then, everybody has built its meters
        gateways = [
            apart.submit(reconnected, url, part=part, loss_percent=given.loss, began_s=began_s)
            for part in range(GATEWAYS)
        ]
        taken_s = apart.submit(paid, url, given.meters, seconds=given.seconds, began_s=began_s).result()
        ends = [each.result() for each in gateways]
        report(url, given.meters, ended_s=max(end for end, _ in ends), taken_s=taken_s)
        if wrong := sum(dark for _, dark in ends):
            sys.exit(f"{wrong} relays are open")


@contextmanager
def a_dark_town(count: int) -> Iterator[str]:
    """Give the address of a durable database in which everybody has used up their credit."""
    with _estate.standing(accounts=count) as url:
        with psycopg.connect(url, autocommit=True) as connection:
            for statement in REACHED:
                connection.execute(statement, {"paid": PAID_MINOR} if "%(" in statement else None)
        yield url


def paid(url: str, count: int, *, seconds: int, began_s: float) -> float:
    """Say one payment after the other, in batches; returns the seconds until the last one was booked."""
    store = PostgresStore(url)
    time.sleep(max(began_s - time.time(), 0))
    done = 0
    while done < count:
        due = min(int((time.time() - began_s) / seconds * count), count)
        if due > done:
            words = [word(number) for number in range(done + 1, due + 1)]
            outcomes = vend.accept_payments(store, words, now=wiring.now())
            assert set(outcomes) == {vend.Outcome.CREDITED}, set(outcomes)
            done = due
        time.sleep(BATCH_MS / 1_000)
    store.shut()
    return time.time() - began_s


def word(number: int) -> PaymentNotice:
    return PaymentNotice(
        provider="wechat",
        transaction_no=f"4200{number:024d}",
        reference=f"storm{number}",
        amount_minor=PAID_MINOR,
        currency="CNY",
        paid_at=wiring.now(),
    )


def reconnected(url: str, *, part: int, loss_percent: int, began_s: float) -> tuple[float, int]:
    """Be a gateway until all its homes have power; returns when that was, and how many have none."""
    store = PostgresStore(url)
    with store.transaction() as tx:
        meters = [meter for meter in tx.meters() if meter.meter_id % GATEWAYS == part]
        zones = tx.zones()
    world = World(loss_percent=loss_percent)
    gateway = Gateway(store=store, world=world, meters=meters, ends={})
    gateway.dispatcher.follow({meter.meter_id: zones[meter.meter_id] for meter in meters})
    lit: set[int] = set()
    for meter in meters:
        virtual = a_virtual(meter)
        virtual.core.order_trip(operator=b"\0\0\0\0")
        gateway.ends[meter.meter_id] = End(
            line=Line(meter.endpoint_id),
            virtual=virtual,
            finished=gateway.finished,
            heard=partial(gateway.heard, meter.meter_id),
        )
    time.sleep(max(began_s - time.time(), 0))
    gateway.visit_soon()

    def all_lit() -> bool:
        return len(lit) == len(meters)

    def look() -> None:
        found = store.query("select meter_id from meter_state where relay = 'closed'", {})
        lit.update(row["meter_id"] for row in found if row["meter_id"] % GATEWAYS == part)
        world.later(1_000, look)

    look()
    world.run(all_lit)
    ended_s = time.time() - began_s
    store.shut()
    return ended_s, sum(end.virtual.core.relay is not Relay.CLOSED for end in gateway.ends.values())


def report(url: str, count: int, *, ended_s: float, taken_s: float) -> None:
    """Print the times, and stop where the books are not what they should be."""
    store = PostgresStore(url)
    (books,) = store.query(CREDITED, {})
    waited_s = sorted(row["waited_s"] for row in store.query(LIT, {}))
    store.shut()
    if {books["payments"], books["recharges"], books["closed"]} != {count}:
        sys.exit(f"the books are wrong: {books}")
    told(f"  all booked after          {taken_s:7.1f} s")
    told(f"  all reconnected after     {ended_s:7.1f} s, target {TARGET_S:.0f} s")
    p50_s, p99_s = statistics.median(waited_s), waited_s[int(count * 0.99)]
    told(f"  payment to power: p50 {p50_s:.1f} s, p99 {p99_s:.1f} s")


if __name__ == "__main__":
    main()
