"""`compuerta verify` as one types it: 0 where all is as it was sealed, 1 and names where it is not."""

import json
import sys
from collections.abc import Callable
from contextlib import closing

import psycopg
import pytest
from tests.contract.test_seals import DAY, a_street, at, booked, ended, last_anchor
from tests.unit.services.town import an_id

from compuerta.adapters.postgres.store import PostgresStore
from compuerta.apps import cli

pytestmark = pytest.mark.postgres

Typed = Callable[..., tuple[int, str, str]]


@pytest.fixture
def verify(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Typed:
    """Types `compuerta verify` in this process; returns the exit code, what was printed, and complaints."""
    monkeypatch.setattr(cli, "_log_to_stderr", lambda: None)
    monkeypatch.setenv("COLUMNS", "200")

    def run(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["compuerta", "verify", *arguments])
        code = 0
        try:
            cli.main()
        except SystemExit as ended:
            code = int(ended.code or 0)
        told = capsys.readouterr()
        return code, told.out, told.err

    return run


@pytest.fixture
def anchor(monkeypatch: pytest.MonkeyPatch, postgres_url: str) -> str:
    """The one anchor of a journal with one posting, whose database the command uses."""
    monkeypatch.setenv("DATABASE_URL", postgres_url)
    store = PostgresStore(postgres_url)
    town = a_street(store)
    booked(store, town, "a", when=at(DAY))
    ended(store, town)
    digest = last_anchor(store, town).digest.hex()
    store.shut()
    return digest


def rows(url: str, statement: str) -> list[tuple[object, ...]]:
    with closing(psycopg.connect(url, autocommit=True)) as connection:
        connection.execute("set session_replication_role = replica")
        found = connection.execute(statement)
        return found.fetchall() if found.description else []


def test_a_whole_journal_ends_with_0_and_is_noted(verify: Typed, anchor: str, postgres_url: str) -> None:
    code, out, _ = verify("--anchor", f"1: {anchor[:8]} {anchor[8:16]}")

    assert code == 0
    assert f"{anchor[:8]} {anchor[8:16]}" in out
    assert rows(postgres_url, "select anchor_no, postings, found from journal_check") == [(1, 1, 0)]


def test_an_edited_row_ends_with_1_and_is_named_for_machines(
    verify: Typed, anchor: str, postgres_url: str
) -> None:
    rows(postgres_url, "update posting set amounts_minor = '{1, -1}'")

    code, out, _ = verify("--json")

    told = json.loads(out)
    assert (code, told["whole"], told["last"]) == (1, False, {"1": anchor})
    assert [(each["wrong"], each["posting"], each["day"]) for each in told["found"]] == [
        ("changed", str(an_id("a")), DAY.isoformat())
    ]
    assert rows(postgres_url, "select found from journal_check") == [(1,)]


def test_what_is_no_anchor_is_refused_in_one_line(verify: Typed, anchor: str) -> None:
    code, out, complaint = verify("--anchor", anchor[:8])

    assert (code, out) == (1, "")
    assert "is no anchor" in complaint
