"""The port to plans: what the adviser was asked, and what it said."""

from typing import Protocol


class Plans(Protocol):
    """What a use case may ask about plans."""
