"""A provider's word becomes a credit, once; what cannot be placed waits with a case."""

import json
from collections.abc import Sequence
from dataclasses import replace
from uuid import UUID

import pytest
from tests.unit.services.town import (
    CAPABILITIES,
    HOUR,
    METER,
    NOON,
    PLATFORM,
    SECOND,
    WECHAT,
    Home,
    a_notice,
    a_town,
    an_id,
    ordered,
    paid,
    the_view,
    told,
)

from compuerta.adapters.memory import MemoryStore
from compuerta.domain.division import DebtKind
from compuerta.domain.instruction import Instruction, Kind
from compuerta.domain.ledger import PostingKind
from compuerta.domain.party import Period
from compuerta.domain.payment import AttemptState, PaymentNotice
from compuerta.drivers.abilities import MeterState, Relay
from compuerta.services import indebting, ordering, promises
from compuerta.services.acting import Actor
from compuerta.services.observe import MeterReport, take_readings
from compuerta.services.payment_ports import OrderAnswer, OrderState
from compuerta.services.records import Inbound, Instant, PaymentVerdict
from compuerta.services.store_port import Conflict
from compuerta.services.vend import Outcome, accept_payments
from compuerta.sim.looking import books_of


def accept(store: MemoryStore, *notices: PaymentNotice) -> list[Outcome]:
    return accept_payments(store, notices, now=NOON + SECOND)


def held_minor(store: MemoryStore, home: Home) -> tuple[int, int]:
    holdings = the_view(store, home.account_id).holdings
    return holdings.undelivered_minor, holdings.delivered_minor


def case_kinds(store: MemoryStore) -> list[str]:
    return [case.kind for case in store.tables.cases.values()]


def posted(store: MemoryStore) -> list[PostingKind]:
    return [posting.kind for posting in store.tables.postings.values()]


def instructions(store: MemoryStore, kind: Kind) -> Sequence[Instruction]:
    return [each for each in store.tables.instructions.values() if each.kind is kind]


def settled(store: MemoryStore, home: Home, **policy: object) -> None:
    """Settle a policy for one account."""
    with store.transaction() as tx:
        tx.put_policy(scope="account", scope_id=home.account_id, document=json.dumps(policy))


def owing(store: MemoryStore, home: Home, *, amount_minor: int, share_ppm: int | None = None) -> UUID:
    """Let an account owe something from before."""
    opening = indebting.DebtOpening(
        account_id=home.account_id,
        debt_id=an_id("debt"),
        kind=DebtKind.ARREARS,
        name="from before",
        amount_minor=amount_minor,
        share_ppm=share_ppm,
    )
    actor = Actor(who="ana", why="as agreed", origin="console")
    return indebting.open_debt(store, opening, actor=actor, now=NOON).debt_id


def kept_lines(store: MemoryStore) -> list[list[tuple[str, int]]]:
    return [
        [(line.kind.value, line.amount_minor) for line in lines]
        for lines in store.tables.recharge_lines.values()
    ]


def close_account(store: MemoryStore, home: Home) -> None:
    account = store.tables.accounts[home.account_id]
    store.tables.accounts[home.account_id] = replace(account, period=Period(start=NOON, end=NOON))


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


# Orders with several attempts ---------------------------------------------------------------------------


def two_attempts(store: MemoryStore, home: Home) -> UUID:
    """Open two attempts of one order, as who changes their mind about how to pay does."""
    order_id = an_id("the order")
    for reference in ("order1", "order2"):
        order = ordering.Order(
            attempt_id=an_id(f"attempt {reference}"),
            account_id=home.account_id,
            provider=WECHAT,
            reference=reference,
            amount_minor=5_000,
            order_id=order_id,
            door="app",
            caller="kiosk",
        )
        ordering.open_attempt(store, order, capabilities=CAPABILITIES, expires_in=HOUR, now=NOON)
    return order_id


def test_the_first_paid_attempt_makes_its_order_paid() -> None:
    store = MemoryStore()
    home = a_town(store).homes[0]
    order_id = two_attempts(store, home)

    assert accept(store, a_notice(reference="order2")) == [Outcome.CREDITED]

    with store.transaction() as tx:
        assert tx.dues.orders_paid([(home.account_id, order_id)]) == {order_id}
    assert case_kinds(store) == []


