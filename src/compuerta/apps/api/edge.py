"""The edge of the machines' API: bodies are bounded, and every refusal has one form, `{"detail": text}`."""

import asyncio

from fastapi import FastAPI, HTTPException, Request, status
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from compuerta.domain.errors import Refused, Unreachable

BODY_BYTES_MAX = 16 * 1024  # the largest wish is some hundred bytes
BODY_S_MAX = 10.0
COMPLAINTS_MAX = 5  # told of one request; whoever reads them mends these first
DETAIL_CHARS_MAX = 500


class BoundedBodies:
    """This will refuse bodies below a path that are too large, or come too slowly."""

    def __init__(self, app: ASGIApp, *, path: str, bytes_max: int = BODY_BYTES_MAX) -> None:
        self._app = app
        self._path = path
        self._bytes_max = bytes_max

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, with its body under watch."""
        if scope["type"] == "http" and scope["path"].startswith(self._path):
            until_s = asyncio.get_running_loop().time() + BODY_S_MAX
            receive = _bounded(receive, until_s=until_s, bytes_max=self._bytes_max)
        await self._app(scope, receive, send)


def add_refusals(app: FastAPI) -> None:
    """Answer what is refused, here or deeper inside, in words and with the right status."""
    app.add_exception_handler(RequestValidationError, _malformed)
    app.add_exception_handler(Refused, _refused)
    app.add_exception_handler(Unreachable, _unreachable)


def _bounded(receive: Receive, *, until_s: float, bytes_max: int) -> Receive:
    size, ended = 0, False

    async def bounded() -> Message:
        nonlocal size, ended
        if ended:  # from here on it is only heard whether the caller is still there
            return await receive()
        try:
            async with asyncio.timeout_at(until_s):
                message = await receive()
        except TimeoutError as error:
            raise HTTPException(status.HTTP_408_REQUEST_TIMEOUT, "the body came too slowly") from error
        size += len(message.get("body", b""))
        if size > bytes_max:
            raise HTTPException(status.HTTP_413_CONTENT_TOO_LARGE, f"more than {bytes_max} bytes")
        ended = not message.get("more_body", False)
        return message

    return bounded


async def _malformed(_: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    # What was sent is not repeated: it may be no number that JSON has, or no text that UTF-8 has.
    complaints = [
        f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors()[:COMPLAINTS_MAX]
    ]
    return _told(status.HTTP_422_UNPROCESSABLE_CONTENT, "; ".join(complaints))


async def _refused(_: Request, error: Exception) -> Response:
    return _told(status.HTTP_422_UNPROCESSABLE_CONTENT, str(error))


async def _unreachable(_: Request, error: Exception) -> Response:
    return _told(status.HTTP_503_SERVICE_UNAVAILABLE, str(error))


def _told(code: int, detail: str) -> Response:
    kept = detail[:DETAIL_CHARS_MAX].encode("utf-8", errors="replace").decode("utf-8")
    return JSONResponse({"detail": kept}, status_code=code)
