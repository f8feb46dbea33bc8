"""Builders for both sides of an M-Pesa short code: our provider, and the simulated world it talks to."""

from collections.abc import Generator
from dataclasses import replace
from datetime import datetime, timedelta
from random import Random
from typing import TypeVar

from tests.unit.payments.wechat_side import NOON, a_chance, an_attempt

from compuerta.adapters.payments.http import converse_with
from compuerta.adapters.payments.mpesa import MpesaPay, MpesaSettings
from compuerta.domain.payment import Attempt, AttemptState, Claim, Flow
from compuerta.services.payment_ports import HttpRequest, HttpResponse, OrderAnswer, Rejected, Verified
from compuerta.virtual.mpesa.world import MpesaWorld, Terms

SHORTCODE = "600638"
ADDRESS = "a-secret-of-some-length"
NOTIFY_URL = "https://pay.example.org/notices/paybill"
PAYER = "+254712345678"
Result = TypeVar("Result")


def some_settings() -> MpesaSettings:
    return MpesaSettings(
        shortcode=SHORTCODE,
        passkey="passkey",
        consumer_key="consumer",
        consumer_secret="secret",
        notify_url=NOTIFY_URL,
        secret=ADDRESS,
        nominated_phone="254722000000",
        live=False,
    )


def some_terms(*, registered: str = f"{NOTIFY_URL}/{ADDRESS}") -> Terms:
    return Terms(
        shortcode=SHORTCODE,
        passkey="passkey",
        consumer_key="consumer",
        consumer_secret="secret",
        registered=lambda: registered,
    )


class Paybill:
    """A business with a short code, in virtual time."""

    def __init__(self, *, registered: str = f"{NOTIFY_URL}/{ADDRESS}") -> None:
        self.world = MpesaWorld(terms=some_terms(registered=registered), random=Random(1))
        self.provider = MpesaPay(some_settings())
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

    def asked(self, attempt: Attempt) -> OrderAnswer:
        return self.ask(self.provider.query(attempt, now=self.now, chance=a_chance()))

    def confirmed(self, claim: Claim) -> OrderAnswer:
        return self.ask(self.provider.confirm(claim, now=self.now, chance=a_chance()))

    def notices(self) -> list[HttpRequest]:
        return [notice.request for notice in self.world.due(self.now)]

    def heard(self) -> list[Verified | Rejected]:
        return [self.provider.hear(notice, now=self.now) for notice in self.notices()]

    def claims(self) -> list[Claim]:
        return [each.claim for each in self.heard() if isinstance(each, Verified) and each.claim]


def a_phone_attempt(
    *,
    reference: str = "R20261122000001",
    amount_minor: int = 5000,
    now: datetime = NOON,
    payer: str = PAYER,
) -> Attempt:
    attempt = an_attempt(
        reference=reference, amount_minor=amount_minor, currency="KES", provider="paybill", now=now
    )
    return replace(attempt, flow=Flow.PROMPT, payer=payer, expires_at=now + timedelta(minutes=5))
