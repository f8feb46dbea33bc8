"""Commissioning, in PostgreSQL."""

from compuerta.adapters.postgres.rows import Asked


class PostgresCommissions:
    """See `commission_port.Commissions`."""

    def __init__(self, tx: Asked) -> None:
        self._tx = tx
