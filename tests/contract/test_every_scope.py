"""Every operation of the API with every scope: the table says what each asks; an operation not in it fails.

To add an operation: write its method and path, and the right that its key needs.
"""

import re
from collections.abc import Mapping
from typing import Any
from uuid import uuid4

import pytest
from tests.contract.door import Place, bearer, closing_store

from compuerta.apps.api.keys import make_key
from compuerta.domain.access import Right
from compuerta.services.granting import NEVER_FOR_KEYS

pytestmark = [pytest.mark.postgres, pytest.mark.slow]

ASKED: Mapping[str, Right] = {
    "GET /api/v1/meters": Right.SEE,
    "GET /api/v1/meters/{meter_no}": Right.SEE,
    "GET /api/v1/meters/{meter_no}/ways": Right.SEE,
    "PUT /api/v1/meters/{meter_no}/ways": Right.COMMISSION,
    "GET /api/v1/roads": Right.SEE,
    "GET /api/v1/accounts": Right.SEE,
    "GET /api/v1/accounts/{account_id}": Right.SEE,
    "GET /api/v1/accounts/{account_id}/recharges": Right.SEE,
    "GET /api/v1/accounts/{account_id}/as-of": Right.SEE,
    "GET /api/v1/accounts/{account_id}/months/{month}": Right.SEE_MONEY,
    "GET /api/v1/accounts/{account_id}/invoices/{invoice_id}": Right.SEE_MONEY,
    "GET /api/v1/invoices": Right.SEE_MONEY,
    "GET /api/v1/closed-days": Right.SEE_MONEY,
    "GET /api/v1/closed-months": Right.SEE_MONEY,
    "GET /api/v1/sites/{site_id}/journal/{day}": Right.SEE_MONEY,
    "GET /api/v1/exports": Right.SEE_MONEY,
    "GET /api/v1/exports/{export_no}/content": Right.SEE_MONEY,
    "POST /api/v1/exports/{export_no}/acknowledgements": Right.KEEP_BOOKS,
    "GET /api/v1/recharges/{attempt_id}": Right.SEE,
    "POST /api/v1/accounts/{account_id}/recharges": Right.SELL,
    "GET /api/v1/ways-to-pay": Right.SEE,
    "GET /api/v1/meters/{meter_no}/payable": Right.SEE,
    "GET /api/v1/meters/{meter_no}/quote": Right.SEE,
    "POST /api/v1/orders": Right.SELL,
    "GET /api/v1/orders/{order_id}": Right.SEE,
    "GET /api/v1/orders/{order_id}/events": Right.SEE,
    "POST /api/v1/orders/{order_id}/attempts": Right.SELL,
    "POST /api/v1/orders/{order_id}/receipt": Right.SELL,
    "POST /api/v1/attempts/{attempt_id}/cancel": Right.SELL,
    "GET /api/v1/billers/meters/{meter_no}": Right.SEE,
    "GET /api/v1/billers/days/{day}": Right.SEE,
    "POST /api/v1/billers/payments": Right.SELL,
    "GET /api/v1/billers/payments/{reference}": Right.SEE,
    "POST /api/v1/billers/payments/{reference}/reverse": Right.SELL,
    "GET /api/v1/accounts/{account_id}/supply": Right.SEE,
    "POST /api/v1/accounts/{account_id}/emergency": Right.SWITCH,
    "POST /api/v1/accounts/{account_id}/temporary": Right.SWITCH,
    "POST /api/v1/accounts/{account_id}/holds administrator": Right.SWITCH,
    "POST /api/v1/accounts/{account_id}/holds safety": Right.LOCK,
    "POST /api/v1/accounts/{account_id}/holds protected": Right.PROTECT,
    "POST /api/v1/accounts/{account_id}/holds/lift administrator": Right.SWITCH,
    "POST /api/v1/accounts/{account_id}/holds/lift overload": Right.LOCK,
    "GET /api/v1/accounts/{account_id}/policy": Right.SEE,
    "PUT /api/v1/accounts/{account_id}/policy": Right.SETTLE,
    "GET /api/v1/sites/{site_id}/policy": Right.SEE,
    "PUT /api/v1/sites/{site_id}/policy": Right.SETTLE,
    "GET /api/v1/alarms": Right.SEE,
    "GET /api/v1/alarms/{alarm_id}": Right.SEE,
    "POST /api/v1/alarms/{alarm_id}/acknowledge": Right.ALARMS,
    "POST /api/v1/alarms/{alarm_id}/close": Right.ALARMS,
    "POST /api/v1/accounts/{account_id}/move-out": Right.MOVE,
    "POST /api/v1/accounts/{account_id}/move-in": Right.MOVE,
    "POST /api/v1/accounts/{account_id}/exchange": Right.MOVE,
    "POST /api/v1/accounts/{account_id}/swap-meter": Right.EXCHANGE,
    "GET /api/v1/accounts/{account_id}/contacts": Right.WARN,
    "POST /api/v1/accounts/{account_id}/contacts": Right.WARN,
    "POST /api/v1/accounts/{account_id}/contacts/{contact_id}/remove": Right.WARN,
    "GET /api/v1/words": Right.WARN,
    "POST /api/v1/words/{name}/{language}": Right.WARN,
    "POST /api/v1/operations/dry": Right.PROPOSE_MASS,
    "POST /api/v1/operations": Right.PROPOSE_MASS,
    "GET /api/v1/operations/{operation_id}": Right.PROPOSE_MASS,
    "POST /api/v1/operations/{operation_id}/{verb}": Right.PROPOSE_MASS,
    "POST /api/v1/operations/{operation_id}/decision/{verb}": Right.APPROVE_MASS,  # a person's: no key has it
}


