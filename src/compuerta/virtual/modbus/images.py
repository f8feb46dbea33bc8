"""What the registers of Modbus meters show, and what writing them does, make by make.

Written from the makers' tables and not from the model files, so that a slip in either shows in a test.
"""

import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from types import MappingProxyType
from typing import Final

from compuerta.virtual.meter.clock import civil_from_ms, ms_from_civil
from compuerta.virtual.meter.core import MeterCore
from compuerta.wire.modbus import Bank, Denial, Layout, ProtocolError, decode_clock, encode_number

Words = dict[int, int]
_OPERATOR: Final = bytes(4)
_WH_PER_COUNT: Final = 10
_RATES: Final = 4
_TRIP, _CLOSE = (1, 1), (1, 0)  # of Acrel's 0057H
_WORD_MAX: Final = 0xFFFF


@dataclass(frozen=True, slots=True)
class Image:
    """One make: its registers as they are now, and what a write does (None = it is done)."""

    bank: Bank
    shows: Callable[[MeterCore], Words]
    takes: Callable[[MeterCore, int, Sequence[int]], Denial | None]


def _long(at: int, value: int) -> Words:
    octets = struct.pack(">i" if value < 0 else ">I", value)
    return {at: int.from_bytes(octets[:2]), at + 1: int.from_bytes(octets[2:])}


def _energies(core: MeterCore) -> Words:
    rates_wh = [*core.rates_wh, 0, 0, 0, 0][:_RATES]
    words: Words = {}
    for place, energy_wh in enumerate([core.energy_wh, *rates_wh]):
        words |= _long(2 * place, energy_wh // _WH_PER_COUNT)
    return words


def _generic_shows(core: MeterCore) -> Words:
    at = civil_from_ms(core.civil_ms)
    clock = bytes((at.year % 100, at.month, at.day, at.hour, at.minute, at.second))
    words = _energies(core) | _long(0x10, core.power_w)
    words[0x12] = int(core.contact_closed)
    words |= {0x14 + place: int.from_bytes(clock[2 * place : 2 * place + 2]) for place in range(3)}
    words[0x20] = words[0x12]
    return words


def _generic_takes(core: MeterCore, start: int, values: Sequence[int]) -> Denial | None:
    match start, tuple(values):
        case 0x20, (0,):
            core.order_trip(operator=_OPERATOR)
        case 0x20, (1,):
            core.close(operator=_OPERATOR)
        case 0x20, _:
            return Denial.ILLEGAL_VALUE
        case 0x14, (_, _, _):
            octets = b"".join(value.to_bytes(2) for value in values)
            try:
                core.set_clock(ms_from_civil(decode_clock(octets, bcd=False)))
            except ProtocolError:
                return Denial.ILLEGAL_VALUE
        case _:
            return Denial.ILLEGAL_ADDRESS
    return None


def _acrel_shows(core: MeterCore) -> Words:
    """0000 total, 0002 to 0008 by rate, 000B voltage, 000C current, 000D power, 0038 transformer ratio."""
    return _energies(core) | {
        0x0B: core.setup.voltage_dv,
        0x0C: core.current_ma // 10,
        0x0D: core.power_w & _WORD_MAX,
        0x38: 1,
    }


def _acrel_takes(core: MeterCore, start: int, values: Sequence[int]) -> Denial | None:
    if start != 0x57 or len(values) != len(_TRIP):
        return Denial.ILLEGAL_ADDRESS
    match tuple(values):
        case value if value == _TRIP:
            core.order_trip(operator=_OPERATOR)
        case value if value == _CLOSE:
            core.close(operator=_OPERATOR)
        case _:
            return Denial.ILLEGAL_VALUE
    return None


def _float(at: int, value: Fraction) -> Words:
    octets = encode_number(value, Layout.of("f32"))
    return {at: int.from_bytes(octets[:2]), at + 1: int.from_bytes(octets[2:])}


def _eastron_shows(core: MeterCore) -> Words:
    """Input registers, floats: power in watts at 000C (one phase) or 0034 (three), imported kWh at 0048."""
    power_at = 0x0C if core.setup.phases == 1 else 0x34
    return _float(power_at, Fraction(core.power_w)) | _float(0x48, Fraction(core.energy_wh, 1_000))


def _eastron_takes(_core: MeterCore, _start: int, _values: Sequence[int]) -> Denial | None:
    return Denial.ILLEGAL_ADDRESS


IMAGES: Final[Mapping[str, Image]] = MappingProxyType(
    {
        "generic": Image(Bank.HOLDING, _generic_shows, _generic_takes),
        "acrel": Image(Bank.HOLDING, _acrel_shows, _acrel_takes),
        "eastron": Image(Bank.INPUT, _eastron_shows, _eastron_takes),
    }
)
