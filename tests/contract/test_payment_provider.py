"""What every payment provider promises, whichever it is: orders, money that came, money that goes, bills."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from tests.contract.counters import COUNTERS, Counter
from tests.unit.payments.wechat_side import NOON

from compuerta.domain.errors import Refused
from compuerta.domain.payment import Flow, PaymentNotice, RefundState
from compuerta.services.payment_ports import (
    HttpRequest,
    NotOffered,
    NotReady,
    OrderState,
    PresentationKind,
    Rejected,
    StatementFaulty,
    StatementKind,
    Verified,
)

LATER = NOON + timedelta(hours=1)  # refunds have ended by then


@pytest.fixture(params=list(COUNTERS.values()), ids=list(COUNTERS))
def counter(request: pytest.FixtureRequest) -> Counter:
    make: Callable[[], Counter] = request.param
    return make()


def test_the_name_is_the_accounts_and_the_capabilities_make_sense(counter: Counter) -> None:
    capabilities = counter.provider.capabilities

    assert counter.provider.name == counter.attempt.provider
    assert counter.attempt.currency in capabilities.currencies
    assert counter.attempt.flow in capabilities.flows
    assert capabilities.expiry_min < capabilities.expiry_max
    assert bool(capabilities.statements) or capabilities.statement_ready is None
    ZoneInfo(capabilities.statement_zone)


def test_an_order_is_shown_or_paid_as_the_capabilities_say(counter: Counter) -> None:
    shown = counter.create(counter.attempt)

    assert (shown.kind is PresentationKind.PAID) == counter.provider.capabilities.immediate
    assert (shown.paid is not None) == counter.provider.capabilities.immediate
    assert bool(shown.content) != counter.provider.capabilities.immediate


def test_placing_an_order_again_is_harmless(counter: Counter) -> None:
    first = counter.create(counter.attempt)
    again = counter.create(counter.attempt, now=NOON + timedelta(minutes=1))

    assert (first.kind, first.paid) == (again.kind, again.paid)


def test_another_currency_is_refused(counter: Counter) -> None:
    with pytest.raises(Refused, match="XTS"):
        counter.create(replace(counter.attempt, currency="XTS"))


def test_a_flow_that_the_account_has_not_is_not_offered(counter: Counter) -> None:
    capabilities = counter.provider.capabilities
    if capabilities.immediate:
        pytest.skip("a till takes cash, and never sees how it came")

    for flow in set(Flow) - capabilities.flows:
        with pytest.raises(NotOffered):
            counter.create(replace(counter.attempt, flow=flow))


def test_a_paid_order_is_told_with_the_attempts_own_amount(counter: Counter) -> None:
    attempt = counter.paid()

    answer = counter.query(attempt)

    assert answer.state is OrderState.PAID
    assert answer.paid is not None
    assert (answer.paid.provider, answer.paid.reference) == (counter.provider.name, attempt.reference)
    assert (answer.paid.amount_minor, answer.paid.currency) == (attempt.amount_minor, attempt.currency)
    assert answer.paid.paid_at == NOON


def test_every_way_to_learn_of_a_payment_tells_the_same(counter: Counter) -> None:
    attempt = counter.paid()
    told: list[PaymentNotice | None] = [counter.query(attempt).paid]
    if not counter.provider.capabilities.notices_signed:
        pytest.skip("what it tells by itself is a claim")

    for inbound in counter.notices(NOON):
        heard = counter.provider.hear(inbound, now=NOON)
        assert isinstance(heard, Verified)
        if heard.notice is not None:
            told.append(heard.notice)

    assert told[0] is not None
    assert all(notice == told[0] for notice in told)
    assert len(told) >= 1 + counter.provider.capabilities.notices  # some tell of one payment in two events


def test_placing_a_paid_order_again_brings_the_notice_and_never_a_second_payment(counter: Counter) -> None:
    attempt = counter.paid()

    again = counter.create(attempt)

    assert again.paid in (None, counter.query(attempt).paid)
    assert (again.paid is not None) == (again.kind is PresentationKind.PAID)


def test_two_orders_never_share_a_transaction_number(counter: Counter) -> None:
    numbers = set()
    for reference in ("R20261122000001", "R20261122000002", "R20261122000003"):
        paid = counter.query(counter.paid(reference)).paid
        assert paid is not None
        numbers.add(paid.transaction_no)

    assert len(numbers) == 3


def test_an_order_that_was_never_placed_is_not_paid(counter: Counter) -> None:
    answer = counter.query(counter.attempt)

    assert answer.state in {OrderState.NOT_PAID, OrderState.UNKNOWN}
    assert answer.paid is None


def test_closing_a_paid_order_brings_the_notice(counter: Counter) -> None:
    attempt = counter.paid()

    closed = counter.close(attempt)

    assert closed.paid == counter.query(attempt).paid
    assert closed.state is OrderState.PAID


def test_a_strangers_message_is_rejected_with_an_answer_that_is_no_success(counter: Counter) -> None:
    if not counter.provider.capabilities.notices_signed:
        pytest.skip("whoever knows the address may claim, and nobody is believed")

    for body in (b"", b"{}", b'{"event_type":"TRANSACTION.SUCCESS"}', b"trade_status=TRADE_SUCCESS"):
        heard = counter.provider.hear(HttpRequest(method="POST", path="/", body=body), now=NOON)

        assert isinstance(heard, Rejected)
        # Some providers are owed a word with the status 200; the word is what says no.
        assert heard.answer.status >= 400 or heard.answer.body != counter.provider.answer(accepted=True).body


def test_a_stored_message_is_answered_as_a_success_and_another_is_not(counter: Counter) -> None:
    assert counter.provider.answer(accepted=True).status in {200, 204}
    assert counter.provider.answer(accepted=False) != counter.provider.answer(accepted=True)


# Money that goes back


def a_refunder(counter: Counter) -> Counter:
    if not counter.provider.capabilities.refunds:
        pytest.skip("it gives nothing back")
    return counter


def test_a_refund_asked_for_again_is_one_refund_and_ends_well(counter: Counter) -> None:
    counter = a_refunder(counter)
    wish = counter.wish(counter.paid(), amount_minor=1000)

    first = counter.refund(wish, now=NOON)
    again = counter.refund(wish, now=NOON + timedelta(minutes=2))

    assert {first.state, again.state} <= {RefundState.SENT, RefundState.DONE}
    assert first.provider_no == again.provider_no
    assert counter.query_refund(wish, now=LATER).state is RefundState.DONE


def test_a_refund_that_nobody_asked_for_is_not_done(counter: Counter) -> None:
    counter = a_refunder(counter)

    asked = counter.query_refund(counter.wish(counter.paid(), amount_minor=1000), now=NOON)

    assert asked.state is None


def test_partial_refunds_go_up_to_the_payment_and_no_further(counter: Counter) -> None:
    counter = a_refunder(counter)
    capabilities = counter.provider.capabilities
    if not capabilities.refund_partial:
        pytest.skip("it gives back whole payments only")
    attempt = counter.paid()
    apart = max(capabilities.refunds_apart, timedelta(seconds=1))
    wishes = [
        counter.wish(attempt, amount_minor=attempt.amount_minor // 2, number=1),
        counter.wish(attempt, amount_minor=1, number=9),
    ]
    wishes.insert(1, replace(wishes[0], refund=replace(wishes[0].refund, reference="RF2")))

    first, second = (counter.refund(wishes[number], now=NOON + number * apart).state for number in (0, 1))
    try:
        third = counter.refund(wishes[2], now=NOON + 2 * apart).state
    except Refused:
        third = None

    assert {first, second} <= {RefundState.SENT, RefundState.DONE}
    assert third not in {RefundState.SENT, RefundState.DONE}


def test_what_is_told_of_a_refund_is_never_a_payment(counter: Counter) -> None:
    counter = a_refunder(counter)
    attempt = counter.paid()
    counter.notices(NOON)
    counter.refund(counter.wish(attempt, amount_minor=1000), now=NOON)

    heard = [counter.provider.hear(inbound, now=LATER) for inbound in counter.notices(LATER)]

    assert all(isinstance(verdict, Verified) and verdict.notice is None for verdict in heard)
    told = [verdict.refund for verdict in heard if isinstance(verdict, Verified) and verdict.refund]
    assert {notice.refunded_minor for notice in told} <= {1000}


# Bills


def bill_time(counter: Counter) -> tuple[datetime, datetime]:
    """When yesterday's bill is not there yet, and when it is."""
    capabilities = counter.provider.capabilities
    zone, ready = ZoneInfo(capabilities.statement_zone), capabilities.statement_ready or time(0)
    tomorrow = NOON.astimezone(zone).date() + timedelta(days=1)
    ready_at = datetime.combine(tomorrow, ready, tzinfo=zone).astimezone(UTC)
    return ready_at - timedelta(seconds=1), ready_at + timedelta(minutes=1)