def operations(place: Place) -> list[str]:
    """Return every operation that the OpenAPI tells machines of."""
    schema: dict[str, Any] = place.client.get("/api/openapi.json").json()
    return sorted(
        f"{method.upper()} {path}" for path, methods in schema["paths"].items() for method in methods
    )


def status(place: Place, operation: str, *, key: str | None) -> int:
    method, path, *kind = operation.split(" ")
    values = {
        "meter_no": place.home.meter_no,
        "account_id": str(place.home.account_id),
        "site_id": "1",
        "verb": "stop",
    }
    address = re.sub(r"{(\w+)}", lambda found: values.get(found[1], str(uuid4())), path)
    # Which right a hold asks for is said in the body.
    named = "act_id" if path.endswith("lift") else "hold_id"
    body = {"kind": kind[0], named: str(uuid4()), "why": "to see who may"} if kind else {}
    headers = {} if key is None else bearer(key)
    more = {} if method == "GET" else {"json": body}
    return place.client.request(method, address, headers=headers, **more).status_code


def key_with(place: Place, *rights: Right) -> str:
    return make_key(
        place.url,
        name="of one scope",
        organisation_id=place.organisation_id,
        scopes=[right.value for right in rights],
    )


def test_every_operation_is_in_the_table(place: Place) -> None:
    assert set(operations(place)) == {" ".join(name.split()[:2]) for name in ASKED}


@pytest.mark.parametrize("right", [right for right in Right if right not in NEVER_FOR_KEYS])
def test_a_key_does_what_its_scope_says_and_nothing_else(place: Place, right: Right) -> None:
    key = key_with(place, right)

    answers = {operation: status(place, operation, key=key) for operation in ASKED}

    # Every key reads, as before there were scopes for it.
    forbidden = {operation for operation, asked in ASKED.items() if asked not in (right, Right.SEE)}
    assert {operation for operation, answer in answers.items() if answer == 403} == forbidden
    assert {
        operation: answer for operation, answer in answers.items() if answer == 401 or answer >= 500
    } == {}


def test_without_a_key_nothing_answers(place: Place) -> None:
    assert {status(place, operation, key=None) for operation in ASKED} == {401}
    assert {status(place, operation, key="cpt_guessed") for operation in ASKED} == {401}


def test_a_key_that_has_expired_opens_nothing(place: Place) -> None:
    key = make_key(
        place.url,
        name="short",
        organisation_id=place.organisation_id,
        scopes=["sell"],
        expires_at=place.clock.now,
    )

    assert {status(place, operation, key=key) for operation in ASKED} == {401}


def test_when_a_key_was_used_is_kept(place: Place) -> None:
    key = make_key(place.url, name="watched", organisation_id=place.organisation_id, scopes=[])

    place.ask("/meters", key=key)

    (row,) = place.rows("select used_at from api_key where name = 'watched'")
    assert row["used_at"] == place.clock.now


def test_a_key_of_one_site_sees_nothing_of_another(place: Place) -> None:
    with closing_store(place.url) as store, store.transaction() as tx:
        site_id = tx.add_site(organisation_id=place.organisation_id, name="empty", zone="UTC", currency="CNY")
    elsewhere = make_key(
        place.url,
        name="elsewhere",
        organisation_id=place.organisation_id,
        scopes=["sell"],
        site_id=site_id,
    )

    assert place.ask("/meters", key=elsewhere).json() == []
    assert place.ask("/accounts", key=elsewhere).json() == []
    assert place.ask(f"/accounts/{place.home.account_id}", key=elsewhere).status_code == 404
    assert place.recharge(place.home.account_id, key=elsewhere).status_code == 404
    assert place.ask(f"/accounts/{place.home.account_id}").status_code == 200
