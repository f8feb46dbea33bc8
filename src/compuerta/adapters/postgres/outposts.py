"""Outposts, in PostgreSQL."""

from compuerta.adapters.postgres.rows import Asked


class PostgresOutposts:
    """See `outpost_port.Outposts`."""

    def __init__(self, tx: Asked) -> None:
        self._tx = tx
