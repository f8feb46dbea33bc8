"""The machines' API to supply and to operations on many: what it answers, refuses, and writes once."""

import json
from typing import Any
from uuid import uuid4

import httpx
import psycopg
import pytest
from tests.contract.door import Place, bearer

from compuerta.apps.api.callers import key_hash
from compuerta.apps.api.keys import make_key
from compuerta.domain.access import Right

pytestmark = pytest.mark.postgres
MACHINE = [each.value for each in Right]


@pytest.fixture(scope="module")
def key(place: Place) -> str:
    return make_key(place.url, name="butler", organisation_id=place.organisation_id, scopes=MACHINE)


@pytest.fixture(scope="module")
def second_key(place: Place) -> str:
    return make_key(place.url, name="second", organisation_id=place.organisation_id, scopes=MACHINE)


def send(place: Place, path: str, body: dict[str, Any], *, key: str, method: str = "POST") -> httpx.Response:
    headers = {**bearer(key), "content-type": "application/json"}
    client = place.client
    return client.wait(client._request(method, f"/api/v1{path}", headers=headers, content=json.dumps(body)))


def hold(place: Place, number: int, *, key: str, **wish: Any) -> httpx.Response:
    body = {"hold_id": str(uuid4()), "kind": "administrator", "why": "works", **wish}
    return send(place, f"/accounts/{place.homes[number].account_id}/holds", body, key=key)


def proposal(place: Place, *, homes: int = 3) -> dict[str, Any]:
    return {
        "operation_id": str(uuid4()),
        "accounts": [home.account_id for home in place.homes[-homes:]],
        "kind": "hold",
        "hold": "administrator",
        "why": "works on the riser",
    }


def test_supply_is_told_with_its_reason_holds_and_policy(place: Place, key: str) -> None:
    hold_id = str(uuid4())
    hold(place, 0, key=key, hold_id=hold_id)

    supply = place.ask(f"/accounts/{place.homes[0].account_id}/supply", key=key).json()

    assert (supply["wanted_closed"], supply["wanted_reason"]) == (False, "administrator_hold")
    assert [(each["hold_id"], each["owner"]) for each in supply["holds"]] == [(hold_id, "API key butler")]
    assert supply["emergency"]["is_offered"] is False
    assert supply["policy"] == {}


def test_the_same_hold_twice_is_one_and_its_id_is_not_anothers(place: Place, key: str) -> None:
    hold_id = str(uuid4())

    answers = [hold(place, 1, key=key, hold_id=hold_id).status_code for _ in range(2)]
    other = hold(place, 1, key=key, hold_id=hold_id, kind="safety")

    assert answers == [200, 200]
    assert other.status_code == 409
    assert len(place.rows("select from supply_hold where hold_id = %s", hold_id)) == 1


def test_a_lifted_hold_is_over(place: Place, key: str) -> None:
    hold(place, 2, key=key)
    body = {"act_id": str(uuid4()), "kind": "administrator", "why": "done"}

    for _ in range(2):
        answer = send(place, f"/accounts/{place.homes[2].account_id}/holds/lift", body, key=key)

    assert (answer.status_code, answer.json()["holds"]) == (200, [])


@pytest.mark.parametrize(
    ("wish", "field"),
    [
        ({"kind": "nonsense"}, "kind"),
        ({"end": "2020-01-01T00:00:00Z"}, "end"),
        ({"end": "2027-01-01T00:00:00"}, "end"),
        ({"end": "9999-12-31T23:59:59-12:00"}, "end"),
        ({"why": " "}, "why"),
        ({"why": "works\0"}, "why"),
        ({"hold_id": "x"}, "hold_id"),
    ],
)
def test_a_faulty_hold_is_refused_by_its_field(
    place: Place, key: str, wish: dict[str, str], field: str
) -> None:
    answer = hold(place, 3, key=key, **wish)

    assert answer.status_code == 422
    assert f"{field}:" in answer.json()["detail"]


def test_a_contradictory_hold_is_refused_by_its_field(place: Place, key: str) -> None:
    hold(place, 4, key=key, kind="protected")

    answer = hold(place, 4, key=key)

    assert (answer.status_code, answer.json()["detail"].split(":")[0]) == (422, "kind")


def test_temporary_supply_needs_an_end(place: Place, key: str) -> None:
    path = f"/accounts/{place.homes[5].account_id}/temporary"
    body = {"hold_id": str(uuid4()), "why": "a guest"}

    without = send(place, path, body, key=key)
    lent = send(place, path, {**body, "end": "2099-01-01T00:00:00Z"}, key=key)

    assert (without.status_code, without.json()["detail"].split(":")[0]) == (422, "end")
    assert (lent.status_code, lent.json()["wanted_reason"]) == (200, "temporary_supply")


