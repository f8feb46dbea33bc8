"""The story of roads is a test: the closed loop on each of them, a fail-over, and a meter that sleeps."""

import json
import subprocess
import sys
from datetime import datetime
from typing import Any

import pytest

from compuerta.apps.roads_story import AMOUNT_MINOR, LOOPS

pytestmark = [pytest.mark.slow, pytest.mark.postgres]

PLAYED_S_MAX = 900.0  # two and a half minutes on two free cores; this machine may have other work
PROMISES = {"M1", "M2", "M3", "M4", "M5", "D1", "D2", "D3", "S1", "S2", "S3", "S4"}


@pytest.fixture(scope="module")
def played() -> dict[str, Any]:
    ended = subprocess.run(
        [sys.executable, "-m", "compuerta.apps.cli", "demo", "--once", "--json", "--story", "roads"],
        capture_output=True,
        text=True,
        timeout=PLAYED_S_MAX,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr[-2000:] + ended.stdout[-2000:]
    facts: dict[str, Any] = json.loads(ended.stdout)
    return facts


def test_every_promise_is_checked_and_none_is_broken(played: dict[str, Any]) -> None:
    assert played["missing"] == []
    for name in PROMISES:
        assert played["promises"][name]["checked"] > 0, name
        assert played["promises"][name]["broken"] == 0, name


def test_the_loop_closes_on_every_road_with_its_four_instants(played: dict[str, Any]) -> None:
    assert [each["by"] for each in played["roads"]] == list(LOOPS.values())
    for each in played["roads"]:
        instants = [each[name] for name in ("paid_at", "posted_at", "credited_at", "closed_at")]
        # Providers tell whole seconds, so that the first two are compared with the last two only.
        assert all(instants), each
        assert datetime.fromisoformat(each["paid_at"]) <= datetime.fromisoformat(each["closed_at"])


def test_a_recharge_goes_by_the_second_way_once(played: dict[str, Any]) -> None:
    failover = played["failover"]

    assert (failover["road"], failover["endpoint_id"]) == ("nbiot", "nb-102")
    assert failover["credited_times"] == 1
    assert failover["amount_minor"] == AMOUNT_MINOR


def test_who_pays_for_a_sleeper_is_told_when_it_will_be_reached(played: dict[str, Any]) -> None:
    sleeping = played["sleeping"]

    assert sleeping["expected"]["delivery"] == "at_contact"
    assert datetime.fromisoformat(sleeping["expected"]["delivery_at"]) >= datetime.fromisoformat(
        sleeping["paid_at"]
    )
    assert sleeping["closed_at"] is not None
