"""Bank statements, in memory."""

from compuerta.adapters.memory.tables import Tables


class MemoryBanks:
    """See `bank_port.Banks`."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables
