"""Months of the books, in PostgreSQL."""

from compuerta.adapters.postgres.rows import Asked


class PostgresPeriods:
    """See `period_port.Periods`."""

    def __init__(self, tx: Asked) -> None:
        self._tx = tx
