"""Drives a provider's conversation: over httpx in earnest, by a function call in virtual time."""

import asyncio
from collections.abc import Callable, Generator
from functools import partial
from typing import TypeVar

import httpx

from compuerta.domain.errors import Broken, Unreachable
from compuerta.services.payment_ports import HttpRequest, HttpResponse

REQUESTS_MAX = 4  # no conversation of any provider needs more than two; a loop is a bug
ANSWER_BYTES_MAX = 65_536  # answers are about 1 KiB; statements are fetched elsewhere

Result = TypeVar("Result")
Steps = Generator[HttpRequest, HttpResponse, Result]


class RoadDown(Unreachable):
    """The provider gave no answer: no connection, no answer in time, or no end of it."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"no answer from the provider: {reason}")
        self.reason = reason


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
    step = partial(next, steps)
    sent = 0
    try:
        while True:
            try:
                request = step()
            except StopIteration as stop:
                result: Result = stop.value
                return result
            sent += 1
            if sent > REQUESTS_MAX:
                raise ConversationTooLong
            try:
                async with asyncio.timeout(timeout_s):
                    response = await _fetch(request, client=client, base_url=base_url)
            except TimeoutError:
                step = partial(steps.throw, RoadDown(f"none within {timeout_s} s"))
            except (httpx.HTTPError, httpx.InvalidURL) as error:
                step = partial(steps.throw, RoadDown(type(error).__name__))
            except RoadDown as error:
                step = partial(steps.throw, error)
            else:
                step = partial(steps.send, response)
    finally:
        steps.close()


def converse_with(steps: Steps[Result], answer: Callable[[HttpRequest], HttpResponse]) -> Result:
    """Drive a conversation by a function call; what it raises as `Unreachable` is thrown into it."""
    step = partial(next, steps)
    sent = 0
    try:
        while True:
            try:
                request = step()
            except StopIteration as stop:
                result: Result = stop.value
                return result
            sent += 1
            if sent > REQUESTS_MAX:
                raise ConversationTooLong
            try:
                response = answer(request)
            except Unreachable as error:
                step = partial(steps.throw, error)
            else:
                step = partial(steps.send, response)
    finally:
        steps.close()


async def _fetch(request: HttpRequest, *, client: httpx.AsyncClient, base_url: str) -> HttpResponse:
    body = bytearray()
    async with client.stream(
        request.method,
        base_url.rstrip("/") + request.path,
        headers=dict(request.headers),
        content=request.body,
        follow_redirects=False,
        timeout=None,  # the caller bounds the whole request
    ) as response:
        async for chunk in response.aiter_bytes():
            body += chunk
            if len(body) > ANSWER_BYTES_MAX:
                raise RoadDown(f"an answer of more than {ANSWER_BYTES_MAX} bytes")
        headers = {name.lower(): value for name, value in response.headers.items()}
        return HttpResponse(status=response.status_code, headers=headers, body=bytes(body))
