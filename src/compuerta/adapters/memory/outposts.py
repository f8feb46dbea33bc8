"""Outposts, in memory."""

from compuerta.adapters.memory.tables import Tables


class MemoryOutposts:
    """See `outpost_port.Outposts`."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables
