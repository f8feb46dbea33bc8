"""Builders for both sides of an Alipay: a merchant's provider, and the simulated gateway it talks to."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import cache
from random import Random
from uuid import UUID

from tests.unit.payments.wechat_side import NOON, a_chance

from compuerta.adapters.payments.alipay import Alipay, AlipaySettings
from compuerta.adapters.payments.http import converse_with
from compuerta.domain.payment import Attempt, Flow, Refund
from compuerta.services.payment_ports import (
    HttpRequest,
    HttpResponse,
    OrderAnswer,
    Presentation,
    RefundAnswer,
    RefundWish,
    Rejected,
    Verified,
)
from compuerta.virtual.alipay.keys import KeySet, cheap_keys, make_keys
from compuerta.virtual.alipay.world import AlipayWorld, Terms
from compuerta.virtual.providers.notices import DueNotice
from compuerta.virtual.providers.worlds import Button

APP_ID = "2021000000000001"
SELLER_ID = "2088000000000001"
NOTIFY_URL = "https://pay.example.org/notices/alipay"
PAY_CODE = "281234567890123456"


@cache
def real_keys() -> KeySet:
    """RSA keys and certificates of both sides, made once per process."""
    return make_keys(now=NOON)


def some_terms() -> Terms:
    return Terms(app_id=APP_ID, seller_id=SELLER_ID, public_url="https://openapi.example.org")


def some_settings(*, by_certificate: bool = False) -> AlipaySettings:
    keys = real_keys()
    settings = AlipaySettings(
        app_id=APP_ID,
        seller_id=SELLER_ID,
        app_key=keys.app_key,
        alipay_keys=(keys.alipay_public,),
        base_url="https://openapi.example.org",
        notify_url=NOTIFY_URL,
    )
    if not by_certificate:
        return settings
    return replace(
        settings,
        alipay_keys=(keys.alipay_certificate,),
        app_certificate=keys.app_certificate,
        root_certificates=keys.root_certificates,
    )


def a_real_provider(**changes: object) -> Alipay:
    return Alipay(replace(some_settings(), **changes))  # type: ignore[arg-type]


def a_real_world(*, seed: int = 1) -> AlipayWorld:
    return AlipayWorld(keys=real_keys().gateway(), terms=some_terms(), random=Random(seed))


def an_attempt(
    *,
    reference: str = "A20261122000001",
    amount_minor: int = 10_000,
    currency: str = "CNY",
    flow: Flow = Flow.QR,
    payer: str = "",
    provider: str = "alipay",
) -> Attempt:
    return Attempt(
        attempt_id=UUID(int=2),
        account_id=302,
        provider=provider,
        reference=reference,
        amount_minor=amount_minor,
        currency=currency,
        description="电费充值, flat 302",
        created_at=NOON,
        expires_at=NOON + timedelta(minutes=30),
        flow=flow,
        payer=payer,
    )


@dataclass
class Street:
    """A gateway and a merchant in virtual time, with cheap keys and no sockets."""

    world: AlipayWorld
    provider: Alipay
    now = NOON
    fetch_delay = timedelta(0)  # between two requests of one conversation

    def fetch(self, request: HttpRequest) -> HttpResponse:
        """Answer a request, and let time pass."""
        answer = self.world.answer(request, self.now)
        self.now += self.fetch_delay
        return answer

    def __post_init__(self) -> None:
        self.road: Callable[[HttpRequest], HttpResponse] = lambda request: self.world.answer(
            request, self.now
        )

    def create(self, attempt: Attempt) -> Presentation:
        return converse_with(self.provider.create(attempt, now=self.now, chance=a_chance()), self.road)

    def query(self, attempt: Attempt) -> OrderAnswer:
        return converse_with(self.provider.query(attempt, now=self.now, chance=a_chance()), self.road)

    def close(self, attempt: Attempt) -> OrderAnswer:
        return converse_with(self.provider.close(attempt, now=self.now, chance=a_chance()), self.road)

    def refund(self, wish: RefundWish) -> RefundAnswer:
        return converse_with(self.provider.refund(wish, now=self.now, chance=a_chance()), self.road)

    def query_refund(self, wish: RefundWish) -> RefundAnswer:
        return converse_with(self.provider.query_refund(wish, now=self.now, chance=a_chance()), self.road)

    def heard(self) -> list[Verified | Rejected]:
        """Hear what the gateway tells now, and answer it as one should."""
        verdicts = []
        for notice in self.world.due(self.now):
            verdicts.append(self.provider.hear(notice.request, now=self.now))
            self.answer(notice)
        return verdicts

    def answer(self, notice: DueNotice, *, accepted: bool = True) -> None:
        answer = self.provider.answer(accepted=accepted)
        self.world.answered(notice, answer.status, self.now, body=answer.body)


def a_street(*, seed: int = 1) -> Street:
    keys, ring = cheap_keys()
    world = AlipayWorld(keys=keys, terms=some_terms(), random=Random(seed))
    settings = replace(some_settings_without_keys(), live=True)
    return Street(world, Alipay(settings, keys=ring))


def some_settings_without_keys() -> AlipaySettings:
    return AlipaySettings(
        app_id=APP_ID,
        seller_id=SELLER_ID,
        app_key=b"",
        alipay_keys=(),
        base_url="https://openapi.example.org",
        notify_url=NOTIFY_URL,
    )


def a_wish(attempt: Attempt, transaction_no: str, *, amount_minor: int, reference: str = "RF1") -> RefundWish:
    return RefundWish(
        refund=Refund(
            account_id=attempt.account_id,
            refund_id=UUID(int=3),
            correction_id=UUID(int=4),
            payment_id=UUID(int=5),
            provider=attempt.provider,
            reference=reference,
            amount_minor=amount_minor,
            currency="CNY",
            created_at=NOON,
        ),
        transaction_no=transaction_no,
        order_reference=attempt.reference,
        total_minor=attempt.amount_minor,
        paid_at=NOON,
        reason="wrong meter",
    )


def paid_order(street: Street, **wishes: object) -> tuple[Attempt, str]:
    """An order that was placed, scanned and paid; returns it with Alipay's number."""
    attempt = an_attempt(**wishes)  # type: ignore[arg-type]
    street.create(attempt)
    street.world.press(Button.PAY, attempt.reference, street.now)
    street.heard()
    paid = street.query(attempt).paid
    assert paid is not None
    return attempt, paid.transaction_no
