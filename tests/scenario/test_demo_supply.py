"""The story of supply is a test: every reason is played on real processes, and its facts are looked at."""

import json
import subprocess
import sys
from datetime import datetime
from typing import Any

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.postgres]

PLAYED_S_MAX = 600.0  # three minutes on two free cores; this machine may have other work
PROMISES = {"M1", "M2", "M3", "M4", "M5", "D1", "D2", "D3", "S1", "S2", "S3", "S4", "W1", "W2", "W3"}


@pytest.fixture(scope="module")
def played() -> dict[str, Any]:
    ended = subprocess.run(
        [sys.executable, "-m", "compuerta.apps.cli", "demo", "--once", "--json", "--story", "supply"],
        capture_output=True,
        text=True,
        timeout=PLAYED_S_MAX,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr[-2000:] + ended.stdout[-2000:]
    facts: dict[str, Any] = json.loads(ended.stdout)
    return facts


def of(played: dict[str, Any], what: str, supply_point: str) -> list[dict[str, Any]]:
    return [each for each in played[what] if each["supply_point"] == supply_point]


def test_every_promise_is_checked_and_none_is_broken(played: dict[str, Any]) -> None:
    assert played["missing"] == []
    assert played["promises"].keys() >= PROMISES
    for name, verdict in played["promises"].items():
        assert verdict["checked"] > 0 or name not in PROMISES, name  # no day ends meanwhile (T1)
        assert verdict["broken"] == 0, name


def test_a_meter_trips_by_itself_where_it_has_the_credit_and_by_order_where_it_has_not(
    played: dict[str, Any],
) -> None:
    own = [each for each in of(played, "relay_changes", "101") if each["seen"] and not each["closed"]]
    ordered = [each for each in of(played, "relay_changes", "301") if not each["closed"]]

    assert {each["decided_by"] for each in own} == {"meter"}
    assert {each["decided_by"] for each in ordered} == {"platform"}
    assert ordered[-1]["was_reason"] == "last_chance"


def test_levels_warn_on_the_way_down_and_each_only_once(played: dict[str, Any]) -> None:
    for supply_point in ("101", "301"):
        levels = [int(each["level"].removeprefix("money:")) for each in of(played, "warnings", supply_point)]
        assert levels == sorted(set(levels), reverse=True)
        assert levels[-1] == 1_000
        assert all(each["messages"] for each in of(played, "warnings", supply_point))


def test_a_last_chance_is_told_a_minute_before_the_cut(played: dict[str, Any]) -> None:
    chance, cut = (
        next(each for each in of(played, "relay_changes", "301") if each["was_reason"] == reason)
        for reason in ("in_credit", "last_chance")
    )
    told = [each for each in of(played, "messages", "301") if each["template"] == "last_chance"]

    assert chance["reason"] == "last_chance"
    assert told and all(each["urgent"] for each in told)
    assert (datetime.fromisoformat(cut["at"]) - datetime.fromisoformat(chance["at"])).total_seconds() >= 60


def test_a_recharge_does_not_lift_a_hold(played: dict[str, Any]) -> None:
    (hold,) = of(played, "holds", "104")
    (paid,) = [each for each in played["recharges"] if each.get("held")]

    assert hold["kind"] == "administrator" and hold["ended_by"] == "owner"
    assert paid["credited_at"] < hold["ended_at"] <= paid["closed_at"]


def test_a_second_overload_within_the_hour_locks(played: dict[str, Any]) -> None:
    rest, lock = of(played, "holds", "201")

    assert rest["ended_by"] is None
    assert lock["ended_by"] == "technician"


def test_a_move_out_pays_what_is_left_and_a_move_in_takes_it_over(played: dict[str, Any]) -> None:
    out, came = played["moves"]

    assert out["settled"]["rest_minor"] == out["settled"]["balance_minor"] > 0
    assert came["settled"]["deposit_minor"] == 20_000
    assert came["settled"]["paid_minor"] == 20_000 + came["settled"]["taken_over_minor"]
