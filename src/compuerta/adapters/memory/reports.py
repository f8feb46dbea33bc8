"""Reports and statements, in memory."""

from compuerta.adapters.memory.tables import Tables


class MemoryReports:
    """See `report_port.Reports`."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables
