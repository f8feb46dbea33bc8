"""Simulated providers behind HTTP: each below its own name, and for all of them one page for the payer.

Below /pay/ a person pays; below /sim/ a test or a demonstration presses the same buttons, and those of the
providers' consoles. Neither needs a sign-in: whoever reaches it can pay with money that does not exist. It
listens on the loopback address unless told otherwise.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import asdict
from datetime import datetime
from enum import Enum
from importlib.resources import files

import httpx
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from compuerta.domain.errors import Refused
from compuerta.services.payment_ports import HttpRequest
from compuerta.virtual.providers.notices import DueNotice
from compuerta.virtual.providers.worlds import Button, NotPressed, World

REQUEST_BYTES_MAX = 65_536  # an order is below 4 KiB
SHOWN_MAX = 100_000
SHOWN_ON_A_PAGE = 30  # of each provider; ?limit= shows more
SENDING_MAX = 16  # notices of one provider on the road at once
ANSWER_S_MAX = 5.0  # every provider waits so long for the answer to a notice
ANSWER_BYTES_MAX = 1_024
IDLE_S_MAX = 1.0  # the longest sleep, so that a clock that was set does not hold notices back
_METHODS = ["GET", "POST", "DELETE"]

Clock = Callable[[], datetime]


class RequestMalformed(Refused):
    """A request of more bytes than any order has, or one that is not what a button takes."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def app_for(worlds: Sequence[World], *, clock: Clock) -> Starlette:
    """Return the ASGI application of some worlds; their notices are sent while it runs."""
    doors = {world.name: _Door(world, clock) for world in worlds}
    hall = _Hall(doors, clock)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        couriers = [asyncio.create_task(door.deliver()) for door in doors.values()]
        yield
        for courier in couriers:
            courier.cancel()
        for courier in couriers:
            with suppress(asyncio.CancelledError):
                await courier  # whatever else ended it is told here

    apis = [Route(f"/{name}/{{rest:path}}", door.api, methods=_METHODS) for name, door in doors.items()]
    return Starlette(
        routes=[
            Route("/", hall.to_page),
            Route("/pay", hall.to_page),
            Route("/pay/", hall.page),
            Route("/sim/orders", hall.orders),
            Route("/sim/{world:str}/orders", hall.orders_of_one),
            Route("/sim/{world:str}/facts", hall.facts),
            Route("/sim/{world:str}/behaviour", hall.behaviour, methods=["GET", "POST"]),
            Route("/sim/{world:str}/{button:str}", hall.press, methods=["POST"]),
            *apis,
        ],
        exception_handlers={Refused: _refused},
        lifespan=lifespan,
    )


class _Hall:
    """What a person or a test does, at whichever provider."""

    def __init__(self, doors: dict[str, "_Door"], clock: Clock) -> None:
        self._doors = doors
        self._clock = clock

    async def to_page(self, request: Request) -> Response:
        query = f"?{request.url.query}" if request.url.query else ""
        return RedirectResponse(f"/pay/{query}")

    async def page(self, request: Request) -> Response:
        return HTMLResponse(files("compuerta.virtual.providers").joinpath("page.html").read_text("utf-8"))

    async def orders(self, request: Request) -> Response:
        now, limit = self._clock(), _limit(request)
        shown = [each for door in self._doors.values() for each in door.shown(now, limit=limit)]
        shown.sort(key=lambda each: str(each["placed_at"]), reverse=True)
        return JSONResponse({"now": now.isoformat(), "worlds": list(self._doors), "orders": shown})

    async def orders_of_one(self, request: Request) -> Response:
        now, door = self._clock(), self._door(request)
        return JSONResponse(
            {
                "now": now.isoformat(),
                "orders": door.shown(now, limit=_limit(request)),
                "notices": asdict(door.world.tally),
            }
        )

    async def facts(self, request: Request) -> Response:
        return JSONResponse({"facts": [_plain(asdict(fact)) for fact in self._door(request).world.facts()]})

    async def behaviour(self, request: Request) -> Response:
        wishes = await _wish(request) if request.method == "POST" else {}
        return JSONResponse(dict(self._door(request).world.behave(wishes)))

    async def press(self, request: Request) -> Response:
        """Do what a payer, a shopkeeper or a tester can do with one order."""
        door, name = self._door(request), request.path_params["button"]
        button = {each.value: each for each in Button}.get(name)
        wish = await _wish(request)
        reference, amount_minor = wish.get("reference"), wish.get("amount_minor", 0)
        if button is None or not isinstance(reference, str) or not _is_amount(amount_minor):
            raise RequestMalformed("a button takes a reference, and perhaps an amount_minor")
        assert isinstance(amount_minor, int)
        door.world.press(button, reference, self._clock(), amount_minor=amount_minor)
        door.stir()
        return JSONResponse({"pressed": name})

    def _door(self, request: Request) -> "_Door":
        name = request.path_params["world"]
        if name not in self._doors:
            raise RequestMalformed(f"no provider of that name: {', '.join(self._doors)}")
        return self._doors[name]


