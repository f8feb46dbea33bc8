"""A provider's word becomes a credit, once; what cannot be placed waits with a case."""

from dataclasses import replace

import pytest
from tests.unit.services.town import (
    HOUR,
    METER,
    NOON,
    PLATFORM,
    SECOND,
    WECHAT,
    a_notice,
    a_town,
    an_id,
    ordered,
    paid,
    told,
)
from tests.unit.services.vending import accept, case_kinds, close_account, held_minor, instructions, posted

from compuerta.adapters.memory import MemoryStore
from compuerta.domain.instruction import Kind
from compuerta.domain.ledger import PostingKind
from compuerta.domain.payment import AttemptState, PaymentNotice
from compuerta.drivers.abilities import MeterState, Relay
from compuerta.services import ordering
from compuerta.services.observe import MeterReport, take_readings
from compuerta.services.payment_ports import OrderAnswer, OrderState
from compuerta.services.records import Inbound, Instant, PaymentVerdict
from compuerta.services.store_port import Conflict
from compuerta.services.vend import Outcome, accept_payments


def test_a_payment_becomes_a_credit_and_an_instruction() -> None:
    store = MemoryStore()
    home = a_town(store).homes[0]
    attempt = ordered(store, home)

    outcomes = accept(store, a_notice())

    assert outcomes == [Outcome.CREDITED]
    assert held_minor(store, home) == (5_000, 0)
    (delivery,) = instructions(store, Kind.RECHARGE)
    assert (delivery.amount_minor, delivery.purchase_no, delivery.due_at) == (5_000, 1, NOON + SECOND)
    kept = store.tables.attempts[attempt.attempt_id]
    assert (kept.state, kept.ask_at) == (AttemptState.PAID, None)
    assert {instant: each.at for (_, instant), each in store.tables.instants.items()} == {
        Instant.PAID: NOON,
        Instant.POSTED: NOON + SECOND,
    }
    assert case_kinds(store) == []


def test_a_meter_that_comes_with_purchases_counts_on_from_them() -> None:
    store = MemoryStore()
    home = a_town(store).homes[0]
    report = MeterReport(meter_id=home.meter_id, at=NOON, state=MeterState(purchase_no=57))
    take_readings(store, [report], now=NOON)

    paid(store, home, name="1")
    paid(store, home, name="2")

    assert [each.purchase_no for each in instructions(store, Kind.RECHARGE)] == [58, 59]


def test_what_a_meter_counts_after_our_first_number_gives_no_numbers() -> None:
    store = MemoryStore()
    home = a_town(store).homes[0]
    paid(store, home, name="1")
    report = MeterReport(meter_id=home.meter_id, at=NOON + SECOND, state=MeterState(purchase_no=57))
    take_readings(store, [report], now=NOON + SECOND)

    paid(store, home, name="2")

    assert [each.purchase_no for each in instructions(store, Kind.RECHARGE)] == [1, 2]


def test_a_repeated_notice_credits_once() -> None:
    store = MemoryStore()
    home = a_town(store).homes[0]
    ordered(store, home)
    accept(store, a_notice())

    outcomes = accept(store, a_notice(), replace(a_notice(), paid_at=NOON + HOUR))

    assert outcomes == [Outcome.ALREADY_CREDITED, Outcome.ALREADY_CREDITED]
    assert held_minor(store, home) == (5_000, 0)
    assert len(instructions(store, Kind.RECHARGE)) == 1
    assert case_kinds(store) == []


def test_a_notice_twice_in_one_batch_credits_once() -> None:
    store = MemoryStore()
    home = a_town(store).homes[0]
    ordered(store, home)

    outcomes = accept(store, a_notice(), a_notice())

    assert outcomes == [Outcome.CREDITED, Outcome.ALREADY_CREDITED]
    assert held_minor(store, home) == (5_000, 0)


