"""Tariffs: what use costs, exact to the last unit. The front door is this room's README."""

from compuerta.domain.tariff.flat import FlatTariff, PriceMalformed, bill_minor, price_fraction

__all__ = ["FlatTariff", "PriceMalformed", "bill_minor", "price_fraction"]
