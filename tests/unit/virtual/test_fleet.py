"""Virtual meters on real roads: loopback TCP and a pseudo terminal, with faults and orders."""

import asyncio
import json
import os
import resource
import sys
from collections.abc import Coroutine
from datetime import UTC, datetime
from pathlib import Path
from random import Random

import pytest

from compuerta.adapters.links.registration import DialProfile, template
from compuerta.adapters.links.tcp_server import TcpServer
from compuerta.drivers.mac import SoftEsam
from compuerta.services.link_port import Link
from compuerta.virtual.faults import LATE_MS, Delivery, Faults, afflict, garbled, mistreat
from compuerta.virtual.fleet import Bus, DialPlan, Fleet, Modem, World, serve
from compuerta.virtual.fleet.config import plan_from, roads_from
from compuerta.virtual.fleet.fields import FieldMalformed
from compuerta.virtual.meter import ConstantLoad, MeterSetup, VirtualMeter
from compuerta.wire.dlt645 import (
    WILDCARD,
    AddressAnswer,
    Answer,
    Deframer,
    ReadAddress,
    ReadRegister,
    RegisterAnswer,
    Request,
    encode,
    parse_answer,
)

PATIENCE_S = 5
STARTED_AT = datetime(2026, 11, 22, 4, 0, 0, tzinfo=UTC)
ESAM = SoftEsam(b"a key for the tests of fleets")
READ_ENERGY = ReadRegister(di=0x00010000)
PROFILE = DialProfile(registration=template("CPT1:{imei}"), heartbeats=(template("HB"),), heartbeat_s=60)


class Ear:
    """Hears a road, and lets a test wait for whole answers."""

    def __init__(self) -> None:
        self.answers: asyncio.Queue[Answer] = asyncio.Queue()
        self.octets = bytearray()
        self.is_lost = asyncio.Event()
        self._deframer = Deframer()

    def heard(self, data: bytes) -> None:
        self.octets += data
        for frame in self._deframer.receive(data, now_ms=0):
            if frame.control & 0x80:
                self.answers.put_nowait(parse_answer(frame))

    def lost(self, reason: str) -> None:
        self.is_lost.set()

    async def answer(self) -> Answer:
        async with asyncio.timeout(PATIENCE_S):
            return await self.answers.get()


class Platform:
    """A dial-in port that remembers who called."""

    def __init__(self) -> None:
        self.links: asyncio.Queue[tuple[str, Link]] = asyncio.Queue()
        self.server = TcpServer(
            [PROFILE], is_known=lambda _: True, dialed=lambda who, link: self.links.put_nowait((who, link))
        )

    async def open(self) -> DialPlan:
        port = await self.server.open(host="127.0.0.1", port=0)
        return DialPlan(
            host="127.0.0.1", port=port, heartbeat_s=0.01, answer_delay_ms=(0, 1), redial_s_min=0.01
        )

    async def next_call(self) -> tuple[str, Link, Ear]:
        async with asyncio.timeout(PATIENCE_S):
            who, link = await self.links.get()
        ear = Ear()
        link.attach(ear)
        return who, link, ear


def a_world(factor: int = 1) -> World:
    return World(started_at=STARTED_AT, factor=factor)


def a_meter(number: int = 1, *, world: World, energy_wh: int = 12_340) -> VirtualMeter:
    setup = MeterSetup(
        meter_no=f"{number:012d}", balance_minor=5_000, energy_wh=energy_wh, load=ConstantLoad(power_w=0)
    )
    return VirtualMeter(setup, now_ms=world.now_ms(), esam=ESAM, chance=Random(number))


def a_modem(
    meters: list[VirtualMeter], *, plan: DialPlan, world: World, endpoint_id: str = "860123456789012"
) -> Modem:
    modem = Modem(meters, endpoint_id=endpoint_id, plan=plan, world=world, chance=Random(1))
    modem.start()
    return modem


def asked(request: Request, *, of: str) -> bytes:
    return encode(request.to_frame(of))


def play(scene: Coroutine[None, None, None]) -> None:
    asyncio.run(scene)


# Dialing in.


def test_a_modem_registers_and_its_meters_answer_between_heartbeats() -> None:
    async def scene() -> None:
        platform, world = Platform(), a_world()
        plan = await platform.open()
        behind = [a_meter(1, world=world), a_meter(2, world=world, energy_wh=560)]
        modem = a_modem(behind, plan=plan, world=world)

        who, link, ear = await platform.next_call()
        link.write(asked(READ_ENERGY, of="000000000002"))
        answer = await ear.answer()

        assert who == "860123456789012"
        assert answer == RegisterAnswer(di=0x00010000, payload=bytes.fromhex("56000000"))
        await modem.shut()
        await platform.server.shut()

    play(scene())


