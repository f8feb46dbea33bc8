"""`compuerta intervals` as one types it: days come in once, and a bad line is named."""

import sys
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import pytest
from tests.unit.services.town import a_town

from compuerta.adapters.postgres.store import PostgresStore
from compuerta.apps import cli

pytestmark = [pytest.mark.postgres, pytest.mark.slow]

HEAD = "meter_no,starts_at,minutes,wh\n"
DAY = f"000000000001,2026-01-05T00:00+08:00,60,{' '.join(map(str, range(24)))}\n"
Brought = tuple[int, str, str]  # exit code, what was written, what was complained of


@pytest.fixture
def brought(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], postgres_url: str, tmp_path: Path
) -> Callable[[str], Brought]:
    """Types `compuerta intervals import` with a file of these contents."""
    monkeypatch.setattr(cli, "_log_to_stderr", lambda: None)
    monkeypatch.setenv("DATABASE_URL", postgres_url)
    store = PostgresStore(postgres_url)
    a_town(store)
    store.shut()

    def run(contents: str) -> Brought:
        file = tmp_path / "days.csv"
        file.write_text(contents, encoding="utf-8", errors="surrogateescape")
        monkeypatch.setattr(sys, "argv", ["compuerta", "intervals", "import", str(file)])
        code = 0
        try:
            cli.main()
        except SystemExit as ended:
            code = int(ended.code or 0)
        told = capsys.readouterr()
        return code, told.out, told.err

    return run


def test_days_of_a_file_are_taken_once(brought: Callable[[str], Brought], postgres_url: str) -> None:
    stranger = DAY.replace("000000000001", "000000000099")

    first = brought(HEAD + DAY + stranger)
    second = brought(HEAD + DAY)

    assert first == (0, "created: 1\nmeter_unknown: 1\n", "")
    assert second == (0, "exists: 1\n", "")
    store = PostgresStore(postgres_url)
    (row,) = store.query("select starts_at, minutes, wh from load_day", {})
    store.shut()
    assert row["starts_at"] == datetime.fromisoformat("2026-01-05T00:00+08:00")
    assert (row["minutes"], row["wh"]) == (60, list(range(24)))


@pytest.mark.parametrize(
    ("contents", "line"),
    [
        ("meter,day\n", "line 1"),
        (HEAD + DAY + "000000000001,yesterday,60,1\n", "line 3"),
        (HEAD + DAY.replace("+08:00", ""), "line 2"),
        (HEAD + DAY.replace(" 7 ", " seven "), "line 2"),
        (HEAD + "000000000001\n", "line 2"),
        (HEAD + DAY.replace("2026", "0001"), "line 2"),
        (HEAD + DAY.replace("2026", "9999"), "line 2"),
        (HEAD + DAY.replace(" 7 ", f" {'7' * 200_000} "), "line 2"),
        (HEAD + DAY.replace(" 7 ", " \udcff "), "line 1"),
    ],
)
def test_a_bad_line_is_named_and_its_thousand_not_taken(
    brought: Callable[[str], Brought], contents: str, line: str
) -> None:
    code, out, complaint = brought(contents)

    assert code != 0
    assert not out and line in complaint
