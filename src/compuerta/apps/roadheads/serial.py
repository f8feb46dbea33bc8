"""Serial ports of this machine, each held by a task of its own."""

import structlog

from compuerta.adapters.links.roadhead import Keeper
from compuerta.adapters.links.serial_bus import PortNotOpened, SerialBus
from compuerta.apps.roadheads.holding import HeldHead
from compuerta.domain.party import Bearer
from compuerta.services.records import Endpoint

log = structlog.get_logger()

USUAL_BAUD = 2400  # DL/T 645-2007 5.1


def serial_head(keeper: Keeper) -> HeldHead:
    """Return the head that opens every serial port that is entered."""

    async def hold(end: Endpoint) -> None:
        def not_opened(error: PortNotOpened) -> None:
            log.warning("gateway.bus.not_opened", endpoint=end.endpoint_id, error=str(error))

        await SerialBus(
            end.address,
            opened=lambda link: keeper.opened(end.endpoint_id, link),
            not_opened=not_opened,
            baud=end.baud or USUAL_BAUD,
        ).run()

    return HeldHead(Bearer.SERIAL, hold)
