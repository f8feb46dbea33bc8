"""The port that modules and DTUs dial."""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import datetime

import structlog

from compuerta.adapters.links.introductions import ivy_profile
from compuerta.adapters.links.registration import DialProfile, template
from compuerta.adapters.links.roadhead import Keeper, Stranger
from compuerta.adapters.links.tcp_server import TcpServer
from compuerta.apps import wiring
from compuerta.domain.party import Bearer
from compuerta.domain.road import RoadSign
from compuerta.services.link_port import Link
from compuerta.services.records import Endpoint

log = structlog.get_logger()


class DialInHead:
    """This will listen for who dials in; see `Roadhead`."""

    bearers = frozenset({Bearer.DIAL_IN})

    def __init__(self, keeper: Keeper, *, host: str, port: int) -> None:
        self._keeper = keeper
        self._host = host
        self._port = port
        self._ends: Mapping[str, str] = {}  # ids of ends, by what they register as
        self._server = TcpServer(
            _profiles(),
            is_known=self._is_known,
            dialed=self._dialed,
            heard_at=self._heard_at,
            civil_now=self._civil_now,
        )

    async def open(self) -> None:
        """See `Roadhead`; raises `PortNotListened`."""
        port = await self._server.open(host=self._host, port=self._port)
        log.info("gateway.road.opened", port=port)

    async def run(self) -> None:
        """See `Roadhead`; the server's sessions live by the event loop's calls."""
        await asyncio.Event().wait()

    async def shut(self) -> None:
        """See `Roadhead`."""
        await self._server.shut()

    def learn(self, ends: Sequence[Endpoint]) -> None:
        """See `Roadhead`."""
        self._ends = {each.address: each.endpoint_id for each in ends}
        self._server.forget_unknown()

    def strangers(self) -> list[Stranger]:
        """See `Roadhead`."""
        return self._server.strangers()

    def _is_known(self, registration: str) -> bool:
        return registration in self._ends

    def _dialed(self, registration: str, link: Link) -> None:
        self._keeper.opened(self._ends[registration], link)

    def _heard_at(self, registration: str, csq: int) -> None:
        self._keeper.signalled(self._ends[registration], RoadSign(at=wiring.now(), csq=csq))

    def _civil_now(self, registration: str) -> datetime | None:
        return self._keeper.civil_now(self._ends[registration])


def _profiles() -> list[DialProfile]:
    return [
        DialProfile(registration=template("CPT1:{imei}"), heartbeats=(template("HB"),), heartbeat_s=60),
        ivy_profile(),
    ]
