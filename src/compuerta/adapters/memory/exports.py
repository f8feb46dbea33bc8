"""The chart of accounts, and exports, in memory."""

from compuerta.adapters.memory.tables import Tables


class MemoryExports:
    """See `export_port.Exports`."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables
