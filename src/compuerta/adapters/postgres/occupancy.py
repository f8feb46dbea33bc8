"""Supply points, accounts that begin and end, meters that are exchanged, in PostgreSQL."""

from compuerta.adapters.postgres.rows import Asked


class PostgresOccupancy:
    """See `occupancy_port.Occupancy`."""

    def __init__(self, tx: Asked) -> None:
        self._tx = tx
