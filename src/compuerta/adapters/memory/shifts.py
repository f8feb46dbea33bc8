"""Tills, shifts, and sales under numbers, in memory."""

from compuerta.adapters.memory.tables import Tables


class MemoryShifts:
    """See `shift_port.Shifts`."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables
