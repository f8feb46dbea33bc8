"""The gateway's head at the broker: who is let in, who is told of as a stranger, what each device says."""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field

import pytest
from paho.mqtt import client as paho
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from tests.contract.mqtt_road import PATIENCE_S, Keeper, Pen, a_broker, a_device, a_head, an_end, at

from compuerta.apps.roadheads.mqtt import MqttHead
from compuerta.services.link_port import Link
from compuerta.virtual.broker import PLATFORM, BrokerServer
from compuerta.virtual.broker.post import Box
from compuerta.wire.mqtt.packets import Publish, Reason
from compuerta.wire.pm.letters import Answer, Encoding, Event, What
from compuerta.wire.pm.topics import Direction, topic

FRAME = bytes.fromhex("68943521908855689106333435357B555E16")


@dataclass
class Ear:
    """A listener that queues what it hears."""

    said: "asyncio.Queue[bytes]" = field(default_factory=asyncio.Queue)
    losses: "asyncio.Queue[str]" = field(default_factory=asyncio.Queue)

    def heard(self, data: bytes) -> None:
        self.said.put_nowait(data)

    def lost(self, reason: str) -> None:
        self.losses.put_nowait(reason)


@dataclass
class Scene:
    """A device, the head, and the link between them."""

    broker: BrokerServer
    port: int
    device: Pen
    head: MqttHead
    keeper: Keeper
    link: Link
    ear: Ear


def play(act: Callable[[Scene], Coroutine[None, None, None]], *, contact_s: int | None = None) -> None:
    async def scene() -> None:
        async with (
            a_broker() as (broker, port),
            a_device(at(port, "mq-1"), "mq-1") as device,
            a_head(at(port, PLATFORM), an_end(contact_s=contact_s)) as (head, keeper),
            asyncio.timeout(PATIENCE_S),
        ):
            _, link = await keeper.links.get()
            ear = Ear()
            link.attach(ear)
            await act(Scene(broker, port, device, head, keeper, link, ear))

    asyncio.run(scene())


def posted(scene: Scene) -> list[Publish]:
    """Return a list that fills with what the broker carries from now on."""
    carried: list[Publish] = []
    post = scene.broker.office.post

    def watched(message: Publish, *, now_ms: int) -> list[Box]:
        carried.append(message)
        return post(message, now_ms=now_ms)

    scene.broker.office.post = watched  # type: ignore[method-assign]
    return carried


async def settled(scene: Scene) -> None:
    """Whatever the device has said has been heard."""
    scene.device.tell(What.SIGNAL)
    await scene.keeper.signs.get()


def test_an_answer_is_taken_once_and_only_to_what_was_asked() -> None:
    async def act(scene: Scene) -> None:
        scene.link.write(FRAME)
        command, _ = await scene.device.commands.get()
        answer = Answer(seq=9, ts_ms=1, cid=command.cid, frame=b"first")
        scene.device.say(Direction.ANSWER, answer)
        scene.device.say(Direction.ANSWER, answer)
        scene.device.say(Direction.ANSWER, Answer(seq=10, ts_ms=1, cid="gateway-x.1.1", frame=b"to another"))
        scene.device.say(
            Direction.ANSWER, Answer(seq=11, ts_ms=1, cid=command.cid + "0", frame=b"to nothing")
        )
        await settled(scene)

        assert [scene.ear.said.get_nowait() for _ in range(scene.ear.said.qsize())] == [b"first"]

    play(act)


def test_an_answer_may_come_in_parts() -> None:
    async def act(scene: Scene) -> None:
        scene.link.write(FRAME)
        command, _ = await scene.device.commands.get()
        scene.device.answer(command, FRAME[:5])
        scene.device.answer(command, FRAME[5:])

        assert await scene.ear.said.get() + await scene.ear.said.get() == FRAME

    play(act)


def test_a_command_is_good_for_as_long_as_its_answer_is_waited_for() -> None:
    async def act(scene: Scene) -> None:
        carried = posted(scene)
        scene.link.write(FRAME)
        command, _ = await scene.device.commands.get()

        assert command.exp_ms - command.ts_ms == 3_000
        assert [message.expiry_s for message in carried] == [3]

    play(act)


def test_a_device_is_spoken_to_as_it_speaks() -> None:
    async def act(scene: Scene) -> None:
        event = Event(seq=1, ts_ms=1, what=What.SIGNAL, csq=20)
        scene.device.say(Direction.EVENT, event, encoding=Encoding.CBOR)
        sign = await scene.keeper.signs.get()
        scene.link.write(FRAME)
        _, encoding = await scene.device.commands.get()

        assert encoding is Encoding.CBOR
        assert sign.csq == 20

    play(act)


