"""Roll-forwards of accounts, and drifts, in PostgreSQL."""

from compuerta.adapters.postgres.rows import Asked


class PostgresDays:
    """See `day_port.Days`."""

    def __init__(self, tx: Asked) -> None:
        self._tx = tx
