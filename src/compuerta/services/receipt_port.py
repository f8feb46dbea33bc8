"""The port to what was handed out for recharges."""

from typing import Protocol


class Receipts(Protocol):
    """What a use case may ask about what was handed out for recharges."""
