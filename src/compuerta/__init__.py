"""Compuerta: prepaid electricity, from the payment to the relay."""

__version__ = "0.1.0"
