"""The machines' API to moving: receipts, rehearsals, and what a key may not do."""

import json
from typing import Any
from uuid import uuid4

import httpx
import pytest
from tests.contract.door import Place, bearer

from compuerta.apps.api.keys import make_key
from compuerta.domain.access import Right

pytestmark = pytest.mark.postgres


@pytest.fixture(scope="module")
def key(place: Place) -> str:
    scopes = [Right.MOVE.value, Right.EXCHANGE.value]
    return make_key(place.url, name="mover", organisation_id=place.organisation_id, scopes=scopes)


def send(place: Place, account_id: int, verb: str, *, key: str, **body: Any) -> httpx.Response:
    headers = {**bearer(key), "content-type": "application/json"}
    wish = {"move_id": str(uuid4()), "reason": "the lease ends", **body}
    path = f"/api/v1/accounts/{account_id}/{verb}"
    client = place.client
    place.clock.passes(seconds=600)
    return client.wait(client._request("POST", path, headers=headers, content=json.dumps(wish)))


def test_a_tenant_goes_and_another_comes(place: Place, key: str) -> None:
    account_id, move_id = place.homes[3].account_id, str(uuid4())

    tried = send(place, account_id, "move-out", key=key, register_wh=2_000, rest="booked", rehearse=True)
    gone = send(place, account_id, "move-out", key=key, register_wh=2_000, rest="booked", move_id=move_id)
    again = send(place, account_id, "move-out", key=key, register_wh=2_000, rest="booked", move_id=move_id)

    assert tried.status_code == gone.status_code == 200, gone.text
    (receipt,) = gone.json()
    assert (again.json(), receipt["closing_wh"]) == ([receipt], 2_000)
    assert tried.json()[0]["settled"] == receipt["settled"]
    wish = {"name": "Rosa", "register_wh": 2_000, "credit": "given", "deposit_minor": 5_000}
    came = send(place, receipt["opened_account_id"], "move-in", key=key, **wish)
    assert came.status_code == 200, came.text
    assert came.json()[0]["settled"]["paid_minor"] == 5_000


def test_rooms_are_exchanged_with_two_receipts(place: Place, key: str) -> None:
    mine, other = place.homes[5].account_id, place.homes[6].account_id
    registers = {"register_wh": 0, "other_register_wh": 0, "rest": "booked"}

    exchanged = send(place, mine, "exchange", key=key, other_account_id=other, **registers)

    assert exchanged.status_code == 200, exchanged.text
    assert len(exchanged.json()) == 2


def test_a_meter_is_swapped(place: Place, key: str) -> None:
    home = place.homes[12]
    swap = {
        "meter_no": "202611228888",
        "model": home.model,
        "credit_authority": "platform",
        "road": home.road.value,
        "endpoint_id": home.endpoint_id,
        "register_wh": 1_000,
    }

    swapped = send(place, home.account_id, "swap-meter", key=key, **swap)

    assert swapped.status_code == 200, swapped.text
    assert swapped.json()[0]["closing_wh"] == 1_000
    odd = send(place, home.account_id, "swap-meter", key=key, **{**swap, "model": "abacus"})
    assert odd.status_code == 422


def test_a_refusal_says_what_to_do(place: Place, key: str) -> None:
    account_id = place.homes[7].account_id

    refused = send(place, account_id, "move-in", key=key, name="Rosa", register_wh=0)
    unread = send(place, account_id, "move-out", key=key)

    assert (refused.status_code, unread.status_code) == (422, 422)
    assert "move them out first" in refused.text
    assert "type what its register shows" in unread.text


def test_a_key_moves_nobody_without_the_right_nor_next_door(place: Place, key: str) -> None:
    account_id = place.homes[8].account_id

    unable = send(place, account_id, "move-out", key=place.reading_key, register_wh=0)
    foreign = send(place, place.neighbour.account_id, "move-out", key=key, register_wh=0)

    assert (unable.status_code, foreign.status_code) == (403, 404)


def test_an_id_of_another_move_is_refused_and_answers_with_nobodys_receipt(place: Place, key: str) -> None:
    move_id, body = str(uuid4()), {"register_wh": 2_000, "rest": "booked"}
    (one, other) = (place.homes[number].account_id for number in (13, 14))
    first = send(place, one, "move-out", key=key, move_id=move_id, **body)

    second = send(place, other, "move-out", key=key, move_id=move_id, **body)

    assert (first.status_code, second.status_code) == (200, 422)
    assert second.json()["detail"].startswith("another move has the id")
