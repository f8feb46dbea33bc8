"""Converters that wait to be dialed, each held by a task of its own."""

import asyncio
from collections.abc import Sequence

import structlog

from compuerta.adapters.links.roadhead import Keeper, Stranger
from compuerta.adapters.links.tcp_client import AddressNotDialable, DialedOut, NobodyAnswers
from compuerta.domain.party import Bearer
from compuerta.services.records import Endpoint

log = structlog.get_logger()


class DialOutHead:
    """This will dial every converter that is entered, and let go of who is no more; see `Roadhead`."""

    bearers = frozenset({Bearer.DIAL_OUT})

    def __init__(self, keeper: Keeper) -> None:
        self._keeper = keeper
        self._addresses: dict[str, str] = {}  # by end
        self._news = asyncio.Event()

    async def open(self) -> None:
        """See `Roadhead`; a converter that is not there is waited for."""

    async def run(self) -> None:
        """See `Roadhead`."""
        held: dict[tuple[str, str], asyncio.Task[None]] = {}
        async with asyncio.TaskGroup() as tasks:
            while True:
                wanted = set(self._addresses.items())
                for gone in held.keys() - wanted:
                    held.pop(gone).cancel()
                for endpoint_id, address in wanted - held.keys():
                    held[endpoint_id, address] = tasks.create_task(self._hold(endpoint_id, address))
                await self._news.wait()
                self._news.clear()

    async def shut(self) -> None:
        """See `Roadhead`; the connections are let go of where they are held."""

    def learn(self, ends: Sequence[Endpoint]) -> None:
        """See `Roadhead`."""
        self._addresses = {each.endpoint_id: each.address for each in ends}
        self._news.set()

    def strangers(self) -> list[Stranger]:
        """See `Roadhead`; nobody comes in by a port that we dial."""
        return []

    async def _hold(self, endpoint_id: str, address: str) -> None:
        def not_opened(error: NobodyAnswers) -> None:
            log.warning("gateway.converter.not_reached", endpoint=endpoint_id, error=str(error))

        try:
            dialed = DialedOut(
                address,
                opened=lambda link: self._keeper.opened(endpoint_id, link),
                not_opened=not_opened,
            )
        except AddressNotDialable as error:
            log.error("gateway.converter.address_refused", endpoint=endpoint_id, error=str(error))
            return
        await dialed.run()