def test_a_bill_has_each_payment_of_its_day_once(counter: Counter) -> None:
    if StatementKind.TRADE not in counter.provider.capabilities.statements:
        pytest.skip("it has no bill")
    attempts = [counter.paid(f"R2026112200000{number}") for number in range(3)]
    day = NOON.astimezone(ZoneInfo(counter.provider.capabilities.statement_zone)).date()
    paid = [counter.query(attempt).paid for attempt in attempts]

    bill = counter.statement(day, StatementKind.TRADE, now=bill_time(counter)[1])

    lines = list(counter.provider.lines(bill, StatementKind.TRADE))
    told = [(line.transaction_no, line.amount_minor, line.currency, line.at) for line in lines]
    assert sorted(told) == sorted(
        (notice.transaction_no, notice.amount_minor, notice.currency, notice.paid_at)
        for notice in paid
        if notice is not None
    )
    assert all(line.refund_reference == "" for line in lines)


def test_a_bill_of_funds_is_read_too(counter: Counter) -> None:
    if StatementKind.FUND not in counter.provider.capabilities.statements:
        pytest.skip("it has no bill of funds")
    counter.paid()
    day = NOON.astimezone(ZoneInfo(counter.provider.capabilities.statement_zone)).date()

    bill = counter.statement(day, StatementKind.FUND, now=bill_time(counter)[1])

    lines = list(counter.provider.lines(bill, StatementKind.FUND))
    assert counter.attempt.amount_minor in {line.amount_minor for line in lines}


