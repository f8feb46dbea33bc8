"""The herald over real HTTP: what happened reaches the partner, signed, and again until it is heard."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import pytest
from tests.contract.door import Clock, closing_store, rows
from tests.contract.test_store_partners import ANA, a_webhook, pay
from tests.unit.services.town import NOON, SECOND, a_town, an_id

from compuerta.apps import config, herald, wiring
from compuerta.apps.config import Settings
from compuerta.apps.desk import Desk
from compuerta.apps.herald import Herald, secret_of
from compuerta.services import partnering
from compuerta.services.partner_port import Event
from compuerta.wire.webhook import signature

pytestmark = [pytest.mark.postgres, pytest.mark.slow]


@dataclass
class Partner:
    """A partner's server: keeps what it hears, and answers as it is told to, the last answer for ever."""

    answers: list[int]
    heard: list[tuple[dict[str, str], bytes]] = field(default_factory=list)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        headers = dict(line.lower().split(": ", maxsplit=1) for line in head[1:] if line)
        self.heard.append((headers, await reader.readexactly(int(headers["content-length"]))))
        status = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        writer.write(f"HTTP/1.1 {status} x\r\ncontent-length: 0\r\nconnection: close\r\n\r\n".encode())
        await writer.drain()
        writer.close()


@dataclass
class World:
    """A town with one paid recharge, a partner, and the herald between them."""

    url: str
    clock: Clock
    given: Settings
    partner: Partner

    def deliveries(self) -> list[tuple[str, int, str]]:
        found = rows(self.url, "select state, tries, last_answer from webhook_delivery order by event")
        return [(row["state"], row["tries"], row["last_answer"]) for row in found]

    def run_until(self, done: Callable[[], bool]) -> None:
        asyncio.run(self._run_until(done))

    async def _run_until(self, done: Callable[[], bool]) -> None:
        async with self._served() as port:
            self._register(port)
            desk = Desk(self.url)
            running = asyncio.create_task(Herald(desk, self.given).run())
            try:
                async with asyncio.timeout(10):
                    while not done():
                        await asyncio.sleep(0.01)
                        self.clock.passes(seconds=1)
            finally:
                running.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await running
                await desk.shut()

    @contextlib.asynccontextmanager
    async def _served(self) -> AsyncIterator[int]:
        server = await asyncio.start_server(self.partner.serve, "127.0.0.1", 0)
        async with server:
            yield server.sockets[0].getsockname()[1]

    def _register(self, port: int) -> None:
        webhook = a_webhook(Event.PAID, url=f"http://127.0.0.1:{port}/hook")
        with closing_store(self.url) as store:
            home = a_town(store).homes[0]
            partnering.add_webhook(store, webhook, actor=ANA, audit_id=an_id("add"), inside=True, now=NOON)
            pay(store, home)


@pytest.fixture
def world(postgres_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    clock = Clock(NOON + SECOND)
    monkeypatch.setattr(wiring, "now", clock)
    monkeypatch.setattr(herald, "ROUND_S", 0.005)
    given = config.settings({"COMPUERTA_DATA": str(tmp_path), "COMPUERTA_WEBHOOKS": "inside"})
    return World(url=postgres_url, clock=clock, given=given, partner=Partner([204]))


def test_a_payment_is_told_once_and_signed(world: World) -> None:
    world.run_until(lambda: world.deliveries() == [("done", 1, "HTTP 204")])

    ((headers, body),) = world.partner.heard
    told = json.loads(body)
    assert told["event"] == "order.paid"
    assert told["amount_minor"] == 5_000
    assert headers[signature.ID_HEADER] == told["id"]
    key = secret_of(world.given, an_id("hook"), 1).encode()
    assert signature.is_genuine(body, headers[signature.HEADER], key=key, now=world.clock.now)


def test_what_is_not_taken_is_told_again_to_the_byte(world: World) -> None:
    world.partner.answers = [500, 404, 200]

    world.run_until(lambda: world.deliveries() == [("done", 3, "HTTP 200")])

    bodies = {body for _, body in world.partner.heard}
    assert len(world.partner.heard) == 3
    assert len(bodies) == 1


def test_nobody_inside_is_told_unless_the_installation_says_so(world: World, tmp_path: Path) -> None:
    world.given = config.settings({"COMPUERTA_DATA": str(tmp_path)})

    world.run_until(lambda: [each[:2] for each in world.deliveries()] == [("waiting", 2)])

    assert world.partner.heard == []
    assert "inside" in world.deliveries()[0][2]


def test_what_nobody_takes_is_given_up_after_a_day(world: World) -> None:
    world.partner.answers = [503]
    passes = world.clock.passes
    world.clock.passes = lambda *, seconds: passes(seconds=600)  # type: ignore[method-assign, misc]

    world.run_until(lambda: [each[0] for each in world.deliveries()] == ["given_up"])

    assert world.clock.now - NOON < timedelta(hours=30)
    assert len(world.partner.heard) < 40  # on a busy machine a lease ends before its answer is in
