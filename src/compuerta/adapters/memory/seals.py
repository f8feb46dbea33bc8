"""Seals and anchors of the journal, in memory."""

from compuerta.adapters.memory.tables import Tables


class MemorySeals:
    """See `seal_port.Seals`."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables
