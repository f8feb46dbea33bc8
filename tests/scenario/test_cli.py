"""The command line as one types it: what it prints, how it ends, and one line where it refuses."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import make_conninfo
from tests.unit.payments.wechat_side import NOON

from compuerta.adapters.postgres.store import PostgresStore
from compuerta.apps import cli, town
from compuerta.sim import runner

PATIENCE_S = 60.0
VECTORS = Path(cli.__file__).parents[1] / "wire" / "dlt645" / "vectors.json"
READ_ADDRESS = "68AAAAAAAAAAAA681300DF16"
COMMANDS = sorted(
    command.name or command.callback.__name__ for command in cli.app.registered_commands if command.callback
)


@dataclass(frozen=True, kw_only=True)
class Told:
    """How a command ended, and what it wrote."""

    code: int
    out: str
    complaint: str


Run = Callable[..., Told]


@pytest.fixture
def compuerta(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Types a command in this process."""
    monkeypatch.setattr(cli, "_log_to_stderr", lambda: None)

    def run(*arguments: str) -> Told:
        monkeypatch.setattr(sys, "argv", ["compuerta", *arguments])
        code = 0
        try:
            cli.main()
        except SystemExit as ended:
            code = int(ended.code or 0)
        told = capsys.readouterr()
        return Told(code=code, out=told.out, complaint=told.err)

    return run


def typed(*arguments: str, **environment: str) -> Told:
    """Type a command in a process of its own."""
    ended = subprocess.run(
        [sys.executable, "-m", "compuerta.apps.cli", *arguments],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), **environment},
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    return Told(code=ended.returncode, out=ended.stdout, complaint=ended.stderr)


def is_one_line(told: Told) -> bool:
    return told.code == 1 and told.complaint.count("\n") == 1 and "Traceback" not in told.complaint


# help -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", [*COMMANDS, "decode dlt645", "decode"])
def test_every_command_explains_itself(compuerta: Run, command: str) -> None:
    told = compuerta(*command.split(), "--help")

    assert (told.code, told.complaint) == (0, "")
    assert f"Usage: compuerta {command}" in told.out


def test_the_commands_are_those_that_are_promised(compuerta: Run) -> None:
    told = compuerta("--help")

    for command in (
        "demo",
        "sim",
        "decode",
        "migrate",
        "up",
        "status",
        "door",
        "gateway",
        "worker",
        "person",
        "key",
    ):
        assert f" {command} " in told.out


def test_a_command_that_is_not_there_is_refused(compuerta: Run) -> None:
    assert compuerta("explode").code == 2


# decode -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("vector", json.loads(VECTORS.read_text("utf-8")), ids=lambda vector: vector["id"])
def test_decode_tells_what_a_vector_contains(compuerta: Run, vector: Mapping[str, object]) -> None:
    told = compuerta("decode", "dlt645", str(vector["hex"]), "--json")

    (row,) = json.loads(told.out)
    assert list(row) == ["address", "control", "data_hex", "meaning"]
    meaning = row.pop("meaning")
    frame = vector["frame"]
    assert isinstance(frame, dict)
    assert row == {
        "address": frame["address"],
        "control": frame["control"],
        "data_hex": frame["data"],
    }
    assert isinstance(meaning, str) and meaning
    assert (told.code, told.complaint) == (0, "")


@pytest.mark.parametrize(
    "noise", ["", "00", "FEFEFEFE", "68" * 20, READ_ADDRESS[:-2], READ_ADDRESS.replace("DF", "DE")]
)
def test_noise_is_an_empty_list(compuerta: Run, noise: str) -> None:
    told = compuerta("decode", "dlt645", noise, "--json")

    assert (told.code, json.loads(told.out)) == (0, [])
    assert "no frame" in compuerta("decode", "dlt645", noise).out


@pytest.mark.parametrize(
    "text", ["68 AA AA AA AA AA AA 68 13 00 DF 16", "68aaaaaaaaaaaa681300df16", f"\n{READ_ADDRESS}\t"]
)
def test_spaces_and_small_letters_do_not_matter(compuerta: Run, text: str) -> None:
    assert compuerta("decode", "dlt645", text, "--json") == compuerta(
        "decode", "dlt645", READ_ADDRESS, "--json"
    )


@pytest.mark.parametrize(
    "text", ["686", "zz", "0x68", "68-AA", "６８", "68 A", "6" * 1_000_002], ids=lambda text: text[:8]
)
def test_what_is_no_hexadecimal_is_refused_in_one_line(compuerta: Run, text: str) -> None:
    told = compuerta("decode", "dlt645", text, "--json")

    assert is_one_line(told)
    assert told.complaint.startswith("NotHexadecimal: write bytes as pairs of 0-9 and A-F: ")
    assert told.out == ""


def test_frames_among_noise_are_found_in_their_order(compuerta: Run) -> None:
    other = "68010000002211681104333334B3"
    both = json.loads(compuerta("decode", "dlt645", f"FE{READ_ADDRESS}00{READ_ADDRESS}", "--json").out)

    assert [row["address"] for row in both] == ["AAAAAAAAAAAA"] * 2
    assert other not in json.dumps(both)


