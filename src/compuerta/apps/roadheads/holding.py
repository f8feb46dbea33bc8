"""Ends that we open ourselves: a task for each that is entered, for as long as it is."""

import asyncio
from collections.abc import Callable, Coroutine, Sequence

from compuerta.services.records import Endpoint


class HeldEnds:
    """This will hold every end by a task of its own, anew where its address or speed is another."""

    def __init__(self, hold: Callable[[Endpoint], Coroutine[None, None, None]]) -> None:
        self._hold = hold
        self._ends: dict[tuple[str, str, int | None], Endpoint] = {}
        self._news = asyncio.Event()

    def learn(self, ends: Sequence[Endpoint]) -> None:
        """Take over which ends there are now."""
        self._ends = {(each.endpoint_id, each.address, each.baud): each for each in ends}
        self._news.set()

    async def run(self) -> None:
        """Hold them until cancelled; one that is no more is let go of."""
        held: dict[tuple[str, str, int | None], asyncio.Task[None]] = {}
        async with asyncio.TaskGroup() as tasks:
            while True:
                for gone in held.keys() - self._ends.keys():
                    held.pop(gone).cancel()
                for come in self._ends.keys() - held.keys():
                    held[come] = tasks.create_task(self._hold(self._ends[come]))
                await self._news.wait()
                self._news.clear()