def test_a_policy_is_settled_whole_and_refused_by_its_field(place: Place, key: str) -> None:
    path = f"/accounts/{place.homes[6].account_id}/policy"
    wish = {"act_id": str(uuid4()), "why": "agreed", "policy": {"emergency_minor": 1000}}

    settled = send(place, path, wish, key=key, method="PUT")
    faulty = send(
        place,
        path,
        {**wish, "act_id": str(uuid4()), "policy": {"emergency_minor": -1}},
        key=key,
        method="PUT",
    )

    assert settled.json()["policy"] == place.ask(path, key=key).json()["policy"] == {"emergency_minor": 1000}
    assert (faulty.status_code, faulty.json()["detail"].split(":")[0]) == (422, "emergency_minor")


def test_emergency_credit_that_nobody_settled_is_refused(place: Place, key: str) -> None:
    path = f"/accounts/{place.homes[7].account_id}/emergency"

    assert send(place, path, {"why": "night"}, key=key).status_code == 422


def test_a_key_without_the_right_switches_nothing(place: Place) -> None:
    refused = hold(place, 8, key=place.key)
    dry = send(place, "/operations/dry", proposal(place), key=place.key)

    assert (refused.status_code, dry.status_code) == (403, 403)


def test_anothers_account_is_not_there(place: Place, key: str) -> None:
    account_id = place.neighbour.account_id
    body = {"hold_id": str(uuid4()), "kind": "administrator", "why": "mine"}

    answers = [
        place.ask(f"/accounts/{account_id}/supply", key=key),
        send(place, f"/accounts/{account_id}/holds", body, key=key),
        send(place, "/operations", {**proposal(place), "accounts": [account_id]}, key=key),
    ]

    assert [each.status_code for each in answers] == [404, 404, 422]


def test_a_second_key_approves_and_the_first_never(place: Place, key: str, second_key: str) -> None:
    wish = proposal(place)
    path = f"/operations/{wish['operation_id']}"

    dry = send(place, "/operations/dry", {name: wish[name] for name in ("accounts", "kind", "hold")}, key=key)
    first = send(place, "/operations", wish, key=key)
    again = send(place, "/operations", wish, key=key)
    own = send(place, f"{path}/decision/approve", {"why": "mine"}, key=key)
    approved = send(place, f"{path}/decision/approve", {"why": "agreed"}, key=second_key)
    undone = send(place, f"{path}/undo", {"why": "wrong house"}, key=key)

    assert len(dry.json()) == 3
    assert (first.json()["state"], again.json()) == ("proposed", first.json())
    assert own.status_code == 422
    assert (approved.json()["state"], approved.json()["supplies"]) == ("running", {"waiting": 3})
    assert undone.json()["state"] == "undoing"


@pytest.fixture
def next_door(place: Place) -> str:
    """A key of all rights at a site of the organisation where none of the homes is."""
    key = make_key(place.url, name="next door", organisation_id=place.organisation_id, scopes=MACHINE)
    with psycopg.connect(place.url) as connection:
        connection.execute(
            """with there as (
                insert into site (organisation_id, name, zone, currency)
                select organisation_id, gen_random_uuid()::text, zone, currency from site
                where organisation_id = %s limit 1 returning site_id
            )
            update api_key set site_id = there.site_id from there where api_key.key_hash = %s""",
            [place.organisation_id, key_hash(key)],
        )
    return key


def test_an_operation_on_many_is_nobodys_who_reaches_only_another_site(
    place: Place, key: str, next_door: str
) -> None:
    body = proposal(place)
    send(place, "/operations", body, key=key)

    dry = {name: body[name] for name in ("accounts", "kind", "hold")}
    answers = {
        "dry": send(place, "/operations/dry", dry, key=next_door),
        "propose": send(place, "/operations", {**body, "operation_id": str(uuid4())}, key=next_door),
        "withdraw": send(
            place, f"/operations/{body['operation_id']}/withdraw", {"why": "mine now"}, key=next_door
        ),
    }

    assert {name: answer.status_code for name, answer in answers.items()} == dict.fromkeys(answers, 403)
    known = place.ask(f"/operations/{body['operation_id']}", key=next_door)
    assert (known.status_code, known.json()["state"], known.json()["supplies"]) == (200, "proposed", {})
