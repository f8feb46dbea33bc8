"""A meter that dials in tells of its opened cover, and is read at once: over real sockets, into real rows."""

import asyncio
from contextlib import closing
from dataclasses import replace
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


def a_home(url: str) -> town.Home:
    [home, *_] = (each for each in town.plan() if each.road is RoadKind.MOBILE_4G)
    with closing_store(url) as store:
        built = town.build(store, (home,), bus_paths={}, now=datetime.now(UTC))
    return built.homes[0]


def the_settings(url: str, folder: Path, *, port: int) -> config.Settings:
    environment = {
        "COMPUERTA_DATA": str(folder),
        "COMPUERTA_ROAD_PORT": str(port),
        "COMPUERTA_POLL_S": str(A_DAY_S),
    }
    return replace(config.settings(environment), database_url=url)


async def until_known(url: str, what: str) -> None:
    """Wait until a meter's last known state is so."""

    def is_so() -> bool:
        with closing(psycopg.connect(url)) as connection:
            row = connection.execute(f"select count(*) from meter_state where {what}").fetchone()
        return row is not None and row[0] == 1

    async with asyncio.timeout(PATIENCE_S):
        while not await asyncio.to_thread(is_so):  # noqa: ASYNC110 rows tell nobody that they changed
            await asyncio.sleep(LOOK_S)


def test_a_push_wakes_a_poll(postgres_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(polling, "HINTED_POLL_MS", 200)  # the first reading was just now
    home = a_home(postgres_url)
    [port] = free_ports(0)
    given = the_settings(postgres_url, tmp_path, port=port)
    world = World(started_at=datetime.now(UTC))
    setup = MeterSetup(meter_no=home.meter_no, customer_no=home.meter_no, balance_minor=5_000)
    meter = VirtualMeter(setup, now_ms=world.now_ms(), esam=wiring.keys(given), chance=Random(1))
    plan = DialPlan(host="127.0.0.1", port=port, redial_s_min=0.05, redial_s_max=0.1)

    async def scene() -> None:
        gateway = asyncio.create_task(Gateway(given).run())
        modem = Modem([meter], endpoint_id=home.endpoint_id, plan=plan, world=world, chance=Random(1))
        modem.start()
        fleet = Fleet({"modem": modem}, world=world)
        await until_known(postgres_url, "counts ->> 'cover' = '0'")

        fleet.obey({"order": "set_cover", "meter_no": meter.meter_no, "open": True})
        await until_known(postgres_url, "counts ->> 'cover' = '1' and 'cover_open' = any(flags)")

        await modem.shut()
        gateway.cancel()
        await asyncio.gather(gateway, return_exceptions=True)

    asyncio.run(scene())
