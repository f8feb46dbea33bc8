"""Bank statements, in PostgreSQL."""

from compuerta.adapters.postgres.rows import Asked


class PostgresBanks:
    """See `bank_port.Banks`."""

    def __init__(self, tx: Asked) -> None:
        self._tx = tx
