"""The port to the chart of accounts, and numbered exports to other books."""

from typing import Protocol


class Exports(Protocol):
    """What a use case may ask about the chart of accounts, and numbered exports to other books."""
