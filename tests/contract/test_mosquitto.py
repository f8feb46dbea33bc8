"""A real mosquitto, by the files that we write: it lets in whom it should, and refuses everybody else."""

import asyncio
import signal
from collections.abc import Coroutine, Iterator
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

import pytest
from tests.contract.mosquitto import Mosquitto, a_mosquitto
from tests.contract.mqtt_road import PATIENCE_S, Pen, a_device, a_head, an_end, running

from compuerta.adapters.links.mqtt_client import Broker, MqttClient
from compuerta.apps import broker_files
from compuerta.apps.broker_files import PLATFORM
from compuerta.wire.mqtt.packets import Connect, Publish, Reason
from compuerta.wire.mqtt.session import Heard
from compuerta.wire.pm.letters import Command, Encoding, Event, What, encode
from compuerta.wire.pm.topics import Direction, shared, topic

pytestmark = pytest.mark.slow
FRAME = bytes.fromhex("68943521908855689106333435357B555E16")


@pytest.fixture(scope="module")
def mosquitto(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mosquitto]:
    with a_mosquitto(tmp_path_factory.mktemp("mosquitto"), an_end("mq-1"), an_end("mq-2")) as broker:
        yield broker


def play(scene: Coroutine[None, None, None]) -> None:
    asyncio.run(scene)


def opening(broker: Broker, *, session_expiry_s: int = 0) -> Connect:
    return Connect(
        client_id=f"{broker.user}-{uuid4().hex[:6]}" if broker.user == PLATFORM else broker.user,
        user=broker.user,
        password=broker.password.encode(),
        clean_start=not session_expiry_s,
        session_expiry_s=session_expiry_s,
    )


async def refusal(broker: Broker) -> str:
    """Come to the broker, and return why one was not let in."""
    pen = Pen(broker.user)
    async with running(MqttClient(broker, opening(broker), filters=["pm/v1/1/x/cmd"], listener=pen)):
        async with asyncio.timeout(PATIENCE_S):
            return await pen.losses.get()


def test_a_frame_travels_to_a_device_and_back(mosquitto: Mosquitto) -> None:
    async def scene() -> None:
        async with (
            a_device(mosquitto.at("mq-1"), "mq-1") as device,
            a_head(mosquitto.at(PLATFORM), an_end()) as (_, keeper),
            asyncio.timeout(PATIENCE_S),
        ):
            _, link = await keeper.links.get()
            heard = asyncio.Queue[bytes]()
            link.attach(Listening(heard))

            link.write(FRAME)
            command, _ = await device.commands.get()
            device.answer(command, FRAME[::-1])

            assert command.frame == FRAME
            assert await heard.get() == FRAME[::-1]

    play(scene())


class Listening:
    """A listener that queues what it hears."""

    def __init__(self, heard: asyncio.Queue[bytes]) -> None:
        self._heard = heard

    def heard(self, data: bytes) -> None:
        self._heard.put_nowait(data)

    def lost(self, reason: str) -> None:
        self._heard.put_nowait(reason.encode())


def test_a_wrong_key_is_not_let_in(mosquitto: Mosquitto) -> None:
    assert asyncio.run(refusal(mosquitto.at("mq-1", word="guessed"))) == "key_refused"
    assert asyncio.run(refusal(mosquitto.at("mq-1", word=mosquitto.words["mq-2"]))) == "key_refused"
    assert asyncio.run(refusal(mosquitto.at("nobody", word="x"))) == "key_refused"


def test_we_do_not_speak_to_a_broker_whose_certificate_nobody_vouches_for(mosquitto: Mosquitto) -> None:
    assert asyncio.run(refusal(mosquitto.at(PLATFORM, ca=False))) == "certificate_refused"


def test_a_device_speaks_under_no_topic_but_its_own(mosquitto: Mosquitto) -> None:
    async def scene() -> None:
        letter = Event(seq=1, ts_ms=1, what=What.ONLINE)
        async with (
            a_device(mosquitto.at("mq-1"), "mq-1") as device,
            a_head(mosquitto.at(PLATFORM), an_end("mq-2")) as (_, keeper),
            asyncio.timeout(PATIENCE_S),
        ):
            device.say(Direction.EVENT, letter, device="mq-2")
            device.say(Direction.COMMAND, letter)
            device.say(Direction.EVENT, letter)

            said = [await device.arrivals.get() for _ in range(3)]
            assert said[:2] == [Reason.NOT_AUTHORIZED] * 2
            assert said[2] in (Reason.SUCCESS, Reason.NOBODY_SUBSCRIBED)
            assert keeper.links.empty()

    play(scene())


def test_a_device_hears_no_commands_but_its_own(mosquitto: Mosquitto) -> None:
    async def scene() -> None:
        ear = Pen("mq-1", is_polite=False)
        filters = [topic("1", "mq-2", Direction.COMMAND), topic("1", "mq-1", Direction.COMMAND), "#"]
        spying = MqttClient(
            mosquitto.at("mq-1"), opening(mosquitto.at("mq-1")), filters=filters, listener=ear
        )
        ear.client = spying
        ends = an_end("mq-2"), an_end("mq-1")
        async with running(spying), asyncio.timeout(PATIENCE_S):
            await ear.is_here.wait()
            async with a_head(mosquitto.at(PLATFORM), *ends):
                # The head knocks at mq-2 and at mq-1; the filters overlap, so its own may come twice.
                await ear.commands.get()
                await asyncio.sleep(0.3)

        assert ear.commands.qsize() <= 1

    play(scene())


