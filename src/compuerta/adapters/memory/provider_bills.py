"""Providers' bills, and what of them does not agree, in memory."""

from compuerta.adapters.memory.tables import Tables


class MemoryStatements:
    """See `statement_port.Statements`."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables
