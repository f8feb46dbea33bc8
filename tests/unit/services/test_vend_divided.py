"""Orders with several attempts, money that nobody ordered, limits, and how a payment is divided."""

from dataclasses import replace
from uuid import UUID

import pytest
from tests.unit.services.town import (
    CAPABILITIES,
    HOUR,
    METER,
    NOON,
    PLATFORM,
    WECHAT,
    Home,
    a_notice,
    a_town,
    an_id,
    ordered,
    paid,
    told,
)
from tests.unit.services.vending import (
    accept,
    case_kinds,
    held_minor,
    instructions,
    kept_lines,
    owing,
    posted,
    settled,
)

from compuerta.adapters.memory import MemoryStore
from compuerta.domain.instruction import Kind
from compuerta.domain.ledger import PostingKind
from compuerta.domain.payment import PaymentNotice
from compuerta.drivers.abilities import Relay
from compuerta.services import ordering, promises
from compuerta.services.records import Instant
from compuerta.services.vend import Outcome
from compuerta.sim.looking import books_of

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
