"""The door for apps: look up, quote, order, try again, cancel; what is asked twice is done once."""

import json
from typing import Any
from uuid import uuid4

import pytest
from tests.contract.door import OTHERS_METER_NO, Place, at_once
from tests.contract.partnership import again, cancel, change, order, send

from compuerta.apps.api.keys import make_key

pytestmark = [pytest.mark.postgres, pytest.mark.slow]


def test_a_meter_is_looked_up_with_a_masked_name_and_what_may_be_paid(place: Place) -> None:
    found = place.ask(f"/meters/{place.home.meter_no}/payable").json()

    assert found["account_id"] == place.home.account_id
    assert place.home.name not in json.dumps(found) or len(place.home.name) == 1
    assert found["least_minor"] < found["most_minor"]
    assert {way["provider"] for way in found["ways"]} == {"wechat"}
    assert found["owed"] == []


def test_another_organisations_meter_is_not_found(place: Place) -> None:
    assert place.ask(f"/meters/{OTHERS_METER_NO}/payable").status_code == 404
    assert place.ask(f"/meters/{OTHERS_METER_NO}/quote?amount_minor=5000").status_code == 404
    assert order(place, meter_no=OTHERS_METER_NO).status_code == 404


def test_a_quote_adds_up_to_the_amount(place: Place) -> None:
    quote = place.ask(f"/meters/{place.home.meter_no}/quote?amount_minor=5000").json()

    assert sum(line["amount_minor"] for line in quote["lines"]) == quote["amount_minor"] == 5_000
    assert quote["balance_after_minor"] == quote["balance_minor"] + quote["credit_minor"]
    assert quote["energy_wh"] > 0


@pytest.mark.parametrize("amount_minor", [1, 10**15])
def test_a_quote_refuses_what_would_be_refused_when_it_is_paid(place: Place, amount_minor: int) -> None:
    answer = place.ask(f"/meters/{place.home.meter_no}/quote?amount_minor={amount_minor}")

    assert answer.status_code == 422
    assert "between" in answer.json()["detail"]


def test_the_ways_to_pay_are_those_of_ones_own_organisation(place: Place) -> None:
    assert [way["provider"] for way in place.ask("/ways-to-pay").json()] == ["wechat"]
    assert place.ask("/ways-to-pay", key=place.neighbours_key).json() == []


def test_an_order_shows_its_payer_what_to_scan(place: Place) -> None:
    made = order(place, reference="app-1").json()

    (attempt,) = made["attempts"]
    assert made["state"] == "presented"
    assert made["reference"] == "app-1"
    assert attempt["shown_as"] == "qr"
    assert attempt["presented"].startswith("weixin://")
    assert place.ask(f"/orders/{made['order_id']}").json() == made


def test_the_same_key_and_request_are_answered_the_same_to_the_byte(place: Place) -> None:
    first = order(place, idempotency_key="same-1")
    asked = len(place.street.asked)

    second = order(place, idempotency_key="same-1")

    assert (second.status_code, second.content) == (first.status_code, first.content)
    assert len(place.street.asked) == asked


def test_the_same_key_with_another_request_is_refused(place: Place) -> None:
    order(place, idempotency_key="same-2")

    answer = order(place, idempotency_key="same-2", amount_minor=6_000)

    assert answer.status_code == 422
    assert "another request" in answer.json()["detail"]


def test_two_machines_may_choose_the_same_key(place: Place) -> None:
    ours = order(place, idempotency_key="1")

    theirs = order(place, idempotency_key="1", key=place.neighbours_key, meter_no=OTHERS_METER_NO)

    assert ours.status_code == 200
    assert theirs.status_code == 422
    assert "provider" in theirs.json()["detail"]


def test_a_refusal_is_an_answer_too(place: Place) -> None:
    first = order(place, idempotency_key="refused-1", provider="nobody")
    second = order(place, idempotency_key="refused-1", provider="nobody")

    assert (first.status_code, first.content) == (second.status_code, second.content)
    assert first.status_code == 422


def test_many_with_the_same_key_at_once_make_one_order(place: Place) -> None:
    before = place.count("payment_order")

    answers = at_once(8, lambda: order(place, idempotency_key="race-1"))

    done = [answer for answer in answers if answer.status_code == 200]
    assert {answer.status_code for answer in answers} <= {200, 409}
    assert len({answer.content for answer in done}) == 1
    assert place.count("payment_order") == before + 1


