"""Unsigned words about money: kept within bounds, asked about in a rhythm, and never believed."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from tests.unit.services.town import NOON, SECOND, WECHAT, Town, a_town, ordered

from compuerta.adapters.memory import MemoryStore
from compuerta.domain.payment import AttemptState, Claim, PaymentNotice, short_reference
from compuerta.services import claiming, ordering
from compuerta.services.claim_port import ClaimState, KeptClaim
from compuerta.services.claiming import ASK_AGAIN, Heard
from compuerta.services.payment_ports import OrderAnswer, OrderState

RECEIPT = "SIM1"
ORDER = "0a1b2c3d4e5f60718293a4b5c6d7e8f9"
SILENT = OrderAnswer(state=OrderState.UNKNOWN, reason="no answer")


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


@pytest.fixture
def town(store: MemoryStore) -> Town:
    return a_town(store)


def a_claim(*, number: str = RECEIPT, reference: str = "", provider: str = WECHAT) -> Claim:
    return Claim(
        provider=provider,
        transaction_no=number,
        reference=reference,
        amount_minor=5000,
        currency="CNY",
        paid_at=NOON - SECOND,
    )


def the_truth(*, payee: str, amount_minor: int = 5000, number: str = RECEIPT) -> OrderAnswer:
    paid = PaymentNotice(
        provider=WECHAT,
        transaction_no=number,
        reference="",
        amount_minor=amount_minor,
        currency="CNY",
        paid_at=NOON - SECOND,
        payee=payee,
    )
    return OrderAnswer(state=OrderState.PAID, paid=paid)


def asked(store: MemoryStore, answer: OrderAnswer, *, now: datetime = NOON) -> ClaimState:
    [due] = claiming.due_claims(store, now=now, limit=9)
    return claiming.answered(store, {due.key: answer}, now=now)[due.key]


def the_claim(store: MemoryStore) -> KeptClaim:
    return store.tables.payment_claims[WECHAT, RECEIPT]


def meter_no(store: MemoryStore, town: Town) -> str:
    return store.tables.meters[town.homes[0].meter_id].meter_no


def test_a_claim_is_never_money(store: MemoryStore, town: Town) -> None:
    assert claiming.hear(store, [a_claim()], now=NOON) == [Heard.KEPT]

    assert store.tables.payments == {}
    assert store.tables.recharges == {}


def test_what_the_provider_says_is_booked_and_not_what_was_claimed(store: MemoryStore, town: Town) -> None:
    claiming.hear(store, [replace(a_claim(), amount_minor=999_900)], now=NOON)

    state = asked(store, the_truth(payee=meter_no(store, town)))

    assert state is ClaimState.CONFIRMED
    [payment] = store.tables.payments.values()
    assert (payment.amount_minor, payment.account_id) == (5000, town.homes[0].account_id)


def test_a_claim_that_is_true_credits_once_however_often_it_is_said(store: MemoryStore, town: Town) -> None:
    truth = the_truth(payee=meter_no(store, town))
    claiming.hear(store, [a_claim()], now=NOON)
    [due] = claiming.due_claims(store, now=NOON, limit=9)
    claiming.answered(store, {due.key: truth}, now=NOON)

    again = claiming.hear(store, [a_claim(), a_claim()], now=NOON + SECOND)
    claiming.answered(store, {due.key: truth}, now=NOON + SECOND)

    assert again == [Heard.KNOWN, Heard.KNOWN]
    assert len(store.tables.recharges) == 1


def test_an_order_in_short_is_credited_as_that_order(store: MemoryStore, town: Town) -> None:
    attempt = ordered(store, town.homes[0], reference=ORDER)
    claiming.hear(store, [a_claim()], now=NOON)

    asked(store, the_truth(payee=short_reference(ORDER)))

    assert store.tables.attempts[attempt.attempt_id].state is AttemptState.PAID
    [payment] = store.tables.payments.values()
    assert payment.reference == ORDER


def test_what_means_nobody_waits_in_suspense(store: MemoryStore, town: Town) -> None:
    claiming.hear(store, [a_claim()], now=NOON)

    state = asked(store, the_truth(payee="a typo"))

    assert state is ClaimState.CONFIRMED
    [payment] = store.tables.payments.values()
    assert payment.account_id == town.suspense_id
    assert store.tables.recharges == {}


def test_a_claim_about_an_order_makes_its_next_question_due_now(store: MemoryStore, town: Town) -> None:
    attempt = ordered(store, town.homes[0], reference=ORDER)
    closed = replace(attempt, state=AttemptState.CLOSED, ask_at=None)
    with store.transaction() as tx:
        tx.save_attempts([closed])

    claiming.hear(store, [a_claim(reference=ORDER)], now=NOON)

    assert [each.attempt_id for each in ordering.due_attempts(store, now=NOON, limit=9)] == [
        attempt.attempt_id
    ]


def test_a_claim_about_a_paid_order_asks_nothing_of_it(store: MemoryStore, town: Town) -> None:
    attempt = ordered(store, town.homes[0], reference=ORDER)
    with store.transaction() as tx:
        tx.save_attempts([replace(attempt, state=AttemptState.PAID, ask_at=None)])

    claiming.hear(store, [a_claim(reference=ORDER)], now=NOON)

    assert ordering.due_attempts(store, now=NOON, limit=9) == []


def test_a_provider_that_is_silent_is_asked_ever_less_often_and_then_a_person(
    store: MemoryStore, town: Town
) -> None:
    claiming.hear(store, [a_claim()], now=NOON)
    now, states = NOON, []
    for wait in (*ASK_AGAIN, timedelta(0)):
        states.append(asked(store, SILENT, now=now))
        now += wait

    assert set(states[:-1]) == {ClaimState.WAITING}
    assert states[-1] is ClaimState.GIVEN_UP
    assert claiming.due_claims(store, now=now + timedelta(days=9), limit=9) == []
    [case] = store.tables.cases.values()
    assert (case.kind, case.account_id) == ("claim_unproven", town.suspense_id)
    assert store.tables.payments == {}


def test_the_rhythm_lasts_longer_than_a_day_and_begins_within_seconds() -> None:
    assert ASK_AGAIN[0] <= timedelta(seconds=2)
    assert sum(ASK_AGAIN, timedelta(0)) > timedelta(days=1)
    assert list(ASK_AGAIN) == sorted(ASK_AGAIN)


def test_a_claim_that_the_provider_denies_is_kept_and_alarmed(store: MemoryStore, town: Town) -> None:
    claiming.hear(store, [a_claim()], now=NOON)

    state = asked(store, OrderAnswer(state=OrderState.CLOSED, reason="not in its list"))

    assert state is ClaimState.DENIED
    assert the_claim(store).last_answer == "closed: not in its list"
    assert ("claim_denied", WECHAT) in store.tables.alarms
    assert store.tables.payments == {}


def test_a_claim_that_has_ended_is_not_begun_again_by_an_answer(store: MemoryStore, town: Town) -> None:
    claiming.hear(store, [a_claim()], now=NOON)
    asked(store, OrderAnswer(state=OrderState.CLOSED))

    told = claiming.answered(store, {(WECHAT, RECEIPT): SILENT}, now=NOON + SECOND)

    assert told == {}
    assert the_claim(store).state is ClaimState.DENIED


def test_a_true_word_after_a_false_one_is_asked_about_as_it_says(store: MemoryStore, town: Town) -> None:
    false = replace(a_claim(), paid_at=NOON + timedelta(days=9))
    claiming.hear(store, [false], now=NOON)
    asked(store, OrderAnswer(state=OrderState.CLOSED, reason="it claims the future"))

    again = claiming.hear(store, [a_claim()], now=NOON + SECOND)

    assert again == [Heard.KNOWN]
    [due] = claiming.due_claims(store, now=NOON + SECOND, limit=9)
    assert due.claim == a_claim()
    truth = the_truth(payee=meter_no(store, town))
    assert claiming.answered(store, {due.key: truth}, now=NOON + SECOND)[due.key] is ClaimState.CONFIRMED


def test_a_word_that_is_denied_again_and_again_is_not_asked_about_for_ever(
    store: MemoryStore, town: Town
) -> None:
    for _ in range(2 * claiming.ASKS_MAX):
        claiming.hear(store, [a_claim()], now=NOON)
        for due in claiming.due_claims(store, now=NOON, limit=9):
            claiming.answered(store, {due.key: OrderAnswer(state=OrderState.CLOSED)}, now=NOON)

    assert the_claim(store).asks == claiming.ASKS_MAX
    assert the_claim(store).state is ClaimState.DENIED


def test_what_is_proven_is_not_asked_about_again(store: MemoryStore, town: Town) -> None:
    claiming.hear(store, [a_claim()], now=NOON)
    asked(store, the_truth(payee=meter_no(store, town)))

    claiming.hear(store, [replace(a_claim(), amount_minor=1)], now=NOON + SECOND)

    assert claiming.due_claims(store, now=NOON + timedelta(days=1), limit=9) == []


def test_money_that_was_denied_and_is_there_after_all_is_booked(store: MemoryStore, town: Town) -> None:
    claiming.hear(store, [a_claim()], now=NOON)
    asked(store, OrderAnswer(state=OrderState.CLOSED))

    truth = the_truth(payee=meter_no(store, town))
    claiming.answered(store, {(WECHAT, RECEIPT): truth}, now=NOON + SECOND)

    assert len(store.tables.recharges) == 1


def test_a_flood_of_claims_is_counted_and_not_kept(
    store: MemoryStore, town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(claiming, "WAITING_MAX", 3)
    flood = [a_claim(number=f"SIM{number}") for number in range(5)]

    outcomes = claiming.hear(store, flood, now=NOON)

    assert outcomes == [Heard.KEPT] * 3 + [Heard.TOO_MANY] * 2
    assert len(store.tables.payment_claims) == 3
    assert ("claims_too_many", WECHAT) in store.tables.alarms


def test_a_claim_on_a_provider_that_nobody_has_is_not_kept(store: MemoryStore, town: Town) -> None:
    assert claiming.hear(store, [a_claim(provider="nobody")], now=NOON) == [Heard.PROVIDER_UNKNOWN]
    assert store.tables.payment_claims == {}


def test_a_crash_before_the_answer_is_kept_asks_again(store: MemoryStore, town: Town) -> None:
    claiming.hear(store, [a_claim()], now=NOON)
    claiming.due_claims(store, now=NOON, limit=9)

    assert claiming.due_claims(store, now=NOON + 30 * SECOND, limit=9) == []
    assert len(claiming.due_claims(store, now=NOON + 60 * SECOND, limit=9)) == 1


def test_a_payee_is_an_open_account_or_an_order(store: MemoryStore, town: Town) -> None:
    ordered(store, town.homes[0], reference=ORDER)

    for payee, is_known in (
        (meter_no(store, town), True),
        (short_reference(ORDER), True),
        ("a typo", False),
        ("", False),
    ):
        assert claiming.is_payee(store, provider=WECHAT, payee=payee) is is_known, payee
    assert not claiming.is_payee(store, provider="nobody", payee=meter_no(store, town))
