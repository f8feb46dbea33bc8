"""What a meter counts: units of 0.01 kWh, in total and by rate, and over the periods that end by themselves.

Use is counted when a unit is complete, into the total and into one rate at once, so the rates always add up
to the total. What is less than a unit is carried on. The rest of this module is energy as registers show it.
"""

from collections.abc import Sequence
from typing import Final

from compuerta.wire.dlt645.fields import bcd_to

RATES_SHOWN_MIN: Final = 4  # sharp, peak, flat and valley are there, used or not
FLAT_RATE: Final = 3  # all use is at the flat rate, as long as the price is flat
RATE_ALL: Final = 0xFF
ENTRY_ALL: Final = 0xFF
WH_PER_UNIT: Final = 10  # energy registers count 0.01 kWh
WMS_PER_WH: Final = 3_600_000  # watt-milliseconds in a watt-hour
WMS_PER_UNIT: Final = WH_PER_UNIT * WMS_PER_WH
BALANCE_MINOR_MAX: Final = 99_999_999  # XXXXXX.XX: more than this no register of the meter could show


class Period:
    """Will tell the use since its start, and in the period before."""

    __slots__ = ("previous_units", "start_units")

    def __init__(self, *, start_units: int) -> None:
        self.start_units = start_units
        self.previous_units = 0

    def end(self, *, units: int) -> None:
        """Begin anew at this total."""
        self.previous_units = units - self.start_units
        self.start_units = units


class Registers:
    """Will count use by units; the one owner of a meter's energy."""

    __slots__ = (
        "_back_part_wms",
        "_back_rate_units",
        "_part_wms",
        "_rate_units",
        "back_units",
        "month",
        "units",
        "window",
        "year",
    )

    def __init__(self, *, energy_wh: int, rate: int) -> None:
        self.units, part_wh = divmod(energy_wh, WH_PER_UNIT)
        self._part_wms = part_wh * WMS_PER_WH
        self._rate_units = {rate: self.units}
        # What flows backwards is counted apart, and neither lowers the total nor gives money back.
        self.back_units = self._back_part_wms = 0
        self._back_rate_units: dict[int, int] = {}
        # The window of the steps, from settlement to settlement; and two of the calendar.
        self.window, self.month, self.year = (Period(start_units=self.units) for _ in range(3))

    @property
    def energy_wh(self) -> int:
        """The total: whole units, in watt-hours."""
        return self.units * WH_PER_UNIT

    @property
    def window_wh(self) -> int:
        """The use since the last settlement of the steps."""
        return (self.units - self.window.start_units) * WH_PER_UNIT

    def rates_wh(self, *, rates: int) -> tuple[int, ...]:
        """Return the registers of rates 1 to `rates`."""
        return tuple(self._rate_units.get(rate, 0) * WH_PER_UNIT for rate in range(1, rates + 1))

    def back_rates_wh(self, *, rates: int) -> tuple[int, ...]:
        """Return the reverse registers of rates 1 to `rates`."""
        return tuple(self._back_rate_units.get(rate, 0) * WH_PER_UNIT for rate in range(1, rates + 1))

    def highest_rate(self) -> int:
        """Return the highest rate whose register holds anything; 0 = none does."""
        return max((rate for rate, units in self._rate_units.items() if units), default=0)

    def flow(self, energy_wms: int, *, rate: int) -> int:
        """Let energy flow; returns how many units it completed, which are counted at this rate."""
        completed, self._part_wms = divmod(self._part_wms + energy_wms, WMS_PER_UNIT)
        self.units += completed
        self._rate_units[rate] = self._rate_units.get(rate, 0) + completed
        return completed

    def flow_back(self, energy_wms: int, *, rate: int) -> None:
        """Let energy flow backwards; the reverse registers alone count it."""
        completed, self._back_part_wms = divmod(self._back_part_wms + energy_wms, WMS_PER_UNIT)
        self.back_units += completed
        self._back_rate_units[rate] = self._back_rate_units.get(rate, 0) + completed

    def ms_until(self, units: int, *, power_w: int) -> int:
        """Return the milliseconds after which so many units more are complete, at a power above zero."""
        return -((self._part_wms - units * WMS_PER_UNIT) // power_w)


def energy_units(energy_wh: int) -> bytes:
    """Return an energy as XXXXXX.XX kWh; the register rolls over as a real one does."""
    return bcd_to(energy_wh // WH_PER_UNIT % 10**8, length=4)


def energy_block(total_wh: int, rates_wh: Sequence[int], rate: int) -> bytes | None:
    """Return the total (0), one rate (1..) or all of them (FF); None = no such rate."""
    all_wh = (total_wh, *rates_wh)
    if rate == RATE_ALL:
        return b"".join(energy_units(one_wh) for one_wh in all_wh)
    return energy_units(all_wh[rate]) if rate < len(all_wh) else None
