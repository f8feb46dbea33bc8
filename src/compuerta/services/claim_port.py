"""The port to unsigned words about money, until the provider was asked."""

from typing import Protocol


class Claims(Protocol):
    """What a use case may ask about unsigned words about money, until the provider was asked."""
