"""Devices before our CoAP ports: who is let in, who sleeps, who moves, and who misbehaves."""

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass, field

import pytest
from tests.contract.coap_road import NAME, PATIENCE_S, House, Keeper, Radio, a_house, a_radio, an_end, key_of
from tests.contract.test_link import Ear

from compuerta.adapters.links import coap_port, coap_server, dtls
from compuerta.adapters.links.coap_server import CoapLimits, CoapServer, Source
from compuerta.adapters.links.roadhead import ASLEEP, Refusals
from compuerta.services.link_port import Link
from compuerta.wire import coap
from compuerta.wire.coap.options import Option, texts_of

FRAME = bytes.fromhex("68943521908855689106333435357B555E16")
QUICK = CoapLimits(sweep_s=0.01, window_s=0.02)


def play(scene: Coroutine[None, None, None]) -> None:
    async def patiently() -> None:
        async with asyncio.timeout(PATIENCE_S):
            await scene

    asyncio.run(patiently())


@dataclass
class Caller:
    """Somebody whose datagrams come without a socket; behind DTLS with the name that it has proven."""

    server: CoapServer
    address: str = "198.51.100.7"
    identity: str | None = None
    session: coap.CoapSession = field(default_factory=lambda: coap.CoapSession(salt=b"caller"))
    sent: list[bytes] = field(default_factory=list)
    closed: asyncio.Event = field(default_factory=asyncio.Event)

    def say(self, datagram: bytes) -> None:
        source = Source(
            address=self.address,
            host=self.address,
            identity=self.identity,
            send=self.sent.append,
            close=self.closed.set,
        )
        self.server.hear(source, datagram)

    def ask(self, code: coap.Code, *path: str, queries: tuple[str, ...] = ()) -> list[coap.Message]:
        """Return what the server said to a request at once."""
        self.session.send(coap.Request(code=code, path=path, queries=queries), now_ms=0)
        self.sent.clear()
        for datagram in self.session.take_datagrams():
            self.say(datagram)
        return [coap.decode(datagram) for datagram in self.sent]

    def register(self, name: str = NAME) -> list[coap.Message]:
        return self.ask(coap.Code.POST, "rd", queries=(f"ep={name}",))


async def an_open_road(house: House, radio: Radio) -> tuple[Link, Ear]:
    radio.contact()
    link, ear = await house.link(), Ear()
    link.attach(ear)
    return link, ear


def test_who_is_not_entered_is_refused_and_counted() -> None:
    async def scene() -> None:
        async with a_house(an_end()) as house, a_radio(house, name="nb-9") as radio:
            radio.contact()
            stranger = await house.until_refused("nb-9")

            assert stranger.why == "registration_unknown"
            assert house.links.empty()

    play(scene())


def test_a_device_tells_its_signal_when_it_comes() -> None:
    async def scene() -> None:
        async with a_house(an_end()) as house, a_radio(house) as radio:
            await an_open_road(house, radio)
            await house.until(lambda: house.signs[-1].rsrp_dbm is not None)

            assert (house.signs[-1].rsrp_dbm, house.signs[-1].snr_db) == (-98, 7)
            assert house.signs[-1].next_contact_at is None  # it is always awake

    play(scene())


def test_a_sleeper_is_gone_when_its_radio_closes_and_back_with_any_word() -> None:
    async def scene() -> None:
        end = an_end(contact_s=600)
        async with a_house(end, limits=QUICK) as house, a_radio(house) as radio:
            link, ear = await an_open_road(house, radio)
            await ear.until(lambda ear: bool(ear.losses))
            link.write(FRAME)
            radio.tell(FRAME)
            again = await house.link()
            ear_again = Ear()
            again.attach(ear_again)
            await ear_again.until(lambda ear: bool(ear.received))

            assert ear.losses == [ASLEEP]
            assert radio.told == b""
            assert bytes(ear_again.received) == FRAME
            next_contact_at = house.signs[0].next_contact_at
            assert next_contact_at is not None
            assert (next_contact_at - house.signs[0].at).total_seconds() == 60  # its own lifetime is shorter

    play(scene())


def test_a_device_that_registers_again_replaces_itself() -> None:
    async def scene() -> None:
        async with a_house(an_end()) as house, a_radio(house) as radio, a_radio(house) as elsewhere:
            _, ear = await an_open_road(house, radio)
            await an_open_road(house, elsewhere)

            assert ear.losses == ["replaced"]

    play(scene())


