"""Plans, in PostgreSQL."""

from compuerta.adapters.postgres.rows import Asked


class PostgresPlans:
    """See `plan_port.Plans`."""

    def __init__(self, tx: Asked) -> None:
        self._tx = tx
