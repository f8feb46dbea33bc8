"""Plans, in memory."""

from compuerta.adapters.memory.tables import Tables


class MemoryPlans:
    """See `plan_port.Plans`."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables
