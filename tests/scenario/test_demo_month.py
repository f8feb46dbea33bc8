"""The story of a month is a test: each day is ended, each planted fault is found, and other books agree."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from compuerta.apps import month_facts, month_story, month_world
from compuerta.apps.playing import Play
from compuerta.apps.stage import Stage

pytestmark = [pytest.mark.slow, pytest.mark.postgres]

MONTH = "2026-10"
COMMAND_S_MAX = 120.0
PROMISES = {"M1", "M2", "M3", "M4", "D1", "D2", "D3", "S1", "S2", "S3", "S4", "T1", "T2", "W3"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Month:
    """A month that was played, and the installation that it was played in."""

    facts: dict[str, Any]
    environment: dict[str, str]

    def run(self, *words: str) -> "subprocess.CompletedProcess[str]":
        """Give the program a command."""
        return subprocess.run(
            [sys.executable, "-m", "compuerta.apps.cli", *words],
            env={**os.environ, **self.environment},
            capture_output=True,
            text=True,
            timeout=COMMAND_S_MAX,
            check=False,
        )


@pytest.fixture(scope="module")
def month() -> Iterator[Month]:
    with Stage(homes=month_world.plan(), public=False, fast_test=True) as stage:
        month_story.open_books(stage, lambda what: None)
        facts = month_story.play(Play(stage=stage, console=Console(quiet=True)))
        yield Month(facts=json.loads(json.dumps(facts)), environment=stage.environment())


def test_every_planted_fault_becomes_its_case_and_nothing_else_does(month: Month) -> None:
    assert month.facts["missing"] == []
    found = {(each["place"], each["kind"]) for each in month.facts["cases"]}
    assert found == set(month_facts.EXPECTED_CASES)


def test_every_promise_is_kept_day_by_day(month: Month) -> None:
    assert month.facts["promises"].keys() >= PROMISES
    for name in PROMISES:
        assert month.facts["promises"][name]["checked"] > 0, name
    assert {name: each["lines"] for name, each in month.facts["promises"].items() if each["broken"]} == {}


def test_every_day_is_ended_and_the_nights_without_a_road_are_opened_again(month: Month) -> None:
    days = [each for each in month.facts["days"] if each["site"] == "Torre Jacaranda"]

    assert len(days) == month_world.DAYS
    assert {each["step"] for each in days} == {"done"}
    assert [each["day"][-2:] for each in days if each["version"] > 1] == ["15", "16"]
    assert {(each["provisional"], each["missing"]) for each in days} == {(0, 0)}


def test_what_is_told_five_times_is_credited_once_and_an_edited_row_is_named(month: Month) -> None:
    noted = month.facts["noted"]

    assert noted["double_entry"] == {"told_again": month_story.REPEATS, "credited_again": 0}
    assert noted["edited_row"]["found"] == [
        {"wrong": "changed", "posting": noted["edited_row"]["posting_id"]}
    ]
    assert noted["edited_row"]["after_it_was_put_back"] == []


def test_a_clock_that_is_off_and_an_opened_cover_are_alarms_and_nothing_else_is(month: Month) -> None:
    assert sorted(each["kind"] for each in month.facts["alarms"]) == ["clock_drift", "cover_open"]


def test_the_journal_verifies_from_its_rows(month: Month) -> None:
    told = month.run("verify", "--json")

    assert told.returncode == 0, told.stderr
    assert json.loads(told.stdout)["whole"] is True


@pytest.mark.parametrize(
    ("form", "checker"),
    [("hledger", ("hledger", "check", "--strict", "-f")), ("beancount", ("bean-check",))],
)
def test_other_books_accept_the_month(
    month: Month, tmp_path: Path, form: str, checker: tuple[str, ...]
) -> None:
    file = tmp_path / f"journal.{form}"
    made = month.run("export", "journal", "--format", form, "--month", MONTH, "--out", str(file))
    assert made.returncode == 0, made.stderr
    program, *words = checker
    beside = Path(sys.executable).with_name(program)
    program = str(beside) if beside.exists() else program

    read = subprocess.run(
        [program, *words, str(file)], capture_output=True, text=True, check=False, timeout=60
    )

    assert read.returncode == 0, read.stdout + read.stderr


def test_the_daily_report_is_there_as_paper_as_table_and_as_figures(month: Month, tmp_path: Path) -> None:
    for form, magic in (("pdf", b"%PDF"), ("xlsx", b"PK"), ("json", b"{")):
        file = tmp_path / f"report.{form}"
        told = month.run(
            "report", "daily", "--site", "1", "--date", f"{MONTH}-15", "--format", form, "--out", str(file)
        )

        assert told.returncode == 0, told.stderr
        assert file.read_bytes().startswith(magic), form