@pytest.mark.parametrize(
    "other",
    [
        a_notice(amount_minor=5_001),
        a_notice(currency="USD"),
        a_notice(reference="order2"),
        a_notice(reference="nobody's"),
    ],
)
def test_the_same_transaction_with_other_contents_is_a_case_and_moves_nothing(other: PaymentNotice) -> None:
    store = MemoryStore()
    home = a_town(store).homes[0]
    ordered(store, home)
    ordered(store, home, reference="order2")
    accept(store, a_notice())

    outcomes = accept(store, other)

    assert outcomes == [Outcome.CONTRADICTED]
    assert held_minor(store, home) == (5_000, 0)
    assert posted(store) == [PostingKind.RECHARGE]
    assert case_kinds(store) == ["contradicted"]


@pytest.mark.parametrize("other", [a_notice(amount_minor=4_999), a_notice(currency="USD")])
def test_another_amount_than_was_ordered_goes_to_suspense_with_a_case(other: PaymentNotice) -> None:
    store = MemoryStore()
    home = a_town(store).homes[0]
    ordered(store, home)

    outcomes = accept(store, other)

    assert outcomes == [Outcome.AMOUNT_DIFFERS]
    assert held_minor(store, home) == (0, 0)
    assert posted(store) == [PostingKind.SUSPENSE]
    assert case_kinds(store) == ["amount_differs"]
    assert store.tables.payments[WECHAT, "t1"].verdict is PaymentVerdict.SUSPENDED
    assert instructions(store, Kind.RECHARGE) == []


def test_money_in_suspense_said_again_moves_nothing() -> None:
    store = MemoryStore()
    home = a_town(store).homes[0]
    ordered(store, home)
    accept(store, a_notice(amount_minor=4_999))

    outcomes = accept(store, a_notice(amount_minor=4_999))

    assert outcomes == [Outcome.ALREADY_CREDITED]
    assert posted(store) == [PostingKind.SUSPENSE]


def test_an_unknown_reference_waits_in_the_suspense_of_the_organisation() -> None:
    store = MemoryStore()
    town = a_town(store)

    outcomes = accept(store, a_notice(reference="nobody's"))

    assert outcomes == [Outcome.REFERENCE_UNKNOWN]
    assert store.tables.payments[WECHAT, "t1"].account_id == town.suspense_id
    assert posted(store) == [PostingKind.SUSPENSE]
    assert case_kinds(store) == ["reference_unknown"]


def test_money_of_an_unknown_provider_is_an_alarm_and_nothing_else() -> None:
    store = MemoryStore()
    a_town(store)

    outcomes = accept(store, a_notice(provider="somebody"))

    assert outcomes == [Outcome.PROVIDER_UNKNOWN]
    assert list(store.tables.alarms) == [("provider_unknown", "somebody")]
    assert store.tables.payments == {}
    assert posted(store) == []


def test_money_for_a_closed_account_goes_to_suspense_with_a_case() -> None:
    store = MemoryStore()
    home = a_town(store).homes[0]
    ordered(store, home)
    close_account(store, home)

    outcomes = accept(store, a_notice())

    assert outcomes == [Outcome.ACCOUNT_CLOSED]
    assert held_minor(store, home) == (0, 0)
    assert posted(store) == [PostingKind.SUSPENSE]
    assert case_kinds(store) == ["account_closed"]
    assert instructions(store, Kind.RECHARGE) == []


def test_a_payment_after_its_order_was_closed_is_honoured() -> None:
    store = MemoryStore()
    home = a_town(store).homes[0]
    attempt = ordered(store, home)
    closed = {attempt.attempt_id: OrderAnswer(state=OrderState.CLOSED)}
    ordering.answered(store, closed, now=attempt.expires_at)
    assert store.tables.attempts[attempt.attempt_id].state is AttemptState.CLOSED

    outcomes = accept(store, a_notice())

    assert outcomes == [Outcome.CREDITED]
    assert held_minor(store, home) == (5_000, 0)
    assert store.tables.attempts[attempt.attempt_id].state is AttemptState.PAID


