"""Alipay's refunds and bills, against the simulated gateway in virtual time."""

from collections.abc import Generator
from datetime import timedelta

import pytest
from tests.unit.payments.alipay_side import (
    Street,
    a_street,
    a_wish,
    paid_order,
)
from tests.unit.payments.wechat_side import NOON, a_chance

from compuerta.adapters.payments.alipay_errors import (
    AnswerForged,
    ProviderBusy,
)
from compuerta.adapters.payments.http import converse_with
from compuerta.domain.payment import RefundState
from compuerta.services.payment_ports import (
    HttpRequest,
    HttpResponse,
    NotReady,
    RefundAnswer,
    StatementFaulty,
    StatementKind,
    StatementLine,
)


def test_a_refund_that_moves_money_is_done_and_repeating_it_moves_none() -> None:
    street = a_street()
    attempt, transaction_no = paid_order(street)
    wish = a_wish(attempt, transaction_no, amount_minor=1_000)

    first = street.refund(wish)
    again = street.refund(wish)

    assert (first.state, again.state) == (RefundState.DONE, RefundState.DONE)
    assert [fact.refunded_minor for fact in street.world.facts()] == [1_000]


def test_a_good_answer_without_a_change_of_funds_is_not_a_refund() -> None:
    street = a_street()
    attempt, transaction_no = paid_order(street)
    wish = a_wish(attempt, transaction_no, amount_minor=1_000)
    street.world.behave({"refund_ms": 60_000})

    sent = street.refund(wish)
    street.now += timedelta(minutes=2)

    assert sent.state is RefundState.SENT
    assert street.query_refund(wish).state is RefundState.DONE


def test_a_refund_that_was_never_sent_is_not_known() -> None:
    street = a_street()
    attempt, transaction_no = paid_order(street)

    assert street.query_refund(a_wish(attempt, transaction_no, amount_minor=1_000)).state is None


def test_a_merchant_without_money_gives_back_later() -> None:
    street = a_street()
    attempt, transaction_no = paid_order(street)
    wish = a_wish(attempt, transaction_no, amount_minor=1_000)
    street.world.behave({"balance_short": True})

    short = street.refund(wish)
    street.world.behave({"balance_short": False})

    assert (short.state, "SELLER_BALANCE_NOT_ENOUGH" in short.reason) == (None, True)
    assert street.refund(wish).state is RefundState.DONE


def test_more_than_was_paid_is_not_given_back() -> None:
    street = a_street()
    attempt, transaction_no = paid_order(street)

    answer = street.refund(a_wish(attempt, transaction_no, amount_minor=10_001))

    assert answer.state is RefundState.CLOSED
    assert [fact.refunded_minor for fact in street.world.facts()] == [0]


def test_the_same_reference_with_another_amount_is_not_taken_for_the_earlier_refund() -> None:
    street = a_street()
    attempt, transaction_no = paid_order(street)
    street.refund(a_wish(attempt, transaction_no, amount_minor=1_000))

    with pytest.raises(AnswerForged, match="another refund"):
        street.refund(a_wish(attempt, transaction_no, amount_minor=2_000))


def test_two_refunds_at_once_are_too_many_for_alipay() -> None:
    street = a_street()
    attempt, transaction_no = paid_order(street)
    street.refund(a_wish(attempt, transaction_no, amount_minor=1_000))
    second = a_wish(attempt, transaction_no, amount_minor=2_000, reference="RF2")

    at_once = street.refund(second)
    street.now += street.provider.capabilities.refunds_apart
    later = street.refund(second)

    assert (at_once.state, later.state) == (None, RefundState.DONE)
    assert [fact.refunded_minor for fact in street.world.facts()] == [3_000]


def bill(street: Street, kind: StatementKind = StatementKind.TRADE) -> list[StatementLine]:
    steps = street.provider.statement(NOON.date(), kind, now=street.now, chance=a_chance())
    return list(street.provider.lines(converse_with(steps, street.fetch), kind))


def test_a_bill_tells_what_moved_on_its_day() -> None:
    street = a_street()
    attempt, transaction_no = paid_order(street)
    street.refund(a_wish(attempt, transaction_no, amount_minor=1_000))
    street.now += timedelta(days=1)

    payment, refund = sorted(bill(street), key=lambda line: -line.amount_minor)

    assert (payment.transaction_no, payment.reference) == (transaction_no, attempt.reference)
    assert (payment.amount_minor, payment.fee_micro, payment.at) == (10_000, 600_000, NOON)
    assert (refund.amount_minor, refund.refund_reference) == (-1_000, "RF1")


def test_a_fund_bill_adds_up_to_what_is_left() -> None:
    street = a_street()
    paid_order(street)
    street.now += timedelta(days=1)

    lines = bill(street, StatementKind.FUND)

    assert [line.amount_minor for line in lines] == [10_000, -60]
    assert {line.state for line in lines} == {"在线支付", "收费"}


def test_a_bill_is_not_there_before_ten_of_the_next_day_in_beijing() -> None:
    street = a_street()
    paid_order(street)
    street.now = NOON.replace(hour=1, minute=59) + timedelta(days=1)

    with pytest.raises(NotReady):
        bill(street)
    street.now += timedelta(minutes=1)

    assert len(bill(street)) == 1


def test_the_address_of_a_bill_lives_for_thirty_seconds() -> None:
    street = a_street()
    street.now += timedelta(days=1)
    street.fetch_delay = timedelta(seconds=30)

    with pytest.raises(ProviderBusy):
        bill(street)


def test_a_bill_that_was_cut_off_is_not_used() -> None:
    street = a_street()
    paid_order(street)
    street.now += timedelta(days=1)
    street.world.behave({"bill_cut": True})

    with pytest.raises(StatementFaulty, match="totals"):
        bill(street)


def test_missing_and_extra_lines_are_there_on_demand() -> None:
    street = a_street()
    attempt, _ = paid_order(street)
    street.now += timedelta(days=1)
    street.world.behave({"bill_missing": 1, "bill_extra": 2})

    lines = bill(street)

    assert [line.reference for line in lines] == ["X0", "X1"]
    assert attempt.reference not in {line.reference for line in lines}


def test_a_refund_that_was_refused_is_not_over_while_nobody_says_what_became_of_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    street = a_street()
    attempt, transaction_no = paid_order(street)

    def unclear(*_: object, **__: object) -> Generator[HttpRequest, HttpResponse, RefundAnswer]:
        yield from ()
        return RefundAnswer(state=None, reason="ACQ.SYSTEM_ERROR")

    monkeypatch.setattr(type(street.provider), "query_refund", unclear)

    answer = street.refund(a_wish(attempt, transaction_no, amount_minor=10_001))

    assert (answer.state, answer.reason) == (None, "ACQ.SYSTEM_ERROR")
