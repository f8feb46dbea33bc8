"""A simulated provider and a shop's door for its notices, behind one port of this machine."""

import asyncio
import queue
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime

import httpx
import uvicorn
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from compuerta.services.payment_ports import HttpRequest, PaymentProvider
from compuerta.virtual.providers.server import app_for
from compuerta.virtual.providers.worlds import World

PATIENCE_S = 10.0


@dataclass(frozen=True, kw_only=True)
class Street:
    """Where both are reached, and what the shop has heard."""

    url: str
    world: World
    notices: "queue.Queue[HttpRequest]" = field(default_factory=queue.Queue)

    @property
    def base_url(self) -> str:
        return f"{self.url}/{self.world.name}"

    def press(self, button: str, reference: str, **wish: object) -> None:
        said = httpx.post(
            f"{self.url}/sim/{self.world.name}/{button}",
            json={"reference": reference, **wish},
            trust_env=False,
        )
        assert said.status_code < 300, said.text

    def heard(self) -> HttpRequest:
        return self.notices.get(timeout=PATIENCE_S)


@contextmanager
def served(world_at: Callable[[str], World], provider: PaymentProvider) -> Iterator[Street]:
    """Serve a world that is made once its address is known; the shop answers as its provider does."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        street = Street(url=url, world=world_at(url))

        async def notice(request: Request) -> Response:
            body = await request.body()
            street.notices.put(
                HttpRequest(method="POST", path=request.url.path, headers=dict(request.headers), body=body)
            )
            answer = provider.answer(accepted=True)
            return Response(answer.body, status_code=answer.status, headers=dict(answer.headers))

        app = app_for([street.world], clock=lambda: datetime.now(UTC))
        app.router.routes.insert(0, Route("/notices/{rest:path}", notice, methods=["POST"]))
        server = uvicorn.Server(uvicorn.Config(app, log_level="error", ws="none"))
        thread = threading.Thread(target=lambda: asyncio.run(server.serve(sockets=[listener])))
        thread.start()
        yield street
        server.should_exit = True
        thread.join(PATIENCE_S)
        assert not thread.is_alive()
