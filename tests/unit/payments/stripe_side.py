"""Builders for both sides of a Stripe account: our provider, and the simulated world it talks to."""

from collections.abc import Generator
from dataclasses import replace
from datetime import datetime, timedelta
from random import Random
from typing import TypeVar

from tests.unit.payments.wechat_side import NOON, a_chance, an_attempt

from compuerta.adapters.payments.http import converse_with
from compuerta.adapters.payments.stripe import StripePay, StripeSettings
from compuerta.domain.payment import Attempt, AttemptState, Flow
from compuerta.services.payment_ports import HttpRequest, HttpResponse, Rejected, Verified
from compuerta.virtual.providers.worlds import Button
from compuerta.virtual.stripe.world import StripeWorld, Terms

KEY = "sk_test_simulated0000000000"
SECRET = b"whsec_simulated"
NOTIFY_URL = "https://pay.example.org/notices/cards"
PUBLIC_URL = "https://stripe.example.org"
Result = TypeVar("Result")


def some_settings() -> StripeSettings:
    return StripeSettings(
        name="cards",
        key=KEY,
        secrets=(SECRET,),
        return_url="https://pay.example.org/paid/{reference}",
        notify_url=NOTIFY_URL,
        currencies=frozenset({"EUR", "UGX", "JPY"}),
        live=False,
    )


def some_terms() -> Terms:
    return Terms(key=KEY, secret=SECRET, endpoint=lambda: NOTIFY_URL, public_url=PUBLIC_URL)


class Shop:
    """A shop with a Stripe account, in virtual time."""

    def __init__(self, *, settings: StripeSettings | None = None, seed: int = 1) -> None:
        self.world = StripeWorld(terms=some_terms(), random=Random(seed))
        self.provider = StripePay(settings or some_settings())
        self.now = NOON
        self.sent: list[HttpRequest] = []

    def road(self, request: HttpRequest) -> HttpResponse:
        self.sent.append(request)
        return self.world.answer(request, self.now)

    def ask(self, steps: Generator[HttpRequest, HttpResponse, Result]) -> Result:
        return converse_with(steps, self.road)

    def ordered(self, attempt: Attempt) -> Attempt:
        steps = self.provider.create(attempt, now=self.now, chance=a_chance())
        return replace(attempt, state=AttemptState.PRESENTED, presented=self.ask(steps).content)

    def paid(self, attempt: Attempt) -> Attempt:
        ordered = self.ordered(attempt)
        self.world.press(Button.PAY, attempt.reference, self.now)
        return ordered

    def notices(self) -> list[HttpRequest]:
        return [notice.request for notice in self.world.due(self.now)]

    def heard(self) -> list[Verified | Rejected]:
        return [self.provider.hear(notice, now=self.now) for notice in self.notices()]


def a_card_attempt(
    *,
    reference: str = "R20261122000001",
    amount_minor: int = 5000,
    currency: str = "EUR",
    now: datetime = NOON,
) -> Attempt:
    attempt = an_attempt(
        reference=reference, amount_minor=amount_minor, currency=currency, provider="cards", now=now
    )
    return replace(attempt, flow=Flow.WEB, expires_at=now + timedelta(hours=1))
