"""What was handed out for recharges, in memory."""

from compuerta.adapters.memory.tables import Tables


class MemoryReceipts:
    """See `receipt_port.Receipts`."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables
