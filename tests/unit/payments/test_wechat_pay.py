"""WeChat Pay as a provider: what it believes, what it refuses, and what it says in the port's words."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

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

from compuerta.adapters.payments.http import converse_with
from compuerta.adapters.payments.wechat import BODY_BYTES_MAX, WechatPay
from compuerta.adapters.payments.wechat_account import (
    AnswerForged,
    AnswerUnusable,
    OrderRefused,
    ProviderBusy,
)
from compuerta.adapters.payments.wechat_orders import CurrencyNotTaken
from compuerta.domain.payment import PaymentNotice
from compuerta.services.payment_ports import (
    HttpRequest,
    HttpResponse,
    OrderState,
    PresentationKind,
    Refusal,
    Rejected,
    Verified,
)
from compuerta.virtual.wechat.world import WechatWorld
from compuerta.wire.wechat import bodies, resource, signature
from compuerta.wire.wechat.bodies import Envelope, TradeState, Transaction
from compuerta.wire.wechat.keys import RsaSigner
from compuerta.wire.wechat.resource import ApiKeyMalformed

REFERENCE = an_attempt().reference
PAID = Transaction(
    appid=APPID,
    mchid=MCHID,
    out_trade_no=REFERENCE,
    state=TradeState.SUCCESS,
    total_fen=5000,
    currency="CNY",
    payer_total_fen=4900,
    transaction_id="4200002026112200000001",
    success_at=NOON,
)


def answers_of(world: WechatWorld, *, now: datetime = NOON) -> Callable[[HttpRequest], HttpResponse]:
    return lambda request: world.answer(request, now)


def a_signed_answer(body: bytes, *, status: int = 200, now: datetime = NOON) -> HttpResponse:
    keys = real_keys()
    headers = signature.signed_headers(
        serial=keys.public_key_id,
        stamp=signature.stamp(now=now, chance=b"nonce"),
        body=body,
        signer=RsaSigner(keys.platform_key_pem),
    )
    return HttpResponse(status=status, headers=headers, body=body)


def a_notice_of(transaction: Transaction, *, event: str = "TRANSACTION.SUCCESS") -> HttpRequest:
    sealed = resource.seal(
        bodies.build_transaction(transaction),
        key=real_keys().api_key,
        nonce="0123456789ab",
        original_type="transaction",
    )
    envelope = Envelope(notice_id="1", event_type=event, created_at=NOON, resource=sealed)
    return a_notice_with(bodies.build_envelope(envelope))


def a_notice_with(body: bytes) -> HttpRequest:
    answer = a_signed_answer(body)
    return HttpRequest(method="POST", path="/notices/wechat", headers=answer.headers, body=body)


def refusal_of(heard: Verified | Rejected) -> Refusal:
    assert isinstance(heard, Rejected)
    assert 400 <= heard.answer.status < 500
    assert b'"code":"FAIL"' in heard.answer.body
    return heard.refusal


# Notices


def test_a_genuine_notice_tells_the_total_and_not_what_the_payer_paid() -> None:
    heard = a_provider().hear(a_notice_of(PAID), now=NOON)

    assert isinstance(heard, Verified)
    assert heard.notice == PaymentNotice(
        provider="wechat",
        transaction_no="4200002026112200000001",
        reference=REFERENCE,
        amount_minor=5000,
        currency="CNY",
        paid_at=NOON,
    )


def test_a_repeated_notice_is_heard_again_as_the_same_notice() -> None:
    provider, inbound = a_provider(), a_notice_of(PAID)

    assert provider.hear(inbound, now=NOON) == provider.hear(inbound, now=NOON + timedelta(minutes=4))


def test_a_notice_older_than_five_minutes_is_stale() -> None:
    heard = a_provider().hear(a_notice_of(PAID), now=NOON + timedelta(seconds=301))

    assert refusal_of(heard) is Refusal.STALE


@pytest.mark.parametrize("event", ["SECURITY_ECHO.SUCCESS", "NEW.KIND"])
def test_another_event_is_genuine_and_tells_nothing_of_money_that_came(event: str) -> None:
    heard = a_provider().hear(a_notice_of(PAID, event=event), now=NOON)

    assert heard == Verified(notice=None, event=event)


@pytest.mark.parametrize(
    "stranger",
    [
        replace(PAID, mchid="1900000002"),
        replace(PAID, appid="wx0000000000000002"),
        replace(PAID, currency="USD"),
    ],
)
def test_a_payment_of_another_merchant_app_or_currency_is_refused(stranger: Transaction) -> None:
    assert refusal_of(a_provider().hear(a_notice_of(stranger), now=NOON)) is Refusal.MERCHANT_WRONG


@pytest.mark.parametrize("state", [TradeState.REFUND, TradeState.NOTPAY, TradeState.CLOSED])
def test_a_success_notice_about_a_trade_that_did_not_succeed_is_refused(state: TradeState) -> None:
    heard = a_provider().hear(a_notice_of(replace(PAID, state=state)), now=NOON)

    assert refusal_of(heard) is Refusal.BODY_MALFORMED


@pytest.mark.parametrize("body", [b"", b"{}", b"[]", b"\xff", b"[" * 60_000])
def test_a_signed_body_that_is_no_notice_is_refused(body: bytes) -> None:
    assert refusal_of(a_provider().hear(a_notice_with(body), now=NOON)) is Refusal.BODY_MALFORMED


def test_a_notice_sealed_for_another_api_key_is_refused() -> None:
    provider = WechatPay(replace(some_settings(), api_key=b"another key of exactly 32 bytes."))

    assert refusal_of(provider.hear(a_notice_of(PAID), now=NOON)) is Refusal.BODY_MALFORMED


def test_a_notice_that_somebody_else_signed_is_refused() -> None:
    inbound = a_notice_of(PAID)
    forged = signature.signed_headers(
        serial=real_keys().public_key_id,
        stamp=signature.stamp(now=NOON, chance=b"nonce"),
        body=inbound.body,
        signer=RsaSigner(real_keys().merchant_key_pem),
    )

    heard = a_provider().hear(replace(inbound, headers=forged), now=NOON)

    assert refusal_of(heard) is Refusal.SIGNATURE_WRONG


def test_a_notice_without_headers_is_refused() -> None:
    heard = a_provider().hear(replace(a_notice_of(PAID), headers={}), now=NOON)

    assert refusal_of(heard) is Refusal.HEADER_MISSING


def test_an_oversized_notice_is_refused_before_it_is_hashed() -> None:
    heard = a_provider().hear(a_notice_with(b"x" * (BODY_BYTES_MAX + 1)), now=NOON)

    assert refusal_of(heard) is Refusal.TOO_LARGE


def test_a_stored_notice_is_answered_with_204_and_no_other() -> None:
    provider = a_provider()

    assert provider.answer(accepted=True) == HttpResponse(status=204)
    assert provider.answer(accepted=False).status == 503


# Orders


def test_an_order_that_the_provider_accepts_is_shown_as_a_qr() -> None:
    world = a_world()

    shown = converse_with(a_provider().create(an_attempt(), now=NOON, chance=a_chance()), answers_of(world))

    assert shown.kind is PresentationKind.QR
    assert [placed.code_url for placed in world.orders()] == [shown.content]


def test_an_order_is_placed_again_with_the_same_bytes_at_any_later_time() -> None:
    provider = a_provider()

    first = next(provider.create(an_attempt(), now=NOON, chance=a_chance(1)))
    later = next(provider.create(an_attempt(), now=NOON + timedelta(minutes=5), chance=a_chance(2)))

    assert first.body == later.body
    assert first.headers["authorization"] != later.headers["authorization"]


def test_an_order_in_another_currency_is_refused_before_anything_is_sent() -> None:
    steps = a_provider().create(an_attempt(currency="KES"), now=NOON, chance=a_chance())

    with pytest.raises(CurrencyNotTaken):
        next(steps)


def test_placing_an_order_that_is_paid_already_brings_the_notice() -> None:
    world, provider = a_world(), a_provider()
    converse_with(provider.create(an_attempt(), now=NOON, chance=a_chance()), answers_of(world))
    world.pay(REFERENCE, NOON)

    again = converse_with(provider.create(an_attempt(), now=NOON, chance=a_chance()), answers_of(world))

    assert again.kind is PresentationKind.PAID
    assert again.paid is not None and again.paid.amount_minor == 5000


@pytest.mark.parametrize("reference", ["R-1|2*_", "a" * 32])
def test_a_reference_with_every_legal_sign_is_placed_asked_and_closed(reference: str) -> None:
    world, provider, attempt = a_world(), a_provider(), an_attempt(reference=reference)

    converse_with(provider.create(attempt, now=NOON, chance=a_chance()), answers_of(world))
    asked = converse_with(provider.query(attempt, now=NOON, chance=a_chance()), answers_of(world))
    closed = converse_with(provider.close(attempt, now=NOON, chance=a_chance()), answers_of(world))

    assert (asked.state, closed.state) == (OrderState.NOT_PAID, OrderState.CLOSED)


@pytest.mark.parametrize(
    ("word", "state"),
    [
        ("NOTPAY", OrderState.NOT_PAID),
        ("USERPAYING", OrderState.NOT_PAID),
        ("CLOSED", OrderState.CLOSED),
        ("REVOKED", OrderState.CLOSED),
        ("SUCCESS", OrderState.PAID),
        ("REFUND", OrderState.UNKNOWN),
        ("PAYERROR", OrderState.UNKNOWN),
        ("ACCEPT", OrderState.UNKNOWN),
    ],
)
def test_each_trade_state_has_one_meaning(word: str, state: OrderState) -> None:
    body = bodies.build_transaction(PAID).replace(b'"SUCCESS"', f'"{word}"'.encode())

    asked = converse_with(
        a_provider().query(an_attempt(), now=NOON, chance=a_chance()), lambda _: a_signed_answer(body)
    )

    assert asked.state is state
    assert (asked.paid is not None) == (state is OrderState.PAID)


def test_an_order_that_the_provider_does_not_know_is_unknown_and_not_failed() -> None:
    asked = converse_with(
        a_provider().query(an_attempt(), now=NOON, chance=a_chance()), answers_of(a_world())
    )

    assert asked.state is OrderState.UNKNOWN


def test_a_good_answer_without_a_signature_is_not_believed() -> None:
    body = bodies.build_transaction(PAID)

    with pytest.raises(AnswerForged):
        converse_with(
            a_provider().query(an_attempt(), now=NOON, chance=a_chance()),
            lambda _: HttpResponse(status=200, body=body),
        )


@pytest.mark.parametrize(
    "other",
    [replace(PAID, out_trade_no="R20261122000002"), replace(PAID, mchid="19"), replace(PAID, appid="wx2")],
)
def test_a_signed_answer_about_another_order_is_not_believed(other: Transaction) -> None:
    body = bodies.build_transaction(other)

    with pytest.raises(AnswerForged):
        converse_with(
            a_provider().query(an_attempt(), now=NOON, chance=a_chance()), lambda _: a_signed_answer(body)
        )


def test_a_signed_answer_that_says_nothing_is_unusable() -> None:
    provider = a_provider()

    for steps in (
        provider.query(an_attempt(), now=NOON, chance=a_chance()),
        provider.create(an_attempt(), now=NOON, chance=a_chance()),
    ):
        with pytest.raises(AnswerUnusable):
            converse_with(steps, lambda _: a_signed_answer(b"{}"))


def test_an_unsigned_close_is_not_believed() -> None:
    with pytest.raises(AnswerForged):
        converse_with(
            a_provider().close(an_attempt(), now=NOON, chance=a_chance()), lambda _: HttpResponse(status=204)
        )


@pytest.mark.parametrize("status", [429, 500, 502, 302])
def test_an_overloaded_or_broken_provider_is_asked_again_later(status: int) -> None:
    with pytest.raises(ProviderBusy):
        converse_with(
            a_provider().create(an_attempt(), now=NOON, chance=a_chance()),
            lambda _: HttpResponse(status=status),
        )


def test_a_refused_order_carries_the_providers_own_word() -> None:
    world, provider = a_world(), a_provider()
    converse_with(provider.create(an_attempt(), now=NOON, chance=a_chance()), answers_of(world))

    with pytest.raises(OrderRefused) as refused:
        converse_with(
            provider.create(an_attempt(amount_minor=6000), now=NOON, chance=a_chance()), answers_of(world)
        )

    assert refused.value.refusal.code == "INVALID_REQUEST"


def test_a_provider_with_a_wrong_api_key_is_refused_at_once() -> None:
    with pytest.raises(ApiKeyMalformed):
        WechatPay(replace(some_settings(), api_key=b"short"))


def test_settings_do_not_show_their_secrets() -> None:
    shown = repr(some_settings())

    assert "PRIVATE" not in shown
    assert real_keys().api_key.decode() not in shown


def test_instants_of_notices_are_utc() -> None:
    heard = a_provider().hear(a_notice_of(PAID), now=NOON)

    assert isinstance(heard, Verified) and heard.notice is not None
    assert heard.notice.paid_at.tzinfo is UTC
