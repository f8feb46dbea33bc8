"""Unsigned words about money, until the provider was asked, in memory."""

from compuerta.adapters.memory.tables import Tables


class MemoryClaims:
    """See `claim_port.Claims`."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables
