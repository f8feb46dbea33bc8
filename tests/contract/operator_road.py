"""A device behind an operator's platform, over HTTP both ways: the operator road of the link's contract."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace

from tests.contract.coap_road import PATIENCE_S, Keeper, an_end

from compuerta.adapters.links.operator_http import OperatorApi, PushPort, account_at
from compuerta.adapters.links.operator_roads import OperatorRoads
from compuerta.adapters.links.roadhead import Refusals
from compuerta.apps.stage import free_ports
from compuerta.domain.party import Bearer
from compuerta.services.link_port import Link
from compuerta.services.records import Endpoint
from compuerta.virtual.operator.platform import Contract, OperatorPlatform

DEVICE = "dev-1"
SECRET = b"secret"


def a_device_end(*, contact_s: int | None = None) -> Endpoint:
    return replace(an_end(DEVICE, contact_s=contact_s), bearer=Bearer.OPERATOR)


@dataclass
class Operated:
    """The gateway's side and the operator's, with one device."""

    roads: OperatorRoads
    refusals: Refusals
    keeper: Keeper
    platform: OperatorPlatform
    push_port: int
    is_awake: bool = True
    told: bytes = b""
    said: int = 0
    news: asyncio.Event = field(default_factory=asyncio.Event)

    def tell(self, frame: bytes) -> None:
        self.told += frame
        self.news.set()

    def say(self, octets: bytes) -> None:
        for at in range(0, len(octets) or 1, 500):
            self.platform.say(DEVICE, octets[at : at + 500])
            self.said += 1

    def states(self) -> list[str]:
        """How every command stands that the platform was ever given."""
        return [kept.state.value for kept in self.platform.kept.values()]

    async def link(self) -> Link:
        async with asyncio.timeout(PATIENCE_S):
            return (await self.keeper.links.get())[1]

    async def settle(self) -> None:
        await self.until(lambda: len(self.keeper.signs) >= self.said)

    async def hear(self, count: int) -> bytes:
        await self.until(lambda: len(self.told) >= count)
        return self.told

    async def until(self, is_so: Callable[[], bool]) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while not is_so():  # noqa: ASYNC110 what is waited for tells nobody
                await asyncio.sleep(0)


@asynccontextmanager
async def operated(*, contact_s: int | None = None, window_s: float = 60.0) -> AsyncIterator[Operated]:
    keeper, refusals = Keeper(), Refusals()
    [push_port] = free_ports(0)
    push_url = f"http://127.0.0.1:{push_port}/push"
    contract = Contract(host="127.0.0.1", port=0, push_url=push_url, secret=SECRET)
    platform = OperatorPlatform(contract)
    api = OperatorApi(account_at(f"http://app:{SECRET.decode()}@127.0.0.1:{await platform.open()}"))
    roads = OperatorRoads(keeper, refusals, api, window_s=window_s)
    roads.learn({DEVICE: a_device_end(contact_s=contact_s)})
    port = PushPort(roads, refusals, secret=SECRET)
    await port.open(host="127.0.0.1", port=push_port)
    scene = Operated(roads=roads, refusals=refusals, keeper=keeper, platform=platform, push_port=push_port)
    platform.join(DEVICE, told=scene.tell, is_awake=lambda: scene.is_awake)
    try:
        yield scene
    finally:
        await roads.shut()
        await api.shut()
        await platform.shut()
        await port.shut()
