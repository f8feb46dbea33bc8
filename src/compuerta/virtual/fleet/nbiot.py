"""Meters on NB-IoT: an LwM2M device each, with a modem that sleeps as the network lets it.

Power saving (PSM) makes the modem deaf from some seconds after its last word until it speaks again; extended
paging (eDRX) lets it hear at certain instants only. What is sent to a deaf modem is lost.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from random import Random
from typing import Final

from compuerta.virtual.faults import Faults
from compuerta.virtual.fleet.fields import Json
from compuerta.virtual.fleet.wire import Wire
from compuerta.virtual.fleet.world import World
from compuerta.virtual.meter.peer import VirtualMeter
from compuerta.virtual.nbiot.client import DeviceSetup, NbDevice
from compuerta.virtual.nbiot.keyed import KeyedPeer
from compuerta.wire.lwm2m.values import Plain

RETRY_S_MIN: Final = 1.0
RETRY_S_MAX: Final = 30.0  # a platform that comes back is found again within half a minute
AWAKE_CONTACT_S: Final = 30.0  # who is always awake says at least so often that it is there


@dataclass(frozen=True, slots=True, kw_only=True)
class NbPlan:
    """Where devices find the platform, and how their radio is."""

    host: str
    port: int
    key: bytes = b""  # b"" = without DTLS
    contact_s: float = 0.0  # it sleeps, and says that it is there so often; 0 = always awake
    window_s: float = 10.0  # T3324: its radio stays open so long after the last word
    edrx_s: float = 0.0  # while it is awake it hears only so often; 0 = at once
    one_way_ms: int = 0
    answer_delay_ms: tuple[int, int] = (20, 100)  # Td of the meter behind the modem
    lifetime_s: int = 300
    rsrp_dbm: int = -98
    snr_db: int = 7
    cell: int = 0


class NbModem:
    """Will keep meters registered with the platform, asleep most of the time where it may."""

    def __init__(
        self, meters: Sequence[VirtualMeter], *, name: str, plan: NbPlan, world: World, chance: Random
    ) -> None:
        self.meters = tuple(meters)
        self.faults = Faults()
        self.name = name
        self._plan = plan
        self._world = world
        self._chance = chance
        self._wire = Wire(connector="nbiot", world=world, chance=chance, answer_delay_ms=plan.answer_delay_ms)
        self._cut = False
        self._task: asyncio.Task[None] | None = None
        self._transport: asyncio.DatagramTransport | None = None
        self._contact_wanted = asyncio.Event()
        self._awake_until_s = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._device = self._new_device()
        self._keyed = self._new_peer()

    # a fleet's road ------------------------------------------------------------------------------------

    def start(self) -> None:
        """Switch the modem on."""
        self._task = asyncio.get_running_loop().create_task(self._live())

    async def shut(self) -> None:
        """Switch it off without a farewell."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        self._let_go()

    def set_cut(self, cut: bool) -> None:
        """See `Road`."""
        self._cut = cut

    def hang_up(self) -> None:
        """Restart the modem: a new address, a new handshake, a new registration."""
        self._let_go()
        self._device, self._keyed = self._new_device(), self._new_peer()
        self._contact_wanted.set()

    def power_changed(self) -> None:
        """Look again at whether the meters have power; one that has it again tells so at once."""
        if self._has_power():
            self.hang_up()
        else:
            self._let_go()

    def push(self) -> None:
        """Let the meters say what is new: that wakes the modem."""
        for meter in self.meters:
            meter.advance(to_ms=self._world.now_ms())
            octets = meter.take_push()
            if octets:
                self._awake()
                self._device.tell(octets, now_ms=self._now_ms())
                self._flush()

    def state(self) -> Mapping[str, Json]:
        """See `Road`."""
        meters: list[Json] = [meter.meter_no for meter in self.meters]
        return {
            "kind": "nbiot",
            "connected": self._device.is_registered,
            "asleep": self._is_deaf(),
            "meters": meters,
        }

    # life ----------------------------------------------------------------------------------------------

    async def _live(self) -> None:
        retry_s = RETRY_S_MIN
        while True:
            if self._has_power() and not self._cut:
                await self._contact()
            if self._device.is_registered:
                retry_s = RETRY_S_MIN
                wait_s = self._plan.contact_s or min(AWAKE_CONTACT_S, self._plan.lifetime_s / 2)
            else:
                wait_s, retry_s = retry_s * (0.5 + self._chance.random() / 2), min(retry_s * 2, RETRY_S_MAX)
            self._contact_wanted.clear()
            try:
                async with asyncio.timeout(wait_s):
                    await self._contact_wanted.wait()
            except TimeoutError:
                pass

    async def _contact(self) -> None:
        if self._transport is None:
            loop = asyncio.get_running_loop()
            remote = (self._plan.host, self._plan.port)
            self._transport, _ = await loop.create_datagram_endpoint(lambda: _Radio(self), remote_addr=remote)
        self._awake()
        self._device.contact(now_ms=self._now_ms())
        self._flush()
        while not self._device.is_quiet:
            await asyncio.sleep(0.05)
            if self._keyed is not None:
                self._keyed.wake()
                self._send_all()
        if not self._device.is_registered:
            self._keyed = self._new_peer()  # a platform that was restarted does not know our session
        self.push()

    def hear(self, datagram: bytes) -> None:
        """Take a datagram from the air, unless the modem is deaf."""
        if self._is_deaf() or self._cut or not self._has_power():
            return
        loop = asyncio.get_running_loop()
        delay_s = self._plan.one_way_ms / 1_000
        if self._plan.edrx_s:
            delay_s += -loop.time() % self._plan.edrx_s  # the next instant at which it may hear
        loop.call_later(delay_s, self._heard, datagram)

    def _heard(self, datagram: bytes) -> None:
        self._awake()
        keyed = self._keyed
        for plain in [datagram] if keyed is None else keyed.hear(datagram):
            for frame in self._device.receive(plain, now_ms=self._now_ms()):
                self._ask_meters(frame)
        self._flush()

    def _ask_meters(self, request: bytes) -> None:
        for delivery in self._wire.exchange(self, request):
            asyncio.get_running_loop().call_later(delivery.delay_ms / 1_000, self._tell, delivery.octets)

    def _tell(self, octets: bytes) -> None:
        self._awake()
        self._device.tell(octets, now_ms=self._now_ms())
        self._flush()

    # the radio -----------------------------------------------------------------------------------------

    def _flush(self) -> None:
        for plain in self._device.take_datagrams():
            if self._keyed is None:
                self._send(plain)
            else:
                self._keyed.say(plain)
        self._send_all()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        wake_at_ms = self._device.wake_at_ms()
        if wake_at_ms is not None:
            self._timer = asyncio.get_running_loop().call_at(wake_at_ms / 1_000, self._wake)

    def _wake(self) -> None:
        self._timer = None
        self._awake()
        self._device.wake(now_ms=self._now_ms())
        self._flush()

    def _send_all(self) -> None:
        for datagram in [] if self._keyed is None else self._keyed.take_datagrams():
            self._send(datagram)

    def _send(self, datagram: bytes) -> None:
        asyncio.get_running_loop().call_later(self._plan.one_way_ms / 1_000, self._put_on_air, datagram)

    def _put_on_air(self, datagram: bytes) -> None:
        if self._transport is not None and not self._cut and self._has_power():
            self._transport.sendto(datagram)

    def _awake(self) -> None:
        self._awake_until_s = asyncio.get_running_loop().time() + self._plan.window_s

    def _is_deaf(self) -> bool:
        return bool(self._plan.contact_s) and asyncio.get_running_loop().time() > self._awake_until_s

    def _has_power(self) -> bool:
        return any(meter.core.powered for meter in self.meters)

    def _let_go(self) -> None:
        transport, self._transport = self._transport, None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if transport is not None:
            transport.close()

    def _now_ms(self) -> int:
        return int(asyncio.get_running_loop().time() * 1_000)

    # what it is ----------------------------------------------------------------------------------------

    def _new_device(self) -> NbDevice:
        setup = DeviceSetup(
            name=self.name,
            lifetime_s=max(self._plan.lifetime_s, ceil(2 * self._plan.contact_s)),  # it outlives a sleep
            sleeps=bool(self._plan.contact_s),
            values=self._values,
        )
        return NbDevice(setup, salt=self._chance.randbytes(16))

    def _new_peer(self) -> KeyedPeer | None:
        return KeyedPeer(name=self.name, key=self._plan.key) if self._plan.key else None

    def _values(self) -> Mapping[str, Plain]:
        core = self.meters[0].core
        return {
            "/4/0/2": self._plan.rsrp_dbm,
            "/4/0/8": self._plan.cell,
            "/4/0/11": self._plan.snr_db,
            "/3305/0/5800": core.power_w,
            "/3305/0/5805": core.energy_wh,
            "/3331/0/5805": core.energy_wh,
        }


class _Radio(asyncio.DatagramProtocol):
    """The socket's side. (It inherits, since asyncio gives its callbacks to nothing else.)"""

    def __init__(self, modem: NbModem) -> None:
        self._modem = modem

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        """See `asyncio.DatagramProtocol`."""
        self._modem.hear(data)

    def error_received(self, exc: Exception) -> None:
        """See `asyncio.DatagramProtocol`; a platform that is not there is told by silence."""