@pytest.mark.parametrize("together", [True, False])
def test_two_paid_attempts_of_one_order_are_credited_and_a_case_says_so(*, together: bool) -> None:
    store = MemoryStore()
    home = a_town(store).homes[0]
    two_attempts(store, home)
    first, second = a_notice(), a_notice(transaction_no="t2", reference="order2")

    outcomes = accept(store, first, second) if together else [*accept(store, first), *accept(store, second)]

    assert outcomes == [Outcome.CREDITED, Outcome.CREDITED]
    assert held_minor(store, home) == (10_000, 0)
    assert case_kinds(store) == ["paid_twice"]


@pytest.mark.parametrize("together", [True, False])
def test_the_second_paid_attempt_is_kept_for_a_refund_where_the_policy_says_so(*, together: bool) -> None:
    store = MemoryStore()
    home = a_town(store).homes[0]
    settled(store, home, paid_twice="suspend")
    two_attempts(store, home)
    first, second = a_notice(), a_notice(transaction_no="t2", reference="order2")

    outcomes = accept(store, first, second) if together else [*accept(store, first), *accept(store, second)]

    assert outcomes == [Outcome.CREDITED, Outcome.PAID_TWICE]
    assert held_minor(store, home) == (5_000, 0)
    assert posted(store) == [PostingKind.RECHARGE, PostingKind.SUSPENSE]
    assert case_kinds(store) == ["paid_twice"]


# Money that nobody ordered ------------------------------------------------------------------------------


