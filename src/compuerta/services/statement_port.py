"""The port to providers' bills, and what of them does not agree."""

from typing import Protocol


class Statements(Protocol):
    """What a use case may ask about providers' bills, and what of them does not agree."""