def test_a_key_that_is_taken_back_opens_nothing_and_ends_what_it_had_opened(tmp_path: Path) -> None:
    async def scene(broker: Mosquitto) -> None:
        old = broker.at("mq-1")
        async with a_device(old, "mq-1") as device:
            assert broker.write(replace(an_end("mq-1"), key_generation=2), an_end("mq-2"))
            assert broker.process is not None
            broker.process.send_signal(signal.SIGHUP)

            async with asyncio.timeout(PATIENCE_S):
                await device.losses.get()

        assert await refusal(old) == "key_refused"
        async with a_device(broker.at("mq-1"), "mq-1") as renewed:
            assert renewed.is_here.is_set()

    with a_mosquitto(tmp_path, an_end("mq-1"), an_end("mq-2")) as broker:
        play(scene(broker))


def test_after_a_restart_of_the_broker_devices_are_found_again(tmp_path: Path) -> None:
    async def scene(broker: Mosquitto) -> None:
        async with (
            a_device(broker.at("mq-1"), "mq-1") as device,
            a_head(broker.at(PLATFORM), an_end()) as (_, keeper),
            asyncio.timeout(4 * PATIENCE_S),
        ):
            _, link = await keeper.links.get()
            told = asyncio.Queue[bytes]()
            link.attach(Listening(told))

            broker.end()
            # Which comes first is luck: the device's will, or the end of our own connection.
            assert await told.get() in (b"broker_gone", b"device_gone")
            await device.losses.get()
            broker.start()
            await device.is_here.wait()
            device.tell(What.ONLINE)
            _, again = await keeper.links.get()

            assert again is not link

    with a_mosquitto(tmp_path, an_end("mq-1")) as broker:
        play(scene(broker))


def test_a_device_that_was_away_finds_what_is_still_good_and_nothing_that_is_over(tmp_path: Path) -> None:
    async def scene(broker: Mosquitto) -> None:
        at_device = broker.at("mq-1")
        wanted = [topic("1", "mq-1", Direction.COMMAND)]
        first, second = Pen("mq-1"), Pen("mq-1")
        session = opening(at_device, session_expiry_s=300)
        async with running(MqttClient(at_device, session, filters=wanted, listener=first)):
            async with asyncio.timeout(PATIENCE_S):
                await first.is_here.wait()
        platform = Pen(PLATFORM)
        client = MqttClient(
            broker.at(PLATFORM), opening(broker.at(PLATFORM)), filters=["pm/v1/1/x/ev"], listener=platform
        )
        async with running(client), asyncio.timeout(PATIENCE_S):
            await platform.is_here.wait()
            for expiry_s, mark in ((1, "over"), (60, "good")):
                client.publish(Publish(topic=wanted[0], payload=a_letter(mark), qos=1, expiry_s=expiry_s))
                assert await platform.arrivals.get() == 0
        # The broker restarts while they wait: what is persistent is its matter, what is over is over.
        broker.end()
        await asyncio.sleep(2.1)  # it counts whole seconds
        broker.start()
        device = MqttClient(at_device, session, filters=wanted, listener=second)
        second.client = device
        async with running(device), asyncio.timeout(PATIENCE_S):
            command, _ = await second.commands.get()
            await second.is_here.wait()

        assert command.cid == "good"
        assert second.commands.empty()

    with a_mosquitto(tmp_path, an_end("mq-1")) as broker:
        play(scene(broker))


def a_letter(mark: str) -> bytes:
    return encode(Command(seq=1, ts_ms=1, cid=mark, exp_ms=2, frame=FRAME), Encoding.CBOR)


def test_listeners_of_one_group_share_what_is_said(mosquitto: Mosquitto) -> None:
    async def scene() -> None:
        heard: list[set[bytes]] = [set(), set()]
        news = asyncio.Queue[None]()
        platform = mosquitto.at(PLATFORM)
        clients = []
        for mine in heard:
            listener = Sharing(mine, news)
            client = MqttClient(
                platform, opening(platform), filters=[shared("ingest", Direction.UP)], listener=listener
            )
            listener.client = client
            clients.append((client, listener))
        async with (
            running(clients[0][0]),
            running(clients[1][0]),
            a_device(mosquitto.at("mq-2"), "mq-2") as device,
            asyncio.timeout(PATIENCE_S),
        ):
            for _, listener in clients:
                await listener.is_here.wait()
            assert device.client is not None
            for number in range(20):
                name = topic("1", "mq-2", Direction.UP)
                device.client.publish(Publish(topic=name, payload=b"%d" % number, qos=1))
            for _ in range(20):
                await news.get()

        assert not heard[0] & heard[1]
        assert min(map(len, heard)) > 0

    play(scene())


class Sharing(Pen):
    """A listener that keeps payloads as they are."""

    def __init__(self, kept: set[bytes], news: "asyncio.Queue[None]") -> None:
        super().__init__("")
        self._kept = kept
        self._news = news

    def heard(self, message: Heard) -> None:
        assert self.client is not None
        self._kept.add(message.payload)
        self._news.put_nowait(None)
        self.client.acknowledge([message.packet_id])


def test_the_files_are_for_nobody_elses_eyes_and_stay_as_they_are(tmp_path: Path) -> None:
    broker = Mosquitto(tmp_path / "broker", 8883, {})
    assert broker.write(an_end())
    before = {each.name: each.read_bytes() for each in broker.directory.iterdir()}

    assert not broker.write(an_end())

    assert {each.name: each.read_bytes() for each in broker.directory.iterdir()} == before
    modes = {each.name: each.stat().st_mode & 0o077 for each in broker.directory.iterdir()}
    assert not any(modes.values())
    assert broker.words["mq-1"] not in (broker.directory / broker_files.WORDS).read_text()
    assert broker.directory.stat().st_mode & 0o077 == 0
