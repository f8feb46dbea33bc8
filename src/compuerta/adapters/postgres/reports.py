"""Reports and statements, in PostgreSQL."""

from compuerta.adapters.postgres.rows import Asked


class PostgresReports:
    """See `report_port.Reports`."""

    def __init__(self, tx: Asked) -> None:
        self._tx = tx
