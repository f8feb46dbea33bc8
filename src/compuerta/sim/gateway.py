"""The gateway as a role: claims what is due on its lines, drives conversations, concludes, polls.

The same services, drivers and lines as in earnest; only sockets and clock are the stage's.
Claiming, sending and concluding are separate steps, so that a crash falls between them.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from compuerta.domain import instruction as life
from compuerta.domain.errors import Unreachable
from compuerta.domain.instruction import Kind, State
from compuerta.domain.party import Meter
from compuerta.drivers import dlt645
from compuerta.drivers.abilities import Ending, MeterState, ReadOrder, Result
from compuerta.drivers.dlt645 import Conversation, MeterIdentity
from compuerta.drivers.line import Job, Line, LineFull, LineShut, Priority
from compuerta.drivers.mac import MacProvider
from compuerta.drivers.model import Model
from compuerta.services import deliver, observe
from compuerta.services.deliver import Conclusion
from compuerta.services.observe import MeterReport
from compuerta.services.store_port import Claim
from compuerta.sim.mortal import Database, Mortal
from compuerta.sim.roads import Road
from compuerta.sim.stage import Stage, ms_until

STEP_MS_MAX = 20  # between two steps of one role
DIAL_MS_MAX = 3_000
POLL_S = 700
POLL_SPREAD_S = 200
SWEEP_MS = 1_000  # what is due and could not be claimed is looked at again
RETRY_MS = 1_000  # after the database was away
OUR_HAND = b"\x01\x00\x00\x00"  # the operator that meters write beside what we did


@dataclass(frozen=True, slots=True, kw_only=True)
class Equipment:
    """What every gateway has: the meters by number, their models, the keeper of the keys."""

    models: Mapping[str, Model]
    meters: Mapping[str, Meter]
    mac: MacProvider


@dataclass(slots=True, kw_only=True, eq=False)
class _End:
    """One road end of this life."""

    road: Road
    line: Line
    meters: list[Meter]
    wake_ms: int | None = None


@dataclass(slots=True, kw_only=True, eq=False)
class _Memory:
    """What a gateway knows and loses."""

    ends: dict[str, _End] = field(default_factory=dict)
    claims: dict[str, Claim] = field(default_factory=dict)  # by the job's key
    polls: dict[str, tuple[int, datetime]] = field(default_factory=dict)  # the meter, and when it was asked
    conclusions: list[Conclusion] = field(default_factory=list)
    reports: list[MeterReport] = field(default_factory=list)
    silent: set[str] = field(default_factory=set)  # meters that were asked in vain
    sweep_ms: int | None = None
    sweep_ms_min: int = 0  # not before this: the last sweep found nothing to claim
    keys: int = 0


class Gateway:
    """One gateway process."""

    def __init__(
        self, name: str, *, stage: Stage, database: Database, equipment: Equipment, roads: list[Road]
    ) -> None:
        self.body = Mortal(name, stage=stage, database=database, born=self._born, dies=self._dies)
        self._stage = stage
        self._tables = database.store
        self._equipment = equipment
        self._roads = roads
        self._memory = _Memory()
        database.listen(self.hint)

    # The life of the process.

    def _born(self) -> None:
        self._memory = _Memory()
        for road in self._roads:
            self.body.later(self._stage.between(1, DIAL_MS_MAX), lambda road=road: self._open(road))  # type: ignore[misc]

    def _dies(self) -> None:
        for road in self._roads:
            road.detach(self.body.name)

    def _open(self, road: Road) -> None:
        line = Line(road.name, byte_us=road.byte_us)
        meters = [self._equipment.meters[house.meter_no] for house in road.houses]
        end = _End(road=road, line=line, meters=meters)
        self._memory.ends[road.name] = end
        road.attach(self.body.name, self.body.guarded(lambda data: self._heard(end, data)))
        for meter in meters:
            self.body.later(self._stage.between(1, 5_000), lambda meter=meter: self._poll(end, meter))  # type: ignore[misc]
        self.hint()

    def lose(self, road: Road) -> None:
        """Let the gateway notice that a road is gone: its line ends, and it is dialed again."""
        end = self._memory.ends.pop(road.name, None)
        if self.body.alive and end is not None:
            end.line.shut()
            self.body.live(lambda: self._pump(end))
            self.body.later(self._stage.between(1_000, 20_000), lambda: self._open(road))

    # Claiming.

    def hint(self) -> None:
        """Look at the rows soon: something was committed, or becomes due."""
        if not self.body.alive:
            return
        due = self._next_due()
        if due is None:
            return
        delay_ms = max(ms_until(due, now=self._now()), 0) + STEP_MS_MAX
        self._sweep_at(max(self._stage.now_ms + delay_ms, self._memory.sweep_ms_min))

    def _next_due(self) -> datetime | None:
        free = {meter.meter_id for meter in self._free_meters()}
        dues = [
            each.lease_until if each.state is State.IN_FLIGHT else each.due_at
            for each in self._tables.tables.instructions.values()
            if each.meter_id in free and each.state in life.OPEN
        ]
        return min((due for due in dues if due is not None), default=None)

    def _sweep_at(self, at_ms: int) -> None:
        memory = self._memory
        if memory.sweep_ms is not None and memory.sweep_ms <= at_ms:
            return
        memory.sweep_ms = at_ms
        self.body.later(at_ms - self._stage.now_ms, lambda: self._sweep(at_ms))

    def _sweep(self, at_ms: int) -> None:
        memory = self._memory
        if memory.sweep_ms != at_ms:
            return  # an earlier one has taken its place
        memory.sweep_ms = None
        free = [meter.meter_id for meter in self._free_meters()]
        owner = f"{self.body.name}.{self.body.lives}"
        try:
            claims = deliver.claim(self.body, free, now=self._now(), owner=owner)
        except Unreachable:
            self._sweep_at(self._stage.now_ms + RETRY_MS)
            return
        for claim in claims:
            memory.keys += 1
            key = f"{claim.meter.meter_no}:{memory.keys}"
            memory.claims[key] = claim
            self._stage.note(self.body.name, "claims", *_told(claim))
            self.body.later(
                self._stage.between(1, STEP_MS_MAX),
                lambda key=key, claim=claim: self._carry_out(key, claim),  # type: ignore[misc]
            )
        memory.sweep_ms_min = 0 if claims else self._stage.now_ms + SWEEP_MS
        if not claims:
            self.hint()

    def _free_meters(self) -> list[Meter]:
        busy = {claim.meter.meter_id for claim in self._memory.claims.values()}
        return [
            meter
            for _, end in sorted(self._memory.ends.items())
            for meter in end.meters
            if meter.meter_id not in busy
        ]

    # Speaking.

    def _carry_out(self, key: str, claim: Claim) -> None:
        end = self._memory.ends.get(claim.meter.endpoint_id)
        if end is None:
            self._finished(key, Result(ending=Ending.SILENT, reason="no_road"))
            return
        recharge = claim.instruction.kind is Kind.RECHARGE
        conversation = self._conversation(claim)
        priority = Priority.RECHARGE if recharge else Priority.SAFETY
        self._submit(end, key, claim.meter, conversation, priority)

    def _conversation(self, claim: Claim) -> Conversation:
        return dlt645.converse(
            deliver.order_for(claim, now=self._now()),
            model=self._equipment.models[claim.meter.model],
            meter=MeterIdentity(meter_no=claim.meter.meter_no, operator=OUR_HAND),
            mac=self._equipment.mac,
            chance=self._stage.chance.randbytes,
            repeated=claim.instruction.tries > 1,
        )

    def _poll(self, end: _End, meter: Meter) -> None:
        memory = self._memory
        if memory.ends.get(end.road.name) is not end:
            return
        memory.keys += 1
        key = f"poll:{memory.keys}"
        memory.polls[key] = (meter.meter_id, self._now())
        conversation = dlt645.converse(
            ReadOrder(),
            model=self._equipment.models[meter.model],
            meter=MeterIdentity(meter_no=meter.meter_no),
            mac=self._equipment.mac,
            chance=self._stage.chance.randbytes,
        )
        self._submit(end, key, meter, conversation, Priority.POLL)
        wait_ms = 1_000 * (POLL_S + self._stage.between(0, POLL_SPREAD_S))
        self.body.later(wait_ms, lambda: self._poll(end, meter))

    def _submit(
        self, end: _End, key: str, meter: Meter, conversation: Conversation, priority: Priority
    ) -> None:
        lease_ms = life.LEASE // timedelta(milliseconds=1)
        job = Job(
            key=key,
            meter_no=meter.meter_no,
            conversation=conversation,
            priority=priority,
            timing=self._equipment.models[meter.model].roads[meter.road.value],
            deadline_ms=self._stage.now_ms + lease_ms,
        )
        try:
            end.line.submit(job, now_ms=self._stage.now_ms)
        except (LineFull, LineShut):
            self._finished(key, Result(ending=Ending.SILENT, reason="no_line"))
        self._pump(end)

    def _heard(self, end: _End, data: bytes) -> None:
        if self._memory.ends.get(end.road.name) is end:
            end.line.receive(data, now_ms=self._stage.now_ms)
            self._pump(end)

    def _wake(self, end: _End, at_ms: int) -> None:
        if end.wake_ms == at_ms and self._memory.ends.get(end.road.name) is end:
            end.wake_ms = None
            end.line.wake(now_ms=self._stage.now_ms)
            self._pump(end)

    def _pump(self, end: _End) -> None:
        """Give out what the line has: bytes, ends, meters heard, and when it wants to be woken."""
        outgoing = end.line.take_bytes()
        if outgoing:
            end.road.send(self.body.name, outgoing)
        for key, result in end.line.take_finished():
            self._finished(key, result)
        back = [meter_no for meter_no in end.line.take_heard() if meter_no in self._memory.silent]
        if back:
            self._memory.silent.difference_update(back)
            self.body.later(self._stage.between(1, STEP_MS_MAX), lambda: self._meters_are_back(back))
        wake_ms = end.line.wake_at_ms()
        if wake_ms is not None:
            wake_ms = max(wake_ms, self._stage.now_ms + 1)
            if end.wake_ms is None or wake_ms < end.wake_ms or end.wake_ms <= self._stage.now_ms:
                end.wake_ms = wake_ms
                self.body.later(wake_ms - self._stage.now_ms, lambda: self._wake(end, wake_ms))

    def _meters_are_back(self, meter_nos: list[str]) -> None:
        ids = [self._equipment.meters[meter_no].meter_id for meter_no in meter_nos]
        try:
            deliver.wake(self.body, ids, now=self._now())
        except Unreachable:
            self._memory.silent.update(meter_nos)

    # Concluding.

    def _finished(self, key: str, result: Result) -> None:
        memory = self._memory
        if key in memory.polls:
            meter_id, asked_at = memory.polls.pop(key)
            if result.state != MeterState():
                report = MeterReport(meter_id=meter_id, at=self._now(), state=result.state, asked_at=asked_at)
                memory.reports.append(report)
        else:
            claim = memory.claims[key]
            if result.ending is Ending.SILENT:
                memory.silent.add(claim.meter.meter_no)
            memory.conclusions.append(Conclusion(claim=claim, result=result, at=self._now()))
        self.body.later(self._stage.between(1, STEP_MS_MAX), self._write)

    def _write(self) -> None:
        """Conclude and report in batches; what the database did not take is taken there again later."""
        memory = self._memory
        try:
            if memory.conclusions:
                self._conclude()
            if memory.reports:
                observe.take_readings(self.body, memory.reports, now=self._now())
                memory.reports = []
        except Unreachable:
            self.body.later(RETRY_MS, self._write)
        self.hint()

    def _conclude(self) -> None:
        memory = self._memory
        outcomes = deliver.conclude(self.body, memory.conclusions, now=self._now())
        for conclusion, outcome in zip(memory.conclusions, outcomes, strict=True):
            self._stage.note(
                self.body.name,
                "concludes",
                *_told(conclusion.claim),
                conclusion.result.ending.value,
                conclusion.result.reason or "-",
                outcome.value,
            )
        done = {id(conclusion.claim) for conclusion in memory.conclusions}
        memory.claims = {key: claim for key, claim in memory.claims.items() if id(claim) not in done}
        memory.conclusions = []

    def _now(self) -> datetime:
        return self._stage.now(skew_ms=self.body.skew_ms)


def _told(claim: Claim) -> tuple[object, ...]:
    instruction = claim.instruction
    what = instruction.purchase_no if instruction.kind is Kind.RECHARGE else instruction.reason
    way = instruction.amount_minor if instruction.kind is Kind.RECHARGE else instruction.relay_closed
    return claim.meter.meter_no[-4:], instruction.kind.value, what, way, f"try {instruction.tries}"
