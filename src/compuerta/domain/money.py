"""Money: integers in the minor unit of a currency, and nothing else.

An amount is always an `amount_minor: int` with a `currency: str` (ISO 4217); this room knows how many
decimals a currency has, and turns people's and providers' decimal strings into minor units and back.
"""

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from types import MappingProxyType

from compuerta.domain.errors import Refused

# ISO 4217, the currencies of the markets we serve; a currency that is not here is refused, never guessed.
MINOR_DIGITS: Mapping[str, int] = MappingProxyType(
    {
        "CNY": 2, "EUR": 2, "USD": 2, "GBP": 2, "MXN": 2, "COP": 2, "PEN": 2, "CLP": 0, "ARS": 2, "BRL": 2,
        "ZAR": 2, "KES": 2, "TZS": 2, "NGN": 2, "UGX": 0, "RWF": 0, "INR": 2, "BDT": 2, "VND": 0, "JPY": 0,
    }
)  # fmt: skip
# A bigint holds 9.2e18; four decimals of headroom below it keep every sum of a ledger inside.
AMOUNT_MINOR_MAX = 10**14


class CurrencyUnknown(Refused):
    """A currency that this house does not know the decimals of."""

    def __init__(self, currency: str) -> None:
        super().__init__(f"currency {currency!r} is not known; use one of {', '.join(sorted(MINOR_DIGITS))}")
        self.currency = currency


class AmountMalformed(Refused):
    """Text that is no amount of its currency: not a number, too fine, or too large."""

    def __init__(self, text: str, currency: str, reason: str) -> None:
        super().__init__(f"amount {text!r} {currency}: {reason}")
        self.text = text
        self.currency = currency


def minor_digits(currency: str) -> int:
    """Return the number of decimals of a currency (ISO 4217); refuses unknown currencies."""
    try:
        return MINOR_DIGITS[currency]
    except KeyError:
        raise CurrencyUnknown(currency) from None


def parse_minor(text: str, *, currency: str) -> int:
    """Turn a decimal string in major units ("12.50") into minor units (1250).

    Refuses what is finer than the minor unit: a rounding here would be money lost in silence.
    """
    digits = minor_digits(currency)
    if len(text) > 32:
        raise AmountMalformed(text[:32], currency, "longer than any amount")
    try:
        scaled = Decimal(text).scaleb(digits)
    except InvalidOperation:
        raise AmountMalformed(text, currency, "write digits and one decimal point, such as 50.00") from None
    if not scaled.is_finite():
        raise AmountMalformed(text, currency, "not a finite number")
    if abs(scaled) > AMOUNT_MINOR_MAX:
        raise AmountMalformed(text, currency, "larger than any payment")
    if scaled != scaled.to_integral_value():
        raise AmountMalformed(text, currency, f"has more than {digits} decimals")
    return int(scaled)


def format_minor(amount_minor: int, *, currency: str) -> str:
    """Turn minor units (1250) into a decimal string in major units ("12.50"), without the currency."""
    digits = minor_digits(currency)
    sign = "-" if amount_minor < 0 else ""
    if digits == 0:
        return f"{amount_minor}"
    major, minor = divmod(abs(amount_minor), 10**digits)
    return f"{sign}{major}.{minor:0{digits}d}"
