"""Months of the books, in memory."""

from compuerta.adapters.memory.tables import Tables


class MemoryPeriods:
    """See `period_port.Periods`."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables
