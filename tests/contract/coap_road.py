"""A device on NB-IoT before our own ports, and the link to it: the CoAP road of the link's contract."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from compuerta.adapters.links.coap_port import CoapPort
from compuerta.adapters.links.coap_server import CoapLimits, CoapServer
from compuerta.adapters.links.roadhead import Refusals, Stranger
from compuerta.domain.party import Bearer, RoadKind
from compuerta.domain.road import RoadSign
from compuerta.services import road_keys
from compuerta.services.link_port import Link
from compuerta.services.records import Endpoint
from compuerta.virtual.nbiot.client import DeviceSetup, NbDevice
from compuerta.virtual.nbiot.keyed import KeyedPeer

PATIENCE_S = 5.0
SECRET = b"of this installation".ljust(32)
NAME = "nb-1"


def an_end(name: str = NAME, *, contact_s: int | None = None, key_generation: int = 1) -> Endpoint:
    return Endpoint(
        endpoint_id=f"end-of-{name}",
        organisation_id=1,
        road=RoadKind.NBIOT,
        bearer=Bearer.COAP,
        address=name,
        contact_s=contact_s,
        key_generation=key_generation,
    )


def key_of(end: Endpoint) -> bytes:
    return road_keys.key_of(end, secret=SECRET)


@dataclass
class House:
    """A gateway's side that keeps what it is given, with the ports behind which it sits."""

    server: CoapServer
    refusals: Refusals
    port: CoapPort
    port_no: int
    links: asyncio.Queue[tuple[str, Link]]
    signs: list[RoadSign]

    def learn(self, *ends: Endpoint) -> None:
        self.server.learn({end.address: end for end in ends})
        self.port.learn({end.address: key_of(end) for end in ends})

    async def link(self) -> Link:
        async with asyncio.timeout(PATIENCE_S):
            return (await self.links.get())[1]

    def refused(self) -> dict[str, str]:
        """Why somebody was not let in, by the name that was given."""
        return {each.registration: each.why for each in self.refusals.strangers()}

    def names_claimed(self) -> list[str]:
        """The names in which handshakes go on that have not come to their end."""
        assert self.port._dtls is not None
        return [each.identity for each in self.port._dtls._peers.values() if not each.is_through]

    async def until_refused(self, name: str) -> Stranger:
        await self.until(lambda: name in self.refused())
        return next(each for each in self.refusals.strangers() if each.registration == name)

    async def until(self, is_so: Callable[[], bool]) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while not is_so():  # noqa: ASYNC110 what is waited for tells nobody
                await asyncio.sleep(0)


@dataclass
class Keeper:
    """A gateway's side that keeps what it is given."""

    links: asyncio.Queue[tuple[str, Link]] = field(default_factory=asyncio.Queue)
    signs: list[RoadSign] = field(default_factory=list)

    def opened(self, endpoint_id: str, link: Link) -> None:
        self.links.put_nowait((endpoint_id, link))

    def signalled(self, endpoint_id: str, sign: RoadSign) -> None:
        self.signs.append(sign)

    def civil_now(self, endpoint_id: str) -> None:
        return None


@asynccontextmanager
async def a_house(
    *ends: Endpoint, secured: bool = False, limits: CoapLimits | None = None
) -> AsyncIterator[House]:
    keeper, refusals = Keeper(), Refusals()
    server = CoapServer(keeper, refusals, limits=limits)
    port = CoapPort(server, refusals, secured=secured)
    port_no = await port.open(host="127.0.0.1", port=0)
    house = House(
        server=server,
        refusals=refusals,
        port=port,
        port_no=port_no,
        links=keeper.links,
        signs=keeper.signs,
    )
    house.learn(*ends)
    try:
        yield house
    finally:
        server.shut()
        port.shut()


class Radio(asyncio.DatagramProtocol):
    """A device that never sleeps, on a socket of its own."""

    def __init__(self, *, name: str = NAME, key: bytes = b"", sleeps: bool = False) -> None:
        values = {"/4/0/2": -98, "/4/0/11": 7, "/3331/0/5805": 4_711}
        setup = DeviceSetup(name=name, lifetime_s=60, sleeps=sleeps, values=lambda: values)
        self.device = NbDevice(setup, salt=name.encode())
        self.keyed = KeyedPeer(name=name, key=key) if key else None
        self.told = b""  # what its meter was told
        self.news = asyncio.Event()
        self.transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        for plain in [data] if self.keyed is None else self.keyed.hear(data):
            for frame in self.device.receive(plain, now_ms=0):
                self.told += frame
        self.flush()
        self.news.set()

    def contact(self) -> None:
        self.device.contact(now_ms=0)
        self.flush()

    def tell(self, octets: bytes) -> None:
        for at in range(0, len(octets), 500):
            self.device.tell(octets[at : at + 500], now_ms=0)
        self.flush()

    def leave(self) -> None:
        self.device.leave(now_ms=0)
        self.flush()

    def send(self, datagram: bytes) -> None:
        assert self.transport is not None
        self.transport.sendto(datagram)

    def flush(self) -> None:
        outgoing = self.device.take_datagrams()
        if self.keyed is not None:
            for plain in outgoing:
                self.keyed.say(plain)
            outgoing = self.keyed.take_datagrams()
        for datagram in outgoing:
            self.send(datagram)

    async def until(self, is_so: Callable[[], bool]) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while not is_so():
                self.news.clear()
                await self.news.wait()


@asynccontextmanager
async def a_radio(
    house: House, *, name: str = NAME, key: bytes = b"", sleeps: bool = False
) -> AsyncIterator[Radio]:
    loop = asyncio.get_running_loop()
    transport, radio = await loop.create_datagram_endpoint(
        lambda: Radio(name=name, key=key, sleeps=sleeps), remote_addr=("127.0.0.1", house.port_no)
    )
    try:
        yield radio
    finally:
        transport.close()
