"""Dispatching: what one gateway has in hand, between the rows of the database and the lines of its roads.

It says which meters are claimed for, makes of each claim the job that a line carries out, and of each end
what is written back. It holds no clock, socket or thread: the gateway drives it by its event loop, the
simulator by virtual time. Whoever loses it loses leases, and nothing else.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, time, timedelta
from types import MappingProxyType
from typing import Final

from compuerta.domain.instruction import LEASE, LEASE_SLOW, Instruction, Kind
from compuerta.domain.party import RoadKind, zone_of
from compuerta.domain.road import Way
from compuerta.domain.supply import Reason
from compuerta.drivers.abilities import (
    SENT_UNHEARD,
    SWITCH_VALID_S,
    Ending,
    FreezeOrder,
    MeterState,
    Order,
    ReadOrder,
    Result,
)
from compuerta.drivers.line import Job, Priority
from compuerta.drivers.mac import MacProvider
from compuerta.drivers.model import Model, RoadTiming
from compuerta.drivers.speaking import speak, spoken_already
from compuerta.drivers.talk import Chance, MeterIdentity
from compuerta.services import deliver, freezing, observe, routing
from compuerta.services.deliver import Concluded, Conclusion
from compuerta.services.freeze_port import WantedFreeze
from compuerta.services.freezing import FreezeReport
from compuerta.services.observe import MeterReport
from compuerta.services.records import Claim
from compuerta.services.routing import Failures, Reached, Routing
from compuerta.services.store_port import Store

# A claimed instruction waits for its line; more than a few per line would outlive their leases.
CLAIMS_PER_LINE_MAX = 4
DUE_MAX = 500  # looked at in one go; who is left out waits longest next time
# A conversation ends so long before its lease does, so that nobody else has it meanwhile.
LEASE_MARGIN = timedelta(seconds=5)
# While the database is away, readings beyond these make room for newer ones: an hour of a thousand meters.
REPORTS_MAX = 4_000
POLL_MAX = timedelta(seconds=60)
# A meter that has not told its midnights is asked again after so long, while it answers at all.
FREEZE_AGAIN = timedelta(seconds=60)
# Where another way lives, the first is not waited for as long as if it were the only one.
TRIES_MAX_WITH_ANOTHER = 2
# After so long nothing that was sent by another road arrives any more: as long as a cut is looked after.
LATE = timedelta(seconds=SWITCH_VALID_S)
# Modules of one cell share its air: more conversations at once would only wait for each other there.
CONVERSATIONS_PER_CELL_MAX = 12
NO_CELLS: Final[Mapping[str, str]] = MappingProxyType({})
# On NB-IoT a meter's events are two thirds of what a reading takes, in seconds of its radio and bytes of its
# SIM; status words, which come with every reading, show what lasts.
COUNTS_EVERY_SLOW = timedelta(minutes=15)
_NEVER = datetime.min.replace(tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Equipment:
    """What a gateway brings to every conversation."""

    models: Mapping[str, Model]
    mac: MacProvider
    chance: Chance


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """What one visit to the database is to write, and for which meters it may claim."""

    conclusions: Sequence[Conclusion]
    reports: Sequence[MeterReport]
    heard: frozenset[int]  # meters whose waiting instructions are worth a try at once
    free: Mapping[int, Way]  # meters that are reached and have nothing in hand, with the way to each
    in_hand: Mapping[str, int]  # how many claims each line has
    freezes: Sequence[FreezeReport] = ()
    failures: Failures = field(default_factory=dict)  # ways that have failed a meter, or serve it again
    cells: Mapping[str, str] = field(default_factory=dict)  # of ends in the air
    in_cells: Mapping[str, int] = field(default_factory=dict)  # how many conversations each cell carries


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """What became of a batch: one outcome per conclusion, and what is in hand from now on."""

    outcomes: Sequence[Concluded]
    claims: Sequence[Claim]


class Dispatcher:
    """What one gateway has in hand, and what it still has to write."""

    def __init__(self, equipment: Equipment) -> None:
        self.routing = Routing()
        self._equipment = equipment
        self._zones: Mapping[int, str] = {}
        self._cells: Mapping[str, str] = {}
        self._claims: dict[str, Claim] = {}  # by the job's key
        self._polls: dict[str, tuple[Reached, datetime]] = {}  # who was asked by which way, and when
        self._polls_begun = 0
        self._asked: dict[str, Sequence[WantedFreeze]] = {}  # midnights, by the job's key
        self._asked_at: dict[int, datetime] = {}  # when each meter was asked for its midnights last
        self._freezes: list[FreezeReport] = []
        self._busy: dict[int, Way] = {}  # the way to each meter with a claim
        self._conclusions: list[Conclusion] = []
        self._reports: list[MeterReport] = []
        self._silent: set[int] = set()  # meters that were asked in vain
        self._heard: set[int] = set()
        self._counted_at: dict[int, datetime] = {}  # when each meter told its events last
        self._unread: set[int] = set()  # meters of several ways that were read in vain

    def follow(self, zones: Mapping[int, str], *, cells: Mapping[str, str] = NO_CELLS) -> None:
        """Take the zones of the meters' sites: meters know none, and reading them sets their clocks.

        `cells` are those of the ends that share a mast with others.
        """
        self._zones, self._cells = zones, cells

    def in_cells(self) -> Counter[str]:
        """Return how many conversations the cells carry now."""
        asked = (reached.way for reached, _ in self._polls.values())
        ends = (way.endpoint_id for way in (*self._busy.values(), *asked))
        return Counter(self._cells[end] for end in ends if end in self._cells)

    def cell(self, way: Way) -> str | None:
        """Return the cell that a way goes by, where one is known."""
        return self._cells.get(way.endpoint_id)

    def is_busy(self, meter_id: int) -> bool:
        """Tell whether a meter has something in hand."""
        return meter_id in self._busy

    def way(self, claim: Claim) -> Way:
        """Return the way that a claim is carried out by."""
        return self._busy[claim.meter.meter_id]

    def batch(self, reached: Iterable[Reached]) -> Batch:
        """Take what is to be written; `reached` are the meters that may be claimed for, with their ways."""
        batch = Batch(
            conclusions=self._conclusions,
            reports=self._reports,
            heard=frozenset(self._heard),
            free={each.meter.meter_id: each.way for each in reached if each.meter.meter_id not in self._busy},
            in_hand=Counter(way.endpoint_id for way in self._busy.values()),
            freezes=self._freezes,
            failures=self.routing.take_unwritten(),
            cells=self._cells,
            in_cells=self.in_cells(),
        )
        self._conclusions, self._reports, self._freezes, self._heard = [], [], [], set()
        return batch

    def keep(self, batch: Batch) -> None:
        """Take a batch back that may not have been written: evidence outlives a database that is away."""
        self._conclusions = [*batch.conclusions, *self._conclusions]
        self._reports = [*batch.reports, *self._reports][-REPORTS_MAX:]
        self._freezes = [*batch.freezes, *self._freezes][-REPORTS_MAX:]
        self._heard |= batch.heard
        self.routing.keep(batch.failures)

    def settle(self, batch: Batch, written: Written) -> None:
        """Let go of what a batch has concluded, and take in hand what it has claimed."""
        for conclusion in batch.conclusions:
            del self._busy[conclusion.claim.meter.meter_id]
        for claim in written.claims:
            self._busy[claim.meter.meter_id] = batch.free[claim.meter.meter_id]
            self._claims[_key(claim)] = claim

    def job(self, claim: Claim, *, now: datetime, now_ms: int) -> Job:
        """Return the job that carries a claim out; `now_ms` is the line's clock."""
        assert claim.instruction.lease_until is not None, "what was claimed is leased"
        # Reckoned from the claim: the database may have been slow to tell of it, and the lease ran meanwhile.
        way = self.way(claim)
        left = min(claim.instruction.lease_until - now, _lease(way)) - LEASE_MARGIN
        return self._job(
            _key(claim),
            Reached(meter=claim.meter, way=way),
            self._put_off(claim, way, now=now)
            or deliver.order_for(claim, model=self._equipment.models[claim.meter.model], now=now),
            priority=_priority(claim.instruction),
            deadline_ms=now_ms + left // _MILLISECOND,
            repeated=claim.instruction.tries > 1,
        )

    def _put_off(self, claim: Claim, way: Way, *, now: datetime) -> Result | None:
        """Return an end without a word for what may still arrive by another end; None = it may be sent.

        A meter whose orders bear neither seal nor date would take money twice: from here now, and then from
        there. On one road the next question comes behind what was sent; on another it may overtake it.
        """
        instruction = claim.instruction
        if instruction.last_answer != SENT_UNHEARD or instruction.endpoint_id in (None, way.endpoint_id):
            return None
        failed_at = self.routing.failed_at(claim.meter.meter_id, instruction.endpoint_id or "")
        if failed_at is None or now - failed_at >= LATE:
            return None
        return Result(ending=Ending.BUSY, reason=SENT_UNHEARD)

    def poll(self, reached: Reached, *, now: datetime, now_ms: int) -> Job:
        """Return the job that reads a meter; `now_ms` is the line's clock."""
        meter_id = reached.meter.meter_id
        counts = now - self._counted_at.get(meter_id, _NEVER) >= _counts_every(reached.way)
        order = ReadOrder(now=self.civil(meter_id, now), counts=counts)
        return self._reading(reached, order, now=now, now_ms=now_ms)

    def askable(self, reached: Iterable[Reached], *, now: datetime) -> list[Reached]:
        """Return whom midnights may be asked of: who is free, answers, and was not asked just now."""
        return [
            each
            for each in reached
            if not self.is_busy(each.meter.meter_id)
            and each.meter.meter_id not in self._silent
            and each.meter.meter_id in self._zones
            and now - self._asked_at.get(each.meter.meter_id, now - FREEZE_AGAIN) >= FREEZE_AGAIN
        ]

    def freezes(self, reached: Reached, wanted: Sequence[WantedFreeze], *, now: datetime, now_ms: int) -> Job:
        """Return the job that asks a meter for midnights; one that keeps none is read instead."""
        meter = reached.meter
        self._asked_at[meter.meter_id] = now
        civil = self.civil(meter.meter_id, now)
        if self._equipment.models[meter.model].freezes is None or civil is None:
            return self.poll(reached, now=now, now_ms=now_ms)
        midnights = tuple(datetime.combine(each.day + timedelta(days=1), time()) for each in wanted)
        job = self._reading(reached, FreezeOrder(midnights=midnights, now=civil), now=now, now_ms=now_ms)
        self._asked[job.key] = wanted
        return job

    def _reading(
        self, reached: Reached, order: ReadOrder | FreezeOrder, *, now: datetime, now_ms: int
    ) -> Job:
        self._polls_begun += 1
        key = f"poll:{self._polls_begun}"
        self._polls[key] = (reached, now)
        deadline_ms = now_ms + max(POLL_MAX, _lease(reached.way)) // _MILLISECOND
        return self._job(key, reached, order, priority=Priority.POLL, deadline_ms=deadline_ms)

    def civil(self, meter_id: int, at: datetime) -> datetime | None:
        """Return the civil time of a meter's site, naive, as its clock should show it."""
        zone = self._zones.get(meter_id)
        return None if zone is None else at.astimezone(zone_of(zone)).replace(tzinfo=None)

    def give_up(self, claim: Claim, *, reason: str, at: datetime) -> None:
        """End a claim that no line could take; it is due again like any that met silence."""
        self.finish(_key(claim), Result(ending=Ending.SILENT, reason=reason), at=at)

    def finish(self, key: str, result: Result, *, at: datetime) -> None:
        """Keep what a job brought until it is written."""
        if key in self._polls:
            reached, asked_at = self._polls.pop(key)
            meter_id, way = reached.meter.meter_id, reached.way
            off_s = self._clock_off_s(meter_id, result.state, asked_at=asked_at, at=at)
            wanted = self._asked.pop(key, ())
            self._freezes += [
                FreezeReport(wanted=each, told=told, at=at, clock_off_s=off_s)
                for each, told in zip(wanted, result.freezes, strict=False)
            ]
            if result.state.counts:
                self._counted_at[meter_id] = at
            if result.ending is Ending.SILENT and self.routing.has_several(meter_id):
                self._unread.add(meter_id)
            if not wanted and result.state != MeterState():
                report = MeterReport(
                    meter_id=meter_id, at=at, state=result.state, asked_at=asked_at, clock_off_s=off_s
                )
                self._reports.append(report)
        else:
            claim = self._claims.pop(key)
            meter_id, way = claim.meter.meter_id, self.way(claim)
            was_sent = (result.ending, result.reason) != (Ending.BUSY, SENT_UNHEARD)
            endpoint_id = way.endpoint_id if was_sent else None
            self._conclusions.append(Conclusion(claim=claim, result=result, at=at, endpoint_id=endpoint_id))
        self._note(meter_id, way, result.ending, at=at)

    def take_unread(self) -> set[int]:
        """Return, once, the meters that one of their ways did not reach; another may, before their turn."""
        unread, self._unread = self._unread, set()
        return unread

    def _note(self, meter_id: int, way: Way, ending: Ending, *, at: datetime) -> None:
        """Keep how a way served; what was refused may have been so without a word to the meter."""
        if ending is Ending.SILENT:
            self._silent.add(meter_id)
            self.routing.failed(meter_id, way, at=at)
            if self.routing.has_another(meter_id, way):
                self._heard.add(meter_id)  # what has failed here is worth a try there at once
        elif ending is not Ending.REFUSED:
            self.routing.served(meter_id, way)

    def _clock_off_s(
        self, meter_id: int, state: MeterState, *, asked_at: datetime, at: datetime
    ) -> int | None:
        """Return by how much a clock is ahead for certain: it was read some time between two instants."""
        clock = state.clock_found or state.clock
        civil = [self.civil(meter_id, each) for each in (asked_at, at)]
        between = [each for each in civil if each is not None]
        if clock is None or not between:
            return None
        # In the hour that civil time repeats, the later instant has the earlier time.
        off = clock - min(max(clock, min(between)), max(between))
        return int(off.total_seconds())

    def hear(self, meter_ids: Iterable[int]) -> bool:
        """Note who was heard on a line; tells whether somebody is back who had been silent."""
        back = self._silent.intersection(meter_ids)
        self._silent -= back
        self._heard |= back
        return bool(back)

    def reach(self, meter_ids: Iterable[int]) -> None:
        """Note that a road to these meters is there again: their instructions are worth a try."""
        self._heard.update(meter_ids)

    def _job(
        self,
        key: str,
        reached: Reached,
        order: Order | Result,
        *,
        priority: Priority,
        deadline_ms: int,
        repeated: bool = False,
    ) -> Job:
        meter = reached.meter
        model = self._equipment.models[meter.model]
        if isinstance(order, Result):
            conversation = spoken_already(order)
        else:
            conversation = speak(
                order,
                model=model,
                meter=MeterIdentity(meter_no=meter.meter_no, unit_no=meter.unit_no),
                mac=self._equipment.mac,
                chance=self._equipment.chance,
                repeated=repeated,
            )
        return Job(
            key=key,
            meter_no=meter.meter_no,
            conversation=conversation,
            priority=priority,
            timing=self._timing(reached, model),
            deadline_ms=deadline_ms,
            gives_way=isinstance(order, ReadOrder | FreezeOrder),
        )

    def _timing(self, reached: Reached, model: Model) -> RoadTiming:
        timing = model.roads[reached.way.road.value]
        if self.routing.has_another(reached.meter.meter_id, reached.way):
            return replace(timing, tries_max=min(timing.tries_max, TRIES_MAX_WITH_ANOTHER))
        return timing


