"""Supply points, accounts that begin and end, meters that are exchanged, in memory."""

from compuerta.adapters.memory.tables import Tables


class MemoryOccupancy:
    """See `occupancy_port.Occupancy`."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables
