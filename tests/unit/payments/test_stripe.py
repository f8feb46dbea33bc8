"""Stripe behind the port, against the simulated Stripe: pages, refunds, bills, and what goes wrong."""

from dataclasses import replace
from datetime import date, timedelta

import pytest
from tests.unit.payments.stripe_side import Shop, a_card_attempt, some_settings
from tests.unit.payments.wechat_side import NOON, a_chance, a_wish

from compuerta.adapters.payments.answering import (
    AnswerUnusable,
    CurrencyNotTaken,
    ProviderBusy,
    RequestRefused,
)
from compuerta.adapters.payments.http import converse_with
from compuerta.adapters.payments.stripe import EXPIRY_MIN, KeyUnusable, StripePay
from compuerta.domain.payment import AttemptState, RefundState
from compuerta.services.payment_ports import (
    HttpRequest,
    HttpResponse,
    NotOffered,
    NotReady,
    OrderAnswer,
    OrderState,
    RefundWish,
    StatementFaulty,
    StatementKind,
)
from compuerta.virtual.providers.worlds import Button, NotPressed

REFERENCE = "R20261122000001"


def asked(shop: Shop, attempt: object) -> OrderAnswer:
    return shop.ask(shop.provider.query(attempt, now=shop.now, chance=a_chance()))  # type: ignore[arg-type]


def closed(shop: Shop, attempt: object) -> OrderAnswer:
    return shop.ask(shop.provider.close(attempt, now=shop.now, chance=a_chance()))  # type: ignore[arg-type]


def a_card_wish(shop: Shop, *, amount_minor: int = 1000, number: int = 1) -> RefundWish:
    [fact] = shop.world.facts()
    wish = a_wish(
        transaction_no=fact.transaction_no, amount_minor=amount_minor, number=number, provider="cards"
    )
    return replace(wish, refund=replace(wish.refund, currency="EUR"))


def given(shop: Shop, wish: RefundWish) -> RefundState | None:
    return shop.ask(shop.provider.refund(wish, now=shop.now, chance=a_chance())).state


@pytest.fixture
def shop() -> Shop:
    return Shop()


def test_a_page_is_opened_once_for_an_attempt(shop: Shop) -> None:
    first = shop.ordered(a_card_attempt())
    shop.now += timedelta(minutes=5)

    again = shop.ordered(a_card_attempt())

    assert first.presented == again.presented
    assert len(shop.world.shown(shop.now, limit=10)) == 1
    assert {each.headers["idempotency-key"] for each in shop.sent} == {REFERENCE}


def test_the_payer_comes_back_to_where_they_came_from(shop: Shop) -> None:
    shop.ordered(a_card_attempt())

    assert b"success_url=https%3A%2F%2Fpay.example.org%2Fpaid%2FR20261122000001" in shop.sent[0].body


def test_a_payers_browser_is_led_to_the_page(shop: Shop) -> None:
    presented = shop.ordered(a_card_attempt()).presented or ""

    path = presented.removeprefix("https://stripe.example.org")
    led = shop.world.answer(HttpRequest(method="GET", path=path), NOON)

    assert (led.status, led.headers["location"]) == (302, f"/pay/?stripe={REFERENCE}")


@pytest.mark.parametrize(
    ("currency", "amount_minor", "units"), [("EUR", 5000, 5000), ("JPY", 500, 500), ("UGX", 5, 500)]
)
def test_each_currency_is_asked_for_in_stripes_own_units(
    shop: Shop, currency: str, amount_minor: int, units: int
) -> None:
    attempt = shop.paid(a_card_attempt(currency=currency, amount_minor=amount_minor))

    answer = asked(shop, attempt)

    assert f"unit_amount%5D={units}&".encode() in shop.sent[0].body
    assert answer.paid is not None
    assert (answer.paid.amount_minor, answer.paid.currency) == (amount_minor, currency)


def test_a_currency_that_the_account_does_not_take_is_refused(shop: Shop) -> None:
    with pytest.raises(CurrencyNotTaken):
        shop.ordered(a_card_attempt(currency="CNY"))

    assert shop.sent == []


def test_an_order_is_not_paid_then_paid(shop: Shop) -> None:
    attempt = shop.ordered(a_card_attempt())
    before = asked(shop, attempt)

    shop.world.press(Button.PAY, REFERENCE, shop.now)

    assert before.state is OrderState.NOT_PAID
    assert asked(shop, attempt).state is OrderState.PAID


def test_a_bank_that_says_no_leaves_the_page_open(shop: Shop) -> None:
    attempt = shop.ordered(a_card_attempt())

    shop.world.press(Button.REFUSE, REFERENCE, shop.now)

    assert asked(shop, attempt).state is OrderState.NOT_PAID
    assert shop.notices() == []


def test_a_page_whose_address_was_lost_is_found_among_all(shop: Shop) -> None:
    shop.paid(a_card_attempt())
    shop.ordered(a_card_attempt(reference="R20261122000002"))

    answer = asked(shop, a_card_attempt())

    assert answer.paid is not None
    assert answer.paid.reference == REFERENCE


