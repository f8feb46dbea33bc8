"""Hints between processes: "something is due". They only save waiting; sweeps find the same without them.

A hint is its own tiny transaction after the commit that it tells of: inside it, NOTIFY would make all commits
of the database wait for each other.
"""

import asyncio
from collections.abc import AsyncIterator

import psycopg

CHANNEL = "compuerta_due"
_RECONNECT_S = 1.0


async def heard(url: str) -> AsyncIterator[None]:
    """Yield once per hint, for ever; a lost connection is opened again."""
    while True:
        try:
            async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
                await connection.execute(f"listen {CHANNEL}")
                async for _ in connection.notifies():
                    yield
        except psycopg.Error:
            await asyncio.sleep(_RECONNECT_S)
