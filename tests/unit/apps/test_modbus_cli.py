"""`compuerta decode modbus`: every reading of what was captured, and nothing of what is none."""

import json

import pytest
from typer.testing import CliRunner

from compuerta.apps.cli import app


def told(text: str) -> list[dict[str, object]]:
    result = CliRunner().invoke(app, ["decode", "modbus", text, "--json"])
    assert result.exit_code == 0
    rows = json.loads(result.stdout)
    assert isinstance(rows, list)
    return rows


def test_a_request_is_told_by_its_registers() -> None:
    [row] = told("01 03 00 00 00 0A C5 CD")

    assert row == {
        "at": 0,
        "framing": "rtu",
        "transaction_no": None,
        "unit_no": 1,
        "function": 3,
        "direction": "request",
        "meaning": "read 10 holding registers, 0000 to 0009",
        "values_hex": [],
    }


def test_bytes_with_two_readings_come_twice() -> None:
    assert [row["direction"] for row in told("010600010003980B")] == ["request", "answer"]


def test_modbus_tcp_is_told_with_its_transaction() -> None:
    [row] = told("1234000000071103 04 0001E240".replace(" ", ""))

    assert (row["framing"], row["transaction_no"], row["values_hex"]) == ("tcp", 0x1234, ["0001", "E240"])


@pytest.mark.parametrize("noise", ["", "00", "68AAAAAAAAAAAA681300DF16", "0103"])
def test_noise_is_an_empty_list(noise: str) -> None:
    assert told(noise) == []


def test_people_get_a_table() -> None:
    result = CliRunner().invoke(app, ["decode", "modbus", "01030000000AC5CD"])

    assert "read 10 holding" in result.stdout
    assert "no frame" in CliRunner().invoke(app, ["decode", "modbus", "00"]).stdout
