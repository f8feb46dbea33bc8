"""The ingest: registers that devices push by MQTT are acknowledged when they are kept, and become readings.

Many ingests share what comes. A batch is one commit into the inbox (`adapters.postgres.pushed`), and only
after it the broker may forget the letters: whoever kills this process, the broker or the database loses
nothing. What was not acknowledged comes again to whoever comes by the same name, and a register twice is a
register once. What cannot be taken at all is counted, told and acknowledged: it would otherwise come again
for ever.
"""

import asyncio
import fcntl
import socket
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final, TextIO

import structlog

from compuerta.adapters.links.mqtt_client import Broker, MqttClient
from compuerta.adapters.links.roadhead import Refusals
from compuerta.adapters.postgres import registry
from compuerta.adapters.postgres.store import PostgresStore
from compuerta.apps import poison, wiring
from compuerta.apps.beats import BEAT_S, name_of
from compuerta.apps.broker_files import broker_of
from compuerta.apps.config import Settings
from compuerta.apps.desk import Desk
from compuerta.domain.errors import Refused, Unreachable
from compuerta.domain.party import Bearer
from compuerta.services import beating
from compuerta.services.records import Alarm
from compuerta.wire.mqtt.packets import Connect
from compuerta.wire.mqtt.session import Heard
from compuerta.wire.pm.letters import ProtocolError, PushedReading, readings_from
from compuerta.wire.pm.topics import Direction, place_of, shared

if TYPE_CHECKING:
    from compuerta.domain.tariff.columns import Int64s
    from compuerta.services.deducting import Registers

log = structlog.get_logger()

GROUP: Final = "ingest"  # all ingests share what is said to it
UNACKNOWLEDGED_MAX: Final = 20_000  # letters; further ones stay with the broker until some are kept
LETTERS_PER_BATCH_MAX: Final = 10_000
# What comes within it shares a commit; a hundred devices that are polled by nobody can wait so long.
LINGER_S: Final = 0.05
REGISTRY_S: Final = 5.0
AWAY_S: Final = 1.0
SLOTS_MAX: Final = 64
TAKE_S: Final = 0.2  # a reading is on the screens so soon
BURST_ROUNDS_MAX: Final = 25  # of TAKE_S: a burst that goes on longer is no reason to let readings wait
FULL_PAGE: Final = 1_000  # of which more follow at once
# For so long the broker keeps what an ingest has not taken. Then it is a gap, which the next register closes.
SESSION_EXPIRY_S: Final = 86_400
AHEAD_MS_MAX: Final = 60_000  # a device whose clock is further ahead would silence its meter until then


class NoBroker(Refused):
    """An ingest without a broker to listen to."""

    def __init__(self) -> None:
        super().__init__("set COMPUERTA_MQTT_URL: an ingest listens to a broker")


class IngestsTooMany(Refused):
    """More ingests on one machine than there are places."""

    def __init__(self) -> None:
        super().__init__(f"{SLOTS_MAX} ingests run on this machine already; start more on another")


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    """The place of one ingest on its machine."""

    number: int
    lock: TextIO


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """Whose a device is, and for which meters it may speak."""

    tenant: str
    meter_ids: Mapping[str, int]  # by meter number


@dataclass(frozen=True, slots=True, kw_only=True)
class Register:
    """The devices that are entered, as the rows told last."""

    mark: str = ""  # that of rows that were never read
    devices: Mapping[str, Device] = field(default_factory=dict)  # by their addresses


@dataclass(slots=True, kw_only=True)
class Sorted:
    """What a batch of letters holds: registers of meters, and what was refused, by name and why."""

    rows: list[tuple[int, PushedReading]] = field(default_factory=list)
    refused: list[tuple[str, str]] = field(default_factory=list)


def sort_letters(
    letters: Sequence[tuple[str, bytes]], devices: Mapping[str, Device], *, now_ms: int
) -> Sorted:
    """Part what was heard, topic and payload, into registers of our meters and refusals."""
    found = Sorted()
    for topic, payload in letters:
        try:
            place = place_of(topic)
        except ProtocolError:
            found.refused.append((topic[:80], "topic_refused"))
            continue
        device = devices.get(place.device)
        if device is None or device.tenant != place.tenant:
            found.refused.append((place.device, "device_unknown" if device is None else "topic_refused"))
            continue
        try:
            said = readings_from(payload)
        except ProtocolError:
            found.refused.append((place.device, "letter_malformed"))
            continue
        for reading in said.readings:
            meter_id = device.meter_ids.get(reading.meter_no)
            if meter_id is None:
                found.refused.append((reading.meter_no, "meter_not_behind_device"))
            elif reading.ts_ms > now_ms + AHEAD_MS_MAX:
                found.refused.append((reading.meter_no, "reading_ahead"))
            else:
                found.rows.append((meter_id, reading))
    return found