# refusals ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("COMPUERTA_PORT", "http"),
        ("COMPUERTA_POLL_S", "0"),
        ("COMPUERTA_HOST", "[here]"),
        ("DATABASE_URL", "mysql:[/b]"),
    ],
)
@pytest.mark.parametrize(
    "command", ["up", "door", "gateway", "worker", "status", "migrate", "key x --organisation 1"]
)
def test_a_wrong_setting_is_refused_by_its_name(
    compuerta: Run, monkeypatch: pytest.MonkeyPatch, command: str, variable: str, value: str
) -> None:
    monkeypatch.setenv(variable, value)

    told = compuerta(*command.split())

    assert is_one_line(told)
    assert told.complaint.startswith(f"SettingMalformed: {variable}: ")


def test_a_story_that_is_not_there_names_those_that_are(compuerta: Run) -> None:
    told = compuerta("demo", "--once", "--json", "--story", "nonsense")

    assert is_one_line(told)
    assert "'nonsense'" in told.complaint
    assert "loop" in told.complaint


@pytest.mark.parametrize("command", ["status", "key x --organisation 1"])
def test_without_a_database_one_is_told_so(
    compuerta: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, command: str
) -> None:
    monkeypatch.setenv("COMPUERTA_DATA", str(tmp_path))
    monkeypatch.delenv("DATABASE_URL", raising=False)

    told = compuerta(*command.split())

    assert is_one_line(told)
    assert told.complaint.startswith("DatabaseAway: ")
    assert list(tmp_path.iterdir()) == []


def test_a_bug_is_told_whole(compuerta: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(**_: object) -> int:
        raise runner.Broken("first line\nsecond [line]")

    monkeypatch.setattr(runner, "run_many", broken)

    told = compuerta("sim")

    assert (told.code, told.complaint) == (1, "Broken: first line\nsecond [line]\n")


# sim --------------------------------------------------------------------------------------------------------


def test_sim_runs_so_many_seeds_from_the_first(compuerta: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[dict[str, object]] = []

    def run_many(**wish: object) -> int:
        asked.append(wish)
        return 1

    monkeypatch.setattr(runner, "run_many", run_many)

    codes = [
        compuerta("sim", "--seeds", "3", "--seed", "7", "--jobs", "2").code,
        compuerta("sim", "--seed", "7", "--seeds", "1", "--trace").code,
        compuerta("sim", "--seeds", "0").code,
    ]

    assert codes == [1, 1, 2]
    assert asked == [
        {"seeds": 3, "first": 7, "jobs": 2, "trace": False},
        {"seeds": 1, "first": 7, "jobs": 1, "trace": True},
    ]


@pytest.mark.slow
def test_sim_ends_well_when_every_promise_is_kept(compuerta: Run) -> None:
    told = compuerta("sim", "--seeds", "1", "--seed", "1", "--jobs", "1")

    assert told.code == 0
    assert "seeds 1 to 1" in told.out
    assert "0 broken" in told.out


# a database -------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def empty_url(postgres_server: str, worker_id: str) -> Iterator[str]:
    name = f"cli_{worker_id}"
    with psycopg.connect(postgres_server, autocommit=True) as connection:
        connection.execute(f"drop database if exists {name} with (force)")  # type: ignore[arg-type]
        connection.execute(f"create database {name}")  # type: ignore[arg-type]
    yield make_conninfo(postgres_server, dbname=name)
    with psycopg.connect(postgres_server, autocommit=True) as connection:
        connection.execute(f"drop database {name} with (force)")  # type: ignore[arg-type]


@pytest.mark.slow
@pytest.mark.postgres
def test_a_database_is_prepared_and_used(empty_url: str, tmp_path: Path) -> None:
    """One story, since each step needs the one before: from an empty database to a person and a key."""
    here = {
        "DATABASE_URL": empty_url,
        "COMPUERTA_DATA": str(tmp_path),
        "COMPUERTA_PASSWORD": "correct horse battery",
    }

    too_early = [
        typed(*command.split(), **here)
        for command in ("status", "key x --organisation 1", "person ana --organisation 1")
    ]
    migrated = [typed("migrate", **here) for _ in range(2)]
    nobody = (
        typed("key", "shop", "--organisation", "1", **here),
        typed("person", "ana", "--organisation", "1", **here),
    )
    store = PostgresStore(empty_url)
    number = town.build(
        store, town.plan(), bus_paths={"bus-1": "/dev/a", "bus-2": "/dev/b"}, now=NOON
    ).organisation_id
    store.shut()
    key = typed("key", "shop", "--organisation", str(number), "--sell", **here)
    person = [typed("person", "ana", "--organisation", str(number), **here) for _ in range(2)]
    weak = typed("person", "bob", "--organisation", str(number), **{**here, "COMPUERTA_PASSWORD": "1234"})
    status = typed("status", **here)

    assert all(is_one_line(told) for told in too_early), too_early
    assert all("compuerta migrate" in told.complaint for told in too_early), too_early
    assert [told.code for told in migrated] == [0, 0], migrated
    assert "No migrations to apply" in migrated[1].out
    assert all(is_one_line(told) for told in nobody), nobody
    assert key.code == 0 and key.out.startswith("cpt_")
    assert person[0].code == 0 and is_one_line(person[1]), person
    assert "'ana' cannot be added" in person[1].complaint
    assert is_one_line(weak) and "too short" in weak.complaint
    assert status.code == 0
    assert "860000000000001" in status.out and "silent" in status.out
