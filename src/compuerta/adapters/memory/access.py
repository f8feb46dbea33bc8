"""Roles and grants, in memory."""

from compuerta.adapters.memory.tables import Tables


class MemoryAccess:
    """See `access_port.Access`."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables
