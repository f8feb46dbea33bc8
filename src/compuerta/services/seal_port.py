"""The port to seals of postings, and the anchors of days."""

from typing import Protocol


class Seals(Protocol):
    """What a use case may ask about seals of postings, and the anchors of days."""
