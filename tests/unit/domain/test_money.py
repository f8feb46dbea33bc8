"""Amounts are read exactly or not at all."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compuerta.domain.errors import Refused
from compuerta.domain.money import (
    AMOUNT_MINOR_MAX,
    MINOR_DIGITS,
    AmountMalformed,
    CurrencyUnknown,
    format_minor,
    minor_digits,
    parse_minor,
    told_minor,
)

amounts = st.integers(min_value=-AMOUNT_MINOR_MAX, max_value=AMOUNT_MINOR_MAX)
currencies = st.sampled_from(sorted(MINOR_DIGITS))


@given(amount_minor=amounts, currency=currencies)
def test_what_is_written_is_read_back(amount_minor: int, currency: str) -> None:
    assert parse_minor(format_minor(amount_minor, currency=currency), currency=currency) == amount_minor


@given(text=st.text(max_size=40), currency=currencies)
def test_any_text_is_an_amount_or_refused(text: str, currency: str) -> None:
    try:
        amount_minor = parse_minor(text, currency=currency)
    except AmountMalformed:
        return
    assert abs(amount_minor) <= AMOUNT_MINOR_MAX


@pytest.mark.parametrize(
    ("text", "currency", "amount_minor"),
    [
        ("12.50", "CNY", 1_250),
        ("12.5", "CNY", 1_250),
        ("0.01", "CNY", 1),
        ("-0.01", "CNY", -1),
        ("0", "CNY", 0),
        ("12.500", "CNY", 1_250),
        ("500", "CLP", 500),
        ("1000000000000.00", "EUR", AMOUNT_MINOR_MAX),
    ],
)
def test_an_amount_is_read_in_minor_units(text: str, currency: str, amount_minor: int) -> None:
    assert parse_minor(text, currency=currency) == amount_minor


@pytest.mark.parametrize(
    ("text", "currency"),
    [
        ("", "CNY"),
        ("twelve", "CNY"),
        ("12,50", "CNY"),
        ("1.2.3", "CNY"),
        ("0.005", "CNY"),
        ("0.5", "JPY"),
        ("NaN", "CNY"),
        ("sNaN", "CNY"),
        ("Infinity", "CNY"),
        ("-Infinity", "CNY"),
        ("1000000000000.01", "CNY"),
        ("-1000000000000.01", "CNY"),
        ("1e999999999", "CNY"),
        ("1e-999999999", "CNY"),
        ("1" * 33, "CNY"),
        ("1.000000000000000000000000000001", "CNY"),
        ("1e2", "CNY"),
        ("1_000", "CNY"),
        ("+1", "CNY"),
        (" 1", "CNY"),
        ("1\n", "CNY"),
        (".5", "CNY"),
        ("5.", "CNY"),
        ("１", "CNY"),
    ],
)
def test_what_is_no_amount_of_its_currency_is_refused(text: str, currency: str) -> None:
    with pytest.raises(AmountMalformed) as refused:
        parse_minor(text, currency=currency)

    assert isinstance(refused.value, Refused)
    assert refused.value.currency == currency


@pytest.mark.parametrize("currency", ["", "cny", "XXX", "BTC"])
def test_a_currency_is_known_or_refused_and_never_guessed(currency: str) -> None:
    with pytest.raises(CurrencyUnknown):
        minor_digits(currency)
    with pytest.raises(CurrencyUnknown):
        parse_minor("1", currency=currency)
    with pytest.raises(CurrencyUnknown):
        format_minor(1, currency=currency)


@pytest.mark.parametrize(
    ("amount_minor", "currency", "text"),
    [
        (1_250, "CNY", "12.50"),
        (-5, "CNY", "-0.05"),
        (0, "CNY", "0.00"),
        (500, "CLP", "500"),
        (-7, "JPY", "-7"),
    ],
)
def test_an_amount_is_shown_with_the_decimals_of_its_currency(
    amount_minor: int, currency: str, text: str
) -> None:
    assert format_minor(amount_minor, currency=currency) == text


def test_an_amount_is_told_with_its_currency_and_one_of_nobody_knows_which_as_it_came() -> None:
    assert told_minor(1250, currency="CNY") == "12.50 CNY"
    assert told_minor(1250, currency="XYZ") == "1250 XYZ (minor units)"
