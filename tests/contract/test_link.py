"""What every link promises: memory, TCP with a registered dialer, a serial port on a pty, MQTT, CoAP,
a converter that is dialed.

Each road gives a near end, which is the link under test, and a far end to say and to hear by.
"""

import asyncio
import os
import tty
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field

import pytest
from tests.contract import coap_road, dial_out_road, mqtt_road, operator_road, outposts
from tests.contract.wire import a_wire

from compuerta.adapters.links import registration, serial_bus, tcp_server
from compuerta.adapters.links.ear import EARLY_BYTES_MAX
from compuerta.services.link_port import Link
from compuerta.virtual.broker import PLATFORM
from compuerta.wire import acrel
from compuerta.wire.outpost import Kind
from compuerta.wire.pm.letters import FRAME_BYTES_MAX, What

PATIENCE_S = 5.0
FRAME = bytes.fromhex("68943521908855689106333435357B555E16")


@dataclass
class Ear:
    """A listener that keeps what it is told, and lets a test wait for it."""

    received: bytearray = field(default_factory=bytearray)
    losses: list[str] = field(default_factory=list)
    news: asyncio.Event = field(default_factory=asyncio.Event)

    def heard(self, data: bytes) -> None:
        self.received += data
        self.news.set()

    def lost(self, reason: str) -> None:
        self.losses.append(reason)
        self.news.set()

    async def until(self, is_so: Callable[["Ear"], bool]) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while not is_so(self):
                self.news.clear()
                await self.news.wait()


@dataclass
class Pair:
    """A link under test, and what its far end can do."""

    link: Link
    say: Callable[[bytes], object]
    hear: Callable[[int], Awaitable[bytes]]  # the next so many bytes
    hang_up: Callable[[], None]
    settle: Callable[[], Awaitable[None]]  # whatever was on its way has arrived


Road = Callable[[], AbstractAsyncContextManager[Pair]]


async def a_few_turns() -> None:
    """Let the event loop come round often enough for loopback bytes and callbacks."""
    for _ in range(20):
        await asyncio.sleep(0)


@asynccontextmanager
async def memory() -> AsyncIterator[Pair]:
    near, far = a_wire()
    ear = Ear()
    far.attach(ear)

    async def hear(count: int) -> bytes:
        await ear.until(lambda ear: len(ear.received) >= count)
        return bytes(ear.received)

    yield Pair(link=near, say=far.write, hear=hear, hang_up=far.shut, settle=a_few_turns)


@asynccontextmanager
async def tcp() -> AsyncIterator[Pair]:
    dialed: asyncio.Queue[Link] = asyncio.Queue()
    profile = registration.DialProfile(registration=registration.template("CPT1:{imei}"))
    server = tcp_server.TcpServer(
        [profile], is_known=lambda _: True, dialed=lambda _, link: dialed.put_nowait(link)
    )
    port = await server.open(host="127.0.0.1", port=0)
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"CPT1:860123456789012")
    async with asyncio.timeout(PATIENCE_S):
        link = await dialed.get()
    try:
        yield Pair(
            link=link, say=writer.write, hear=reader.readexactly, hang_up=writer.close, settle=a_few_turns
        )
    finally:
        writer.close()
        await server.shut()


@asynccontextmanager
async def acrel_module() -> AsyncIterator[Pair]:
    dialed: asyncio.Queue[Link] = asyncio.Queue()
    server = tcp_server.TcpServer([], is_known=lambda _: True, dialed=lambda _, link: dialed.put_nowait(link))
    port = await server.open(host="127.0.0.1", port=0)
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(acrel.encode(acrel.Frame(command=0x84, body=b"1".ljust(20, b"\0") + b"8".ljust(38, b"\0"))))
    async with asyncio.timeout(PATIENCE_S):
        link = await dialed.get()
        await reader.readexactly(len(acrel.encode(acrel.Frame(command=0x84))))  # the login is answered

    def say(octets: bytes) -> None:
        for at in range(0, len(octets), 500):
            writer.write(acrel.carry(octets[at : at + 500]))

    async def hear(count: int) -> bytes:
        (frame,) = acrel.Deframer().receive(await reader.readexactly(count + 7), now_ms=0)
        return frame.body

    try:
        yield Pair(link=link, say=say, hear=hear, hang_up=writer.close, settle=a_few_turns)
    finally:
        writer.close()
        await server.shut()


@asynccontextmanager
async def serial() -> AsyncIterator[Pair]:
    master, slave = os.openpty()
    tty.setraw(master)
    opened: asyncio.Queue[Link] = asyncio.Queue()
    bus = serial_bus.SerialBus(os.ttyname(slave), opened=opened.put_nowait, not_opened=refuse_to_go_on)
    running = asyncio.create_task(bus.run())
    async with asyncio.timeout(PATIENCE_S):
        link = await opened.get()
    ear = Ear()
    loop = asyncio.get_running_loop()
    loop.add_reader(master, lambda: ear.heard(os.read(master, 4096)))
    descriptors = [master, slave]

    async def hear(count: int) -> bytes:
        await ear.until(lambda ear: len(ear.received) >= count)
        return bytes(ear.received)

    def hang_up() -> None:
        loop.remove_reader(master)
        while descriptors:
            os.close(descriptors.pop())

    try:
        yield Pair(
            link=link, say=lambda said: os.write(master, said), hear=hear, hang_up=hang_up, settle=a_few_turns
        )
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        if descriptors:
            hang_up()


