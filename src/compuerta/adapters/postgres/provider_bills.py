"""Providers' bills, and what of them does not agree, in PostgreSQL."""

from compuerta.adapters.postgres.rows import Asked


class PostgresStatements:
    """See `statement_port.Statements`."""

    def __init__(self, tx: Asked) -> None:
        self._tx = tx
