"""The port to daily reports, and the monthly statements of owners and residents."""

from typing import Protocol


class Reports(Protocol):
    """What a use case may ask about daily reports, and the monthly statements of owners and residents."""
