"""The port to orders for many supplies at once: rows as they are, inside a transaction."""

from typing import Protocol


class Masses(Protocol):
    """What a use case may ask about orders for many supplies at once."""
