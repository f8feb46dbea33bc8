"""Conversations over httpx and over a function call: bounded, closed, and with one kind of failure."""

import asyncio
from collections.abc import Generator

import httpx
import pytest

from compuerta.adapters.payments.http import (
    REQUESTS_MAX,
    ConversationTooLong,
    RoadDown,
    converse,
    converse_with,
)
from compuerta.domain.errors import Unreachable
from compuerta.services.payment_ports import ANSWER_BYTES_MAX, HttpRequest, HttpResponse

Steps = Generator[HttpRequest, HttpResponse, int]


def asking(times: int) -> Steps:
    """A conversation that asks so many times and returns the last status."""
    status = 0
    for _ in range(times):
        status = (yield HttpRequest(method="POST", path="/a?b=%7C", headers={"x-y": "z"}, body=b"{}")).status
    return status


def forgiving() -> Steps:
    try:
        yield HttpRequest(method="GET", path="/")
    except Unreachable:
        return -1
    return 0


def over(transport: httpx.AsyncBaseTransport, steps: Steps, *, timeout_s: float = 5.0) -> int:
    async def run() -> int:
        async with httpx.AsyncClient(transport=transport) as client:
            return await converse(steps, client=client, base_url="https://p.example", timeout_s=timeout_s)

    return asyncio.run(run())


def test_a_request_is_sent_exactly_as_the_provider_wrote_it() -> None:
    heard: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        heard.append(request)
        return httpx.Response(200)

    assert over(httpx.MockTransport(answer), asking(1)) == 200
    assert (heard[0].method, heard[0].url.raw_path, heard[0].content) == ("POST", b"/a?b=%7C", b"{}")
    assert heard[0].headers["x-y"] == "z"


def test_a_road_that_fails_is_thrown_into_the_conversation() -> None:
    def refuse(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused")

    assert over(httpx.MockTransport(refuse), forgiving()) == -1
    with pytest.raises(RoadDown):
        over(httpx.MockTransport(refuse), asking(1))


def test_a_provider_that_never_answers_is_a_road_that_fails() -> None:
    async def never(request: httpx.Request) -> httpx.Response:
        await asyncio.Event().wait()
        raise AssertionError

    assert over(httpx.MockTransport(never), forgiving(), timeout_s=0.01) == -1


def test_an_answer_without_end_is_a_road_that_fails() -> None:
    long = httpx.MockTransport(lambda _: httpx.Response(200, content=b"x" * (ANSWER_BYTES_MAX + 1)))

    assert over(long, forgiving()) == -1


def test_a_redirect_is_an_answer_and_is_not_followed() -> None:
    away = httpx.MockTransport(lambda _: httpx.Response(302, headers={"location": "https://elsewhere"}))

    assert over(away, asking(1)) == 302


@pytest.mark.parametrize("extra", [0, 1])
def test_a_conversation_is_bounded(extra: int) -> None:
    sent: list[HttpRequest] = []

    def answer(request: HttpRequest) -> HttpResponse:
        sent.append(request)
        return HttpResponse(status=204)

    if extra:
        with pytest.raises(ConversationTooLong):
            converse_with(asking(REQUESTS_MAX + extra), answer)
        with pytest.raises(ConversationTooLong):
            over(httpx.MockTransport(lambda _: httpx.Response(204)), asking(REQUESTS_MAX + extra))
    else:
        assert converse_with(asking(REQUESTS_MAX), answer) == 204
    assert len(sent) == REQUESTS_MAX


def test_a_function_that_is_unreachable_is_thrown_into_the_conversation() -> None:
    def down(request: HttpRequest) -> HttpResponse:
        raise RoadDown("partition")

    assert converse_with(forgiving(), down) == -1
