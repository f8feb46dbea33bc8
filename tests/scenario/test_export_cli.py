"""`compuerta export` as one types it: a month to a file, twice the same, and one line where it refuses."""

import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from tests.unit.services.town import a_posting, a_town

from compuerta.adapters.postgres.store import PostgresStore
from compuerta.apps import cli, wiring

pytestmark = [pytest.mark.postgres, pytest.mark.slow]


@dataclass(frozen=True, kw_only=True)
class Told:
    """How a command ended, and what it wrote."""

    code: int
    out: str
    complaint: str


Export = Callable[..., Told]


@pytest.fixture
def export(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], postgres_url: str) -> Export:
    """Types a command of `compuerta export` in this process, about a house with one sale."""
    monkeypatch.setattr(cli, "_log_to_stderr", lambda: None)
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("DATABASE_URL", postgres_url)
    store = PostgresStore(postgres_url)
    town = a_town(store)
    with store.transaction() as tx:
        tx.book([replace(a_posting(town.homes[0].account_id), booked_at=wiring.now())])
    store.shut()

    def run(*arguments: str) -> Told:
        monkeypatch.setattr(sys, "argv", ["compuerta", "export", *arguments])
        code = 0
        try:
            cli.main()
        except SystemExit as ended:
            code = int(ended.code or 0)
        told = capsys.readouterr()
        return Told(code=code, out=told.out, complaint=told.err)

    return run


def this_month(*more: str) -> tuple[str, ...]:
    return ("journal", "--month", f"{wiring.now():%Y-%m}", *more)


def test_a_month_goes_to_a_file_and_its_answers_come_back(export: Export, tmp_path: Path) -> None:
    first, second, answers = (tmp_path / name for name in ("first.csv", "second.csv", "answers.csv"))
    answers.write_text("voucher_no,their_no,ok\n1,17,yes\n", encoding="utf-8")

    made = export(*this_month("--format", "csv", "--layout", "kingdee", "--out", str(first)))
    again = export(*this_month("--format", "csv", "--layout", "kingdee", "--out", str(second)))
    acknowledged = export("acknowledge", "1", str(answers))
    listed = export("list")

    assert (made.code, again.code, acknowledged.code, listed.code) == (0, 0, 0, 0)
    assert "export 1 (new)" in made.complaint
    assert "export 1 (as it was told before)" in again.complaint
    assert first.read_bytes() == second.read_bytes()
    assert "借方金额" in first.read_text(encoding="utf-8-sig")
    assert acknowledged.out == "1 new answers of 1\n"
    assert "the chain of seals holds" in listed.out


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("journal", "--month", "2026-13", "--format", "csv"), "MonthMalformed"),
        (("journal", "--month", "2998-01", "--format", "csv"), "MonthAhead"),
        (this_month("--format", "csv", "--site", "99"), "SiteUnknown"),
        (this_month("--format", "csv", "--layout", "sap"), "LayoutUnfit"),
        (this_month("--format", "csv", "--out", "/nowhere/at/all"), "FileUnwritable"),
    ],
)
def test_what_cannot_be_exported_is_refused_in_one_line(
    export: Export, arguments: tuple[str, ...], complaint: str
) -> None:
    told = export(*arguments)

    assert told.code == 1
    assert told.complaint.startswith(complaint)
    assert told.complaint.count("\n") == 1


@pytest.mark.parametrize(
    "text",
    ["", "voucher_no,their_no\n1,17\n", "voucher_no,their_no,ok\n1,17,maybe\n", 'voucher_no,their_no,ok\n"1'],
)
def test_a_file_of_answers_that_is_none_is_refused(export: Export, tmp_path: Path, text: str) -> None:
    export(*this_month("--format", "csv", "--out", str(tmp_path / "books.csv")))
    answers = tmp_path / "answers.csv"
    answers.write_text(text, encoding="utf-8")

    told = export("acknowledge", "1", str(answers))

    assert told.code == 1
    assert told.complaint.startswith("AnswerUnfit")
