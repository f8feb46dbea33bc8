"""The machines' API to alarms: what it lists, who may act, and that an act twice is an act once."""

import itertools
import json
from typing import Any
from uuid import uuid4

import httpx
import pytest
from tests.contract.door import Place, bearer, closing_store
from tests.unit.payments.wechat_side import NOON

from compuerta.apps.api.keys import make_key
from compuerta.domain.access import Right
from compuerta.drivers.abilities import MeterState, Relay
from compuerta.services import observe

pytestmark = pytest.mark.postgres
_homes = itertools.count()


@pytest.fixture(scope="module")
def key(place: Place) -> str:
    scopes = [Right.SEE.value, Right.ALARMS.value]
    return make_key(place.url, name="guard", organisation_id=place.organisation_id, scopes=scopes)


@pytest.fixture
def alarm(place: Place, key: str) -> dict[str, Any]:
    """An opened cover of a home that no other test has opened."""
    home = place.homes[next(_homes)]
    state = MeterState(flags=frozenset({"cover_open", "terminal_cover_open"}), relay=Relay.CLOSED)
    with closing_store(place.url) as store:
        with store.transaction() as tx:
            (meter,) = (each for each in tx.meters() if each.meter_no == home.meter_no)
        report = observe.MeterReport(meter_id=meter.meter_id, at=NOON, state=state)
        observe.take_readings(store, [report], now=NOON)
    found: list[dict[str, Any]] = place.ask("/alarms", key=key).json()
    mine = (each for each in found if each["meter_no"] == home.meter_no)
    return next(each for each in mine if each["kind"] == "cover_open")


def send(place: Place, path: str, body: dict[str, Any], *, key: str) -> httpx.Response:
    headers = {**bearer(key), "content-type": "application/json"}
    return place.client.post(f"/api/v1{path}", headers=headers, content=json.dumps(body))


def a_closing(**changes: Any) -> dict[str, Any]:
    return {"act_id": str(uuid4()), "outcome": "false_alarm", "why": "our own people", **changes}


def test_open_alarms_are_listed_and_read(place: Place, key: str, alarm: dict[str, Any]) -> None:
    first = place.ask("/alarms?limit=1", key=key).json()
    rest = place.ask(f"/alarms?after={first[0]['alarm_id']}", key=key).json()

    assert {each["kind"] for each in first + rest} == {"cover_open", "terminal_cover_open"}
    assert place.ask(f"/alarms/{alarm['alarm_id']}", key=key).json() == alarm
    assert (alarm["severity"], alarm["times"], alarm["ended_at"]) == ("warning", 1, None)


@pytest.mark.parametrize("path", ["", "/acknowledge", "/close"])
def test_another_organisation_finds_no_alarm(place: Place, alarm: dict[str, Any], path: str) -> None:
    scopes = [Right.SEE.value, Right.ALARMS.value]
    organisation_id = place.neighbour.organisation_id
    theirs = make_key(place.url, name=f"guard{path}", organisation_id=organisation_id, scopes=scopes)

    if path:
        body = a_closing() if path == "/close" else {"act_id": str(uuid4())}
        answer = send(place, f"/alarms/{alarm['alarm_id']}{path}", body, key=theirs)
    else:
        answer = place.ask(f"/alarms/{alarm['alarm_id']}", key=theirs)

    assert answer.status_code == 404


def test_a_key_that_only_reads_may_not_act(place: Place, alarm: dict[str, Any]) -> None:
    path = f"/alarms/{alarm['alarm_id']}"

    assert (
        send(place, f"{path}/acknowledge", {"act_id": str(uuid4())}, key=place.reading_key).status_code == 403
    )
    assert send(place, f"{path}/close", a_closing(), key=place.reading_key).status_code == 403


@pytest.mark.parametrize(
    "changes",
    [{"outcome": "whatever"}, {"why": " "}, {"act_id": "none"}, {"more": 1}, {"outcome": "repaired"}],
)
def test_a_closing_that_cannot_be_is_refused(
    place: Place, key: str, alarm: dict[str, Any], changes: dict[str, Any]
) -> None:
    answer = send(place, f"/alarms/{alarm['alarm_id']}/close", a_closing(**changes), key=key)

    assert answer.status_code == 422


def test_who_looks_and_what_was_found_is_written_once(place: Place, key: str, alarm: dict[str, Any]) -> None:
    path, closing = f"/alarms/{alarm['alarm_id']}", a_closing()

    looks = send(place, f"{path}/acknowledge", {"act_id": str(uuid4())}, key=key).json()
    closed = send(place, f"{path}/close", closing, key=key).json()
    again = send(place, f"{path}/close", closing, key=key)
    other = send(place, f"{path}/close", a_closing(outcome="theft_confirmed"), key=key)

    assert looks["acknowledged_by"] == "API key guard"
    assert (closed["outcome"], closed["note"]) == ("false_alarm", "our own people")
    assert (again.status_code, again.json()) == (200, closed)
    assert other.status_code == 409
    assert alarm["alarm_id"] in {
        each["alarm_id"] for each in place.ask("/alarms?closed=true", key=key).json()
    }
