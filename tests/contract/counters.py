"""Counters: each payment provider with the road to it, the payer's hand, and what comes in by itself.

A provider comes into the contract by one row of `COUNTERS`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime

from tests.unit.payments import alipay_side
from tests.unit.payments.mpesa_side import Paybill, a_phone_attempt
from tests.unit.payments.stripe_side import Shop, a_card_attempt
from tests.unit.payments.wechat_side import NOON, a_chance, a_cheap_pair, a_wish, an_attempt

from compuerta.adapters.payments.http import converse_with
from compuerta.adapters.payments.till import CashTill
from compuerta.domain.payment import Attempt, AttemptState, Flow, advanced
from compuerta.services.payment_ports import (
    Check,
    HttpRequest,
    HttpResponse,
    OrderAnswer,
    PaymentProvider,
    Presentation,
    PresentationKind,
    RefundAnswer,
    RefundWish,
    StatementKind,
)
from compuerta.virtual.providers.worlds import Button, World


@dataclass(frozen=True, kw_only=True)
class Counter:
    """A provider and its surroundings; `attempt` is one that it takes."""

    provider: PaymentProvider
    attempt: Attempt
    road: Callable[[HttpRequest, datetime], HttpResponse]
    pay: Callable[[Attempt], None]
    notices: Callable[[datetime], list[HttpRequest]]

    def create(self, attempt: Attempt, *, now: datetime = NOON) -> Presentation:
        return converse_with(self.provider.create(attempt, now=now, chance=a_chance()), self._road(now))

    def query(self, attempt: Attempt) -> OrderAnswer:
        return converse_with(self.provider.query(attempt, now=NOON, chance=a_chance()), self._road(NOON))

    def close(self, attempt: Attempt) -> OrderAnswer:
        return converse_with(self.provider.close(attempt, now=NOON, chance=a_chance()), self._road(NOON))

    def refund(self, wish: RefundWish, *, now: datetime) -> RefundAnswer:
        return converse_with(self.provider.refund(wish, now=now, chance=a_chance()), self._road(now))

    def query_refund(self, wish: RefundWish, *, now: datetime) -> RefundAnswer:
        return converse_with(self.provider.query_refund(wish, now=now, chance=a_chance()), self._road(now))

    def statement(self, day: date, kind: StatementKind, *, now: datetime) -> bytes:
        return converse_with(self.provider.statement(day, kind, now=now, chance=a_chance()), self._road(now))

    def self_test(self) -> list[Check]:
        return converse_with(self.provider.self_test(now=NOON, chance=a_chance()), self._road(NOON))

    def paid(self, reference: str | None = None) -> Attempt:
        """Order, show and pay, as far as this provider has such steps."""
        attempt = self.attempt if reference is None else replace(self.attempt, reference=reference)
        shown = self.create(attempt)
        state = AttemptState.PAID if shown.kind is PresentationKind.PAID else AttemptState.PRESENTED
        presented = replace(attempt, state=advanced(attempt.state, state), presented=shown.content)
        self.pay(presented)
        return presented

    def wish(self, attempt: Attempt, *, amount_minor: int, number: int = 1) -> RefundWish:
        """A refund of a paid attempt."""
        paid = self.query(attempt).paid
        assert paid is not None
        wish = a_wish(
            transaction_no=paid.transaction_no,
            amount_minor=amount_minor,
            number=number,
            total_minor=attempt.amount_minor,
            provider=self.provider.name,
        )
        refund = replace(wish.refund, currency=attempt.currency)
        return replace(wish, refund=refund, order_reference=attempt.reference, payer=attempt.payer)

    def _road(self, now: datetime) -> Callable[[HttpRequest], HttpResponse]:
        return lambda request: self.road(request, now)


def of_world(provider: PaymentProvider, world: World, attempt: Attempt) -> Counter:
    """A provider before its simulated world; the payer scans, and pays."""

    def pay(attempt: Attempt) -> None:
        world.press(Button.SCAN, attempt.reference, NOON)
        world.press(Button.PAY, attempt.reference, NOON)

    def notices(now: datetime) -> list[HttpRequest]:
        due = world.due(now)
        for notice in due:
            answer = provider.answer(accepted=True)
            world.answered(notice, answer.status, now, body=answer.body)
        return [notice.request for notice in due]

    return Counter(provider=provider, attempt=attempt, road=world.answer, pay=pay, notices=notices)


def a_wechat_counter() -> Counter:
    world, provider = a_cheap_pair()
    return of_world(provider, world, an_attempt())


def an_alipay_counter() -> Counter:
    street = alipay_side.a_street()
    return of_world(street.provider, street.world, alipay_side.an_attempt(amount_minor=5000))


def a_till_counter() -> Counter:
    def nobody(request: HttpRequest, now: datetime) -> HttpResponse:
        raise AssertionError("a till sends nothing")

    return Counter(
        provider=CashTill("till", frozenset({"CNY"})),
        attempt=an_attempt(provider="till", flow=Flow.CASH),
        road=nobody,
        pay=lambda attempt: None,  # the cash was on the counter before the order
        notices=lambda now: [],
    )


def a_stripe_counter() -> Counter:
    shop = Shop()
    return of_world(shop.provider, shop.world, a_card_attempt())


def an_mpesa_counter() -> Counter:
    paybill = Paybill()
    return of_world(paybill.provider, paybill.world, a_phone_attempt())


COUNTERS: Mapping[str, Callable[[], Counter]] = {
    "wechat": a_wechat_counter,
    "alipay": an_alipay_counter,
    "till": a_till_counter,
    "stripe": a_stripe_counter,
    "mpesa": an_mpesa_counter,
}
