"""Whatever somebody says to the one port, in whatever pieces: no error, and no other meter's data."""

import asyncio
import gc
import socket
import weakref
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compuerta.adapters.links.registration import DialProfile, template
from compuerta.adapters.links.tcp_server import TcpServer
from compuerta.adapters.models import load_models
from compuerta.apps.roads import Road
from compuerta.domain.crc16 import crc16
from compuerta.domain.party import Bearer, RoadKind
from compuerta.drivers.abilities import ReadOrder
from compuerta.drivers.line import Job, Priority
from compuerta.drivers.mac import SoftEsam
from compuerta.drivers.speaking import speak
from compuerta.drivers.talk import MeterIdentity
from compuerta.services.link_port import Link
from compuerta.services.records import Endpoint
from compuerta.wire import acrel, dlt645

IMEI = "860123456789012"
METER_NO = "558890213594"
SERIAL_NO = "12307210720085"
PROFILE = DialProfile(registration=template("CPT1:{imei}"), heartbeats=(template("HB"),))
ENTERED = frozenset({IMEI, METER_NO, SERIAL_NO, "modbus:1"})
TOLD = bytes.fromhex("01030400000064")
TOLD += crc16(TOLD)
LOGIN, STRANGE = (
    acrel.encode(acrel.Frame(command=0x84, body=serial.ljust(20, b"\0") + b"8".ljust(38, b"\0")))
    for serial in (SERIAL_NO.encode(), b"1")
)
FRAME = dlt645.encode(dlt645.Frame(address=METER_NO, control=0x91, data=bytes(8)))
OTHER = dlt645.encode(dlt645.Frame(address="1" * 12, control=0x91, data=bytes(8)))
FOREIGN = acrel.encode(acrel.Frame(command=0x90, body=b"1".ljust(20, b"\0") + b"another meter's bytes"))
SAID = [LOGIN, STRANGE, FRAME, OTHER, FOREIGN, TOLD, acrel.carry(TOLD), b"CPT1:" + IMEI.encode(), b"HB"]
pieces = st.lists(
    st.sampled_from(SAID)
    | st.sampled_from(SAID).map(lambda said: said[: len(said) // 2])
    | st.binary(max_size=40),
    max_size=10,
)


class Wire(asyncio.Transport):
    """A transport that keeps what is written. (It inherits, since the port takes nothing else.)"""

    def __init__(self, peer: socket.socket) -> None:
        super().__init__()
        self.peer = peer
        self.written = b""
        self.is_over = False

    def get_extra_info(self, name: str, default: object = None) -> object:
        return self.peer if name == "socket" else default

    def get_write_buffer_size(self) -> int:
        return 0

    def write(self, data: object) -> None:
        assert isinstance(data, bytes) and not self.is_over
        self.written += data

    def abort(self) -> None:
        self.is_over = True


@dataclass
class House:
    """Who was let in, and what was heard of them."""

    dialed: list[str] = field(default_factory=list)
    received: bytes = b""
    losses: list[str] = field(default_factory=list)

    def admit(self, registration: str, link: Link) -> None:
        self.dialed.append(registration)
        link.attach(self)

    def heard(self, data: bytes) -> None:
        self.received += data

    def lost(self, reason: str) -> None:
        self.losses.append(reason)


@contextmanager
def a_call(server: TcpServer) -> Iterator[tuple[asyncio.Protocol, Wire]]:
    session = server.answer()
    with closing(socket.socket()) as peer:
        wire = Wire(peer)
        session.connection_made(wire)
        yield session, wire


@pytest.mark.slow
@given(st.sampled_from([LOGIN, SAID[-2], FRAME, TOLD, b""]), pieces)
def test_no_bytes_break_the_port_or_reach_where_they_do_not_belong(first: bytes, said: list[bytes]) -> None:
    house = House()

    async def scene() -> None:
        server = TcpServer(
            [PROFILE],
            is_known=ENTERED.__contains__,
            dialed=house.admit,
        )
        with a_call(server) as (session, wire):
            for piece in (first, *said):
                session.data_received(piece)
            assert wire.is_over or len(house.dialed) <= 1
            session.connection_lost(None)
        assert server.endpoint_ids() == []

    asyncio.run(scene())

    assert set(house.dialed) <= ENTERED
    assert len(house.losses) <= 1
    assert b"another meter's bytes" not in house.received or house.dialed != [SERIAL_NO]


def test_a_session_that_ended_is_forgotten_without_the_collector() -> None:
    # The gateway hides what has stood for some seconds from the collector.
    ended: list[weakref.ref[object]] = []
    end = Endpoint(
        endpoint_id=IMEI, organisation_id=1, road=RoadKind.MOBILE_4G, bearer=Bearer.DIAL_IN, address=IMEI
    )

    def admit(registration: str, link: Link) -> None:
        road = Road(end, link, finished=ignore, heard=ignore, pushed=ignore, lost=ignore)
        road.submit(a_reading())
        ended.extend((weakref.ref(road), weakref.ref(link)))

    async def scene() -> None:
        server = TcpServer([PROFILE], is_known=ENTERED.__contains__, dialed=admit)
        with a_call(server) as (session, _):
            session.data_received(b"CPT1:" + IMEI.encode() + FRAME)
            session.connection_lost(None)
        del session
        assert [each() for each in ended] == [None, None]

    gc.disable()
    try:
        asyncio.run(scene())
    finally:
        gc.enable()


def ignore(*_: object) -> None:
    """Nobody keeps what a road tells here."""


def a_reading() -> Job:
    model = load_models(Path(__file__).parents[3] / "models")["dlt645-standard-4g"]
    conversation = speak(
        ReadOrder(),
        model=model,
        meter=MeterIdentity(meter_no=METER_NO),
        mac=SoftEsam(bytes(16)),
        chance=bytes,
    )
    return Job(
        key="poll",
        meter_no=METER_NO,
        conversation=conversation,
        priority=Priority.POLL,
        timing=model.roads[RoadKind.MOBILE_4G.value],
        deadline_ms=10**12,
    )