def test_a_device_whose_address_has_changed_is_found_at_the_new_one() -> None:
    async def scene() -> None:
        async with a_house(an_end()) as house, a_radio(house) as radio, a_radio(house) as moved:
            _, ear = await an_open_road(house, radio)
            await radio.until(lambda: radio.device.is_watched)
            moved.device = radio.device
            link, _ = await an_open_road(house, moved)
            link.write(FRAME)
            await moved.until(lambda: bool(moved.told))

            assert ear.losses == ["replaced"]
            assert moved.told == FRAME

    play(scene())


def test_a_device_that_is_no_longer_entered_is_put_out() -> None:
    async def scene() -> None:
        async with a_house(an_end()) as house, a_radio(house) as radio:
            _, ear = await an_open_road(house, radio)
            house.learn()

            assert ear.losses == ["not_entered"]

    play(scene())


def test_who_has_a_key_may_not_take_the_name_of_another() -> None:
    async def scene() -> None:
        mine, other = an_end(), an_end("nb-2")
        async with a_house(mine, other, secured=True) as house:
            async with a_radio(house, name="nb-2", key=key_of(mine)) as radio:
                assert radio.keyed is not None
                radio.keyed = type(radio.keyed)(name=NAME, key=key_of(mine))
                radio.contact()
                stranger = await house.until_refused("nb-2")

            assert stranger.why == "name_foreign"
            assert house.links.empty()

    play(scene())


def test_a_key_of_an_earlier_generation_is_put_out_and_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(coap_port, "SWEEP_S", 0.01)

    async def scene() -> None:
        before, after = an_end(), an_end(key_generation=2)
        async with a_house(before, secured=True) as house, a_radio(house, key=key_of(before)) as radio:
            _, ear = await an_open_road(house, radio)
            house.learn(after)
            async with a_radio(house, key=key_of(before)) as thief:
                thief.contact()
                # Given up before it has said its name, a handshake would tell of nobody.
                await house.until(lambda: NAME in house.names_claimed())
                monkeypatch.setattr(dtls, "HANDSHAKE_S_MAX", -1.0)
                stranger = await house.until_refused(NAME)

            assert ear.losses == ["closed_by_peer"]
            assert stranger.why == "key_refused"

    play(scene())


def test_a_name_that_nobody_has_is_refused_in_the_handshake() -> None:
    async def scene() -> None:
        async with (
            a_house(an_end(), secured=True) as house,
            a_radio(house, name="nb-9", key=b"k" * 32) as radio,
        ):
            radio.contact()

            assert (await house.until_refused("nb-9")).why == "registration_unknown"

    play(scene())


def test_a_token_that_was_guessed_brings_no_bytes_and_is_told() -> None:
    async def scene() -> None:
        async with a_house(an_end()) as house, a_radio(house) as radio:
            _, ear = await an_open_road(house, radio)
            forged = coap.Message(
                kind=coap.Kind.NON, code=coap.Code.CONTENT, message_id=1, token=b"guess", payload=FRAME
            )
            radio.send(coap.encode(forged))
            stranger = await house.until_refused(NAME)

            assert stranger.why == "token_foreign"
            assert bytes(ear.received) == b""

    play(scene())


def test_another_devices_token_from_another_address_brings_no_bytes() -> None:
    async def scene() -> None:
        mine, other = an_end(), an_end("nb-2")
        async with a_house(mine, other) as house, a_radio(house) as radio:
            _, ear = await an_open_road(house, radio)
            await radio.until(lambda: radio.device.is_watched)
            async with a_radio(house, name="nb-2") as thief:
                await an_open_road(house, thief)
                thief.device = radio.device  # with its token, from the thief's address
                thief.tell(FRAME)
                stranger = await house.until_refused("nb-2")

            assert stranger.why == "token_foreign"
            assert bytes(ear.received) == b""

    play(scene())


def test_a_flood_is_counted_and_not_answered() -> None:
    async def scene() -> None:
        limits = CoapLimits(datagrams_max=5, sweep_s=60)
        async with a_house(an_end(), limits=limits) as house, a_radio(house) as radio:
            for _ in range(20):
                radio.send(b"\x40\x01\x00\x01")
            stranger = await house.until_refused("127.0.0.1")

            assert stranger.why == "coap_flood"
            assert stranger.times == 1

    play(scene())


def test_noise_is_counted_by_its_host() -> None:
    async def scene() -> None:
        async with a_house(an_end()) as house, a_radio(house) as radio:
            radio.send(b"no CoAP at all")

            assert (await house.until_refused("127.0.0.1")).why == "coap_malformed"

    play(scene())


def test_noise_from_forged_addresses_takes_nobodys_place() -> None:
    async def scene() -> None:
        refusals, keeper = Refusals(), Keeper()
        server = CoapServer(keeper, refusals, limits=CoapLimits(callers_max=4, unregistered_max=2))
        server.learn({NAME: an_end()})

        for number in range(10):
            Caller(server, address=f"192.0.2.{number}").say(b"\x00")
        answer = Caller(server).register()[0]
        server.shut()

        assert answer.code == coap.Code.CREATED

    play(scene())


