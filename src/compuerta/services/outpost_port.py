"""The port to outposts: gateways that stand beside buses."""

from typing import Protocol


class Outposts(Protocol):
    """What a use case may ask about outposts."""
