"""The registers in section "1-1" of a data frame: what a single-phase meter with four rates tells.

The places were found in open platforms and proved on a published frame of a DDSY1352: 219.2 V, 0.74 kWh,
300.00 bought once, Monday 2019-12-09 14:48:38. Blocks of other lengths are kept unread.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from compuerta.wire.acrel.frame import ProtocolError
from compuerta.wire.acrel.messages import Section, Upload, time_of

REGISTERS_PLACE: Final = "1-1"
BLOCK_BYTES: Final = 0x60
_HEAD_BYTES: Final = 3  # unit, function 03, count
_TAIL_BYTES: Final = 2
_READ_HOLDING: Final = 0x03
_VOLTAGE_AT: Final = 6  # u16 x 0.1 V
_ENERGY_AT: Final = 42  # u32 x 0.01 kWh: the total, then the four rates
_BALANCE_AT: Final = 62  # u32 x 0.01
_PURCHASES_AT: Final = 66  # u16
_TIME_AT: Final = 80
_WH_PER_STEP: Final = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What a meter tells of itself; a hint, since nobody asked for it."""

    voltage_mv: int
    energy_wh: int
    rates_wh: tuple[int, int, int, int]
    balance_minor: int  # by its own account, which is not used where the platform holds the money
    purchases: int
    at_civil: datetime


def told_in(upload: Upload) -> Told | None:
    """Return what the registers of `upload` tell; None where it has none that are known."""
    for section in upload.sections:
        if section.place == REGISTERS_PLACE and _is_known(section):
            return _told(section.octets[_HEAD_BYTES:-_TAIL_BYTES])
    return None


def _is_known(section: Section) -> bool:
    whole = _HEAD_BYTES + BLOCK_BYTES + _TAIL_BYTES
    return len(section.octets) == whole and section.octets[1:3] == bytes((_READ_HOLDING, BLOCK_BYTES))


def _told(block: bytes) -> Told | None:
    steps = [int.from_bytes(block[at : at + 4]) for at in range(_ENERGY_AT, _BALANCE_AT, 4)]
    total, tip, peak, flat, valley = (_WH_PER_STEP * each for each in steps)
    try:
        at_civil = time_of(block[_TIME_AT : _TIME_AT + 7])
    except ProtocolError:
        return None  # a clock that was never set: what it tells is of no instant
    return Told(
        voltage_mv=int.from_bytes(block[_VOLTAGE_AT : _VOLTAGE_AT + 2]) * 100,
        energy_wh=total,
        rates_wh=(tip, peak, flat, valley),
        balance_minor=int.from_bytes(block[_BALANCE_AT:_PURCHASES_AT]),
        purchases=int.from_bytes(block[_PURCHASES_AT : _PURCHASES_AT + 2]),
        at_civil=at_civil,
    )
