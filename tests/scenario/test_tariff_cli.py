"""`compuerta tariff` as one types it: what it shows, what it brings in, and one line where it refuses."""

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.unit.services.town import a_town

from compuerta.adapters.postgres.store import PostgresStore
from compuerta.apps import cli

RATE = {
    "name": "Residential",
    "utility": "A utility",
    "energyratestructure": [[{"max": 100, "rate": 0.10}, {"rate": 0.20}]],
    "energyweekdayschedule": [[0] * 24] * 12,
    "energyweekendschedule": [[0] * 24] * 12,
}


@dataclass(frozen=True, kw_only=True)
class Told:
    """How a command ended, and what it wrote."""

    code: int
    out: str
    complaint: str


Tariff = Callable[..., Told]


@pytest.fixture
def tariff(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Tariff:
    """Types a command of `compuerta tariff` in this process."""
    monkeypatch.setattr(cli, "_log_to_stderr", lambda: None)
    monkeypatch.setenv("COLUMNS", "200")

    def run(*arguments: str) -> Told:
        monkeypatch.setattr(sys, "argv", ["compuerta", "tariff", *arguments])
        code = 0
        try:
            cli.main()
        except SystemExit as ended:
            code = int(ended.code or 0)
        told = capsys.readouterr()
        return Told(code=code, out=told.out, complaint=told.err)

    return run


@pytest.fixture
def house(monkeypatch: pytest.MonkeyPatch, postgres_url: str) -> None:
    """A house with one meter, whose database the commands use."""
    monkeypatch.setenv("DATABASE_URL", postgres_url)
    store = PostgresStore(postgres_url)
    a_town(store, model="dlt645-standard-4g")
    store.shut()


def test_the_library_is_listed(tariff: Tariff) -> None:
    told = tariff("library")

    assert told.code == 0
    assert all(path.name in told.out for path in Path("tariffs").glob("*.yaml"))


def test_a_file_without_faults_says_which_meters_can_deduct_by_it(tariff: Tariff) -> None:
    fine = tariff("check", "tariffs/monthly-two-steps.yaml")
    spain = tariff("check", "tariffs/spain-2-0td.yaml")

    assert "Two monthly steps: no faults" in fine.out
    assert [line.split("│")[2].strip() for line in fine.out.splitlines() if "standard-4g" in line] == ["yes"]
    assert "rounding.place: a meter rounds its running total: write running" in spain.out


def test_a_file_with_a_fault_is_refused_with_its_line(tariff: Tariff, tmp_path: Path) -> None:
    file = tmp_path / "faulty.yaml"
    file.write_text(
        Path("tariffs/monthly-two-steps.yaml").read_text().replace('bounds_kwh: ["100"]', "bounds_kwh: [100]")
    )

    told = tariff("check", str(file))

    assert (told.code, told.out) == (1, "")
    assert "faulty.yaml:9: components[0].steps.bounds_kwh[0]" in told.complaint
    assert told.complaint.count("\n") == 1


def test_a_rate_of_the_openei_database_is_checked(tariff: Tariff, tmp_path: Path) -> None:
    file = tmp_path / "rate.json"
    file.write_text(json.dumps({"items": [RATE]}))

    told = tariff("check", str(file), "--urdb")

    assert (told.code, told.complaint) == (0, "")
    assert "Residential: no faults" in told.out


@pytest.mark.parametrize("text", ["{", "[]", '{"items": 1', "7", "9" * 5_000, "[" * 99_999])
def test_what_is_no_rate_is_refused_in_one_line(tariff: Tariff, tmp_path: Path, text: str) -> None:
    file = tmp_path / "rate.json"
    file.write_text(text)

    told = tariff("check", str(file), "--urdb")

    assert told.code == 1
    assert "rate.json:1: " in told.complaint
    assert told.complaint.count("\n") == 1


@pytest.mark.postgres
@pytest.mark.slow
def test_a_file_becomes_a_draft_that_is_listed_and_shown(tariff: Tariff, house: None) -> None:
    begun = tariff("import", "tariffs/monthly-two-steps.yaml", "--organisation", "1", "--from", "2027-01-01")

    assert "Two monthly steps is tariff 2; version 1 is a draft" in begun.out
    (line,) = [line for line in tariff("list").out.splitlines() if "Two monthly steps" in line]
    assert [part.strip() for part in line.split("│")[3:7]] == ["CNY", "1", "draft", "2027-01-01 00:00"]
    shown = tariff("show", "2", "1").out
    assert "draft, from 2027-01-01 00:00 at each site" in shown
    assert "name: Two monthly steps" in shown
    assert "The platform deducts for 0 accounts." in shown


@pytest.mark.postgres
@pytest.mark.slow
def test_a_meter_that_nobody_told_is_shown_and_told(tariff: Tariff, house: None) -> None:
    before = tariff("show", "1", "1").out

    sent = tariff("send", "1", "1", "--why", "installed today").out

    after = tariff("show", "1", "1").out
    counts = [
        [line.split("│")[2].strip() for line in out.splitlines() if f"│ {stand}" in line]
        for stand in ("untold", "waiting")
        for out in (before, after)
    ]
    assert sent == "1 meters are told\n"
    assert counts == [["1"], ["0"], ["0"], ["1"]]


@pytest.mark.postgres
@pytest.mark.slow
@pytest.mark.parametrize(
    "arguments", [("show", "9", "1"), ("show", "1", "9"), ("send", "1", "9", "--why", "a new meter")]
)
def test_what_is_not_there_is_refused_in_one_line(
    tariff: Tariff, house: None, arguments: tuple[str, ...]
) -> None:
    told = tariff(*arguments)

    assert told.code == 1
    assert told.complaint.startswith("TariffUnknown: there is no version")
    assert told.complaint.count("\n") == 1


@pytest.mark.postgres
@pytest.mark.slow
def test_a_name_that_is_taken_is_refused_in_one_line(tariff: Tariff, house: None) -> None:
    arguments = ("import", "tariffs/monthly-two-steps.yaml", "--organisation", "1", "--from", "2027-01-01")
    tariff(*arguments)

    told = tariff(*arguments)

    assert told.code == 1
    assert told.complaint.startswith("NameTaken: ")
