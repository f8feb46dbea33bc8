"""pymodbus on the other side, both ways: our line asks its server, its client asks our virtual meters.

RTU over TCP and Modbus TCP, by the links and the converters that a gateway and a fleet use.
"""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from random import Random

import pytest
from pymodbus.client import AsyncModbusTcpClient
from pymodbus.framer import FramerType
from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

from compuerta.adapters.links.tcp_client import DialedOut, NobodyAnswers
from compuerta.adapters.models import load_models
from compuerta.apps.roads import Road
from compuerta.domain.party import Bearer, CreditAuthority, RoadKind
from compuerta.drivers.abilities import Ending, Order, ReadOrder, Relay, Result, SwitchOrder
from compuerta.drivers.line import Job, Priority
from compuerta.drivers.mac import SoftEsam
from compuerta.drivers.speaking import speak
from compuerta.drivers.talk import MeterIdentity
from compuerta.services.link_port import Link
from compuerta.services.records import Endpoint
from compuerta.virtual.fleet.converter import Converter, ConverterPlan
from compuerta.virtual.fleet.world import World
from compuerta.virtual.meter import ConstantLoad, MeterSetup, VirtualMeter

PATIENCE_S = 10.0
UNIT_NO = 17
METER_NO = "260700000017"
ESAM = SoftEsam(b"a key for tests.")
NOON = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
MODELS = load_models(Path(__file__).parents[2] / "models")
DRESSES = pytest.mark.parametrize(
    ("scheme", "framer"), [("rtu", FramerType.RTU), ("modbus", FramerType.SOCKET)]
)


def play(scene: Coroutine[None, None, None]) -> None:
    async def in_time() -> None:
        async with asyncio.timeout(PATIENCE_S):
            await scene

    asyncio.run(in_time())


@dataclass
class Gateway:
    """A road of ours to one address, and what its jobs brought."""

    road: Road
    results: dict[str, Result] = field(default_factory=dict)
    news: asyncio.Event = field(default_factory=asyncio.Event)

    async def carry_out(self, order: Order, *, model: str) -> Result:
        key = f"{len(self.results)}"
        now_ms = self.road.now_ms()
        self.road.submit(
            Job(
                key=key,
                meter_no=METER_NO,
                conversation=speak(
                    order,
                    model=MODELS[model],
                    meter=MeterIdentity(meter_no=METER_NO, unit_no=UNIT_NO),
                    mac=ESAM,
                    chance=bytes,
                ),
                priority=Priority.RECHARGE,
                timing=MODELS[model].roads["rs485"],
                deadline_ms=now_ms + 20_000,
            )
        )
        while key not in self.results:
            self.news.clear()
            await self.news.wait()
        return self.results[key]


@asynccontextmanager
async def a_gateway(address: str) -> AsyncIterator[Gateway]:
    opened: asyncio.Queue[Link] = asyncio.Queue()
    dialed = DialedOut(address, opened=opened.put_nowait, not_opened=not_here)
    running = asyncio.create_task(dialed.run())
    endpoint = Endpoint(
        endpoint_id="conv-1",
        organisation_id=1,
        road=RoadKind.RS485,
        bearer=Bearer.DIAL_OUT,
        address=address,
        baud=9_600,
    )
    gateways: list[Gateway] = []

    def finished(key: str, result: Result) -> None:
        gateways[0].results[key] = result
        gateways[0].news.set()

    try:
        road = Road(
            endpoint,
            await opened.get(),
            finished=finished,
            heard=lambda _: None,
            pushed=lambda *_: None,
            lost=lambda *_: None,
        )
        gateways.append(Gateway(road=road))
        yield gateways[0]
        road.shut()
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


def not_here(error: NobodyAnswers) -> None:
    raise AssertionError(error)


@asynccontextmanager
async def their_server(framer: FramerType, image: list[SimData]) -> AsyncIterator[int]:
    server = ModbusTcpServer(
        SimDevice(UNIT_NO, simdata=image),
        framer=framer,
        address=("127.0.0.1", 0),
        ignore_missing_devices=True,
    )
    await server.serve_forever(background=True)
    try:
        yield server.transport.sockets[0].getsockname()[1]
    finally:
        await server.shutdown()


@asynccontextmanager
async def our_converter(scheme: str, *, image: str = "generic") -> AsyncIterator[tuple[int, VirtualMeter]]:
    world = World(started_at=NOON)
    setup = MeterSetup(
        meter_no=METER_NO,
        credit_authority=CreditAuthority.PLATFORM,
        energy_wh=1_234_560,
        load=ConstantLoad(power_w=1_500),
        unit_no=UNIT_NO,
        modbus_image=image,
    )
    meter = VirtualMeter(setup, now_ms=world.now_ms(), esam=ESAM, chance=Random(1))
    plan = ConverterPlan(modbus_tcp=scheme == "modbus", answer_delay_ms_max=0)
    converter = Converter([meter], plan=plan, world=world, chance=Random(2))
    converter.start()
    try:
        yield await converter.port(), meter
    finally:
        await converter.shut()


