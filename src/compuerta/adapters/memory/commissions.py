"""Commissioning, in memory."""

from compuerta.adapters.memory.tables import Tables


class MemoryCommissions:
    """See `commission_port.Commissions`."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables
