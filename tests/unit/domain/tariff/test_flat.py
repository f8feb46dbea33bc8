"""One price per kWh, as a tariff."""

import pytest

from compuerta.domain.money import CurrencyUnknown
from compuerta.domain.tariff.flat import PriceMalformed, flat_tariff


@pytest.mark.parametrize("price", ["", "abc", "-0.01", "10000", "0.00001", "NaN", "1e-9"])
def test_a_price_that_no_meter_could_hold_is_refused(price: str) -> None:
    with pytest.raises(PriceMalformed):
        flat_tariff(price, currency="CNY")


def test_an_unknown_currency_is_refused() -> None:
    with pytest.raises(CurrencyUnknown):
        flat_tariff("0.53", currency="XXX")
