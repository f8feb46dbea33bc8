"""The port to commissioning: what was found, claimed and handed over."""

from typing import Protocol


class Commissions(Protocol):
    """What a use case may ask about commissioning."""