def unordered(payee: str, **more: object) -> PaymentNotice:
    return replace(a_notice(reference=""), payee=payee, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize("payee", ["000000000001", " 000000000001 ", "flat 1"])
def test_money_for_a_meter_or_a_room_by_name_is_credited_there(payee: str) -> None:
    store = MemoryStore()
    home = a_town(store).homes[0]

    outcomes = accept(store, unordered(payee))

    assert outcomes == [Outcome.CREDITED]
    assert held_minor(store, home) == (5_000, 0)
    assert store.tables.attempts == {}
    assert case_kinds(store) == []


@pytest.mark.parametrize("payee", ["00000000001", "flat", "FLAT 1", "suspense", "-", "1 OR 1=1"])
def test_money_for_a_name_that_is_nobodys_waits_with_what_the_payer_typed(payee: str) -> None:
    store = MemoryStore()
    town = a_town(store)

    outcomes = accept(store, unordered(payee))

    assert outcomes == [Outcome.REFERENCE_UNKNOWN]
    assert store.tables.payments[WECHAT, "t1"].account_id == town.suspense_id
    (case,) = store.tables.cases.values()
    assert repr(payee) in case.detail


def test_money_that_nobody_ordered_is_credited_once_too() -> None:
    store = MemoryStore()
    home = a_town(store).homes[0]
    notice = unordered("flat 1")

    assert accept(store, notice, notice) == [Outcome.CREDITED, Outcome.ALREADY_CREDITED]
    assert accept(store, notice) == [Outcome.ALREADY_CREDITED]
    assert accept(store, replace(notice, amount_minor=1)) == [Outcome.CONTRADICTED]
    assert held_minor(store, home) == (5_000, 0)


def test_money_that_nobody_ordered_is_held_to_the_most_and_not_to_the_least() -> None:
    store = MemoryStore()
    home = a_town(store).homes[0]
    little, much = unordered("flat 1", amount_minor=1), unordered("flat 1", amount_minor=1_000_001)

    assert accept(store, little, replace(much, transaction_no="t2")) == [Outcome.CREDITED, Outcome.OVER_LIMIT]
    assert held_minor(store, home) == (1, 0)
    assert case_kinds(store) == ["over_limit"]


# Limits and division ------------------------------------------------------------------------------------


def test_money_that_would_be_hoarded_waits_for_a_person() -> None:
    store = MemoryStore()
    home = a_town(store).homes[0]
    ordered(store, home, reference="order1")
    ordered(store, home, reference="order2")
    settled(store, home, hoarding_minor=9_999)

    outcomes = accept(store, a_notice(), a_notice(transaction_no="t2", reference="order2"))

    assert outcomes == [Outcome.CREDITED, Outcome.OVER_LIMIT]
    assert held_minor(store, home) == (5_000, 0)
    assert case_kinds(store) == ["over_limit"]


def test_a_policy_that_changed_since_the_order_refuses_nothing_that_was_paid() -> None:
    store = MemoryStore()
    home = a_town(store).homes[0]
    ordered(store, home)
    settled(store, home, recharge_most_minor=1_000)

    assert accept(store, a_notice()) == [Outcome.CREDITED]


def test_a_payment_is_divided_and_every_part_is_booked() -> None:
    store = MemoryStore()
    home = a_town(store).homes[0]
    debt = owing(store, home, amount_minor=2_000)
    settled(store, home, recharge_fee_minor=100, recharge_fee_tax_ppm=160_000, monthly_fee_minor=300)

    paid(store, home)

    (recharge,) = store.tables.recharges.values()
    assert (recharge.paid_minor, recharge.credit_minor) == (5_000, 2_584)
    assert (recharge.fee_minor, recharge.tax_minor) == (100, 16)
    assert (recharge.fixed_minor, recharge.debt_minor) == (300, 2_000)
    booked = {posting.kind: posting.lines for posting in store.tables.postings.values()}
    assert {line.code: line.amount_minor for line in booked[PostingKind.RECHARGE]} == {
        "cash:wechat": 5_000, "undelivered": -2_584, "debt": -2_000, "revenue:fixed": -300, "fee": -100,
        "tax": -16,
    }  # fmt: skip
    (delivery,) = instructions(store, Kind.RECHARGE)
    assert delivery.amount_minor == 2_584
    assert store.tables.debts[debt].remaining_minor == 0


def test_two_payments_in_one_batch_pay_a_debt_and_a_month_once() -> None:
    store = MemoryStore()
    home = a_town(store).homes[0]
    debt = owing(store, home, amount_minor=3_000)
    settled(store, home, monthly_fee_minor=1_000)
    for reference in ("order1", "order2"):
        ordered(store, home, reference=reference)

    accept(store, a_notice(), a_notice(transaction_no="t2", reference="order2"))

    kept = [
        [(line.kind.value, line.amount_minor) for line in each]
        for each in store.tables.recharge_lines.values()
    ]
    assert kept == [
        [("fixed", 1_000), ("debt", 2_000), ("energy", 2_000)],
        [("debt", 1_000), ("energy", 4_000)],
    ]
    assert store.tables.debts[debt].remaining_minor == 0


def test_a_payment_of_which_nothing_is_left_is_credited_at_once_without_an_instruction() -> None:
    store = MemoryStore()
    home = a_town(store).homes[0]
    owing(store, home, amount_minor=9_000, share_ppm=1_000_000)

    paid(store, home)

    assert held_minor(store, home) == (0, 0)
    assert instructions(store, Kind.RECHARGE) == []
    assert {instant for _, instant in store.tables.instants} == {*Instant} - {Instant.CLOSED}
    (posting,) = (each for each in store.tables.postings.values() if each.kind is PostingKind.RECHARGE)
    assert [line.code for line in posting.lines] == ["cash:wechat", "debt"]


def test_what_lifts_a_balance_below_zero_comes_before_any_debt() -> None:
    store = MemoryStore()
    home = a_town(store, authorities=(PLATFORM,)).homes[0]
    told(store, home, at=NOON, energy_wh=0, relay=Relay.CLOSED)
    told(store, home, at=NOON + HOUR / 2, energy_wh=2_000, relay=Relay.CLOSED)  # 1.06 on credit
    owing(store, home, amount_minor=9_000, share_ppm=1_000_000)

    paid(store, home, amount_minor=200, now=NOON + HOUR)

    assert kept_lines(store) == [[("emergency", 106), ("debt", 94)]]
    assert held_minor(store, home) == (0, 0)


def test_every_promise_holds_over_payments_of_every_kind() -> None:
    store = MemoryStore()
    home, other = a_town(store, authorities=(METER, PLATFORM)).homes
    owing(store, home, amount_minor=3_000)
    settled(store, home, recharge_fee_ppm=15_000, recharge_fee_tax_ppm=160_000, monthly_fee_minor=300)
    settled(store, other, paid_twice="suspend", hoarding_minor=8_000)
    paid(store, home, name="1")
    paid(store, other, name="2")
    accept(
        store,
        unordered("flat 1", transaction_no="t3"),
        unordered("nobody", transaction_no="t4"),
        unordered("flat 2", transaction_no="t5"),
        a_notice(transaction_no="t6", reference="order2"),
    )

    verdicts = promises.check(books_of(store, now=NOON), now=NOON)

    assert promises.broken(verdicts) == []
    assert verdicts["M3"].checked > 20
    assert sorted(case_kinds(store)) == ["over_limit", "paid_twice", "reference_unknown"]
