"""Amounts as people type them."""

from compuerta.domain.money import AmountMalformed, minor_digits, parse_minor

QUICK_MAJOR = (20, 50, 100, 200)


def typed(text: str, *, currency: str) -> int:
    """Turn what somebody typed into minor units; a decimal comma is a point.

    Refuses "1.000" and "1,000": a thousand to one reader, and one to another.
    """
    plain = text.strip().replace(",", ".")
    _, _, decimals = plain.partition(".")
    if len(decimals) > minor_digits(currency):
        raise AmountMalformed(text, currency, "has more decimals than the currency")
    return parse_minor(plain, currency=currency)


def quick_minor(currency: str) -> list[int]:
    """Return the amounts of the quick buttons."""
    return [major * 10 ** minor_digits(currency) for major in QUICK_MAJOR]
