"""The machines' API to words: a field that nobody fills is refused by its name."""

import json
from typing import Any
from uuid import uuid4

import httpx
import pytest
from tests.contract.door import Place, bearer

from compuerta.apps.api.keys import make_key

pytestmark = pytest.mark.postgres


@pytest.fixture(scope="module")
def key(place: Place) -> str:
    return make_key(place.url, name="app", organisation_id=place.organisation_id, scopes=["warn"])


def write(place: Place, key: str, name: str, language: str, **wish: Any) -> httpx.Response:
    body = {"act_id": str(uuid4()), "subject": "Credit", "body": "Only {balance}", "why": "clearer", **wish}
    headers = {**bearer(key), "content-type": "application/json"}
    return place.client.post(f"/api/v1/words/{name}/{language}", headers=headers, content=json.dumps(body))


def test_own_words_are_written_and_listed_with_their_fields(place: Place, key: str) -> None:
    written = write(place, key, "warning", "es")

    listed = place.ask("/words", key=key).json()
    assert (written.status_code, written.json()["is_own"]) == (200, True)
    assert written.json() in listed
    assert written.json()["fields"] == ["place", "balance", "pay_link", "zero_at"]
    assert sum(each["is_own"] for each in listed) == 1


@pytest.mark.parametrize("body", ["Only {amonut}", "Only {", "   "])
def test_words_that_cannot_be_sent_are_refused_by_the_field(place: Place, key: str, body: str) -> None:
    refused = write(place, key, "warning", "en", body=body)

    assert refused.status_code == 422
    assert "body" in refused.text


def test_a_key_without_the_right_writes_nothing(place: Place) -> None:
    seer = make_key(place.url, name="seer", organisation_id=place.organisation_id, scopes=["see"])

    assert write(place, seer, "warning", "en").status_code == 403
