"""What all tests share: one throw-away PostgreSQL, a fresh database per test, and calm property tests."""

import getpass
import itertools
import os
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import psycopg
import pytest
from hypothesis import HealthCheck, settings
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from compuerta.adapters.postgres import migrate
from compuerta.adapters.postgres.server import EmbeddedServer

# A deadline measures the machine and not the code; the shared machines of a CI are slow at random.
settings.register_profile("check", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("night", parent=settings.get_profile("check"), max_examples=5_000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "check"))

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def postgres_server(worker_id: str) -> Iterator[str]:
    """The address of a server for tests, one per xdist worker, gone when the session ends.

    With TEST_DATABASE_URL the tests run on that server instead, for example on another major version.
    """
    given = os.environ.get("TEST_DATABASE_URL")
    if given:
        yield given
        return
    with tempfile.TemporaryDirectory(prefix=f"cpt-{getpass.getuser()}-{worker_id}-") as name:
        # The account that runs the server for root has to pass; the database below shuts itself.
        Path(name).chmod(0o711)
        server = EmbeddedServer(Path(name) / "database", shared_buffers_mb=64, fast_test=True)
        try:
            yield server.start()
        finally:
            server.stop()


@pytest.fixture(scope="session")
def postgres_template(postgres_server: str, worker_id: str) -> str:
    """The name of a database with the whole schema, made once; each test gets a copy."""
    name = f"template_{worker_id}"
    _tell(postgres_server, sql.SQL("drop database if exists {}").format(sql.Identifier(name)))
    _tell(postgres_server, sql.SQL("create database {}").format(sql.Identifier(name)))
    with closing(psycopg.connect(url_of(postgres_server, name), autocommit=True)) as connection:
        for number in migrate.numbers():
            connection.execute(migrate.statements(number))
    return name


@pytest.fixture
def postgres_url(postgres_server: str, postgres_template: str, worker_id: str) -> Iterator[str]:
    """The address of a database of this test's own, a copy of the template."""
    with _a_copy(postgres_server, postgres_template, worker_id=worker_id) as url:
        yield url


@pytest.fixture(scope="module")
def postgres_url_of_module(postgres_server: str, postgres_template: str, worker_id: str) -> Iterator[str]:
    """The address of a database that the tests of one module share, a copy of the template."""
    with _a_copy(postgres_server, postgres_template, worker_id=worker_id) as url:
        yield url


@pytest.fixture(scope="session")
def worker_id(request: pytest.FixtureRequest) -> str:
    """The name of this xdist worker, also where the tests run without xdist."""
    return os.environ.get("PYTEST_XDIST_WORKER", "main")


def url_of(server_url: str, database: str) -> str:
    """Return the address of another database on the same server."""
    parts = {name: str(value) for name, value in conninfo_to_dict(server_url).items() if value is not None}
    return make_conninfo(**{**parts, "dbname": database})


@contextmanager
def _a_copy(server: str, template: str, *, worker_id: str) -> Iterator[str]:
    name = f"test_{worker_id}_{next(_numbers)}"
    identifier = sql.Identifier(name)
    _tell(server, sql.SQL("drop database if exists {} with (force)").format(identifier))
    _tell(server, sql.SQL("create database {} template {}").format(identifier, sql.Identifier(template)))
    yield url_of(server, name)
    _tell(server, sql.SQL("drop database {} with (force)").format(identifier))


def _tell(url: str, order: sql.Composed) -> None:
    with closing(psycopg.connect(url, autocommit=True)) as connection:
        connection.execute(order)
