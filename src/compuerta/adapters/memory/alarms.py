"""Alarms of meters, maintenance windows, feeders, in memory."""

from compuerta.adapters.memory.tables import Tables


class MemoryAlarms:
    """See `alarm_port.Alarms`."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables
