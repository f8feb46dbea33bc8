"""The port to putting money right: corrections by two people, refunds, disputes."""

from typing import Protocol


class Corrections(Protocol):
    """What a use case may ask about putting money right: corrections by two people, refunds, disputes."""
