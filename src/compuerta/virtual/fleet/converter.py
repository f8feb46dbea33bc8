"""Meters behind a converter: a TCP port that the platform dials, as it is or with the dress of Modbus TCP."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random

from compuerta.virtual.faults import Faults
from compuerta.virtual.fleet.fields import Json, filled, mapping
from compuerta.virtual.fleet.road import Road
from compuerta.virtual.fleet.wire import Wire
from compuerta.virtual.fleet.world import World
from compuerta.virtual.meter.peer import VirtualMeter
from compuerta.wire.modbus import mbap, rtu


@dataclass(frozen=True, slots=True, kw_only=True)
class ConverterPlan:
    """Where a converter listens, and what it makes of frames."""

    host: str = "127.0.0.1"
    port: int = 0
    modbus_tcp: bool = False
    one_way_ms: int = 0
    answer_delay_ms_max: int = 50


class Converter:
    """Will let one master at a time speak to the meters behind it."""

    def __init__(
        self, meters: Sequence[VirtualMeter], *, plan: ConverterPlan, world: World, chance: Random
    ) -> None:
        self.meters = tuple(meters)
        self.faults = Faults()
        self.plan = plan
        self._wire = Wire(
            connector="bus", world=world, chance=chance, answer_delay_ms=(0, plan.answer_delay_ms_max)
        )
        self._cut = False
        self._server: asyncio.Server | None = None
        self._opening: asyncio.Task[None] | None = None
        self._master: _Master | None = None

    def start(self) -> None:
        """See `Road`."""
        self._opening = asyncio.get_running_loop().create_task(self._open())

    async def _open(self) -> None:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: _Master(self), self.plan.host, self.plan.port)

    async def port(self) -> int:
        """Return the port that it listens on, once it does."""
        assert self._opening is not None, "it is started"
        await self._opening
        assert self._server is not None, "it is open"
        return int(self._server.sockets[0].getsockname()[1])

    async def shut(self) -> None:
        """See `Road`."""
        if self._opening is not None:
            self._opening.cancel()
            await asyncio.gather(self._opening, return_exceptions=True)
        if self._server is not None:
            self._server.close()
        self.hang_up()

    def set_cut(self, cut: bool) -> None:
        """See `Road`; the connection stays, and nobody answers."""
        self._cut = cut

    def hang_up(self) -> None:
        """See `Road`."""
        if self._master is not None:
            self._master.hang_up()

    def power_changed(self) -> None:
        """Nothing to do: a converter has a supply of its own."""

    def push(self) -> None:
        """Nothing to do: who shares a bus speaks only when asked."""

    def state(self) -> Mapping[str, Json]:
        """See `Road`."""
        meters: list[Json] = [meter.meter_no for meter in self.meters]
        return {"kind": "converter", "connected": self._master is not None, "meters": meters}

    def taken_by(self, master: "_Master") -> None:
        """Let somebody new have it; whoever had it is hung up on."""
        self.hang_up()
        self._master = master

    def left_by(self, master: "_Master") -> None:
        """Be free again."""
        if self._master is master:
            self._master = None

    def exchange(self, request: bytes) -> list[tuple[int, bytes]]:
        """Let the meters hear bytes; returns what goes back, each with its delay in ms."""
        if self._cut:
            return []
        return [(delivery.delay_ms, delivery.octets) for delivery in self._wire.exchange(self, request)]


class _Master(asyncio.Protocol):
    """Who has dialed. (It inherits, since asyncio gives its callbacks to nothing else.)"""

    def __init__(self, converter: Converter) -> None:
        self._converter = converter
        self._transport: asyncio.Transport | None = None
        self._packets = mbap.Deframer()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See `asyncio.Protocol`."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._converter.taken_by(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """See `asyncio.Protocol`."""
        self._transport = None
        self._converter.left_by(self)

    def hang_up(self) -> None:
        """Break the connection without a word."""
        if self._transport is not None:
            self._transport.abort()

    def data_received(self, data: bytes) -> None:
        """See `asyncio.Protocol`."""
        if not self._converter.plan.modbus_tcp:
            self._exchange(data, None)
            return
        for packet in self._packets.receive(data):
            self._exchange(rtu.encode(packet.frame), packet.transaction_no)

    def _exchange(self, request: bytes, transaction_no: int | None) -> None:
        for delay_ms, octets in self._converter.exchange(request):
            delay_s = (delay_ms + 2 * self._converter.plan.one_way_ms) / 1_000
            asyncio.get_running_loop().call_later(delay_s, self._say, octets, transaction_no)

    def _say(self, octets: bytes, transaction_no: int | None) -> None:
        if self._transport is None:
            return
        if transaction_no is None:
            self._transport.write(octets)
            return
        frames = rtu.Deframer(rtu.Side.METER).receive(octets, now_ms=0)  # what was damaged stays on the bus
        self._transport.write(b"".join(mbap.encode(mbap.Packet(transaction_no, frame)) for frame in frames))


def converters_from(
    config: Mapping[str, Json], sitting: Mapping[str, list[VirtualMeter]], *, world: World, chance: Random
) -> dict[str, Road]:
    """Make the converters of a fleet's file: {"converters": {"house-2": {"port": 8899}}}."""
    plans = mapping(config.get("converters", {}), "converters")
    roads: dict[str, Road] = {}
    for name, meters in sitting.items():
        what = f"converters.{name}"
        plan = filled(ConverterPlan(), mapping(plans.get(name), what), what=what)
        roads[name] = Converter(meters, plan=plan, world=world, chance=chance)
    return roads
