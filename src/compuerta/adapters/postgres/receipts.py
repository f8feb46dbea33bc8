"""What was handed out for recharges, in PostgreSQL."""

from compuerta.adapters.postgres.rows import Asked


class PostgresReceipts:
    """See `receipt_port.Receipts`."""

    def __init__(self, tx: Asked) -> None:
        self._tx = tx
