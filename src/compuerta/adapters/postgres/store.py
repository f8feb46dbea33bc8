"""PostgreSQL behind the store port: one connection, one transaction per use case.

A store belongs to one thread (see the decision on batches): it keeps one connection, works as the role
`compuerta_work` that may not change money rows, sends statements in pipeline mode, and opens the connection
anew when it was lost. Foreign errors become ours here, once.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Self

import psycopg
from psycopg.conninfo import make_conninfo
from psycopg.rows import dict_row

from compuerta.adapters.postgres import walls
from compuerta.adapters.postgres.hints import CHANNEL
from compuerta.adapters.postgres.transaction import Connection, PostgresTransaction
from compuerta.adapters.postgres.walls import Wall
from compuerta.domain.errors import Refused, Unreachable
from compuerta.services.period_port import CLOSED_SQLSTATE, PeriodClosed
from compuerta.services.schedules import Schedules
from compuerta.services.store_port import Conflict, ConstraintBroken

# Nothing that a use case does takes long; a statement that does is waiting for somebody who died.
OPTIONS = "-c role=compuerta_work -c timezone=UTC -c statement_timeout=30s -c lock_timeout=10s"
# A use case reaches a few rows by their keys. Planning anew for each batch costs as much as the batch; and a
# plan is kept, so one that was made while tables were small must not read them whole when they have grown.
_BY_KEY = (
    "-c plan_cache_mode=force_generic_plan -c random_page_cost=1.1"
    " -c enable_hashjoin=off -c enable_mergejoin=off"
)
_CONNECT_TIMEOUT_S = 5
# A machine that is gone says nothing: without these, each side would wait two hours for the other, the server
# with our locks. Nothing of it counts on a local socket.
_KEEPALIVE = {
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 20_000,
}
_KEEPALIVE_OF_SERVER = (
    " -c tcp_keepalives_idle=10 -c tcp_keepalives_interval=5 -c tcp_keepalives_count=3"
    " -c tcp_user_timeout=20000"
)
# A process that is frozen inside a transaction keeps its locks, and payments wait for them. In a pipeline it
# is never idle, so that no older setting ends it; this one came with PostgreSQL 17.
_LONGEST_TRANSACTION = "set transaction_timeout = '60s'"
_LONGEST_TRANSACTION_SINCE = 170_000
# What a server says of our role before anything was ever migrated on it; at connecting there is no SQLSTATE.
_ROLE_MISSING = 'role "compuerta_work" does not exist'
# Somebody was faster with the same key or the same rows; psycopg's classes of one SQLSTATE have no family.
_CONFLICTS = (
    psycopg.errors.UniqueViolation,
    psycopg.errors.DeadlockDetected,
    psycopg.errors.SerializationFailure,
)


class DatabaseAway(Unreachable):
    """The database does not answer; nothing was written."""


class SchemaMissing(Refused):
    """The database has none of our tables, or not all of them."""

    def __init__(self) -> None:
        super().__init__("the database has not been prepared for this release; run `compuerta migrate`")


class PostgresStore:
    """This will keep one connection to a database and run use cases on it, one at a time."""

    def __init__(self, url: str, *, options: str = f"{OPTIONS} {_BY_KEY}") -> None:
        self._url = url
        self._options = options
        self._schedules = Schedules()
        self._connection: Connection | None = None
        self._wall: Wall | None = None

    @contextmanager
    def within(self, wall: Wall | None) -> Iterator[Self]:
        """Hold every transaction of a block to what lies within a wall; None = it serves everybody."""
        before, self._wall = self._wall, wall
        try:
            yield self
        finally:
            self._wall = before

    @contextmanager
    def transaction(self) -> Iterator[PostgresTransaction]:
        """Begin a transaction; see `store_port.Store`."""
        with self._translated():
            connection = self._connected()
            with connection.pipeline(), self._begun(connection) as transaction:
                yield transaction

    @contextmanager
    def copying(self) -> Iterator[tuple[PostgresTransaction, Connection]]:
        """Begin a transaction in which rows can be copied: that is not possible in a pipeline."""
        with self._translated():
            connection = self._connected()
            with self._begun(connection) as transaction:
                yield transaction, connection

    @contextmanager
    def _begun(self, connection: Connection) -> Iterator[PostgresTransaction]:
        transaction = PostgresTransaction(connection, self._schedules)
        with connection.transaction():
            if self._wall is not None:
                connection.execute(walls.PUT_UP, self._wall.values)
            yield transaction
            transaction.flush()
        if transaction.made_work:
            connection.execute(f"notify {CHANNEL}")

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except _CONFLICTS as error:
            raise Conflict(str(error)) from error
        except (psycopg.IntegrityError, psycopg.DataError, psycopg.errors.InsufficientPrivilege) as error:
            raise ConstraintBroken(str(error)) from error
        except (psycopg.errors.UndefinedTable, psycopg.errors.UndefinedColumn) as error:
            raise SchemaMissing from error
        except (psycopg.OperationalError, psycopg.InterfaceError, psycopg.errors.TransactionTimeout) as error:
            self.shut()
            if _ROLE_MISSING in str(error):
                raise SchemaMissing from error
            raise DatabaseAway(str(error)) from error
        except psycopg.DatabaseError as error:
            if error.sqlstate == CLOSED_SQLSTATE:
                raise PeriodClosed(error.diag.message_primary or "") from error
            raise

    def query(self, statement: str, values: Mapping[str, object]) -> list[dict[str, Any]]:
        """Read by one statement, for screens and machines; changes go through use cases."""
        with self.transaction() as tx:
            return tx.query(statement, values)

    def shut(self) -> None:
        """Close the connection; the next transaction opens a new one."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def _connected(self) -> Connection:
        if self._connection is None or self._connection.closed:
            self._connection = psycopg.connect(
                make_conninfo(self._url, **_KEEPALIVE),
                options=self._options + _KEEPALIVE_OF_SERVER,
                connect_timeout=_CONNECT_TIMEOUT_S,
                autocommit=True,
                row_factory=dict_row,
            )
            self._connection.prepare_threshold = 2
            if self._connection.info.server_version >= _LONGEST_TRANSACTION_SINCE:
                self._connection.execute(_LONGEST_TRANSACTION)
        return self._connection
