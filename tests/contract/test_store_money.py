"""The store port: attempts, payments, postings, recharges, charges."""

from dataclasses import replace
from datetime import timedelta

import pytest
from tests.contract.conftest import Shelf
from tests.unit.services.town import (
    METER,
    NOON,
    SECOND,
    WECHAT,
    Home,
    a_bill,
    a_charge,
    a_payment,
    a_posting,
    a_recharge,
    a_reversal,
    a_town,
    an_attempt,
    an_id,
    the_view,
)

from compuerta.domain.ledger import (
    DELIVERED,
    REVENUE_ENERGY,
    SUSPENSE,
    UNDELIVERED,
    Line,
    Outcome,
    Posting,
    PostingKind,
    transfer,
)
from compuerta.domain.payment import AttemptState
from compuerta.services.records import Instant, RechargeInstant
from compuerta.services.store_port import Conflict, ConstraintBroken, Store


def a_home(store: Store) -> Home:
    return a_town(store).homes[0]


def held_minor(store: Store, home: Home) -> tuple[int, int]:
    holdings = the_view(store, home.account_id).holdings
    return holdings.undelivered_minor, holdings.delivered_minor


# attempts ----------------------------------------------------------------------------------------------


def test_an_attempt_is_found_by_its_id_and_by_its_reference(store: Store) -> None:
    attempt = an_attempt(a_home(store).account_id)
    with store.transaction() as tx:
        written = tx.put_attempt(attempt)

    with store.transaction() as tx:
        by_id = tx.attempt(attempt.attempt_id)
        by_reference = tx.attempts_by_reference([(WECHAT, "order1"), (WECHAT, "order2"), ("till", "order1")])

    assert written
    assert by_id == attempt
    assert by_reference == {(WECHAT, "order1"): attempt}


def test_an_attempt_that_is_not_there_is_none(store: Store) -> None:
    a_home(store)

    with store.transaction() as tx:
        assert tx.attempt(an_id("nobody's")) is None
        assert tx.attempts_by_reference([]) == {}


def test_a_reference_is_given_to_one_attempt(store: Store) -> None:
    attempt = an_attempt(a_home(store).account_id)
    twin = replace(attempt, attempt_id=an_id("twin"), amount_minor=1)
    with store.transaction() as tx:
        tx.put_attempt(attempt)

    with store.transaction() as tx:
        written = tx.put_attempt(twin)

    assert not written
    with store.transaction() as tx:
        assert tx.attempt(attempt.attempt_id) == attempt
        assert tx.attempt(twin.attempt_id) is None


def test_the_same_reference_at_two_providers_is_two_orders(store: Store) -> None:
    attempt = an_attempt(a_home(store).account_id)
    other = replace(attempt, attempt_id=an_id("other"), provider="till")

    with store.transaction() as tx:
        assert tx.put_attempt(attempt)
        assert tx.put_attempt(other)


def test_an_attempt_over_nothing_is_refused(store: Store) -> None:
    attempt = replace(an_attempt(a_home(store).account_id), amount_minor=0)

    with pytest.raises(ConstraintBroken), store.transaction() as tx:
        tx.put_attempt(attempt)


def test_a_saved_attempt_keeps_what_changed(store: Store) -> None:
    attempt = an_attempt(a_home(store).account_id)
    with store.transaction() as tx:
        tx.put_attempt(attempt)
    changed = replace(
        attempt,
        state=AttemptState.PRESENTED,
        watched_until=NOON + SECOND,
        ask_at=None,
        asks=3,
        presented="weixin://wxpay/bizpayurl?pr=abc",
    )

    with store.transaction() as tx:
        tx.save_attempts([changed])

    with store.transaction() as tx:
        assert tx.attempt(attempt.attempt_id) == changed


def test_attempts_are_taken_oldest_first_up_to_a_limit_and_are_due_again_later(store: Store) -> None:
    account_id = a_home(store).account_id
    later = NOON + 15 * SECOND
    with store.transaction() as tx:
        for number in (1, 2, 3):
            tx.put_attempt(an_attempt(account_id, reference=f"order{number}", ask_at=NOON - number * SECOND))
        tx.put_attempt(an_attempt(account_id, reference="future", ask_at=NOON + SECOND))
        tx.put_attempt(an_attempt(account_id, reference="never", ask_at=None))

    with store.transaction() as tx:
        first = tx.claim_attempts(now=NOON, until=later, limit=2)
    with store.transaction() as tx:
        second = tx.claim_attempts(now=NOON, until=later, limit=2)
    with store.transaction() as tx:
        third = tx.claim_attempts(now=NOON, until=later, limit=2)

    assert {attempt.reference for attempt in first} == {"order3", "order2"}
    assert {attempt.ask_at for attempt in first} == {later}
    assert [attempt.reference for attempt in second] == ["order1"]
    assert third == []


# payments ----------------------------------------------------------------------------------------------


def test_a_payment_is_known_by_its_transaction_number(store: Store) -> None:
    payment = a_payment(a_home(store).account_id)
    with store.transaction() as tx:
        tx.put_payments([payment])

    with store.transaction() as tx:
        known = tx.payments_known([(WECHAT, "t1"), (WECHAT, "t2"), ("till", "t1")])

    assert known == {(WECHAT, "t1"): payment}


def test_a_transaction_number_is_written_once_even_for_another_account(store: Store) -> None:
    town = a_town(store, authorities=(METER, METER))
    with store.transaction() as tx:
        tx.put_payments([a_payment(town.homes[0].account_id)])
    stolen = replace(a_payment(town.homes[1].account_id), payment_id=an_id("stolen"))

    with pytest.raises(Conflict), store.transaction() as tx:
        tx.put_payments([stolen])

    with store.transaction() as tx:
        assert tx.payments_known([(WECHAT, "t1")])[WECHAT, "t1"].account_id == town.homes[0].account_id


def test_a_payment_twice_in_one_batch_is_a_conflict(shelf: Shelf) -> None:
    payment = a_payment(a_home(shelf.store).account_id)

    with pytest.raises(Conflict), shelf.store.transaction() as tx:
        tx.put_payments([payment, payment])

    assert shelf.count("payment") == 0


def test_a_payment_of_nothing_is_refused(store: Store) -> None:
    payment = a_payment(a_home(store).account_id, amount_minor=0)

    with pytest.raises(ConstraintBroken), store.transaction() as tx:
        tx.put_payments([payment])


# postings ----------------------------------------------------------------------------------------------


def book(store: Store, *postings: Posting) -> list[Outcome]:
    with store.transaction() as tx:
        return tx.book(postings)


def test_a_posting_moves_the_holdings_that_it_touches(store: Store) -> None:
    home = a_home(store)

    outcomes = book(store, a_posting(home.account_id))

    assert outcomes == [Outcome.CREATED]
    assert held_minor(store, home) == (5_000, 0)


def test_many_postings_of_one_account_move_it_by_their_sum(store: Store) -> None:
    home = a_home(store)
    delivery = a_posting(
        home.account_id,
        name="delivery",
        kind=PostingKind.DELIVERY,
        lines=transfer(debit=UNDELIVERED, credit=DELIVERED, amount_minor=4_000),
    )
    charge = a_posting(
        home.account_id,
        name="charge",
        kind=PostingKind.CHARGE,
        lines=transfer(debit=DELIVERED, credit=REVENUE_ENERGY, amount_minor=4_500),
    )

    book(store, a_posting(home.account_id), delivery, charge)

    assert held_minor(store, home) == (1_000, -500)


def test_a_posting_elsewhere_leaves_the_holdings(store: Store) -> None:
    home = a_home(store)
    elsewhere = transfer(debit="cash:wechat", credit=SUSPENSE, amount_minor=1)

    outcomes = book(store, a_posting(home.account_id, kind=PostingKind.SUSPENSE, lines=elsewhere))

    assert outcomes == [Outcome.CREATED]
    assert held_minor(store, home) == (0, 0)


def test_a_repeated_posting_exists_and_moves_nothing(store: Store) -> None:
    home = a_home(store)
    book(store, a_posting(home.account_id))

    again = replace(a_posting(home.account_id), booked_at=NOON + SECOND)

    assert book(store, again) == [Outcome.EXISTS]
    assert held_minor(store, home) == (5_000, 0)


def test_a_posting_with_other_contents_exists_differently_and_moves_nothing(store: Store) -> None:
    home = a_home(store)
    book(store, a_posting(home.account_id))

    assert book(store, a_posting(home.account_id, amount_minor=1)) == [Outcome.EXISTS_DIFFERENT]
    assert held_minor(store, home) == (5_000, 0)


def test_a_posting_twice_in_one_batch_is_written_once(shelf: Shelf) -> None:
    home = a_home(shelf.store)
    posting, other = a_posting(home.account_id), a_posting(home.account_id, amount_minor=1)

    outcomes = book(shelf.store, posting, posting, other)

    assert outcomes == [Outcome.CREATED, Outcome.EXISTS, Outcome.EXISTS_DIFFERENT]
    assert held_minor(shelf.store, home) == (5_000, 0)
    assert shelf.count("posting") == 1


def test_a_bad_posting_does_not_spoil_its_neighbours(store: Store) -> None:
    home = a_home(store)
    book(store, a_posting(home.account_id, name="known"))
    unbalanced = (Line(code=UNDELIVERED, amount_minor=-5), Line(code=DELIVERED, amount_minor=4))

    outcomes = book(
        store,
        a_posting(home.account_id, name="empty", lines=()),
        a_posting(home.account_id, name="unbalanced", lines=unbalanced),
        a_posting(home.account_id, name="known"),
        a_posting(home.account_id, name="fresh", amount_minor=7),
    )

    assert outcomes == [Outcome.EMPTY, Outcome.UNBALANCED, Outcome.EXISTS, Outcome.CREATED]
    assert held_minor(store, home) == (5_007, 0)


def test_booking_nothing_gives_no_outcomes(store: Store) -> None:
    assert book(store) == []


def test_a_cause_is_told_by_one_posting_of_each_kind(store: Store) -> None:
    home = a_home(store)
    book(store, a_posting(home.account_id))
    second = replace(a_posting(home.account_id), posting_id=an_id("another name for it"))

    with pytest.raises(Conflict):
        book(store, second)

    assert held_minor(store, home) == (5_000, 0)


def test_more_than_was_paid_cannot_be_delivered(store: Store) -> None:
    home = a_home(store)
    delivery = transfer(debit=UNDELIVERED, credit=DELIVERED, amount_minor=1)

    with pytest.raises(ConstraintBroken):
        book(store, a_posting(home.account_id, kind=PostingKind.DELIVERY, lines=delivery))

    assert held_minor(store, home) == (0, 0)


def test_a_reversal_takes_back_what_was_moved_once(store: Store) -> None:
    home = a_home(store)
    posting = a_posting(home.account_id)
    book(store, posting)
    undo = a_reversal(posting)

    outcomes = book(store, undo)

    assert outcomes == [Outcome.CREATED]
    assert held_minor(store, home) == (0, 0)
    with pytest.raises(Conflict):
        book(store, replace(undo, posting_id=an_id("undo again")))


def test_a_reversal_names_a_posting_that_is_there(store: Store) -> None:
    home = a_home(store)
    undo = a_reversal(a_posting(home.account_id))

    with pytest.raises(ConstraintBroken):
        book(store, undo)
    with pytest.raises(ConstraintBroken):
        book(store, replace(undo, reverses=None))


# recharges ---------------------------------------------------------------------------------------------


def put_recharge(store: Store, home: Home, *, transaction_no: str = "t1") -> None:
    with store.transaction() as tx:
        tx.put_payments([a_payment(home.account_id, transaction_no=transaction_no)])
        tx.put_recharges([a_recharge(home, transaction_no=transaction_no)])


def an_instant(home: Home, instant: Instant, *, after_s: int = 0, of: str = "t1") -> RechargeInstant:
    return RechargeInstant(
        account_id=home.account_id,
        recharge_id=a_recharge(home, transaction_no=of).recharge_id,
        instant=instant,
        at=NOON + timedelta(seconds=after_s),
    )


def test_a_payment_is_divided_once(shelf: Shelf) -> None:
    home = a_home(shelf.store)
    put_recharge(shelf.store, home)
    second = replace(a_recharge(home), recharge_id=an_id("second"))

    for twin in (a_recharge(home), second):
        with pytest.raises(Conflict), shelf.store.transaction() as tx:
            tx.put_recharges([twin])

    assert shelf.count("recharge") == 1


def test_a_recharge_that_is_not_divided_whole_is_refused(store: Store) -> None:
    home = a_home(store)
    short = replace(a_recharge(home), credit_minor=4_998, fee_minor=1)

    with pytest.raises(ConstraintBroken), store.transaction() as tx:
        tx.put_payments([a_payment(home.account_id)])
        tx.put_recharges([short])


def test_a_recharge_divided_in_six_parts_is_written(shelf: Shelf) -> None:
    home = a_home(shelf.store)
    parts = replace(
        a_recharge(home), credit_minor=4_000, fixed_minor=500, debt_minor=300, fee_minor=100, tax_minor=90,
        change_minor=10,
    )  # fmt: skip

    with shelf.store.transaction() as tx:
        tx.put_payments([a_payment(home.account_id)])
        tx.put_recharges([parts])

    assert shelf.count("recharge") == 1


def test_a_recharge_without_its_payment_is_refused(store: Store) -> None:
    home = a_home(store)

    with pytest.raises(ConstraintBroken), store.transaction() as tx:
        tx.put_recharges([a_recharge(home)])


def test_an_instant_is_kept_once_and_the_first_stays(shelf: Shelf) -> None:
    home = a_home(shelf.store)
    put_recharge(shelf.store, home)

    with shelf.store.transaction() as tx:
        tx.put_instants([an_instant(home, Instant.CREDITED, after_s=5)])
    with shelf.store.transaction() as tx:
        tx.put_instants([an_instant(home, Instant.CREDITED, after_s=90)])

    assert shelf.count("recharge_instant") == 1
    with shelf.store.transaction() as tx:
        assert tx.recharges_unlit({home.account_id: NOON + 5 * SECOND}) != []


def test_an_instant_of_no_recharge_is_refused(store: Store) -> None:
    home = a_home(store)

    with pytest.raises(ConstraintBroken), store.transaction() as tx:
        tx.put_instants([an_instant(home, Instant.PAID)])


def test_a_recharge_is_unlit_from_its_crediting_until_its_closing(store: Store) -> None:
    town = a_town(store, authorities=(METER, METER))
    home, neighbour = town.homes
    put_recharge(store, home)
    recharge_id = a_recharge(home).recharge_id

    def unlit(*, after_s: int) -> list[object]:
        seen = {home.account_id: NOON + after_s * SECOND, neighbour.account_id: NOON + after_s * SECOND}
        with store.transaction() as tx:
            return list(tx.recharges_unlit(seen))

    before_credited = unlit(after_s=60)
    with store.transaction() as tx:
        tx.put_instants([an_instant(home, Instant.POSTED), an_instant(home, Instant.CREDITED, after_s=10)])
    too_old_a_look, in_time = unlit(after_s=9), unlit(after_s=10)
    with store.transaction() as tx:
        tx.put_instants([an_instant(home, Instant.CLOSED, after_s=10)])
    lit = unlit(after_s=60)

    assert before_credited == too_old_a_look == lit == []
    assert in_time == [(home.account_id, recharge_id)]


def test_a_closing_seen_lights_only_the_recharges_that_it_names(store: Store) -> None:
    home = a_home(store)
    put_recharge(store, home, transaction_no="t1")
    put_recharge(store, home, transaction_no="t2")
    with store.transaction() as tx:
        tx.put_instants([an_instant(home, Instant.CREDITED, of=number) for number in ("t1", "t2")])

    with store.transaction() as tx:
        tx.put_instants([an_instant(home, Instant.CLOSED, of="t1")])

    with store.transaction() as tx:
        assert tx.recharges_unlit({home.account_id: NOON}) == [
            (home.account_id, a_recharge(home, transaction_no="t2").recharge_id)
        ]
        assert tx.recharges_unlit({}) == []


# charges and holdings ----------------------------------------------------------------------------------


def test_energy_is_charged_once(shelf: Shelf) -> None:
    home = a_home(shelf.store)
    with shelf.store.transaction() as tx:
        tx.put_bills([a_bill(home)])
        tx.put_charges([a_charge(home), a_charge(home, from_wh=1_000, to_wh=2_000)])

    with pytest.raises(Conflict), shelf.store.transaction() as tx:
        tx.put_charges([a_charge(home, from_wh=1_000, to_wh=3_000)])

    assert shelf.count("charge") == 2


def test_a_charge_that_goes_backwards_is_refused(store: Store) -> None:
    home = a_home(store)

    with pytest.raises(ConstraintBroken), store.transaction() as tx:
        tx.put_bills([a_bill(home)])
        tx.put_charges([a_charge(home, from_wh=1_000, to_wh=999)])


def test_a_charge_belongs_to_a_bill_that_was_opened(store: Store) -> None:
    home = a_home(store)

    with pytest.raises(ConstraintBroken), store.transaction() as tx:
        tx.put_charges([a_charge(home)])


def test_saved_holdings_keep_the_register_and_leave_the_money_to_postings(store: Store) -> None:
    home = a_home(store)
    book(store, a_posting(home.account_id))
    holdings = the_view(store, home.account_id).holdings
    changed = replace(
        holdings,
        undelivered_minor=1,
        delivered_minor=1,
        register_wh=70,
        register_at=NOON,
        billed_wh=60,
        billing_held=True,
    )

    with store.transaction() as tx:
        tx.save_holdings([changed])

    kept = the_view(store, home.account_id).holdings
    assert kept == replace(changed, undelivered_minor=5_000, delivered_minor=0)
