"""Each way to pay by WeChat: what is asked of the payer, what they are given, and how it ends."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest
from tests.unit.payments.wechat_side import (
    APPID,
    MCHID,
    NOON,
    a_chance,
    a_provider,
    a_world,
    an_attempt,
    real_keys,
    some_settings,
)

from compuerta.adapters.payments.http import RoadDown, RoadShut, converse_with
from compuerta.adapters.payments.wechat import WechatPay
from compuerta.adapters.payments.wechat_account import OrderRefused, ProviderBusy
from compuerta.adapters.payments.wechat_orders import PayerUnusable
from compuerta.domain.payment import Attempt, Flow
from compuerta.services.payment_ports import (
    HttpRequest,
    HttpResponse,
    NotOffered,
    OrderState,
    Presentation,
    PresentationKind,
)
from compuerta.virtual.wechat.world import WechatWorld
from compuerta.wire.wechat import signature
from compuerta.wire.wechat.bodies import TradeState
from compuerta.wire.wechat.keys import RsaVerifier

PAY_CODE = "134567890123456789"
PUBLIC_IP = "203.0.114.9"
PAYERS = {Flow.QR: "", Flow.WALLET: "oPayer", Flow.APP: "", Flow.WEB: PUBLIC_IP, Flow.CODE: PAY_CODE}


class Till:
    """A provider before a world, with every request that went to it."""

    def __init__(self, provider: WechatPay | None = None) -> None:
        self.world: WechatWorld = a_world()
        self.provider = provider or a_provider()
        self.sent: list[HttpRequest] = []
        self.now = NOON

    def answer(self, request: HttpRequest) -> HttpResponse:
        self.sent.append(request)
        return self.world.answer(request, self.now)

    def create(
        self, attempt: Attempt, answer: Callable[[HttpRequest], HttpResponse] | None = None
    ) -> Presentation:
        steps = self.provider.create(attempt, now=self.now, chance=a_chance())
        return converse_with(steps, answer or self.answer)

    def state(self, attempt: Attempt) -> OrderState:
        steps = self.provider.query(attempt, now=self.now, chance=a_chance())
        return converse_with(steps, self.answer).state

    def close(self, attempt: Attempt) -> OrderState:
        steps = self.provider.close(attempt, now=self.now, chance=a_chance())
        return converse_with(steps, self.answer).state


def by(flow: Flow, **changes: object) -> Attempt:
    return replace(an_attempt(flow=flow, payer=PAYERS[flow]), **changes)  # type: ignore[arg-type]


def signed_lines(call: dict[str, str], name: str, *lines: str) -> bool:
    verifier = RsaVerifier(real_keys().merchant_certificate_pem)
    try:
        signature.verify_signature(
            call[name], message="".join(f"{line}\n" for line in lines).encode(), verifier=verifier
        )
    except signature.Unbelieved:
        return False
    return True


@pytest.mark.parametrize(
    ("flow", "path", "kind"),
    [
        (Flow.QR, "native", PresentationKind.QR),
        (Flow.WALLET, "jsapi", PresentationKind.WALLET),
        (Flow.APP, "app", PresentationKind.APP),
        (Flow.WEB, "h5", PresentationKind.REDIRECT),
        (Flow.CODE, "codepay", PresentationKind.PAID),
    ],
)
def test_each_flow_has_its_address_and_its_presentation(
    flow: Flow, path: str, kind: PresentationKind
) -> None:
    till = Till()

    shown = till.create(by(flow))

    assert [request.path for request in till.sent] == [f"/v3/pay/transactions/{path}"]
    assert shown.kind is kind
    assert b"null" not in till.sent[0].body


def test_inside_wechat_the_page_is_given_a_call_whose_signature_is_over_four_lines() -> None:
    call = json.loads(Till().create(by(Flow.WALLET)).content)

    assert set(call) == {"appId", "timeStamp", "nonceStr", "package", "signType", "paySign"}
    assert (call["appId"], call["signType"], call["timeStamp"]) == (APPID, "RSA", "1795320000")
    assert call["package"].startswith("prepay_id=wx")
    assert signed_lines(call, "paySign", APPID, call["timeStamp"], call["nonceStr"], call["package"])


def test_an_app_signs_the_bare_prepay_id() -> None:
    call = json.loads(Till().create(by(Flow.APP)).content)
    stamp = (APPID, call["timestamp"], call["noncestr"])

    assert (call["partnerid"], call["package"]) == (MCHID, "Sign=WXPay")
    assert signed_lines(call, "sign", *stamp, call["prepayid"])
    assert not signed_lines(call, "sign", *stamp, f"prepay_id={call['prepayid']}")


def test_a_browsers_order_tells_where_the_browser_is_and_lives_five_minutes() -> None:
    till = Till()

    shown = till.create(by(Flow.WEB))

    body = json.loads(till.sent[0].body)
    assert body["scene_info"] == {
        "payer_client_ip": PUBLIC_IP,
        "h5_info": {"type": "Wap", "app_url": "https://pay.example.org"},
    }
    assert body["time_expire"] == "2026-11-22T12:05:00+08:00"
    assert shown.content.startswith("https://")


@pytest.mark.parametrize("flow", [Flow.QR, Flow.WALLET, Flow.APP])
def test_an_order_never_outlives_what_its_payer_is_given(flow: Flow) -> None:
    till = Till()

    till.create(by(flow, expires_at=NOON + timedelta(hours=9)))

    assert json.loads(till.sent[0].body)["time_expire"] == "2026-11-22T14:00:00+08:00"


@pytest.mark.parametrize(
    ("flow", "payer"),
    [
        (Flow.WALLET, ""),
        *((Flow.WEB, payer) for payer in ("", "127.0.0.1", "10.0.0.7", "192.168.1.2", "::1", "fe80::1", "x")),
        *((Flow.CODE, payer) for payer in ("", "094567890123456789", "164567890123456789")),
        (Flow.CODE, "13456789012345678"),
        (Flow.CODE, "1345678901234567890"),
        (Flow.CODE, "13456789012345678x"),
        (Flow.CODE, "１３４５６７８９０１２３４５６７８９"),
    ],
)  # fmt: skip
def test_a_payer_of_whom_too_little_is_known_is_refused_before_anything_is_sent(
    flow: Flow, payer: str
) -> None:
    till = Till()

    with pytest.raises(PayerUnusable) as refused:
        till.create(by(flow, payer=payer))

    assert till.sent == []
    assert not payer or payer not in str(refused.value)


def test_a_flow_that_the_account_has_not_signed_up_for_is_not_offered() -> None:
    till = Till(WechatPay(replace(some_settings(), flows=frozenset({Flow.QR}))))

    for flow in (Flow.WALLET, Flow.APP, Flow.WEB, Flow.CODE, Flow.DESKTOP):
        with pytest.raises(NotOffered):
            till.create(replace(by(Flow.QR), flow=flow, payer="x"))
    assert till.sent == []
    assert till.provider.capabilities.flows == {Flow.QR}


def test_an_app_with_an_id_of_its_own_orders_under_it() -> None:
    settings = replace(some_settings(), appids={Flow.APP: "wx0000000000000002"})
    till = Till(WechatPay(settings))

    placed = {
        flow: json.loads(next(till.provider.create(by(flow), now=NOON, chance=a_chance())).body)["appid"]
        for flow in (Flow.APP, Flow.QR)
    }

    assert placed == {Flow.APP: "wx0000000000000002", Flow.QR: APPID}


def test_a_test_account_says_so() -> None:
    assert a_provider().capabilities.live
    assert not WechatPay(replace(some_settings(), live=False)).capabilities.live


# The code at the till


def test_a_small_amount_by_code_is_there_at_once_and_is_never_told_of() -> None:
    till = Till()

    shown = till.create(by(Flow.CODE))

    assert shown.kind is PresentationKind.PAID
    assert shown.paid is not None and shown.paid.amount_minor == 5000
    assert till.world.due(NOON) == []
    assert "notify_url" not in json.loads(till.sent[0].body)


def test_placing_a_codes_order_again_brings_the_same_payment() -> None:
    till = Till()

    assert till.create(by(Flow.CODE)) == till.create(by(Flow.CODE))


def test_a_code_serves_one_order() -> None:
    till = Till()
    till.create(by(Flow.CODE))

    with pytest.raises(OrderRefused) as refused:
        till.create(by(Flow.CODE, reference="R20261122000002"))

    assert refused.value.refusal.code == "AUTH_CODE_INVALID"


def test_a_code_that_is_a_minute_old_is_refused_before_anything_is_sent() -> None:
    till = Till()
    till.now = NOON + timedelta(minutes=1)

    with pytest.raises(PayerUnusable):
        till.create(by(Flow.CODE))

    assert till.sent == []


def waiting() -> Till:
    till = Till()
    till.world.behave({"password_ppm": 1_000_000})
    assert till.create(by(Flow.CODE)) == Presentation(kind=PresentationKind.WAIT)
    return till


def test_a_payer_who_types_the_password_has_paid() -> None:
    till = waiting()
    assert till.state(by(Flow.CODE)) is OrderState.NOT_PAID

    till.world.pay(by(Flow.CODE).reference, NOON)

    assert till.state(by(Flow.CODE)) is OrderState.PAID


def test_a_payer_who_never_types_is_reversed_and_cannot_pay_any_more() -> None:
    till = waiting()
    till.now = NOON + timedelta(seconds=30)

    assert till.close(by(Flow.CODE)) is OrderState.CLOSED

    (placed,) = till.world.orders()
    assert (placed.state, placed.transaction_id) == (TradeState.REVOKED, None)
    assert till.close(by(Flow.CODE)) is OrderState.CLOSED


def test_a_payment_that_is_there_is_never_reversed() -> None:
    till = waiting()
    till.world.pay(by(Flow.CODE).reference, NOON)
    till.sent.clear()

    assert till.close(by(Flow.CODE)) is OrderState.PAID

    assert [request.method for request in till.sent] == ["GET"]
    assert till.world.facts()[0].refunded_minor == 0


@pytest.mark.parametrize("end", ["refuse", "silence"])
def test_a_password_that_fails_is_not_taken_for_anything_but_unknown_until_reversed(end: str) -> None:
    till = waiting()
    if end == "refuse":
        till.world.refuse(by(Flow.CODE).reference, NOON)
    else:
        till.now = NOON + timedelta(minutes=1)

    assert till.state(by(Flow.CODE)) is OrderState.UNKNOWN
    assert till.close(by(Flow.CODE)) is OrderState.CLOSED


@pytest.mark.parametrize("code", ["USERPAYING", "SYSTEM_ERROR", "BANKERROR"])
def test_a_code_payment_that_is_not_decided_is_waited_for(code: str) -> None:
    body = json.dumps({"code": code, "message": ""}).encode()

    shown = Till().create(by(Flow.CODE), lambda _: HttpResponse(status=400, body=body))

    assert shown.kind is PresentationKind.WAIT


@pytest.mark.parametrize("status", [500, 502, 200])
def test_a_code_payment_whose_answer_is_broken_or_forged_may_have_been_paid(status: int) -> None:
    shown = Till().create(by(Flow.CODE), lambda _: HttpResponse(status=status, body=b"{}"))

    assert shown.kind is PresentationKind.WAIT


def failing(error: Exception) -> Callable[[HttpRequest], HttpResponse]:
    def fail(_: HttpRequest) -> HttpResponse:
        raise error

    return fail


def test_a_code_payment_whose_answer_is_lost_may_have_been_paid() -> None:
    assert Till().create(by(Flow.CODE), failing(RoadDown("lost"))).kind is PresentationKind.WAIT


def test_a_code_that_was_never_sent_is_told_at_once() -> None:
    with pytest.raises(RoadShut):
        Till().create(by(Flow.CODE), failing(RoadShut("refused")))
    with pytest.raises(ProviderBusy):
        Till().create(by(Flow.CODE), lambda _: HttpResponse(status=429))


def test_a_qrs_order_cannot_be_reversed() -> None:
    till = Till()
    till.create(by(Flow.QR))

    till.close(by(Flow.CODE))

    (placed,) = till.world.orders()
    assert placed.state is TradeState.NOTPAY


def test_a_payment_after_the_close_is_money_and_is_told() -> None:
    till = Till()
    till.create(by(Flow.QR))
    assert till.close(by(Flow.QR)) is OrderState.CLOSED

    till.world.pay_late(by(Flow.QR).reference, NOON)

    assert till.state(by(Flow.QR)) is OrderState.PAID
    assert len(till.world.due(NOON)) == 1
