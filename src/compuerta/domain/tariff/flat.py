"""The simplest tariff: one price for every kWh, at every hour."""

from decimal import Decimal, InvalidOperation
from fractions import Fraction

from compuerta.domain.errors import Refused
from compuerta.domain.money import minor_digits
from compuerta.domain.tariff.components import (
    Calendar,
    DayTable,
    Energy,
    Ladder,
    MonthDay,
    Period,
    Season,
    Slot,
    Steps,
    Tariff,
)

WEEKDAYS = 7


class PriceMalformed(Refused):
    """A price that is no decimal number, is negative, or is finer than any meter can hold."""

    def __init__(self, text: str) -> None:
        super().__init__(
            f"price {text!r}: write a decimal number per kWh such as 0.5300, from 0 to 9999.9999"
        )
        self.text = text


def flat_tariff(price_per_kwh: str, *, currency: str, name: str = "") -> Tariff:
    """Return the tariff of one price; refuses what a meter's price field cannot hold (XXXX.XXXX)."""
    price = price_fraction(price_per_kwh)
    minor_digits(currency)
    return Tariff(
        name=name or f"Flat {price_per_kwh}",
        currency=currency,
        components=(
            Energy(
                name="Energy",
                calendar=ALWAYS,
                periods=(Period(name="all day", ladder=Ladder(bounds=(), prices=(price,))),),
                steps=Steps(),
            ),
        ),
    )


# The calendar of who has none: period 0 at every minute of every day.
ALWAYS = Calendar(
    day_tables=(DayTable(name="every day", slots=(Slot(start_min=0, period=0),)),),
    seasons=(Season(name="all year", start=MonthDay(month=1, day=1), days=(0,) * WEEKDAYS),),
)


def price_fraction(price_per_kwh: str) -> Fraction:
    """Turn a price string into an exact number; refuses what a meter's price field cannot hold."""
    try:
        price = Decimal(price_per_kwh)
    except InvalidOperation:
        raise PriceMalformed(price_per_kwh) from None
    if not price.is_finite() or not 0 <= price < 10_000 or price != round(price, 4):
        raise PriceMalformed(price_per_kwh)
    return Fraction(price)
