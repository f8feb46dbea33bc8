"""One device on NB-IoT on a virtual clock: when its road opens, sleeps and ends, and what it is told."""

from dataclasses import dataclass, field
from datetime import UTC, datetime

from tests.contract.test_link import Ear

from compuerta.adapters.links.coap_device import (
    FRAME_BYTES_MAX,
    QUIET_S,
    SIGN_AGAIN_S,
    SIGN_EVERY_S,
    Device,
    Host,
    Visit,
)
from compuerta.adapters.links.roadhead import ASLEEP
from compuerta.domain.road import RoadSign
from compuerta.services.link_port import Link
from compuerta.wire import coap
from compuerta.wire.lwm2m import objects, tlv
from compuerta.wire.lwm2m.registration import Registration

AT = datetime(2026, 11, 23, tzinfo=UTC)
WINDOW_S = 10.0
LIFETIME_S = 600


@dataclass
class Bench:
    """Both ends of a device's session, and what came of it."""

    now_s: float = 1_000.0
    ours: coap.CoapSession = field(default_factory=lambda: coap.CoapSession(salt=b"ours"))
    theirs: coap.CoapSession = field(default_factory=lambda: coap.CoapSession(salt=b"theirs"))
    links: list[Link] = field(default_factory=list)
    watcher: bytes = b""
    told: list[bytes] = field(default_factory=list)
    signs: list[RoadSign] = field(default_factory=list)
    asked_for_signs: int = 0

    def opened(self, _: str, link: Link) -> None:
        self.links.append(link)

    def carry(self, device: Device) -> None:
        """Let the device hear and answer what we have said, and us its answers."""
        for datagram in self.ours.take_datagrams():
            for asked in self.theirs.receive(datagram, now_ms=0):
                assert isinstance(asked, coap.Asked)
                if asked.path == objects.SAYS:
                    self.watcher = asked.message.token
                    self.theirs.answer(asked, coap.Code.CONTENT, payload=b"said before", observe_no=0)
                elif asked.path == objects.SIGNAL:
                    self.asked_for_signs += 1
                    payload = tlv.encode([tlv.Entry(holds=tlv.Holds.RESOURCE, number=2, value=b"\x9e")])
                    self.theirs.answer(asked, coap.Code.CONTENT, payload=payload)
                else:
                    self.told.append(asked.payload)
                    self.theirs.answer(asked, coap.Code.CHANGED)
        for datagram in self.theirs.take_datagrams():
            for event in self.ours.receive(datagram, now_ms=0):
                assert isinstance(event, coap.Answered)
                sign = device.answered(event, at=AT)
                self.signs += [] if sign is None else [sign]

    def an_open_road(self, *, contact_s: int | None = None) -> tuple[Device, Link, Ear]:
        registration = Registration(
            name="nb-1", lifetime_s=LIFETIME_S, sleeps=False, objects=frozenset({objects.SIGNAL})
        )
        visit = Visit(location="1", endpoint_id="end", registration=registration, contact_s=contact_s)
        host = Host(clock=lambda: self.now_s, opened=self.opened, flush=lambda: None, window_s=WINDOW_S)
        device, ear = Device(visit, self.ours, host), Ear()
        device.watch()
        self.carry(device)
        [link] = self.links
        link.attach(ear)
        return device, link, ear


def test_a_sleeper_is_gone_a_window_after_its_last_word() -> None:
    bench = Bench()
    device, _, ear = bench.an_open_road(contact_s=60)

    bench.now_s += WINDOW_S
    device.sweep()
    assert ear.losses == []

    bench.now_s += 1
    device.sweep()
    assert ear.losses == [ASLEEP]
    assert not device.is_reached


def test_who_never_sleeps_is_there_though_it_is_silent() -> None:
    bench = Bench()
    device, _, ear = bench.an_open_road()

    bench.now_s += LIFETIME_S

    assert not device.sweep()
    assert ear.losses == []


def test_what_a_sleeper_is_told_keeps_its_radio_open() -> None:
    bench = Bench()
    device, link, ear = bench.an_open_road(contact_s=60)
    bench.now_s += WINDOW_S
    link.write(b"frame")
    bench.carry(device)

    bench.now_s += WINDOW_S
    device.sweep()

    assert bench.told == [b"frame"]
    assert ear.losses == []


def test_a_sleeper_is_not_given_up_while_its_answer_is_waited_for() -> None:
    bench = Bench()
    device, link, ear = bench.an_open_road(contact_s=60)
    link.write(b"frame")

    bench.now_s += WINDOW_S + 1
    device.sweep()
    waited_for = list(ear.losses)
    bench.carry(device)
    device.sweep()

    assert waited_for == []
    assert ear.losses == [ASLEEP]


def test_a_visit_is_over_when_nothing_was_heard_for_its_lifetime() -> None:
    bench = Bench()
    device, link, _ = bench.an_open_road()
    bench.now_s += LIFETIME_S
    link.write(b"frame")  # that it was spoken to proves nothing

    assert not device.sweep()
    bench.now_s += 1
    assert device.sweep()
    device.contact()
    assert not device.sweep()


def test_a_frame_that_no_datagram_holds_is_not_sent() -> None:
    bench = Bench()
    device, link, _ = bench.an_open_road()

    for octets in (FRAME_BYTES_MAX, FRAME_BYTES_MAX + 1):
        link.write(bytes(octets))
        bench.carry(device)

    assert bench.told == [bytes(FRAME_BYTES_MAX)]


def test_what_a_meter_had_said_before_it_was_watched_answers_nobody() -> None:
    bench = Bench()
    device, _, ear = bench.an_open_road()

    bench.theirs.notify(bench.watcher, no=1, payload=b"said now", content_format=42, now_ms=0)
    bench.carry(device)

    assert bytes(ear.received) == b"said now"


def test_who_is_quiet_is_asked_for_its_signal_once_an_hour() -> None:
    bench = Bench()
    device, _, _ = bench.an_open_road()
    device.sweep()
    bench.carry(device)
    assert bench.asked_for_signs == 0

    for _ in range(2):
        bench.now_s += QUIET_S
        device.sweep()
        bench.carry(device)
    assert [each.rsrp_dbm for each in bench.signs] == [-98]

    bench.now_s += SIGN_EVERY_S
    device.sweep()
    bench.carry(device)
    assert len(bench.signs) == 2


def test_a_question_for_the_signal_that_a_conversation_displaced_is_asked_again() -> None:
    bench = Bench()
    device, link, _ = bench.an_open_road()
    bench.now_s += QUIET_S
    device.sweep()
    link.write(b"frame")
    bench.carry(device)
    assert bench.signs == []

    bench.now_s += SIGN_AGAIN_S
    device.sweep()
    bench.carry(device)

    assert bench.told == [b"frame"]
    assert [each.rsrp_dbm for each in bench.signs] == [-98]
