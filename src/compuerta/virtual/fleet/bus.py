"""Meters on one RS485 line: a pseudo terminal whose other end the platform opens as its serial port.

Bytes travel at the speed of the line (11 bits each), meters take their time to answer, and two that answer
at once spoil both answers. A pseudo terminal carries no parity: parity errors need real wires.
"""

import asyncio
import os
import tty
from collections.abc import Mapping, Sequence
from pathlib import Path
from random import Random
from typing import Final

from compuerta.drivers.line import BITS_PER_BYTE
from compuerta.virtual.faults import Faults
from compuerta.virtual.fleet.fields import Json
from compuerta.virtual.fleet.road import CannotHangUp
from compuerta.virtual.fleet.wire import Wire
from compuerta.virtual.fleet.world import World
from compuerta.virtual.meter.peer import VirtualMeter

READ_BYTES_MAX: Final = 4_096
SLICE_BYTES: Final = 4  # written at once: pacing byte by byte would wake the loop a thousand times a second


class Bus:
    """Will let meters share one line; `device` is the path that the platform opens."""

    def __init__(
        self,
        meters: Sequence[VirtualMeter],
        *,
        world: World,
        chance: Random,
        baud: int = 2_400,
        answer_delay_ms: tuple[int, int] = (20, 100),
        link: Path | None = None,  # where to put a name for the device
    ) -> None:
        self.meters = tuple(meters)
        self.faults = Faults()
        self.baud = baud
        self.device = ""
        self._wire = Wire(connector="bus", world=world, chance=chance, answer_delay_ms=answer_delay_ms)
        self._link = link
        self._cut = False
        self._controller = self._terminal = -1
        self._free_at_s = 0.0  # until then somebody's bytes are on the line

    def start(self) -> None:
        """See `Road`; from now on `device` is there."""
        self._controller, self._terminal = os.openpty()
        tty.setraw(self._terminal)
        os.set_blocking(self._controller, False)
        self.device = os.ttyname(self._terminal)
        asyncio.get_running_loop().add_reader(self._controller, self._readable)
        if self._link is not None:
            self._link.unlink(missing_ok=True)
            self._link.symlink_to(self.device)

    async def shut(self) -> None:
        """Take the line away; the platform's port then fails as an unplugged adapter does."""
        if self._controller < 0:
            return
        asyncio.get_running_loop().remove_reader(self._controller)
        # Our own handle on the terminal was held so that a platform that reopens finds the line alive.
        for handle in (self._controller, self._terminal):
            os.close(handle)
        self._controller = self._terminal = -1
        if self._link is not None:
            self._link.unlink(missing_ok=True)

    def set_cut(self, cut: bool) -> None:
        """See `Road`; the port stays, and nobody answers."""
        self._cut = cut

    def hang_up(self) -> None:
        """See `Road`."""
        raise CannotHangUp("bus")

    def state(self) -> Mapping[str, Json]:
        """See `Road`."""
        meters: list[Json] = [meter.meter_no for meter in self.meters]
        return {"kind": "bus", "device": self.device, "baud": self.baud, "meters": meters}

    def power_changed(self) -> None:
        """Nothing to do: the line has no modem that could lose its power."""

    def push(self) -> None:
        """Nothing to do: who shares a line speaks only when asked."""

    def _seconds(self, bytes_count: int) -> float:
        return bytes_count * BITS_PER_BYTE / self.baud

    def _readable(self) -> None:
        try:
            request = os.read(self._controller, READ_BYTES_MAX)
        except OSError:  # the platform closed its end; it may open it again
            return
        loop = asyncio.get_running_loop()
        # The platform's bytes came at once; on a real line the meters would have them only now.
        self._free_at_s = max(self._free_at_s, loop.time()) + self._seconds(len(request))
        loop.call_at(self._free_at_s, self._hear, request)

    def _hear(self, request: bytes) -> None:
        if self._cut:
            return
        for delivery in self._wire.exchange(self, request):
            asyncio.get_running_loop().call_later(delivery.delay_ms / 1_000, self._say, delivery.octets)

    def _say(self, octets: bytes) -> None:
        """Put bytes on the line at its speed, after what is on it already."""
        loop = asyncio.get_running_loop()
        start_s = max(self._free_at_s, loop.time())
        self._free_at_s = start_s + self._seconds(len(octets))
        for at in range(0, len(octets), SLICE_BYTES):
            piece = octets[at : at + SLICE_BYTES]
            loop.call_at(start_s + self._seconds(at + len(piece)), self._write, piece)

    def _write(self, octets: bytes) -> None:
        if self._controller < 0:
            return
        try:
            os.write(self._controller, octets)
        except BlockingIOError:  # nobody reads: a real line would not wait either
            return
