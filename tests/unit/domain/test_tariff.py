"""A bill is exact, and rounded once."""

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compuerta.domain.errors import Refused
from compuerta.domain.money import MINOR_DIGITS, CurrencyUnknown
from compuerta.domain.tariff import FlatTariff, PriceMalformed, bill_minor, price_fraction

prices = st.decimals(min_value=0, max_value=Decimal("9999.9999"), places=4).map(str)
tariffs = st.builds(FlatTariff, price_per_kwh=prices, currency=st.sampled_from(sorted(MINOR_DIGITS)))
energies = st.integers(min_value=0, max_value=10**10)


@given(tariff=tariffs, energy_wh=energies, more_wh=energies)
def test_more_energy_never_costs_less(tariff: FlatTariff, energy_wh: int, more_wh: int) -> None:
    bill = bill_minor(energy_wh, tariff=tariff)

    assert 0 <= bill <= bill_minor(energy_wh + more_wh, tariff=tariff)


@given(tariff=tariffs, energy_wh=energies)
def test_a_bill_is_within_half_a_minor_unit_of_the_exact_price(tariff: FlatTariff, energy_wh: int) -> None:
    exact = Fraction(tariff.price_per_kwh) * 10 ** MINOR_DIGITS[tariff.currency] * energy_wh / 1_000

    off = bill_minor(energy_wh, tariff=tariff) - exact

    assert -Fraction(1, 2) < off <= Fraction(1, 2)


@pytest.mark.parametrize(
    ("energy_wh", "price_per_kwh", "currency", "amount_minor"),
    [
        (0, "0.5300", "CNY", 0),
        (1_000, "0.5300", "CNY", 53),
        (10, "0.5300", "CNY", 1),
        (9, "0.5300", "CNY", 0),
        (50, "0.1000", "CNY", 1),
        (49, "0.1000", "CNY", 0),
        (1_000, "150", "CLP", 150),
        (10**9, "0", "CNY", 0),
    ],
)
def test_a_bill_is_rounded_half_up_once(
    energy_wh: int, price_per_kwh: str, currency: str, amount_minor: int
) -> None:
    tariff = FlatTariff(price_per_kwh=price_per_kwh, currency=currency)

    assert bill_minor(energy_wh, tariff=tariff) == amount_minor


@pytest.mark.parametrize(
    "price", ["", "cheap", "0,53", "-0.0001", "10000", "9999.99995", "0.00001", "NaN", "Infinity", "sNaN"]
)
def test_a_price_that_a_meter_cannot_hold_is_refused(price: str) -> None:
    with pytest.raises(PriceMalformed) as refused:
        FlatTariff(price_per_kwh=price, currency="CNY")

    assert isinstance(refused.value, Refused)
    assert refused.value.text == price


@pytest.mark.parametrize("price", ["0", "0.53", "0.5300", "0.530000", "9999.9999", "1e2"])
def test_a_price_that_a_meter_can_hold_is_taken_exactly(price: str) -> None:
    assert price_fraction(price) == Fraction(Decimal(price))


def test_a_tariff_in_an_unknown_currency_is_refused() -> None:
    with pytest.raises(CurrencyUnknown):
        FlatTariff(price_per_kwh="0.53", currency="XXX")


def test_energy_below_nothing_is_never_billed() -> None:
    with pytest.raises(AssertionError):
        bill_minor(-1, tariff=FlatTariff(price_per_kwh="0.53", currency="CNY"))
