"""Stripe's units of money: the minor unit of ISO 4217, but for the currencies that it calls special cases."""

from compuerta.domain.errors import Refused

# Without decimals in ISO 4217, and in Stripe's API "represented as a two-decimal value, where the decimal
# amount is always 00": to charge 5 UGX, ask for 500. JPY, VND, CLP and RWF go as they are.
_WHOLE_AS_HUNDREDTHS = frozenset({"UGX"})


class AmountImpossible(Refused):
    """An amount that Stripe cannot have: a fraction of a currency that has none."""

    def __init__(self, units: int, currency: str) -> None:
        super().__init__(f"{units} is no whole amount of {currency}")
        self.units = units
        self.currency = currency


def to_units(amount_minor: int, *, currency: str) -> int:
    """Turn our minor units into Stripe's."""
    return amount_minor * 100 if currency in _WHOLE_AS_HUNDREDTHS else amount_minor


def from_units(units: int, *, currency: str) -> int:
    """Turn Stripe's units into our minor units; refuses a fraction of what cannot be divided."""
    if currency not in _WHOLE_AS_HUNDREDTHS:
        return units
    if units % 100:
        raise AmountImpossible(units, currency)
    return units // 100
