"""Serial ports of this machine, each held by a task of its own."""

from collections.abc import Sequence

import structlog

from compuerta.adapters.links.roadhead import Keeper, Stranger
from compuerta.adapters.links.serial_bus import PortNotOpened, SerialBus
from compuerta.apps.roadheads.holding import HeldEnds
from compuerta.domain.party import Bearer
from compuerta.services.records import Endpoint

log = structlog.get_logger()

USUAL_BAUD = 2400  # DL/T 645-2007 5.1


class SerialHead:
    """This will hold every serial port that is entered, and let go of one that is no more; see `Roadhead`."""

    bearers = frozenset({Bearer.SERIAL})

    def __init__(self, keeper: Keeper) -> None:
        self._keeper = keeper
        self._held = HeldEnds(self._hold)

    async def open(self) -> None:
        """See `Roadhead`; a port that is not there is waited for."""

    async def run(self) -> None:
        """See `Roadhead`."""
        await self._held.run()

    async def shut(self) -> None:
        """See `Roadhead`; the ports are let go of where they are held."""

    def learn(self, ends: Sequence[Endpoint]) -> None:
        """See `Roadhead`."""
        self._held.learn(ends)

    def strangers(self) -> list[Stranger]:
        """See `Roadhead`; nobody comes in by a port."""
        return []

    async def _hold(self, end: Endpoint) -> None:
        def not_opened(error: PortNotOpened) -> None:
            log.warning("gateway.bus.not_opened", endpoint=end.endpoint_id, error=str(error))

        await SerialBus(
            end.address,
            opened=lambda link: self._keeper.opened(end.endpoint_id, link),
            not_opened=not_opened,
            baud=end.baud or USUAL_BAUD,
        ).run()
