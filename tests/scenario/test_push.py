"""A meter that dials in tells of its opened cover, and is read at once: over real sockets, into real rows."""

import asyncio
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from random import Random

import psycopg
import pytest
from tests.contract.door import closing_store

from compuerta.apps import config, town, wiring
from compuerta.apps.gateway import Gateway
from compuerta.apps.stage import free_ports
from compuerta.domain.party import RoadKind
from compuerta.services import polling
from compuerta.virtual.fleet import DialPlan, Fleet, Modem, World
from compuerta.virtual.meter import MeterSetup, VirtualMeter

pytestmark = [pytest.mark.slow, pytest.mark.postgres]

PATIENCE_S = 20.0
A_DAY_S = 86_400  # between two polls: within this test none comes but the first, and what a push brings
LOOK_S = 0.05


def two_homes(url: str) -> tuple[town.Home, ...]:
    homes = [each for each in town.plan() if each.road is RoadKind.MOBILE_4G][:2]
    with closing_store(url) as store:
        return town.build(store, tuple(homes), bus_paths={}, now=datetime.now(UTC)).homes


def the_settings(url: str, folder: Path, *, port: int) -> config.Settings:
    environment = {
        "COMPUERTA_DATA": str(folder),
        "COMPUERTA_ROAD_PORT": str(port),
        "COMPUERTA_POLL_S": str(A_DAY_S),
    }
    return replace(config.settings(environment), database_url=url)


@dataclass(frozen=True, slots=True, kw_only=True)
class Street:
    """Two homes whose meters dial in to one gateway."""

    url: str
    given: config.Settings
    homes: tuple[town.Home, ...]
    world: World
    port: int

    def a_meter(self, home: town.Home) -> VirtualMeter:
        setup = MeterSetup(meter_no=home.meter_no, customer_no=home.meter_no, balance_minor=5_000)
        keys = wiring.keys(self.given)
        return VirtualMeter(setup, now_ms=self.world.now_ms(), esam=keys, chance=Random(1))

    def a_modem(self, home: town.Home, *meters: VirtualMeter) -> Modem:
        plan = DialPlan(host="127.0.0.1", port=self.port, redial_s_min=0.05, redial_s_max=0.1)
        modem = Modem(meters, endpoint_id=home.endpoint_id, plan=plan, world=self.world, chance=Random(1))
        modem.start()
        return modem

    async def until(self, home: town.Home, what: str) -> datetime:
        """Wait until the last that is known of a home's meter is so; returns when it was read."""

        def read_at() -> datetime | None:
            query = "select s.read_at from meter_state s join meter m using (meter_id) where m.meter_no = %s"
            with closing(psycopg.connect(self.url)) as connection:
                row = connection.execute(f"{query} and {what}", (home.meter_no,)).fetchone()
            return None if row is None else row[0]

        async with asyncio.timeout(PATIENCE_S):
            while (at := await asyncio.to_thread(read_at)) is None:  # noqa: ASYNC110 rows tell nobody
                await asyncio.sleep(LOOK_S)
        return at


@pytest.fixture
def street(postgres_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Street:
    monkeypatch.setattr(polling, "HINTED_POLL_MS", 200)  # the first readings were just now
    [port] = free_ports(0)
    return Street(
        url=postgres_url,
        given=the_settings(postgres_url, tmp_path, port=port),
        homes=two_homes(postgres_url),
        world=World(started_at=datetime.now(UTC)),
        port=port,
    )


def test_a_push_wakes_a_poll_of_the_meter_that_spoke_and_of_no_other(street: Street) -> None:
    home, neighbour = street.homes

    async def scene() -> None:
        gateway = asyncio.create_task(Gateway(street.given).run())
        stranger = street.a_meter(neighbour)  # behind the modem of the other home
        modems = [
            street.a_modem(home, street.a_meter(home), stranger),
            street.a_modem(neighbour, street.a_meter(neighbour)),
        ]
        fleet = Fleet({"modem": modems[0]}, world=street.world)
        await street.until(home, "s.counts ->> 'cover' = '0'")
        first_at = await street.until(neighbour, "s.counts ->> 'cover' = '0'")

        fleet.obey({"order": "set_cover", "meter_no": stranger.meter_no, "open": True})
        fleet.obey({"order": "set_cover", "meter_no": home.meter_no, "open": True})
        await street.until(home, "s.counts ->> 'cover' = '1' and 'cover_open' = any(s.flags)")

        assert await street.until(neighbour, "true") == first_at
        for modem in modems:
            await modem.shut()
        gateway.cancel()
        await asyncio.gather(gateway, return_exceptions=True)

    asyncio.run(scene())