def test_a_modem_that_lost_its_call_dials_again() -> None:
    async def scene() -> None:
        platform, world = Platform(), a_world()
        plan = await platform.open()
        meter = a_meter(world=world)
        modem = a_modem([meter], plan=plan, world=world)
        _, _, first = await platform.next_call()

        modem.hang_up()
        _, link, second = await platform.next_call()
        link.write(asked(READ_ENERGY, of=meter.meter_no))

        assert first.is_lost.is_set()
        assert isinstance(await second.answer(), RegisterAnswer)
        await modem.shut()
        await platform.server.shut()

    play(scene())


def test_a_power_cut_takes_the_modem_with_it_and_power_brings_it_back() -> None:
    async def scene() -> None:
        platform, world = Platform(), a_world()
        plan = await platform.open()
        meter = a_meter(world=world)
        modem = a_modem([meter], plan=plan, world=world)
        fleet = Fleet({"860123456789012": modem}, world=world)
        _, _, ear = await platform.next_call()

        fleet.obey({"order": "set_power", "meter_no": meter.meter_no, "powered": False})
        async with asyncio.timeout(PATIENCE_S):
            await ear.is_lost.wait()
        assert platform.links.empty()
        fleet.obey({"order": "set_power", "meter_no": meter.meter_no, "powered": True})

        who, _, _ = await platform.next_call()
        assert who == "860123456789012"
        await modem.shut()
        await platform.server.shut()

    play(scene())


@pytest.mark.slow
def test_a_thousand_meters_dial_in_from_one_process_and_idle_cheaply() -> None:
    async def scene() -> None:
        platform, world = Platform(), a_world()
        plan = await platform.open()
        plan = DialPlan(host=plan.host, port=plan.port, heartbeat_s=60, answer_delay_ms=(0, 1))
        meters_no = 1_000
        behind = {f"{86 * 10**13 + number}": [a_meter(number, world=world)] for number in range(meters_no)}

        before_s = resource.getrusage(resource.RUSAGE_SELF)
        modems = [
            a_modem(meters, plan=plan, world=world, endpoint_id=endpoint_id)
            for endpoint_id, meters in behind.items()
        ]
        ears = []
        for _ in range(meters_no):
            who, link, ear = await platform.next_call()
            link.write(asked(READ_ENERGY, of=behind[who][0].meter_no))
            ears.append(ear)
        answers = [await ear.answer() for ear in ears]
        after_s = resource.getrusage(resource.RUSAGE_SELF)

        assert all(isinstance(answer, RegisterAnswer) for answer in answers)
        # Both ends of all calls, registration and one read each: far below 10 ms of processor per meter.
        assert after_s.ru_utime - before_s.ru_utime < 10
        for modem in modems:
            await modem.shut()
        await platform.server.shut()

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < 4_096:
        pytest.skip(f"a thousand calls need 2,000 handles, and only {hard} are allowed")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 4_096), hard))
    play(scene())


# The bus.


async def on_a_bus(bus: Bus, request: bytes) -> tuple[Ear, float]:
    return await on_a_device(bus.device, request)


async def on_a_device(device: str, request: bytes) -> tuple[Ear, float]:
    """Write to the line's device as a platform would; return what came back, and after how long."""
    loop = asyncio.get_running_loop()
    port = os.open(device, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
    ear = Ear()
    loop.add_reader(port, lambda: ear.heard(os.read(port, 4_096)))
    started_s = loop.time()
    os.write(port, request)
    try:
        await ear.answer()
        return ear, loop.time() - started_s
    finally:
        loop.remove_reader(port)
        os.close(port)


def a_bus(meters_no: int, *, world: World, baud: int = 19_200) -> Bus:
    meters = [a_meter(number, world=world) for number in range(1, meters_no + 1)]
    bus = Bus(meters, world=world, chance=Random(1), baud=baud, answer_delay_ms=(0, 1))
    bus.start()
    return bus


def test_meters_on_one_line_answer_to_their_own_numbers() -> None:
    async def scene() -> None:
        world = a_world()
        bus = a_bus(3, world=world)

        ear, _ = await on_a_bus(bus, asked(READ_ENERGY, of="000000000002"))

        (frame,) = Deframer().receive(bytes(ear.octets), now_ms=0)
        assert frame.address == "000000000002"
        await bus.shut()

    play(scene())


def test_bytes_travel_at_the_speed_of_the_line() -> None:
    async def scene() -> None:
        world = a_world()
        bus = Bus([a_meter(world=world)], world=world, chance=Random(1), baud=9_600)
        bus.start()

        _, took_s = await on_a_bus(bus, asked(READ_ENERGY, of="000000000001"))

        # 20 bytes there and 24 back, 11 bits each, and 20 ms for the meter to begin.
        assert took_s >= (20 + 24) * 11 / 9_600 + 0.020
        await bus.shut()

    play(scene())


def test_a_late_answer_does_not_hold_up_the_line() -> None:
    async def scene() -> None:
        world = a_world()
        bus = a_bus(1, world=world)
        request = asked(READ_ENERGY, of="000000000001")
        bus.faults = Faults(late_answer=1)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await on_a_bus(bus, request)

        bus.faults = Faults()
        _, took_s = await on_a_bus(bus, request)

        assert took_s < LATE_MS / 1_000
        await bus.shut()

    play(scene())


def test_two_meters_that_answer_at_once_spoil_both_answers() -> None:
    async def scene() -> None:
        world = a_world()
        bus = a_bus(2, world=world)
        one_alone = bus.meters[0].receive(asked(ReadAddress(), of=WILDCARD), now_ms=world.now_ms())

        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.15):
                await on_a_bus(bus, asked(ReadAddress(), of=WILDCARD))

        assert [parse_answer(frame) for frame in Deframer().receive(one_alone, now_ms=0)] == [
            AddressAnswer(meter_no="000000000001")
        ]
        await bus.shut()

    play(scene())


# Faults.


def test_without_faults_the_answer_passes_as_it_is() -> None:
    heard = mistreat(b"answer", request=b"request", faults=Faults(), chance=Random(1))

    assert heard == [Delivery(delay_ms=0, octets=b"answer")]


def test_each_fault_does_what_it_says() -> None:
    def heard(faults: Faults) -> list[Delivery]:
        return mistreat(b"answer", request=b"request", faults=faults, chance=Random(1))

    assert heard(Faults(loss=1)) == []
    assert heard(Faults(echo=True, loss=1)) == [Delivery(delay_ms=0, octets=b"request")]
    assert heard(Faults(delay_ms=300)) == [Delivery(delay_ms=300, octets=b"answer")]
    assert heard(Faults(late_answer=1)) == [Delivery(delay_ms=LATE_MS, octets=b"answer")]
    (damaged,) = heard(Faults(damage=1))
    flipped = int.from_bytes(damaged.octets) ^ int.from_bytes(b"answer")
    assert flipped.bit_count() == 1


def test_a_driven_zero_wins_where_two_answers_meet() -> None:
    assert garbled([b"\xff\x0f", b"\xf0\xff\xaa"]) == b"\xf0\x0f\xaa"


def test_faults_of_the_meter_itself_are_put_into_it() -> None:
    world = a_world()
    meter = a_meter(world=world)
    civil_ms = meter.core.civil_ms

    afflict(meter, Faults(silent=True, stuck_relay=True, clock_offset_s=-90))

    assert meter.receive(asked(READ_ENERGY, of=meter.meter_no), now_ms=meter.core.now_ms) == b""
    assert meter.core.stuck_relay
    assert meter.core.civil_ms == civil_ms - 90_000


# The world's clock.


def test_a_fast_world_tells_real_instants() -> None:
    clock = iter([100.0, 102.5])
    world = World(started_at=STARTED_AT, factor=60, clock=lambda: next(clock))

    now_ms = world.now_ms()

    assert now_ms == 150_000 + int(STARTED_AT.timestamp() * 1_000)
    assert world.real_at(now_ms).isoformat() == "2026-11-22T04:00:02.500000+00:00"


# Orders, and the file.

CONFIG = {
    "factor": 1,
    "utc_offset_min": 480,
    "dial_in": {"host": "127.0.0.1", "port": 1, "heartbeat_s": 30},
    "buses": {"house-1": {"baud": 9600}},
    "meters": [
        {"meter_no": "558890213594", "balance_minor": 5_000, "endpoint_id": "860123456789012"},
        {"meter_no": "260305510012", "layout": "vendor", "bus": "house-1", "load": {"power_w": 700}},
        {
            "meter_no": "260305510013",
            "credit_authority": "platform",
            "bus": "house-1",
            "limits": {"overdraft_minor": 100},
        },
    ],
}


def a_fleet() -> Fleet:
    world = World(started_at=STARTED_AT, clock=lambda: 0.0)
    return Fleet(roads_from(CONFIG, world=world), world=world)


def test_a_fleet_is_made_of_its_file() -> None:
    fleet = a_fleet()

    assert plan_from(CONFIG).factor == 1
    assert isinstance(fleet.roads["860123456789012"], Modem)
    bus = fleet.roads["house-1"]
    assert isinstance(bus, Bus)
    assert (bus.baud, len(bus.meters)) == (9_600, 2)
    assert fleet.state("558890213594")["clock"].startswith("2026-11-22T12:00:00")
    assert fleet.state("260305510013")["balance_minor"] is None


@pytest.mark.parametrize(
    "meter",
    [
        {"meter_no": "1", "bus": "house-1", "colour": "red"},
        {"meter_no": "1", "bus": "house-1", "balance_minor": "much"},
        {"meter_no": "1", "bus": "house-1", "limits": {"alarm_3_minor": 1}},
        {"meter_no": "1", "bus": "house-1", "load": {}},
        {"meter_no": "1", "bus": "house-1", "phases": 2},
        {"meter_no": "1", "bus": "house-1", "layout": "new"},
        {"meter_no": "1", "bus": "house-2"},
        {"meter_no": "1"},
        {"bus": "house-1"},
    ],
)
def test_a_file_that_says_what_cannot_be_is_refused(meter: dict[str, object]) -> None:
    with pytest.raises(FieldMalformed):
        roads_from({**CONFIG, "meters": [meter]}, world=a_world())


def test_orders_do_what_a_person_at_the_meter_does(tmp_path: Path) -> None:
    async def scene() -> None:
        fleet = a_fleet()
        path = str(tmp_path / "orders")
        server = await serve(fleet, path=path)
        reader, writer = await asyncio.open_unix_connection(path)

        async def order(**wanted: object) -> dict[str, object]:
            writer.write(json.dumps(wanted).encode() + b"\n")
            answer: dict[str, object] = json.loads(await reader.readline())
            return answer

        meter_no = "558890213594"
        assert (await order(order="set_load", meter_no=meter_no, power_w=1_500))["ok"]
        assert (await order(order="set_cover", meter_no=meter_no, open=True))["ok"]
        (state,) = (await order(order="dump", meter_no=meter_no))["meters"]
        assert (state["power_w"], state["cover_open"], state["relay"]) == (1_500, True, "closed")

        assert not (await order(order="explode", meter_no=meter_no))["ok"]
        assert not (await order(order="set_load", meter_no="nobody", power_w=1))["ok"]
        assert not (await order(order="set_load", meter_no=meter_no, power_w=True))["ok"]
        assert not (await order(order="set_faults", meter_no=meter_no, gravity=1))["ok"]

        writer.close()
        server.close()
        await server.wait_closed()

    play(scene())


def test_a_recharge_is_told_with_the_instants_of_credit_and_of_supply() -> None:
    fleet = a_fleet()
    meter = fleet.meter("260305510012")
    meter.core.recharge(amount_minor=1_000, purchase_no=1)

    (credited,) = fleet.state("260305510012")["credited"]

    assert (credited["purchase_no"], credited["amount_minor"]) == (1, 1_000)
    assert credited["credited_at"] == credited["closed_at"]
    assert datetime.fromisoformat(credited["credited_at"]) >= STARTED_AT


@pytest.mark.slow
def test_a_fleet_runs_as_a_process_of_its_own(tmp_path: Path) -> None:
    async def scene() -> None:
        link = tmp_path / "house-1"
        config = {
            "buses": {"house-1": {"baud": 19_200, "link": str(link)}},
            "meters": [{"meter_no": "000000000001", "energy_wh": 12_340, "bus": "house-1"}],
        }
        (tmp_path / "fleet.json").write_text(json.dumps(config), encoding="utf-8")
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "compuerta.virtual.fleet", "--config", str(tmp_path / "fleet.json"),
            stdout=asyncio.subprocess.PIPE, env={**os.environ, "PYTHONPATH": "src"},
        )  # fmt: skip
        assert process.stdout is not None
        async with asyncio.timeout(PATIENCE_S):
            roads = json.loads(await process.stdout.readline())["roads"]

        ear, _ = await on_a_device(str(link), asked(READ_ENERGY, of="000000000001"))
        process.terminate()

        assert roads["house-1"]["meters"] == ["000000000001"]
        assert ear.octets
        async with asyncio.timeout(PATIENCE_S):
            assert await process.wait() == 0
        assert not link.is_symlink()

    play(scene())
