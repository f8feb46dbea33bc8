"""An outpost's connection on real sockets: a host and a tenant that keep what they are told."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory

from compuerta.adapters.links import outpost_certificate
from compuerta.adapters.links.outpost_client import Identity, OutpostClient, PlatformAway
from compuerta.adapters.links.outpost_server import Guest, OutpostServer
from compuerta.services.link_port import Link
from compuerta.wire.outpost import Kind

PATIENCE_S = 5.0
POST, KEY = "post-1", bytes(range(32))


@lru_cache(maxsize=2)
def a_certificate(name: str) -> str:
    """Return a certificate with its key, the same for the same name."""
    assert name
    return outpost_certificate.made(now=datetime.now(UTC))


@dataclass(slots=True, kw_only=True)
class News:
    """What lets a test wait until something is so."""

    event: asyncio.Event = field(default_factory=asyncio.Event)

    async def until(self, is_so: Callable[[], object]) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while not is_so():
                self.event.clear()
                await self.event.wait()


@dataclass(slots=True, kw_only=True)
class Host:
    """The platform's side."""

    keys: dict[str, bytes] = field(default_factory=lambda: {POST: KEY})
    guests: list[Guest] = field(default_factory=list)
    records: list[bytes] = field(default_factory=list)
    links: dict[int, Link] = field(default_factory=dict)
    known_lines: frozenset[int] = frozenset({1, 2})
    departed: int = 0
    news: News = field(default_factory=News)

    def key_of(self, outpost_id: str) -> bytes | None:
        return self.keys.get(outpost_id)

    def came(self, guest: Guest) -> None:
        self.guests.append(guest)
        self.news.event.set()

    def told(self, guest: Guest, records: bytes) -> None:
        self.records.append(records)
        self.news.event.set()

    def offered(self, guest: Guest, line: int) -> bool:
        if line in self.known_lines:
            self.links[line] = guest.link(line)
        self.news.event.set()
        return line in self.known_lines

    def left(self, guest: Guest) -> None:
        self.departed += 1
        self.news.event.set()


@dataclass(slots=True, kw_only=True)
class Tenant:
    """The outpost's side."""

    told: list[tuple[str, object]] = field(default_factory=list)
    octets: bytearray = field(default_factory=bytearray)
    news: News = field(default_factory=News)

    def welcomed(self) -> None:
        self._note("welcomed", True)

    def ordered(self, orders: bytes) -> None:
        self._note("ordered", orders)

    def kept(self, record_no: int) -> None:
        self._note("kept", record_no)

    def returned(self, line: int) -> None:
        self._note("returned", line)

    def said(self, line: int, data: bytes) -> None:
        self.octets += data
        self._note("said", line)

    def left_alone(self, reason: str) -> None:
        self._note("left_alone", reason)

    def count(self, name: str) -> int:
        return sum(each == name for each, _ in self.told)

    def _note(self, name: str, what: object) -> None:
        self.told.append((name, what))
        self.news.event.set()


@dataclass(slots=True, kw_only=True)
class Pair:
    """A platform and an outpost that know each other."""

    host: Host
    server: OutpostServer
    tenant: Tenant
    client: OutpostClient
    away: list[str]


@asynccontextmanager
async def a_server(host: Host) -> AsyncIterator[tuple[OutpostServer, int]]:
    with TemporaryDirectory() as directory:
        path = Path(directory) / "pem"
        path.write_text(a_certificate("platform"))
        certificate = outpost_certificate.certificate_of(path.read_bytes())
        server = OutpostServer(
            host,
            certificate=outpost_certificate.der_of(certificate),
            context=outpost_certificate.serving(path),
        )
        port = await server.open(host="127.0.0.1", port=0)
        try:
            yield server, port
        finally:
            await server.shut()


def an_identity(port: int, *, key: bytes = KEY, name: str = POST, pinned: str = "platform") -> Identity:
    certificate = outpost_certificate.certificate_of(a_certificate(pinned).encode())
    return Identity(outpost_id=name, key=key, host="127.0.0.1", port=port, certificate=certificate)


@asynccontextmanager
async def a_client(identity: Identity, tenant: Tenant, away: list[str]) -> AsyncIterator[OutpostClient]:
    def told(error: PlatformAway) -> None:
        away.append(error.reason)
        tenant.news.event.set()

    client = OutpostClient(identity, tenant, away=told, chance=lambda: 0.0)
    running = asyncio.create_task(client.run())
    try:
        yield client
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


@asynccontextmanager
async def a_pair() -> AsyncIterator[Pair]:
    host, tenant, away = Host(), Tenant(), list[str]()
    async with a_server(host) as (server, port), a_client(an_identity(port), tenant, away) as client:
        await tenant.news.until(lambda: tenant.count("welcomed"))
        await host.news.until(lambda: host.guests)
        yield Pair(host=host, server=server, tenant=tenant, client=client, away=away)


async def lent(pair: Pair, line: int = 1) -> Link:
    """Offer a line, and return the platform's link of it."""
    pair.client.send(Kind.OFFER, line=line)
    await pair.host.news.until(lambda: line in pair.host.links)
    return pair.host.links[line]


async def turns_until(is_so: Callable[[], object]) -> None:
    """Let the event loop come round until something is so."""
    async with asyncio.timeout(PATIENCE_S):
        for _ in range(1_000_000):
            if is_so():
                return
            await asyncio.sleep(0)
