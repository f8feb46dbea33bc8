"""`compuerta intervals` and `registers` as one types them: all comes in once, and a bad line is named."""

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
REGISTERS_HEAD = "meter_no,at,kwh\n"
Brought = tuple[int, str, str]  # exit code, what was written, what was complained of


@pytest.fixture
def brought(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], postgres_url: str, tmp_path: Path
) -> Callable[..., Brought]:
    """Types `compuerta intervals import`, or another command, with a file of these contents."""
    monkeypatch.setattr(cli, "_log_to_stderr", lambda: None)
    monkeypatch.setenv("DATABASE_URL", postgres_url)
    store = PostgresStore(postgres_url)
    a_town(store)
    store.shut()

    def run(contents: str, command: str = "intervals") -> Brought:
        file = tmp_path / "days.csv"
        file.write_text(contents, encoding="utf-8", errors="surrogateescape")
        monkeypatch.setattr(sys, "argv", ["compuerta", command, "import", str(file)])
        code = 0
        try:
            cli.main()
        except SystemExit as ended:
            code = int(ended.code or 0)
        told = capsys.readouterr()
        return code, told.out, told.err

    return run


def test_days_of_a_file_are_taken_once(brought: Callable[..., Brought], postgres_url: str) -> None:
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
    brought: Callable[..., Brought], contents: str, line: str
) -> None:
    code, out, complaint = brought(contents)

    assert code != 0
    assert not out and line in complaint


def test_registers_of_a_file_are_charged_once(brought: Callable[..., Brought], postgres_url: str) -> None:
    lines = (
        "000000000001,2026-11-22T12:30+08:00,1.00\n"
        "000000000099,2026-11-22T12:30+08:00,1.00\n"
        "000000000001,2026-11-22T13:30+08:00,2.5\n"
    )

    first = brought(REGISTERS_HEAD + lines, "registers")
    second = brought(REGISTERS_HEAD + lines, "registers")

    assert first == second == (0, "meter_unknown: 1\ntaken: 2\n", "")
    store = PostgresStore(postgres_url)
    charges = store.query("select from_wh, to_wh, amount_minor from charge order by from_wh", {})
    store.shut()
    assert [tuple(row.values()) for row in charges] == [(0, 1_000, 53), (1_000, 2_500, 80)]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("000000000001,2026-11-23T00:00,1", "an instant needs its offset from UTC"),
        ("000000000001,yesterday,1", "line 2"),
        ("000000000001,2026-11-23T00:00+08:00,1e9", "'1e9' is no register"),
        ("000000000001,2026-11-23T00:00+08:00,-1", "'-1' is no register"),
        ("000000000001,2026-11-23T00:00+08:00,1.0001", "'1.0001' is no register"),
        ("000000000001,9999-11-23T00:00+08:00,1", "write a year from 2000 to 2199"),
        ("000000000001", "line 2"),
    ],
)
def test_a_register_that_is_none_is_named(brought: Callable[..., Brought], line: str, reason: str) -> None:
    code, told, complaint = brought(f"{REGISTERS_HEAD}{line}\n", "registers")

    assert (code, told) == (1, "")
    assert reason in complaint
