"""Converters that wait to be dialed, each held by a task of its own."""

from collections.abc import Sequence

import structlog

from compuerta.adapters.links.roadhead import Keeper, Stranger
from compuerta.adapters.links.tcp_client import AddressNotDialable, DialedOut, NobodyAnswers
from compuerta.apps.roadheads.holding import HeldEnds
from compuerta.domain.party import Bearer
from compuerta.services.records import Endpoint

log = structlog.get_logger()


class DialOutHead:
    """This will dial every converter that is entered, and let go of who is no more; see `Roadhead`."""

    bearers = frozenset({Bearer.DIAL_OUT})

    def __init__(self, keeper: Keeper) -> None:
        self._keeper = keeper
        self._held = HeldEnds(self._hold)

    async def open(self) -> None:
        """See `Roadhead`; a converter that is not there is waited for."""

    async def run(self) -> None:
        """See `Roadhead`."""
        await self._held.run()

    async def shut(self) -> None:
        """See `Roadhead`; the connections are let go of where they are held."""

    def learn(self, ends: Sequence[Endpoint]) -> None:
        """See `Roadhead`."""
        self._held.learn(ends)

    def strangers(self) -> list[Stranger]:
        """See `Roadhead`; nobody comes in by a port that we dial."""
        return []

    async def _hold(self, end: Endpoint) -> None:
        def not_opened(error: NobodyAnswers) -> None:
            log.warning("gateway.converter.not_reached", endpoint=end.endpoint_id, error=str(error))

        try:
            dialed = DialedOut(
                end.address,
                opened=lambda link: self._keeper.opened(end.endpoint_id, link),
                not_opened=not_opened,
            )
        except AddressNotDialable as error:
            log.error("gateway.converter.address_refused", endpoint=end.endpoint_id, error=str(error))
            return
        await dialed.run()