class _Door:
    """The routes of one world, and the courier that carries its notices."""

    def __init__(self, world: World, clock: Clock) -> None:
        self.world = world
        self._clock = clock
        self._stirred = asyncio.Event()

    def stir(self) -> None:
        """Say that something may be due now."""
        self._stirred.set()

    def shown(self, now: datetime, *, limit: int) -> list[dict[str, object]]:
        """Return the newest orders as JSON knows them."""
        name = self.world.name
        return [{"world": name} | _plain(asdict(each)) for each in self.world.shown(now, limit=limit)]

    async def api(self, request: Request) -> Response:
        """Let a merchant's program, or a payer's browser, speak with the provider."""
        inbound = await _inbound(request, below=f"/{self.world.name}")
        if self.world.answer_delay_ms:
            await asyncio.sleep(self.world.answer_delay_ms / 1000)
        answer = self.world.answer(inbound, self._clock())
        self.stir()
        return Response(answer.body, status_code=answer.status, headers=dict(answer.headers))

    async def deliver(self) -> None:
        """Send what falls due, for as long as the server runs."""
        slots = asyncio.Semaphore(SENDING_MAX)
        async with httpx.AsyncClient(trust_env=False) as client, asyncio.TaskGroup() as sending:
            while True:
                self._stirred.clear()
                for notice in self.world.due(self._clock()):
                    await slots.acquire()
                    sending.create_task(self._send(notice, client=client, slots=slots))
                await self._until_something_is_due()

    async def _send(self, notice: DueNotice, *, client: httpx.AsyncClient, slots: asyncio.Semaphore) -> None:
        status, body = 0, b""
        try:
            async with asyncio.timeout(ANSWER_S_MAX):
                response = await client.post(
                    notice.url,
                    content=notice.request.body,
                    headers=dict(notice.request.headers),
                    timeout=None,  # bounded as a whole by the line above
                )
                status, body = response.status_code, response.content[:ANSWER_BYTES_MAX]
        except (TimeoutError, httpx.HTTPError, httpx.InvalidURL):
            pass  # the status 0 says so, and the world repeats by its schedule
        finally:
            slots.release()
        self.world.answered(notice, status, self._clock(), body=body)
        self.stir()

    async def _until_something_is_due(self) -> None:
        wake_at = self.world.wake_at()
        wait_s = IDLE_S_MAX
        if wake_at is not None:
            wait_s = min(max((wake_at - self._clock()).total_seconds(), 0), IDLE_S_MAX)
        with suppress(TimeoutError):
            async with asyncio.timeout(wait_s):
                await self._stirred.wait()


async def _inbound(request: Request, *, below: str) -> HttpRequest:
    # A signature is over the path as it was sent, so it is taken before anything decodes it.
    path = request.scope["raw_path"].decode("latin-1").removeprefix(below)
    query = request.scope["query_string"].decode("latin-1")
    return HttpRequest(
        method=request.method,
        path=f"{path}?{query}" if query else path,
        headers={name.lower(): value for name, value in request.headers.items()},
        body=await _body(request),
    )


async def _body(request: Request) -> bytes:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > REQUEST_BYTES_MAX:
            raise RequestMalformed(f"more than {REQUEST_BYTES_MAX} bytes")
    return bytes(body)


async def _wish(request: Request) -> dict[str, object]:
    try:
        wish = json.loads(await _body(request))
    except (ValueError, RecursionError) as error:
        raise RequestMalformed("not JSON") from error
    if not isinstance(wish, dict):
        raise RequestMalformed("not an object")
    return wish


async def _refused(request: Request, refused: Exception) -> Response:
    reason = refused.reason if isinstance(refused, NotPressed) else str(refused)
    return JSONResponse({"refused": str(refused), "reason": reason}, status_code=400)


def _limit(request: Request) -> int:
    wish = request.query_params.get("limit", "")
    return min(int(wish), SHOWN_MAX) if wish.isascii() and wish.isdecimal() else SHOWN_ON_A_PAGE


def _is_amount(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _plain(fields: dict[str, object]) -> dict[str, object]:
    """Return fields as JSON knows them."""

    def plain(value: object) -> object:
        match value:
            case datetime():
                return value.isoformat()
            case Enum():
                return value.value
            case tuple():
                return [plain(each) for each in value]
        return value

    return {name: plain(value) for name, value in fields.items()}
