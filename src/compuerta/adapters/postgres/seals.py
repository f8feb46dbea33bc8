"""Seals and anchors of the journal, in PostgreSQL."""

from compuerta.adapters.postgres.rows import Asked


class PostgresSeals:
    """See `seal_port.Seals`."""

    def __init__(self, tx: Asked) -> None:
        self._tx = tx
