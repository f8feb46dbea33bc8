"""The port to alarms of meters, maintenance windows, feeders: rows as they are, inside a transaction."""

from typing import Protocol


class Alarms(Protocol):
    """What a use case may ask about alarms of meters, maintenance windows, feeders."""