@asynccontextmanager
async def mqtt() -> AsyncIterator[Pair]:
    async with (
        mqtt_road.a_broker() as (_, port),
        mqtt_road.a_device(mqtt_road.at(port, "mq-1"), "mq-1") as device,
        mqtt_road.a_head(mqtt_road.at(port, PLATFORM), mqtt_road.an_end()) as (_, keeper),
    ):
        async with asyncio.timeout(PATIENCE_S):
            _, link = await keeper.links.get()

        async def hear(count: int) -> bytes:
            heard = b""
            async with asyncio.timeout(PATIENCE_S):
                while len(heard) < count:
                    heard += (await device.commands.get())[0].frame
            return heard

        def say(said: bytes) -> None:
            for at in range(0, len(said), FRAME_BYTES_MAX):
                device.tell(What.FRAME, frame=said[at : at + FRAME_BYTES_MAX])

        async def settle() -> None:
            if device.is_here.is_set():
                device.tell(What.SIGNAL)
                async with asyncio.timeout(PATIENCE_S):
                    await keeper.signs.get()

        assert device.client is not None
        yield Pair(link=link, say=say, hear=hear, hang_up=device.client.drop, settle=settle)


@asynccontextmanager
async def operator() -> AsyncIterator[Pair]:
    async with operator_road.operated() as scene:
        scene.say(b"")
        link = await scene.link()

        def hang_up() -> None:
            scene.roads.learn({})
            scene.said = 0  # nothing more is taken

        yield Pair(link=link, say=scene.say, hear=scene.hear, hang_up=hang_up, settle=scene.settle)


@asynccontextmanager
async def coap() -> AsyncIterator[Pair]:
    end = coap_road.an_end()
    async with (
        coap_road.a_house(end, secured=True) as house,
        coap_road.a_radio(house, key=coap_road.key_of(end)) as radio,
    ):
        radio.contact()
        link = await house.link()

        async def hear(count: int) -> bytes:
            await radio.until(lambda: len(radio.told) >= count)
            return radio.told

        async def settle() -> None:
            if radio.device.is_registered:
                await radio.until(lambda: radio.device.is_quiet)
            await a_few_turns()

        await radio.until(lambda: radio.device.is_watched)
        yield Pair(link=link, say=radio.tell, hear=hear, hang_up=radio.leave, settle=settle)


@asynccontextmanager
async def dialed_out() -> AsyncIterator[Pair]:
    async with dial_out_road.a_converter() as far:
        yield Pair(
            link=far.link,
            say=far.writer.write,
            hear=far.reader.readexactly,
            hang_up=far.writer.close,
            settle=a_few_turns,
        )


@asynccontextmanager
async def outpost() -> AsyncIterator[Pair]:
    async with outposts.a_pair() as pair:
        link = await outposts.lent(pair)

        async def hear(count: int) -> bytes:
            await pair.tenant.news.until(lambda: len(pair.tenant.octets) >= count)
            return bytes(pair.tenant.octets)

        async def settle() -> None:
            for _ in range(10):
                await a_few_turns()

        yield Pair(
            link=link,
            say=lambda said: pair.client.send(Kind.HEARD, line=1, payload=said),
            hear=hear,
            hang_up=lambda: pair.client.send(Kind.WITHDRAW, line=1),
            settle=settle,
        )


def refuse_to_go_on(error: serial_bus.PortNotOpened) -> None:
    pytest.fail(str(error))


def play(scene: Coroutine[None, None, None]) -> None:
    asyncio.run(scene)


ROADS = pytest.mark.parametrize(
    "road", [memory, tcp, acrel_module, serial, mqtt, coap, operator, dialed_out, outpost]
)


@ROADS
def test_bytes_travel_both_ways(road: Road) -> None:
    async def scene() -> None:
        async with road() as pair:
            ear = Ear()
            pair.link.attach(ear)

            pair.link.write(FRAME)
            heard_there = await pair.hear(len(FRAME))
            pair.say(FRAME + FRAME)
            await ear.until(lambda ear: len(ear.received) >= 2 * len(FRAME))

            assert heard_there == FRAME
            assert bytes(ear.received) == FRAME + FRAME
            assert ear.losses == []

    play(scene())


@ROADS
def test_what_comes_before_anybody_listens_is_kept(road: Road) -> None:
    async def scene() -> None:
        async with road() as pair:
            ear = Ear()
            pair.say(FRAME)
            await pair.settle()

            pair.link.attach(ear)
            await ear.until(lambda ear: len(ear.received) >= len(FRAME))

            assert bytes(ear.received) == FRAME

    play(scene())


@ROADS
def test_what_is_kept_for_nobody_is_bounded(road: Road) -> None:
    async def scene() -> None:
        async with road() as pair:
            ear = Ear()
            for _ in range(4):
                pair.say(bytes(1_500))
                await pair.settle()

            pair.link.attach(ear)
            await ear.until(lambda ear: bool(ear.received))

            assert 0 < len(ear.received) <= EARLY_BYTES_MAX

    play(scene())


@ROADS
def test_a_far_end_that_hangs_up_is_told_once(road: Road) -> None:
    async def scene() -> None:
        async with road() as pair:
            ear = Ear()
            pair.link.attach(ear)

            pair.hang_up()
            await ear.until(lambda ear: bool(ear.losses))
            pair.link.write(FRAME)
            pair.link.shut()
            await pair.settle()

            assert len(ear.losses) == 1
            assert bytes(ear.received) == b""

    play(scene())


@ROADS
def test_after_we_shut_it_nothing_is_told_and_nothing_is_sent(road: Road) -> None:
    async def scene() -> None:
        async with road() as pair:
            ear = Ear()
            pair.link.attach(ear)

            pair.link.shut()
            pair.link.shut()
            pair.link.write(FRAME)
            pair.say(FRAME)
            await pair.settle()

            assert bytes(ear.received) == b""
            assert ear.losses == []

    play(scene())
