"""The gateway as a role: its roads, its life, and the rhythm in which it visits the database.

What is claimed, sent and written back is decided by the same `services/dispatching` as in earnest, and
carried by the same lines and drivers; only sockets and clock are the stage's. Writing and carrying out are
separate steps, so that a crash falls between them.
"""

from dataclasses import dataclass, field
from datetime import datetime

from compuerta.domain import instruction as life
from compuerta.domain.errors import Unreachable
from compuerta.domain.instruction import Kind, State
from compuerta.domain.party import Meter
from compuerta.domain.road import Way
from compuerta.drivers.abilities import Ending, Result
from compuerta.drivers.line import Job, Line, LineFull, LineShut
from compuerta.services import beating, dispatching, freezing, routing
from compuerta.services.dispatching import Batch, Dispatcher, Equipment, Written
from compuerta.services.polling import Polls
from compuerta.services.records import Claim
from compuerta.services.routing import Reached
from compuerta.sim.mortal import Database, Mortal
from compuerta.sim.roads import Road
from compuerta.sim.stage import Stage, ms_until

STEP_MS_MAX = 20  # between two steps of one role
DIAL_MS_MAX = 3_000
POLL_S = 700
POLL_SPREAD_S = 200
FREEZE_MS = 15_000  # who has not told a midnight is looked up this often
SWEEP_MS = 1_000  # what is due and could not be claimed is looked at again
RETRY_MS = 1_000  # after the database was away
BEAT_MS = 2_000  # where meters have several ways, gateways have to know of each other


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

    dispatcher: Dispatcher
    ends: dict[str, _End] = field(default_factory=dict)
    meters: dict[int, Meter] = field(default_factory=dict)
    changed_ends: dict[str, bool] = field(default_factory=dict)
    visit_ms: int | None = None
    polls: Polls = field(default_factory=lambda: Polls(poll_ms=POLL_S * 1_000))
    claim_ms_min: int = 0  # not before this: at the last visit there was nothing to claim


class Gateway:
    """One gateway process."""

    def __init__(
        self, name: str, *, stage: Stage, database: Database, equipment: Equipment, roads: list[Road]
    ) -> None:
        self.body = Mortal(name, stage=stage, database=database, born=self._born, dies=self._dies)
        self._stage = stage
        self._database = database
        self._equipment = equipment
        self._roads = roads
        self._memory = _Memory(dispatcher=Dispatcher(equipment))
        database.listen(self.hint)

    # The life of the process.

    def _born(self) -> None:
        self._memory = _Memory(dispatcher=Dispatcher(self._equipment))
        for road in self._roads:
            if road.sleep is None:
                self.body.later(self._stage.between(1, DIAL_MS_MAX), lambda road=road: self._open(road))  # type: ignore[misc]
        self.body.later(FREEZE_MS, self._ask_for_midnights)
        self._learn()
        if any(len(ways) > 1 for ways in self._ways().values()):
            self.body.later(BEAT_MS, self._beat)

    def _dies(self) -> None:
        for road in self._roads:
            road.detach(self.body.name)

    def _open(self, road: Road) -> None:
        if not road.is_lent or road.name in self._memory.ends:
            return
        self._learn()
        memory = self._memory
        ways = self._ways()
        meters = [
            meter
            for meter_id, meter in sorted(memory.meters.items())
            if any(way.endpoint_id == road.name for way in ways[meter_id])
        ]
        memory.dispatcher.routing.opened(road.name)
        memory.changed_ends[road.name] = True
        end = _End(road=road, line=Line(road.name, byte_us=road.byte_us), meters=meters)
        self._memory.ends[road.name] = end
        road.attach(self.body.name, self.body.guarded(lambda data: self._hear(end, data)))
        for meter in meters:
            self.body.later(self._stage.between(1, 5_000), lambda meter=meter: self._poll(meter))  # type: ignore[misc]
        self._memory.dispatcher.reach(meter.meter_id for meter in meters)
        self._visit_soon()

    def _ways(self) -> dict[int, tuple[Way, ...]]:
        with self._database.store.transaction() as tx:
            return tx.roads.ways()

    def _learn(self) -> None:
        """Read what is entered, as at a start and every few seconds."""
        memory = self._memory
        memory.meters = dict(self._database.store.tables.meters)
        with self._database.store.transaction() as tx:
            memory.dispatcher.follow(tx.zones())
        memory.dispatcher.routing.follow(routing.learn(self._database.store, gateway=self._owner))

    def _beat(self) -> None:
        """Tell of this life and its roads, and learn of the others'."""
        self.body.later(BEAT_MS, self._beat)
        memory, now = self._memory, self._now()
        ends, memory.changed_ends = memory.changed_ends, {}
        sign = beating.Beat(role="gateway", instance=self._owner, started_at=now, at=now)
        try:
            beating.beat(self.body, sign, ends=ends, alarms=[])
        except Unreachable:
            memory.changed_ends = {**ends, **memory.changed_ends}
        else:
            self._learn()

    @property
    def _owner(self) -> str:
        return f"{self.body.name}.{self.body.lives}"

    def met(self, road: Road) -> None:
        """Hear from a sleeper: its road is there until it sleeps again."""
        if self.body.alive and road.name not in self._memory.ends:
            self._open(road)
            self._watch(road)

    def borrow(self, road: Road) -> None:
        """Take a line that an outpost lends again."""
        if self.body.alive:
            self.body.later(self._stage.between(1, DIAL_MS_MAX), lambda: self._open(road))

    def _watch(self, road: Road) -> None:
        """Take the road of a sleeper for lost when it sleeps, and look again while it is kept awake."""
        if road.name not in self._memory.ends:
            return
        if road.is_awake:
            wait_ms = road.awake_until_ms - self._stage.now_ms + 1
            self.body.later(wait_ms, lambda: self._watch(road))
        else:
            self.lose(road)

    def lose(self, road: Road) -> None:
        """Let the gateway notice that a road is gone: its line ends, and it is dialed again."""
        end = self._memory.ends.pop(road.name, None)
        if self.body.alive and end is not None:
            self._memory.dispatcher.routing.lost(road.name)
            self._memory.changed_ends[road.name] = False
            end.line.shut()
            self.body.live(lambda: self._pump(end))
            if road.sleep is None:
                self.body.later(self._stage.between(1_000, 20_000), lambda: self._open(road))

    # Visiting the database.

    def hint(self) -> None:
        """Look at the rows soon: something was committed, or becomes due."""
        if not self.body.alive:
            return
        due = self._next_due()
        if due is not None:
            delay_ms = max(ms_until(due, now=self._now()), 0) + STEP_MS_MAX
            self._visit_at(max(self._stage.now_ms + delay_ms, self._memory.claim_ms_min))

    def _next_due(self) -> datetime | None:
        memory = self._memory
        reached = {each.meter.meter_id for each in self._reached()}
        free = {each for each in reached if not memory.dispatcher.is_busy(each)}
        dues = [
            each.lease_until if each.state is State.IN_FLIGHT else each.due_at
            for each in self._database.store.tables.instructions.values()
            if each.meter_id in free and each.state in life.OPEN
        ]
        return min((due for due in dues if due is not None), default=None)

    def _reached(self) -> list[Reached]:
        memory = self._memory
        return memory.dispatcher.routing.reached(memory.meters.values(), now=self._now())

    def _visit_soon(self) -> None:
        self._visit_at(self._stage.now_ms + self._stage.between(1, STEP_MS_MAX))

    def _visit_at(self, at_ms: int) -> None:
        memory = self._memory
        if memory.visit_ms is None or at_ms < memory.visit_ms:
            memory.visit_ms = at_ms
            self.body.later(at_ms - self._stage.now_ms, lambda: self._visit(at_ms))

    def _visit(self, at_ms: int) -> None:
        memory = self._memory
        if memory.visit_ms != at_ms:
            return  # an earlier one has taken its place
        memory.visit_ms = None
        batch = memory.dispatcher.batch(self._reached())
        try:
            written = dispatching.write(self.body, batch, now=self._now(), owner=self._owner)
        except Unreachable:
            memory.dispatcher.keep(batch)
            self._visit_at(self._stage.now_ms + RETRY_MS)
            return
        memory.dispatcher.settle(batch, written)
        self._tell(batch, written)
        for claim in written.claims:
            self.body.later(
                self._stage.between(1, STEP_MS_MAX),
                lambda claim=claim: self._carry_out(claim),  # type: ignore[misc]
            )
        moved = written.claims or batch.conclusions
        memory.claim_ms_min = 0 if moved else self._stage.now_ms + SWEEP_MS
        self.hint()

    def _tell(self, batch: Batch, written: Written) -> None:
        for conclusion, outcome in zip(batch.conclusions, written.outcomes, strict=True):
            self._stage.note(
                self.body.name,
                "concludes",
                *_told(conclusion.claim),
                conclusion.result.ending.value,
                conclusion.result.reason or "-",
                outcome.value,
            )
        for claim in written.claims:
            self._stage.note(self.body.name, "claims", *_told(claim))

    # Speaking.

    def _carry_out(self, claim: Claim) -> None:
        dispatcher = self._memory.dispatcher
        end = self._memory.ends.get(dispatcher.way(claim).endpoint_id)
        if end is None:
            dispatcher.give_up(claim, reason="road_lost", at=self._now())
            self._visit_soon()
            return
        self._submit(end, dispatcher.job(claim, now=self._now(), now_ms=self._stage.now_ms))

    def _poll(self, meter: Meter) -> None:
        """Read a meter in its turn, by the best of its ways; where none is there, when one comes."""
        memory, now_ms = self._memory, self._stage.now_ms
        way = memory.dispatcher.routing.way(meter.meter_id, now=self._now(), is_poll=True)
        if way is None or memory.polls.due_ms(meter.meter_id) > now_ms:
            return
        memory.polls.begin(meter.meter_id, now_ms=now_ms)
        reached = Reached(meter=meter, way=way)
        job = memory.dispatcher.poll(reached, now=self._now(), now_ms=now_ms)
        self._submit(memory.ends[way.endpoint_id], job)
        self._poll_later(meter)

    def _poll_later(self, meter: Meter) -> None:
        spread_ms = self._stage.between(0, 1_000 * POLL_SPREAD_S)
        due_ms = self._memory.polls.due_ms(meter.meter_id)
        self.body.later(max(due_ms - self._stage.now_ms, 0) + spread_ms, lambda: self._poll(meter))

    def _ask_for_midnights(self) -> None:
        """Ask the meters that have not told a midnight for it."""
        memory, now = self._memory, self._now()
        self.body.later(FREEZE_MS, self._ask_for_midnights)
        reached = memory.dispatcher.askable(self._reached(), now=now)
        askable = {each.meter.meter_id: each for each in reached}
        try:
            wanted = freezing.wanted(self.body, askable, now=now)
        except Unreachable:
            return
        for meter_id, midnights in sorted(wanted.items()):
            each = askable[meter_id]
            end = memory.ends[each.way.endpoint_id]
            self._submit(end, memory.dispatcher.freezes(each, midnights, now=now, now_ms=self._stage.now_ms))
            if freezing.has_just_ended(midnights, now=now):
                self._hinted(end, each.meter)

    def _hinted(self, end: _End, meter: Meter) -> None:
        """Read a meter that spoke unasked, when that is due; on a shared road it answered another gateway."""
        if not end.road.is_shared:
            self._read_soon(meter)

    def _read_soon(self, meter: Meter) -> None:
        polls = self._memory.polls
        polls.hint(meter.meter_id)
        wait_ms = max(polls.due_ms(meter.meter_id) - self._stage.now_ms, 0)
        self.body.later(wait_ms, lambda: self._poll(meter))

    def _submit(self, end: _End, job: Job) -> None:
        try:
            end.line.submit(job, now_ms=self._stage.now_ms)
        except (LineFull, LineShut) as full:
            self._finish(job.key, Result(ending=Ending.SILENT, reason=type(full).__name__))
        self._pump(end)

    def _hear(self, end: _End, data: bytes) -> None:
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
            self._finish(key, result)
        heard = set(end.line.take_heard())
        if self._memory.dispatcher.hear(each.meter_id for each in end.meters if each.meter_no in heard):
            self._visit_soon()
        pushed = set(end.line.take_pushed())
        for meter in end.meters:
            if meter.meter_no in pushed:
                self._hinted(end, meter)
        wake_ms = end.line.wake_at_ms()
        if wake_ms is not None:
            wake_ms = max(wake_ms, self._stage.now_ms + 1)
            if end.wake_ms is None or wake_ms < end.wake_ms or end.wake_ms <= self._stage.now_ms:
                end.wake_ms = wake_ms
                self.body.later(wake_ms - self._stage.now_ms, lambda: self._wake(end, wake_ms))

    def _finish(self, key: str, result: Result) -> None:
        memory = self._memory
        memory.dispatcher.finish(key, result, at=self._now())
        for meter_id in sorted(memory.dispatcher.take_unread()):
            self._read_soon(memory.meters[meter_id])
        self._visit_soon()

    def _now(self) -> datetime:
        return self._stage.now(skew_ms=self.body.skew_ms)


def _told(claim: Claim) -> tuple[object, ...]:
    instruction = claim.instruction
    what = instruction.purchase_no if instruction.kind is Kind.RECHARGE else instruction.reason
    way = instruction.amount_minor if instruction.kind is Kind.RECHARGE else instruction.relay_closed
    return claim.meter.meter_no[-4:], instruction.kind.value, what, way, f"try {instruction.tries}"
