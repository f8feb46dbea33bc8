"""Refunds by WeChat: asked for once, on their way for a while, ended in three ways, and told of."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest
from tests.unit.payments.wechat_side import (
    MCHID,
    NOON,
    NOTIFY_URL,
    a_chance,
    a_cheap_pair,
    a_wish,
    an_attempt,
)

from compuerta.adapters.payments.http import converse_with
from compuerta.adapters.payments.wechat_account import AnswerForged, OrderRefused, ProviderBusy
from compuerta.domain.payment import RefundNotice, RefundState
from compuerta.services.payment_ports import (
    HttpRequest,
    HttpResponse,
    RefundAnswer,
    RefundWish,
    Refusal,
    Rejected,
    Verified,
)
from compuerta.virtual.wechat.keys import cheap_keys
from compuerta.wire.wechat import bodies, refunds, resource, signature
from compuerta.wire.wechat.bodies import Envelope
from compuerta.wire.wechat.refunds import RefundStatus, RefundTold


class Desk:
    """A provider and a world in which one order of 50 yuan is paid."""

    def __init__(self) -> None:
        self.world, self.provider = a_cheap_pair()
        self.now = NOON
        converse_with(self.provider.create(an_attempt(), now=NOON, chance=a_chance()), self.answer)
        self.transaction_no = self.world.pay(an_attempt().reference, NOON).transaction_id or ""
        self.heard()

    def answer(self, request: HttpRequest) -> HttpResponse:
        return self.world.answer(request, self.now)

    def wish(self, *, amount_minor: int = 1000, number: int = 1) -> RefundWish:
        return a_wish(transaction_no=self.transaction_no, amount_minor=amount_minor, number=number)

    def refund(
        self, wish: RefundWish, answer: Callable[[HttpRequest], HttpResponse] | None = None
    ) -> RefundAnswer:
        steps = self.provider.refund(wish, now=self.now, chance=a_chance())
        return converse_with(steps, answer or self.answer)

    def query(self, wish: RefundWish) -> RefundAnswer:
        steps = self.provider.query_refund(wish, now=self.now, chance=a_chance())
        return converse_with(steps, self.answer)

    def wait(self, **duration: float) -> None:
        self.now += timedelta(**duration)

    def heard(self) -> list[Verified | Rejected]:
        heard = []
        for notice in self.world.due(self.now):
            heard.append(self.provider.hear(notice.request, now=self.now))
            self.world.answered(notice, 204, self.now)
        return heard


@pytest.mark.parametrize(
    ("behaviour", "state", "event"),
    [
        ({}, RefundState.DONE, "REFUND.SUCCESS"),
        ({"refund_abnormal_ppm": 1_000_000}, RefundState.ABNORMAL, "REFUND.ABNORMAL"),
        ({"refund_closed_ppm": 1_000_000}, RefundState.CLOSED, "REFUND.CLOSED"),
    ],
)
def test_an_accepted_refund_is_sent_and_ends_as_the_provider_says(
    behaviour: dict[str, object], state: RefundState, event: str
) -> None:
    desk = Desk()
    desk.world.behave(behaviour)
    wish = desk.wish()

    asked = desk.refund(wish)
    desk.wait(seconds=2)
    (heard,) = desk.heard()

    assert (asked.state, asked.provider_no[:3]) == (RefundState.SENT, "503")
    assert desk.query(wish).state is state
    assert isinstance(heard, Verified) and heard.refund is not None
    assert (heard.notice, heard.event, heard.refund.state) == (None, event, state)
    assert (heard.refund.reference, heard.refund.refund_reference) == ("R20261122000001", "RF000000000001")
    assert (heard.refund.refunded_minor, heard.refund.is_total) == (1000, False)


def test_asking_again_under_the_same_number_is_one_refund() -> None:
    desk = Desk()

    first, again = desk.refund(desk.wish()), desk.refund(desk.wish())

    assert first == again
    assert desk.world.facts()[0].refunded_minor == 1000


def test_the_same_number_for_another_amount_is_refused() -> None:
    desk = Desk()
    desk.refund(desk.wish())

    with pytest.raises(OrderRefused):
        desk.refund(desk.wish(amount_minor=2000))


def test_partial_refunds_a_minute_apart_add_up_to_the_payment_and_no_further() -> None:
    desk = Desk()
    desk.refund(desk.wish(amount_minor=2000, number=1))
    assert desk.refund(desk.wish(amount_minor=3000, number=2)) == RefundAnswer(
        state=None, reason="FREQUENCY_LIMITED"
    )
    desk.wait(seconds=60)

    assert desk.refund(desk.wish(amount_minor=3000, number=2)).state is RefundState.SENT
    desk.wait(seconds=60)
    with pytest.raises(OrderRefused):
        desk.refund(desk.wish(amount_minor=1, number=3))

    assert desk.world.facts()[0].refunded_minor == 5000


def test_a_merchant_without_balance_waits_and_has_not_failed() -> None:
    desk = Desk()
    desk.world.behave({"balance_short": True})

    assert desk.refund(desk.wish()) == RefundAnswer(state=None, reason="NOT_ENOUGH")

    desk.world.behave({"balance_short": False})
    assert desk.refund(desk.wish()).state is RefundState.SENT


@pytest.mark.parametrize("behaviour", [{"refuse_next": 1}, {"fail_next": 1}])
def test_a_busy_provider_is_asked_again(behaviour: dict[str, object]) -> None:
    desk = Desk()
    desk.world.behave(behaviour)

    with pytest.raises(ProviderBusy):
        desk.refund(desk.wish())

    assert desk.refund(desk.wish()).state is RefundState.SENT


def test_a_payer_whose_account_is_gone_is_for_a_person() -> None:
    body = json.dumps({"code": "USER_ACCOUNT_ABNORMAL", "message": ""}).encode()

    answer = Desk().refund(Desk().wish(), lambda _: HttpResponse(status=403, body=body))

    assert answer == RefundAnswer(state=RefundState.ABNORMAL, reason="USER_ACCOUNT_ABNORMAL")


def test_a_refund_that_the_provider_does_not_know_is_not_known_and_not_failed() -> None:
    desk = Desk()

    assert desk.query(desk.wish()) == RefundAnswer(state=None, reason="RESOURCE_NOT_EXISTS")


def test_money_that_went_back_and_was_closed_is_the_orders_again() -> None:
    desk = Desk()
    desk.world.behave({"refund_closed_ppm": 1_000_000})
    desk.refund(desk.wish(amount_minor=5000))
    desk.wait(seconds=60)
    desk.heard()
    desk.world.behave({"refund_closed_ppm": 0})

    assert desk.world.facts()[0].refunded_minor == 0
    assert desk.refund(desk.wish(amount_minor=5000, number=2)).state is RefundState.SENT


def test_a_refund_names_the_payment_by_the_providers_number_and_asks_to_be_told() -> None:
    desk = Desk()
    sent = next(desk.provider.refund(desk.wish(), now=NOON, chance=a_chance()))

    assert json.loads(sent.body) == {
        "transaction_id": desk.transaction_no,
        "out_refund_no": "RF000000000001",
        "reason": "moved out",
        "notify_url": NOTIFY_URL,
        "amount": {"refund": 1000, "total": 5000, "currency": "CNY"},
    }


TOLD = RefundTold(
    refund_id="503",
    out_refund_no="RF1",
    transaction_id="42",
    out_trade_no="R20261122000001",
    status=RefundStatus.SUCCESS,
    refund_fen=1000,
    total_fen=5000,
    ended_at=NOON,
)


def signed(body: bytes) -> dict[str, str]:
    keys, _ = cheap_keys()
    return signature.signed_headers(
        serial=keys.public_key_id,
        stamp=signature.stamp(now=NOON, chance=b"nonce"),
        body=body,
        signer=keys.signers[keys.public_key_id],
    )


def a_notice(told: RefundTold, *, event: str, mchid: str = MCHID) -> HttpRequest:
    keys, _ = cheap_keys()
    sealed = resource.seal(
        refunds.build_refund_notice(told, mchid=mchid),
        key=keys.api_key,
        nonce="0123456789ab",
        original_type="refund",
    )
    body = bodies.build_envelope(Envelope(notice_id="1", event_type=event, created_at=NOON, resource=sealed))
    return HttpRequest(method="POST", path="/notices/wechat", headers=signed(body), body=body)


def test_a_refunds_notice_tells_of_one_refund_in_our_words() -> None:
    _, provider = a_cheap_pair()

    heard = provider.hear(a_notice(TOLD, event="REFUND.SUCCESS"), now=NOON)

    assert isinstance(heard, Verified)
    assert heard.refund == RefundNotice(
        provider="wechat",
        transaction_no="42",
        reference="R20261122000001",
        refund_reference="RF1",
        refunded_minor=1000,
        is_total=False,
        currency="CNY",
        state=RefundState.DONE,
        at=NOON,
    )


@pytest.mark.parametrize(
    ("notice", "refusal"),
    [
        (a_notice(TOLD, event="REFUND.ABNORMAL"), Refusal.BODY_MALFORMED),
        (a_notice(replace(TOLD, status=RefundStatus.UNLISTED), event="REFUND."), Refusal.BODY_MALFORMED),
        (a_notice(TOLD, event="REFUND.SUCCESS", mchid="1900000002"), Refusal.MERCHANT_WRONG),
    ],
)
def test_a_refunds_notice_that_contradicts_itself_or_is_anothers_is_refused(
    notice: HttpRequest, refusal: Refusal
) -> None:
    _, provider = a_cheap_pair()

    heard = provider.hear(notice, now=NOON)

    assert isinstance(heard, Rejected)
    assert heard.refusal is refusal


def test_a_signed_answer_about_another_refund_is_not_believed() -> None:
    desk = Desk()
    body = refunds.build_refund(TOLD)

    with pytest.raises(AnswerForged):
        desk.refund(desk.wish(), lambda _: HttpResponse(status=200, headers=signed(body), body=body))


def test_a_word_that_no_document_lists_is_not_known() -> None:
    desk = Desk()
    told = replace(
        TOLD, out_refund_no="RF000000000001", transaction_id=desk.transaction_no, status=RefundStatus.UNLISTED
    )
    body = refunds.build_refund(told).replace(b'"status":""', b'"status":"LATER"')

    answer = desk.refund(desk.wish(), lambda _: HttpResponse(status=200, headers=signed(body), body=body))

    assert answer.state is None
