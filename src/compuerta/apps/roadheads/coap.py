"""NB-IoT meters that speak LwM2M to us, by CoAP behind DTLS, or bare on an operator's private network."""

import asyncio
from collections.abc import Sequence

import structlog

from compuerta.adapters.links.coap_port import CoapPort
from compuerta.adapters.links.coap_server import CoapLimits, CoapServer
from compuerta.adapters.links.roadhead import Keeper, Refusals, Stranger
from compuerta.domain.party import Bearer
from compuerta.services import road_keys
from compuerta.services.records import Endpoint

log = structlog.get_logger()


class CoapHead:
    """This will listen for NB-IoT devices; see `Roadhead`. A port of 0 is not opened."""

    bearers = frozenset({Bearer.COAP})

    def __init__(
        self, keeper: Keeper, *, host: str, ports: tuple[int, int], secret: bytes, limits: CoapLimits
    ) -> None:
        self._keeper = keeper
        self._host = host
        self._port_nos = ports  # behind DTLS, and bare
        self._secret = secret
        self._limits = limits
        self._refusals = Refusals()
        self._server: CoapServer | None = None
        self._ports: list[CoapPort] = []
        self._ends: dict[str, Endpoint] = {}

    async def open(self) -> None:
        """See `Roadhead`; raises `PortNotListened`."""
        self._server = CoapServer(self._keeper, self._refusals, limits=self._limits)
        for port_no, secured in zip(self._port_nos, (True, False), strict=True):
            if port_no:
                port = CoapPort(self._server, self._refusals, secured=secured)
                self._ports.append(port)
                bound = await port.open(host=self._host, port=port_no)
                log.info("gateway.road.opened", port=bound, carrier="dtls" if secured else "udp")
        self._teach()

    async def run(self) -> None:
        """See `Roadhead`; devices live by the event loop's calls."""
        await asyncio.Event().wait()

    async def shut(self) -> None:
        """See `Roadhead`."""
        if self._server is not None:
            self._server.shut()
        for port in self._ports:
            port.shut()

    def learn(self, ends: Sequence[Endpoint]) -> None:
        """See `Roadhead`."""
        self._ends = {each.address: each for each in ends}
        self._teach()

    def strangers(self) -> list[Stranger]:
        """See `Roadhead`."""
        return self._refusals.strangers()

    def _teach(self) -> None:
        if self._server is None:
            return
        self._server.learn(self._ends)
        keys = {name: road_keys.key_of(end, secret=self._secret) for name, end in self._ends.items()}
        for port in self._ports:
            port.learn(keys)
