"""The port to bank statements, and what they are tied to."""

from typing import Protocol


class Banks(Protocol):
    """What a use case may ask about bank statements, and what they are tied to."""
