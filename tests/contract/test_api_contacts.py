"""The machines' API to contacts: a refusal names the field, and addresses stay hidden."""

import json
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from tests.contract.door import Place, bearer

from compuerta.apps.api.keys import make_key

pytestmark = pytest.mark.postgres


@pytest.fixture(scope="module")
def key(place: Place) -> str:
    return make_key(place.url, name="app", organisation_id=place.organisation_id, scopes=["warn"])


def add(place: Place, key: str, *, account_id: int | None = None, **wish: Any) -> httpx.Response:
    body = {
        "contact_id": str(uuid4()),
        "channel": "sms",
        "address": "+86 138 0013 8000",
        "language": "zh-hans",
        "why": "signed the contract",
        **wish,
    }
    return post(place, key, "/contacts", body, account_id=account_id)


def post(place: Place, key: str, path: str, body: object, *, account_id: int | None = None) -> httpx.Response:
    headers = {**bearer(key), "content-type": "application/json"}
    url = f"/api/v1/accounts/{account_id or place.home.account_id}{path}"
    return place.client.post(url, headers=headers, content=json.dumps(body))


def test_a_contact_is_added_once_masked_listed_audited_and_removed(place: Place, key: str) -> None:
    contact_id = str(uuid4())
    first = add(place, key, contact_id=contact_id)
    again = add(place, key, contact_id=contact_id)
    path = f"/contacts/{contact_id}/remove"
    removed = post(place, key, path, {"act_id": str(uuid4()), "why": "moved"})
    listed = place.ask(f"/accounts/{place.home.account_id}/contacts", key=key)

    assert (first.status_code, first.json()) == (200, again.json())
    assert first.json()["address"] == "+86*******8000"
    assert removed.json()["opted_out_at"] is not None
    assert [each for each in listed.json() if each["contact_id"] == contact_id] == [removed.json()]
    acts = place.rows(
        """select what, why, after from audit
        where what in ('add contact', 'opt out') and why <> 'the town is built'
        order by at, what"""
    )
    # Other tests add contacts too.
    told = {(act["what"], act["why"]) for act in acts}
    assert {("add contact", "signed the contract"), ("opt out", "moved")} <= told
    assert "13800138000" not in str(acts)


@pytest.mark.parametrize(
    ("wish", "field"),
    [
        ({"address": "call me"}, "address"),
        ({"address": "12345"}, "address"),
        ({"address": "\x00"}, "address"),
        ({"channel": "email", "address": "ana"}, "address"),
        ({"channel": "webhook", "address": "http://169.254.169.254/"}, "address"),
        ({"channel": "apprise", "address": "night-shift"}, "channel"),
        ({"channel": "pigeon"}, "channel"),
        ({"language": "fr"}, "language"),
        ({"wants": []}, "wants"),
        ({"wants": ["alarm"]}, "wants"),
        ({"wants": ["everything"]}, "wants"),
        ({"why": " "}, "why"),
        ({"contact_id": "1"}, "contact_id"),
    ],
)
def test_what_cannot_be_a_contact_is_refused_by_the_field(
    place: Place, key: str, wish: dict[str, Any], field: str
) -> None:
    answer = add(place, key, **wish)

    assert answer.status_code == 422
    assert field in answer.json()["detail"]


def test_an_address_that_is_known_or_wants_no_more_is_refused(place: Place, key: str) -> None:
    contact_id = str(uuid4())
    wish = {"channel": "email", "address": "eva@example.org"}
    assert add(place, key, contact_id=contact_id, **wish).status_code == 200

    known = add(place, key, **wish)
    path = f"/contacts/{contact_id}/remove"
    post(place, key, path, {"act_id": str(uuid4()), "why": "asked by phone"})
    gone = add(place, key, **wish)

    assert "is known" in known.json()["detail"]
    assert "wants no more messages" in gone.json()["detail"]


def test_a_key_without_the_right_or_of_another_organisation_finds_nothing(place: Place, key: str) -> None:
    other = make_key(
        place.url, name="other", organisation_id=place.neighbour.organisation_id, scopes=["warn"]
    )

    answers = [
        add(place, place.reading_key),
        add(place, other),
        add(place, key, account_id=place.neighbour.account_id),
        place.ask(f"/accounts/{place.home.account_id}/contacts", key=other),
        post(place, key, f"/contacts/{UUID(int=7)}/remove", {"act_id": str(uuid4()), "why": "x"}),
    ]

    assert [each.status_code for each in answers] == [403, 404, 404, 404, 404]
