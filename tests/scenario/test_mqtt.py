"""Meters behind a broker are read, recharged and heard: real sockets, real rows."""

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

from compuerta.adapters.postgres import pushed
from compuerta.apps import config, town, wiring
from compuerta.apps.broker_files import PLATFORM, words_of
from compuerta.apps.gateway import Gateway
from compuerta.apps.ingest import Ingest
from compuerta.apps.stage import free_ports
from compuerta.domain.errors import Unreachable
from compuerta.domain.party import Bearer, RoadKind
from compuerta.services import vend
from compuerta.services.records import Endpoint
from compuerta.virtual.broker import BrokerServer, Guests
from compuerta.virtual.fleet import Fleet, World
from compuerta.virtual.fleet.config import roads_from
from compuerta.virtual.fleet.fields import Json

pytestmark = [pytest.mark.slow, pytest.mark.postgres]

PATIENCE_S = 30.0
LOOK_S = 0.05
AMOUNT_MINOR = 5_000  # of `paid`
DEVICE = "mq-1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Street:
    """One home whose meter is reached by MQTT, and the broker between."""

    url: str
    given: config.Settings
    home: town.Home
    end: Endpoint
    port: int

    @property
    def words(self) -> dict[str, str]:
        return words_of([self.end], secret=self.given.secret("roads"))

    def a_fleet(self, **plan: Json) -> Fleet:
        config: dict[str, Json] = {
            "soft_esam_key": self.given.secret("esam").hex(),
            "mqtt": {
                "port": self.port,
                "tenant": str(self.end.organisation_id),
                "secrets": {DEVICE: self.words[DEVICE]},
                "redial_s_min": 0.1,
                "redial_s_max": 0.2,
                **plan,
            },
            "meters": [
                {
                    "meter_no": self.home.meter_no,
                    "customer_no": self.home.meter_no,
                    "mqtt": DEVICE,
                    "load": {"power_w": 5_000},
                }
            ],
        }
        world = World(started_at=datetime.now(UTC))
        return Fleet(roads_from(config, world=world), world=world)

    def pay(self) -> None:
        with closing_store(self.url) as store:
            outcome = paid(store, Home(meter_id=0, account_id=self.home.account_id), now=wiring.now())
        assert outcome is vend.Outcome.CREDITED

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
    road_port, port = free_ports(0, 0)
    environment = {
        "COMPUERTA_DATA": str(tmp_path),
        "COMPUERTA_ROAD_PORT": str(road_port),
        "COMPUERTA_MQTT_URL": f"mqtt://127.0.0.1:{port}",
    }
    home = next(each for each in town.plan() if each.road is RoadKind.MOBILE_4G)
    with closing_store(postgres_url) as store:
        [home] = town.build(store, (home,), bus_paths={}, now=datetime.now(UTC)).homes
        with store.transaction() as tx:
            [meter] = tx.meters()
            end = Endpoint(
                endpoint_id="behind the broker",
                organisation_id=meter.organisation_id,
                road=RoadKind.MOBILE_4G,
                bearer=Bearer.MQTT,
                address=DEVICE,
            )
            tx.add_endpoint(end)
            tx.roads.put_ways({meter.meter_id: [end.endpoint_id]})
    given = replace(config.settings(environment), database_url=postgres_url)
    return Street(url=postgres_url, given=given, home=home, end=end, port=port)


@asynccontextmanager
async def a_broker(street: Street) -> AsyncIterator[BrokerServer]:
    broker = BrokerServer(Guests(words=street.words))
    await broker.open(host="127.0.0.1", port=street.port)
    try:
        yield broker
    finally:
        await broker.shut()


@asynccontextmanager
async def living(street: Street, fleet: Fleet, *, role: type[Gateway] | type[Ingest]) -> AsyncIterator[None]:
    """One of our roles and the meters of a street, while a scene lasts."""
    ours = asyncio.create_task(role(street.given).run())
    for road in fleet.roads.values():
        road.start()
    try:
        yield
    finally:
        for road in fleet.roads.values():
            await road.shut()
        ours.cancel()
        await asyncio.gather(ours, return_exceptions=True)


def credited(street: Street, fleet: Fleet) -> list[Json]:
    records = fleet.state(street.home.meter_no)["credited"]
    assert isinstance(records, list)
    return [one["amount_minor"] for one in records if isinstance(one, dict)]


@pytest.mark.parametrize("encoding", ["json", "cbor"])
def test_a_meter_behind_a_broker_is_read_and_recharged_once(street: Street, encoding: str) -> None:
    fleet = street.a_fleet(encoding=encoding)

    async def scene() -> None:
        async with a_broker(street), living(street, fleet, role=Gateway):
            await street.until("select read_at from meter_state where relay is not null")
            await asyncio.to_thread(street.pay)
            await street.until("select 1 from instruction where kind = 'recharge' and state = 'done'")

    asyncio.run(scene())

    assert credited(street, fleet) == [AMOUNT_MINOR]


def test_a_broker_that_restarts_between_costs_time_and_nothing_else(street: Street) -> None:
    fleet = street.a_fleet()

    async def scene() -> None:
        async with living(street, fleet, role=Gateway):
            async with a_broker(street):
                await street.until("select read_at from meter_state where relay is not null")
            await asyncio.to_thread(street.pay)
            async with a_broker(street):
                await street.until("select 1 from instruction where kind = 'recharge' and state = 'done'")

    asyncio.run(scene())

    assert credited(street, fleet) == [AMOUNT_MINOR]


def test_what_a_device_pushes_becomes_readings(street: Street) -> None:
    fleet = street.a_fleet(readings_s=0.2, encoding="cbor")

    async def scene() -> object:
        async with a_broker(street), living(street, fleet, role=Ingest):
            await street.until("select 1 from reading having count(*) >= 2")
            return await street.until("select energy_wh from meter_state where energy_wh is not null")

    said = asyncio.run(scene())

    known = fleet.state(street.home.meter_no)["energy_wh"]
    assert isinstance(said, int)
    assert isinstance(known, int)
    assert 0 <= said <= known


def test_what_was_not_kept_comes_again_to_the_next_ingest(
    street: Street, monkeypatch: pytest.MonkeyPatch
) -> None:
    fleet = street.a_fleet(readings_s=0.2)
    keeps = pushed.keep
    tried = asyncio.Event()

    async def scene() -> None:
        loop = asyncio.get_running_loop()

        def refuses(*_: object, **__: object) -> object:
            loop.call_soon_threadsafe(fleet.roads[DEVICE].set_cut, True)
            loop.call_soon_threadsafe(tried.set)
            raise StoreAway("the database is away")

        async with a_broker(street):
            monkeypatch.setattr(pushed, "keep", refuses)
            async with living(street, fleet, role=Ingest):
                await tried.wait()
            monkeypatch.setattr(pushed, "keep", keeps)
            # Its meter says nothing more, so what comes is what the first one did not acknowledge.
            async with living(street, street.a_fleet(), role=Ingest):
                await street.until("select 1 from reading")

    asyncio.run(scene())


class StoreAway(Unreachable):
    """A database that is not there."""


def test_the_platforms_word_is_not_a_devices(street: Street) -> None:
    assert street.words[PLATFORM] != street.words[DEVICE]
