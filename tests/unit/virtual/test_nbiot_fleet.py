"""Virtual NB-IoT devices: deaf while they sleep, slow where they are paged seldom, back after a restart."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager, closing
from datetime import UTC, datetime
from typing import cast

import pytest
from tests.contract.coap_road import NAME, PATIENCE_S, a_house, an_end
from tests.contract.test_link import Ear

from compuerta.adapters.links.dtls import DtlsServer, Spoke
from compuerta.services.link_port import Link
from compuerta.virtual.fleet import Fleet, World
from compuerta.virtual.fleet.config import roads_from
from compuerta.virtual.fleet.fields import FieldMalformed, Json
from compuerta.virtual.nbiot import client
from compuerta.wire import coap, dlt645

METER_NO = "260305510013"
READ = dlt645.encode(dlt645.Frame(address=METER_NO, control=0x11, data=bytes.fromhex("00000100")))
KEY = b"k" * 32
EDRX_S = 0.2


def play(scene: Coroutine[None, None, None]) -> None:
    async def patiently() -> None:
        async with asyncio.timeout(PATIENCE_S):
            await scene

    asyncio.run(patiently())


@asynccontextmanager
async def a_fleet(port_no: int, **nbiot: Json) -> AsyncIterator[Fleet]:
    config: dict[str, Json] = {
        "nbiot": {"port": port_no, "answer_delay_ms": [0, 0], **nbiot},
        "meters": [{"meter_no": METER_NO, "nbiot": NAME}],
    }
    world = World(started_at=datetime.now(UTC))
    fleet = Fleet(roads_from(config, world=world), world=world)
    for road in fleet.roads.values():
        road.start()
    try:
        yield fleet
    finally:
        for road in fleet.roads.values():
            await road.shut()


async def answered(link: Link) -> float:
    """Ask for a register; returns how long the answer took."""
    ear, began_s = Ear(), asyncio.get_running_loop().time()
    link.attach(ear)
    link.write(READ)
    await ear.until(lambda ear: bool(ear.received))
    return asyncio.get_running_loop().time() - began_s


@pytest.mark.slow
def test_a_device_that_is_paged_seldom_answers_late() -> None:
    async def scene() -> None:
        async with a_house(an_end()) as house, a_fleet(house.port_no, edrx_s=EDRX_S):
            link = await house.link()
            await answered(link)  # from here on we are in step with its paging

            assert await answered(link) >= EDRX_S / 2

    play(scene())


def test_a_device_that_sleeps_hears_nothing() -> None:
    async def scene() -> None:
        async with (
            a_house(an_end()) as house,
            a_fleet(house.port_no, contact_s={NAME: 60}, window_s=0.0) as fleet,
        ):
            await house.until(lambda: bool(house.signs))
            await asyncio.sleep(0)

            state = fleet.obey({"order": "roads"})["roads"]
            assert isinstance(state, dict)
            assert isinstance(road := state[NAME], dict)
            assert road["kind"] == "nbiot"
            assert road["asleep"] is True

    play(scene())


@pytest.mark.slow
def test_a_device_that_restarts_registers_anew() -> None:
    async def scene() -> None:
        async with a_house(an_end()) as house, a_fleet(house.port_no) as fleet:
            first, ear = await house.link(), Ear()
            first.attach(ear)
            fleet.obey({"order": "hang_up", "meter_no": METER_NO})
            again = await house.link()

            assert await answered(again) < PATIENCE_S
            assert ear.losses == ["replaced"]

    play(scene())


@pytest.mark.slow
def test_a_device_tells_that_it_is_there_before_its_registration_is_over() -> None:
    async def scene() -> None:
        async with a_house(an_end()) as house, a_fleet(house.port_no, lifetime_s=1):
            ear = Ear()
            (await house.link()).attach(ear)

            await house.until(lambda: len(house.signs) > 4)

            assert ear.losses == []

    play(scene())


def test_a_sleeper_registers_for_longer_than_it_sleeps() -> None:
    async def scene() -> None:
        async with a_house(an_end()) as house, a_fleet(house.port_no, lifetime_s=1, contact_s={NAME: 60}):
            await house.link()

            (caller,) = house.server._visits.values()
            assert caller.device is not None
            assert caller.device.visit.registration.lifetime_s > 60

    play(scene())


class Deaf(asyncio.DatagramProtocol):
    """A platform that gives everybody a session and never answers in it; `restart` forgets them all."""

    def __init__(self) -> None:
        self.spoken = asyncio.Event()
        self.restart()

    def restart(self) -> None:
        self.spoken.clear()
        self._records = DtlsServer(send=lambda address, datagram: self._transport.sendto(datagram, address))
        self._records.learn({NAME: KEY})

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        heard = self._records.hear(addr, data, now_s=asyncio.get_running_loop().time())
        if any(isinstance(event, Spoke) for event in heard):
            self.spoken.set()


def test_a_device_whose_first_platform_died_before_it_answered_finds_the_next(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(client, "TIMING", coap.Timing(ack_ms=50, asked_again_max=1))

    async def scene() -> None:
        transport, deaf = await asyncio.get_running_loop().create_datagram_endpoint(
            Deaf, local_addr=("127.0.0.1", 0)
        )
        port_no = transport.get_extra_info("sockname")[1]
        with closing(transport):
            async with a_fleet(port_no, keys={NAME: KEY.hex()}):
                await deaf.spoken.wait()
                deaf.restart()
                await deaf.spoken.wait()

    play(scene())


def test_a_fleet_with_devices_and_no_platform_is_refused() -> None:
    config: dict[str, Json] = {"meters": [{"meter_no": METER_NO, "nbiot": NAME}]}

    with pytest.raises(FieldMalformed, match="nbiot"):
        roads_from(config, world=World(started_at=datetime.now(UTC)))
