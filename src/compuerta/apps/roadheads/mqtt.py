"""Devices behind an MQTT broker: who is there, and a link for each.

A device says `online` when it comes; whoever was there before us is found by a knock, an empty command that
it answers. It is gone by its will, by its own word, or when the broker says that nobody takes its commands.
Devices of Acrel's own form are heard and answered beside; what is published of it carries no frames.
"""

import asyncio
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from uuid import uuid4

import structlog

from compuerta.adapters.links.mqtt_client import Broker, BrokerAway, MqttClient
from compuerta.adapters.links.mqtt_link import MqttLink
from compuerta.adapters.links.roadhead import ASLEEP, Keeper, Refusals, Stranger
from compuerta.apps import wiring
from compuerta.domain.party import Bearer
from compuerta.domain.road import CSQ_MAX, RoadSign
from compuerta.services.records import Endpoint
from compuerta.wire import acrel
from compuerta.wire.acrel import json_form
from compuerta.wire.mqtt.packets import Connect, Publish, Reason
from compuerta.wire.mqtt.session import Heard, SessionFull
from compuerta.wire.pm.letters import (
    Command,
    Encoding,
    Event,
    ProtocolError,
    What,
    answer_from,
    encode,
    event_from,
)
from compuerta.wire.pm.topics import Direction, Place, place_of, topic

log = structlog.get_logger()

KEEP_ALIVE_S = 30
ACREL_DEVICES = "/gw/acrelHW/+/+/+"
STRANGER_CHARS_MAX = 80
KNOCK_MS = 10_000  # how long a device may take to say that it is here
KNOCKS_AT_ONCE = 50
KNOCK_PAUSE_S = 0.1  # five hundred a second: an estate is found in seconds, and the broker breathes


