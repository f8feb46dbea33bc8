"""Roll-forwards of accounts, and drifts, in memory."""

from compuerta.adapters.memory.tables import Tables


class MemoryDays:
    """See `day_port.Days`."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables
