"""The port to contacts, templates, and the outbox of words: rows as they are, inside a transaction."""

from typing import Protocol


class Messages(Protocol):
    """What a use case may ask about contacts, templates, and the outbox of words."""
