"""A virtual module of Acrel's with a Modbus meter in it, dialing the real port: read, cut and lit again."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from compuerta.adapters.links.tcp_server import TcpServer
from compuerta.adapters.models import load_models
from compuerta.apps.roads import Road
from compuerta.domain.party import Bearer, RoadKind
from compuerta.drivers.abilities import Ending, Order, ReadOrder, Relay, Result, SwitchOrder
from compuerta.drivers.line import Job, Priority
from compuerta.drivers.mac import SoftEsam
from compuerta.drivers.speaking import speak
from compuerta.drivers.talk import MeterIdentity
from compuerta.services.link_port import Link
from compuerta.services.records import Endpoint
from compuerta.virtual.fleet.config import roads_from
from compuerta.virtual.fleet.dial import Modem
from compuerta.virtual.fleet.fields import FieldMalformed, Json
from compuerta.virtual.fleet.manners import AcrelModule
from compuerta.virtual.fleet.world import World

MODEL = load_models(Path(__file__).parents[3] / "models")["acrel-ddsy1352"]
SERIAL_NO = "12307210720085"
METER_NO = "260305510042"
END = Endpoint(
    endpoint_id="e-1", organisation_id=1, road=RoadKind.MOBILE_4G, bearer=Bearer.DIAL_IN, address=SERIAL_NO
)
CIVIL = datetime(2026, 11, 23, 9, 30)  # noqa: DTZ001 - what a meter's clock shows
PATIENCE_S = 5.0


def a_fleet(port: int, *, serial_no: str = SERIAL_NO) -> dict[str, Json]:
    return {
        "dial_in": {"host": "127.0.0.1", "port": port, "heartbeat_s": 0.01, "answer_delay_ms": [0, 1]},
        "meters": [
            {
                "meter_no": METER_NO,
                "acrel": serial_no,
                "unit_no": 7,
                "modbus_image": "acrel",
                "credit_authority": "platform",
                "load": {"power_w": 800},
            }
        ],
    }


async def told_by(road: Road, results: dict[str, Result], news: asyncio.Event, order: Order) -> Result:
    speech = speak(
        order,
        model=MODEL,
        meter=MeterIdentity(meter_no=METER_NO, unit_no=7),
        mac=SoftEsam(b"a key that no Modbus meter has"),
        chance=bytes,
    )
    road.submit(
        Job(
            key=repr(order),
            meter_no=METER_NO,
            conversation=speech,
            priority=Priority.SAFETY,
            timing=MODEL.roads["4g"],
            deadline_ms=road.now_ms() + 10_000,
        )
    )
    while repr(order) not in results:
        news.clear()
        await news.wait()
    return results[repr(order)]


def a_road(link: Link, finished: Callable[[str, Result], None]) -> Road:
    return Road(
        END,
        link,
        finished=finished,
        heard=lambda _: None,
        pushed=lambda _, __: None,
        lost=lambda _, __: None,
    )


def test_a_meter_in_a_makers_module_is_read_cut_and_lit_again() -> None:
    async def scene() -> None:
        dialed: asyncio.Queue[Link] = asyncio.Queue()
        server = TcpServer(
            [],
            is_known=lambda name: name == SERIAL_NO,
            dialed=lambda _, link: dialed.put_nowait(link),
            civil_now=lambda _: CIVIL,
        )
        port = await server.open(host="127.0.0.1", port=0)
        modem = roads_from(a_fleet(port), world=World(started_at=datetime(2026, 11, 23, tzinfo=UTC)))[
            SERIAL_NO
        ]
        assert isinstance(modem, Modem) and isinstance(modem.manner, AcrelModule)
        results: dict[str, Result] = {}
        news = asyncio.Event()

        def finished(key: str, result: Result) -> None:
            results[key] = result
            news.set()

        modem.start()
        try:
            async with asyncio.timeout(PATIENCE_S):
                road = a_road(await dialed.get(), finished)
                read = await told_by(road, results, news, ReadOrder())
                cut = await told_by(road, results, news, SwitchOrder(relay=Relay.OPEN, now=CIVIL))
                dark = modem.meters[0].core.contact_closed
                lit = await told_by(road, results, news, SwitchOrder(relay=Relay.CLOSED, now=CIVIL))
        finally:
            await modem.shut()
            await server.shut()

        assert read.ending is cut.ending is lit.ending is Ending.DONE
        assert read.state.power_w == 800
        assert not dark and modem.meters[0].core.contact_closed
        assert modem.manner.told == CIVIL

    asyncio.run(scene())


@pytest.mark.parametrize("serial_no", ["1" * 21, "no digits", ""])
def test_a_serial_number_that_no_login_can_carry_is_refused(serial_no: str) -> None:
    with pytest.raises(FieldMalformed, match="acrel is a serial number"):
        roads_from(
            a_fleet(1, serial_no=serial_no), world=World(started_at=datetime(2026, 11, 23, tzinfo=UTC))
        )
