"""The port to who lives where: supply points, accounts that begin and end, meters that are exchanged."""

from typing import Protocol


class Occupancy(Protocol):
    """What a use case may ask about supply points, accounts that begin and end, meters that are exchanged."""
