"""Nobody holds the door by a head that does not end, over real loopback sockets."""

import asyncio
from collections.abc import Callable, Coroutine

import pytest
import uvicorn
from starlette.responses import PlainTextResponse
from uvicorn.server import ServerState

from compuerta.apps.api import heads
from compuerta.apps.api.heads import HEAD_BYTES_MAX, BoundedHeads

PATIENCE_S = 5.0
HEAD = b"GET / HTTP/1.1\r\nhost: door\r\n"
Scene = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Coroutine[None, None, None]]


def play(scene: Scene) -> None:
    config = uvicorn.Config(PlainTextResponse("hello"), log_config=None, lifespan="off")
    config.load()

    async def act() -> None:
        loop = asyncio.get_running_loop()
        state = ServerState()
        server = await loop.create_server(
            lambda: BoundedHeads(config=config, server_state=state, app_state={}), "127.0.0.1", 0
        )
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        async with asyncio.timeout(PATIENCE_S):
            await scene(reader, writer)
        writer.close()
        server.close()

    asyncio.run(act())


async def said_until_hung_up(reader: asyncio.StreamReader) -> bytes:
    try:
        return await reader.read()
    except ConnectionResetError:
        return b""


def test_a_head_that_does_not_end_is_hung_up_on() -> None:
    async def scene(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(HEAD + b"x: " + b"A" * (2 * HEAD_BYTES_MAX))

        assert await said_until_hung_up(reader) == b""

    play(scene)


@pytest.mark.parametrize("said", [b"", HEAD])
def test_a_head_that_does_not_come_is_hung_up_on(said: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heads.BoundedHeads, "head_s_max", 0.05)

    async def scene(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(said)

        assert await said_until_hung_up(reader) == b""

    play(scene)


def test_a_whole_head_is_answered_and_so_is_the_next() -> None:
    async def scene(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for _ in range(2):
            writer.write(HEAD + b"\r\n")
            answer = await reader.readuntil(b"hello")
            assert answer.startswith(b"HTTP/1.1 200")

    play(scene)


def test_a_large_body_is_no_head() -> None:
    async def scene(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        size = 2 * HEAD_BYTES_MAX
        writer.write(b"POST / HTTP/1.1\r\nhost: door\r\ncontent-length: %d\r\n\r\n" % size + bytes(size))

        assert (await reader.readuntil(b"hello")).startswith(b"HTTP/1.1 200")

    play(scene)
