"""Meters that dial in: each modem is a TCP client of the platform, as 4G meters and DTUs are.

It says who it is, keeps alive by heartbeats, and passes bytes between the platform and the meters behind it.
A thousand modems sleep in one process: each has one timer, and nothing is computed until bytes come.
"""

import asyncio
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Final

from compuerta.virtual.faults import Faults
from compuerta.virtual.fleet.fields import Json
from compuerta.virtual.fleet.manners import Manner, Plain
from compuerta.virtual.fleet.wire import Wire
from compuerta.virtual.fleet.world import World
from compuerta.virtual.meter.peer import VirtualMeter

CONNECT_S_MAX: Final = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class DialPlan:
    """Where modems call, and how they behave on the line."""

    host: str
    port: int
    registration: str = "CPT1:{imei}"  # {imei} is the modem's own id, {meter_no} the first meter behind it
    heartbeat: bytes = b"HB"
    heartbeat_s: float = 60.0
    one_way_ms: int = 0  # of the mobile network, each way
    answer_delay_ms: tuple[int, int] = (20, 100)  # Td: from the request to the meter's first byte
    pushes: bool = True  # a meter tells of a new event unasked: at once if ordered, else with a heartbeat
    redial_s_min: float = 1.0
    redial_s_max: float = 60.0  # a platform that comes back is found again within a minute


class Modem:
    """Will keep one connection to the platform for the meters behind it, until it is shut."""

    def __init__(
        self,
        meters: Sequence[VirtualMeter],
        *,
        endpoint_id: str,
        plan: DialPlan,
        world: World,
        chance: Random,
        manner: Manner | None = None,
    ) -> None:
        self.meters = tuple(meters)
        self.faults = Faults()
        self.connected = False
        self.manner = manner or _plain(plan, meters, endpoint_id=endpoint_id)
        self.endpoint_id = endpoint_id
        self._plan = plan
        self._world = world
        self._chance = chance
        self._wire = Wire(connector="4g", world=world, chance=chance, answer_delay_ms=plan.answer_delay_ms)
        self._call: _Call | None = None
        self._cut = False
        self._power = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self.power_changed()

    def start(self) -> None:
        """Begin to dial."""
        self._task = asyncio.get_running_loop().create_task(self._keep_dialed())

    async def shut(self) -> None:
        """Hang up for good."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        self.hang_up()

    def hang_up(self) -> None:
        """Lose the connection, as a mobile network does; the modem dials again."""
        if self._call is not None:
            self._call.hang_up()

    def push(self) -> None:
        """Let the meters tell of new events; without a call they wait for the next one's first heartbeat."""
        if self._call is not None:
            self._call.push()

    def unasked(self) -> list[bytes]:
        """Return what meters say of their own accord now."""
        if not self._plan.pushes:
            return []
        for meter in self.meters:
            meter.advance(to_ms=self._world.now_ms())
        return [octets for meter in self.meters if (octets := meter.take_push())]

    def power_changed(self) -> None:
        """Look again at whether the meters have power: without it the modem is dead too."""
        if not self._cut and any(meter.core.powered for meter in self.meters):
            self._power.set()
        else:
            self._power.clear()
            self.hang_up()

    def set_cut(self, cut: bool) -> None:
        """See `Road`; nothing is dialed while it is cut."""
        self._cut = cut
        self.power_changed()

    def state(self) -> Mapping[str, Json]:
        """See `Road`."""
        meters: list[Json] = [meter.meter_no for meter in self.meters]
        return {"kind": "dial_in", "connected": self.connected, "meters": meters}

    async def _keep_dialed(self) -> None:
        loop = asyncio.get_running_loop()
        wait_s = self._plan.redial_s_min
        while True:
            await self._power.wait()
            self._call = _Call(self, self._plan)
            try:
                async with asyncio.timeout(CONNECT_S_MAX):
                    await loop.create_connection(self._call_made, self._plan.host, self._plan.port)
            except OSError:  # refused, unreachable, or timed out: the network's ways to say "not now"
                pass
            else:
                self.connected = True
                since_s = loop.time()
                await self._call.over.wait()
                self.connected = False
                # Only a call that lasted earns a quick redial: a platform that hangs up at once needs rest.
                if loop.time() - since_s > self._plan.redial_s_max:
                    wait_s = self._plan.redial_s_min
            # Half of the wait is luck, so that a thousand modems do not call in the same instant.
            await asyncio.sleep(wait_s * (0.5 + self._chance.random() / 2))
            wait_s = min(wait_s * 2, self._plan.redial_s_max)

    def _call_made(self) -> "_Call":
        assert self._call is not None
        return self._call

    def exchange(self, data: bytes) -> list[tuple[int, bytes]]:
        """Let the meters hear what the platform sends; returns what goes back, each with its delay in ms."""
        understood = self.manner.hear(data, line_ms=self._world.line_ms())
        told = [(0, understood.reply)] if understood.reply else []
        for request in understood.requests:
            told += self._answered(request)
        return told

    def _answered(self, request: bytes) -> list[tuple[int, bytes]]:
        return [
            (delivery.delay_ms, self.manner.say(delivery.octets))
            for delivery in self._wire.exchange(self, request)
        ]


def _plain(plan: DialPlan, meters: Sequence[VirtualMeter], *, endpoint_id: str) -> Plain:
    text = plan.registration.replace("{imei}", endpoint_id).replace("{meter_no}", meters[0].meter_no)
    return Plain(registration=text.encode("ascii"), heartbeat=plan.heartbeat)


class _Call(asyncio.Protocol):
    """One connection. (It inherits, since asyncio gives its callbacks to nothing else.)"""

    def __init__(self, modem: Modem, plan: DialPlan) -> None:
        self.over = asyncio.Event()
        self._modem = modem
        self._plan = plan
        self._transport: asyncio.Transport | None = None
        self._beat: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See `asyncio.Protocol`."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._later(0, self._modem.manner.greeting())
        self._schedule_beat()

    def data_received(self, data: bytes) -> None:
        """See `asyncio.Protocol`."""
        asyncio.get_running_loop().call_later(self._plan.one_way_ms / 1_000, self._hear, data)

    def connection_lost(self, exc: Exception | None) -> None:
        """See `asyncio.Protocol`."""
        self._transport = None
        if self._beat is not None:
            self._beat.cancel()
        self.over.set()

    def hang_up(self) -> None:
        """Break the connection without a word."""
        if self._transport is not None:
            self._transport.abort()

    def push(self) -> None:
        """Pass on what the meters say unasked."""
        if self._transport is not None:
            for octets in self._modem.unasked():
                self._later(0, self._modem.manner.say(octets))

    def _hear(self, data: bytes) -> None:
        if self._transport is None:
            return
        for delay_ms, octets in self._modem.exchange(data):
            self._later(delay_ms, octets)

    def _later(self, delay_ms: int, octets: bytes) -> None:
        delay_s = (delay_ms + self._plan.one_way_ms) / 1_000
        asyncio.get_running_loop().call_later(delay_s, self._write, octets)

    def _write(self, octets: bytes) -> None:
        if self._transport is not None:
            self._transport.write(octets)

    def _schedule_beat(self) -> None:
        if not self._modem.manner.beat() or self._plan.heartbeat_s <= 0:
            return
        self._beat = asyncio.get_running_loop().call_later(self._plan.heartbeat_s, self._send_beat)

    def _send_beat(self) -> None:
        self._later(0, self._modem.manner.beat())
        self.push()
        self._schedule_beat()
