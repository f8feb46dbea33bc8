"""A Modbus meter behind a converter goes dark without credit and comes back when paid: all of it real."""

import asyncio
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest
from tests.contract.door import closing_store
from tests.unit.services.town import Home, paid

from compuerta.apps import config, town, wiring
from compuerta.apps.gateway import Gateway
from compuerta.apps.stage import free_ports
from compuerta.domain.party import Bearer, RoadKind
from compuerta.domain.road import Way
from compuerta.services import vend
from compuerta.virtual.fleet import Fleet, World
from compuerta.virtual.fleet.config import roads_from

pytestmark = [pytest.mark.slow, pytest.mark.postgres]

PATIENCE_S = 30.0
LOOK_S = 0.05
UNIT_NO = 17
SWITCHED = (
    """select 1 from instruction where kind = 'switch' and state = 'done' and relay_closed = {closed}"""
)


@dataclass(frozen=True, slots=True, kw_only=True)
class House:
    """One home whose meter hangs behind a converter that we dial."""

    url: str
    given: config.Settings
    home: town.Home
    fleet: Fleet

    @property
    def relay(self) -> object:
        return self.fleet.state(self.home.meter_no)["relay"]

    def pay(self) -> None:
        with closing_store(self.url) as store:
            outcome = paid(store, Home(meter_id=0, account_id=self.home.account_id), now=wiring.now())
        assert outcome is vend.Outcome.CREDITED

    async def until(self, query: str) -> None:
        def is_so() -> bool:
            with closing(psycopg.connect(self.url)) as connection:
                return connection.execute(query).fetchone() is not None

        async with asyncio.timeout(PATIENCE_S):
            while not await asyncio.to_thread(is_so):  # noqa: ASYNC110 rows tell nobody
                await asyncio.sleep(LOOK_S)


@pytest.fixture(params=["rtu", "modbus"])
def house(request: pytest.FixtureRequest, postgres_url: str, tmp_path: Path) -> House:
    port, road_port = free_ports(0)[0], free_ports(0)[0]
    home = replace(
        next(each for each in town.plan() if each.model == town.REMOTE),
        way=Way(endpoint_id="house-1", road=RoadKind.RS485),
        bearer=Bearer.DIAL_OUT,
    )
    with closing_store(postgres_url) as store:
        [home] = town.build(store, (home,), bus_paths={}, now=datetime.now(UTC)).homes
    with closing(psycopg.connect(postgres_url)) as connection:
        connection.execute("update meter set model = 'modbus-generic', unit_no = %s", (UNIT_NO,))
        address = f"{request.param}://127.0.0.1:{port}"
        connection.execute("update endpoint set address = %s, baud = 9600", (address,))
        connection.commit()
    world = World(started_at=datetime.now(UTC))
    fleet = {
        "converters": {"house-1": {"port": port, "modbus_tcp": request.param == "modbus"}},
        "meters": [
            {
                "meter_no": home.meter_no,
                "credit_authority": "platform",
                "unit_no": UNIT_NO,
                "converter": "house-1",
                "load": {"power_w": 800},
            }
        ],
    }
    environment = {
        "COMPUERTA_DATA": str(tmp_path),
        "COMPUERTA_ROAD_PORT": str(road_port),
        "COMPUERTA_POLL_S": "1",
    }
    given = replace(config.settings(environment), database_url=postgres_url)
    return House(
        url=postgres_url,
        given=given,
        home=home,
        fleet=Fleet(roads_from(fleet, world=world), world=world),
    )


def test_a_meter_behind_a_converter_is_cut_and_closed_again_by_a_payment(house: House) -> None:
    async def scene() -> tuple[object, object]:
        gateway = asyncio.create_task(Gateway(house.given).run())
        for road in house.fleet.roads.values():
            road.start()
        try:
            await house.until("select 1 from meter_state where relay is not null and energy_wh is not null")
            await house.until(SWITCHED.format(closed=False))
            dark = house.relay
            await asyncio.to_thread(house.pay)
            await house.until(SWITCHED.format(closed=True))
            return dark, house.relay
        finally:
            for road in house.fleet.roads.values():
                await road.shut()
            gateway.cancel()
            await asyncio.gather(gateway, return_exceptions=True)

    assert asyncio.run(scene()) == ("open", "closed")
