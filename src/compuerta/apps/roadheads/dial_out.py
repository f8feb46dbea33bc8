"""Converters that wait to be dialed, each held by a task of its own."""

import structlog

from compuerta.adapters.links.roadhead import Keeper
from compuerta.adapters.links.tcp_client import AddressNotDialable, DialedOut, NobodyAnswers
from compuerta.apps.roadheads.holding import HeldHead
from compuerta.domain.party import Bearer
from compuerta.services.records import Endpoint

log = structlog.get_logger()


def dial_out_head(keeper: Keeper) -> HeldHead:
    """Return the head that dials every converter that is entered."""

    async def hold(end: Endpoint) -> None:
        def not_opened(error: NobodyAnswers) -> None:
            log.warning("gateway.converter.not_reached", endpoint=end.endpoint_id, error=str(error))

        try:
            dialed = DialedOut(
                end.address,
                opened=lambda link: keeper.opened(end.endpoint_id, link),
                not_opened=not_opened,
            )
        except AddressNotDialable as error:
            log.error("gateway.converter.address_refused", endpoint=end.endpoint_id, error=str(error))
            return
        await dialed.run()

    return HeldHead(Bearer.DIAL_OUT, hold)
