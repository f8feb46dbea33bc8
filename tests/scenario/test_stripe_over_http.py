"""The simulated Stripe over real HTTP, against our client and against Stripe's own library.

The library signs requests, follows pages and verifies notices with code that is not ours. It reads the wall
clock by itself, so this one module lives in the present.
"""

import asyncio
import queue
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from random import Random

import httpx
import pytest
import stripe
import uvicorn
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from tests.unit.payments.stripe_side import KEY, SECRET, a_card_attempt, some_settings
from tests.unit.payments.wechat_side import a_chance

from compuerta.adapters.payments.http import converse
from compuerta.adapters.payments.stripe import StripePay
from compuerta.services.payment_ports import HttpRequest, OrderState, Verified
from compuerta.virtual.providers.server import app_for
from compuerta.virtual.stripe.world import StripeWorld, Terms
from compuerta.wire.stripe import requests, signature

PATIENCE_S = 10.0
REFERENCE = "R20261122000001"


@dataclass(frozen=True, kw_only=True)
class Street:
    """A provider and a shop's door for its notices, behind one port."""

    url: str
    provider: StripePay
    notices: "queue.Queue[HttpRequest]" = field(default_factory=queue.Queue)

    @property
    def base_url(self) -> str:
        return f"{self.url}/stripe"

    def press(self, button: str, reference: str, **wish: object) -> None:
        said = httpx.post(
            f"{self.url}/sim/stripe/{button}", json={"reference": reference, **wish}, trust_env=False
        )
        assert said.status_code < 300, said.text

    def independent(self) -> stripe.StripeClient:
        return stripe.StripeClient(KEY, base_addresses={"api": self.base_url}, max_network_retries=0)

    async def notice(self, request: Request) -> Response:
        headers = dict(request.headers)
        self.notices.put(HttpRequest(method="POST", path="/", headers=headers, body=await request.body()))
        return Response(status_code=200)


@pytest.fixture
def street() -> Iterator[Street]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        street = Street(url=url, provider=StripePay(some_settings()))
        terms = Terms(
            key=KEY,
            secret=SECRET,
            endpoint=lambda: f"{url}/notices/cards",
            public_url=street.base_url,
        )
        app = app_for([StripeWorld(terms=terms, random=Random(1))], clock=lambda: datetime.now(UTC))
        app.router.routes.insert(0, Route("/notices/cards", street.notice, methods=["POST"]))
        server = uvicorn.Server(uvicorn.Config(app, log_level="error", ws="none"))
        thread = threading.Thread(target=lambda: asyncio.run(server.serve(sockets=[listener])))
        thread.start()
        yield street
        server.should_exit = True
        thread.join(PATIENCE_S)
        assert not thread.is_alive()


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
def test_our_client_orders_asks_and_hears_over_http(street: Street) -> None:
    provider, now = street.provider, datetime.now(UTC)
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
    heard = [provider.hear(street.notices.get(timeout=PATIENCE_S), now=datetime.now(UTC)) for _ in range(3)]
    told = {each.notice.reference for each in heard if isinstance(each, Verified) and each.notice}
    assert told == {REFERENCE}


@pytest.mark.slow
def test_stripes_own_library_is_served_as_by_stripe(street: Street) -> None:
    client = street.independent()
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
        stripe.StripeClient("sk_test_wrong", base_addresses={"api": street.base_url}).v1.balance.retrieve()


@pytest.mark.slow
def test_stripes_own_verifier_believes_the_notices_that_we_believe(street: Street) -> None:
    client = street.independent()
    client.v1.checkout.sessions.create(a_form())  # type: ignore[arg-type]
    street.press("pay", REFERENCE)
    genuine = [street.notices.get(timeout=PATIENCE_S) for _ in range(3)]
    street.press("stranger", REFERENCE)
    forged = street.notices.get(timeout=PATIENCE_S)

    kinds = {_event(each).type for each in genuine}

    assert kinds == {"payment_intent.succeeded", "charge.succeeded", "checkout.session.completed"}
    for each in genuine:
        assert isinstance(street.provider.hear(each, now=datetime.now(UTC)), Verified)
    assert not isinstance(street.provider.hear(forged, now=datetime.now(UTC)), Verified)
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
