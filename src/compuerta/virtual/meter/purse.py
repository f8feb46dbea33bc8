"""The money inside a meter, exact to the unit of 0.01 kWh, so that no way of slicing time changes a cent.

A unit costs its price when it is complete: 10 Wh at 0.0001 of the major unit per kWh is 0.000001, so cost is
an integer, and is rounded once, when somebody looks.
"""

from typing import Final

COST_E6_PER_MINOR: Final = 10_000  # 0.01 of the major unit, in 0.000001 of it


class Purse:
    """Will hold what was paid in and what was used up, and tell the balance between them.

    balance = paid in - round half up (cost of all units so far). The instant at which money is gone is that
    of the unit that uses it up, decided on the exact cost and not on the rounded figure.
    """

    __slots__ = ("cost_e6", "paid_minor")

    def __init__(self, *, paid_minor: int) -> None:
        self.paid_minor = paid_minor
        self.cost_e6 = 0

    @property
    def balance_minor(self) -> int:
        """The balance in minor units; negative = owed."""
        used_minor = (self.cost_e6 + COST_E6_PER_MINOR // 2) // COST_E6_PER_MINOR
        return self.paid_minor - used_minor

    def pay_in(self, amount_minor: int) -> None:
        """Add an amount; a refund is a negative one."""
        self.paid_minor += amount_minor

    def use(self, *, units: int, price_e4: int) -> None:
        """Take the cost of some units."""
        self.cost_e6 += units * price_e4

    def is_down_to(self, amount_minor: int) -> bool:
        """Tell whether no more than `amount_minor` is left, exactly."""
        return self._e6_above(amount_minor) <= 0

    def units_down_to(self, amount_minor: int, *, price_e4: int) -> int | None:
        """Return the units until `amount_minor` is left; None = never so, or so already."""
        above_e6 = self._e6_above(amount_minor)
        if above_e6 <= 0 or price_e4 <= 0:
            return None
        return -(-above_e6 // price_e4)

    def _e6_above(self, amount_minor: int) -> int:
        return (self.paid_minor - amount_minor) * COST_E6_PER_MINOR - self.cost_e6
