"""The desk: where an asyncio process speaks to the database, from one thread and in batches.

Use cases are synchronous. An edge hands work over here and awaits it; one thread with one connection does it
in order. `Gathering` makes batches by itself: what comes while a batch is being written is the next batch, so
that one commit serves all who wait, and nobody waits when nobody else is there.
"""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Generic, ParamSpec, TypeVar

from compuerta.adapters.postgres.store import PostgresStore
from compuerta.domain.errors import Unreachable
from compuerta.services.store_port import Conflict

Given = ParamSpec("Given")
Item = TypeVar("Item")
Outcome = TypeVar("Outcome")

# A batch beyond this gains nothing more from sharing a commit, and makes its first item wait for its last.
BATCH_MAX = 200
# What waits beyond this is refused at once: an answer that comes too late is worth nothing to its asker.
WAITING_MAX = 5_000
# A conflict means that another process was faster; the second try sees its work.
TRIES_MAX = 3


class DeskFull(Unreachable):
    """More waits for the database than can be done in time."""

    def __init__(self) -> None:
        super().__init__(f"more than {WAITING_MAX} requests wait for the database; try again")


class Desk:
    """This will run use cases on a store of its own, one after the other, away from the event loop."""

    def __init__(self, url: str) -> None:
        self._store = PostgresStore(url)
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="desk")

    async def run(self, work: Callable[[PostgresStore], Outcome]) -> Outcome:
        """Run a use case; a conflict is tried again within bounds."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._thread, self._tried, work)

    async def shut(self) -> None:
        """Finish what was begun and close the connection."""
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(self._thread, self._store.shut)
        self._thread.shutdown(wait=False)

    def _tried(self, work: Callable[[PostgresStore], Outcome]) -> Outcome:
        for _ in range(TRIES_MAX - 1):
            try:
                return work(self._store)
            except Conflict:
                continue
        return work(self._store)


class Gathering(Generic[Item, Outcome]):
    """This will gather items into batches and give each asker its own outcome."""

    def __init__(
        self, desk: Desk, write: Callable[[PostgresStore, Sequence[Item]], Sequence[Outcome]]
    ) -> None:
        self._desk = desk
        self._write = write
        self._waiting: list[tuple[Item, asyncio.Future[Outcome]]] = []
        self._writer: asyncio.Task[None] | None = None

    async def put(self, item: Item) -> Outcome:
        """Hand in an item and wait until its batch is committed; raises what the batch raised."""
        if len(self._waiting) >= WAITING_MAX:
            raise DeskFull
        future: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, future))
        if self._writer is None:
            self._writer = asyncio.create_task(self._drain())
        return await future

    async def _drain(self) -> None:
        try:
            while self._waiting:
                batch, self._waiting = self._waiting[:BATCH_MAX], self._waiting[BATCH_MAX:]
                await self._write_one(batch)
        finally:
            self._writer = None

    async def _write_one(self, batch: list[tuple[Item, asyncio.Future[Outcome]]]) -> None:
        items = [item for item, _ in batch]
        try:
            outcomes = await self._desk.run(lambda store: self._write(store, items))
        except Exception as error:  # told to each asker, who is the outermost loop of its own request
            for _, future in batch:
                if not future.done():
                    future.set_exception(error)
            return
        for (_, future), outcome in zip(batch, outcomes, strict=True):
            if not future.done():
                future.set_result(outcome)