@pytest.mark.parametrize(("contact_s", "reason"), [(None, "device_gone"), (60, "asleep")])
def test_a_device_that_says_good_bye_is_gone_or_asleep(contact_s: int | None, reason: str) -> None:
    async def act(scene: Scene) -> None:
        scene.device.tell(What.OFFLINE)
        assert await scene.ear.losses.get() == reason

        scene.device.tell(What.ONLINE)
        _, again = await scene.keeper.links.get()
        assert again is not scene.link

    play(act, contact_s=contact_s)


def test_a_command_that_nobody_takes_tells_that_the_device_is_gone() -> None:
    async def act(scene: Scene) -> None:
        box, _ = scene.broker.office.open_box("mq-1", user="mq-1", clean_start=False, now_ms=0)
        scene.broker.office.forget(box)

        scene.link.write(FRAME)

        assert await scene.ear.losses.get() == "not_subscribed"

    play(act)


def test_who_is_not_entered_and_who_lies_about_its_tenant_are_strangers() -> None:
    async def act(scene: Scene) -> None:
        scene.device.say(Direction.EVENT, Event(seq=1, ts_ms=1, what=What.ONLINE), tenant="2")
        scene.device.say(Direction.EVENT, Event(seq=1, ts_ms=1, what=What.ONLINE), tenant="2")
        assert scene.device.client is not None
        name = topic("1", "mq-1", Direction.EVENT)
        scene.device.client.publish(Publish(topic=name, payload=b"no letter", qos=1))
        async with a_device(at(scene.port, "mq-2"), "mq-2") as stranger:
            stranger.tell(What.ONLINE)
            while await stranger.arrivals.get() != Reason.SUCCESS:
                pass
        await settled(scene)

        told = {(each.registration, each.why): each.times for each in scene.head.strangers()}
        assert told.pop(("mq-2", "device_unknown")) >= 1
        assert told == {("mq-1", "topic_refused"): 2, ("mq-1", "letter_malformed"): 1}

    play(act)


def test_an_acrel_device_is_answered_and_its_signal_is_kept() -> None:
    async def act(scene: Scene) -> None:
        assert scene.device.client is not None
        carried = posted(scene)
        name = "/gw/acrelHW/aew/login/mq-1"
        payload = b'{"type":"login","gwSN":"mq-1","rssi":50}'
        scene.device.client.publish(Publish(topic=name, payload=payload, qos=1))

        assert (await scene.keeper.signs.get()).csq == 15
        await settled(scene)
        answers = {message.topic: message.payload for message in carried}
        assert answers["/server/acrelHW/aew/login/mq-1"] == b'{"type":"login","res":1}'

    play(act)


def test_an_acrel_device_that_is_not_entered_is_a_stranger_without_an_answer() -> None:
    async def act(scene: Scene) -> None:
        carried = posted(scene)
        async with a_device(at(scene.port, "mq-2"), "mq-2") as stranger:
            assert stranger.client is not None
            payload = b'{"type":"login","gwSN":"mq-2","rssi":50}'
            name = "/gw/acrelHW/aew/login/mq-2"
            stranger.client.publish(Publish(topic=name, payload=payload, qos=1))
            await stranger.arrivals.get()
        await settled(scene)

        told = {(each.registration, each.why) for each in scene.head.strangers()}
        assert told == {("mq-2", "device_unknown")}
        assert not [each.topic for each in carried if each.topic.startswith("/server/")]

    play(act)


def test_another_client_of_mqtt_understands_our_broker() -> None:
    heard: list[tuple[str, bytes]] = []

    def talk(port: int) -> list[object]:
        subscribed: list[object] = []
        client = paho.Client(paho.CallbackAPIVersion.VERSION2, client_id="mq-2", protocol=paho.MQTTv5)
        client.username_pw_set("mq-2", "two")
        client.on_subscribe = lambda *said: subscribed.extend(str(each) for each in said[3])
        client.on_message = lambda _, __, message: heard.append((message.topic, message.payload))
        client.will_set(topic("1", "mq-2", Direction.EVENT), b"gone", qos=1)
        client.connect("127.0.0.1", port)
        client.loop_start()
        wanted = [(topic("1", each, Direction.COMMAND), 1) for each in ("mq-2", "mq-1")]
        client.subscribe(wanted)
        said = Properties(PacketTypes.PUBLISH)
        said.MessageExpiryInterval = 5
        said.UserProperty = ("made", "by another")
        told = client.publish(topic("1", "mq-2", Direction.UP), b"up", qos=1, properties=said)
        told.wait_for_publish(PATIENCE_S)
        refused = client.publish(topic("1", "mq-1", Direction.UP), b"up", qos=1)
        refused.wait_for_publish(PATIENCE_S)
        client.disconnect()
        client.loop_stop()
        return subscribed

    async def scene() -> list[object]:
        async with a_broker() as (broker, port):
            subscribed = await asyncio.to_thread(talk, port)
            assert broker.refusals == 2
            return subscribed

    assert asyncio.run(scene()) == ["Granted QoS 1", "Not authorized"]
