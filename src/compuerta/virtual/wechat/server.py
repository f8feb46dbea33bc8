"""The simulated provider behind HTTP: the API under /v3, and under /sim what a person or a test presses.

The address below /sim needs no sign-in: whoever reaches it can pay with money that does not exist. It
listens on the loopback address unless told otherwise.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import asdict
from datetime import datetime
from importlib.resources import files

import httpx
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from compuerta.domain.errors import Refused
from compuerta.services.payment_ports import HttpRequest
from compuerta.virtual.providers.notices import DueNotice
from compuerta.virtual.wechat.notices import ANSWER_WITHIN
from compuerta.virtual.wechat.orders import ORDERS_MAX
from compuerta.virtual.wechat.placed import PlacedOrder
from compuerta.virtual.wechat.world import WechatWorld
from compuerta.wire.wechat import fields
from compuerta.wire.wechat.bodies import TOTAL_FEN_MAX

REQUEST_BYTES_MAX = 65_536  # an order is below 1 KiB
ORDERS_SHOWN_MAX = 50  # what fits a page; ?limit= shows more
SENDING_MAX = 16  # notices on the road at once
IDLE_S_MAX = 1.0  # the longest sleep, so that a clock that was set does not hold notices back

Clock = Callable[[], datetime]


class RequestTooLarge(Refused):
    """A request of more bytes than any order has."""

    def __init__(self) -> None:
        super().__init__(f"more than {REQUEST_BYTES_MAX} bytes")


def app_for(world: WechatWorld, *, clock: Clock) -> Starlette:
    """Return the ASGI application of a world; its notices are sent while it runs."""
    door = _Door(world, clock)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        courier = asyncio.create_task(door.deliver())
        yield
        courier.cancel()
        with suppress(asyncio.CancelledError):
            await courier  # whatever else ended it is told here

    return Starlette(
        routes=[
            Route("/v3/{rest:path}", door.api, methods=["GET", "POST"]),
            Route("/sim", door.to_page),
            Route("/sim/", door.page),
            Route("/sim/orders", door.orders),
            Route("/sim/behaviour", door.behaviour, methods=["GET", "POST"]),
            Route("/sim/{verb:str}", door.press, methods=["POST"]),
        ],
        exception_handlers={Refused: _refused},
        lifespan=lifespan,
    )


class _Door:
    """The routes of one world, and the courier that carries its notices."""

    def __init__(self, world: WechatWorld, clock: Clock) -> None:
        self._world = world
        self._clock = clock
        self._stirred = asyncio.Event()

    async def api(self, request: Request) -> Response:
        inbound = await _inbound(request)
        if self._world.behaviour.answer_delay_ms:
            await asyncio.sleep(self._world.behaviour.answer_delay_ms / 1000)
        answer = self._world.request(inbound, self._clock())
        self._stirred.set()
        return Response(answer.body, status_code=answer.status, headers=dict(answer.headers))

    async def to_page(self, request: Request) -> Response:
        return RedirectResponse("/sim/")

    async def page(self, request: Request) -> Response:
        return HTMLResponse(files("compuerta.virtual.wechat").joinpath("page.html").read_text("utf-8"))

    async def orders(self, request: Request) -> Response:
        wish = request.query_params.get("limit", "")
        limit = min(int(wish), ORDERS_MAX) if wish.isascii() and wish.isdecimal() else ORDERS_SHOWN_MAX
        shown = self._world.orders()[:limit]
        return JSONResponse(
            {
                "now": self._clock().isoformat(),
                "orders": [_shown(placed) for placed in shown],
                "notices": asdict(self._world.tally),
            }
        )

    async def behaviour(self, request: Request) -> Response:
        wishes = fields.read_object((await _inbound(request)).body) if request.method == "POST" else {}
        return JSONResponse(dict(self._world.behave(wishes)))

    async def press(self, request: Request) -> Response:
        """Do what a payer, a shopkeeper or a tester can do with one order."""
        wish = fields.read_object((await _inbound(request)).body)
        reference = fields.text(wish, "code_url" if "code_url" in wish else "out_trade_no", chars_max=512)
        world, now = self._world, self._clock()
        match request.path_params["verb"]:
            case "pay":
                discount_fen = _amount(wish, "discount_fen")
                world.pay(reference, now, discount_fen=discount_fen)
            case "cancel":
                world.cancel(reference, now)
            case "refund":
                world.refund(reference, now)
            case "repeat":
                world.repeat(reference, now)
            case "probe":
                world.probe(reference, now)
            case "forge":
                world.forge(reference, now, total_fen=_amount(wish, "total_fen"))
            case _:
                return JSONResponse({"refused": "no such button"}, status_code=404)
        self._stirred.set()
        return JSONResponse({"pressed": request.path_params["verb"]})

    async def deliver(self) -> None:
        """Send what falls due, for as long as the server runs."""
        slots = asyncio.Semaphore(SENDING_MAX)
        async with httpx.AsyncClient(trust_env=False) as client, asyncio.TaskGroup() as sending:
            while True:
                self._stirred.clear()
                for notice in self._world.due(self._clock()):
                    await slots.acquire()
                    sending.create_task(self._send(notice, client=client, slots=slots))
                await self._until_something_is_due()

    async def _send(self, notice: DueNotice, *, client: httpx.AsyncClient, slots: asyncio.Semaphore) -> None:
        status = 0
        try:
            async with asyncio.timeout(ANSWER_WITHIN.total_seconds()):
                response = await client.post(
                    notice.url,
                    content=notice.request.body,
                    headers=dict(notice.request.headers),
                    timeout=None,  # bounded as a whole by the line above
                )
                status = response.status_code
        except (TimeoutError, httpx.HTTPError, httpx.InvalidURL):
            pass  # the status 0 says so, and the world repeats by its schedule
        finally:
            slots.release()
        self._world.answered(notice, status, self._clock())
        self._stirred.set()

    async def _until_something_is_due(self) -> None:
        wake_at = self._world.wake_at()
        wait_s = IDLE_S_MAX
        if wake_at is not None:
            wait_s = min(max((wake_at - self._clock()).total_seconds(), 0), IDLE_S_MAX)
        with suppress(TimeoutError):
            async with asyncio.timeout(wait_s):
                await self._stirred.wait()


async def _inbound(request: Request) -> HttpRequest:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > REQUEST_BYTES_MAX:
            raise RequestTooLarge
    # The signature is over the path as it was sent, so it is taken before anything decodes it.
    path = request.scope["raw_path"].decode("latin-1")
    query = request.scope["query_string"].decode("latin-1")
    return HttpRequest(
        method=request.method,
        path=f"{path}?{query}" if query else path,
        headers={name.lower(): value for name, value in request.headers.items()},
        body=bytes(body),
    )


async def _refused(request: Request, refused: Exception) -> Response:
    return JSONResponse({"refused": str(refused)}, status_code=400)


def _amount(wish: fields.JsonObject, name: str) -> int:
    return fields.whole(wish, name, least=0, most=TOTAL_FEN_MAX) if name in wish else 0


def _shown(placed: PlacedOrder) -> dict[str, object]:
    return {
        "out_trade_no": placed.order.out_trade_no,
        "description": placed.order.description,
        "total_fen": placed.order.total_fen,
        "code_url": placed.code_url,
        "state": placed.state.value,
        "placed_at": placed.placed_at.isoformat(),
        "expires_at": placed.expires_at.isoformat(),
        "paid_at": placed.paid_at.isoformat() if placed.paid_at else None,
        "transaction_id": placed.transaction_id,
    }
