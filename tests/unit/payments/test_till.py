"""Cash at a counter: here at once, once, and never told by a stranger."""

from dataclasses import replace

import pytest
from tests.unit.payments.wechat_side import NOON, a_chance, a_wish, an_attempt

from compuerta.adapters.payments.http import converse_with
from compuerta.adapters.payments.till import CashTill, CurrencyNotTaken
from compuerta.domain.payment import AttemptState
from compuerta.services.payment_ports import (
    HttpRequest,
    HttpResponse,
    NotOffered,
    OrderState,
    PresentationKind,
    Rejected,
)

TILL = CashTill("till", frozenset({"CNY", "MXN"}))


def nobody(request: HttpRequest) -> HttpResponse:
    raise AssertionError("a till sends nothing")


def test_cash_is_here_at_once() -> None:
    shown = converse_with(TILL.create(an_attempt(), now=NOON, chance=a_chance()), nobody)

    assert shown.kind is PresentationKind.PAID
    assert shown.paid is not None
    assert shown.paid.transaction_no == "till:R20261122000001"
    assert (shown.paid.amount_minor, shown.paid.currency) == (5000, "CNY")


def test_taking_the_same_cash_again_is_the_same_notice_at_any_time() -> None:
    first = converse_with(TILL.create(an_attempt(), now=NOON, chance=a_chance()), nobody)
    again = converse_with(TILL.create(an_attempt(), now=NOON.replace(hour=9), chance=a_chance(2)), nobody)

    assert first == again


def test_a_till_refuses_a_currency_that_it_does_not_take() -> None:
    with pytest.raises(CurrencyNotTaken):
        next(TILL.create(an_attempt(currency="KES"), now=NOON, chance=a_chance()))


@pytest.mark.parametrize(
    ("state", "asked", "closed"),
    [
        (AttemptState.CREATED, OrderState.NOT_PAID, OrderState.CLOSED),
        (AttemptState.PRESENTED, OrderState.PAID, OrderState.PAID),
        (AttemptState.EXPIRED, OrderState.CLOSED, OrderState.CLOSED),
        (AttemptState.CLOSED, OrderState.CLOSED, OrderState.CLOSED),
        (AttemptState.PAID, OrderState.PAID, OrderState.PAID),
    ],
)
def test_a_till_knows_what_the_attempt_knows(
    state: AttemptState, asked: OrderState, closed: OrderState
) -> None:
    attempt = replace(an_attempt(), state=state)

    assert converse_with(TILL.query(attempt, now=NOON, chance=a_chance()), nobody).state is asked
    assert converse_with(TILL.close(attempt, now=NOON, chance=a_chance()), nobody).state is closed


def test_a_till_hears_nobody() -> None:
    heard = TILL.hear(HttpRequest(method="POST", path="/", body=b"paid!"), now=NOON)

    assert isinstance(heard, Rejected)


def test_a_till_gives_nothing_back_by_itself_since_its_drawer_is_counted() -> None:
    wish = a_wish(transaction_no="till:order1", provider="till")

    with pytest.raises(NotOffered):
        converse_with(TILL.refund(wish, now=NOON, chance=a_chance()), nobody)

    assert not TILL.capabilities.refunds
