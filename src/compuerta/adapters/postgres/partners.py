"""Machines that ask: what was answered under their keys, and what they want to be told, in PostgreSQL."""

from compuerta.adapters.postgres.rows import Asked


class PostgresPartners:
    """See `partner_port.Partners`."""

    def __init__(self, tx: Asked) -> None:
        self._tx = tx
