"""NB-IoT meters behind the platform of a network's operator."""

import asyncio
from collections.abc import Sequence
from typing import Final

import structlog

from compuerta.adapters.links.operator_http import OperatorAccount, OperatorApi, PushPort
from compuerta.adapters.links.operator_roads import OperatorRoads
from compuerta.adapters.links.roadhead import Keeper, Refusals, Stranger
from compuerta.domain.party import Bearer
from compuerta.services.records import Endpoint

log = structlog.get_logger()

SWEEP_S: Final = 1.0


class OperatorHead:
    """This will serve the devices of one contract with an operator; see `Roadhead`."""

    bearers = frozenset({Bearer.OPERATOR})

    def __init__(
        self, keeper: Keeper, *, host: str, port: int, account: OperatorAccount, window_s: float
    ) -> None:
        self._keeper = keeper
        self._host = host
        self._port_no = port
        self._account = account
        self._window_s = window_s
        self._refusals = Refusals()
        self._ends: dict[str, Endpoint] = {}
        self._roads: OperatorRoads | None = None
        self._api: OperatorApi | None = None
        self._port: PushPort | None = None

    async def open(self) -> None:
        """See `Roadhead`; raises `PortNotListened`."""
        self._api = OperatorApi(self._account)
        self._roads = OperatorRoads(self._keeper, self._refusals, self._api, window_s=self._window_s)
        self._roads.learn(self._ends)
        self._port = PushPort(self._roads, self._refusals, secret=self._account.secret)
        port = await self._port.open(host=self._host, port=self._port_no)
        log.info("gateway.road.opened", port=port, carrier="operator")

    async def run(self) -> None:
        """See `Roadhead`."""
        assert self._roads is not None
        while True:
            self._roads.sweep()
            await asyncio.sleep(SWEEP_S)

    async def shut(self) -> None:
        """See `Roadhead`; commands that are out are taken back."""
        if self._port is not None:
            await self._port.shut()
        if self._roads is not None:
            await self._roads.shut()
        if self._api is not None:
            await self._api.shut()

    def learn(self, ends: Sequence[Endpoint]) -> None:
        """See `Roadhead`."""
        self._ends = {each.address: each for each in ends}
        if self._roads is not None:
            self._roads.learn(self._ends)

    def strangers(self) -> list[Stranger]:
        """See `Roadhead`."""
        return self._refusals.strangers()