def test_two_payments_of_one_attempt_are_both_somebodys_money_and_a_case_says_so() -> None:
    store = MemoryStore()
    home = a_town(store).homes[0]
    ordered(store, home)

    outcomes = accept(store, a_notice(), a_notice(transaction_no="t2"))

    assert outcomes == [Outcome.CREDITED, Outcome.CREDITED]
    assert held_minor(store, home) == (10_000, 0)
    assert [each.purchase_no for each in instructions(store, Kind.RECHARGE)] == [1, 2]
    assert case_kinds(store) == ["paid_twice"]


def test_each_notice_of_a_batch_has_its_own_outcome() -> None:
    store = MemoryStore()
    town = a_town(store, authorities=(METER, PLATFORM))
    first, second = town.homes
    ordered(store, first, reference="order1")
    ordered(store, second, reference="order2")

    outcomes = accept(
        store,
        a_notice(transaction_no="t2", reference="order2"),
        a_notice(transaction_no="t3", reference="nobody's"),
        a_notice(transaction_no="t1", reference="order1", amount_minor=1),
        a_notice(transaction_no="t4", reference="order1"),
        a_notice(transaction_no="t2", reference="order2"),
    )

    assert outcomes == [
        Outcome.CREDITED,
        Outcome.REFERENCE_UNKNOWN,
        Outcome.AMOUNT_DIFFERS,
        Outcome.CREDITED,
        Outcome.ALREADY_CREDITED,
    ]
    assert (held_minor(store, first), held_minor(store, second)) == ((5_000, 0), (0, 5_000))


def test_an_empty_batch_has_no_outcomes() -> None:
    store = MemoryStore()
    a_town(store)

    assert accept(store) == []


def test_a_payment_is_in_force_at_once_where_the_platform_holds_the_credit() -> None:
    store = MemoryStore()
    home = a_town(store, authorities=(PLATFORM,)).homes[0]

    paid(store, home)

    assert held_minor(store, home) == (0, 5_000)
    assert instructions(store, Kind.RECHARGE) == []
    assert {instant for _, instant in store.tables.instants} == {
        Instant.PAID,
        Instant.POSTED,
        Instant.CREDITED,
    }


def test_a_payment_closes_the_relay_by_a_switch_where_the_platform_holds_the_credit() -> None:
    store = MemoryStore()
    home = a_town(store, authorities=(PLATFORM,)).homes[0]
    told(store, home, at=NOON, relay=Relay.OPEN)

    paid(store, home, now=NOON + SECOND)

    (switch,) = instructions(store, Kind.SWITCH)
    assert (switch.relay_closed, switch.reason, switch.due_at) == (True, "in_credit", NOON + SECOND)


def test_a_meter_with_its_own_credit_is_recharged_and_its_relay_left_to_it() -> None:
    store = MemoryStore()
    home = a_town(store).homes[0]
    told(store, home, at=NOON, relay=Relay.OPEN, balance_minor=0)

    paid(store, home, now=NOON + SECOND)

    assert instructions(store, Kind.SWITCH) == []
    assert len(instructions(store, Kind.RECHARGE)) == 1


def test_the_raw_message_is_kept_with_its_payment_or_not_at_all() -> None:
    store = MemoryStore()
    home = a_town(store).homes[0]
    ordered(store, home)
    message = Inbound(
        inbound_id=an_id("inbound"),
        provider=WECHAT,
        heard_at=NOON,
        headers={},
        body=b"{}",
        verdict="genuine",
    )
    accept_payments(store, [a_notice()], now=NOON, inbound=[message])

    with pytest.raises(Conflict):
        accept_payments(store, [a_notice(transaction_no="t2")], now=NOON, inbound=[message])

    assert store.tables.inbound == [message]
    assert held_minor(store, home) == (5_000, 0)
    assert list(store.tables.payments) == [(WECHAT, "t1")]