def test_an_attempt_without_a_page_is_unknown_and_closed_when_it_is_over(shop: Shop) -> None:
    attempt = a_card_attempt()
    early = closed(shop, attempt)
    shop.now = attempt.expires_at + timedelta(hours=1)

    assert early.state is OrderState.UNKNOWN
    assert closed(shop, attempt).state is OrderState.CLOSED


def test_a_closed_page_cannot_be_paid(shop: Shop) -> None:
    attempt = shop.ordered(a_card_attempt())

    assert closed(shop, attempt).state is OrderState.CLOSED
    with pytest.raises(NotPressed):
        shop.world.press(Button.PAY, REFERENCE, shop.now)


def test_who_pays_in_the_moment_of_the_close_has_paid(shop: Shop) -> None:
    attempt = shop.ordered(a_card_attempt())
    shop.world.behave({"race_on_close": True})

    answer = closed(shop, attempt)

    assert answer.state is OrderState.PAID
    assert answer.paid is not None


def test_a_page_that_ended_by_itself_is_closed(shop: Shop) -> None:
    attempt = shop.ordered(a_card_attempt())
    shop.now = attempt.expires_at

    assert closed(shop, attempt).state is OrderState.CLOSED


def test_the_shortest_attempt_is_long_enough_for_stripe(shop: Shop) -> None:
    shop.now += timedelta(minutes=9)
    attempt = replace(a_card_attempt(), expires_at=NOON + EXPIRY_MIN)

    assert shop.ordered(attempt).presented


def test_money_that_went_back_by_another_hand_is_for_a_person(shop: Shop) -> None:
    attempt = shop.paid(a_card_attempt())
    shop.world.press(Button.REFUND, REFERENCE, shop.now, amount_minor=100)

    assert asked(shop, attempt).state is OrderState.UNKNOWN


@pytest.mark.parametrize("fault", ["refuse_next", "fail_next"])
def test_a_provider_out_of_order_is_asked_again(shop: Shop, fault: str) -> None:
    shop.world.behave({fault: 1})

    with pytest.raises(ProviderBusy):
        shop.ordered(a_card_attempt())

    # What was done in spite of the answer is not done twice.
    shop.ordered(a_card_attempt())
    assert len(shop.world.shown(shop.now, limit=10)) == 1


def test_another_order_under_the_same_number_is_refused(shop: Shop) -> None:
    shop.ordered(a_card_attempt())

    with pytest.raises(RequestRefused):
        shop.ordered(a_card_attempt(amount_minor=9900))


def test_an_answer_about_another_order_is_not_used(shop: Shop) -> None:
    mine = shop.ordered(a_card_attempt())
    other = shop.paid(a_card_attempt(reference="R20261122000002"))

    with pytest.raises(AnswerUnusable):
        asked(shop, replace(mine, presented=other.presented))


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"id":"cs_test_1"}', b"\xff"])
def test_an_answer_that_is_none_is_not_used(shop: Shop, body: bytes) -> None:
    attempt = shop.ordered(a_card_attempt())
    steps = shop.provider.query(attempt, now=NOON, chance=a_chance())

    with pytest.raises(AnswerUnusable):
        converse_with(steps, lambda request: HttpResponse(status=200, body=body))


def test_a_repeated_refund_gives_once_even_after_stripe_forgot_the_key(shop: Shop) -> None:
    shop.paid(a_card_attempt())
    wish = a_card_wish(shop)

    first = given(shop, wish)
    shop.now += timedelta(days=2)
    again = given(shop, wish)

    assert (first, again) == (RefundState.DONE, RefundState.DONE)
    assert [fact.refunded_minor for fact in shop.world.facts()] == [1000]


def test_two_refunds_of_one_payment_are_two(shop: Shop) -> None:
    shop.paid(a_card_attempt())

    for number in (1, 2):
        assert given(shop, a_card_wish(shop, number=number)) is RefundState.DONE

    assert [fact.refunded_minor for fact in shop.world.facts()] == [2000]


def test_more_than_was_paid_is_not_given_back(shop: Shop) -> None:
    shop.paid(a_card_attempt())

    assert given(shop, a_card_wish(shop, amount_minor=5001)) is RefundState.CLOSED
    assert [fact.refunded_minor for fact in shop.world.facts()] == [0]


def test_a_refund_that_waits_for_money_has_not_failed(shop: Shop) -> None:
    shop.paid(a_card_attempt())
    answers = iter(
        (
            HttpResponse(status=200, body=b'{"data":[],"has_more":false}'),
            HttpResponse(status=400, body=b'{"error":{"code":"balance_insufficient"}}'),
        )
    )

    steps = shop.provider.refund(a_card_wish(shop), now=NOON, chance=a_chance())

    assert converse_with(steps, lambda request: next(answers)).state is None


