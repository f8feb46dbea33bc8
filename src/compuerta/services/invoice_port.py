"""The port to invoices."""

from typing import Protocol


class Invoices(Protocol):
    """What a use case may ask about invoices."""
