"""Two databases that begin alike, to be told the same in two ways."""

from collections.abc import Iterator
from contextlib import closing
from typing import Any

import psycopg
import pytest
from psycopg import sql
from tests.conftest import url_of


@pytest.fixture
def twins(postgres_url: str, postgres_template: str, worker_id: str) -> Iterator[tuple[str, str]]:
    """Two databases, alike and empty."""
    name = f"twin_{worker_id}"
    with closing(psycopg.connect(postgres_url, autocommit=True)) as connection:
        twin = sql.Identifier(name)
        connection.execute(sql.SQL("drop database if exists {} with (force)").format(twin))
        connection.execute(
            sql.SQL("create database {} template {}").format(twin, sql.Identifier(postgres_template))
        )
        yield postgres_url, url_of(postgres_url, name)
        connection.execute(sql.SQL("drop database {} with (force)").format(twin))


def dumped(url: str, table: str) -> list[tuple[Any, ...]]:
    with closing(psycopg.connect(url)) as connection:
        # Since when a relay differs is when somebody looked, and that is once more by columns.
        query = sql.SQL("select (to_jsonb(t) - 'differs_since')::text from {} t order by 1").format(
            sql.Identifier(table)
        )
        return connection.execute(query).fetchall()
