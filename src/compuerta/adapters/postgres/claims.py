"""Unsigned words about money, until the provider was asked, in PostgreSQL."""

from compuerta.adapters.postgres.rows import Asked


class PostgresClaims:
    """See `claim_port.Claims`."""

    def __init__(self, tx: Asked) -> None:
        self._tx = tx
