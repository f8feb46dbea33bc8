"""The chart of accounts, and exports, in PostgreSQL."""

from compuerta.adapters.postgres.rows import Asked


class PostgresExports:
    """See `export_port.Exports`."""

    def __init__(self, tx: Asked) -> None:
        self._tx = tx
