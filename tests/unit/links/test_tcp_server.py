"""The port that meters dial, over real loopback sockets."""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field

import pytest

from compuerta.adapters.links.registration import DialProfile, template
from compuerta.adapters.links.roadhead import Stranger
from compuerta.adapters.links.tcp_server import HEARD_BYTES_MAX, DialLimits, TcpServer
from compuerta.services.link_port import Link

PATIENCE_S = 5.0
IMEI = "860123456789012"
FRAME = bytes.fromhex("68943521908855689106333435357B555E16")
PROFILES = (
    DialProfile(registration=template("CPT1:{imei}"), heartbeats=(template("HB"),), heartbeat_s=60),
    DialProfile(registration=template("DTU-{sn:4}"), heartbeat_s=1),
)


@dataclass
class Gate:
    """The owner of a server: keeps who dialed, what each said, and why each was lost."""

    dialed: list[str] = field(default_factory=list)
    links: list[Link] = field(default_factory=list)
    received: dict[int, bytes] = field(default_factory=dict)
    losses: list[tuple[int, str]] = field(default_factory=list)
    news: asyncio.Event = field(default_factory=asyncio.Event)

    def admit(self, endpoint_id: str, link: Link) -> None:
        self.dialed.append(endpoint_id)
        self.links.append(link)
        link.attach(Ear(self, len(self.links) - 1))
        self.news.set()

    async def until(self, is_so: Callable[[], bool]) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while not is_so():
                self.news.clear()
                await self.news.wait()


@dataclass
class Ear:
    """The listener of one link of a gate."""

    gate: Gate
    number: int

    def heard(self, data: bytes) -> None:
        self.gate.received[self.number] = self.gate.received.get(self.number, b"") + data
        self.gate.news.set()

    def lost(self, reason: str) -> None:
        self.gate.losses.append((self.number, reason))
        self.gate.news.set()


def play(scene: Callable[[Gate, TcpServer, int], Coroutine[None, None, None]], limits: DialLimits) -> None:
    async def act() -> None:
        gate = Gate()
        server = TcpServer(
            PROFILES, is_known=lambda known: not known.startswith("9"), dialed=gate.admit, limits=limits
        )
        port = await server.open(host="127.0.0.1", port=0)
        try:
            await scene(gate, server, port)
        finally:
            await server.shut()

    asyncio.run(act())


async def dial(port: int, said: bytes) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(said)
    return reader, writer


async def hang_up_heard(reader: asyncio.StreamReader) -> bytes:
    async with asyncio.timeout(PATIENCE_S):
        try:
            return await reader.read()
        except ConnectionResetError:
            return b""


def test_a_known_dialer_becomes_a_link_and_its_heartbeats_stay_outside() -> None:
    async def scene(gate: Gate, server: TcpServer, port: int) -> None:
        _, writer = await dial(port, b"CPT1:" + IMEI.encode() + b"HB" + FRAME + b"HBHB" + FRAME)

        await gate.until(lambda: len(gate.received.get(0, b"")) >= 2 * len(FRAME))

        assert gate.dialed == [IMEI]
        assert server.endpoint_ids() == [IMEI]
        assert gate.received[0] == FRAME + FRAME
        writer.close()

    play(scene, DialLimits())


def test_a_registration_may_come_byte_by_byte() -> None:
    async def scene(gate: Gate, server: TcpServer, port: int) -> None:
        _, writer = await dial(port, b"")
        for octet in b"DTU-0042":
            writer.write(bytes((octet,)))
            await writer.drain()
            await asyncio.sleep(0)

        await gate.until(lambda: bool(gate.dialed))

        assert gate.dialed == ["0042"]
        writer.close()

    play(scene, DialLimits())


@pytest.mark.parametrize(
    ("said", "listed"),
    [(b"CPT1:960123456789012", "960123456789012"), (b"GET / HTTP/1.1\r\n", b"GET / HTTP/1.1\r\n".hex())],
)
def test_a_stranger_is_refused_and_listed_with_a_count(said: bytes, listed: str) -> None:
    async def scene(gate: Gate, server: TcpServer, port: int) -> None:
        for _ in range(2):
            reader, writer = await dial(port, said)
            assert await hang_up_heard(reader) == b""
            writer.close()

        assert gate.dialed == []
        assert server.strangers() == [Stranger(registration=listed, times=2)]

    play(scene, DialLimits())


def test_the_list_of_strangers_is_bounded() -> None:
    async def scene(gate: Gate, server: TcpServer, port: int) -> None:
        for number in range(4):
            reader, writer = await dial(port, b"CPT1:9%014d" % number)
            await hang_up_heard(reader)
            writer.close()

        assert [stranger.registration[-1] for stranger in server.strangers()] == ["2", "3"]

    play(scene, DialLimits(strangers_max=2))


def test_the_last_connection_of_an_id_wins() -> None:
    async def scene(gate: Gate, server: TcpServer, port: int) -> None:
        first_reader, first_writer = await dial(port, b"CPT1:" + IMEI.encode())
        await gate.until(lambda: len(gate.dialed) == 1)

        reader, writer = await dial(port, b"CPT1:" + IMEI.encode())
        await gate.until(lambda: len(gate.dialed) == 2)
        await hang_up_heard(first_reader)
        gate.links[1].write(FRAME)

        assert gate.losses == [(0, "replaced")]
        assert server.endpoint_ids() == [IMEI]
        assert await reader.readexactly(len(FRAME)) == FRAME
        first_writer.close()
        writer.close()

    play(scene, DialLimits())


def test_who_does_not_register_in_time_is_hung_up_on() -> None:
    async def scene(gate: Gate, server: TcpServer, port: int) -> None:
        reader, writer = await dial(port, b"CPT1:86")

        assert await hang_up_heard(reader) == b""

        assert gate.dialed == []
        assert server.strangers() == [Stranger(registration=b"CPT1:86".hex(), times=1)]
        writer.close()

    play(scene, DialLimits(registration_s=0.05, sweep_s=0.01))


def test_talking_on_without_registering_buys_no_time() -> None:
    async def scene(gate: Gate, server: TcpServer, port: int) -> None:
        reader, writer = await dial(port, b"CPT1:")
        hanging_up = asyncio.create_task(hang_up_heard(reader))

        for _ in range(12):  # fewer digits than a registration has, over four times its time
            writer.write(b"8")
            await asyncio.sleep(0.015)

        assert hanging_up.done()
        assert gate.dialed == []
        writer.close()

    play(scene, DialLimits(registration_s=0.04, sweep_s=0.01))


@pytest.mark.slow
def test_a_session_that_misses_three_heartbeats_is_dead_and_one_that_talks_is_not() -> None:
    async def scene(gate: Gate, server: TcpServer, port: int) -> None:
        _, talking = await dial(port, b"DTU-0001")
        _, silent = await dial(port, b"DTU-0002")
        await gate.until(lambda: len(gate.dialed) == 2)
        await asyncio.sleep(0.1)
        talking.write(b"\x00")

        await gate.until(lambda: bool(gate.losses))

        assert gate.losses == [(gate.dialed.index("0002"), "silent_too_long")]
        assert server.endpoint_ids() == ["0001"]
        talking.close()
        silent.close()

    play(scene, DialLimits(sweep_s=0.01))


def test_more_sessions_than_the_bound_are_not_taken() -> None:
    async def scene(gate: Gate, server: TcpServer, port: int) -> None:
        _, first = await dial(port, b"DTU-0001")
        await gate.until(lambda: len(gate.dialed) == 1)

        reader, second = await dial(port, b"DTU-0002")

        assert await hang_up_heard(reader) == b""
        assert gate.dialed == ["0001"]
        first.close()
        second.close()

    play(scene, DialLimits(sessions_max=1))


def test_strangers_that_say_nothing_keep_no_meter_out() -> None:
    async def scene(gate: Gate, server: TcpServer, port: int) -> None:
        first_reader, first = await dial(port, b"")
        _, second = await dial(port, b"")
        _, meter = await dial(port, b"DTU-0001")

        await gate.until(lambda: gate.dialed == ["0001"])

        assert await hang_up_heard(first_reader) == b""
        assert server.strangers() == [Stranger(registration="(said nothing)", times=1)]
        for writer in (first, second, meter):
            writer.close()

    play(scene, DialLimits(sessions_max=2, unregistered_max=2))


def test_a_dialer_that_floods_us_is_hung_up_on() -> None:
    async def scene(gate: Gate, server: TcpServer, port: int) -> None:
        _, writer = await dial(port, b"DTU-0001")
        await gate.until(lambda: bool(gate.dialed))

        writer.write(b"H" * (HEARD_BYTES_MAX + 1))
        await gate.until(lambda: bool(gate.losses))

        assert gate.losses == [(0, "talks_too_much")]
        writer.close()

    play(scene, DialLimits())


def test_a_dialer_that_does_not_read_is_given_up() -> None:
    async def scene(gate: Gate, server: TcpServer, port: int) -> None:
        _, writer = await dial(port, b"DTU-0001")
        await gate.until(lambda: bool(gate.dialed))

        for _ in range(10_000):  # until the sockets' own buffers are full
            gate.links[0].write(bytes(4_096))
            if gate.losses:
                break

        assert gate.losses == [(0, "peer_does_not_read")]
        writer.close()

    play(scene, DialLimits())


@pytest.mark.slow
def test_a_thousand_sessions_are_carried_at_once() -> None:
    async def scene(gate: Gate, server: TcpServer, port: int) -> None:
        writers = [(await dial(port, b"CPT1:86%013d" % number + FRAME))[1] for number in range(1_000)]

        await gate.until(lambda: len(gate.received) == 1_000)

        assert len(server.endpoint_ids()) == 1_000
        assert set(gate.received.values()) == {FRAME}
        for writer in writers:
            writer.close()

    play(scene, DialLimits())
