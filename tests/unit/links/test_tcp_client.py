"""Converters that we dial: who is dialed, how often, and who is let go of."""

import asyncio
import socket
from collections.abc import Coroutine

import pytest

from compuerta.adapters.links.tcp_client import (
    AddressNotDialable,
    Converter,
    DialedOut,
    Dress,
    NobodyAnswers,
    converter_of,
)
from compuerta.apps.roadheads.dial_out import dial_out_head
from compuerta.domain.party import Bearer, RoadKind
from compuerta.drivers.abilities import SWITCH_VALID_S
from compuerta.services.link_port import Link
from compuerta.services.records import Endpoint
from compuerta.wire import modbus

PATIENCE_S = 5.0
READ = modbus.encode(modbus.Frame(17, modbus.ReadRegisters(start=0, quantity=1).to_pdu()))
ANSWER = modbus.encode(modbus.Frame(17, modbus.Registers(octets=b"\x12\x34").to_pdu()))


def play(scene: Coroutine[None, None, None]) -> None:
    async def in_time() -> None:
        async with asyncio.timeout(PATIENCE_S):
            await scene

    asyncio.run(in_time())


class Masters:
    """A converter's port: who has dialed, in order."""

    def __init__(self) -> None:
        self.dialed: asyncio.Queue[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = asyncio.Queue()
        self._server: asyncio.Server | None = None
        self._writers: list[asyncio.StreamWriter] = []

    async def open(self) -> int:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return int(self._server.sockets[0].getsockname()[1])

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.append(writer)
        self.dialed.put_nowait((reader, writer))

    def shut(self) -> None:
        assert self._server is not None
        self._server.close()
        for writer in self._writers:
            writer.close()


class Keeper:
    """Who takes roads, and lets a test wait for them."""

    def __init__(self) -> None:
        self.taken: asyncio.Queue[tuple[str, Link]] = asyncio.Queue()

    def opened(self, endpoint_id: str, link: Link) -> None:
        self.taken.put_nowait((endpoint_id, link))

    def signalled(self, endpoint_id: str, sign: object) -> None:
        raise AssertionError

    def civil_now(self, endpoint_id: str) -> None:
        return None


class Ear:
    """A listener that keeps what it is told."""

    def __init__(self) -> None:
        self.received = bytearray()
        self.news = asyncio.Event()

    def heard(self, data: bytes) -> None:
        self.received += data
        self.news.set()

    def lost(self, reason: str) -> None:
        self.news.set()


def an_end(name: str, address: str) -> Endpoint:
    return Endpoint(
        endpoint_id=name, organisation_id=1, road=RoadKind.RS485, bearer=Bearer.DIAL_OUT, address=address
    )


@pytest.mark.parametrize(
    ("address", "converter"),
    [
        ("rtu://10.0.0.7:8899", Converter(host="10.0.0.7", port=8899, dress=Dress.PLAIN)),
        ("modbus://bus.house:502/", Converter(host="bus.house", port=502, dress=Dress.MODBUS_TCP)),
        ("rtu://[fd00::7]:23", Converter(host="fd00::7", port=23, dress=Dress.PLAIN)),
    ],
)
def test_an_address_says_whom_to_dial_and_how(address: str, converter: Converter) -> None:
    assert converter_of(address) == converter


@pytest.mark.parametrize(
    "address",
    [
        "",
        "10.0.0.7:502",
        "rtu://10.0.0.7",
        "rtu://:502",
        "rtu://h:99999",
        "http://h:80",
        "rtu://h:1/x",
        "rtu://u@h:1",
    ],
)
def test_an_address_that_does_not_say_it_is_refused(address: str) -> None:
    with pytest.raises(AddressNotDialable):
        converter_of(address)


def test_a_converter_that_hangs_up_is_dialed_again() -> None:
    async def scene() -> None:
        masters, opened = Masters(), asyncio.Queue[Link]()
        port = await masters.open()
        dialed = DialedOut(
            f"rtu://127.0.0.1:{port}", opened=opened.put_nowait, not_opened=print, backoff_s_min=0.001
        )
        running = asyncio.create_task(dialed.run())

        first = await opened.get()
        _, writer = await masters.dialed.get()
        writer.close()
        second = await opened.get()

        assert first is not second
        running.cancel()
        masters.shut()

    play(scene())


def test_nobody_there_is_told_once_for_each_reason() -> None:
    async def scene() -> None:
        masters = Masters()
        port = await masters.open()
        masters.shut()
        told: list[NobodyAnswers] = []
        dialed = DialedOut(
            f"rtu://127.0.0.1:{port}", opened=lambda _: None, not_opened=told.append, backoff_s_min=0.0
        )
        running = asyncio.create_task(dialed.run())
        for _ in range(200):
            await asyncio.sleep(0)

        assert [error.address for error in told] == [f"rtu://127.0.0.1:{port}"]
        running.cancel()

    play(scene())


def test_modbus_tcp_travels_in_its_own_dress_and_comes_back_as_rtu() -> None:
    async def scene() -> None:
        masters, opened, ear = Masters(), asyncio.Queue[Link](), Ear()
        port = await masters.open()
        dialed = DialedOut(f"modbus://127.0.0.1:{port}", opened=opened.put_nowait, not_opened=print)
        running = asyncio.create_task(dialed.run())
        link = await opened.get()
        link.attach(ear)
        reader, writer = await masters.dialed.get()

        link.write(READ)
        asked = await reader.readexactly(12)
        writer.write(asked[:2] + bytes.fromhex("0000000511") + b"\x03\x02\x12\x34")
        await ear.news.wait()

        assert asked.hex() == "000100000006110300000001"
        assert bytes(ear.received) == ANSWER
        running.cancel()
        masters.shut()

    play(scene())


def test_the_head_dials_who_is_entered_and_lets_go_of_who_is_not() -> None:
    async def scene() -> None:
        masters, keeper = Masters(), Keeper()
        port = await masters.open()
        head = dial_out_head(keeper)
        await head.open()
        running = asyncio.create_task(head.run())

        head.learn([an_end("nonsense", "http://h"), an_end("house-1", f"rtu://127.0.0.1:{port}")])
        endpoint_id, _ = await keeper.taken.get()
        reader, _ = await masters.dialed.get()
        head.learn([])
        ended = await reader.read()

        assert (endpoint_id, ended) == ("house-1", b"")
        assert head.strangers() == []
        running.cancel()
        await head.shut()
        masters.shut()

    play(scene())


def test_what_a_converter_does_not_take_dies_before_a_cut_is_looked_after() -> None:
    async def scene() -> None:
        masters, opened = Masters(), asyncio.Queue[Link]()
        port = await masters.open()
        dialed = DialedOut(f"modbus://127.0.0.1:{port}", opened=opened.put_nowait, not_opened=print)
        running = asyncio.create_task(dialed.run())

        # What the system would say again, and how long, nobody else tells.
        wire = (await opened.get())._transport.get_extra_info("socket")  # type: ignore[attr-defined]

        untaken_ms = wire.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT)
        assert 0 < untaken_ms <= 1_000 * SWITCH_VALID_S
        running.cancel()
        masters.shut()

    play(scene())
