"""What an account owes from before, and what each part of a recharge was for, in memory."""

from compuerta.adapters.memory.tables import Tables


class MemoryDues:
    """See `dues_port.Dues`."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables
