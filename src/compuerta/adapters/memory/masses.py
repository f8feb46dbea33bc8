"""Orders for many supplies at once, in memory."""

from compuerta.adapters.memory.tables import Tables


class MemoryMasses:
    """See `mass_port.Masses`."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables
