"""The port to months of the books, open and closed."""

from typing import Protocol


class Periods(Protocol):
    """What a use case may ask about months of the books, open and closed."""