class Ingest:
    """This will take what devices push, until cancelled."""

    def __init__(self, given: Settings) -> None:
        broker = broker_of(given)
        if broker is None:
            raise NoBroker
        # Who takes holds locks and reckons; who keeps must not wait for it.
        self._desk, self._takers_desk = (Desk(wiring.database_url(given)) for _ in range(2))
        # The lock is held as long as we live; the kernel lets go of it if we are killed.
        self._slot = taken_slot(given.data_dir)
        self._client = _client(broker, self, name=f"ingest-{socket.gethostname()}-{self._slot.number}")
        self._register = Register()
        self._waiting: list[Heard] = []
        self._came = asyncio.Event()
        self._connections = 0  # letters have numbers of the connection that they came by
        self._refusals = Refusals()
        self._told: dict[tuple[str, str], int] = {}
        self._loss_told = ""

    async def run(self) -> None:
        """Take what comes until cancelled."""
        try:
            await self._learn()
            async with asyncio.TaskGroup() as tasks:
                for loop in (self._client.run, self._keep_on, self._take_on, self._learn_on, self._beat_on):
                    tasks.create_task(loop())
        finally:
            self._slot.lock.close()
            await self._desk.shut()
            await self._takers_desk.shut()

    # the broker ----------------------------------------------------------------------------------------

    def connected(self) -> None:
        """See `MqttListener`."""
        self._loss_told = ""
        log.info("ingest.broker.alive")

    def heard(self, message: Heard) -> None:
        """See `MqttListener`."""
        self._waiting.append(message)
        self._came.set()

    def arrived(self, packet_id: int, reason: int) -> None:
        """See `MqttListener`; nothing is said that could arrive."""

    def ended(self, reason: str) -> None:
        """See `MqttListener`: what was not acknowledged comes again, under other numbers."""
        self._connections += 1
        self._waiting.clear()
        if reason != self._loss_told:
            log.warning("ingest.broker.lost", reason=reason)
        self._loss_told = reason

    # keeping -------------------------------------------------------------------------------------------

    async def _keep_on(self) -> None:
        while True:
            await self._came.wait()
            await asyncio.sleep(LINGER_S if len(self._waiting) < LETTERS_PER_BATCH_MAX else 0)
            self._came.clear()
            while self._waiting:
                await self._keep_some()

    async def _keep_some(self) -> None:
        batch = self._waiting[:LETTERS_PER_BATCH_MAX]
        connection = self._connections
        found = sort_letters(
            [(each.topic, each.payload) for each in batch], self._register.devices, now_ms=_now_ms()
        )
        try:
            if found.rows:
                await poison.each_alone(self._desk, _keep, found.rows, what="pushed readings")
        except Unreachable as error:
            log.warning("ingest.database.away", error=str(error))
            await asyncio.sleep(AWAY_S)
            return
        if connection == self._connections:
            del self._waiting[: len(batch)]
            self._client.acknowledge([each.packet_id for each in batch])
            for name, why in found.refused:
                self._refusals.note(name, why=why)

    async def _take_on(self) -> None:
        """Take what is kept into readings; also what an ingest that was killed has left."""
        while True:
            taken = 0
            try:
                taken, broke = await self._takers_desk.run(_take_page)
                for error in broke:
                    await poison.told(self._desk, "a pushed reading", error)
            except Unreachable as error:
                log.warning("ingest.database.away", error=str(error))
            if taken < FULL_PAGE:
                await asyncio.sleep(TAKE_S)
            # To keep comes first: what waits at the broker may be lost, and what is kept is not.
            for _ in range(BURST_ROUNDS_MAX):
                if not self._waiting:
                    break
                await asyncio.sleep(TAKE_S)

    # life ----------------------------------------------------------------------------------------------

    async def _learn_on(self) -> None:
        while True:
            await asyncio.sleep(REGISTRY_S)
            try:
                await self._learn()
            except Unreachable as error:
                log.warning("ingest.database.away", error=str(error))

    async def _learn(self) -> None:
        # Beside the taking: who keeps would wait while a hundred thousand meters are read.
        self._register = await self._takers_desk.run(partial(registered, known=self._register))

    async def _beat_on(self) -> None:
        name, started = name_of("ingest"), wiring.now()
        while True:
            refused = dict(self._refusals.times)
            alarms = [
                Alarm(kind=why, subject=subject, detail=f"{times} letters not taken", at=wiring.now())
                for (subject, why), times in refused.items()
                if self._told.get((subject, why)) != times
            ]
            sign = beating.Beat(role="ingest", instance=name, started_at=started, at=wiring.now())
            try:
                await self._desk.run(partial(beating.beat, sign=sign, ends={}, alarms=alarms))
            except Unreachable as error:
                log.warning("ingest.database.away", error=str(error))
            else:
                self._told = refused
            await asyncio.sleep(BEAT_S)


