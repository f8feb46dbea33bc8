"""Following orders by Server-Sent Events: one query each second serves all who follow, however many they are.

Each event is the whole order, and its id is a mark of how the order stood: who comes again with the id that
they saw last misses nothing, whatever happened in between. Nobody who follows holds a connection to the
database, and nobody follows for ever: after ten minutes the stream ends, and the follower comes again.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextvars import Context
from dataclasses import dataclass, field
from functools import partial
from typing import Final
from uuid import UUID

from fastapi import HTTPException, status
from starlette.responses import Response, StreamingResponse

from compuerta.apps.api.orders import made_of, orders_now, state_of
from compuerta.apps.api.reading import Row
from compuerta.apps.desk import Desk
from compuerta.domain.errors import Unreachable

FOLLOWERS_MAX = 1_000  # of one process: their one query takes 50 ms, in which no payment is written
ROUND_S = 1.0
KEEP_ALIVE_S = 15.0  # proxies give a silent stream up after thirty seconds and more
LIFE_S_MAX = 600.0
_AGAIN_MS: Final = 1_000
_LAST: Final = frozenset({"power", "suspended"})  # nothing comes after these but a person's act


@dataclass(slots=True, eq=False)
class _Follower:
    """One stream: how the order stood when it was told last, and how it stands."""

    row: Row
    told: str
    changed: asyncio.Event = field(default_factory=asyncio.Event)


class Following:
    """This will tell those who follow orders, for one process."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._followers: dict[UUID, set[_Follower]] = {}
        self._number = 0
        self._looking: asyncio.Task[None] | None = None

    def follow(self, row: Row, *, seen: str) -> Response:
        """Answer with a stream of an order; `seen` is the id of the last event that the follower has."""
        if seen == mark_of(row) and state_of(row) in _LAST:
            return Response(status_code=status.HTTP_204_NO_CONTENT)
        if self._number >= FOLLOWERS_MAX:
            raise HTTPException(
                status.HTTP_503_SERVICE_UNAVAILABLE,
                "too many follow orders now; ask for the order every few seconds",
                headers={"Retry-After": "5"},
            )
        follower = _Follower(row=row, told=seen)
        follower.changed.set()
        headers = {"cache-control": "no-store", "x-accel-buffering": "no"}
        return StreamingResponse(self._stream(follower), media_type="text/event-stream", headers=headers)

    async def _stream(self, follower: _Follower) -> AsyncIterator[str]:
        until_s = asyncio.get_running_loop().time() + LIFE_S_MAX
        self._join(follower)
        try:
            yield f"retry: {_AGAIN_MS}\n\n"
            while asyncio.get_running_loop().time() < until_s:
                try:
                    async with asyncio.timeout(KEEP_ALIVE_S):
                        await follower.changed.wait()
                except TimeoutError:
                    yield ": still here\n\n"
                    continue
                follower.changed.clear()
                if follower.told != mark_of(follower.row):
                    follower.told = mark_of(follower.row)
                    yield _event(follower.row)
                if state_of(follower.row) in _LAST:
                    return
        finally:
            self._leave(follower)

    def _join(self, follower: _Follower) -> None:
        self._number += 1
        self._followers.setdefault(follower.row["order_id"], set()).add(follower)
        if self._looking is None:
            # In a context of its own: it looks for everybody, and not within the wall of who came first.
            self._looking = asyncio.get_running_loop().create_task(self._look_on(), context=Context())

    def _leave(self, follower: _Follower) -> None:
        order_id = follower.row["order_id"]
        self._number -= 1
        self._followers[order_id].discard(follower)
        if not self._followers[order_id]:
            del self._followers[order_id]
        if not self._followers and self._looking is not None:
            self._looking.cancel()
            self._looking = None

    async def _look_on(self) -> None:
        while True:
            await asyncio.sleep(ROUND_S)
            followed = list(self._followers)
            with contextlib.suppress(Unreachable):  # the next round asks again
                for row in await self._desk.run_batch(partial(orders_now, order_ids=followed)):
                    self._tell(row)

    def _tell(self, row: Row) -> None:
        for follower in self._followers.get(row["order_id"], ()):
            follower.row = row
            if mark_of(row) != follower.told:
                follower.changed.set()


def mark_of(row: Row) -> str:
    """Return a mark of how an order stands: another one whenever anything of it is another."""
    ended = sum(attempt["state"] in ("closed", "paid") for attempt in row["attempts"])
    return f"{state_of(row)}-{len(row['attempts'])}-{ended}"


def _event(row: Row) -> str:
    told = made_of(row).model_dump_json()
    return f"id: {mark_of(row)}\nevent: {state_of(row)}\ndata: {told}\n\n"
