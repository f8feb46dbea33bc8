"""A device behind our own broker, and the head's link to it: the MQTT road of the link's contract."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from compuerta.adapters.links.mqtt_client import Broker, MqttClient, MqttListener
from compuerta.apps.roadheads.mqtt import MqttHead
from compuerta.domain.party import Bearer, RoadKind
from compuerta.domain.road import RoadSign
from compuerta.services.link_port import Link
from compuerta.services.records import Endpoint
from compuerta.virtual.broker import PLATFORM, BrokerServer, Guests
from compuerta.wire.mqtt.packets import Connect, Publish
from compuerta.wire.mqtt.session import Heard
from compuerta.wire.pm.letters import (
    Answer,
    Command,
    Encoding,
    Event,
    Readings,
    What,
    command_from,
    encode,
)
from compuerta.wire.pm.topics import Direction, topic

WORDS = {PLATFORM: "the platform's word", "mq-1": "one", "mq-2": "two"}
PATIENCE_S = 5.0


def an_end(device: str = "mq-1", *, contact_s: int | None = None) -> Endpoint:
    return Endpoint(
        endpoint_id=f"end-of-{device}",
        organisation_id=1,
        road=RoadKind.MOBILE_4G,
        bearer=Bearer.MQTT,
        address=device,
        contact_s=contact_s,
    )


@dataclass
class Keeper:
    """A gateway's side that keeps what it is given."""

    links: asyncio.Queue[tuple[str, Link]] = field(default_factory=asyncio.Queue)
    signs: asyncio.Queue[RoadSign] = field(default_factory=asyncio.Queue)

    def opened(self, endpoint_id: str, link: Link) -> None:
        self.links.put_nowait((endpoint_id, link))

    def signalled(self, endpoint_id: str, sign: RoadSign) -> None:
        self.signs.put_nowait(sign)

    def civil_now(self, endpoint_id: str) -> None:
        return None


@dataclass
class Pen:
    """A device that writes what a test wants, and keeps what it hears."""

    device: str
    client: MqttClient | None = None
    is_here: asyncio.Event = field(default_factory=asyncio.Event)
    commands: asyncio.Queue[tuple[Command, Encoding]] = field(default_factory=asyncio.Queue)
    arrivals: asyncio.Queue[int] = field(default_factory=asyncio.Queue)
    losses: asyncio.Queue[str] = field(default_factory=asyncio.Queue)
    seq: int = 0
    is_polite: bool = True  # it answers knocks, which are then not kept

    def connected(self) -> None:
        self.is_here.set()

    def heard(self, message: Heard) -> None:
        assert self.client is not None
        self.client.acknowledge([message.packet_id])
        command, encoding = command_from(message.payload)
        if self.is_polite and not command.frame:
            self.answer(command, b"")
        else:
            self.commands.put_nowait((command, encoding))

    def arrived(self, packet_id: int, reason: int) -> None:
        self.arrivals.put_nowait(reason)

    def ended(self, reason: str) -> None:
        self.is_here.clear()
        self.losses.put_nowait(reason)

    def say(
        self,
        direction: Direction,
        letter: Answer | Event | Readings,
        *,
        encoding: Encoding = Encoding.JSON,
        tenant: str = "1",
        device: str | None = None,
    ) -> None:
        assert self.client is not None
        name = topic(tenant, device or self.device, direction)
        self.client.publish(Publish(topic=name, payload=encode(letter, encoding), qos=1))

    def tell(self, what: What, *, frame: bytes = b"") -> None:
        self.seq += 1
        self.say(Direction.EVENT, Event(seq=self.seq, ts_ms=1, what=what, frame=frame))

    def answer(self, command: Command, frame: bytes, *, encoding: Encoding = Encoding.JSON) -> None:
        self.seq += 1
        letter = Answer(seq=self.seq, ts_ms=1, cid=command.cid, frame=frame)
        self.say(Direction.ANSWER, letter, encoding=encoding)


@asynccontextmanager
async def a_broker(*, port: int = 0) -> AsyncIterator[tuple[BrokerServer, int]]:
    """Our own broker on a free port, or on one that it had before."""
    broker = BrokerServer(Guests(words=WORDS))
    try:
        yield broker, await broker.open(host="127.0.0.1", port=port)
    finally:
        await broker.shut()


@asynccontextmanager
async def a_device(broker: Broker, device: str) -> AsyncIterator[Pen]:
    """A device that is connected and listens to its commands."""
    pen = Pen(device)
    will = Publish(
        topic=topic("1", device, Direction.EVENT),
        payload=encode(Event(seq=0, ts_ms=0, what=What.OFFLINE), Encoding.JSON),
        qos=1,
    )
    opening = Connect(client_id=device, user=device, password=broker.password.encode(), will=will)
    filters = [topic("1", device, Direction.COMMAND)]
    async with running(MqttClient(broker, opening, filters=filters, listener=_listening(pen))) as client:
        pen.client = client
        async with asyncio.timeout(PATIENCE_S):
            await pen.is_here.wait()
        yield pen


def _listening(pen: Pen) -> MqttListener:
    return pen


@asynccontextmanager
async def running(subject: MqttClient) -> AsyncIterator[MqttClient]:
    """Let a client run until the block ends."""
    task = asyncio.create_task(subject.run())
    try:
        yield subject
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@asynccontextmanager
async def a_head(broker: Broker, *ends: Endpoint) -> AsyncIterator[tuple[MqttHead, Keeper]]:
    """A gateway's head that knows some ends."""
    keeper = Keeper()
    head = MqttHead(keeper, broker=broker)
    head.learn(ends)
    task = asyncio.create_task(head.run())
    try:
        yield head, keeper
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await head.shut()


def at(port: int, user: str) -> Broker:
    return Broker(host="127.0.0.1", port=port, user=user, password=WORDS[user])
