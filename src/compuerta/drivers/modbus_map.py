"""Where a Modbus meter keeps what: Modbus has no common registers, so the model file says all of it."""

from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from typing import NotRequired, TypedDict

from compuerta.wire import modbus


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """A number in registers; `unit` is what one of it is, in watt-hours or watts."""

    bank: modbus.Bank
    at: int
    layout: modbus.Layout
    unit: Fraction


@dataclass(frozen=True, slots=True, kw_only=True)
class RelayPoint:
    """A register that shows the relay, by the values that it then has."""

    bank: modbus.Bank
    at: int
    closed: frozenset[int]
    open: frozenset[int]


CLOCK_WORDS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockPoint:
    """Three holding registers: year, month, day, hour, minute and second in a byte each."""

    at: int
    bcd: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ModbusMap:
    """What a model's registers are; None = it has none, or nobody knows where."""

    energy: Point
    rates: tuple[Point, ...]
    power: Point | None
    relay: RelayPoint | None
    clock: ClockPoint | None
    opens: modbus.Request | None  # what switches off
    closes: modbus.Request | None

    @property
    def energy_at_once(self) -> tuple[Point, ...]:
        """The total, and its rates behind it if they lie so: one exchange then reads all at one instant."""
        points = (self.energy, *self.rates)
        lie_together = all(
            after.bank is before.bank and after.at == before.at + before.layout.words
            for before, after in pairwise(points)
        )
        return points if lie_together else (self.energy,)


def words_of(points: Iterable[Point]) -> int:
    """Return how many registers these numbers take."""
    return sum(point.layout.words for point in points)


class PointMapping(TypedDict):
    """A number in a model file."""

    bank: str
    at: str
    type: str
    low_word_first: NotRequired[bool]
    unit: str


class RelayPointMapping(TypedDict):
    """`modbus.relay` of a model file."""

    bank: str
    at: str
    closed: list[int]
    open: list[int]


class ClockPointMapping(TypedDict):
    """`modbus.clock` of a model file."""

    at: str
    code: str


class SwitchMapping(TypedDict):
    """`modbus.switch` of a model file."""

    function: str
    at: str
    open: list[int]
    closed: list[int]


class ModbusMapping(TypedDict):
    """`modbus` of a model file."""

    energy: PointMapping
    rates: NotRequired[list[PointMapping]]
    power: NotRequired[PointMapping]
    relay: NotRequired[RelayPointMapping]
    clock: NotRequired[ClockPointMapping]
    switch: NotRequired[SwitchMapping]


def map_from(mapping: ModbusMapping) -> ModbusMap:
    """Return the map of a model file that the schema has passed; refuses with the protocol's error."""
    switch = mapping.get("switch")
    power = mapping.get("power")
    relay = mapping.get("relay")
    clock = mapping.get("clock")
    return ModbusMap(
        energy=_point(mapping["energy"]),
        rates=tuple(_point(each) for each in mapping.get("rates", [])),
        power=None if power is None else _point(power),
        relay=None if relay is None else _relay(relay),
        clock=None if clock is None else ClockPoint(at=int(clock["at"], 16), bcd=clock["code"] == "bcd"),
        opens=None if switch is None else _write(switch, switch["open"]),
        closes=None if switch is None else _write(switch, switch["closed"]),
    )


def _point(mapping: PointMapping) -> Point:
    return Point(
        bank=modbus.Bank(mapping["bank"]),
        at=int(mapping["at"], 16),
        layout=modbus.Layout.of(mapping["type"], low_word_first=mapping.get("low_word_first", False)),
        unit=Fraction(mapping["unit"]),
    )


def _relay(mapping: RelayPointMapping) -> RelayPoint:
    return RelayPoint(
        bank=modbus.Bank(mapping["bank"]),
        at=int(mapping["at"], 16),
        closed=frozenset(mapping["closed"]),
        open=frozenset(mapping["open"]),
    )


def _write(mapping: SwitchMapping, values: list[int]) -> modbus.Request:
    at = int(mapping["at"], 16)
    match mapping["function"]:
        case "write_coil":
            return modbus.WriteCoil(at=at, on=bool(values[0]))
        case "write_register":
            return modbus.WriteRegister(at=at, value=values[0])
        case _:
            return modbus.WriteRegisters(start=at, values=tuple(values))
