"""The gateway: from instruction rows to meters, and from meters to evidence.

One loop: write what conversations brought, claim what is due for meters that can be reached, and let their
lines speak. What is claimed and written is decided in `services/dispatching`; here are its roads and clock.
Nothing is remembered that is not in the database: whoever kills this process loses leases, and nothing else.
"""

import asyncio
import gc
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial

import structlog

from compuerta.adapters.links.roadhead import UNKNOWN, Stranger
from compuerta.adapters.postgres import hints, registry
from compuerta.adapters.postgres.store import PostgresStore
from compuerta.apps import wiring
from compuerta.apps.beats import BEAT_S, name_of
from compuerta.apps.config import Settings
from compuerta.apps.desk import Desk
from compuerta.apps.roadheads import heads_of
from compuerta.apps.roads import Registry, Road
from compuerta.apps.surveyor import Surveyor
from compuerta.domain.errors import Unreachable
from compuerta.domain.party import Bearer, Meter, RoadKind
from compuerta.domain.road import RoadSign, Way, believed
from compuerta.drivers.abilities import Ending, Result
from compuerta.drivers.line import Job
from compuerta.services import beating, dispatching, freezing, quarantine, routing
from compuerta.services.deliver import Concluded
from compuerta.services.dispatching import Dispatcher, Equipment
from compuerta.services.freeze_port import WantedFreeze
from compuerta.services.gauging import Gauges
from compuerta.services.link_port import Link
from compuerta.services.polling import Polls
from compuerta.services.quarantine import Quarantine
from compuerta.services.records import Alarm, Claim, Endpoint
from compuerta.services.routing import Reached

log = structlog.get_logger()

SWEEP_S = 1.0  # hints can be lost; what is due is found this often anyway
REGISTRY_S = 5.0  # a meter that was entered is reachable this soon ...
LEARNING_RESTS = 20  # ... but of all time, reading them takes a twentieth at most
SLEEPERS_REST_PERCENT = 80  # of the time between two contacts: so long a sleeper is not read again
FREEZE_S = 15.0  # who has not told a midnight is looked up this often
# While this much waits on a line, polls of it are left out: they would only make it longer.
POLL_QUEUE_MAX = 2
# After a blackout everybody comes at once: readings begin so many a second, and leave room in each cell for
# whoever has paid.
POLLS_BEGUN_MAX = 200
POLLS_PER_CELL_MAX = dispatching.CONVERSATIONS_PER_CELL_MAX // 2
# The bearers whose ends come by themselves, and may come too often; the others we open.
COMING = frozenset({Bearer.DIAL_IN, Bearer.MQTT, Bearer.COAP, Bearer.OPERATOR})


@dataclass(frozen=True, slots=True, kw_only=True)
class Register:
    """Who and what there is, as the rows told last."""

    mark: str = ""  # that of rows that were never read
    endpoints: Sequence[Endpoint] = ()
    meters: Sequence[Meter] = ()
    zones: Mapping[int, str] = field(default_factory=dict)
    ways: Mapping[int, tuple[Way, ...]] = field(default_factory=dict)


