"""`compuerta report daily`: what somebody types to have a day as a file."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.contract.test_daily_reports import TODAY, a_day, ended

from compuerta.adapters.postgres.store import PostgresStore
from compuerta.apps import daily_cli
from compuerta.apps.daily_cli import DateFaulty

pytestmark = [pytest.mark.postgres, pytest.mark.slow]
COMMAND_S_MAX = 60
SITE = ("--site", "1", "--date", TODAY.isoformat())


@pytest.fixture
def url(postgres_url: str) -> str:
    """A database in which a day of a town has been reported."""
    store = PostgresStore(postgres_url)
    ended(store, a_day(store))
    store.shut()
    return postgres_url


def typed(url: str, directory: Path, *words: str) -> subprocess.CompletedProcess[bytes]:
    """Type the command in a process of its own, as Django is set up once in each."""
    environment = {**os.environ, "DATABASE_URL": url, "COMPUERTA_DATA": str(directory), "PYTHONPATH": "src"}
    command = [sys.executable, "-m", "compuerta.apps.cli", "report", "daily", *words]
    return subprocess.run(command, env=environment, capture_output=True, timeout=COMMAND_S_MAX, check=False)


def test_a_day_goes_to_the_output_in_a_language(url: str, tmp_path: Path) -> None:
    printed = typed(url, tmp_path, *SITE, "--format", "pdf", "--language", "zh-hans")

    assert printed.stdout.startswith(b"%PDF"), printed.stderr


def test_several_days_go_into_a_directory(url: str, tmp_path: Path) -> None:
    done = typed(url, tmp_path, *SITE, "--site", "1", "--format", "json", "--out", str(tmp_path / "days"))

    (file,) = (tmp_path / "days").iterdir()
    assert (done.returncode, file.name) == (0, f"report-1-{TODAY}-v1.json")
    assert json.loads(file.read_text())["facts"]["money"]["closing_minor"] == 9_940


def test_a_site_or_a_day_that_is_not_there_says_which_there_are(url: str, tmp_path: Path) -> None:
    site = typed(url, tmp_path, "--site", "9", "--date", TODAY.isoformat())
    day = typed(url, tmp_path, "--site", "1", "--date", "2020-01-01")

    assert (site.returncode, day.returncode) == (1, 1)
    assert b"there is no site 9; there are: 1 North" in site.stderr
    assert f"there are reports from {TODAY} to {TODAY}".encode() in day.stderr


@pytest.mark.parametrize(
    ("first", "last"),
    [("yesterday", None), ("2026-11-31", None), ("2026-11-21", "2026-11-20"), ("0001-01-01", "9999-12-31")],
)
def test_days_that_are_none_are_refused(first: str, last: str | None) -> None:
    with pytest.raises(DateFaulty):
        daily_cli.daily(site=[1], day=first, until=last)
