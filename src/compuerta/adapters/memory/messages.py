"""Contacts, templates, and the outbox of words, in memory."""

from compuerta.adapters.memory.tables import Tables


class MemoryMessages:
    """See `message_port.Messages`."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables
