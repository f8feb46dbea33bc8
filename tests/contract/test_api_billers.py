"""The door for billers: their reference names a payment for ever; what is refused leaves nothing behind."""

from typing import Any
from uuid import uuid4

import httpx
import pytest
from tests.contract.door import OTHERS_METER_NO, Place, at_once
from tests.contract.partnership import BILLER, a_biller, change, order, send

pytestmark = [pytest.mark.postgres, pytest.mark.slow]


@pytest.fixture(scope="module")
def key(place: Place) -> str:
    """The biller's key."""
    return a_biller(place)


def paid(place: Place, key: str, reference: str | None = None, **wish: Any) -> httpx.Response:
    body = {
        "reference": uuid4().hex if reference is None else reference,
        "meter_no": place.home.meter_no,
        "amount_minor": 2_500,
        "currency": "CNY",
        **wish,
    }
    return send(place, "POST", "/billers/payments", key=key, json=body)


def reversed_(place: Place, key: str, reference: str) -> httpx.Response:
    path = f"/billers/payments/{reference}/reverse"
    return send(place, "POST", path, key=key, json={"why": "the payer changed their mind"})


def test_a_meter_is_validated_with_its_limits_and_a_masked_name(place: Place, key: str) -> None:
    found = place.ask(f"/billers/meters/{place.home.meter_no}", key=key).json()

    assert found["meter_no"] == place.home.meter_no
    assert found["name"].endswith("**")
    assert found["least_minor"] < found["most_minor"]
    assert "account_id" not in found


def test_a_meter_of_somebody_else_is_not_validated(place: Place, key: str) -> None:
    assert place.ask(f"/billers/meters/{OTHERS_METER_NO}", key=key).status_code == 404
    assert paid(place, key, meter_no=OTHERS_METER_NO).status_code == 404


@pytest.mark.parametrize("provider", ["till", "wechat", BILLER])
def test_a_billers_key_pays_at_the_billers_door_alone(place: Place, key: str, provider: str) -> None:
    before = place.credited_minor(place.home.account_id)

    assert place.recharge(place.home.account_id, key=key, provider=provider).status_code == 403
    assert order(place, key=key, provider=provider).status_code == 403
    assert place.credited_minor(place.home.account_id) == before


def test_nobody_else_sells_by_a_billers_account(place: Place, key: str) -> None:
    assert place.recharge(place.home.account_id, provider=BILLER).status_code == 422


def test_a_payment_is_credited_and_owed_by_the_biller(place: Place, key: str) -> None:
    before = place.credited_minor(place.home.account_id), owed_minor(place)

    answer = paid(place, key, "first")

    assert answer.json()["state"] == "paid"
    assert place.credited_minor(place.home.account_id) == before[0] + 2_500
    assert owed_minor(place) == before[1] + 2_500


def test_a_payment_said_again_is_the_same_payment(place: Place, key: str) -> None:
    first = paid(place, key, "again")
    before = place.credited_minor(place.home.account_id)
    place.clock.passes(seconds=90_000)

    second = paid(place, key, "again")

    assert second.json() == first.json()
    assert place.credited_minor(place.home.account_id) == before


def test_a_payment_said_at_once_by_many_is_one(place: Place, key: str) -> None:
    before = place.credited_minor(place.home.account_id)

    answers = at_once(6, lambda: paid(place, key, "race"))

    assert {answer.status_code for answer in answers} == {200}
    assert place.credited_minor(place.home.account_id) == before + 2_500


@pytest.mark.parametrize("other", [{"amount_minor": 2_600}, {"currency": "MXN"}])
def test_a_reference_for_another_payment_is_refused(place: Place, key: str, other: dict[str, Any]) -> None:
    paid(place, key, "other")
    before = place.count("payment")

    answer = paid(place, key, "other", **other)

    assert answer.status_code == 422
    assert "nothing was done" in answer.json()["detail"]
    assert place.count("payment") == before


def test_a_reference_for_another_meter_is_refused(place: Place, key: str) -> None:
    paid(place, key, "meter")

    assert paid(place, key, "meter", meter_no=place.homes[1].meter_no).status_code == 422


def test_a_payment_said_again_after_its_tenant_left_is_answered_as_it_stands(place: Place, key: str) -> None:
    home = place.homes[1]
    first = paid(place, key, "moved", meter_no=home.meter_no)
    leave = "update installation set ended_at = %s where account_id = %s"
    change(place, leave, place.clock.now, home.account_id)
    try:
        again = paid(place, key, "moved", meter_no=home.meter_no)
        new = paid(place, key, "moved-2", meter_no=home.meter_no)
    finally:
        change(place, leave, None, home.account_id)

    assert (again.status_code, again.json()) == (200, first.json())
    assert new.status_code == 404


def test_a_reversal_without_readable_words_is_refused_by_field(place: Place, key: str) -> None:
    paid(place, key, "nul")

    answer = send(place, "POST", "/billers/payments/nul/reverse", key=key, json={"why": "a\x00b"})

    assert answer.status_code == 422
    assert "why" in answer.json()["detail"]
    assert place.ask("/billers/payments/nul", key=key).json()["state"] == "paid"


def test_what_is_refused_leaves_nothing_and_its_reference_free(place: Place, key: str) -> None:
    refused = paid(place, key, "free", amount_minor=1)
    unknown = place.ask("/billers/payments/free", key=key)
    mended = paid(place, key, "free")

    assert refused.status_code == 422
    assert unknown.status_code == 404
    assert mended.json()["state"] == "paid"


