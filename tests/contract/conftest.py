"""The two stores that ship, each with a way to look at rows that no use case reads."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import Protocol

import psycopg
import pytest
from psycopg import sql
from tests.contract.door import Place, a_place

from compuerta.adapters.memory import MemoryStore
from compuerta.adapters.postgres.store import PostgresStore
from compuerta.services.store_port import Store


class Shelf(Protocol):
    """A store under contract, and how to look into it."""

    @property
    def store(self) -> Store: ...

    def count(self, table: str) -> int:
        """Return how many rows a table has, by PostgreSQL's name of it."""
        ...

    def alarm_times(self, *, kind: str, subject: str) -> int: ...

    def ends_alive(self) -> int: ...

    def booked_minor(self, code: str) -> int:
        """Return what the ledger has under a code, over all accounts."""
        ...


# The tables whose name in memory is another one.
_NAMES_IN_MEMORY = {
    "case_file": "cases",
    "webhook_delivery": "webhook_deliveries",
    "inbound_message": "inbound",
    "audit": "audit",
    "recharge_instant": "instants",
    "role_beat": "beats",
    "endpoint_state": "ends",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryShelf:
    """The store in memory."""

    store: MemoryStore

    def count(self, table: str) -> int:
        return len(getattr(self.store.tables, _NAMES_IN_MEMORY.get(table, f"{table}s")))

    def alarm_times(self, *, kind: str, subject: str) -> int:
        _, times = self.store.tables.alarms[kind, subject]
        return times

    def ends_alive(self) -> int:
        return sum(alive for alive, _ in self.store.tables.ends.values())

    def booked_minor(self, code: str) -> int:
        lines = (line for posting in self.store.tables.postings.values() for line in posting.lines)
        return sum(line.amount_minor for line in lines if line.code == code)


@dataclass(frozen=True, slots=True, kw_only=True)
class PostgresShelf:
    """The store in PostgreSQL, looked at by a connection of its own."""

    store: PostgresStore
    url: str

    def count(self, table: str) -> int:
        return self._number(sql.SQL("select count(*) from {}").format(sql.Identifier(table)))

    def alarm_times(self, *, kind: str, subject: str) -> int:
        query = "select times from alarm where kind = {} and subject = {}"
        return self._number(sql.SQL(query).format(kind, subject))

    def ends_alive(self) -> int:
        return self._number(sql.SQL("select count(*) from endpoint_state where alive").format())

    def booked_minor(self, code: str) -> int:
        query = """select coalesce(sum(amount_minor), 0)
            from posting, unnest(codes, amounts_minor) as line (code, amount_minor) where code = {}"""
        return self._number(sql.SQL(query).format(code))

    def _number(self, query: sql.Composed) -> int:
        with closing(psycopg.connect(self.url)) as connection:
            row = connection.execute(query).fetchone()
        assert row is not None
        return int(row[0])


@pytest.fixture(params=["memory", pytest.param("postgres", marks=pytest.mark.postgres)])
def shelf(request: pytest.FixtureRequest) -> Iterator[Shelf]:
    """Each store that ships, empty."""
    if request.param == "memory":
        yield MemoryShelf(store=MemoryStore())
        return
    url = request.getfixturevalue("postgres_url")
    store = PostgresStore(url)
    try:
        yield PostgresShelf(store=store, url=url)
    finally:
        store.shut()


@pytest.fixture
def store(shelf: Shelf) -> Store:
    """Each store that ships, where no look into it is needed."""
    return shelf.store


@pytest.fixture(scope="module")
def place(postgres_url_of_module: str) -> Iterator[Place]:
    """A door before a database of the module's own."""
    with a_place(postgres_url_of_module) as place:
        yield place
