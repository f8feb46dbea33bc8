"""Meters behind a broker: each device is an MQTT client that obeys letters and answers them.

It drops what is over (`exp`) and what it has seen (`cid`), says `online` when it comes, and leaves a will
that says `offline`. It keeps its session, so that a short loss of the network costs no command.
"""

import asyncio
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from random import Random
from typing import Final

from compuerta.virtual.faults import Faults
from compuerta.virtual.fleet.fields import Json
from compuerta.virtual.fleet.wire import Wire
from compuerta.virtual.fleet.world import World, unix_ms
from compuerta.virtual.meter.peer import VirtualMeter
from compuerta.wire.mqtt import session as mqtt
from compuerta.wire.mqtt.packets import PACKET_BYTES_MAX, Connect, Publish
from compuerta.wire.pm.letters import (
    Answer,
    Command,
    Encoding,
    Event,
    ProtocolError,
    PushedReading,
    Readings,
    What,
    command_from,
    encode,
)
from compuerta.wire.pm.topics import Direction, topic

CONNECT_S_MAX: Final = 10.0
SEEN_MAX: Final = 64  # commands that are remembered, so that one is not obeyed twice
SESSION_EXPIRY_S: Final = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class MqttPlan:
    """Where devices find their broker, and how they behave."""

    host: str
    port: int
    tenant: str = "1"
    encoding: str = "json"
    keep_alive_s: int = 60
    one_way_ms: int = 0  # of the mobile network, each way
    answer_delay_ms: tuple[int, int] = (20, 100)  # Td: from the request to the meter's first byte
    readings_s: float = 0.0  # how often registers are pushed; 0 = never
    csq: int = 0  # how well the mast is heard; 0 = the device does not say
    redial_s_min: float = 1.0
    redial_s_max: float = 60.0


class MqttDevice:
    """Will keep one connection to the broker for the meters behind it, until it is shut; see `Road`."""

    def __init__(
        self,
        meters: Sequence[VirtualMeter],
        *,
        name: str,
        secret: str,
        plan: MqttPlan,
        world: World,
        chance: Random,
    ) -> None:
        self.meters = tuple(meters)
        self.faults = Faults()
        self.connected = False
        self.name = name
        self.plan = plan
        self._secret = secret
        self._world = world
        self._chance = chance
        self._wire = Wire(connector="mqtt", world=world, chance=chance, answer_delay_ms=plan.answer_delay_ms)
        self._seq = 0
        self._seen: deque[str] = deque(maxlen=SEEN_MAX)
        self._call: _Call | None = None
        self._cut = False
        self._power = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self.power_changed()

    def start(self) -> None:
        """See `Road`."""
        self._task = asyncio.get_running_loop().create_task(self._keep_connected())

    async def shut(self) -> None:
        """See `Road`."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        self.hang_up()

    def hang_up(self) -> None:
        """See `Road`; the broker tells the will."""
        if self._call is not None:
            self._call.abort()

    def set_cut(self, cut: bool) -> None:
        """See `Road`."""
        self._cut = cut
        self.power_changed()

    def power_changed(self) -> None:
        """See `Road`."""
        if not self._cut and any(meter.core.powered for meter in self.meters):
            self._power.set()
        else:
            self._power.clear()
            self.hang_up()

    def push(self) -> None:
        """See `Road`."""
        for meter in self.meters:
            meter.advance(to_ms=self._world.now_ms())
            if octets := meter.take_push():
                self.tell(What.FRAME, frame=octets)

    def state(self) -> Mapping[str, Json]:
        """See `Road`."""
        meters: list[Json] = [meter.meter_no for meter in self.meters]
        return {"kind": "mqtt", "connected": self.connected, "meters": meters}

    def opening(self) -> Connect:
        """Return how the device says who it is."""
        will = Event(seq=0, ts_ms=0, what=What.OFFLINE)
        return Connect(
            client_id=self.name,
            user=self.name,
            password=self._secret.encode(),
            keep_alive_s=self.plan.keep_alive_s,
            clean_start=False,
            session_expiry_s=SESSION_EXPIRY_S,
            will=Publish(topic=self.topic(Direction.EVENT), payload=encode(will, Encoding.JSON), qos=1),
        )

    def topic(self, direction: Direction) -> str:
        """Return one of the device's own topics."""
        return topic(self.plan.tenant, self.name, direction)

    def tell(self, what: What, *, frame: bytes = b"", csq: int | None = None) -> None:
        """Say an event."""
        self._seq += 1
        event = Event(seq=self._seq, ts_ms=self._now_ms(), what=what, frame=frame, csq=csq)
        self._publish(Direction.EVENT, event)

    def came(self) -> None:
        """Say that the device is here, and how well it hears the mast."""
        self.tell(What.ONLINE)
        if self.plan.csq:
            self.tell(What.SIGNAL, csq=self.plan.csq)

    def push_readings(self) -> None:
        """Say what the registers show."""
        self._seq += 1
        now_ms = self._now_ms()
        for meter in self.meters:
            meter.advance(to_ms=self._world.now_ms())
        readings = [
            PushedReading(
                meter_no=meter.meter_no,
                ts_ms=now_ms,
                energy_wh=meter.core.energy_wh,
                power_w=meter.core.power_w,
                relay=meter.core.relay.value,
            )
            for meter in self.meters
            if meter.core.powered and not meter.silent
        ]
        if readings:
            self._publish(Direction.UP, Readings(seq=self._seq, ts_ms=now_ms, readings=tuple(readings)))

    def obey(self, payload: bytes) -> None:
        """Do what a letter says, unless it is over, was obeyed before, or is no letter."""
        try:
            command, _ = command_from(payload)
        except ProtocolError:
            return
        if self._now_ms() >= command.exp_ms or command.cid in self._seen:
            return
        loop = asyncio.get_running_loop()
        if not command.frame:
            loop.call_later(self.plan.one_way_ms / 1_000, self._answer, command, b"")
            return
        self._seen.append(command.cid)
        for delivery in self._wire.exchange(self, command.frame):
            delay_s = (delivery.delay_ms + self.plan.one_way_ms) / 1_000
            loop.call_later(delay_s, self._answer, command, delivery.octets)

    def _answer(self, command: Command, frame: bytes) -> None:
        self._seq += 1
        self._publish(
            Direction.ANSWER, Answer(seq=self._seq, ts_ms=self._now_ms(), cid=command.cid, frame=frame)
        )

    def _publish(self, direction: Direction, letter: Answer | Event | Readings) -> None:
        if self._call is not None:
            encoding = Encoding[self.plan.encoding.upper()]
            self._call.publish(
                Publish(
                    topic=self.topic(direction),
                    payload=encode(letter, encoding),
                    qos=1,
                    content_type=encoding.value,
                )
            )

    def _now_ms(self) -> int:
        return unix_ms(self._world.real_at(self._world.now_ms()))

    async def _keep_connected(self) -> None:
        loop = asyncio.get_running_loop()
        wait_s = self.plan.redial_s_min
        while True:
            await self._power.wait()
            call = _Call(self)
            try:
                async with asyncio.timeout(CONNECT_S_MAX):
                    await loop.create_connection(partial(_same, call), self.plan.host, self.plan.port)
            except OSError:  # refused, unreachable, or timed out: the network's ways to say "not now"
                pass
            else:
                self._call, since_s = call, loop.time()
                try:
                    await call.over.wait()
                finally:
                    self._call, self.connected = None, False
                    call.abort()
                if loop.time() - since_s > self.plan.redial_s_max:
                    wait_s = self.plan.redial_s_min
            # Half of the wait is luck, so that a thousand devices do not come in the same instant.
            await asyncio.sleep(wait_s * (0.5 + self._chance.random() / 2))
            wait_s = min(wait_s * 2, self.plan.redial_s_max)


