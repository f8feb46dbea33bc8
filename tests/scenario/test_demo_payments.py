"""The story of payments is a test: every way to pay, and every way in which a payment goes wrong."""

import json
import subprocess
import sys
from typing import Any

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.postgres]

PLAYED_S_MAX = 600.0  # two minutes on two free cores; this machine may have other work
PROMISES = {"M1", "M2", "M3", "M4", "M5", "D1", "D2", "D3", "S1", "S2", "S3", "S4", "T2"}


@pytest.fixture(scope="module")
def played() -> dict[str, Any]:
    ended = subprocess.run(
        [sys.executable, "-m", "compuerta.apps.cli", "demo", "--once", "--json", "--story", "payments"],
        capture_output=True,
        text=True,
        timeout=PLAYED_S_MAX,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr[-2000:] + ended.stdout[-2000:]
    facts: dict[str, Any] = json.loads(ended.stdout)
    return facts


def of(played: dict[str, Any], scene: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = played["scenes"][scene]["payments"]
    return found


def test_every_promise_is_checked_and_none_is_broken(played: dict[str, Any]) -> None:
    assert played["missing"] == []
    assert played["promises"].keys() >= PROMISES
    for name in PROMISES:
        assert played["promises"][name]["checked"] > 0, name
    assert {name: each["broken"] for name, each in played["promises"].items() if each["broken"]} == {}


def test_every_provider_has_brought_money(played: dict[str, Any]) -> None:
    paid = {each["provider"] for scene in played["scenes"].values() for each in scene["payments"]}

    assert paid == {"wechat", "alipay", "card", "paybill", "counter", "kiosk"}


@pytest.mark.parametrize("scene", ["told_often", "forged", "other_amount", "never_told", "late", "flooded"])
def test_whatever_is_said_of_a_payment_it_credits_once(played: dict[str, Any], scene: str) -> None:
    (payment,) = of(played, scene)

    assert (payment["verdict"], payment["credit_minor"]) == ("credited", payment["amount_minor"])
    assert played["scenes"][scene]["in_force"] == 1


def test_every_credited_payment_is_its_lines_to_the_minor_unit(played: dict[str, Any]) -> None:
    for name, scene in played["scenes"].items():
        for payment in scene["payments"]:
            if payment["verdict"] == "credited":
                parts = [int(line.split()[1]) for line in payment["lines"]]
                assert sum(parts) == payment["amount_minor"], name


def test_money_that_cannot_be_placed_is_in_suspense_and_on_the_page(played: dict[str, Any]) -> None:
    waiting = sum(each["suspense_minor"] - each["refunded_minor"] for each in played["suspense"])

    assert {each["provider"] for each in played["suspense"]} == {"wechat", "paybill"}
    assert waiting > 0


def test_nobody_decides_on_their_own_correction(played: dict[str, Any]) -> None:
    assert played["corrections"]
    for each in played["corrections"]:
        assert each["state"] == "done"
        assert each["proposed_by"] != each["decided_by"]