def test_who_finds_the_work_under_way_is_told_when_to_ask_again(place: Place) -> None:
    made = order(place, idempotency_key="busy-1")
    crashed_over(place, "busy-1")

    answer = order(place, idempotency_key="busy-1")

    assert made.status_code == 200
    assert answer.status_code == 409
    assert answer.headers["retry-after"] == "1"


def test_what_somebody_crashed_over_is_done_again_and_once(place: Place) -> None:
    made = order(place, idempotency_key="crash-1").json()
    crashed_over(place, "crash-1")
    before = place.count("attempt")
    place.clock.passes(seconds=61)

    again_ = order(place, idempotency_key="crash-1")

    assert again_.status_code == 200
    assert again_.json()["order_id"] == made["order_id"]
    assert place.count("attempt") == before


def test_a_provider_that_does_not_answer_makes_an_unknown_order(place: Place) -> None:
    place.street.away = True
    try:
        answer = order(place, idempotency_key="unknown-1")
    finally:
        place.street.away = False

    assert answer.status_code == 202
    assert answer.json()["state"] == "unknown"
    assert place.ask(f"/orders/{answer.json()['order_id']}").json()["state"] == "ordered"


def test_an_unknown_order_asked_again_is_known(place: Place) -> None:
    place.street.away = True
    try:
        unknown = order(place, idempotency_key="unknown-2").json()
    finally:
        place.street.away = False

    known = order(place, idempotency_key="unknown-2")

    assert known.status_code == 200
    assert known.json()["order_id"] == unknown["order_id"]
    assert known.json()["state"] == "presented"


def test_an_order_may_have_another_attempt(place: Place) -> None:
    made = order(place).json()

    answer = again(place, made["order_id"]).json()

    assert answer["order_id"] == made["order_id"]
    assert len(answer["attempts"]) == 2


def test_a_paid_order_has_no_other_attempt(place: Place) -> None:
    made = order(place).json()
    pay(place, made)
    cancel(place, made["attempts"][0]["attempt_id"])  # asks the provider, which says that it is paid

    answer = again(place, made["order_id"])

    assert answer.status_code == 422
    assert "is paid" in answer.json()["detail"]


def test_an_unpaid_attempt_is_cancelled(place: Place) -> None:
    made = order(place).json()

    answer = cancel(place, made["attempts"][0]["attempt_id"])

    assert answer.json()["state"] == "failed"
    assert answer.json()["attempts"][0]["state"] == "closed"


def test_money_that_was_faster_than_the_cancelling_is_honoured(place: Place) -> None:
    made = order(place).json()
    before = place.credited_minor(place.home.account_id)
    pay(place, made)

    answer = cancel(place, made["attempts"][0]["attempt_id"])

    assert answer.json()["state"] in ("paid", "credited")
    assert answer.json()["paid_at"] is not None
    assert place.credited_minor(place.home.account_id) == before + 5_000


def test_a_cancelling_that_nobody_answers_is_unknown(place: Place) -> None:
    made = order(place).json()
    place.street.away = True
    try:
        answer = cancel(place, made["attempts"][0]["attempt_id"])
    finally:
        place.street.away = False

    assert answer.status_code == 202
    assert answer.json()["attempts"][0]["state"] == "presented"


def test_a_paid_order_has_a_receipt_and_it_stays_the_same(place: Place) -> None:
    made = order(place).json()
    path = f"/orders/{made['order_id']}/receipt"
    early = send(place, "POST", path)
    pay(place, made)
    cancel(place, made["attempts"][0]["attempt_id"])

    first, second = send(place, "POST", path), send(place, "POST", path)

    assert early.status_code == 404
    assert first.json() == second.json()
    assert first.json()["path"].startswith("/r/")


