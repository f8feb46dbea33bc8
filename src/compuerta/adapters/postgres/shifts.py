"""Tills, shifts, and sales under numbers, in PostgreSQL."""

from compuerta.adapters.postgres.rows import Asked


class PostgresShifts:
    """See `shift_port.Shifts`."""

    def __init__(self, tx: Asked) -> None:
        self._tx = tx
