"""An order is written before its provider hears of it, and followed until its end is known."""

from dataclasses import replace
from datetime import timedelta

import pytest
from tests.unit.services.town import (
    CAPABILITIES,
    HOUR,
    NOON,
    SECOND,
    WECHAT,
    Home,
    a_notice,
    a_town,
    an_id,
    ordered,
)

from compuerta.adapters.memory import MemoryStore
from compuerta.domain.errors import Refused
from compuerta.domain.party import Period
from compuerta.domain.payment import Attempt, AttemptState
from compuerta.services import ordering, quoting, vend
from compuerta.services.ordering import Order, Question
from compuerta.services.payment_ports import (
    Capabilities,
    OrderAnswer,
    OrderState,
    Presentation,
    PresentationKind,
)

NOT_PAID = OrderAnswer(state=OrderState.NOT_PAID)


def an_order(home: Home, *, amount_minor: int = 5_000) -> Order:
    return Order(
        attempt_id=an_id("attempt"),
        account_id=home.account_id,
        provider=WECHAT,
        reference="order1",
        amount_minor=amount_minor,
    )


def opened(store: MemoryStore, order: Order, *, capabilities: Capabilities = CAPABILITIES) -> Attempt:
    return ordering.open_attempt(
        store, order, capabilities=capabilities, expires_in=timedelta(minutes=5), now=NOON
    )


def stored(store: MemoryStore, attempt: Attempt) -> Attempt:
    return store.tables.attempts[attempt.attempt_id]


def test_an_order_is_written_before_its_provider_hears_of_it() -> None:
    store = MemoryStore()
    home = a_town(store).homes[0]

    attempt = opened(store, an_order(home))

    assert stored(store, attempt) == attempt
    assert (attempt.state, attempt.presented) == (AttemptState.CREATED, None)
    assert (attempt.amount_minor, attempt.currency) == (5_000, "CNY")
    assert (attempt.expires_at, attempt.ask_at) == (NOON + timedelta(minutes=5), NOON + 2 * SECOND)


def test_a_provider_that_cannot_be_asked_is_not_asked() -> None:
    store = MemoryStore()
    home = a_town(store).homes[0]

    attempt = opened(store, an_order(home), capabilities=replace(CAPABILITIES, query=False))

    assert attempt.ask_at is None
    assert ordering.due_attempts(store, now=NOON + HOUR, limit=10) == []


@pytest.mark.parametrize(("expires_in_s", "kept_s"), [(1, 60), (60, 60), (7_200, 7_200), (9_999, 7_200)])
def test_the_end_of_an_order_is_within_what_its_provider_allows(expires_in_s: int, kept_s: int) -> None:
    store = MemoryStore()
    home = a_town(store).homes[0]

    attempt = ordering.open_attempt(
        store,
        an_order(home),
        capabilities=CAPABILITIES,
        expires_in=timedelta(seconds=expires_in_s),
        now=NOON,
    )

    assert attempt.expires_at == NOON + timedelta(seconds=kept_s)


@pytest.mark.parametrize("amount_minor", [-5_000, 0, 99, 1_000_001])
def test_an_amount_out_of_bounds_is_refused_and_not_written(amount_minor: int) -> None:
    store = MemoryStore()
    home = a_town(store).homes[0]

    with pytest.raises(quoting.AmountOutOfBounds, match=r"between 1\.00 and 10000\.00 CNY"):
        opened(store, an_order(home, amount_minor=amount_minor))

    assert store.tables.attempts == {}


@pytest.mark.parametrize("amount_minor", [100, 1_000_000])
def test_the_bounds_themselves_are_taken(amount_minor: int) -> None:
    store = MemoryStore()
    home = a_town(store).homes[0]

    assert opened(store, an_order(home, amount_minor=amount_minor)).amount_minor == amount_minor


def test_what_could_not_be_credited_later_is_refused() -> None:
    store = MemoryStore()
    town = a_town(store)
    home = town.homes[0]
    unknown, suspense = replace(home, account_id=999), replace(home, account_id=town.suspense_id)

    for account in (unknown, suspense):
        with pytest.raises(quoting.AccountNotRechargeable):
            opened(store, an_order(account))
    with pytest.raises(ordering.CurrencyNotTaken):
        opened(store, an_order(home), capabilities=replace(CAPABILITIES, currencies=frozenset({"MXN"})))
    closed = Period(start=NOON, end=NOON)
    store.tables.accounts[home.account_id] = replace(store.tables.accounts[home.account_id], period=closed)
    with pytest.raises(quoting.AccountNotRechargeable):
        opened(store, an_order(home))

    assert store.tables.attempts == {}


def test_the_same_order_again_is_the_same_attempt() -> None:
    store = MemoryStore()
    home = a_town(store).homes[0]
    first = opened(store, an_order(home))

    again = opened(store, an_order(home))

    assert again == first
    assert len(store.tables.attempts) == 1


def test_the_same_order_for_another_amount_is_refused() -> None:
    store = MemoryStore()
    home = a_town(store).homes[0]
    opened(store, an_order(home))

    with pytest.raises(ordering.ReferenceTaken):
        opened(store, replace(an_order(home), amount_minor=100))


def test_a_reference_is_ordered_once() -> None:
    store = MemoryStore()
    home = a_town(store).homes[0]
    opened(store, an_order(home))

    with pytest.raises(ordering.ReferenceTaken) as refused:
        opened(store, replace(an_order(home), attempt_id=an_id("another"), amount_minor=100))

    assert isinstance(refused.value, Refused)
    assert [attempt.amount_minor for attempt in store.tables.attempts.values()] == [5_000]


def test_what_the_payer_was_shown_is_shown_again() -> None:
    store = MemoryStore()
    attempt = opened(store, an_order(a_town(store).homes[0]))

    ordering.presented(
        store, attempt.attempt_id, Presentation(kind=PresentationKind.QR, content="weixin://x")
    )

    kept = stored(store, attempt)
    assert (kept.state, kept.presented) == (AttemptState.PRESENTED, "weixin://x")


def test_presenting_late_does_not_take_back_that_it_is_paid() -> None:
    store = MemoryStore()
    attempt = ordered(store, a_town(store).homes[0])
    vend.accept_payments(store, [a_notice()], now=NOON)

    ordering.presented(store, attempt.attempt_id, Presentation(kind=PresentationKind.QR, content="x"))

    assert stored(store, attempt).state is AttemptState.PAID


def test_while_somebody_looks_the_provider_is_asked_every_two_seconds() -> None:
    store = MemoryStore()
    attempt = opened(store, an_order(a_town(store).homes[0]))
    asked, now = 0, NOON

    while now < NOON + 20 * SECOND:
        now += SECOND
        ordering.watch(store, attempt.attempt_id, now=now)
        for due in ordering.due_attempts(store, now=now, limit=10):
            ordering.answered(store, {due.attempt_id: NOT_PAID}, now=now)
            asked += 1

    assert asked == 10


def test_a_page_that_stays_open_does_not_use_the_questions_up() -> None:
    store = MemoryStore()
    attempt = opened(store, an_order(a_town(store).homes[0]))

    for seconds in range(2, 10 * 60, 2):  # five minutes of life, and five after
        ordering.watch(store, attempt.attempt_id, now=NOON + seconds * SECOND)
        for due in ordering.due_attempts(store, now=NOON + seconds * SECOND, limit=10):
            ordering.answered(store, {due.attempt_id: NOT_PAID}, now=NOON + seconds * SECOND)

    assert stored(store, attempt).asks > 200
    assert stored(store, attempt).ask_at is not None


def test_who_looks_for_long_after_the_end_does_not_make_it_urgent() -> None:
    store = MemoryStore()
    attempt = opened(store, an_order(a_town(store).homes[0]))
    late = attempt.expires_at + ordering.LOOKED_AT_FOR

    ordering.answered(store, {attempt.attempt_id: NOT_PAID}, now=late)
    ordering.watch(store, attempt.attempt_id, now=late)

    ask_at = stored(store, attempt).ask_at
    assert ask_at is not None
    assert ask_at - late > ordering.ASK_WATCHED


def test_when_nobody_looks_the_provider_is_asked_ever_less_often_and_not_for_ever() -> None:
    store = MemoryStore()
    attempt = opened(store, an_order(a_town(store).homes[0]))
    waits: list[timedelta | None] = []
    last_at = NOON

    for _ in range(250):
        ask_at = stored(store, attempt).ask_at
        if ask_at is None:
            break
        last_at = ask_at
        ordering.answered(store, {attempt.attempt_id: OrderAnswer(state=OrderState.UNKNOWN)}, now=ask_at)
        next_at = stored(store, attempt).ask_at
        waits.append(None if next_at is None else next_at - ask_at)

    assert waits[-1] is None
    assert attempt.expires_at + ordering.LATE_FOR <= last_at < attempt.expires_at + 2 * ordering.LATE_FOR
    assert waits[-2] == ordering.ASK_UNWATCHED[-1]
    assert stored(store, attempt).state is AttemptState.EXPIRED


def test_an_answer_does_not_put_the_end_of_an_order_off() -> None:
    store = MemoryStore()
    attempt = opened(store, an_order(a_town(store).homes[0]))

    ordering.answered(store, {attempt.attempt_id: NOT_PAID}, now=attempt.expires_at - SECOND)

    assert stored(store, attempt).ask_at == attempt.expires_at


def test_an_order_is_asked_for_while_it_lives_and_closed_at_its_end() -> None:
    store = MemoryStore()
    attempt = opened(store, an_order(a_town(store).homes[0]))

    assert ordering.question(attempt, now=attempt.expires_at - SECOND) is Question.QUERY
    assert ordering.question(attempt, now=attempt.expires_at) is Question.CLOSE


def test_an_order_that_is_closed_is_not_asked_for_again() -> None:
    store = MemoryStore()
    attempt = opened(store, an_order(a_town(store).homes[0]))

    ordering.answered(store, {attempt.attempt_id: OrderAnswer(state=OrderState.CLOSED)}, now=NOON + HOUR)
    watched = ordering.watch(store, attempt.attempt_id, now=NOON + HOUR)

    assert watched is not None
    assert (watched.state, watched.ask_at) == (AttemptState.CLOSED, None)


def test_an_answer_after_the_money_came_changes_nothing() -> None:
    store = MemoryStore()
    attempt = ordered(store, a_town(store).homes[0])
    vend.accept_payments(store, [a_notice()], now=NOON)
    before = stored(store, attempt)

    ordering.answered(store, {attempt.attempt_id: OrderAnswer(state=OrderState.CLOSED)}, now=NOON + HOUR)
    ordering.answered(store, {an_id("nobody's"): NOT_PAID}, now=NOON + HOUR)

    assert stored(store, attempt) == before


def test_a_crash_between_asking_and_answering_asks_again() -> None:
    store = MemoryStore()
    attempt = opened(store, an_order(a_town(store).homes[0]))
    first = ordering.due_attempts(store, now=NOON + 2 * SECOND, limit=10)

    at_once = ordering.due_attempts(store, now=NOON + 3 * SECOND, limit=10)
    later = ordering.due_attempts(store, now=NOON + 17 * SECOND, limit=10)

    assert [each.attempt_id for each in first] == [each.attempt_id for each in later] == [attempt.attempt_id]
    assert at_once == []


def test_watching_what_is_not_there_is_nothing() -> None:
    assert ordering.watch(MemoryStore(), an_id("nobody's"), now=NOON) is None


def test_what_is_paid_stays_paid_when_its_close_comes_after_and_a_person_is_told() -> None:
    store = MemoryStore()
    town = a_town(store)
    attempt = opened(store, an_order(town.homes[0]))
    vend.accept_payments(store, [a_notice()], now=NOON)

    closed = OrderAnswer(state=OrderState.CLOSED, reason="refund")
    for _ in range(2):
        ordering.answered(store, {attempt.attempt_id: closed}, now=NOON + SECOND)

    assert stored(store, attempt).state is AttemptState.PAID
    (case,) = store.tables.cases.values()
    assert (case.kind, case.account_id) == ("closed_after_paid", attempt.account_id)
    assert "'refund'" in case.detail