def write(store: Store, batch: Batch, *, now: datetime, owner: str) -> Written:
    """Write a batch and claim what is due; several transactions, and safe to do again after any of them."""
    outcomes = deliver.conclude(store, batch.conclusions, now=now) if batch.conclusions else []
    if batch.reports:
        observe.take_readings(store, batch.reports, now=now)
    if batch.freezes:
        freezing.take_freezes(store, batch.freezes, now=now)
    if batch.failures:
        routing.put_failures(store, batch.failures)
    if batch.heard:
        deliver.wake(store, sorted(batch.heard), now=now)
    due = deliver.due(store, batch.free, now=now, limit=DUE_MAX) if batch.free else {}
    chosen = _chosen(batch, due)
    claims = [
        claim
        for lease in (LEASE, LEASE_SLOW)
        if (some := [each for each in chosen if _lease(batch.free[each]) == lease])
        for claim in deliver.claim(store, some, now=now, owner=owner, lease=lease)
    ]
    return Written(outcomes=outcomes, claims=claims)


def _counts_every(way: Way) -> timedelta:
    return COUNTS_EVERY_SLOW if way.road is RoadKind.NBIOT else timedelta()


def _lease(way: Way) -> timedelta:
    return LEASE_SLOW if way.road is RoadKind.NBIOT else LEASE


