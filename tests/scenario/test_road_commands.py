"""Commands about roads as one types them: captures of a maker's modules, and lines that are planned."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from tests.contract.door import closing_store
from typer.testing import CliRunner, Result

from compuerta.apps import town
from compuerta.apps.cli import app
from compuerta.domain.errors import Refused
from compuerta.domain.party import RoadKind
from compuerta.wire import acrel

ROWS = json.loads((Path(acrel.__file__).parent / "vectors.json").read_text("utf-8"))
LOGIN_TOPIC = "/gw/acrelHW/DDSY1352/login/12209263660002"


def typed(*arguments: str) -> Result:
    return CliRunner().invoke(app, arguments)


def refusal(result: Result) -> str:
    assert isinstance(result.exception, Refused)
    return str(result.exception)


@pytest.mark.parametrize("row", ROWS, ids=[row["id"] for row in ROWS])
def test_decode_tells_what_a_frame_of_acrels_contains(row: dict[str, str]) -> None:
    (told,) = json.loads(typed("decode", "acrel", row["hex"], "--json").stdout)

    assert list(told) == ["command", "name", "body_hex", "carried_hex", "meaning"]
    assert told["meaning"] == row["meaning"]
    assert row["hex"].startswith(f"7B7B{told['command']}")


def test_a_passthrough_shows_the_modbus_frame_that_it_carries() -> None:
    (trip,) = [row for row in ROWS if row["id"] == "passthrough_trip"]

    (told,) = json.loads(typed("decode", "acrel", trip["hex"], "--json").stdout)

    assert told["carried_hex"] == ["01100057000204000100012775"]


def test_noise_is_no_frame_and_no_hexadecimal_is_refused() -> None:
    assert json.loads(typed("decode", "acrel", "7B7B", "--json").stdout) == []
    assert "no frame" in typed("decode", "acrel", "00").stdout
    assert refusal(typed("decode", "acrel", "7B7")).startswith("write bytes as pairs")


def test_a_letter_by_mqtt_is_told_with_its_answer() -> None:
    payload = b'{"type":"login","gwSN":"12209263660002","rssi":48}'.hex()

    told = json.loads(typed("decode", "acrel", payload, "--topic", LOGIN_TOPIC, "--json").stdout)

    assert (told["kind"], told["serial_no"], told["signal_percent"]) == ("login", "12209263660002", 48)
    assert told["answer"] == '{"type":"login","res":1}'
    assert "in the name" in refusal(
        typed("decode", "acrel", b'{"gwSN":"1"}'.hex(), "--topic", LOGIN_TOPIC, "--json")
    )


def test_a_line_is_planned_in_words_and_in_figures() -> None:
    wish = (
        "bus",
        "plan",
        "dlt645-remote-rs485:32:2",
        "modbus-generic:10",
        "--baud",
        "1200",
        "--poll-s",
        "300",
    )

    told = json.loads(typed(*wish, "--json").stdout)

    assert told["meters"] == 42
    assert told["doubts"] == ["more_than_usual"]
    assert "more than 32 meters" in typed(*wish).stdout


@pytest.mark.parametrize(
    ("meters", "complaint"),
    [
        ("nobody:3", "there is no model 'nobody'"),
        ("modbus-generic", "says no count"),
        ("modbus-generic:x", "says no count"),
        ("modbus-generic:1:2:3", "says no count"),
        ("modbus-generic:1:2", "2 of 1 meters cannot be absent"),
        ("modbus-generic:0", "0 of 0 meters cannot be absent"),
        ("modbus-generic:1234567", "is no count of meters"),
    ],
)
def test_a_line_that_makes_no_sense_is_refused_with_the_reason(meters: str, complaint: str) -> None:
    assert complaint in refusal(typed("bus", "plan", meters))


@pytest.mark.slow
@pytest.mark.postgres
def test_the_lines_of_a_town_are_told(postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", postgres_url)
    assert "no line is entered" in typed("bus", "entered").stdout
    homes = tuple(each for each in town.plan() if each.road is RoadKind.RS485)
    paths = {each.endpoint_id: f"/dev/{each.endpoint_id}" for each in homes}
    with closing_store(postgres_url) as store:
        town.build(store, homes, bus_paths=paths, now=datetime.now(UTC))

    told = json.loads(typed("bus", "entered", "--json").stdout)

    assert set(told) == set(paths)
    assert sum(line["meters"] for line in told.values()) == len(homes)
    assert all(line["doubts"] == [] for line in told.values())
    assert all(end in typed("bus", "entered").stdout for end in paths)