@DRESSES
def test_our_line_reads_their_server(scheme: str, framer: FramerType) -> None:
    image = [
        SimData(0x00, values=[123_456, 100_000, 20_000, 3_000, 456], datatype=DataType.UINT32),
        SimData(0x0D, values=-700, datatype=DataType.INT16),
    ]

    async def scene() -> None:
        async with their_server(framer, image) as port, a_gateway(f"{scheme}://127.0.0.1:{port}") as gateway:
            result = await gateway.carry_out(ReadOrder(), model="acrel-ddsy1352")

        state = result.state
        assert (result.ending, state.energy_wh, state.power_w) == (Ending.DONE, 1_234_560, -700)
        assert state.rates_wh == (1_000_000, 200_000, 30_000, 4_560)

    play(scene())


@DRESSES
def test_our_line_writes_to_their_server_and_reads_it_back(scheme: str, framer: FramerType) -> None:
    # Their server keeps what is written, and its relay register never follows.
    image = [
        SimData(0x12, values=1, datatype=DataType.UINT16),
        SimData(0x20, values=1, datatype=DataType.UINT16),
    ]

    async def scene() -> None:
        async with their_server(framer, image) as port, a_gateway(f"{scheme}://127.0.0.1:{port}") as gateway:
            result = await gateway.carry_out(
                SwitchOrder(relay=Relay.OPEN, now=NOON.replace(tzinfo=None)), model="modbus-generic"
            )
            async with their_client(port, framer) as client:
                written = await client.read_holding_registers(0x20, count=1, device_id=UNIT_NO)

        assert (result.ending, result.reason) == (Ending.ACCEPTED, "not_read_back")
        assert written.registers == [0]

    play(scene())


@DRESSES
def test_an_exception_of_theirs_is_a_refusal(scheme: str, framer: FramerType) -> None:
    image = [SimData(0x40, values=1, datatype=DataType.UINT16)]

    async def scene() -> None:
        async with their_server(framer, image) as port, a_gateway(f"{scheme}://127.0.0.1:{port}") as gateway:
            result = await gateway.carry_out(ReadOrder(), model="modbus-generic")

        assert (result.ending, result.reason) == (Ending.REFUSED, "refused_by_meter")

    play(scene())


@asynccontextmanager
async def their_client(port: int, framer: FramerType) -> AsyncIterator[AsyncModbusTcpClient]:
    client = AsyncModbusTcpClient("127.0.0.1", port=port, framer=framer)
    assert await client.connect()
    try:
        yield client
    finally:
        client.close()


@DRESSES
def test_their_client_reads_and_switches_our_meter(scheme: str, framer: FramerType) -> None:
    async def scene() -> None:
        async with our_converter(scheme) as (port, meter), their_client(port, framer) as client:
            energies = await client.read_holding_registers(0, count=10, device_id=UNIT_NO)
            power = await client.read_holding_registers(0x10, count=3, device_id=UNIT_NO)
            opened = await client.write_register(0x20, 0, device_id=UNIT_NO)
            after = await client.read_holding_registers(0x12, count=1, device_id=UNIT_NO)

        total = client.convert_from_registers(energies.registers[:2], client.DATATYPE.UINT32)
        assert total == 123_456
        assert power.registers == [0, 1_500, 1]
        assert not opened.isError()
        assert after.registers == [0]
        assert meter.core.relay is Relay.OPEN

    play(scene())


@DRESSES
def test_their_client_is_told_by_exceptions(scheme: str, framer: FramerType) -> None:
    async def scene() -> None:
        async with our_converter(scheme) as (port, _), their_client(port, framer) as client:
            beyond = await client.read_holding_registers(0x7000, count=1, device_id=UNIT_NO)
            wrong = await client.write_register(0x20, 7, device_id=UNIT_NO)
            coil = await client.write_coil(0, True, device_id=UNIT_NO)

        assert [each.exception_code for each in (beyond, wrong, coil)] == [2, 3, 1]

    play(scene())


@DRESSES
def test_their_client_reads_floats_and_writes_many_registers(scheme: str, framer: FramerType) -> None:
    async def scene() -> None:
        async with our_converter(scheme, image="eastron") as (port, _), their_client(port, framer) as client:
            energy = await client.read_input_registers(0x48, count=2, device_id=UNIT_NO)
        async with (
            our_converter(scheme, image="acrel") as (port, meter),
            their_client(port, framer) as client,
        ):
            tripped = await client.write_registers(0x57, [1, 1], device_id=UNIT_NO)

        kwh = client.convert_from_registers(energy.registers, client.DATATYPE.FLOAT32)
        assert kwh == pytest.approx(1_234.56)
        assert not tripped.isError()
        assert meter.core.relay is Relay.OPEN

    play(scene())


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["rtu", "modbus"])
def test_the_whole_road_cuts_and_closes_by_a_converter(scheme: str) -> None:
    async def scene() -> None:
        async with (
            our_converter(scheme) as (port, meter),
            a_gateway(f"{scheme}://127.0.0.1:{port}") as gateway,
        ):
            now = NOON.replace(tzinfo=None)
            cut = await gateway.carry_out(SwitchOrder(relay=Relay.OPEN, now=now), model="modbus-generic")
            dark = meter.core.relay
            close = await gateway.carry_out(SwitchOrder(relay=Relay.CLOSED, now=now), model="modbus-generic")

        assert (cut.ending, dark) == (Ending.DONE, Relay.OPEN)
        assert (close.ending, meter.core.relay) == (Ending.DONE, Relay.CLOSED)

    play(scene())
