"""Roads: bytes between gateways and the meters of one endpoint, and what can happen to them on the way."""

import copy
from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from compuerta.drivers.abilities import Relay
from compuerta.drivers.mac import SoftEsam
from compuerta.sim.stage import START_MS, Stage
from compuerta.virtual.meter import MeterSetup, VirtualMeter
from compuerta.wire.dlt645 import Function

ANSWER_MS_MIN, ANSWER_MS_MAX = 20, 100  # DL/T 645-2007: Td
TWICE_MS_MAX = 4_000
LATE_MS_MIN, LATE_MS_MAX = 800, 15_000
OUTPOST = "post"  # who stands beside a bus, in the names of those who hear it
KEPT_MAX = 8  # transmissions that a network keeps for one sleeper; the oldest makes room
PIECES_PPM = 50_000  # bytes come in two pieces: no fault, so it happens in calm too

_CHANGING = (bytes((Function.SECURITY,)), bytes((Function.RELAY,)))

Ear = Callable[[bytes], None]


class House:
    """One virtual meter in the world: it may lose power, say yes and forget, and be looked at."""

    def __init__(self, setup: MeterSetup, *, stage: Stage, esam: SoftEsam) -> None:
        self.meter = VirtualMeter(
            setup, now_ms=START_MS, esam=esam, chance=Random(stage.chance.randrange(2**32))
        )
        self.switched_on_ms: list[int] = []
        self.ran_backwards = False
        self._setup = setup
        self._stage = stage

    @property
    def meter_no(self) -> str:
        """The address on the wire."""
        return self.meter.meter_no

    def now(self) -> VirtualMeter:
        """Return the meter as it is at this instant."""
        self.meter.advance(to_ms=self._stage.now_ms)
        return self.meter

    def hear(self, data: bytes, *, connector: str = "") -> bytes:
        """Let the meter hear a transmission by one of its connectors; returns what it says."""
        meter = self.now()
        if _may_change(data) and self._stage.draws(self._stage.faults.forgotten_ppm):
            shadow = copy.deepcopy(meter, {id(self._setup): self._setup})
            answer = shadow.receive(data, now_ms=self._stage.now_ms, connector=connector)
            # Only what a read-back can find: a trip forgotten by a meter that is open already nobody can see.
            if (shadow.core.purchase_no, shadow.core.relay) != (meter.core.purchase_no, meter.core.relay):
                self._stage.note(self.meter_no[-4:], "forgets")
                return answer
        was_on = meter.core.relay is Relay.CLOSED
        answer = meter.receive(data, now_ms=self._stage.now_ms, connector=connector)
        if not was_on and meter.core.relay is Relay.CLOSED:
            self.switched_on_ms.append(self._stage.now_ms)
        return answer

    def lose_energy(self) -> None:
        """Let the register lose what it had, as a repaired or exchanged counter does."""
        core = self.now().core
        core.exchange_counter(energy_wh=core.energy_wh // 3)
        core.set_load(0)
        self.ran_backwards = True


def _may_change(data: bytes) -> bool:
    """Tell whether a transmission asks for more than a reading: recharges and switches."""
    start = data.find(b"\x68")
    return data[start + 8 : start + 9] in _CHANGING


@dataclass(frozen=True, slots=True, kw_only=True)
class Sleep:
    """How a module saves power: it says something so often, and can be reached for so long after it."""

    contact_ms: int
    awake_ms: int


class Road:
    """The way between one endpoint's meters and whoever has dialed or opened it."""

    def __init__(
        self,
        name: str,
        *,
        stage: Stage,
        byte_us: int,
        delay_ms: int,
        houses: list[House],
        sleep: Sleep | None = None,
    ) -> None:
        self.name = name
        self.byte_us = byte_us
        self.houses = houses
        self.sleep = sleep
        self.cut = False
        self.is_dead = False  # cut for good
        self.is_lent = True  # to gateways; False while an outpost has it to itself
        self.awake_until_ms = 0
        self._kept: list[bytes] = []  # by the network, for a sleeper
        self._stage = stage
        self._delay_ms = delay_ms
        self._ears: dict[str, Ear] = {}
        self._free_ms = {"out": 0, "in": 0}

    @property
    def is_shared(self) -> bool:
        """Whether somebody hears what another has asked for: a bus, or a call that two gateways hold."""
        return self.byte_us > 0 or len(self._ears) > 1

    def attach(self, who: str, ear: Ear) -> None:
        """Let somebody hear this road; the last life of a name is the one that hears."""
        self._ears[who] = ear

    def detach(self, who: str) -> None:
        """Let a dead process hear no more."""
        self._ears.pop(who, None)

    @property
    def is_awake(self) -> bool:
        """Whether it can be reached."""
        return self.sleep is None or self._stage.now_ms < self.awake_until_ms

    def wake(self) -> bool:
        """Let a sleeper say that it is there, and hear what was kept for it; tells whether it can."""
        assert self.sleep is not None, "only sleepers wake"
        if self.cut or not any(house.now().core.powered for house in self.houses):
            return False
        self._stir()
        kept, self._kept = self._kept, []
        for data in kept:
            self._carry(data, "out", self._at_the_meters)
        return True

    def _stir(self) -> None:
        if self.sleep is not None:
            self.awake_until_ms = self._stage.now_ms + self.sleep.awake_ms

    def send(self, who: str, data: bytes) -> None:
        """Carry bytes to the meters."""
        if not self._has(who):
            return
        if not self.is_awake:
            if self._stage.draws(self._stage.faults.kept_ppm):
                self._kept = [*self._kept, data][-KEPT_MAX:]
            return
        if self._stage.faults.echo and not self._stage.calm and who in self._ears:
            self._carry(data, "in", self._ears[who])
        self._carry(data, "out", self._at_the_meters)

    def _has(self, who: str) -> bool:
        """Whether a line is somebody's to speak on: the gateways' while it is lent, else its outpost's."""
        return (who == OUTPOST) is not self.is_lent

    def _at_the_meters(self, data: bytes) -> None:
        for house in self.houses:
            answer = house.hear(data, connector=self.name)
            if answer:
                self._stir()
                wait_ms = self._stage.between(ANSWER_MS_MIN, ANSWER_MS_MAX)
                self._stage.later(wait_ms, lambda answer=answer: self._answer(answer))  # type: ignore[misc]

    def _answer(self, answer: bytes) -> None:
        for who in [each for each in self._ears if self._has(each)]:
            self._carry(answer, "in", lambda data, who=who: self._tell(who, data))  # type: ignore[misc]

    def _tell(self, who: str, data: bytes) -> None:
        ear = self._ears.get(who)
        if ear is not None:
            ear(data)

    def _carry(self, data: bytes, way: str, arrive: Ear) -> None:
        stage, faults = self._stage, self._stage.faults
        if self.cut or stage.draws(faults.lost_ppm):
            return
        if stage.draws(faults.damaged_ppm):
            # One byte: what the sum cannot see is not the codec's to find.
            place = stage.between(0, len(data) - 1)
            changed = data[place] ^ stage.between(1, 255)
            data = data[:place] + bytes((changed,)) + data[place + 1 :]
        talk_ms = self.byte_us * len(data) // 1000
        start_ms = max(self._free_ms[way], stage.now_ms)
        self._free_ms[way] = start_ms + talk_ms
        delay_ms = start_ms - stage.now_ms + talk_ms + self._delay_ms + stage.between(0, self._delay_ms)
        if stage.draws(faults.late_ppm):
            delay_ms += stage.between(LATE_MS_MIN, LATE_MS_MAX)
        if stage.draws(faults.twice_ppm):
            stage.later(delay_ms + stage.between(0, TWICE_MS_MAX), lambda: arrive(data))
        if len(data) > 1 and stage.chance.randrange(1_000_000) < PIECES_PPM:
            half = stage.between(1, len(data) - 1)
            stage.later(delay_ms, lambda: arrive(data[:half]))
            stage.later(delay_ms + 8, lambda: arrive(data[half:]))
        else:
            stage.later(delay_ms, lambda: arrive(data))
