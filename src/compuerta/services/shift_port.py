"""The port to tills, shifts, and sales under numbers."""

from typing import Protocol


class Shifts(Protocol):
    """What a use case may ask about tills, shifts, and sales under numbers."""
