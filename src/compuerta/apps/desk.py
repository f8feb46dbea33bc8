"""The desk: where an asyncio process speaks to the database, from one thread and in batches.

Use cases are synchronous. An edge hands work over here and awaits it; one thread with one connection does it
in order. `Gathering` makes batches by itself: what comes while a batch is being written is the next batch, so
that one commit serves all who wait, and nobody waits when nobody else is there.
"""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Generic, TypeVar

from compuerta.adapters.postgres.store import PostgresStore
from compuerta.adapters.postgres.walls import Wall
from compuerta.apps import walls
from compuerta.domain.errors import Broken, Unreachable
from compuerta.services.store_port import Conflict

Item = TypeVar("Item")
Outcome = TypeVar("Outcome")
Waiting = tuple[Item, asyncio.Future[Outcome]]

# A batch beyond this gains nothing more from sharing a commit, and makes its first item wait for its last.
BATCH_MAX = 200
# What waits beyond this is refused at once: an answer that comes too late is worth nothing to its asker.
WAITING_MAX = 5_000
# Use cases that stand in line one by one, each of about a millisecond: strangers with wrong keys make no
# payment wait.
IN_LINE_MAX = 500
# Many who were answered together ask again together: waiting for them lets all share the next commit, where
# the first to come would have one of its own, and the others would wait for that.
LINGER_S = 0.0013
# A conflict means that another process was faster; the second try sees its work.
TRIES_MAX = 3


class DeskFull(Unreachable):
    """More waits for the database than can be done in time."""

    def __init__(self) -> None:
        super().__init__("too many requests wait for the database; try again")


class OutcomesMissing(Broken):
    """A use case told of more or fewer items than it was given; nobody knows which outcome is whose."""

    def __init__(self, given: int, told: int) -> None:
        super().__init__(f"{told} outcomes for {given} items")


class Desk:
    """This will run use cases on a store of its own, one after the other, away from the event loop."""

    def __init__(self, url: str) -> None:
        self._store = PostgresStore(url)
        self._in_line = 0
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="desk")

    async def run(self, work: Callable[[PostgresStore], Outcome]) -> Outcome:
        """Run a use case; a conflict is tried again within bounds. Raises `DeskFull` where many wait."""
        if self._in_line >= IN_LINE_MAX:
            raise DeskFull
        self._in_line += 1
        try:
            return await self._run(work, walls.for_acting())
        finally:
            self._in_line -= 1

    async def run_batch(self, work: Callable[[PostgresStore], Outcome]) -> Outcome:
        """Run a use case for many who wait together; never refused, since whoever gathers has but one."""
        return await self._run(work, None)

    async def _run(self, work: Callable[[PostgresStore], Outcome], wall: Wall | None) -> Outcome:
        def walled() -> Outcome:
            with self._store.within(wall):
                return tried(self._store, work)

        return await asyncio.get_running_loop().run_in_executor(self._thread, walled)

    async def shut(self) -> None:
        """Finish what was begun and close the connection."""
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(self._thread, self._store.shut)
        self._thread.shutdown(wait=False)


def tried(store: PostgresStore, work: Callable[[PostgresStore], Outcome]) -> Outcome:
    """Run a use case on a store; one that met a faster rival is run again, a bounded number of times."""
    for _ in range(TRIES_MAX - 1):
        try:
            return work(store)
        except Conflict:
            continue
    return work(store)


class Gathering(Generic[Item, Outcome]):
    """This will gather items into batches and give each asker its own outcome.

    `write` is given a batch and returns an outcome per item; where it raises, it has written nothing that it
    would not write again. Only `Unreachable` is told to a whole batch: any other error makes its items be
    written one by one, so that it reaches the one that caused it.
    """

    def __init__(
        self, desk: Desk, write: Callable[[PostgresStore, Sequence[Item]], Sequence[Outcome]]
    ) -> None:
        self._desk = desk
        self._write = write
        self._waiting: list[Waiting[Item, Outcome]] = []
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
                await self._write_batch(batch)
                if len(batch) > 1:
                    await asyncio.sleep(LINGER_S)
        finally:
            self._writer = None

    async def _write_batch(self, batch: list[Waiting[Item, Outcome]]) -> None:
        try:
            outcomes = await self._written([item for item, _ in batch])
        except Exception as error:
            if len(batch) == 1 or _is_away(error):
                _fail(batch, error)
                return
            # One item that cannot be written must not take its neighbours with it, now and at each repeat.
            for each in batch:
                await self._write_batch([each])
            return
        except BaseException:
            for _, future in batch:
                future.cancel()
            raise
        for (_, future), outcome in zip(batch, outcomes, strict=True):
            if not future.done():
                future.set_result(outcome)

    async def _written(self, items: Sequence[Item]) -> Sequence[Outcome]:
        outcomes = await self._desk.run_batch(lambda store: self._write(store, items))
        if len(outcomes) != len(items):
            raise OutcomesMissing(len(items), len(outcomes))
        return outcomes


def _is_away(error: Exception) -> bool:
    return isinstance(error, Unreachable) and not isinstance(error, Conflict)


def _fail(batch: list[Waiting[Item, Outcome]], error: Exception) -> None:
    # Told to each asker, who is the outermost loop of its own request.
    for _, future in batch:
        if not future.done():
            future.set_exception(error)
