"""Invoices, in memory."""

from compuerta.adapters.memory.tables import Tables


class MemoryInvoices:
    """See `invoice_port.Invoices`."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables
