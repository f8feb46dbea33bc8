"""Alipay against the simulated gateway, in virtual time: every way to pay, and every answer."""

from dataclasses import replace
from datetime import timedelta
from urllib.parse import parse_qsl, urlsplit

import pytest
from tests.unit.payments.alipay_side import (
    PAY_CODE,
    Street,
    a_real_world,
    a_street,
    a_wish,
    an_attempt,
    paid_order,
    real_keys,
    some_settings,
    some_terms,
)
from tests.unit.payments.wechat_side import NOON, a_chance

from compuerta.adapters.payments.alipay import SWEEP_FOR, Alipay
from compuerta.adapters.payments.alipay_errors import (
    AnswerForged,
    CurrencyNotTaken,
    OrderRefused,
    PayCodeMalformed,
    ProviderBusy,
)
from compuerta.adapters.payments.http import RoadDown, converse_with
from compuerta.domain.errors import Unreachable
from compuerta.domain.payment import Flow, RefundState
from compuerta.services.payment_ports import (
    HttpRequest,
    HttpResponse,
    NotOffered,
    OrderState,
    PaymentProvider,
    PresentationKind,
    Verified,
)
from compuerta.virtual.alipay.keys import cheap_keys
from compuerta.virtual.providers.worlds import Button, NotPressed, State, World
from compuerta.wire.alipay import signing


def test_the_provider_and_the_world_are_what_the_protocols_say() -> None:
    street = a_street()

    provider: PaymentProvider = street.provider
    world: World = street.world

    assert (provider.name, world.name) == ("alipay", "alipay")


def test_an_order_that_nobody_has_scanned_is_not_paid_and_has_not_failed() -> None:
    street = a_street()
    shown = street.create(an_attempt())

    asked = street.query(an_attempt())

    assert (shown.kind, shown.content.startswith("https://qr.alipay.com/")) == (PresentationKind.QR, True)
    assert (asked.state, asked.paid, asked.reason) == (OrderState.NOT_PAID, None, "ACQ.TRADE_NOT_EXIST")


def test_the_same_order_placed_again_shows_the_same_code() -> None:
    street = a_street()

    assert street.create(an_attempt()) == street.create(an_attempt())


def test_an_unscanned_order_cannot_be_closed_and_is_told_closed_a_day_after_its_end() -> None:
    street, attempt = a_street(), an_attempt()
    street.create(attempt)

    street.now = attempt.expires_at
    at_its_end = street.close(attempt)
    street.now = attempt.expires_at + SWEEP_FOR
    after_the_sweep = street.close(attempt)

    assert (at_its_end.state, after_the_sweep.state) == (OrderState.NOT_PAID, OrderState.CLOSED)
    assert at_its_end.reason.startswith("not_closable")


def test_money_for_a_code_that_was_scanned_late_is_honoured() -> None:
    street, attempt = a_street(), an_attempt()
    street.create(attempt)
    street.now = attempt.expires_at + timedelta(hours=1)
    assert street.close(attempt).state is OrderState.NOT_PAID

    street.world.press(Button.PAY_LATE, attempt.reference, street.now)

    (heard,) = street.heard()
    closed = street.close(attempt)
    assert isinstance(heard, Verified)
    assert closed.state is OrderState.PAID
    assert heard.notice == closed.paid


def test_a_scanned_order_is_closed_and_the_close_is_told() -> None:
    street, attempt = a_street(), an_attempt()
    street.create(attempt)
    street.world.press(Button.SCAN, attempt.reference, street.now)

    assert street.close(attempt).state is OrderState.CLOSED

    assert street.query(attempt).state is OrderState.CLOSED
    assert [each.expired for each in street.heard() if isinstance(each, Verified)] == [attempt.reference]


def test_a_payer_who_is_faster_than_the_close_has_paid() -> None:
    street, attempt = a_street(), an_attempt()
    street.create(attempt)
    street.world.press(Button.SCAN, attempt.reference, street.now)
    street.world.behave({"race_on_close": True})

    closed = street.close(attempt)

    assert closed.state is OrderState.PAID
    assert closed.paid is not None and closed.paid.amount_minor == attempt.amount_minor


def test_a_trade_whose_time_is_over_is_told_as_expired() -> None:
    street, attempt = a_street(), an_attempt()
    street.create(attempt)
    street.world.press(Button.SCAN, attempt.reference, street.now)

    street.now = attempt.expires_at

    (heard,) = street.heard()
    assert heard == Verified(notice=None, event="TRADE_CLOSED", expired=attempt.reference)
    assert street.query(attempt).state is OrderState.CLOSED


def test_the_amount_is_the_orders_and_not_what_the_payer_gave() -> None:
    street = a_street()
    street.world.behave({"discount_fen": 300})

    attempt, _ = paid_order(street)

    paid = street.query(attempt).paid
    assert paid is not None and paid.amount_minor == 10_000


def test_an_order_that_was_paid_already_is_placed_as_paid() -> None:
    street = a_street()
    attempt, transaction_no = paid_order(street)

    shown = street.create(attempt)

    assert shown.kind is PresentationKind.PAID
    assert shown.paid is not None and shown.paid.transaction_no == transaction_no


def test_the_same_number_with_another_amount_is_refused() -> None:
    street = a_street()
    street.create(an_attempt())

    with pytest.raises(OrderRefused, match="CONTEXT_INCONSISTENT"):
        street.create(an_attempt(amount_minor=20_000))


@pytest.mark.parametrize(
    ("flow", "method"), [(Flow.WEB, "alipay.trade.wap.pay"), (Flow.DESKTOP, "alipay.trade.page.pay")]
)
def test_a_browser_is_sent_with_a_signed_address_and_pays_there(flow: Flow, method: str) -> None:
    street, attempt = a_street(), an_attempt(flow=flow)

    shown = street.create(attempt)
    before = street.query(attempt)
    address = urlsplit(shown.content)
    browser = HttpRequest(method="GET", path=f"{address.path}?{address.query}")
    came = street.world.answer(browser, street.now)
    street.world.press(Button.PAY, attempt.reference, street.now)

    assert (shown.kind, dict(parse_qsl(address.query))["method"]) == (PresentationKind.REDIRECT, method)
    assert before.state is OrderState.NOT_PAID
    assert (came.status, came.headers["location"].split("?")[0]) == (302, some_terms().page_url)
    assert street.query(attempt).state is OrderState.PAID


def test_a_browser_with_a_changed_amount_is_sent_away() -> None:
    street = a_street()
    address = urlsplit(street.create(an_attempt(flow=Flow.WEB)).content)

    changed = address.query.replace("100.00", "000.01")
    came = street.world.answer(HttpRequest(method="GET", path=f"{address.path}?{changed}"), street.now)

    assert b"isv.invalid-signature" in came.body
    assert street.world.shown(street.now, limit=1) == []


def test_an_app_is_given_a_signed_order() -> None:
    street = a_street()

    shown = street.create(an_attempt(flow=Flow.APP))

    params = dict(parse_qsl(shown.content))
    assert (shown.kind, params["method"]) == (PresentationKind.APP, "alipay.trade.app.pay")
    signing.verify_request(params, verifier=cheap_keys()[0].merchant)


def test_a_pay_code_brings_the_money_at_once() -> None:
    street, attempt = a_street(), an_attempt(flow=Flow.CODE, payer=PAY_CODE)

    shown = street.create(attempt)

    assert shown.kind is PresentationKind.PAID
    assert shown.paid == street.query(attempt).paid


def test_a_payer_who_types_a_password_is_waited_for() -> None:
    street, attempt = a_street(), an_attempt(flow=Flow.CODE, payer=PAY_CODE)
    street.world.behave({"password": True})

    shown = street.create(attempt)
    waiting = street.query(attempt)
    street.world.press(Button.PAY, attempt.reference, street.now)

    assert (shown.kind, waiting.state) == (PresentationKind.WAIT, OrderState.NOT_PAID)
    assert street.query(attempt).state is OrderState.PAID


def test_a_payment_by_code_whose_answer_says_out_of_order_is_asked_for() -> None:
    street, attempt = a_street(), an_attempt(flow=Flow.CODE, payer=PAY_CODE)
    street.world.behave({"code_fails": True})

    shown = street.create(attempt)

    assert shown.kind is PresentationKind.PAID
    assert shown.paid is not None


def test_a_payment_by_code_that_waits_is_cancelled_and_one_that_is_paid_is_not() -> None:
    street = a_street()
    street.world.behave({"password": True})
    waiting = an_attempt(flow=Flow.CODE, payer=PAY_CODE)
    paid = an_attempt(reference="A20261122000002", flow=Flow.CODE, payer=PAY_CODE)
    for attempt in (waiting, paid):
        street.create(attempt)
    street.world.press(Button.PAY, paid.reference, street.now)

    assert street.close(waiting).state is OrderState.CLOSED
    assert street.close(paid).state is OrderState.PAID

    assert [fact.refunded_minor for fact in street.world.facts()] == [0]


def test_a_payment_by_code_that_alipay_never_got_is_closed() -> None:
    assert a_street().close(an_attempt(flow=Flow.CODE, payer=PAY_CODE)).state is OrderState.CLOSED


@pytest.mark.parametrize("payer", ["", "123456789012345678", "28123456789012", "2812345678901234x6"])
def test_what_is_no_pay_code_is_refused_without_repeating_it(payer: str) -> None:
    with pytest.raises(PayCodeMalformed) as refused:
        a_street().create(an_attempt(flow=Flow.CODE, payer=payer))

    assert not payer or payer not in str(refused.value)


def test_a_flow_that_the_account_has_not_signed_up_for_is_refused() -> None:
    street = a_street()
    keys = cheap_keys()[1]
    settings = replace(street.provider._settings, flows=frozenset({Flow.QR}))
    street.provider = Alipay(settings, keys=keys)

    with pytest.raises(NotOffered):
        street.create(an_attempt(flow=Flow.WEB))
    with pytest.raises(CurrencyNotTaken):
        street.create(an_attempt(currency="MXN"))


@pytest.mark.parametrize("wish", ["refuse_next", "fail_next"])
def test_a_limit_and_an_outage_are_asked_again_later(wish: str) -> None:
    street = a_street()
    street.world.behave({wish: 1})

    with pytest.raises(ProviderBusy):
        street.query(an_attempt())

    assert street.query(an_attempt()).state is OrderState.NOT_PAID


@pytest.mark.parametrize("by_certificate", [False, True])
def test_real_keys_and_certificates_carry_an_order_through(by_certificate: bool) -> None:
    street = Street(a_real_world(), Alipay(some_settings(by_certificate=by_certificate)))

    attempt, transaction_no = paid_order(street)
    refunded = street.refund(a_wish(attempt, transaction_no, amount_minor=1_000))

    (heard,) = street.heard()
    assert refunded.state is RefundState.DONE
    assert isinstance(heard, Verified) and heard.refund is not None


def test_an_answer_of_the_other_mode_is_not_believed() -> None:
    street = Street(a_real_world(), Alipay(some_settings(by_certificate=True)))
    alien = Alipay(replace(some_settings(by_certificate=True), alipay_keys=(real_keys().app_certificate,)))
    attempt, _ = paid_order(street)
    street.provider = alien

    with pytest.raises(AnswerForged, match="certificate"):
        street.query(attempt)


def test_an_answer_that_is_not_signed_is_not_believed() -> None:
    street = a_street()
    attempt, _ = paid_order(street)
    street.world.behave({"unsigned_answers": True})

    with pytest.raises(AnswerForged):
        street.query(attempt)


def test_an_unsigned_word_that_a_trade_does_not_exist_is_no_evidence() -> None:
    street, attempt = a_street(), an_attempt()
    street.world.behave({"unsigned_answers": True})

    with pytest.raises(OrderRefused) as refused:
        street.query(attempt)

    assert not refused.value.is_signed


def test_an_answer_about_another_order_is_not_believed() -> None:
    street = a_street()
    paid_order(street)
    other = an_attempt(reference="A20261122000002")
    of_the_paid_one = an_attempt()

    def swapped(request: HttpRequest) -> HttpResponse:
        params = next(street.provider.query(of_the_paid_one, now=street.now, chance=a_chance()))
        return street.world.answer(params, street.now)

    with pytest.raises(AnswerForged):
        converse_with(street.provider.query(other, now=street.now, chance=a_chance()), swapped)


def test_a_genuine_answer_to_something_else_is_not_believed() -> None:
    street, attempt = a_street(), an_attempt()

    def swapped(request: HttpRequest) -> HttpResponse:
        placed = next(street.provider.create(attempt, now=street.now, chance=a_chance()))
        return street.world.answer(placed, street.now)

    with pytest.raises(AnswerForged):
        converse_with(street.provider.query(attempt, now=street.now, chance=a_chance()), swapped)


@pytest.mark.parametrize(
    "body", [b"", b"<html>", b"{}", b'{"x":1}', b"\xff", b'{"a_response":{}}', b"[" * 9000]
)
def test_an_answer_that_is_none_is_asked_again_later(body: bytes) -> None:
    steps = a_street().provider.query(an_attempt(), now=NOON, chance=a_chance())

    with pytest.raises(Unreachable):
        converse_with(steps, lambda request: HttpResponse(status=200, body=body))


def test_a_good_setup_passes_its_connection_test_without_moving_money() -> None:
    street = a_street()

    checks = converse_with(street.provider.self_test(now=NOON, chance=a_chance()), street.road)

    assert [(check.name, check.ok) for check in checks] == [
        ("gateway", True),
        ("app", True),
        ("alipay_key", True),
    ]
    assert street.world.shown(NOON, limit=10) == []


def test_a_wrong_app_and_a_dead_road_are_named() -> None:
    street = a_street()
    wrong = Alipay(replace(street.provider._settings, app_id="2021000000000009"), keys=cheap_keys()[1])

    def dead(request: HttpRequest) -> HttpResponse:
        raise RoadDown("nobody there")

    told = converse_with(wrong.self_test(now=NOON, chance=a_chance()), street.road)
    alone = converse_with(street.provider.self_test(now=NOON, chance=a_chance()), dead)

    assert [(check.name, check.ok) for check in told] == [
        ("gateway", True),
        ("app", False),
        ("alipay_key", False),
    ]
    assert "isv.invalid-app-id" in told[1].detail
    assert [(check.name, check.ok) for check in alone] == [("gateway", False)]


def test_an_app_that_may_not_do_it_is_named_though_its_keys_are_good() -> None:
    street, (keys, _) = a_street(), cheap_keys()
    told = '{"code":"40006","msg":"Insufficient Permissions","sub_code":"isv.insufficient-isv-permissions"}'
    body = signing.answer_body("alipay_trade_query_response", told, signer=keys.signer)

    checks = converse_with(
        street.provider.self_test(now=NOON, chance=a_chance()),
        lambda request: HttpResponse(status=200, body=body),
    )

    assert [(check.name, check.ok) for check in checks] == [
        ("gateway", True),
        ("app", False),
        ("alipay_key", True),
    ]
    assert "isv-permissions" in checks[1].detail


def test_the_payers_page_knows_what_can_be_pressed_now() -> None:
    street, attempt = a_street(), an_attempt()
    content = street.create(attempt).content
    seen = [street.world.shown(street.now, limit=1)[0]]
    for button in (Button.SCAN, Button.PAY):
        street.world.press(button, content, street.now)
        seen.append(street.world.shown(street.now, limit=1)[0])

    assert [each.state for each in seen] == [State.WAITING, State.SCANNED, State.PAID]
    assert Button.SCAN in seen[0].buttons and Button.SCAN not in seen[1].buttons
    assert seen[2].buttons == ()
    for button in (Button.PAY, Button.PAY_LATE, Button.PROBE, Button.DISPUTE):
        with pytest.raises(NotPressed):
            street.world.press(button, content, street.now)


def test_an_order_that_nobody_placed_cannot_be_paid() -> None:
    with pytest.raises(NotPressed, match="order_unknown"):
        a_street().world.press(Button.PAY, "A-none", NOON)
