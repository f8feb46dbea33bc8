"""The money inside a meter, exact to the watt-millisecond, so that no way of slicing time changes a cent.

Use costs energy x price. Energy is counted in watt-milliseconds and prices in 0.0001 of the major unit
per kWh, so cost is an integer of very small units, and is rounded once, when somebody looks.
"""

from dataclasses import dataclass
from typing import Protocol

WMS_PER_WH = 3_600_000  # watt-milliseconds in a watt-hour
COST_UNITS_PER_MINOR = 100 * 1_000 * WMS_PER_WH  # 0.01 = 100 x 0.0001; a price is per 1,000 Wh


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceSegment:
    """A price, and how far it holds: to an instant, to a use of energy, or (None) for ever."""

    price_e4: int  # 0.0001 of the major unit per kWh
    until_civil_ms: int | None = None
    until_energy_wms: int | None = None


class Tariff(Protocol):
    """Says the price; day tables and steps are answers whose segment ends."""

    def at(self, civil_ms: int, *, energy_wms: int) -> PriceSegment:
        """Return the price at an instant and a total use; each given end lies strictly later."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class FlatTariff:
    """One price for every kilowatt-hour, whatever the hour and the use."""

    price_e4: int

    def at(self, civil_ms: int, *, energy_wms: int) -> PriceSegment:
        """Return the one price there is."""
        return PriceSegment(price_e4=self.price_e4)


class Purse:
    """Will hold what was paid in and what was used up, and tell the balance between them.

    balance = paid in - round half up (cost of all use so far). The instant at which money is gone is
    decided on the exact cost, not on the rounded figure: a customer gets every watt-hour paid for.
    """

    __slots__ = ("cost_units", "paid_minor")

    def __init__(self, *, paid_minor: int) -> None:
        self.paid_minor = paid_minor
        self.cost_units = 0

    @property
    def balance_minor(self) -> int:
        """The balance in minor units; negative = owed."""
        used_minor = (self.cost_units + COST_UNITS_PER_MINOR // 2) // COST_UNITS_PER_MINOR
        return self.paid_minor - used_minor

    def pay_in(self, amount_minor: int) -> None:
        """Add an amount; a refund is a negative one."""
        self.paid_minor += amount_minor

    def use(self, *, energy_wms: int, price_e4: int) -> None:
        """Take the cost of some use."""
        self.cost_units += energy_wms * price_e4

    def is_down_to(self, amount_minor: int) -> bool:
        """Tell whether no more than `amount_minor` is left, exactly."""
        return self._units_above(amount_minor) <= 0

    def ms_down_to(self, amount_minor: int, *, power_w: int, price_e4: int) -> int | None:
        """Return the milliseconds until `amount_minor` is left; None = never so, or so already."""
        units_above = self._units_above(amount_minor)
        units_per_ms = power_w * price_e4
        if units_above <= 0 or units_per_ms <= 0:
            return None
        return -(-units_above // units_per_ms)

    def _units_above(self, amount_minor: int) -> int:
        return (self.paid_minor - amount_minor) * COST_UNITS_PER_MINOR - self.cost_units
