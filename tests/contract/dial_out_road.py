"""A converter that waits to be dialed, over loopback: what the link's contract is held on."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from compuerta.adapters.links.tcp_client import DialedOut, NobodyAnswers
from compuerta.services.link_port import Link

PATIENCE_S = 5.0


@dataclass
class Dialed:
    """A link of ours, and the converter's end of it."""

    link: Link
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter


@asynccontextmanager
async def a_converter(scheme: str = "rtu") -> AsyncIterator[Dialed]:
    """Give a link to a converter that has been dialed."""
    answered: asyncio.Queue[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = asyncio.Queue()
    opened: asyncio.Queue[Link] = asyncio.Queue()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        answered.put_nowait((reader, writer))
        await writer.wait_closed()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()[:2]
    dialed = DialedOut(
        f"{scheme}://{host}:{port}",
        opened=opened.put_nowait,
        not_opened=_refuse_to_go_on,
    )
    running = asyncio.create_task(dialed.run())
    try:
        async with asyncio.timeout(PATIENCE_S):
            link = await opened.get()
            reader, writer = await answered.get()
        yield Dialed(link=link, reader=reader, writer=writer)
        writer.close()
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        server.close()


def _refuse_to_go_on(error: NobodyAnswers) -> None:
    raise AssertionError(error)
