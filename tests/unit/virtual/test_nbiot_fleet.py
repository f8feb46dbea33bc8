"""Virtual NB-IoT devices: deaf while they sleep, slow where they are paged seldom, back after a restart."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import pytest
from tests.contract.coap_road import NAME, PATIENCE_S, House, a_house, an_end
from tests.contract.test_link import Ear

from compuerta.services.link_port import Link
from compuerta.virtual.fleet import Fleet, World
from compuerta.virtual.fleet.config import roads_from
from compuerta.virtual.fleet.fields import FieldMalformed, Json
from compuerta.wire import dlt645

METER_NO = "260305510013"
READ = dlt645.encode(dlt645.Frame(address=METER_NO, control=0x11, data=bytes.fromhex("00000100")))
EDRX_S = 0.2


def play(scene: Coroutine[None, None, None]) -> None:
    async def patiently() -> None:
        async with asyncio.timeout(PATIENCE_S):
            await scene

    asyncio.run(patiently())


@asynccontextmanager
async def a_fleet(house: House, **nbiot: Json) -> AsyncIterator[Fleet]:
    config: dict[str, Json] = {
        "nbiot": {"port": house.port_no, "answer_delay_ms": [0, 0], **nbiot},
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
        async with a_house(an_end()) as house, a_fleet(house, edrx_s=EDRX_S):
            link = await house.link()
            await answered(link)  # from here on we are in step with its paging

            assert await answered(link) >= EDRX_S / 2

    play(scene())


def test_a_device_that_sleeps_hears_nothing() -> None:
    async def scene() -> None:
        async with a_house(an_end()) as house, a_fleet(house, contact_s={NAME: 60}, window_s=0.0) as fleet:
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
        async with a_house(an_end()) as house, a_fleet(house) as fleet:
            first, ear = await house.link(), Ear()
            first.attach(ear)
            fleet.obey({"order": "hang_up", "meter_no": METER_NO})
            again = await house.link()

            assert await answered(again) < PATIENCE_S
            assert ear.losses == ["replaced"]

    play(scene())


def test_a_fleet_with_devices_and_no_platform_is_refused() -> None:
    config: dict[str, Json] = {"meters": [{"meter_no": METER_NO, "nbiot": NAME}]}

    with pytest.raises(FieldMalformed, match="nbiot"):
        roads_from(config, world=World(started_at=datetime.now(UTC)))
