"""What an account owes from before, and what each part of a recharge was for, in PostgreSQL."""

from compuerta.adapters.postgres.rows import Asked


class PostgresDues:
    """See `dues_port.Dues`."""

    def __init__(self, tx: Asked) -> None:
        self._tx = tx
