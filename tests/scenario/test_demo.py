"""The demonstration is a test: it plays the closed loop on real processes, and every promise is looked at."""

import json
import subprocess
import sys
from datetime import datetime, timedelta
from typing import Any

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.postgres]

PLAYED_S_MAX = 240.0  # forty seconds on two free cores; this machine may have other work
PLAYED_MAX = 2
POWER_WITHIN = timedelta(seconds=10)
PROMISES = {"M1", "M2", "M3", "M4", "M5", "D1", "D2", "D3", "S1", "S2", "S3", "S4", "W1", "W3"}


@pytest.fixture(scope="module")
def played() -> dict[str, Any]:
    """The facts of the story; where other work of this machine made it slow, those of a second try."""
    for _ in range(PLAYED_MAX):
        facts = _play()
        if not facts["slow"]:
            break
    return facts


def _play() -> dict[str, Any]:
    ended = subprocess.run(
        [sys.executable, "-m", "compuerta.apps.cli", "demo", "--once", "--json"],
        capture_output=True,
        text=True,
        timeout=PLAYED_S_MAX,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr[-2000:]
    facts: dict[str, Any] = json.loads(ended.stdout)
    return facts


def test_there_is_power_within_ten_seconds_of_each_payment_but_on_nbiot(played: dict[str, Any]) -> None:
    assert {each["road"] for each in played["recharges"]} == {"4g", "nbiot", "rs485"}
    for each in played["recharges"]:
        paid, posted, credited, closed = (
            datetime.fromisoformat(each[name])
            for name in ("paid_at", "posted_at", "credited_at", "closed_at")
        )
        assert paid <= posted <= credited <= closed
        # On NB-IoT an exchange takes seconds: the trade promises nothing there, and neither do we.
        assert closed - paid < POWER_WITHIN or each["road"] == "nbiot", each
        assert each["amount_minor"] > 0 and each["currency"] in ("CNY", "KES")


def test_every_promise_is_checked_and_none_is_broken(played: dict[str, Any]) -> None:
    assert played["promises"].keys() >= PROMISES
    for name, verdict in played["promises"].items():
        assert verdict["checked"] > 0 or name not in PROMISES, name  # no alarm is played here (W2)
        assert verdict["broken"] == 0, name
