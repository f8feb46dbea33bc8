"""Ends that we open ourselves: a task for each that is entered, for as long as it is."""

import asyncio
from collections.abc import Callable, Coroutine, Sequence

from compuerta.adapters.links.roadhead import Stranger
from compuerta.domain.party import Bearer
from compuerta.services.records import Endpoint


class HeldHead:
    """This will hold every end of a bearer, anew where its address or speed is another; see `Roadhead`."""

    def __init__(self, bearer: Bearer, hold: Callable[[Endpoint], Coroutine[None, None, None]]) -> None:
        self.bearers = frozenset({bearer})
        self._hold = hold
        self._ends: dict[tuple[str, str, int | None], Endpoint] = {}
        self._news = asyncio.Event()

    async def open(self) -> None:
        """See `Roadhead`; an end that is not there is waited for."""

    async def run(self) -> None:
        """See `Roadhead`; an end that is no more is let go of."""
        held: dict[tuple[str, str, int | None], asyncio.Task[None]] = {}
        async with asyncio.TaskGroup() as tasks:
            while True:
                for gone in held.keys() - self._ends.keys():
                    held.pop(gone).cancel()
                for come in self._ends.keys() - held.keys():
                    held[come] = tasks.create_task(self._hold(self._ends[come]))
                await self._news.wait()
                self._news.clear()

    async def shut(self) -> None:
        """See `Roadhead`; the ends are let go of where they are held."""

    def learn(self, ends: Sequence[Endpoint]) -> None:
        """See `Roadhead`."""
        self._ends = {(each.endpoint_id, each.address, each.baud): each for each in ends}
        self._news.set()

    def strangers(self) -> list[Stranger]:
        """See `Roadhead`; nobody comes in by what we open."""
        return []
