"""Meters on NB-IoT behind an operator's platform: their modems speak to it, and it speaks to us."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random

from compuerta.virtual.faults import Faults
from compuerta.virtual.fleet.fields import Json
from compuerta.virtual.fleet.road import CannotHangUp
from compuerta.virtual.fleet.wire import Wire
from compuerta.virtual.fleet.world import World
from compuerta.virtual.meter.peer import VirtualMeter
from compuerta.virtual.operator.platform import OperatorPlatform


@dataclass(frozen=True, slots=True, kw_only=True)
class OperatedPlan:
    """How a modem lives."""

    contact_s: float = 0.0  # it sleeps, and says that it is there so often; 0 = always awake
    window_s: float = 10.0
    one_way_ms: int = 0
    answer_delay_ms: tuple[int, int] = (20, 100)
    rsrp_dbm: int = -104


class OperatedModem:
    """Will carry what an operator's platform hands to a device to its meters, and their answers back."""

    def __init__(
        self,
        meters: Sequence[VirtualMeter],
        *,
        device_id: str,
        plan: OperatedPlan,
        platform: OperatorPlatform,
        world: World,
        chance: Random,
    ) -> None:
        self.meters = tuple(meters)
        self.faults = Faults()
        self._device_id = device_id
        self._plan = plan
        self._platform = platform
        self._world = world
        self._wire = Wire(
            connector="operator", world=world, chance=chance, answer_delay_ms=plan.answer_delay_ms
        )
        self._cut = False
        self._task: asyncio.Task[None] | None = None
        self._awake_until_s = 0.0
        platform.join(device_id, told=self._told, is_awake=self.is_awake)

    def start(self) -> None:
        """See `Road`."""
        self._task = asyncio.get_running_loop().create_task(self._live())

    async def shut(self) -> None:
        """See `Road`."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        await self._platform.shut()

    def set_cut(self, cut: bool) -> None:
        """See `Road`."""
        self._cut = cut

    def hang_up(self) -> None:
        """See `Road`; there is nothing between us and the device that could be lost."""
        raise CannotHangUp("device behind an operator")

    def power_changed(self) -> None:
        """See `Road`."""

    def push(self) -> None:
        """Let the meters say what is new: that wakes the modem."""
        for meter in self.meters:
            meter.advance(to_ms=self._world.now_ms())
            octets = meter.take_push()
            if octets:
                self._say(octets)

    def state(self) -> Mapping[str, Json]:
        """See `Road`."""
        meters: list[Json] = [meter.meter_no for meter in self.meters]
        return {"kind": "operator", "asleep": not self.is_awake(), "meters": meters}

    def is_awake(self) -> bool:
        """Whether the platform could reach it now."""
        is_there = not self._cut and any(meter.core.powered for meter in self.meters)
        now_s = asyncio.get_running_loop().time()
        return is_there and (not self._plan.contact_s or now_s <= self._awake_until_s)

    async def _live(self) -> None:
        await self._platform.open()
        while True:
            self._say(b"")
            self.push()
            await asyncio.sleep(self._plan.contact_s or 30.0)

    def _told(self, request: bytes) -> None:
        asyncio.get_running_loop().call_later(self._plan.one_way_ms / 1_000, self._ask_meters, request)

    def _ask_meters(self, request: bytes) -> None:
        for delivery in self._wire.exchange(self, request):
            delay_s = (delivery.delay_ms + self._plan.one_way_ms) / 1_000
            asyncio.get_running_loop().call_later(delay_s, self._say, delivery.octets)

    def _say(self, octets: bytes) -> None:
        if not self._cut and any(meter.core.powered for meter in self.meters):
            self._awake_until_s = asyncio.get_running_loop().time() + self._plan.window_s
            self._platform.say(self._device_id, octets, rsrp_dbm=self._plan.rsrp_dbm)
