"""Roles and grants, in PostgreSQL."""

from compuerta.adapters.postgres.rows import Asked


class PostgresAccess:
    """See `access_port.Access`."""

    def __init__(self, tx: Asked) -> None:
        self._tx = tx
