"""Contacts, templates, and the outbox of words, in PostgreSQL."""

from compuerta.adapters.postgres.rows import Asked


class PostgresMessages:
    """See `message_port.Messages`."""

    def __init__(self, tx: Asked) -> None:
        self._tx = tx
