"""Invoices, in PostgreSQL."""

from compuerta.adapters.postgres.rows import Asked


class PostgresInvoices:
    """See `invoice_port.Invoices`."""

    def __init__(self, tx: Asked) -> None:
        self._tx = tx