def test_a_bill_is_not_ready_before_its_hour(counter: Counter) -> None:
    capabilities = counter.provider.capabilities
    if capabilities.statement_ready is None:
        pytest.skip("it has a bill at any time, or none")
    counter.paid()
    day = NOON.astimezone(ZoneInfo(capabilities.statement_zone)).date()

    with pytest.raises(NotReady):
        counter.statement(day, StatementKind.TRADE, now=bill_time(counter)[0])


def test_what_is_no_bill_is_refused_by_its_line(counter: Counter) -> None:
    for kind in counter.provider.capabilities.statements:
        for bill in (b"<html>gone</html>", b"\x1f\x8b", json.dumps({"bill": []}).encode()):
            with pytest.raises(StatementFaulty) as faulty:
                list(counter.provider.lines(bill, kind))
            assert faulty.value.line_no >= 0


def test_a_bill_that_the_account_has_not_is_not_offered(counter: Counter) -> None:
    for kind in set(StatementKind) - counter.provider.capabilities.statements:
        with pytest.raises(NotOffered):
            counter.statement(NOON.date(), kind, now=NOON)


# The connection


def test_a_good_account_passes_its_own_test_and_says_what_was_proved(counter: Counter) -> None:
    checks = counter.self_test()

    assert checks
    assert all(check.ok and check.name for check in checks), checks