class Gateway:
    """This will hold the roads of one process and do what is due on them."""

    def __init__(self, given: Settings) -> None:
        self._given = given
        self._url = wiring.database_url(given)
        self._name = name_of("gateway")
        self._desk = Desk(self._url)
        self._library = Desk(self._url)  # for what is long, so that nobody who has paid waits behind it
        self._models = wiring.models(given)
        self._dispatcher = Dispatcher(
            Equipment(models=self._models, mac=wiring.keys(given), chance=wiring.chance)
        )
        self._register = Register()
        self._registry = Registry()
        self._passable: dict[int, tuple[Way, ...]] = {}  # the ways that each meter's model knows how to go
        self._roads: dict[str, Road] = {}
        self._tasks = asyncio.TaskGroup()
        self._unspoken: set[str] = set()  # meters whose model is not here; told once
        self._changed_ends: dict[str, bool] = {}
        self._polls = Polls(poll_ms=given.poll_s * 1_000)
        self._hinted = asyncio.Event()
        self._found: dict[int, Reached] = {}  # who is reached, as found last
        self._midnights: dict[int, list[WantedFreeze]] = {}  # that meters have not told, looked up last
        self._due = asyncio.Event()
        self._heads = heads_of(given, self)
        self._gauges = Gauges()
        self._quarantine = Quarantine()
        self._cells: dict[str, str] = {}  # of ends that told theirs
        self._strangers_told: set[Stranger] = set()
        self._surveyor = Surveyor(
            self._library, self._models, name=self._name, roads=self._roads, meters_on=self._meters_on
        )

    async def run(self) -> None:
        """Hold the roads until cancelled; a road or loop that fails ends them all."""
        try:
            async with self._tasks as tasks:
                await self._learn()
                for head in self._heads:
                    await head.open()
                    tasks.create_task(head.run())
                log.info("gateway.begun", name=self._name)
                for loop in (
                    self._dispatch,
                    self._listen,
                    self._learn_on,
                    self._poll_on,
                    self._freeze_on,
                    self._beat_on,
                    self._surveyor.run,
                ):
                    tasks.create_task(loop())
        finally:
            await self._shut()

    # what is due ---------------------------------------------------------------------------------------

    async def _dispatch(self) -> None:
        while True:
            try:
                async with asyncio.timeout(SWEEP_S):
                    await self._due.wait()
            except TimeoutError:
                pass
            self._due.clear()
            try:
                await self._step()
            except Unreachable as error:
                log.warning("gateway.database.away", error=str(error))
                await asyncio.sleep(SWEEP_S)

    async def _step(self) -> None:
        batch = self._dispatcher.batch(self._all_reached())
        try:
            written = await self._desk.run(
                lambda store: dispatching.write(store, batch, now=wiring.now(), owner=self._name)
            )
        except Unreachable:
            self._dispatcher.keep(batch)
            raise
        self._dispatcher.settle(batch, written)
        if Concluded.LEASE_LOST in written.outcomes:
            log.warning("gateway.lease.lost", name=self._name)
        if batch.conclusions:
            self._due.set()  # the meters that have just become free may have more to do
        for claim in written.claims:
            self._start(claim)

    def _all_reached(self) -> Collection[Reached]:
        """Return everybody who is reached; only those whose way may be another are looked up again.

        It is asked for at every visit of the database: for ten thousand it would take longer than the visit.
        """
        changed, by_id = self._dispatcher.routing.take_changed(), self._registry.by_id
        for meter_id in changed:
            self._found.pop(meter_id, None)
        reached = self._reached(by_id[meter_id] for meter_id in changed if meter_id in by_id)
        self._found.update((each.meter.meter_id, each) for each in reached)
        return self._found.values()

    def _reached(self, meters: Iterable[Meter] | None = None, *, is_poll: bool = False) -> list[Reached]:
        meters = self._registry.by_no.values() if meters is None else meters
        return self._dispatcher.routing.reached(meters, now=wiring.now(), is_poll=is_poll)

    def _start(self, claim: Claim) -> None:
        road = self._roads.get(self._dispatcher.way(claim).endpoint_id)
        if road is None:
            self._dispatcher.give_up(claim, reason="road_lost", at=wiring.now())
            self._due.set()
        else:
            self._submit(road, self._dispatcher.job(claim, now=wiring.now(), now_ms=road.now_ms()))

    def _submit(self, road: Road, job: Job) -> None:
        try:
            road.submit(job)
        except Unreachable as error:
            self._finished(job.key, Result(ending=Ending.SILENT, reason=type(error).__name__))

    def _finished(self, key: str, result: Result) -> None:
        if self._surveyor.finished(key, result):
            return
        self._dispatcher.finish(key, result, at=wiring.now())
        for meter_id in self._dispatcher.take_unread():
            self._polls.hint(meter_id)
        self._due.set()

    def _meters_on(self, endpoint_id: str) -> list[str]:
        return [each.meter_no for each in self._registry.on_endpoint.get(endpoint_id, [])]

    # readings ------------------------------------------------------------------------------------------

    async def _poll_on(self) -> None:
        while True:
            try:
                async with asyncio.timeout(min(SWEEP_S, self._given.poll_s / 4)):
                    await self._hinted.wait()
            except TimeoutError:
                pass
            self._hinted.clear()
            self._read_who_is_due()

    def _read_who_is_due(self) -> None:
        in_cells, begun = self._dispatcher.in_cells(), 0
        for each in self._reached(self._due_for_reading(), is_poll=True):
            road = self._roads.get(each.way.endpoint_id)
            cell = self._dispatcher.cell(each.way)
            if (
                road is None
                or road.is_lost
                or road.line.jobs_open() >= POLL_QUEUE_MAX
                or self._dispatcher.is_busy(each.meter.meter_id)
                or (cell is not None and in_cells[cell] >= POLLS_PER_CELL_MAX)
            ):
                continue
            if self._read_if_due(road, each):
                begun += 1
                in_cells.update([cell] if cell is not None else [])
            if begun >= POLLS_BEGUN_MAX:
                return

    def _due_for_reading(self) -> list[Meter]:
        """Return who waits longest first: a full line would otherwise read the same few meters for ever."""
        now_ms = int(asyncio.get_running_loop().time() * 1_000)
        due = [
            (due_ms, meter)
            for meter in self._registry.by_no.values()
            if (due_ms := self._polls.due_ms(meter.meter_id)) <= now_ms or meter.meter_id in self._midnights
        ]
        return [meter for _, meter in sorted(due, key=lambda each: each[0])]

    def _read_if_due(self, road: Road, reached: Reached) -> bool:
        """Ask for midnights first: they are looked up seconds after them, and polls can wait for once."""
        meter_id = reached.meter.meter_id
        wanted = self._midnights.pop(meter_id, None)
        if wanted is not None:
            self._submit(
                road, self._dispatcher.freezes(reached, wanted, now=wiring.now(), now_ms=road.now_ms())
            )
            if freezing.has_just_ended(wanted, now=wiring.now()):
                self._polls.hint(meter_id)
            return True
        if self._polls.due_ms(meter_id) <= road.now_ms():
            # A little less than from contact to contact, so that each contact brings a reading.
            rest_ms = SLEEPERS_REST_PERCENT * 10 * (road.endpoint.contact_s or 0)
            self._polls.begin(meter_id, now_ms=road.now_ms(), rest_ms=rest_ms)
            self._submit(road, self._dispatcher.poll(reached, now=wiring.now(), now_ms=road.now_ms()))
            return True
        return False

    async def _freeze_on(self) -> None:
        while True:
            await asyncio.sleep(FREEZE_S)
            reached = self._dispatcher.askable(self._reached(), now=wiring.now())
            askable = {each.meter.meter_id for each in reached}
            try:
                self._midnights = await self._library.run(partial(_wanted, meter_ids=askable))
            except Unreachable as error:
                log.warning("gateway.database.away", error=str(error))
            else:
                self._hinted.set()

    def _pushed(self, road: Road, meter_nos: list[str]) -> None:
        """Read the meters of this road that spoke unasked; on a bus that is another master's reading."""
        endpoint = road.endpoint
        if endpoint.road is RoadKind.RS485:
            return
        for meter in self._registry.on_endpoint.get(endpoint.endpoint_id, []):
            if meter.meter_no in meter_nos:
                self._polls.hint(meter.meter_id)
                self._hinted.set()

    # roads ---------------------------------------------------------------------------------------------

    def opened(self, endpoint_id: str, link: Link) -> None:
        """See `Keeper`; an end that chatters is shut at once."""
        endpoint = self._registry.endpoints[endpoint_id]
        comes_by_itself = endpoint.bearer in COMING
        if comes_by_itself and not self._quarantine.lets_in(endpoint_id, now=wiring.now()):
            link.shut()
            return
        former = self._roads.pop(endpoint_id, None)
        if former is not None and not former.is_lost:
            former.lost("dialed_again")
        self._roads[endpoint_id] = Road(
            endpoint, link, finished=self._finished, heard=self._heard, pushed=self._pushed, lost=self._lost
        )
        self._changed_ends[endpoint_id] = True
        self._gauges.met(endpoint, at=wiring.now())
        self._dispatcher.routing.opened(endpoint_id)
        meters = self._registry.on_endpoint.get(endpoint_id, [])
        self._dispatcher.reach(meter.meter_id for meter in meters)
        self._due.set()
        log.info("gateway.road.alive", endpoint=endpoint_id)

    def signalled(self, endpoint_id: str, sign: RoadSign) -> None:
        """See `Keeper`."""
        self._gauges.signed(self._registry.endpoints[endpoint_id], sign)
        cell = believed(sign).cell
        if cell:
            self._cells[endpoint_id] = cell

    def civil_now(self, endpoint_id: str) -> datetime | None:
        """See `Keeper`."""
        meters = self._registry.on_endpoint.get(endpoint_id, [])
        told = (self._dispatcher.civil(meter.meter_id, wiring.now()) for meter in meters)
        return next((civil for civil in told if civil is not None), None)

    def _lost(self, road: Road, reason: str) -> None:
        endpoint_id = road.endpoint.endpoint_id
        self._gauges.count(endpoint_id, road.line.take_counts(), at=wiring.now())
        if self._roads.get(endpoint_id) is road:
            del self._roads[endpoint_id]
            self._changed_ends[endpoint_id] = False
            self._gauges.lost(road.endpoint, reason=reason)
            self._dispatcher.routing.lost(endpoint_id)
            log.info("gateway.road.lost", endpoint=endpoint_id, reason=reason)

    def _heard(self, meter_nos: list[str]) -> None:
        by_no = self._registry.by_no
        if self._dispatcher.hear(by_no[meter_no].meter_id for meter_no in meter_nos if meter_no in by_no):
            self._due.set()

    async def _learn_on(self) -> None:
        loop, took_s = asyncio.get_running_loop(), 0.0
        while True:
            await asyncio.sleep(max(REGISTRY_S, took_s * LEARNING_RESTS))
            since_s = loop.time()
            try:
                await self._learn()
            except Unreachable as error:
                log.warning("gateway.database.away", error=str(error))
            took_s = loop.time() - since_s
            # Roads stand for days: to look through ten thousand of them for garbage, as is done whenever a
            # quarter is added, stops everything for half a second. One that ends needs no collector.
            gc.collect()
            gc.freeze()

    async def _learn(self) -> None:
        """Learn which ends live; who and what there is only where it is not what it was."""
        register = await self._library.run(partial(registered, known=self._register))
        known = await self._library.run(partial(routing.learn, gateway=self._name, ways=register.ways))
        if register is not self._register:
            self._take_over(register)
        entered = {each.endpoint_id: each.cell for each in register.endpoints if each.cell}
        self._dispatcher.follow(register.zones, cells={**entered, **self._cells})
        self._dispatcher.routing.follow(replace(known, ways=self._passable))

    def _take_over(self, register: Register) -> None:
        self._register = register
        spoken = [meter for meter in register.meters if self._can_speak_to(meter)]
        self._registry.fill(register.endpoints, spoken, register.ways)
        self._passable = {meter.meter_id: self._ways_of(meter, register) for meter in spoken}
        self._found = {each.meter.meter_id: each for each in self._reached()}
        for head in self._heads:
            head.learn([each for each in register.endpoints if each.bearer in head.bearers])

    def _ways_of(self, meter: Meter, register: Register) -> tuple[Way, ...]:
        roads = self._models[meter.model].roads
        return tuple(way for way in register.ways.get(meter.meter_id, ()) if way.road.value in roads)

    def _can_speak_to(self, meter: Meter) -> bool:
        model = self._models.get(meter.model)
        if model is not None and meter.road.value in model.roads:
            return True
        if meter.meter_no not in self._unspoken:
            self._unspoken.add(meter.meter_no)
            log.error("gateway.meter.model_unknown", meter=meter.meter_no, model=meter.model)
        return False

    # life ----------------------------------------------------------------------------------------------

    async def _listen(self) -> None:
        async for _ in hints.heard(self._url):
            self._due.set()

    async def _beat_on(self) -> None:
        loop, started = asyncio.get_running_loop(), wiring.now()
        heard_s = loop.time()
        while True:
            ends, self._changed_ends = self._changed_ends, {}
            if loop.time() - heard_s > beating.SILENT_FOR.total_seconds():
                # We were taken for dead, and our roads for lost.
                ends |= dict.fromkeys(self._roads, True)
            beat = beating.Beat(role="gateway", instance=self._name, started_at=started, at=wiring.now())
            strangers = {each for head in self._heads for each in head.strangers()}
            self._gauge()
            alarms = [_alarm(each) for each in strangers - self._strangers_told]
            alarms += self._quarantine.take_alarms()
            roads = self._gauges.take()
            try:
                await self._library.run(
                    partial(beating.beat, sign=beat, ends=ends, alarms=alarms, roads=roads)
                )
            except Unreachable:
                self._changed_ends = {**ends, **self._changed_ends}
                self._gauges.keep(roads)
            else:
                self._strangers_told = strangers
                heard_s = loop.time()
            await asyncio.sleep(BEAT_S)

    def _gauge(self) -> None:
        """Take from every road what it has counted, and shut out who says too much."""
        now = wiring.now()
        for road in list(self._roads.values()):
            octets = road.take_octets()
            if not octets and not road.line.counts.exchanges:
                continue
            endpoint, counts = road.endpoint, road.line.take_counts()
            self._gauges.count(endpoint.endpoint_id, counts, at=now)
            if octets:
                self._gauges.met(endpoint, at=now)
            if endpoint.bearer in COMING and not self._quarantine.bears(
                endpoint.endpoint_id, strays=counts.strays, octets=octets, now=now
            ):
                road.shut()
                road.lost(quarantine.CHATTERING)

    async def _shut(self) -> None:
        for road in list(self._roads.values()):
            road.shut()
        for head in self._heads:
            await head.shut()
        await self._desk.shut()
        await self._library.shut()


def _alarm(stranger: Stranger) -> Alarm:
    advice = "; enter it as an endpoint to let it in" if stranger.why == UNKNOWN else ""
    detail = f"came {stranger.times} times{advice}"
    return Alarm(kind=stranger.why, subject=stranger.registration, detail=detail, at=wiring.now())


def _wanted(store: PostgresStore, *, meter_ids: set[int]) -> dict[int, list[WantedFreeze]]:
    return freezing.wanted(store, meter_ids, now=wiring.now())


def registered(store: PostgresStore, *, known: Register) -> Register:
    """Return who and what there is; what is `known` where it is what it was."""
    with store.transaction() as tx:
        mark = registry.mark(tx)
        if mark == known.mark:
            return known
        return Register(
            mark=mark, endpoints=tx.endpoints(), meters=tx.meters(), zones=tx.zones(), ways=tx.roads.ways()
        )
