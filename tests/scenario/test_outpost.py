"""An outpost beside a bus, and a gateway that goes away and comes back: real sockets, real rows, a pty."""

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

from compuerta.adapters.links import outpost_certificate, outpost_client
from compuerta.adapters.links.outpost_client import Identity
from compuerta.adapters.postgres.store import PostgresStore
from compuerta.apps import config, outpost, town, wiring
from compuerta.apps.gateway import Gateway
from compuerta.apps.outpost_files import JOURNAL_FILE, LinePlan, OutpostPlan, write_plan
from compuerta.apps.outpost_journal import Journal
from compuerta.apps.roadheads import outpost as outpost_head
from compuerta.apps.stage import free_ports
from compuerta.services import outposts, road_keys, vend
from compuerta.services.acting import Actor
from compuerta.services.outpost_port import Outpost
from compuerta.virtual.fleet import Fleet, World
from compuerta.virtual.fleet.config import roads_from

pytestmark = [pytest.mark.slow, pytest.mark.postgres]

PATIENCE_S = 30.0
LOOK_S = 0.05
BAUD = 115_200
POST = "post-1"
ANA = Actor(who="ana", why="it stands in the basement", origin="command line")


@dataclass(frozen=True, slots=True, kw_only=True)
class Basement:
    """One home whose meter hangs on an outpost's line."""

    url: str
    given: config.Settings
    home: town.Home
    directory: Path

    def a_fleet(self) -> Fleet:
        document = {
            "soft_esam_key": self.given.secret("esam").hex(),
            "buses": {"bus": {"baud": BAUD}},
            "meters": [
                {
                    "meter_no": self.home.meter_no,
                    "customer_no": self.home.meter_no,
                    "credit_authority": "platform",
                    "bus": "bus",
                    "baud": BAUD,
                    "load": {"power_w": 2_000},
                }
            ],
        }
        world = World(started_at=datetime.now(UTC))
        return Fleet(roads_from(document, world=world), world=world)  # type: ignore[arg-type]

    def plan(self, device: str) -> OutpostPlan:
        pem = self.given.kept(
            outpost_head.CERTIFICATE_FILE, make=lambda: outpost_certificate.made(now=wiring.now())
        )
        secret = self.given.secret(outpost_head.ROADS_SECRET)
        identity = Identity(
            outpost_id=POST,
            key=road_keys.named_key(POST, generation=1, secret=secret),
            host="127.0.0.1",
            port=self.given.outpost_port,
            certificate=outpost_certificate.certificate_of(pem.read_bytes()),
        )
        line = LinePlan(line=1, device=device, baud=BAUD, parity="none")
        return OutpostPlan(directory=self.directory, identity=identity, lines=(line,))

    def pay(self) -> None:
        with closing_store(self.url) as store:
            outcome = paid(store, Home(meter_id=0, account_id=self.home.account_id), now=wiring.now())
        assert outcome is vend.Outcome.CREDITED

    def take_the_key_away(self) -> None:
        with closing_store(self.url) as store:
            outposts.revoke(store, POST, ANA, now=wiring.now())

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
def basement(postgres_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Basement:
    monkeypatch.setattr(outpost, "QUIET_S", 0.1)
    monkeypatch.setattr(outpost_head, "LEARN_S", 0.2)
    monkeypatch.setattr(outpost_client, "BACKOFF_S_MAX", 0.2)
    environment = {
        "COMPUERTA_DATA": str(tmp_path),
        "COMPUERTA_ROAD_PORT": str(free_ports(0)[0]),
        "COMPUERTA_OUTPOST_PORT": str(free_ports(0)[0]),
        "COMPUERTA_POLL_S": "1",
    }
    home = next(each for each in town.plan() if each.model == town.REMOTE)
    with closing_store(postgres_url) as store:
        [home] = town.build(store, (home,), bus_paths={home.endpoint_id: "/dev/none"}, now=wiring.now()).homes
        hang_on_the_outpost(store)
    given = replace(config.settings(environment), database_url=postgres_url)
    return Basement(url=postgres_url, given=given, home=home, directory=tmp_path / "outpost")


def hang_on_the_outpost(store: PostgresStore) -> None:
    with store.transaction() as tx:
        [meter] = tx.meters()
    outposts.enter(
        store,
        Outpost(outpost_id=POST, organisation_id=meter.organisation_id),
        ANA,
        bauds={1: BAUD},
        now=wiring.now(),
    )
    with store.transaction() as tx:
        tx.roads.put_ways({meter.meter_id: [f"{POST}-1"]})


@asynccontextmanager
async def a_gateway(given: config.Settings) -> AsyncIterator[None]:
    gateway = asyncio.create_task(Gateway(given).run())
    try:
        yield
    finally:
        gateway.cancel()
        await asyncio.gather(gateway, return_exceptions=True)


@asynccontextmanager
async def an_outpost(basement: Basement, fleet: Fleet) -> AsyncIterator[Journal]:
    for road in fleet.roads.values():
        road.start()
    plan = basement.plan(fleet.roads["bus"].device)  # type: ignore[attr-defined]
    write_plan(plan)
    journal = Journal(plan.directory / JOURNAL_FILE)
    running = asyncio.create_task(
        outpost.Outpost(plan, models=wiring.models(basement.given), journal=journal).run()
    )
    try:
        yield journal
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        for road in fleet.roads.values():
            await road.shut()


def test_a_line_is_lent_taken_back_and_lent_again_until_its_key_is_taken_away(basement: Basement) -> None:
    async def scene() -> tuple[int, int]:
        fleet = basement.a_fleet()
        async with an_outpost(basement, fleet) as journal:
            async with a_gateway(basement.given):
                await basement.until("select read_at from meter_state where energy_wh is not null")
                await asyncio.to_thread(basement.pay)
                await basement.until("select 1 from instruction where kind = 'switch' and state = 'done'")
                assert journal.count() == 0

            async with asyncio.timeout(PATIENCE_S):
                while journal.count() < 3:  # noqa: ASYNC110 a disk tells nobody
                    await asyncio.sleep(LOOK_S)
            last = journal.next_records()[-1]

            async with a_gateway(basement.given):
                at = last.at.isoformat()
                await basement.until(f"select 1 from reading where at > '{at}'")
                left = journal.count()

                await asyncio.to_thread(basement.take_the_key_away)
                await basement.until(f"select 1 from alarm where kind = 'key_refused' and subject = '{POST}'")
            return last.record_no, left

    noted, left = asyncio.run(scene())

    with closing(psycopg.connect(basement.url)) as connection:
        [(kept_no,)] = connection.execute("select record_no from outpost_mark").fetchall()
    assert kept_no >= noted >= 3
    assert left == 0
