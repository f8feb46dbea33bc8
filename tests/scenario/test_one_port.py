"""A meter in a maker's module on the one port: from payment to light, by real sockets and rows."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
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
from compuerta.domain.party import RoadKind
from compuerta.services import vend
from compuerta.virtual.fleet import Fleet, World
from compuerta.virtual.fleet.config import roads_from
from compuerta.virtual.fleet.dial import Modem
from compuerta.virtual.fleet.fields import Json
from compuerta.virtual.fleet.manners import AcrelModule

pytestmark = [pytest.mark.slow, pytest.mark.postgres]

PATIENCE_S = 30.0
LOOK_S = 0.05
SERIAL_NO = "12307210720085"
MODULE = """
update endpoint set road = '4g', bearer = 'dial_in', address = %(serial_no)s, baud = null;
update meter set road = '4g', model = 'acrel-ddsy1352', unit_no = 7;
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Street:
    """One home without credit, whose meter sits in a maker's module."""

    url: str
    given: config.Settings
    home: town.Home

    def a_fleet(self, *, serial_no: str = SERIAL_NO) -> Fleet:
        described: dict[str, Json] = {
            "dial_in": {"host": "127.0.0.1", "port": self.given.road_port, "answer_delay_ms": [0, 1]},
            "meters": [
                {
                    "meter_no": self.home.meter_no,
                    "acrel": serial_no,
                    "unit_no": 7,
                    "modbus_image": "acrel",
                    "credit_authority": "platform",
                    "load": {"power_w": 800},
                }
            ],
        }
        world = World(started_at=datetime.now(UTC))
        return Fleet(roads_from(described, world=world), world=world)

    def pay(self) -> None:
        with closing_store(self.url) as store:
            home = Home(meter_id=0, account_id=self.home.account_id)
            assert paid(store, home, now=wiring.now()) is vend.Outcome.CREDITED

    async def until(self, query: str) -> object:
        """Wait until a query finds something, and return it."""

        def found() -> object:
            with closing(psycopg.connect(self.url)) as connection:
                row = connection.execute(query).fetchone()
            return None if row is None else row[0]

        async with asyncio.timeout(PATIENCE_S):
            while (value := await asyncio.to_thread(found)) is None:  # noqa: ASYNC110 rows tell nobody
                await asyncio.sleep(LOOK_S)
        return value


@pytest.fixture
def street(postgres_url: str, tmp_path: Path) -> Street:
    environment = {
        "COMPUERTA_DATA": str(tmp_path),
        "COMPUERTA_ROAD_PORT": str(free_ports(0)[0]),
        "COMPUERTA_POLL_S": "1",
    }
    home = next(each for each in town.plan() if each.road is RoadKind.RS485 and each.model == town.REMOTE)
    with closing_store(postgres_url) as store:
        home = replace(home, opening_minor=0)
        [home] = town.build(store, (home,), bus_paths={home.endpoint_id: "/x"}, now=datetime.now(UTC)).homes
    with closing(psycopg.connect(postgres_url)) as connection:
        for statement in MODULE.strip().split("\n"):
            connection.execute(statement, {"serial_no": SERIAL_NO})
        connection.commit()
    given = replace(config.settings(environment), database_url=postgres_url)
    return Street(url=postgres_url, given=given, home=home)


@asynccontextmanager
async def living(street: Street, fleet: Fleet) -> AsyncIterator[Modem]:
    """The gateway and the module of a street, while a scene lasts."""
    gateway = asyncio.create_task(Gateway(street.given).run())
    (road,) = fleet.roads.values()
    assert isinstance(road, Modem)
    road.start()
    try:
        yield road
    finally:
        await road.shut()
        gateway.cancel()
        await asyncio.gather(gateway, return_exceptions=True)


def test_without_credit_it_is_dark_and_a_payment_lights_it(street: Street) -> None:
    async def scene() -> None:
        async with living(street, street.a_fleet()) as module:
            await street.until("select 1 from meter_state where relay = 'open'")
            assert not module.meters[0].core.contact_closed
            await asyncio.to_thread(street.pay)
            await street.until("select 1 from meter_state where relay = 'closed'")
            assert module.meters[0].core.contact_closed
            assert isinstance(module.manner, AcrelModule) and module.manner.told is not None

    asyncio.run(scene())


def test_a_serial_number_that_nobody_entered_is_told_of_and_reaches_nothing(street: Street) -> None:
    async def scene() -> object:
        async with living(street, street.a_fleet(serial_no="99999999999999")):
            return await street.until("select subject from alarm where kind = 'registration_unknown'")

    assert asyncio.run(scene()) == "99999999999999"
