"""A site of 5,000 supplies goes off, and comes on again, while a fifth of all that is said is lost.

What is wanted is written to a durable database; a gateway's dispatcher claims it, real drivers and lines
carry it to virtual meters, frame by frame, in real time; each has a 4G road of its own, 80 ms away. The site
has converged when no switch is open, and then every relay is looked at in the meter itself.
The floor: the same meters, lines and loss, with each order repeated until it is done, and no database.

    python bench/convergence.py [--meters 5000] [--loss 20]
"""

import argparse
import os
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from functools import partial
from typing import Final
from uuid import UUID

import _estate
import psycopg
from _roads import EQUIPMENT, ESAM, End, Gateway, World, a_virtual
from _stand import told

from compuerta.adapters.postgres.store import PostgresStore
from compuerta.apps import wiring
from compuerta.domain.naming import named
from compuerta.domain.party import Meter, zone_of
from compuerta.domain.supply import HoldKind
from compuerta.drivers.abilities import Ending, Relay, Result, SwitchOrder
from compuerta.drivers.line import Job, Line, Priority
from compuerta.drivers.speaking import speak
from compuerta.drivers.talk import MeterIdentity
from compuerta.services import converging
from compuerta.services.records import Hold
from compuerta.virtual.meter import VirtualMeter

TARGET_S: Final = 120.0
PAGE = 500
MODEL = "dlt645-remote-rs485"


def main() -> None:
    """Print how long a site takes to go off and to come on, and the floor's time."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--meters", type=int, default=5_000)
    parser.add_argument("--loss", type=int, default=20)
    given = parser.parse_args()
    with a_site(given.meters) as (store, meters):
        virtuals = {meter.meter_id: a_virtual(meter) for meter in meters}
        told(f"{given.meters:,} meters, {given.loss} % of all frames lost, load {os.getloadavg()[0]:.1f}")
        for relay in (Relay.OPEN, Relay.CLOSED):
            world = World(loss_percent=given.loss)
            ours_s = converged(store, world, meters, virtuals, relay)
            wrong = sum(each.core.relay is not relay for each in virtuals.values())
            floor_s = floor(World(loss_percent=given.loss), meters)
            told(
                f"  all {relay.value:7}              {ours_s:7.1f} s, target {TARGET_S:.0f} s, {wrong} wrong"
            )
            told(f"  orders without a database {floor_s:7.1f} s, ratio {floor_s / ours_s:.2f}")
            if wrong:
                sys.exit("a relay is not where it is wanted")


@contextmanager
def a_site(count: int) -> Iterator[tuple[PostgresStore, list[Meter]]]:
    """Give a database with a site of meters on 4G roads of their own, all in credit."""
    with _estate.standing(accounts=count) as url:
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(
                """insert into endpoint (endpoint_id, organisation_id, road, bearer, address)
                select 'e' || meter_id, organisation_id, '4g', 'dial_in', lpad(meter_id::text, 15, '0')
                from meter"""
            )
            connection.execute("update meter set road = '4g', endpoint_id = 'e' || meter_id")
            connection.execute("update account_state set delivered_minor = %s", [_estate.CREDIT_MINOR])
            connection.execute("vacuum analyze")
        store = PostgresStore(url)
        with store.transaction() as tx:
            meters = tx.meters()
        yield store, meters
        store.shut()


def converged(
    store: PostgresStore,
    world: World,
    meters: Sequence[Meter],
    virtuals: dict[int, VirtualMeter],
    relay: Relay,
) -> float:
    """Write the wishes, let the gateway carry them out, and return the seconds until none is open."""
    gateway = Gateway(store=store, world=world, meters=meters, ends={})
    for meter in meters:
        virtual = virtuals[meter.meter_id]
        line = Line(meter.endpoint_id)
        gateway.ends[meter.meter_id] = End(
            line=line,
            virtual=virtual,
            finished=gateway.finished,
            heard=partial(gateway.heard, meter.meter_id),
        )
    with store.transaction() as tx:
        gateway.dispatcher.follow(tx.zones())
    started_s = time.perf_counter()
    wish(store, meters, off=relay is Relay.OPEN, now=wiring.now())
    gateway.visit_soon()
    world.run(lambda: gateway.open_count == 0)
    return time.perf_counter() - started_s


def wish(store: PostgresStore, meters: Sequence[Meter], *, off: bool, now: datetime) -> None:
    """Hold every supply off, or lift it again, in pages."""
    for start in range(0, len(meters), PAGE):
        page = meters[start : start + PAGE]
        with store.transaction() as tx:
            accounts = tx.accounts_of_meters([meter.meter_id for meter in page])
            for meter in page:
                if off:
                    tx.put_hold(
                        Hold(
                            meter_id=meter.meter_id,
                            hold_id=hold_id(meter),
                            kind=HoldKind.ADMINISTRATOR,
                            owner="bench",
                            note="works",
                            start=now,
                        )
                    )
                else:
                    tx.end_holds(meter.meter_id, HoldKind.ADMINISTRATOR, at=now)
            converging.converge(tx, accounts.values(), now=now)


def hold_id(meter: Meter) -> UUID:
    return named("bench hold", meter.meter_id)


def floor(world: World, meters: Sequence[Meter]) -> float:
    """Open the relays of as many new meters, each order repeated until it is done, with nothing behind it."""
    model = EQUIPMENT.models[MODEL]
    left = {meter.meter_no for meter in meters}
    zone = zone_of(_estate.ZONE)

    def begin(end: End, meter: Meter) -> None:
        civil = wiring.now().astimezone(zone).replace(tzinfo=None)
        conversation = speak(
            SwitchOrder(relay=Relay.OPEN, now=civil),
            model=model,
            meter=MeterIdentity(meter_no=meter.meter_no),
            mac=ESAM,
            chance=EQUIPMENT.chance,
            repeated=False,
        )
        job = Job(
            key=meter.meter_no,
            meter_no=meter.meter_no,
            conversation=conversation,
            priority=Priority.RECHARGE,
            timing=model.roads["4g"],
            deadline_ms=world.now_ms() + 25_000,
        )
        end.submit(job, world)

    def start(meter: Meter) -> None:
        def finished(_: str, result: Result) -> None:
            if result.ending is Ending.DONE:
                left.discard(meter.meter_no)
            else:
                world.later(1, lambda: begin(end, meter))

        end = End(line=Line(meter.endpoint_id), virtual=a_virtual(meter), finished=finished)
        world.later(1, lambda: begin(end, meter))

    for meter in meters:
        start(meter)
    return world.run(lambda: not left)


if __name__ == "__main__":
    main()
