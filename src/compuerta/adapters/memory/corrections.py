"""Putting money right: corrections by two people, refunds, disputes, in memory."""

from compuerta.adapters.memory.tables import Tables


class MemoryCorrections:
    """See `correction_port.Corrections`."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables
