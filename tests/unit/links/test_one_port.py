"""One port for meters that say who they are in different manners, over real loopback sockets."""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from datetime import datetime

import pytest

from compuerta.adapters.links.introductions import ivy_profile
from compuerta.adapters.links.registration import DialProfile, template
from compuerta.adapters.links.roadhead import Stranger
from compuerta.adapters.links.tcp_server import HEARD_BYTES_MAX, DialLimits, TcpServer
from compuerta.domain.crc16 import crc16
from compuerta.services.link_port import Link
from compuerta.wire import acrel, dlt645

PATIENCE_S = 5.0
METER_NO = "558890213594"
SERIAL_NO = "12307210720085"
TUESDAY = datetime(2023, 10, 10, 17, 7, 27)  # noqa: DTZ001 - a meter's clock
LOGIN = acrel.encode(
    acrel.Frame(command=0x84, body=SERIAL_NO.encode().ljust(20, b"\0") + b"8".ljust(30, b"\0") + b"\x1a" * 8)
)
TIME_ASKED = acrel.encode(acrel.Frame(command=0x93, body=SERIAL_NO.encode().ljust(20, b"\0")))
UPLOAD = acrel.encode(acrel.Frame(command=0x91, body=b"[[1-1((\x01\x03\x00))]]"))
PUSH = dlt645.encode(dlt645.Frame(address=METER_NO, control=0x91, data=bytes.fromhex("ff050004") + bytes(14)))
IVY = bytes.fromhex("00010001000100120a020c") + b"240000000042" + bytes(3)
TOLD = bytes.fromhex("01030400000064")
TOLD += crc16(TOLD)


@dataclass
class House:
    """The owner of a port: what it was told, in order."""

    entered: set[str]
    dialed: list[str] = field(default_factory=list)
    links: list[Link] = field(default_factory=list)
    received: bytes = b""
    losses: list[str] = field(default_factory=list)
    signals: list[tuple[str, int]] = field(default_factory=list)
    news: asyncio.Event = field(default_factory=asyncio.Event)

    def admit(self, registration: str, link: Link) -> None:
        self.dialed.append(registration)
        self.links.append(link)
        link.attach(self)
        self.news.set()

    def heard(self, data: bytes) -> None:
        self.received += data
        self.news.set()

    def lost(self, reason: str) -> None:
        self.losses.append(reason)
        self.news.set()

    async def until(self, is_so: Callable[[], bool]) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while not is_so():
                self.news.clear()
                await self.news.wait()


Scene = Callable[[House, TcpServer, int], Coroutine[None, None, None]]


def play(scene: Scene, *entered: str, limits: DialLimits | None = None) -> None:
    async def act() -> None:
        house = House(entered=set(entered))
        server = TcpServer(
            [DialProfile(registration=template("CPT1:{imei}")), ivy_profile()],
            is_known=lambda name: name in house.entered,
            dialed=house.admit,
            heard_at=lambda name, csq: house.signals.append((name, csq)),
            civil_now=lambda _: TUESDAY,
            limits=limits,
        )
        port = await server.open(host="127.0.0.1", port=0)
        try:
            await scene(house, server, port)
        finally:
            await server.shut()

    asyncio.run(act())


async def dial(port: int, said: bytes) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(said)
    return reader, writer


@pytest.mark.parametrize(
    ("said", "name", "heard"),
    [
        (PUSH, METER_NO, PUSH),
        (IVY + PUSH, "240000000042", PUSH),
        (IVY + IVY + TOLD, "240000000042", TOLD),
        (TOLD, "modbus:1", TOLD),
        (LOGIN + acrel.carry(TOLD), SERIAL_NO, TOLD),
    ],
)
def test_whoever_is_entered_is_let_in_by_its_first_frame(said: bytes, name: str, heard: bytes) -> None:
    async def scene(house: House, server: TcpServer, port: int) -> None:
        _, writer = await dial(port, said)

        await house.until(lambda: house.received == heard)

        assert house.dialed == [name] == server.endpoint_ids()
        writer.close()

    play(scene, name)


@pytest.mark.parametrize(
    ("said", "name"),
    [(PUSH, METER_NO), (IVY, "240000000042"), (TOLD, "modbus:1"), (LOGIN, SERIAL_NO), (b"\0\1\0\1\0", "")],
)
def test_whoever_is_not_entered_is_refused_by_name(said: bytes, name: str) -> None:
    async def scene(house: House, server: TcpServer, port: int) -> None:
        reader, writer = await dial(port, said + bytes(3))

        async with asyncio.timeout(PATIENCE_S):
            assert await reader.read() == b""

        assert house.dialed == []
        (stranger,) = server.strangers()
        assert stranger.registration == name or not name
        writer.close()

    play(scene, "860123456789012")


def test_a_makers_module_is_answered_and_carries_what_is_written() -> None:
    async def scene(house: House, server: TcpServer, port: int) -> None:
        reader, writer = await dial(port, b"")
        for octet in LOGIN:
            writer.write(bytes((octet,)))
            await writer.drain()
        answered = await reader.readexactly(7)
        writer.write(UPLOAD + TIME_ASKED + acrel.encode(acrel.Frame(command=0x94)))
        upload_answered = await reader.readexactly(7)
        time_told = await reader.readexactly(14)
        house.links[0].write(TOLD)
        carried = await reader.readexactly(len(TOLD) + 7)

        assert (answered.hex(), upload_answered.hex()) == ("7b7b84bf237d7d", "7b7b917eec7d7d")
        assert acrel.time_of(time_told[3:10]) == TUESDAY
        assert carried == acrel.carry(TOLD)
        assert house.signals == [(SERIAL_NO, 26)]
        assert house.received == b""
        writer.close()

    play(scene, SERIAL_NO)


def test_another_meters_word_on_a_session_is_dropped_and_told() -> None:
    async def scene(house: House, server: TcpServer, port: int) -> None:
        foreign = acrel.encode(acrel.Frame(command=0x90, body=b"99999".ljust(20, b"\0") + TOLD))
        _, writer = await dial(port, LOGIN + foreign + acrel.carry(TOLD))

        await house.until(lambda: bool(house.received))

        assert house.received == TOLD
        assert server.strangers() == [Stranger(registration="99999", times=1, why="serial_foreign")]
        writer.close()

    play(scene, SERIAL_NO, "99999")


def test_two_devices_with_one_address_on_a_session_are_told() -> None:
    async def scene(house: House, server: TcpServer, port: int) -> None:
        asked = dlt645.encode(dlt645.Frame(address=METER_NO, control=0x11, data=bytes(4)))
        both = [
            dlt645.encode(dlt645.Frame(address=METER_NO, control=0x91, data=bytes(4) + bytes((each,)) * 4))
            for each in (0x11, 0x22)
        ]
        reader, writer = await dial(port, b"CPT1:860123456789012")
        await house.until(lambda: bool(house.links))
        house.links[0].write(asked)
        await reader.readexactly(len(asked))
        writer.write(b"".join(both))

        await house.until(lambda: len(house.received) == len(both[0]) * 2)

        twice = Stranger(registration=f"860123456789012 {METER_NO}", times=1, why="address_twice")
        assert server.strangers() == [twice]
        writer.close()

    play(scene, "860123456789012")


def test_a_module_that_talks_nonsense_is_hung_up_on() -> None:
    async def scene(house: House, server: TcpServer, port: int) -> None:
        _, writer = await dial(port, LOGIN + b"\x7b\x7b\x90" * 1_000)

        await house.until(lambda: bool(house.losses))

        assert house.losses == ["talks_nonsense"]
        writer.close()

    play(scene, SERIAL_NO)


@pytest.mark.parametrize("hello", [b"CPT1:860123456789012", LOGIN, PUSH])
def test_a_flood_that_comes_with_the_first_words_is_hung_up_on(hello: bytes) -> None:
    async def scene(house: House, server: TcpServer, port: int) -> None:
        _, writer = await dial(port, hello + b"\x68" * (HEARD_BYTES_MAX + 1))

        await house.until(lambda: bool(house.losses))

        assert house.losses == ["talks_too_much"]
        assert len(house.received) < HEARD_BYTES_MAX
        writer.close()

    play(scene, "860123456789012", SERIAL_NO, METER_NO)


def test_an_end_that_is_taken_out_loses_its_session() -> None:
    async def scene(house: House, server: TcpServer, port: int) -> None:
        _, writer = await dial(port, LOGIN)
        await house.until(lambda: bool(house.links))

        server.forget_unknown()
        assert server.endpoint_ids() == [SERIAL_NO]
        house.entered.clear()
        server.forget_unknown()

        assert server.endpoint_ids() == []
        assert house.losses == ["not_known"]
        writer.close()

    play(scene, SERIAL_NO)


def test_a_half_login_buys_no_more_time_than_silence() -> None:
    async def scene(house: House, server: TcpServer, port: int) -> None:
        reader, writer = await dial(port, LOGIN[:30])

        async with asyncio.timeout(PATIENCE_S):
            assert await reader.read() == b""

        assert house.dialed == []
        assert server.strangers() == [Stranger(registration=LOGIN[:30].hex(), times=1)]
        writer.close()

    play(scene, SERIAL_NO, limits=DialLimits(registration_s=0.05, sweep_s=0.01))