def test_a_payment_is_taken_back_while_the_meter_has_not_taken_it(place: Place, key: str) -> None:
    before = owed_minor(place)
    paid(place, key, "back")

    answer = reversed_(place, key, "back")

    assert answer.json()["state"] == "reversed"
    assert owed_minor(place) == before
    assert place.ask("/billers/payments/back", key=key).json() == answer.json()


def test_a_reversal_said_again_changes_nothing(place: Place, key: str) -> None:
    paid(place, key, "back-2")
    first = reversed_(place, key, "back-2")
    before = owed_minor(place)
    place.clock.passes(seconds=7_200)

    second = reversed_(place, key, "back-2")

    assert second.json() == first.json()
    assert owed_minor(place) == before


def test_what_was_taken_back_is_not_paid_again(place: Place, key: str) -> None:
    paid(place, key, "back-3")
    reversed_(place, key, "back-3")

    answer = paid(place, key, "back-3")

    assert answer.status_code == 422
    assert "taken back" in answer.json()["detail"]


def test_what_is_taken_back_before_it_came_is_refused_when_it_comes(place: Place, key: str) -> None:
    before = place.credited_minor(place.home.account_id)
    reversal = reversed_(place, key, "early")

    answer = paid(place, key, "early")

    assert reversal.json()["state"] == "reversed"
    assert reversal.json()["amount_minor"] is None
    assert answer.status_code == 422
    assert place.credited_minor(place.home.account_id) == before


def test_a_payment_and_its_reversal_at_once_end_as_one_of_two(place: Place, key: str) -> None:
    before = owed_minor(place)
    steps = iter([lambda: paid(place, key, "cross"), lambda: reversed_(place, key, "cross")])

    at_once(2, lambda: next(steps)())

    assert place.ask("/billers/payments/cross", key=key).json()["state"] == "reversed"
    assert owed_minor(place) == before


def test_a_payment_that_the_meter_may_have_stands(place: Place, key: str) -> None:
    paid(place, key, "taken")
    change(
        place,
        """update instruction i set state = 'in_flight', lease_owner = 'gateway', lease_until = %s, tries = 1
        from recharge r join payment p using (account_id, payment_id)
        where i.recharge_id = r.recharge_id and p.transaction_no = 'taken'""",
        place.clock.now,
    )
    before = owed_minor(place)

    answer = reversed_(place, key, "taken")

    assert answer.status_code == 422
    assert place.ask("/billers/payments/taken", key=key).json()["state"] == "paid"
    assert owed_minor(place) == before


def test_a_payment_stands_when_its_time_is_over(place: Place, key: str) -> None:
    paid(place, key, "late", meter_no=place.homes[1].meter_no)
    place.clock.passes(seconds=3_601)

    answer = reversed_(place, key, "late")

    assert answer.status_code == 422
    assert "60 minutes" in answer.json()["detail"]


def test_a_days_total_is_what_is_owed(place: Place, key: str) -> None:
    place.clock.passes(seconds=3 * 86_400)
    day = place.clock.now.date().isoformat()
    meter_no = place.homes[1].meter_no
    paid(place, key, "day-1", meter_no=meter_no)
    paid(place, key, "day-2", meter_no=meter_no, amount_minor=1_000)
    reversed_(place, key, "day-2")

    total = place.ask(f"/billers/days/{day}", key=key).json()

    counted = {
        name: total[name] for name in ("paid", "paid_minor", "reversed", "reversed_minor", "net_minor")
    }
    assert counted == {
        "paid": 2,
        "paid_minor": 3_500,
        "reversed": 1,
        "reversed_minor": 1_000,
        "net_minor": 2_500,
    }


def test_a_key_that_is_no_billers_does_nothing_here(place: Place, key: str) -> None:
    answers = [
        place.ask(f"/billers/meters/{place.home.meter_no}"),
        place.ask("/billers/payments/first"),
        place.ask("/billers/days/2026-01-01"),
        paid(place, place.key),
        reversed_(place, place.key, "first"),
    ]

    assert {answer.status_code for answer in answers} == {422}
    assert all("no biller" in answer.json()["detail"] for answer in answers)


def test_nobody_orders_at_a_biller(place: Place, key: str) -> None:
    assert place.recharge(place.home.account_id, provider=BILLER).status_code == 422


@pytest.mark.parametrize(
    ("wish", "told"),
    [
        ({"reference": ""}, "reference"),
        ({"reference": "a b"}, "reference"),
        ({"reference": "x" * 65}, "reference"),
        ({"meter_no": "12"}, "meter_no"),
        ({"amount_minor": 0}, "amount_minor"),
        ({"amount_minor": 1.5}, "amount_minor"),
        ({"amount_minor": 2**63}, "amount_minor"),
        ({"amount_minor": 10**12}, "between"),
        ({"currency": "yuan"}, "currency"),
        ({"currency": "USD"}, "CNY"),
        ({"more": 1}, "more"),
    ],
)
def test_a_payment_that_cannot_be_is_refused_by_field(
    place: Place, key: str, wish: dict[str, Any], told: str
) -> None:
    before = place.count("payment")

    answer = paid(place, key, **wish)

    assert answer.status_code == 422
    assert told in answer.json()["detail"]
    assert place.count("payment") == before


@pytest.mark.parametrize("day", ["yesterday", "1999-12-31", "9999-12-31", "2026-02-30"])
def test_a_day_that_cannot_be_is_refused(place: Place, key: str, day: str) -> None:
    assert place.ask(f"/billers/days/{day}", key=key).status_code == 422


def owed_minor(place: Place) -> int:
    """Return what the biller owes us, by the ledger."""
    (row,) = place.rows(
        "select coalesce(sum(amount_minor), 0)::bigint as owed from posting_line where code = %s",
        f"cash:{BILLER}",
    )
    return int(row["owed"])
