"""Money: integers in the minor unit of a currency, and nothing else.

An amount is always an `amount_minor: int` with a `currency: str` (ISO 4217); this room knows how many
decimals a currency has, and turns people's and providers' decimal strings into minor units and back.
"""

import re
from collections.abc import Mapping
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
TEXT_MAX = 32  # more characters than the largest amount has
# No exponents: a Decimal would take "1e-99" and round it away, and fall over "1e999999999".
_AMOUNT = re.compile(r"(?P<sign>-?)(?P<major>[0-9]+)(\.(?P<fraction>[0-9]+))?", re.ASCII)


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
    if len(text) > TEXT_MAX:
        raise AmountMalformed(text[:TEXT_MAX], currency, "longer than any amount")
    found = _AMOUNT.fullmatch(text)
    if found is None:
        raise AmountMalformed(text, currency, "write digits and one decimal point, such as 50.00")
    sign, major, fraction = found["sign"], found["major"], (found["fraction"] or "").rstrip("0")
    if len(fraction) > digits:
        raise AmountMalformed(text, currency, f"has more than {digits} decimals")
    amount_minor = int(f"{sign}{major}{fraction:0<{digits}}")
    if abs(amount_minor) > AMOUNT_MINOR_MAX:
        raise AmountMalformed(text, currency, "larger than any payment")
    return amount_minor


def format_minor(amount_minor: int, *, currency: str) -> str:
    """Turn minor units (1250) into a decimal string in major units ("12.50"), without the currency."""
    digits = minor_digits(currency)
    sign = "-" if amount_minor < 0 else ""
    if digits == 0:
        return f"{amount_minor}"
    major, minor = divmod(abs(amount_minor), 10**digits)
    return f"{sign}{major}.{minor:0{digits}d}"


def told_minor(amount_minor: int, *, currency: str) -> str:
    """Return an amount with its currency, such as "12.50 CNY"; else as it came."""
    if currency not in MINOR_DIGITS:
        return f"{amount_minor} {currency} (minor units)"
    return f"{format_minor(amount_minor, currency=currency)} {currency}"
