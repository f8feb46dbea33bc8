"""The simulated Stripe over real HTTP, against our client and against Stripe's own library.

The library signs requests, follows pages and verifies notices with code that is not ours. It reads the wall
clock by itself, so this one module lives in the present.
"""

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from random import Random

import httpx
import pytest
import stripe
from tests.scenario.served_providers import PATIENCE_S, Street, served
from tests.unit.payments.stripe_side import KEY, SECRET, a_card_attempt, some_settings
from tests.unit.payments.wechat_side import a_chance

from compuerta.adapters.payments.http import converse
from compuerta.adapters.payments.stripe import StripePay
from compuerta.services.payment_ports import HttpRequest, OrderState, Verified
from compuerta.virtual.stripe.world import StripeWorld, Terms
from compuerta.wire.stripe import requests, signature

REFERENCE = "R20261122000001"


@pytest.fixture
def provider() -> StripePay:
    return StripePay(some_settings())


@pytest.fixture
def street(provider: StripePay) -> Iterator[Street]:
    def world_at(url: str) -> StripeWorld:
        endpoint = f"{url}/notices/cards"
        terms = Terms(key=KEY, secret=SECRET, endpoint=lambda: endpoint, public_url=f"{url}/stripe")
        return StripeWorld(terms=terms, random=Random(1))

    with served(world_at, provider) as street:
        yield street


def independent(street: Street, *, key: str = KEY) -> stripe.StripeClient:
    return stripe.StripeClient(key, base_addresses={"api": street.base_url}, max_network_retries=0)


def a_form(*, amount: int = 5000) -> dict[str, object]:
    until = datetime.now(UTC) + timedelta(hours=1)
    price = {"currency": "eur", "unit_amount": amount, "product_data": {"name": "flat 302"}}
    return {
        "mode": "payment",
        "client_reference_id": REFERENCE,
        "metadata": {"compuerta_order": REFERENCE},
        "payment_intent_data": {"metadata": {"compuerta_order": REFERENCE}},
        "line_items": [{"quantity": 1, "price_data": price}],
        "expires_at": int(until.timestamp()),
        "success_url": "https://pay.example.org/",
    }


def test_our_reading_of_objects_is_of_the_version_that_the_library_speaks() -> None:
    assert stripe.api_version == requests.API_VERSION


@pytest.mark.slow
def test_our_client_orders_asks_and_hears_over_http(street: Street, provider: StripePay) -> None:
    now = datetime.now(UTC)
    attempt = a_card_attempt(now=now)

    async def run() -> None:
        async with httpx.AsyncClient(trust_env=False) as client:
            road = {"client": client, "base_url": street.base_url, "timeout_s": PATIENCE_S}
            args = {"now": now, "chance": a_chance()}
            shown = await converse(provider.create(attempt, **args), **road)
            page = await client.get(shown.content)
            assert page.status_code == 302
            ordered = replace(attempt, presented=shown.content)
            street.press("pay", REFERENCE)
            asked = await converse(provider.query(ordered, **args), **road)
            closed = await converse(provider.close(ordered, **args), **road)
            assert (asked.state, closed.state) == (OrderState.PAID, OrderState.PAID)

    asyncio.run(run())
    heard = [provider.hear(street.heard(), now=datetime.now(UTC)) for _ in range(3)]
    told = {each.notice.reference for each in heard if isinstance(each, Verified) and each.notice}
    assert told == {REFERENCE}


@pytest.mark.slow
def test_stripes_own_library_is_served_as_by_stripe(street: Street) -> None:
    client = independent(street)
    once = {"idempotency_key": "key-1"}

    form = a_form()
    session = client.v1.checkout.sessions.create(form, once)  # type: ignore[arg-type]
    again = client.v1.checkout.sessions.create(form, once)  # type: ignore[arg-type]
    assert (session.id, session.status, session.url) == (again.id, "open", again.url)
    with pytest.raises(stripe.IdempotencyError):
        client.v1.checkout.sessions.create(a_form(amount=1), once)  # type: ignore[arg-type]

    street.press("pay", REFERENCE)
    paid = client.v1.checkout.sessions.retrieve(session.id, {"expand": ["payment_intent.latest_charge"]})
    assert (paid.payment_status, paid.amount_total) == ("paid", 5000)
    assert isinstance(paid.payment_intent, stripe.PaymentIntent)
    with pytest.raises(stripe.InvalidRequestError):
        client.v1.checkout.sessions.expire(session.id)

    intent_id = paid.payment_intent.id
    for amount in (1000, 500):
        client.v1.refunds.create({"payment_intent": intent_id, "amount": amount})
    refunds = client.v1.refunds.list({"payment_intent": intent_id, "limit": 1})
    assert sorted(each.amount for each in refunds.auto_paging_iter()) == [500, 1000]
    moves = client.v1.balance_transactions.list({"limit": 2})
    assert [each.type for each in moves.auto_paging_iter()] == ["refund", "refund", "charge"]

    with pytest.raises(stripe.AuthenticationError):
        independent(street, key="sk_test_wrong").v1.balance.retrieve()


@pytest.mark.slow
def test_stripes_own_verifier_believes_what_we_believe(street: Street, provider: StripePay) -> None:
    client = independent(street)
    client.v1.checkout.sessions.create(a_form())  # type: ignore[arg-type]
    street.press("pay", REFERENCE)
    genuine = [street.heard() for _ in range(3)]
    street.press("stranger", REFERENCE)
    forged = street.heard()

    kinds = {_event(each).type for each in genuine}

    assert kinds == {"payment_intent.succeeded", "charge.succeeded", "checkout.session.completed"}
    for each in genuine:
        assert isinstance(provider.hear(each, now=datetime.now(UTC)), Verified)
    assert not isinstance(provider.hear(forged, now=datetime.now(UTC)), Verified)
    with pytest.raises(stripe.SignatureVerificationError):
        _event(forged)


def test_what_stripes_own_library_signs_is_believed() -> None:
    now = datetime.now(UTC)
    body = b'{"object":"event","data":{"object":{}}}'

    header = stripe.WebhookSignature.generate_signature_header(
        body.decode(), SECRET.decode(), int(now.timestamp())
    )

    signature.verify(header, body, secrets=[SECRET], now=now)
    with pytest.raises(signature.SignatureWrong):
        signature.verify(header, body + b" ", secrets=[SECRET], now=now)


def test_where_stripes_own_verifier_believes_and_ours_does_not() -> None:
    # The reasons why ours verifies in earnest; should one of them fall, ADR 0030 is read again.
    body, ahead = "{}", int((datetime.now(UTC) + timedelta(days=9)).timestamp())
    header = stripe.WebhookSignature.generate_signature_header(body, SECRET.decode(), ahead)

    assert stripe.WebhookSignature.verify_header(body, header, SECRET.decode(), 300)
    with pytest.raises(signature.Stale):
        signature.verify(header, body.encode(), secrets=[SECRET], now=datetime.now(UTC))
    with pytest.raises(UnicodeDecodeError):
        stripe.WebhookSignature.verify_header(b"\xff", header, SECRET.decode(), 300)


def _event(notice: HttpRequest) -> stripe.Event:
    header = notice.headers[signature.HEADER]
    return stripe.Webhook.construct_event(notice.body, header, SECRET.decode())  # type: ignore[no-any-return]