class MqttHead:
    """This will hold a link to every entered device that is there; see `Roadhead`."""

    bearers = frozenset({Bearer.MQTT})

    def __init__(self, keeper: Keeper, *, broker: Broker) -> None:
        self._keeper = keeper
        self._mark = f"gateway-{uuid4().hex[:12]}"
        opening = Connect(
            client_id=self._mark,
            user=broker.user,
            password=broker.password.encode(),
            keep_alive_s=KEEP_ALIVE_S,
        )
        filters = [topic("+", "+", Direction.EVENT), topic("+", "+", Direction.ANSWER), ACREL_DEVICES]
        self._client = MqttClient(broker, opening, filters=filters, listener=self)
        self._ends: dict[str, Endpoint] = {}  # by the device's name
        self._links: dict[str, MqttLink] = {}
        self._encodings: dict[str, Encoding] = {}  # how a device has spoken last is how it is spoken to
        self._knocks: deque[str] = deque()
        self._sent: dict[int, str] = {}  # to whom commands went that the broker has not taken yet
        self._refusals = Refusals()
        self._is_here = False  # the broker
        self._loss_told = ""

    async def open(self) -> None:
        """See `Roadhead`; a broker that is not there is waited for."""

    async def run(self) -> None:
        """See `Roadhead`."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._client.run())
            tasks.create_task(self._knock_on())

    async def shut(self) -> None:
        """See `Roadhead`."""
        for link in list(self._links.values()):
            link.shut()

    def learn(self, ends: Sequence[Endpoint]) -> None:
        """See `Roadhead`."""
        known, self._ends = self._ends, {each.address: each for each in ends}
        self._knocks.extend(self._ends.keys() - known.keys())
        for device in self._links.keys() - self._ends.keys():
            self._lose(device, "end_taken_away")

    def strangers(self) -> list[Stranger]:
        """See `Roadhead`."""
        return self._refusals.strangers()

    # the broker ----------------------------------------------------------------------------------------

    def connected(self) -> None:
        """See `MqttListener`."""
        self._is_here, self._loss_told = True, ""
        self._sent.clear()
        self._knocks = deque(self._ends)
        log.info("gateway.broker.alive")

    def ended(self, reason: str) -> None:
        """See `MqttListener`; without the broker nobody is there."""
        if reason != self._loss_told:
            log.warning("gateway.broker.lost", reason=reason)
        self._is_here, self._loss_told = False, reason
        for device in list(self._links):
            self._lose(device, "broker_gone")

    def heard(self, message: Heard) -> None:
        """See `MqttListener`; nothing of it has to outlive us, so it is acknowledged at once."""
        self._client.acknowledge([message.packet_id])
        name = message.topic
        if name.startswith("/gw/"):
            self._hear_acrel(message)
            return
        try:
            place = place_of(message.topic)
            name = place.device
            end = self._end_of(place)
            if end is None:
                return
            if place.direction is Direction.ANSWER:
                answer, self._encodings[name] = answer_from(message.payload)
                self._link_to(end).answered(answer)
            elif place.direction is Direction.EVENT:
                event, self._encodings[name] = event_from(message.payload)
                self._obey(end, event)
        except ProtocolError:
            self._refusals.note(name[:STRANGER_CHARS_MAX], why="letter_malformed")

    def arrived(self, packet_id: int, reason: int) -> None:
        """See `MqttListener`: a command that nobody takes tells that the device is gone."""
        device = self._sent.pop(packet_id, None)
        if device is not None and reason in (Reason.NOBODY_SUBSCRIBED, Reason.NOT_AUTHORIZED):
            self._lose(device, "not_subscribed")

    def _hear_acrel(self, message: Heard) -> None:
        try:
            report = json_form.parse(json_form.Letter(topic=message.topic, payload=message.payload))
        except acrel.ProtocolError:
            self._refusals.note(message.topic[:STRANGER_CHARS_MAX], why="letter_malformed")
            return
        end = self._ends.get(report.place.serial_no)
        if end is None:
            self._refusals.note(report.place.serial_no, why="device_unknown")
            return
        answer = json_form.answer(report)
        if answer is not None:
            with suppress(BrokerAway, SessionFull):  # it asks again
                self._client.publish(Publish(topic=answer.topic, payload=answer.payload, qos=1))
        if report.signal_percent is not None:
            csq = report.signal_percent * CSQ_MAX // 100  # in percent of it, Acrel tells its signal
            self._keeper.signalled(end.endpoint_id, RoadSign(at=wiring.now(), csq=csq))

    # devices -------------------------------------------------------------------------------------------

    def _end_of(self, place: Place) -> Endpoint | None:
        end = self._ends.get(place.device)
        if end is None:
            self._refusals.note(place.device, why="device_unknown")
        elif place.tenant != str(end.organisation_id):
            self._refusals.note(place.device, why="topic_refused")
        else:
            return end
        return None

    def _obey(self, end: Endpoint, event: Event) -> None:
        if event.what is What.OFFLINE:
            self._lose(end.address, "device_gone" if end.contact_s is None else ASLEEP)
            return
        link = self._link_to(end)
        if event.what is What.FRAME:
            link.spoken(event.frame)
        elif event.what is What.SIGNAL:
            sign = RoadSign(
                at=wiring.now(),
                rsrp_dbm=event.rsrp_dbm,
                snr_db=event.snr_db,
                csq=event.csq,
                cell=event.cell,
            )
            self._keeper.signalled(end.endpoint_id, sign)

    def _link_to(self, end: Endpoint) -> MqttLink:
        """Return the link to a device that has just spoken, opened if there was none."""
        link = self._links.get(end.address)
        if link is None:
            link = self._links[end.address] = MqttLink(
                road=end.road,
                mark=f"{self._mark}.{uuid4().hex[:8]}",
                send=lambda link, command: self._send(end, command),
                now_ms=_now_ms,
                ended=lambda link: self._forget(end.address, link),
            )
            self._keeper.opened(end.endpoint_id, link)
        return link

    def _forget(self, device: str, link: MqttLink) -> None:
        if link.refused:
            log.info("gateway.answers.refused", device=device, times=link.refused)
        if self._links.get(device) is link:
            del self._links[device]

    def _lose(self, device: str, reason: str) -> None:
        link = self._links.pop(device, None)
        if link is not None:
            link.lose(reason)

    def _send(self, end: Endpoint, command: Command) -> None:
        encoding = self._encodings.get(end.address, Encoding.JSON)
        message = Publish(
            topic=topic(str(end.organisation_id), end.address, Direction.COMMAND),
            payload=encode(command, encoding),
            qos=1,
            expiry_s=-(-(command.exp_ms - command.ts_ms) // 1_000),
            content_type=encoding.value,
        )
        try:
            self._sent[self._client.publish(message)] = end.address
        except (BrokerAway, SessionFull) as error:
            log.warning("gateway.command.not_sent", endpoint=end.endpoint_id, error=str(error))

    async def _knock_on(self) -> None:
        """Ask devices whether they are here, a few at a time."""
        while True:
            for _ in range(min(KNOCKS_AT_ONCE, len(self._knocks)) if self._is_here else 0):
                end = self._ends.get(self._knocks.popleft())
                if end is not None and end.address not in self._links:
                    now_ms = _now_ms()
                    cid = f"{self._mark}.knock"
                    self._send(
                        end, Command(seq=0, ts_ms=now_ms, cid=cid, exp_ms=now_ms + KNOCK_MS, frame=b"")
                    )
            await asyncio.sleep(KNOCK_PAUSE_S)


def _now_ms() -> int:
    return int(wiring.now().timestamp() * 1_000)
