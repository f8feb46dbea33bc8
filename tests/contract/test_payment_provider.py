"""What every payment provider promises: WeChat Pay against the simulated world, and cash at a till."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import pytest
from tests.unit.payments.wechat_side import NOON, a_chance, a_provider, a_world, an_attempt

from compuerta.adapters.payments.http import converse_with
from compuerta.adapters.payments.till import CashTill
from compuerta.domain.payment import Attempt, AttemptState, PaymentNotice, advanced
from compuerta.services.payment_ports import (
    HttpRequest,
    HttpResponse,
    OrderAnswer,
    OrderState,
    PaymentProvider,
    Presentation,
    PresentationKind,
    Rejected,
    Verified,
)


@dataclass(frozen=True, kw_only=True)
class Counter:
    """A provider, the road to it, the payer's hand, and what comes in by itself."""

    provider: PaymentProvider
    road: Callable[[HttpRequest], HttpResponse]
    pay: Callable[[Attempt], None]
    notices: Callable[[], list[HttpRequest]]

    def create(self, attempt: Attempt, *, now: datetime = NOON) -> Presentation:
        return converse_with(self.provider.create(attempt, now=now, chance=a_chance()), self.road)

    def query(self, attempt: Attempt) -> OrderAnswer:
        return converse_with(self.provider.query(attempt, now=NOON, chance=a_chance()), self.road)

    def close(self, attempt: Attempt) -> OrderAnswer:
        return converse_with(self.provider.close(attempt, now=NOON, chance=a_chance()), self.road)


def a_wechat_counter() -> Counter:
    world = a_world()
    return Counter(
        provider=a_provider(),
        road=lambda request: world.request(request, NOON),
        pay=lambda attempt: world.pay(attempt.reference, NOON) and None,
        notices=lambda: [notice.request for notice in world.due(NOON)],
    )


def a_till_counter() -> Counter:
    def nobody(request: HttpRequest) -> HttpResponse:
        raise AssertionError("a till sends nothing")

    return Counter(
        provider=CashTill("till", frozenset({"CNY"})),
        road=nobody,
        pay=lambda attempt: None,  # the cash was on the counter before the order
        notices=list,
    )


@pytest.fixture(params=[a_wechat_counter, a_till_counter], ids=["wechat", "till"])
def counter(request: pytest.FixtureRequest) -> Counter:
    counter = request.param()
    assert isinstance(counter, Counter)
    return counter


def ordered_and_paid(counter: Counter) -> Attempt:
    attempt = an_attempt(provider=counter.provider.name)
    shown = counter.create(attempt)
    state = AttemptState.PAID if shown.kind is PresentationKind.PAID else AttemptState.PRESENTED
    counter.pay(attempt)
    return replace(attempt, state=advanced(attempt.state, state), presented=shown.content)


def test_the_name_is_the_accounts_and_the_currencies_are_known(counter: Counter) -> None:
    assert counter.provider.name in {"wechat", "till"}
    assert counter.provider.capabilities.currencies == {"CNY"}
    assert counter.provider.capabilities.expiry_min < counter.provider.capabilities.expiry_max


def test_an_order_is_shown_or_paid_as_the_capabilities_say(counter: Counter) -> None:
    shown = counter.create(an_attempt(provider=counter.provider.name))

    assert (shown.kind is PresentationKind.PAID) == counter.provider.capabilities.immediate
    assert (shown.paid is not None) == counter.provider.capabilities.immediate
    assert bool(shown.content) != counter.provider.capabilities.immediate


def test_placing_an_order_again_is_harmless(counter: Counter) -> None:
    attempt = an_attempt(provider=counter.provider.name)

    first = counter.create(attempt)
    again = counter.create(attempt, now=NOON + timedelta(minutes=1))

    assert (first.kind, first.paid) == (again.kind, again.paid)


def test_a_paid_order_is_told_with_the_attempts_own_amount(counter: Counter) -> None:
    attempt = ordered_and_paid(counter)

    answer = counter.query(attempt)

    assert answer.state is OrderState.PAID
    assert answer.paid is not None
    assert (answer.paid.provider, answer.paid.reference) == (counter.provider.name, attempt.reference)
    assert (answer.paid.amount_minor, answer.paid.currency) == (attempt.amount_minor, attempt.currency)
    assert answer.paid.paid_at == NOON


def test_every_way_to_learn_of_a_payment_tells_the_same(counter: Counter) -> None:
    attempt = ordered_and_paid(counter)
    told: list[PaymentNotice | None] = [counter.query(attempt).paid, counter.create(attempt).paid]

    for inbound in counter.notices():
        heard = counter.provider.hear(inbound, now=NOON)
        assert isinstance(heard, Verified)
        told.append(heard.notice)

    assert told[0] is not None
    assert all(notice == told[0] for notice in told)
    assert len(told) == 2 + counter.provider.capabilities.notices


def test_two_orders_never_share_a_transaction_number(counter: Counter) -> None:
    numbers = set()
    for reference in ("R20261122000001", "R20261122000002", "R20261122000003"):
        attempt = replace(an_attempt(reference=reference), state=AttemptState.PRESENTED)
        counter.create(attempt)
        counter.pay(attempt)
        paid = counter.query(attempt).paid
        assert paid is not None
        numbers.add(paid.transaction_no)

    assert len(numbers) == 3


def test_an_order_that_was_never_placed_is_not_paid(counter: Counter) -> None:
    answer = counter.query(an_attempt(provider=counter.provider.name))

    assert answer.state in {OrderState.NOT_PAID, OrderState.UNKNOWN}
    assert answer.paid is None


def test_closing_a_paid_order_brings_the_notice(counter: Counter) -> None:
    attempt = ordered_and_paid(counter)

    closed = counter.close(attempt)

    assert closed == counter.query(attempt)
    assert closed.state is OrderState.PAID


def test_a_strangers_message_is_rejected_with_an_answer_that_is_no_success(counter: Counter) -> None:
    for body in (b"", b"{}", b'{"event_type":"TRANSACTION.SUCCESS"}'):
        heard = counter.provider.hear(HttpRequest(method="POST", path="/", body=body), now=NOON)

        assert isinstance(heard, Rejected)
        assert heard.answer.status >= 400


def test_a_stored_message_is_answered_as_a_success_and_another_is_not(counter: Counter) -> None:
    assert counter.provider.answer(accepted=True).status in {200, 204}
    assert counter.provider.answer(accepted=False).status >= 400
