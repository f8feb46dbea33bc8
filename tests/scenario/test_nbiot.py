"""Meters on NB-IoT, awake and asleep, are read and recharged by the gateway: real sockets, real rows."""

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
from typer.testing import CliRunner

from compuerta.adapters.links import dtls
from compuerta.apps import config, town, wiring
from compuerta.apps.cli import app
from compuerta.apps.gateway import Gateway
from compuerta.apps.stage import free_ports
from compuerta.domain.party import Bearer, RoadKind
from compuerta.services import road_keys, vend
from compuerta.services.records import Endpoint
from compuerta.services.revoking import EndUnknown
from compuerta.virtual.fleet import Fleet, World
from compuerta.virtual.fleet.config import roads_from
from compuerta.virtual.fleet.fields import Json

pytestmark = [pytest.mark.slow, pytest.mark.postgres]

PATIENCE_S = 30.0
LOOK_S = 0.05
CONTACT_S = 2
AMOUNT_MINOR = 5_000  # of `paid`


@dataclass(frozen=True, slots=True, kw_only=True)
class Street:
    """One home whose meter is reached by NB-IoT alone."""

    url: str
    given: config.Settings
    home: town.Home
    end: Endpoint

    def a_fleet_of(self, carrier: str, *, contact_s: int) -> Fleet:
        return self.a_fleet(contact_s=contact_s) if carrier == "coap" else self.an_operated_fleet(contact_s)

    def an_operated_fleet(self, contact_s: int) -> Fleet:
        assert self.given.operator_url is not None
        config: dict[str, Json] = {
            "soft_esam_key": self.given.secret("esam").hex(),
            "operator": {
                "port": int(self.given.operator_url.rpartition(":")[2]),
                "push_url": f"http://127.0.0.1:{self.given.operator_port}/push",
                "secret": "secret",
                "window_s": 1,
                "contact_s": {"nb-1": contact_s},
            },
            "meters": [
                {"meter_no": self.home.meter_no, "customer_no": self.home.meter_no, "operator": "nb-1"}
            ],
        }
        world = World(started_at=datetime.now(UTC))
        return Fleet(roads_from(config, world=world), world=world)

    def a_fleet(self, *, contact_s: int = 0, key: bytes | None = None) -> Fleet:
        rightful = road_keys.key_of(self.end, secret=self.given.secret("roads"))
        config: dict[str, Json] = {
            "soft_esam_key": self.given.secret("esam").hex(),
            "nbiot": {
                "host": "127.0.0.1",
                "port": self.given.coap_port,
                "one_way_ms": 30,
                "window_s": 1,
                "keys": {"nb-1": (key or rightful).hex()},
                "contact_s": {"nb-1": contact_s},
            },
            "meters": [{"meter_no": self.home.meter_no, "customer_no": self.home.meter_no, "nbiot": "nb-1"}],
        }
        world = World(started_at=datetime.now(UTC))
        return Fleet(roads_from(config, world=world), world=world)

    def pay(self) -> None:
        now = wiring.now()
        with closing_store(self.url) as store:
            outcome = paid(store, Home(meter_id=0, account_id=self.home.account_id), now=now)
        assert outcome is vend.Outcome.CREDITED

    def put_to_sleep(self, contact_s: int) -> None:
        with closing(psycopg.connect(self.url)) as connection:
            connection.execute("update endpoint set contact_s = %s where road = 'nbiot'", (contact_s,))
            connection.commit()

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
    [port] = free_ports(0)
    environment = {
        "COMPUERTA_DATA": str(tmp_path),
        "COMPUERTA_ROAD_PORT": str(free_ports(0)[0]),
        "COMPUERTA_COAP_PORT": str(port),
        "COMPUERTA_COAP_WINDOW_S": "1",
        "COMPUERTA_OPERATOR_URL": f"http://app:secret@127.0.0.1:{free_ports(0)[0]}",
        "COMPUERTA_OPERATOR_PORT": str(free_ports(0)[0]),
    }
    home = next(each for each in town.plan() if each.road is RoadKind.MOBILE_4G)
    with closing_store(postgres_url) as store:
        [home] = town.build(store, (home,), bus_paths={}, now=datetime.now(UTC)).homes
        with store.transaction() as tx:
            [meter] = tx.meters()
            end = Endpoint(
                endpoint_id="nb",
                organisation_id=meter.organisation_id,
                road=RoadKind.NBIOT,
                bearer=Bearer.COAP,
                address="nb-1",
            )
            tx.add_endpoint(end)
            tx.add_endpoint(replace(end, endpoint_id="operated", bearer=Bearer.OPERATOR))
            tx.roads.put_ways({meter.meter_id: ["nb", "operated"]})
    given = replace(config.settings(environment), database_url=postgres_url)
    return Street(url=postgres_url, given=given, home=home, end=end)


