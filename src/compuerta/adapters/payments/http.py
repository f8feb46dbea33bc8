"""Drives a provider's conversation: over httpx in earnest, by a function call in virtual time."""

import asyncio
import logging
from collections.abc import Callable, Generator
from functools import partial
from typing import Generic, TypeVar

import httpx

from compuerta.domain.errors import Broken, Unreachable
from compuerta.services.payment_ports import HttpRequest, HttpResponse

# An order takes two; a bill that is a paged list takes one per page, and its provider bounds the pages.
REQUESTS_MAX = 600

# It writes whole addresses at INFO, and some hold a token or somebody's phone.
logging.getLogger("httpx").setLevel(logging.WARNING)

Result = TypeVar("Result")
Steps = Generator[HttpRequest, HttpResponse, Result]


class RoadDown(Unreachable):
    """The provider gave no answer: no connection, no answer in time, or no end of it."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"no answer from the provider: {reason}")
        self.reason = reason


class RoadShut(RoadDown):
    """Nobody took the connection: nothing of the request was sent."""


class ConversationTooLong(Broken):
    """A conversation asks for more requests than any provider's operation needs."""

    def __init__(self) -> None:
        super().__init__(f"more than {REQUESTS_MAX} requests in one conversation")


async def converse(
    steps: Steps[Result], *, client: httpx.AsyncClient, base_url: str, timeout_s: float
) -> Result:
    """Drive a conversation to its result; a road that fails is thrown into it as `RoadDown`.

    `timeout_s` bounds each request as a whole, from connecting to the last byte of the answer.
    """
    talk = _Talk(steps)
    try:
        while (request := talk.request()) is not None:
            try:
                async with asyncio.timeout(timeout_s):
                    talk.hear(await _fetch(request, client=client, base_url=base_url))
            except TimeoutError:
                talk.fail(RoadDown(f"none within {timeout_s} s"))
            except httpx.ConnectError as error:
                talk.fail(RoadShut(type(error).__name__))
            except (httpx.HTTPError, httpx.InvalidURL) as error:
                talk.fail(RoadDown(type(error).__name__))
            except RoadDown as error:
                talk.fail(error)
        return talk.result
    finally:
        steps.close()


def converse_with(steps: Steps[Result], answer: Callable[[HttpRequest], HttpResponse]) -> Result:
    """Drive a conversation by a function call; what it raises as `Unreachable` is thrown into it."""
    talk = _Talk(steps)
    try:
        while (request := talk.request()) is not None:
            try:
                talk.hear(answer(request))
            except Unreachable as error:
                talk.fail(error)
        return talk.result
    finally:
        steps.close()


class _Talk(Generic[Result]):
    """Where a conversation stands: what it asks next, or its result."""

    result: Result

    def __init__(self, steps: Steps[Result]) -> None:
        self._steps = steps
        self._step: Callable[[], HttpRequest] = partial(next, steps)
        self._sent = 0

    def request(self) -> HttpRequest | None:
        """Return what it wants to send; None when `result` is there."""
        try:
            request = self._step()
        except StopIteration as stop:
            self.result = stop.value
            return None
        self._sent += 1
        if self._sent > REQUESTS_MAX:
            raise ConversationTooLong
        return request

    def hear(self, response: HttpResponse) -> None:
        """Keep the answer; it is sent in with the next `request`."""
        self._step = partial(self._steps.send, response)

    def fail(self, error: Unreachable) -> None:
        """Keep that the road failed; it is thrown in with the next `request`."""
        self._step = partial(self._steps.throw, error)


async def _fetch(request: HttpRequest, *, client: httpx.AsyncClient, base_url: str) -> HttpResponse:
    body = bytearray()
    async with client.stream(
        request.method,
        (request.base_url or base_url).rstrip("/") + request.path,
        headers=dict(request.headers),
        content=request.body,
        follow_redirects=False,
        timeout=None,  # the caller bounds the whole request
    ) as response:
        async for chunk in response.aiter_bytes():
            body += chunk
            if len(body) > request.answer_bytes_max:
                raise RoadDown(f"an answer of more than {request.answer_bytes_max} bytes")
        headers = {name.lower(): value for name, value in response.headers.items()}
        return HttpResponse(status=response.status_code, headers=headers, body=bytes(body))