@pytest.mark.parametrize(
    ("wish", "told"),
    [
        ({"meter_no": "12"}, "meter_no"),
        ({"meter_no": "٠" * 12}, "meter_no"),
        ({"amount_minor": 0}, "amount_minor"),
        ({"amount_minor": -1}, "amount_minor"),
        ({"amount_minor": 50.5}, "amount_minor"),
        ({"amount_minor": "5000"}, "amount_minor"),
        ({"amount_minor": True}, "amount_minor"),
        ({"amount_minor": 2**63}, "amount_minor"),
        ({"amount_minor": 1}, "between"),
        ({"flow": "cash"}, "flow"),
        ({"flow": "biller"}, "flow"),
        ({"flow": "app"}, "does not offer"),
        ({"payer": "x" * 513}, "payer"),
        ({"reference": "x" * 65}, "reference"),
        ({"provider": ""}, "provider"),
        ({"provider": "till"}, "does not offer"),
        ({"provider": "till-2"}, "till-2"),
        ({"provider": "nobody"}, "nobody"),
        ({"more": 1}, "more"),
    ],
)
def test_a_wish_that_cannot_be_is_refused_by_field(place: Place, wish: dict[str, Any], told: str) -> None:
    before = place.count("attempt")

    answer = order(place, **wish)

    assert answer.status_code == 422
    assert told in answer.json()["detail"]
    assert place.count("attempt") == before


@pytest.mark.parametrize("key", ["", "a b", "x" * 129, "é"])
def test_a_key_that_cannot_be_is_refused(place: Place, key: str) -> None:
    answer = send(place, "POST", "/orders", headers={"idempotency-key": key.encode()}, json={})

    assert answer.status_code == 422


def test_an_order_without_a_key_is_refused(place: Place) -> None:
    answer = send(place, "POST", "/orders", json={})

    assert answer.status_code == 422
    assert "Idempotency-Key" in answer.json()["detail"]


def test_another_keys_order_is_not_there_but_for_one_that_sees_all_sales(place: Place) -> None:
    made = order(place).json()
    path, attempt_id = f"/orders/{made['order_id']}", made["attempts"][0]["attempt_id"]
    partner, house = (
        make_key(place.url, name=name, organisation_id=place.organisation_id, scopes=scopes)
        for name, scopes in (("partner", ["sell"]), ("house", ["sell", "see_money"]))
    )

    def asked(method: str, path: str) -> int:
        headers = {"idempotency-key": uuid4().hex}
        answer = send(place, method, path, key=partner, headers=headers, json={"provider": "wechat"})
        return answer.status_code

    assert place.ask(path, key=partner).status_code == 404
    assert place.ask(f"{path}/events", key=partner).status_code == 404
    assert asked("POST", f"{path}/attempts") == asked("POST", f"{path}/receipt") == 404
    assert asked("POST", f"/attempts/{attempt_id}/cancel") == 404
    assert place.ask(path, key=house).json() == place.ask(path).json()
    assert place.ask(path).json()["attempts"][0]["state"] == "presented"


def test_callers_whose_names_and_keys_join_alike_have_two_orders(place: Place) -> None:
    app, other = (
        make_key(place.url, name=name, organisation_id=place.organisation_id, scopes=["sell"])
        for name in ("app", "app:x")
    )

    first = order(place, key=app, idempotency_key="x:77").json()
    second = order(place, key=other, idempotency_key="77").json()

    assert first["order_id"] != second["order_id"]


def test_another_organisations_order_is_not_there(place: Place) -> None:
    made = order(place).json()
    attempt_id = made["attempts"][0]["attempt_id"]
    theirs = {"key": place.neighbours_key, "headers": {"idempotency-key": uuid4().hex}}

    assert place.ask(f"/orders/{made['order_id']}", key=place.neighbours_key).status_code == 404
    assert place.ask(f"/orders/{made['order_id']}/events", key=place.neighbours_key).status_code == 404
    assert send(place, "POST", f"/attempts/{attempt_id}/cancel", **theirs).status_code == 404
    assert place.ask(f"/orders/{made['order_id']}").json()["state"] == "presented"


def pay(place: Place, made: dict[str, Any]) -> None:
    """Let the payer pay at the simulated WeChat Pay."""
    reference = made["attempts"][0]["attempt_id"].replace("-", "")
    place.street.world.pay(reference, now=place.clock.now)


def crashed_over(place: Place, key: str) -> None:
    """Put a key back to where a crash after the work, and before its answer, leaves it."""
    change(
        place,
        """update idempotency_key set status = null, answer = null, answered_at = null, taken_at = %s
        where key = %s""",
        place.clock.now,
        key,
    )
