"""The port to machines that ask: what was answered under their keys, and what they want to be told."""

from typing import Protocol


class Partners(Protocol):
    """What a use case may ask about partners' keys and webhooks."""
