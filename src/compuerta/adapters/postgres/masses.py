"""Orders for many supplies at once, in PostgreSQL."""

from compuerta.adapters.postgres.rows import Asked


class PostgresMasses:
    """See `mass_port.Masses`."""

    def __init__(self, tx: Asked) -> None:
        self._tx = tx