def test_a_refund_that_ends_at_a_closed_card_is_for_a_person(shop: Shop) -> None:
    shop.paid(a_card_attempt())
    shop.world.behave({"refunds_fail": True})
    wish = a_card_wish(shop)
    given(shop, wish)

    answer = shop.ask(shop.provider.query_refund(wish, now=shop.now, chance=a_chance()))

    assert answer.state is RefundState.ABNORMAL
    assert answer.reason == "lost_or_stolen_card"


def test_a_refund_that_stripe_does_not_know_is_not_known(shop: Shop) -> None:
    shop.paid(a_card_attempt())

    answer = shop.ask(shop.provider.query_refund(a_card_wish(shop), now=shop.now, chance=a_chance()))

    assert answer.state is None


def test_a_bill_has_payments_refunds_fees_and_disputes(shop: Shop) -> None:
    shop.paid(a_card_attempt())
    given(shop, a_card_wish(shop))
    shop.world.press(Button.DISPUTE, REFERENCE, shop.now)
    shop.now += timedelta(days=2)
    day = date(2026, 11, 22)

    bill = shop.ask(shop.provider.statement(day, StatementKind.TRADE, now=shop.now, chance=a_chance()))

    trade = list(shop.provider.lines(bill, StatementKind.TRADE))
    assert [(line.amount_minor, line.fee_micro, line.refund_reference) for line in trade] == [
        (-1000, 0, "RF000000000001"),
        (5000, 1_750_000, ""),
    ]
    assert {(line.reference, line.transaction_no) for line in trade} == {
        (REFERENCE, shop.world.facts()[0].transaction_no)
    }
    fund = list(shop.provider.lines(bill, StatementKind.FUND))
    assert [line.amount_minor for line in fund] == [-5000, -1000, 5000]


def test_a_bill_of_several_pages_is_whole(shop: Shop) -> None:
    for number in range(150):
        shop.paid(a_card_attempt(reference=f"R{number:014d}", amount_minor=100 + number))
    shop.now += timedelta(days=2)

    bill = shop.ask(
        shop.provider.statement(date(2026, 11, 22), StatementKind.TRADE, now=shop.now, chance=a_chance())
    )

    lines = list(shop.provider.lines(bill, StatementKind.TRADE))
    assert sorted(line.amount_minor for line in lines) == list(range(100, 250))


def test_a_bill_that_was_cut_off_is_refused(shop: Shop) -> None:
    shop.paid(a_card_attempt())
    shop.now += timedelta(days=2)
    bill = shop.ask(
        shop.provider.statement(date(2026, 11, 22), StatementKind.TRADE, now=shop.now, chance=a_chance())
    )
    whole = bill.splitlines(keepends=True)

    for damaged in (b"".join(whole[:-1]), whole[-1], bill[:-9], bill + whole[0]):
        with pytest.raises(StatementFaulty):
            list(shop.provider.lines(damaged, StatementKind.FUND))


def test_a_day_that_is_not_over_has_no_bill_yet(shop: Shop) -> None:
    steps = shop.provider.statement(date(2026, 11, 22), StatementKind.FUND, now=NOON, chance=a_chance())

    with pytest.raises(NotReady):
        shop.ask(steps)


def test_a_day_without_payments_has_an_empty_bill(shop: Shop) -> None:
    shop.now += timedelta(days=2)
    steps = shop.provider.statement(date(2026, 11, 22), StatementKind.FUND, now=shop.now, chance=a_chance())

    assert list(shop.provider.lines(shop.ask(steps), StatementKind.FUND)) == []


def test_a_self_test_tells_of_key_and_notices(shop: Shop) -> None:
    good = shop.ask(shop.provider.self_test(now=NOON, chance=a_chance()))
    lost = StripePay(replace(some_settings(), notify_url="https://elsewhere.example.org/"))
    wrong = StripePay(replace(some_settings(), key="sk_test_anotherkey000"))

    assert [(check.name, check.ok) for check in good] == [("key", True), ("notices", True)]
    assert [check.ok for check in shop.ask(lost.self_test(now=NOON, chance=a_chance()))] == [True, False]
    assert [check.ok for check in shop.ask(wrong.self_test(now=NOON, chance=a_chance()))] == [False]


@pytest.mark.parametrize(
    "wrong",
    [
        {"key": "sk_live_simulated0000000000"},
        {"key": "pk_test_simulated0000000000"},
        {"secrets": ()},
        {"secrets": (b"secret",)},
    ],
)
def test_keys_of_the_other_kind_of_account_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(KeyUnusable):
        StripePay(replace(some_settings(), **wrong))  # type: ignore[arg-type]


def test_nothing_secret_is_shown() -> None:
    assert "sk_test" not in repr(some_settings())
    assert "whsec" not in repr(some_settings())


def test_there_is_nothing_to_confirm(shop: Shop) -> None:
    attempt = a_card_attempt()
    assert attempt.state is AttemptState.CREATED

    with pytest.raises(NotOffered):
        shop.ask(shop.provider.confirm(None, now=NOON, chance=a_chance()))  # type: ignore[arg-type]
