"""The port to roles and grants: rows as they are, inside a transaction."""

from typing import Protocol


class Access(Protocol):
    """What a use case may ask about roles and grants."""