def _chosen(batch: Batch, due: Mapping[int, Kind]) -> list[int]:
    in_hand, in_cells = Counter(batch.in_hand), Counter(batch.in_cells)
    chosen = []
    for meter_id, kind in due.items():
        line = batch.free[meter_id].endpoint_id
        cell = batch.cells.get(line)
        # Loading a tariff takes half a minute: it begins on an idle line, and leaves room for recharges.
        has_room = in_hand[line] < (1 if kind is Kind.TARIFF else CLAIMS_PER_LINE_MAX)
        if has_room and (cell is None or in_cells[cell] < CONVERSATIONS_PER_CELL_MAX):
            in_hand[line] += 1
            if cell is not None:
                in_cells[cell] += 1
            chosen.append(meter_id)
    return chosen


def _priority(instruction: Instruction) -> Priority:
    if instruction.kind is Kind.TARIFF:
        return Priority.POLL  # between two of its exchanges whoever has paid goes first
    # Only danger goes before money: a cut for want of credit must not make somebody wait who has paid.
    is_danger = instruction.reason == Reason.SAFETY_HOLD.value
    return Priority.SAFETY if is_danger else Priority.RECHARGE


def _key(claim: Claim) -> str:
    return f"{claim.instruction.instruction_id}:{claim.instruction.tries}"