def registered(store: PostgresStore, *, known: Register) -> Register:
    """Return the devices that are entered; what is `known` where they are what they were."""
    with store.transaction() as tx:
        mark = registry.mark(tx)
        if mark == known.mark:
            return known
        ends = {each.endpoint_id: each for each in tx.endpoints() if each.bearer is Bearer.MQTT}
        ways, meters = tx.roads.ways(), tx.meters()
    behind: dict[str, dict[str, int]] = {each.address: {} for each in ends.values()}
    for meter in meters:
        for way in ways.get(meter.meter_id, ()):
            if way.endpoint_id in ends:
                behind[ends[way.endpoint_id].address][meter.meter_no] = meter.meter_id
    devices = {
        end.address: Device(tenant=str(end.organisation_id), meter_ids=behind[end.address])
        for end in ends.values()
    }
    return Register(mark=mark, devices=devices)


def registers_of(rows: Sequence[tuple[int, PushedReading]]) -> "Registers":
    """Return pushed registers as columns."""
    # Numpy takes its memory when the first register comes, and not when the house comes up.
    import numpy as np

    from compuerta.drivers.abilities import Relay
    from compuerta.services.charge_columns import NONE
    from compuerta.services.deducting import RELAYS, Registers

    places: dict[str | None, int] = {relay.value: RELAYS.index(relay) for relay in Relay}
    places[None] = NONE

    def column(values: Iterable[int]) -> "Int64s":
        return np.fromiter(values, np.int64, len(rows))

    return Registers(
        meter_id=column(meter_id for meter_id, _ in rows),
        at_us=column(each.ts_ms * 1_000 for _, each in rows),
        energy_wh=column(each.energy_wh for _, each in rows),
        relay=column(places[each.relay] for _, each in rows),
        power_w=column(NONE if each.power_w is None else each.power_w for _, each in rows),
    )


def _keep(store: PostgresStore, *, items: Sequence[tuple[int, PushedReading]]) -> None:
    from compuerta.adapters.postgres import pushed

    pushed.keep(store, registers_of(items))


def _take_page(store: PostgresStore) -> tuple[int, list[Exception]]:
    """Take what was kept, a page of it, and tell how much that was, and which meters' registers broke it."""
    import numpy as np

    from compuerta.adapters.postgres import bulk, pushed

    broke: list[Exception] = []
    with pushed.taking_alone(store) as is_ours:
        page = pushed.next_page(store) if is_ours else None
        if page is None:
            return 0, broke
        told, now = page.registers, wiring.now()
        try:
            bulk.take_registers(store, told, now=now)
        except Unreachable:
            raise
        except Exception:
            # A register that meets a defect of ours costs itself, and not those of all other meters.
            for meter_id in np.unique(told.meter_id):
                try:
                    bulk.take_registers(store, told.at(told.meter_id == meter_id), now=now)
                except Unreachable:
                    raise
                except Exception as error:
                    broke.append(error)
        pushed.forget(store, page)
        return len(page.pushed_id), broke


def taken_slot(directory: Path) -> Slot:
    """Return the first place that no other ingest of this directory has; refuses when there are too many.

    By its place an ingest has a name that outlives it: what the broker keeps for it finds its successor.
    """
    for number in range(1, SLOTS_MAX + 1):
        lock = (directory / f"ingest-{number}.lock").open("w")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.close()
        else:
            return Slot(number=number, lock=lock)
    raise IngestsTooMany


def _client(broker: Broker, ingest: Ingest, *, name: str) -> MqttClient:
    opening = Connect(
        client_id=name,
        user=broker.user,
        password=broker.password.encode(),
        clean_start=False,
        session_expiry_s=SESSION_EXPIRY_S,
        receive_max=UNACKNOWLEDGED_MAX,
    )
    return MqttClient(broker, opening, filters=[shared(GROUP, Direction.UP)], listener=ingest)


def _now_ms() -> int:
    return int(wiring.now().timestamp() * 1_000)
