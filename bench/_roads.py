"""Roads for benchmarks: virtual meters at the far end of slow roads that lose frames, and the gateway's work.

Real drivers and lines speak to them, frame by frame, in real time; one thread does them all.
"""

import heapq
import itertools
import os
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Final

import _estate

from compuerta.adapters.models import load_models
from compuerta.adapters.postgres.store import PostgresStore
from compuerta.apps import wiring
from compuerta.domain.party import CreditAuthority, Meter, zone_of
from compuerta.drivers.abilities import Result
from compuerta.drivers.line import Job, Line
from compuerta.drivers.mac import SoftEsam
from compuerta.services import dispatching
from compuerta.services.dispatching import Dispatcher, Equipment
from compuerta.services.routing import Reached, own_way
from compuerta.virtual.meter import MeterSetup, VirtualMeter

GIVE_UP_S: Final = 600.0
ONE_WAY_MS, ANSWER_MS_MAX = 80, 100
VISIT_MS, SWEEP_MS = 100, 1_000
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
        reached = [Reached(meter=each, way=own_way(each)) for each in self.meters]
        batch = self.dispatcher.batch(reached)
        written = dispatching.write(self.store, batch, now=wiring.now(), owner="bench")
        self.dispatcher.settle(batch, written)
        for claim in written.claims:
            job = self.dispatcher.job(claim, now=wiring.now(), now_ms=self.world.now_ms())
            self.ends[claim.meter.meter_id].submit(job, self.world)
        if not written.claims and not batch.conclusions:
            found = self.store.query("select count(*) as n from instruction where ended_at is null", {})
            self.open_count = found[0]["n"]
        self.visit_soon(VISIT_MS if written.claims else SWEEP_MS)


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
