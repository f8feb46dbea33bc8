"""Searching a Modbus line: each unit is asked by itself, since nobody can be asked for their number.

Whoever answers anything, a refusal too, is there. What it is, is told by which models' registers it has: less
surely than with DL/T 645, since many makers keep numbers at the same place.
"""

from collections.abc import Generator, Mapping
from dataclasses import dataclass

from compuerta.drivers.abilities import Ending, Result
from compuerta.drivers.modbus_map import ModbusMap, Point
from compuerta.drivers.modbus_tongue import FRAME_BYTES
from compuerta.drivers.model import RoadTiming
from compuerta.drivers.searching import SEARCHER, BrokenOff, FoundMeter
from compuerta.drivers.tongue import Ended, Heard, Speech, Spoken, Stray
from compuerta.wire import modbus


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitProbe:
    """One question to one unit."""

    unit_no: int
    request: modbus.Request


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitAnswer:
    """What came of it; None = nothing, or nothing whole."""

    answer: modbus.Answer | None = None
    is_spoilt: bool = False  # there were bytes, and no frame among them
    is_broken_off: bool = False


Probing = Generator[UnitProbe, UnitAnswer, Result]
Asking = Generator[UnitProbe, UnitAnswer, UnitAnswer]


class UnitSearch:
    """This will find the units of a Modbus line, and the models whose registers they have."""

    def __init__(self, *, maps: Mapping[str, ModbusMap]) -> None:
        self.found: dict[str, FoundMeter] = {}
        self.probes = 0
        self._maps = maps

    def speech(self) -> Speech:
        """Return the search as a line carries it out, among its other jobs."""
        return Spoken(self._to_the_end(), UnitProbes())

    def _to_the_end(self) -> Probing:
        try:
            for unit_no in range(1, modbus.UNIT_MAX + 1):
                yield from self._look_for(unit_no)
        except BrokenOff:
            return Result(ending=Ending.SILENT, reason="line_lost")
        return Result(ending=Ending.DONE)

    def _look_for(self, unit_no: int) -> Generator[UnitProbe, UnitAnswer, None]:
        request = modbus.ReadRegisters(start=0, quantity=1)
        told = yield from self._ask(unit_no, request)
        if told.is_spoilt:
            told = yield from self._ask(unit_no, request)  # lines click
        name = str(unit_no)
        if told.is_spoilt:
            self.found[name] = FoundMeter(meter_no=name, is_twice=True)
        elif told.answer is not None:
            self.found[name] = FoundMeter(meter_no=name)
            models = []
            for model, registers in sorted(self._maps.items()):
                if (yield from self._has_all(unit_no, registers)):
                    models.append(model)
            self.found[name] = FoundMeter(meter_no=name, models=tuple(models))

    def _has_all(self, unit_no: int, registers: ModbusMap) -> Generator[UnitProbe, UnitAnswer, bool]:
        power = () if registers.power is None else (registers.power,)
        for point in (registers.energy, *registers.rates, *power):
            told = yield from self._ask(unit_no, _reading(point))
            if not isinstance(told.answer, modbus.Registers):
                return False
        return True

    def _ask(self, unit_no: int, request: modbus.Request) -> Asking:
        self.probes += 1
        told = yield UnitProbe(unit_no=unit_no, request=request)
        if told.is_broken_off:
            raise BrokenOff
        return told


class UnitProbes:
    """This will carry probes of units; see `Tongue`."""

    def session(self, timing: RoadTiming) -> "UnitSession":
        """See `Tongue`."""
        return UnitSession(timing)

    def request_bytes(self, request: UnitProbe) -> int:
        """See `Tongue`."""
        return FRAME_BYTES + len(request.request.to_pdu())

    def is_repeatable(self, request: UnitProbe) -> bool:
        """See `Tongue`: whatever was heard is told."""
        return False

    def silence(self, request: UnitProbe) -> UnitAnswer:
        """See `Tongue`."""
        return UnitAnswer(is_broken_off=True)


class UnitSession:
    """This will ask one unit once; see `Session`."""

    def __init__(self, timing: RoadTiming) -> None:
        self._timing = modbus.Timing(first_byte_ms=timing.first_byte_ms, gap_ms=timing.gap_ms, tries_max=1)
        self._master = modbus.MasterSession(unit_no=1, timing=self._timing)
        self._heard_bytes = 0
        self._sent = b""

    def send(self, request: UnitProbe, *, now_ms: int) -> bytes:
        """See `Session`."""
        self._master = modbus.MasterSession(unit_no=request.unit_no, timing=self._timing)
        self._sent = self._master.send(request.request, now_ms=now_ms)
        return self._sent

    def receive(self, data: bytes, *, now_ms: int) -> list[Ended[UnitAnswer] | Stray]:
        """See `Session`."""
        self._heard_bytes += len(data) if data != self._sent else 0  # a converter may echo
        told: list[Ended[UnitAnswer] | Stray] = []
        for event in self._master.receive(data, now_ms=now_ms):
            match event:
                case modbus.Replied():
                    told.append(_ended(UnitAnswer(answer=event.answer)))
                case modbus.Silent():
                    told.append(_ended(UnitAnswer(is_spoilt=self._heard_bytes > 0)))
                case modbus.Stray():
                    pass  # another unit, late: it is asked in its own turn
        return told

    def wake_at_ms(self) -> int | None:
        """See `Session`."""
        return self._master.wake_at_ms()

    def wake(self, now_ms: int) -> bytes:
        """See `Session`; a probe is never repeated."""
        return self._master.wake(now_ms)


def _ended(told: UnitAnswer) -> Ended[UnitAnswer]:
    return Ended(reply=told, heard=Heard(meter_no=SEARCHER))


def _reading(point: Point) -> modbus.Request:
    return modbus.ReadRegisters(start=point.at, quantity=point.layout.words, bank=point.bank)
