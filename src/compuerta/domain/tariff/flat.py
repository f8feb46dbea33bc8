"""What use costs: in this edition one price per kWh.

The price is a decimal string with its own exponent ("0.5300" yuan per kWh), never a float. A bill is rounded
once, half up, on the whole period; a charge is the difference of two bills (promise M4), so that however
often a meter is read, the charges add up to the bill to the last minor unit.
"""

from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from fractions import Fraction

from compuerta.domain.errors import Refused
from compuerta.domain.money import minor_digits


class PriceMalformed(Refused):
    """A price that is no decimal number, is negative, or is finer than any meter can hold."""

    def __init__(self, text: str) -> None:
        super().__init__(
            f"price {text!r}: write a decimal number per kWh such as 0.5300, from 0 to 9999.9999"
        )
        self.text = text


@dataclass(frozen=True, slots=True, kw_only=True)
class FlatTariff:
    """One price for every kWh."""

    price_per_kwh: str  # major units, at most four decimals (DL/T 645: XXXX.XXXX)
    currency: str

    def __post_init__(self) -> None:
        price_fraction(self.price_per_kwh)
        minor_digits(self.currency)


def price_fraction(price_per_kwh: str) -> Fraction:
    """Turn a price string into an exact number; refuses what a meter's price field cannot hold."""
    try:
        price = Decimal(price_per_kwh)
    except InvalidOperation:
        raise PriceMalformed(price_per_kwh) from None
    if not price.is_finite() or not 0 <= price < 10_000 or price != round(price, 4):
        raise PriceMalformed(price_per_kwh)
    return Fraction(price)


def bill_minor(energy_wh: int, *, tariff: FlatTariff) -> int:
    """Return what an amount of energy since the start of the account costs, rounded half up once."""
    assert energy_wh >= 0, "a register that ran backwards is held before it is billed"
    exact = price_fraction(tariff.price_per_kwh) * 10 ** minor_digits(tariff.currency) * energy_wh / 1000
    return int(exact + Fraction(1, 2))
