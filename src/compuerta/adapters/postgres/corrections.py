"""Putting money right: corrections by two people, refunds, disputes, in PostgreSQL."""

from compuerta.adapters.postgres.rows import Asked


class PostgresCorrections:
    """See `correction_port.Corrections`."""

    def __init__(self, tx: Asked) -> None:
        self._tx = tx
