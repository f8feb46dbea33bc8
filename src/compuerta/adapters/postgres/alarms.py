"""Alarms of meters, maintenance windows, feeders, in PostgreSQL."""

from compuerta.adapters.postgres.rows import Asked


class PostgresAlarms:
    """See `alarm_port.Alarms`."""

    def __init__(self, tx: Asked) -> None:
        self._tx = tx
