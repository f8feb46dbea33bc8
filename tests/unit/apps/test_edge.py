"""Bodies are bounded before anybody reads them, whoever sends them."""

import asyncio
from collections.abc import Sequence

import pytest
from fastapi import HTTPException
from starlette.types import Message, Receive, Scope, Send

from compuerta.apps.api import edge
from compuerta.apps.api.edge import BODY_BYTES_MAX, BoundedBodies


async def read(receive: Receive) -> list[str]:
    """Read as an application does: the body, and then whether the caller is still there."""
    heard = [await receive()]
    while heard[-1].get("more_body"):
        heard.append(await receive())
    heard.append(await receive())
    return [message["type"] for message in heard]


def told(messages: Sequence[Message], *, path: str = "/api/v1/x", silent_after: bool = False) -> object:
    """Pass messages through the bound and return what an application hears, or the refusal's status."""
    heard: list[object] = []
    waiting = list(messages)

    async def receive() -> Message:
        if not waiting and silent_after:
            await asyncio.Event().wait()
        return waiting.pop(0)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        heard.append(await read(receive))

    async def send(_: Message) -> None:
        raise AssertionError("nobody answers here")

    try:
        asyncio.run(BoundedBodies(app, path="/api/")({"type": "http", "path": path}, receive, send))
    except HTTPException as refused:
        return refused.status_code
    return heard[0]


def a_part(number_of_bytes: int, *, more: bool) -> Message:
    return {"type": "http.request", "body": bytes(number_of_bytes), "more_body": more}


GONE: Message = {"type": "http.disconnect"}


def test_a_body_of_the_largest_size_is_passed_on() -> None:
    parts = [a_part(BODY_BYTES_MAX - 1, more=True), a_part(1, more=False), GONE]

    assert told(parts) == ["http.request", "http.request", "http.disconnect"]


def test_one_byte_more_is_refused_in_one_part_or_in_two() -> None:
    assert told([a_part(BODY_BYTES_MAX + 1, more=False)]) == 413
    assert told([a_part(BODY_BYTES_MAX, more=True), a_part(1, more=False)]) == 413


def test_a_body_that_does_not_end_in_time_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(edge, "BODY_S_MAX", 0.001)

    assert told([a_part(1, more=True)], silent_after=True) == 408


def test_other_rooms_have_bounds_of_their_own() -> None:
    parts = [a_part(BODY_BYTES_MAX + 1, more=False), GONE]

    assert told(parts, path="/notices/wechat") == ["http.request", "http.disconnect"]
