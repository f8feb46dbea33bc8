"""Devices behind a network operator's platform: a `Link` for each while it is awake.

A frame goes out as a command that the platform may keep for a few seconds only, no longer than whoever sent
it waits for the answer; a new frame cancels the one before it, and so does a road that ends: the queue is
ours.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final, Protocol

import structlog

from compuerta.adapters.links.device_link import DeviceLink
from compuerta.adapters.links.roadhead import ASLEEP, Keeper, Refusals
from compuerta.domain.errors import Unreachable
from compuerta.domain.road import RoadSign
from compuerta.services.records import Endpoint
from compuerta.wire.northbound.letters import (
    ENDED,
    FRAME_BYTES_MAX,
    Command,
    CommandState,
    Push,
    Said,
    Standing,
)

log = structlog.get_logger()

COMMAND_S: Final = 10  # as long as a line waits for an answer on NB-IoT
AGAIN_S: Final = 30.0  # a device that is always awake is tried again so long after its platform failed
REMEMBERED_MAX: Final = 10_000  # pushes, to take each once


class OperatorAway(Unreachable):
    """A platform that does not answer, or does not take a command."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"the operator's platform: {reason}")
        self.reason = reason


class Commands(Protocol):
    """The platform's side that takes commands; both raise `OperatorAway`."""

    async def send(self, command: Command) -> Standing:
        """Hand a command over."""
        ...

    async def cancel(self, standing: Standing) -> None:
        """Take it back, if it is still there."""
        ...


@dataclass(slots=True, kw_only=True, eq=False)
class _Device:
    end: Endpoint
    link: DeviceLink | None = None
    wanted: bytes | None = None  # to be sent next
    standing: Standing | None = None  # of the command that is out
    sending: asyncio.Task[None] | None = None
    heard_s: float = 0.0
    failed_s: float = field(default=-AGAIN_S)


class OperatorRoads:
    """This will carry frames by an operator's platform; who has HTTP gives it pushes and takes commands."""

    def __init__(self, keeper: Keeper, refusals: Refusals, commands: Commands, *, window_s: float) -> None:
        self._keeper = keeper
        self._refusals = refusals
        self._commands = commands
        self._window_s = window_s
        self._clock: Callable[[], float] = asyncio.get_running_loop().time
        self._devices: dict[str, _Device] = {}
        self._heard: OrderedDict[str, None] = OrderedDict()

    def learn(self, ends: Mapping[str, Endpoint]) -> None:
        """Take over which devices are entered, by the operator's id."""
        for device_id in self._devices.keys() - ends.keys():
            self._lose(self._devices.pop(device_id), "not_entered")
        for device_id, end in ends.items():
            self._devices.setdefault(device_id, _Device(end=end)).end = end

    def hear(self, push: Push) -> None:
        """Take a push whose seal was looked at; each is taken once."""
        device = self._devices.get(push.device_id)
        if device is None:
            self._refusals.note(push.device_id)
        elif isinstance(push, Standing):
            self._take_standing(device, push)
        elif push.request_id not in self._heard:
            self._heard[push.request_id] = None
            if len(self._heard) > REMEMBERED_MAX:
                self._heard.popitem(last=False)
            self._take_said(device, push)

    def sweep(self) -> None:
        """Let sleepers sleep, and reach for who is always awake; call it each second."""
        now_s = self._clock()
        for device in self._devices.values():
            if device.end.contact_s is None:
                if device.link is None and now_s - device.failed_s >= AGAIN_S:
                    self._open(device)
            elif device.link is not None and now_s - device.heard_s > self._window_s:
                self._lose(device, ASLEEP)

    async def shut(self) -> None:
        """Take back what is out."""
        for device in self._devices.values():
            if device.link is not None:
                device.link.shut()
        sending = [device.sending for device in self._devices.values() if device.sending is not None]
        await asyncio.gather(*sending, return_exceptions=True)

    # in ------------------------------------------------------------------------------------------------

    def _take_said(self, device: _Device, said: Said) -> None:
        device.heard_s = self._clock()
        at = datetime.now(UTC)
        contact_s = device.end.contact_s
        sign = RoadSign(
            at=at,
            rsrp_dbm=said.rsrp_dbm,
            snr_db=said.snr_db,
            cell=said.cell,
            next_contact_at=None if contact_s is None else at + timedelta(seconds=contact_s),
        )
        self._keeper.signalled(device.end.endpoint_id, sign)
        if device.link is None:
            self._open(device)
        if said.frame and device.link is not None:
            device.link.ear.hear(said.frame)

    def _take_standing(self, device: _Device, standing: Standing) -> None:
        out = device.standing
        if out is None or out.command_id != standing.command_id:
            return  # of one that was given up
        device.standing = None if standing.state in ENDED else standing
        not_there = standing.state in (CommandState.EXPIRED, CommandState.TIMEOUT, CommandState.FAILED)
        if not_there and device.end.contact_s is not None:
            self._lose(device, ASLEEP)

    # out -----------------------------------------------------------------------------------------------

    def _open(self, device: _Device) -> None:
        device.link = DeviceLink(
            write=lambda frame: self._write(device, frame), shut=lambda reason: self._lose(device, reason)
        )
        self._keeper.opened(device.end.endpoint_id, device.link)

    def _lose(self, device: _Device, reason: str) -> None:
        link, device.link = device.link, None
        device.wanted = None
        if device.standing is not None:
            self._go_on(device)
        if link is not None:
            link.lose(reason)

    def _write(self, device: _Device, frame: bytes) -> None:
        if len(frame) > FRAME_BYTES_MAX:
            return  # nothing of ours is so long; the silence tells
        device.heard_s = max(device.heard_s, self._clock())
        device.wanted = frame
        self._go_on(device)

    def _go_on(self, device: _Device) -> None:
        if device.sending is None:
            device.sending = asyncio.get_running_loop().create_task(self._send(device))

    async def _send(self, device: _Device) -> None:
        """Take back the command that is out, and send what is wanted now, until nothing is."""
        try:
            while device.standing is not None or device.wanted is not None:
                out, device.standing = device.standing, None
                if out is not None:
                    await self._commands.cancel(out)
                frame, device.wanted = device.wanted, None
                if frame is None:
                    break
                command = Command(device_id=device.end.address, frame=frame, expire_s=COMMAND_S)
                device.standing = await self._commands.send(command)
                if _is_settled(device):
                    break
        except OperatorAway as error:
            log.warning("gateway.operator.away", endpoint=device.end.endpoint_id, reason=error.reason)
            device.failed_s = self._clock()
            device.standing = None
            self._lose(device, "operator_away")
        finally:
            device.sending = None


def _is_settled(device: _Device) -> bool:
    """Whether the command that is out is the one that is wanted; the wish may have changed while it went."""
    return device.wanted is None and device.link is not None