def _same(call: "_Call") -> "_Call":
    return call


class _Call(asyncio.Protocol):
    """One connection. (It inherits, since asyncio gives its callbacks to nothing else.)"""

    def __init__(self, device: MqttDevice) -> None:
        self.over = asyncio.Event()
        self._device = device
        self._session = mqtt.ClientSession(device.opening(), packet_bytes_max=PACKET_BYTES_MAX)
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._push: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See `asyncio.Protocol`."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._session.begin(now_ms=self._now_ms())
        self._pump()

    def data_received(self, data: bytes) -> None:
        """See `asyncio.Protocol`."""
        for event in self._session.receive(data, now_ms=self._now_ms()):
            self._tell(event)
        self._pump()

    def connection_lost(self, exc: Exception | None) -> None:
        """See `asyncio.Protocol`."""
        self.abort()

    def publish(self, message: Publish) -> None:
        """Send a message."""
        self._session.publish(message, now_ms=self._now_ms())
        self._pump()

    def abort(self) -> None:
        """Break the connection without a word."""
        transport, self._transport = self._transport, None
        for timer in (self._timer, self._push):
            if timer is not None:
                timer.cancel()
        if transport is not None:
            transport.abort()
        self.over.set()

    def _tell(self, event: mqtt.Event) -> None:
        device = self._device
        match event:
            case mqtt.Connected():
                self._session.subscribe([device.topic(Direction.COMMAND)], now_ms=self._now_ms())
            case mqtt.Subscribed():
                device.connected = True
                device.came()
                self._schedule_push()
            case mqtt.Heard(payload=payload, packet_id=packet_id):
                self._session.acknowledge([packet_id], now_ms=self._now_ms())
                self._loop.call_later(device.plan.one_way_ms / 1_000, device.obey, payload)
            case mqtt.Ended():
                self.abort()
            case mqtt.Arrived():
                pass  # who tells and is not heard tells again, with the next reading

    def _schedule_push(self) -> None:
        if self._device.plan.readings_s > 0:
            self._push = self._loop.call_later(self._device.plan.readings_s, self._push_readings)

    def _push_readings(self) -> None:
        self._device.push_readings()
        self._schedule_push()

    def _pump(self) -> None:
        outgoing = self._session.take_bytes()
        if self._transport is not None and outgoing:
            self._transport.write(outgoing)
        if self._timer is not None:
            self._timer.cancel()
        wake_at_ms = self._session.wake_at_ms()
        if wake_at_ms is not None and self._transport is not None:
            self._timer = self._loop.call_at(wake_at_ms / 1_000, self._wake)

    def _wake(self) -> None:
        for event in self._session.wake(self._now_ms() + 1):
            self._tell(event)
        self._pump()

    def _now_ms(self) -> int:
        return int(self._loop.time() * 1_000)