@asynccontextmanager
async def living(street: Street, fleet: Fleet) -> AsyncIterator[None]:
    """The gateway and the meters of a street, while a scene lasts."""
    gateway = asyncio.create_task(Gateway(street.given).run())
    for road in fleet.roads.values():
        road.start()
    try:
        yield
    finally:
        for road in fleet.roads.values():
            await road.shut()
        gateway.cancel()
        await asyncio.gather(gateway, return_exceptions=True)


@pytest.mark.parametrize("carrier", ["coap", "operator"])
@pytest.mark.parametrize("contact_s", [0, CONTACT_S], ids=["awake", "sleeper"])
def test_a_meter_on_nb_iot_is_read_and_recharged_once(street: Street, carrier: str, contact_s: int) -> None:
    if contact_s:
        street.put_to_sleep(contact_s)
    fleet = street.a_fleet_of(carrier, contact_s=contact_s)

    async def scene() -> None:
        async with living(street, fleet):
            await street.until("select read_at from meter_state where relay is not null")
            await asyncio.to_thread(street.pay)
            await street.until("select 1 from instruction where kind = 'recharge' and state = 'done'")

    asyncio.run(scene())

    credited = fleet.state(street.home.meter_no)["credited"]
    assert isinstance(credited, list)
    assert [one["amount_minor"] for one in credited if isinstance(one, dict)] == [AMOUNT_MINOR]


def test_a_device_with_a_wrong_key_is_refused_and_told_of(
    street: Street, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dtls, "HANDSHAKE_S_MAX", 0.5)
    fleet = street.a_fleet(key=b"no key of ours".ljust(32))

    async def scene() -> object:
        async with living(street, fleet):
            return await street.until("select subject from alarm where kind = 'key_refused'")

    assert asyncio.run(scene()) == "nb-1"
    assert fleet.state(street.home.meter_no)["credited"] == []


def test_a_device_is_told_its_key_and_the_next_one(street: Street, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COMPUERTA_DATA", str(street.given.data_dir))
    monkeypatch.setenv("DATABASE_URL", street.url)
    secret = street.given.secret("roads")

    told = CliRunner().invoke(app, ["nbiot", "key", "nb-1"])
    lost = CliRunner().invoke(app, ["nbiot", "new-key", "nb-1", "--who", "ana", "--why", "stolen"])
    stranger = CliRunner().invoke(app, ["nbiot", "key", "nb-9"])

    first = road_keys.key_of(street.end, secret=secret)
    second = road_keys.key_of(replace(street.end, key_generation=2), secret=secret)
    assert told.output == f"identity: nb-1\nkey: {first.hex()}\n"
    assert lost.output == f"identity: nb-1\nkey: {second.hex()}\n"
    assert isinstance(stranger.exception, EndUnknown)
    with closing(psycopg.connect(street.url)) as connection:
        assert connection.execute("select who, why from audit where who = 'ana'").fetchall() == [
            ("ana", "stolen")
        ]
