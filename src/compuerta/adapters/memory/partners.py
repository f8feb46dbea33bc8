"""Machines that ask: what was answered under their keys, and what they want to be told, in memory."""

from compuerta.adapters.memory.tables import Tables


class MemoryPartners:
    """See `partner_port.Partners`."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables
