"""The carriers behind HTTP, each under its own path; under /sim is what a test or a page looks at.

/aliyun/   texts     /wechat/cgi-bin/...   templates     /app   an app     /sim/received   what came
"""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import httpx
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from compuerta.domain.errors import Refused
from compuerta.services.payment_ports import HttpRequest, HttpResponse
from compuerta.virtual.notices.aliyun import AliyunSide
from compuerta.virtual.notices.webhook import AppSide
from compuerta.virtual.notices.wechat import WechatSide
from compuerta.virtual.notices.world import BehaviourFaulty, NoticesWorld, Received

REQUEST_BYTES_MAX: Final = 65_536
SILENCE_S: Final = 60.0  # longer than anybody waits
ENDLESS_BYTES: Final = 1_048_576
RECEIPT_S_MAX: Final = 5.0
RECEIPTS_WAITING_MAX: Final = 1_000
RECEIPT_TRIES_MAX: Final = 3

Clock = Callable[[], datetime]


@dataclass(frozen=True, slots=True, kw_only=True)
class Carriers:
    """The carriers of one world."""

    world: NoticesWorld
    aliyun: AliyunSide
    wechat: WechatSide
    app: AppSide
    receipts_url: str = ""  # where Aliyun posts its receipts; "": nowhere


def app_for(carriers: Carriers, *, clock: Clock) -> Starlette:
    """Return the ASGI application of carriers; their receipts are posted while it runs."""
    door = _Door(carriers, clock)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        courier = asyncio.create_task(door.post_receipts())
        yield
        courier.cancel()
        with suppress(asyncio.CancelledError):
            await courier

    return Starlette(
        routes=[
            Route("/aliyun/", door.aliyun, methods=["POST"]),
            Route("/wechat/{rest:path}", door.wechat, methods=["POST"]),
            Route("/app", door.app, methods=["POST"]),
            Route("/sim/received", door.received),
            Route("/sim/behaviour/{carrier:str}", door.behave, methods=["POST"]),
        ],
        exception_handlers={Refused: _refused},
        lifespan=lifespan,
    )


class _Door:
    """The routes of one world, and the courier that posts its receipts."""

    def __init__(self, carriers: Carriers, clock: Clock) -> None:
        self._carriers = carriers
        self._clock = clock
        self._receipts: asyncio.Queue[Received] = asyncio.Queue(RECEIPTS_WAITING_MAX)

    async def aliyun(self, request: Request) -> Response:
        taken = len(self._carriers.world.received)
        answer = self._carriers.aliyun.answer(await _inbound(request, "/aliyun"), now=self._clock())
        if self._carriers.receipts_url and len(self._carriers.world.received) > taken:
            with suppress(
                asyncio.QueueFull
            ):  # a courier that is so far behind drops receipts, as real ones do
                self._receipts.put_nowait(self._carriers.world.received[-1])
        return await self._behaved("aliyun", answer)

    async def wechat(self, request: Request) -> Response:
        inbound = await _inbound(request, "/wechat")
        return await self._behaved("wechat", self._carriers.wechat.answer(inbound, now=self._clock()))

    async def app(self, request: Request) -> Response:
        inbound = await _inbound(request, "")
        return await self._behaved("webhook", self._carriers.app.answer(inbound, now=self._clock()))

    async def received(self, request: Request) -> Response:
        return JSONResponse(self._carriers.world.shown())

    async def behave(self, request: Request) -> Response:
        try:
            wish = json.loads((await _inbound(request, "")).body)
        except ValueError as error:
            raise BehaviourFaulty("body", "is no JSON") from error
        if not isinstance(wish, dict):
            raise BehaviourFaulty("body", "has to be an object")
        self._carriers.world.behave(request.path_params["carrier"], wish)
        return JSONResponse({"behaves": request.path_params["carrier"]})

    async def post_receipts(self) -> None:
        """Post what carriers say of letters, for as long as the server runs."""
        async with httpx.AsyncClient(trust_env=False, timeout=RECEIPT_S_MAX) as client:
            while True:
                letter = await self._receipts.get()
                for _ in range(RECEIPT_TRIES_MAX):
                    body = self._carriers.aliyun.receipt(letter, now=self._clock())
                    with suppress(httpx.HTTPError):
                        answer = await client.post(
                            self._carriers.receipts_url,
                            content=body,
                            headers={"content-type": "application/json"},
                        )
                        if answer.status_code == 200 and answer.json().get("code") == 0:
                            break

    async def _behaved(self, carrier: str, answer: HttpResponse) -> Response:
        behaviour = self._carriers.world.behaviour(carrier)
        if behaviour.silent:
            await asyncio.sleep(SILENCE_S)
        if behaviour.endless:
            return Response(b" " * ENDLESS_BYTES)
        if behaviour.nonsense:
            return Response(b"<html>{{{", status_code=200)
        return Response(answer.body, status_code=answer.status, headers=dict(answer.headers))


async def _inbound(request: Request, prefix: str) -> HttpRequest:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > REQUEST_BYTES_MAX:
            raise RequestTooLarge
    path = request.scope["raw_path"].decode("latin-1").removeprefix(prefix)
    query = request.scope["query_string"].decode("latin-1")
    return HttpRequest(
        method=request.method,
        path=f"{path}?{query}" if query else path,
        headers={name.lower(): value for name, value in request.headers.items()},
        body=bytes(body),
    )


class RequestTooLarge(Refused):
    """A request of more bytes than any letter has."""

    def __init__(self) -> None:
        super().__init__(f"more than {REQUEST_BYTES_MAX} bytes")


async def _refused(request: Request, refused: Exception) -> Response:
    return JSONResponse({"refused": str(refused)}, status_code=400)
