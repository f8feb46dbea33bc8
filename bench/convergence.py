"""A site of 5,000 supplies goes off, and comes on again, while a fifth of all that is said is lost.

What is wanted is written to a durable database; a gateway's dispatcher claims it, real drivers and lines
carry it to virtual meters, frame by frame, in real time; each has a 4G road of its own, 80 ms away. The site
has converged when no switch is open, and then every relay is looked at in the meter itself.
The floor: the same meters, lines and loss, with each order repeated until it is done, and no database.

    python bench/convergence.py [--meters 5000] [--loss 20]
"""

import argparse
import heapq
import itertools
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from pathlib import Path
from random import Random
from typing import Final
from uuid import UUID

import _estate
import psycopg
from _stand import told

from compuerta.adapters.models import load_models
from compuerta.adapters.postgres.store import PostgresStore
from compuerta.apps import wiring
from compuerta.domain.naming import named
from compuerta.domain.party import CreditAuthority, Meter, zone_of
from compuerta.domain.supply import HoldKind
from compuerta.drivers.abilities import Ending, Relay, Result, SwitchOrder
from compuerta.drivers.dlt645 import MeterIdentity, converse
from compuerta.drivers.line import Job, Line, Priority
from compuerta.drivers.mac import SoftEsam
from compuerta.services import converging, dispatching
from compuerta.services.dispatching import Dispatcher, Equipment
from compuerta.services.records import Hold
from compuerta.virtual.meter import MeterSetup, VirtualMeter

TARGET_S: Final = 120.0
GIVE_UP_S: Final = 600.0
ONE_WAY_MS, ANSWER_MS_MAX = 80, 100
VISIT_MS, SWEEP_MS = 100, 1_000
PAGE = 500
MODEL = "dlt645-remote-rs485"
ESAM = SoftEsam(b"the key of a bench and of nothing else")
EQUIPMENT = Equipment(
    models=load_models(Path(__file__).parents[1] / "models"), mac=ESAM, chance=lambda count: os.urandom(count)
)

Act = Callable[[], None]


class World:
    """Real time, in which things happen when they are due; one thread does them all."""

    def __init__(self, *, loss_percent: int) -> None:
        self.chance = Random(7)
        self._loss = loss_percent / 100
        self._due: list[tuple[int, int, Act]] = []
        self._numbers = itertools.count()

    @staticmethod
    def now_ms() -> int:
        return time.time_ns() // 1_000_000

    def later(self, delay_ms: int, act: Act) -> None:
        heapq.heappush(self._due, (self.now_ms() + delay_ms, next(self._numbers), act))

    def carry(self, act: Act, *, more_ms: int = 0) -> None:
        """Let something arrive, if it is not lost on the way."""
        if self.chance.random() >= self._loss:
            self.later(ONE_WAY_MS + more_ms, act)

    def run(self, until: Callable[[], bool]) -> float:
        """Let time pass until something is so; returns the seconds."""
        started_s = time.perf_counter()
        while not until():
            if time.perf_counter() - started_s > GIVE_UP_S:
                sys.exit("not converged")
            at_ms, _, act = heapq.heappop(self._due)
            wait_ms = at_ms - self.now_ms()
            if wait_ms > 0:
                time.sleep(wait_ms / 1_000)
            act()
        return time.perf_counter() - started_s


@dataclass(slots=True, kw_only=True, eq=False)
class End:
    """One meter at the far end of its road, and the line that speaks to it."""

    line: Line
    virtual: VirtualMeter
    finished: Callable[[str, Result], None]
    heard: Act = lambda: None
    wake_ms: int | None = None

    def submit(self, job: Job, world: World) -> None:
        self.line.submit(job, now_ms=world.now_ms())
        self.pump(world)

    def pump(self, world: World) -> None:
        outgoing = self.line.take_bytes()
        if outgoing:
            world.carry(lambda: self._at_meter(outgoing, world))
        for key, result in self.line.take_finished():
            self.finished(key, result)
        if self.line.take_heard():
            self.heard()
        wake_ms = self.line.wake_at_ms()
        if wake_ms is not None and (self.wake_ms is None or wake_ms < self.wake_ms):
            self.wake_ms = wake_ms
            world.later(max(wake_ms - world.now_ms(), 1), lambda: self._wake(world, wake_ms))

    def _at_meter(self, data: bytes, world: World) -> None:
        self.virtual.advance(to_ms=world.now_ms())
        answer = self.virtual.receive(data, now_ms=world.now_ms())
        if answer:
            wait_ms = world.chance.randrange(ANSWER_MS_MAX)
            world.carry(lambda: self._heard(answer, world), more_ms=wait_ms)

    def _heard(self, answer: bytes, world: World) -> None:
        self.line.receive(answer, now_ms=world.now_ms())
        self.pump(world)

    def _wake(self, world: World, wake_ms: int) -> None:
        if self.wake_ms == wake_ms:
            self.wake_ms = None
            self.line.wake(now_ms=world.now_ms())
            self.pump(world)


@dataclass(slots=True, kw_only=True)
class Gateway:
    """What a gateway does, without its sockets: visit the database, carry out, keep what came of it."""

    store: PostgresStore
    world: World
    meters: Sequence[Meter]
    ends: dict[int, End]
    dispatcher: Dispatcher = field(default_factory=lambda: Dispatcher(EQUIPMENT))
    visits: bool = False
    open_count: int = 1

    def visit_soon(self, delay_ms: int = VISIT_MS) -> None:
        if not self.visits:
            self.visits = True
            self.world.later(delay_ms, self._visit)

    def finished(self, key: str, result: Result) -> None:
        self.dispatcher.finish(key, result, at=wiring.now())
        self.visit_soon()

    def heard(self, meter_id: int) -> None:
        if self.dispatcher.hear([meter_id]):
            self.visit_soon()

    def _visit(self) -> None:
        self.visits = False
        batch = self.dispatcher.batch(self.meters)
        written = dispatching.write(self.store, batch, now=wiring.now(), owner="bench")
        self.dispatcher.settle(batch, written)
        for claim in written.claims:
            job = self.dispatcher.job(claim, now=wiring.now(), now_ms=self.world.now_ms())
            self.ends[claim.meter.meter_id].submit(job, self.world)
        if not written.claims and not batch.conclusions:
            found = self.store.query("select count(*) as n from instruction where ended_at is null", {})
            self.open_count = found[0]["n"]
        self.visit_soon(VISIT_MS if written.claims else SWEEP_MS)


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
                """insert into endpoint (endpoint_id, organisation_id, road, address)
                select 'e' || meter_id, organisation_id, '4g', lpad(meter_id::text, 15, '0') from meter"""
            )
            connection.execute("update meter set road = '4g', endpoint_id = 'e' || meter_id")
            connection.execute("update account_state set delivered_minor = %s", [_estate.CREDIT_MINOR])
            connection.execute("vacuum analyze")
        store = PostgresStore(url)
        with store.transaction() as tx:
            meters = tx.meters()
        yield store, meters
        store.shut()


def a_virtual(meter: Meter) -> VirtualMeter:
    """Return the meter in software, its relay closed."""
    now = wiring.now()
    offset = now.astimezone(zone_of(_estate.ZONE)).utcoffset()
    assert offset is not None
    setup = MeterSetup(
        meter_no=meter.meter_no,
        credit_authority=CreditAuthority.PLATFORM,
        customer_no=meter.customer_no,
        civil_offset_ms=int(offset.total_seconds() * 1_000),
    )
    return VirtualMeter(setup, now_ms=World.now_ms(), esam=ESAM, chance=Random(meter.meter_id))


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
        conversation = converse(
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