def test_of_more_callers_than_there_is_room_for_the_last_is_not_answered() -> None:
    async def scene() -> None:
        ends = {each.address: each for each in (an_end(), an_end("nb-2"))}
        server = CoapServer(Keeper(), Refusals(), limits=CoapLimits(callers_max=1))
        server.learn(ends)

        first = Caller(server).register()
        second = Caller(server, address="198.51.100.8").register("nb-2")
        server.shut()

        assert first[0].code == coap.Code.CREATED
        assert second == []

    play(scene())


def test_a_caller_that_never_registers_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(coap_server, "CALLER_S_MAX", -1.0)

    async def scene() -> None:
        server = CoapServer(Keeper(), Refusals(), limits=QUICK)
        caller = Caller(server)

        caller.say(b"noise")
        await caller.closed.wait()
        server.shut()

    play(scene())


@pytest.mark.parametrize(
    ("code", "queries", "answer"),
    [
        (coap.Code.PUT, (f"ep={NAME}",), coap.Code.METHOD_NOT_ALLOWED),
        (coap.Code.POST, (), coap.Code.BAD_REQUEST),
        (coap.Code.POST, (f"ep={NAME}", "lt=0"), coap.Code.BAD_REQUEST),
    ],
)
def test_what_is_no_registration_lets_nobody_in(
    code: coap.Code, queries: tuple[str, ...], answer: coap.Code
) -> None:
    async def scene() -> None:
        keeper = Keeper()
        server = CoapServer(keeper, Refusals())
        server.learn({NAME: an_end()})

        said = Caller(server).ask(code, "rd", queries=queries)
        server.shut()

        assert [each.code for each in said] == [answer]
        assert keeper.signs == []

    play(scene())


@pytest.mark.parametrize("code", [coap.Code.POST, coap.Code.DELETE])
def test_who_has_a_key_may_not_speak_for_the_visit_of_another(code: coap.Code) -> None:
    async def scene() -> None:
        refusals = Refusals()
        server = CoapServer(Keeper(), refusals)
        server.learn({each.address: each for each in (an_end(), an_end("nb-2"))})
        mine = Caller(server, identity=NAME)
        other = Caller(server, address="198.51.100.8", identity="nb-2")
        location = texts_of(mine.register()[0], Option.LOCATION_PATH)

        refused = other.ask(code, *location)
        still_there = mine.ask(coap.Code.POST, *location)
        server.shut()

        assert [each.code for each in refused] == [coap.Code.NOT_FOUND]
        assert [(each.registration, each.why) for each in refusals.strangers()] == [("nb-2", "name_foreign")]
        assert still_there[0].code == coap.Code.CHANGED

    play(scene())


def test_callers_that_never_register_make_room_for_each_other() -> None:
    async def scene() -> None:
        limits = CoapLimits(unregistered_max=2)
        async with a_house(an_end(), limits=limits) as house, a_radio(house) as radio:
            for _ in range(4):
                async with a_radio(house, name="nb-9") as stranger:
                    stranger.contact()
                    await house.until_refused("nb-9")
            await an_open_road(house, radio)

            assert radio.device.is_registered or radio.device.is_watched

    play(scene())


def test_noise_before_the_port_of_dtls_costs_nothing_and_hinders_nobody() -> None:
    async def scene() -> None:
        end = an_end()
        async with (
            a_house(end, secured=True) as house,
            a_radio(house) as noisy,
            a_radio(house, key=key_of(end)) as radio,
        ):
            # What is longer than OpenSSL reads at once was left before the next one's hello.
            long = b"\x16\xfe\xfd" + bytes(8) + b"\xff\xff" + b"\xa5" * 60_000
            for noise in (b"noise", bytes(14), b"\x16\xfe\xfd" + bytes(60), b"", long):
                noisy.send(noise)
            link, _ = await an_open_road(house, radio)
            link.write(FRAME)
            await radio.until(lambda: bool(radio.told))

            assert radio.told == FRAME
            assert house.refused() == {}

    play(scene())


def test_a_device_that_restarts_at_the_same_address_is_let_in_again() -> None:
    async def scene() -> None:
        end = an_end()
        async with a_house(end, secured=True) as house, a_radio(house, key=key_of(end)) as radio:
            _, ear = await an_open_road(house, radio)
            fresh = Radio(key=key_of(end))
            radio.device, radio.keyed = fresh.device, fresh.keyed
            await an_open_road(house, radio)

            assert ear.losses == ["closed_by_peer"]

    play(scene())
