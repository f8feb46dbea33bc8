"""What Alipay tells by itself, and what of it is money: most of it is not."""

from datetime import timedelta
from urllib.parse import parse_qsl

import pytest
from tests.unit.payments.alipay_side import (
    APP_ID,
    a_street,
    a_wish,
    an_attempt,
    paid_order,
)
from tests.unit.payments.wechat_side import NOON

from compuerta.domain.payment import RefundState
from compuerta.services.payment_ports import (
    HttpRequest,
    Refusal,
    Rejected,
    Verified,
)
from compuerta.virtual.alipay.keys import cheap_keys
from compuerta.virtual.alipay.telling import REPEATS_S
from compuerta.virtual.providers.worlds import Button
from compuerta.wire.alipay import signing


def test_the_whole_life_of_a_trade_credits_it_once() -> None:
    street = a_street()
    attempt = an_attempt()
    street.create(attempt)
    street.world.press(Button.PAY, attempt.reference, street.now)
    street.world.press(Button.REPEAT, attempt.reference, street.now)
    street.world.press(Button.REFUND, attempt.reference, street.now, amount_minor=1_000)
    street.world.press(Button.REFUND, attempt.reference, street.now)

    verdicts = [each for each in street.heard() if isinstance(each, Verified)]

    credited = {each.notice for each in verdicts if each.notice is not None}
    assert [notice.amount_minor for notice in credited] == [10_000]
    assert [each.refund.refunded_minor for each in verdicts if each.refund] == [1_000, 10_000]
    assert [each.event for each in verdicts][-2:] == ["TRADE_SUCCESS refund", "TRADE_CLOSED refund"]
    assert not any(each.expired for each in verdicts)


def test_the_end_of_the_time_for_refunds_brings_no_money() -> None:
    street = a_street()
    attempt, transaction_no = paid_order(street)
    street.now += timedelta(days=365)

    street.world.press(Button.FINISH, attempt.reference, street.now)

    assert street.heard() == [Verified(notice=None, event="TRADE_FINISHED")]
    refunded = street.refund(a_wish(attempt, transaction_no, amount_minor=1_000))
    assert (refunded.state, refunded.reason) == (RefundState.CLOSED, "ACQ.TRADE_HAS_FINISHED")


@pytest.mark.parametrize("wish", ["gbk_ppm", "empty_ppm", "duplicate_ppm"])
def test_a_notice_in_another_charset_or_with_empty_fields_is_genuine(wish: str) -> None:
    street, attempt = a_street(), an_attempt()
    street.world.behave({wish: 1_000_000})
    street.create(attempt)

    street.world.press(Button.PAY, attempt.reference, street.now)

    heard = street.heard()
    assert heard and all(isinstance(each, Verified) and each.notice for each in heard)


def test_a_strangers_notice_is_not_believed() -> None:
    street = a_street()
    attempt, _ = paid_order(street)

    street.world.press(Button.STRANGER, attempt.reference, street.now)

    (heard,) = street.heard()
    assert isinstance(heard, Rejected)
    assert (heard.refusal, heard.answer.status) == (Refusal.SIGNATURE_WRONG, 401)
    assert heard.answer.body != b"success"


def test_a_notice_with_another_amount_is_told_as_it_is_for_whoever_compares() -> None:
    street = a_street()
    attempt, _ = paid_order(street)

    street.world.press(Button.FORGE, attempt.reference, street.now, amount_minor=1)

    (heard,) = street.heard()
    assert isinstance(heard, Verified) and heard.notice is not None
    assert heard.notice.amount_minor == 1


@pytest.mark.parametrize(
    ("field", "value"), [("app_id", "2021000000000002"), ("seller_id", "2088000000000002")]
)
def test_a_notice_of_another_merchant_is_refused(field: str, value: str) -> None:
    keys, _ = cheap_keys()
    told = {**A_PAYMENT, field: value}

    heard = a_street().provider.hear(
        HttpRequest(method="POST", path="/", body=signing.notice_body(told, signer=keys.signer)), now=NOON
    )

    assert isinstance(heard, Rejected)
    assert heard.refusal is Refusal.MERCHANT_WRONG


A_PAYMENT = {
    "notify_type": "trade_status_sync",
    "notify_id": "1",
    "charset": "utf-8",
    "app_id": APP_ID,
    "seller_id": "2088000000000001",
    "trade_no": "2026112222001400000000000001",
    "out_trade_no": "A20261122000001",
    "trade_status": "TRADE_SUCCESS",
    "total_amount": "100.00",
    "gmt_payment": "2026-11-22 12:00:00",
}


@pytest.mark.parametrize(
    "changes",
    [
        {"total_amount": "100.001"},
        {"total_amount": "1e2"},
        {"total_amount": "-100.00"},
        {"total_amount": "0.00"},
        {"total_amount": "１００"},
        {"gmt_payment": "22/11/2026"},
        {"gmt_payment": ""},
        {"gmt_refund": "2026-11-22 12:00:00"},
        {"charset": "utf-7"},
        {"trade_no": ""},
    ],
)
def test_a_signed_notice_that_is_not_what_the_protocol_says_is_refused(changes: dict[str, str]) -> None:
    keys, _ = cheap_keys()
    told = {**A_PAYMENT, **changes}
    body = signing.notice_body({**told, "charset": "utf-8"}, signer=keys.signer)
    if "charset" in changes:
        body = _signed_as_it_is(told)

    heard = a_street().provider.hear(HttpRequest(method="POST", path="/", body=body), now=NOON)

    assert isinstance(heard, Rejected)
    assert heard.refusal is Refusal.BODY_MALFORMED


def _signed_as_it_is(told: dict[str, str]) -> bytes:
    return signing.notice_body(told, signer=cheap_keys()[0].signer)


def test_a_notice_is_repeated_until_it_reads_exactly_success() -> None:
    street, attempt = a_street(), an_attempt()
    street.create(attempt)
    street.world.press(Button.PAY, attempt.reference, street.now)
    waits, bodies = [], set()
    began = street.now
    for _ in range(len(REPEATS_S) + 1):
        (notice,) = street.world.due(street.now)
        waits.append(int((street.now - began).total_seconds()))
        bodies.add(dict(parse_qsl(notice.request.body.decode()))["notify_id"])
        street.world.answered(notice, 200, street.now, body=b"success\n")
        street.now = street.world.wake_at() or street.now

    assert waits == [sum(REPEATS_S[:count]) for count in range(len(REPEATS_S) + 1)]
    assert len(bodies) == 1
    assert (street.world.tally.given_up, street.world.wake_at()) == (1, None)


def test_our_answer_ends_the_repeats() -> None:
    street = a_street()

    paid_order(street)

    assert (street.world.tally.accepted, street.world.wake_at()) == (1, None)
    assert street.provider.answer(accepted=True).body == b"success"
    assert street.provider.answer(accepted=False).body != b"success"
