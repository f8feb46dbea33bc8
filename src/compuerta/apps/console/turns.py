"""Turns: how many requests the console works on at once, since each holds a thread and a connection.

Whoever has the address can call the sign-in page and the residents' pages. Without a bound, a few hundred
calls at once take every connection that the database has, and a gateway that comes back finds none.
"""

import asyncio
import re
from dataclasses import dataclass

from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from compuerta.services.alarming import PHOTO_BYTES_MAX

AT_ONCE_MAX = 16  # a page takes some ten milliseconds; the database has 100 connections for everybody
TURN_S_MAX = 10.0  # nobody looks at an empty page for longer
BODY_BYTES_MAX = 65_536  # as in the settings: a form has some hundred bytes
BODY_S_MAX = 10.0
# One form carries a photo, as a phone takes it; few at once, since each is held in memory before its turn.
PHOTO_PATH = re.compile(r"/alarms/[0-9a-f-]{36}/photos", re.ASCII)
PHOTO_S_MAX = 60.0  # of a cellar's reception
PHOTOS_AT_ONCE_MAX = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class _Body:
    """How much is read of a request, and for how long."""

    bytes_max: int
    s_max: float


_FORM = _Body(bytes_max=BODY_BYTES_MAX, s_max=BODY_S_MAX)
_PHOTO = _Body(bytes_max=PHOTO_BYTES_MAX + BODY_BYTES_MAX, s_max=PHOTO_S_MAX)


class Turns:
    """This will let `at_once` requests in; the others wait for their turn, and are refused after a while."""

    def __init__(self, app: ASGIApp, *, at_once: int = AT_ONCE_MAX, turn_s: float = TURN_S_MAX) -> None:
        self._app = app
        self._room = asyncio.Semaphore(at_once)
        self._dark_room = asyncio.Semaphore(PHOTOS_AT_ONCE_MAX)
        self._turn_s = turn_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Read the body, wait for a turn, and pass the request on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
        elif PHOTO_PATH.fullmatch(scope["path"]):
            async with self._dark_room:
                await self._answer(scope, receive, send, body=_PHOTO)
        else:
            await self._answer(scope, receive, send, body=_FORM)

    async def _answer(self, scope: Scope, receive: Receive, send: Send, *, body: _Body) -> None:
        try:
            # Before its turn: whoever sends slowly takes no turn from others.
            async with asyncio.timeout(body.s_max):
                content = await _whole(receive, bytes_max=body.bytes_max)
            if content is None:
                await _refusal(413, "too large")(scope, receive, send)
                return
            if _holds_nul(scope, content):
                await _refusal(400, "there is a NUL in it")(scope, receive, send)
                return
            async with asyncio.timeout(self._turn_s):
                await self._room.acquire()
        except TimeoutError:
            await _refusal(503, "too busy, try again")(scope, receive, send)
            return
        try:
            await self._app(scope, _told_again(content, receive), send)
        finally:
            self._room.release()


async def _whole(receive: Receive, *, bytes_max: int) -> bytes | None:
    """Return the whole body; None where it is too large."""
    body = bytearray()
    more = True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
        if len(body) > bytes_max:
            return None
    return bytes(body)


def _holds_nul(scope: Scope, body: bytes) -> bool:
    """Tell whether a text of a request holds a NUL: nobody types one, and PostgreSQL keeps none."""
    photo = PHOTO_PATH.fullmatch(scope["path"])
    query = scope.get("query_string", b"")
    return "\0" in scope["path"] or any(b"%00" in sent for sent in (query, b"" if photo else body))


def _told_again(body: bytes, receive: Receive) -> Receive:
    first: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def again() -> Message:
        return first.pop() if first else await receive()

    return again


def _refusal(status: int, text: str) -> PlainTextResponse:
    return PlainTextResponse(f"{text}\n", status_code=status, headers={"connection": "close"})
