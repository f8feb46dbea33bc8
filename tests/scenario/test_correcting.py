"""Money is put right by two people, one thing at a time, and goes to nobody before it has come back."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest
from tests.scenario.correction_bench import (
    ABLE,
    ANA,
    BEA,
    LATER,
    a_proposal,
    answer,
    approved,
    looked_at,
    meter_says,
    proposed,
    refunds,
    suspense_of,
    swept,
    the_payment,
    unknown_money,
)
from tests.scenario.moving_bench import Bench
from tests.unit.services.town import NOON, SECOND, WECHAT, an_id, paid, taken, the_view, told

from compuerta.adapters.memory import MemoryStore
from compuerta.domain.correction import CorrectionKind, CorrectionState, OwnProposal, Way
from compuerta.domain.instruction import State
from compuerta.domain.ledger import DEBT, DELIVERED, GOODWILL, REFUNDING, SUSPENSE, UNDELIVERED, cash
from compuerta.domain.payment import RefundState
from compuerta.drivers.abilities import NOT_SENDABLE, Ending, MeterState, Relay
from compuerta.services import correcting, deliver, moving_out, shifts, taking_back, withdrawing
from compuerta.services.acting import ReasonMissing
from compuerta.services.moving import Rest, Shown
from compuerta.services.proposing import AmountNotFree, NotProposable
from compuerta.services.refunding import RefundImpossible
from compuerta.services.store_port import Conflict, ConstraintBroken

IN_CREDIT = MeterState(energy_wh=0, balance_minor=0, purchase_no=2, relay=Relay.CLOSED)
MINUTE = timedelta(minutes=1)


@pytest.fixture
def bench(bench: Bench) -> Iterator[Bench]:
    """The flats of the room, whose books keep every promise, whatever a test has done."""
    yield bench
    if isinstance(bench.store, MemoryStore):
        assert bench.broken(now=LATER + 30 * MINUTE) == []


# Two people.


def test_a_refund_waits_for_a_second_person(bench: Bench) -> None:
    bench.money_in(bench.home, amount_minor=5_000, name="1")
    wish = a_proposal(bench.home)

    proposed(bench, wish)

    assert swept(bench, wish).state is CorrectionState.PROPOSED
    assert bench.codes(bench.home.account_id, DELIVERED, REFUNDING) == [-5_000, 0]


def test_nobody_approves_or_rejects_what_they_proposed(bench: Bench) -> None:
    bench.money_in(bench.home, amount_minor=5_000, name="1")
    wish = a_proposal(bench.home)
    proposed(bench, wish)
    key = (wish.account_id, wish.correction_id)

    with pytest.raises(OwnProposal):
        correcting.approve(bench.store, *key, actor=ANA, act_id=an_id("a"), now=LATER)
    with pytest.raises(OwnProposal):
        correcting.reject(bench.store, *key, actor=ANA, act_id=an_id("b"), now=LATER)

    assert looked_at(bench, wish).state is CorrectionState.PROPOSED


def test_what_is_rejected_changes_nothing_and_frees_the_payment(bench: Bench) -> None:
    bench.money_in(bench.home, amount_minor=5_000, name="1")
    wish = a_proposal(bench.home)
    proposed(bench, wish)

    correcting.reject(
        bench.store, wish.account_id, wish.correction_id, actor=BEA, act_id=an_id("no"), now=LATER
    )

    assert bench.codes(bench.home.account_id, DELIVERED) == [-5_000]
    assert proposed(bench, replace(wish, correction_id=an_id("again"))).state is CorrectionState.PROPOSED


def test_a_proposal_says_why(bench: Bench) -> None:
    bench.money_in(bench.home, amount_minor=5_000, name="1")

    with pytest.raises(ReasonMissing):
        correcting.propose(bench.store, a_proposal(bench.home), actor=replace(ANA, why=" "), now=LATER)


def test_two_corrections_of_one_payment_do_not_race(bench: Bench) -> None:
    bench.money_in(bench.home, amount_minor=5_000, name="1")
    first = proposed(bench, a_proposal(bench.home))

    with pytest.raises(NotProposable):
        proposed(bench, a_proposal(bench.home, correction_id=an_id("second")))
    with pytest.raises(Conflict), bench.store.transaction() as tx:
        tx.corrections.put(replace(first, correction_id=an_id("second")))


def test_the_same_proposal_twice_is_one(bench: Bench) -> None:
    bench.money_in(bench.home, amount_minor=5_000, name="1")
    wish = a_proposal(bench.home)

    assert proposed(bench, wish) == proposed(bench, wish, now=LATER + MINUTE)


def test_what_is_decided_is_not_decided_again(bench: Bench) -> None:
    bench.money_in(bench.home, amount_minor=5_000, name="1")
    wish = a_proposal(bench.home)
    approved(bench, wish)

    with pytest.raises(correcting.StateDiffers):
        correcting.approve(
            bench.store, wish.account_id, wish.correction_id, actor=BEA, act_id=an_id("twice"), now=LATER
        )


# What can be proposed.


def test_more_than_a_payment_is_not_refunded(bench: Bench) -> None:
    bench.money_in(bench.home, amount_minor=5_000, name="1")

    with pytest.raises(AmountNotFree):
        proposed(bench, a_proposal(bench.home, amount_minor=5_001))


def test_credit_that_is_used_is_not_proposed(bench: Bench) -> None:
    bench.money_in(bench.home, amount_minor=5_000, name="1")
    bench.used(bench.home, energy_wh=10_000, balance_minor=4_500)

    with pytest.raises(taking_back.CreditUsed) as refused:
        proposed(bench, a_proposal(bench.home))

    assert refused.value.left_minor == 4_500
    assert proposed(bench, a_proposal(bench.home, amount_minor=4_500)).amount_minor == 4_500


def test_a_refund_that_its_provider_does_not_make_is_refused(bench: Bench) -> None:
    bench.money_in(bench.home, amount_minor=5_000, name="1")
    part = a_proposal(bench.home, amount_minor=1_000)
    unable = (
        (part, replace(ABLE, refunds=False)),
        (part, replace(ABLE, refund_partial=False)),
        (part, replace(ABLE, refund_age_max=timedelta(minutes=1))),
    )

    for wish, able in unable:
        with pytest.raises(RefundImpossible):
            correcting.propose(bench.store, wish, actor=ANA, capabilities=able, now=LATER)


# A refund out of a meter.


def test_money_goes_back_only_after_the_meter_has_given_back_the_credit(bench: Bench) -> None:
    home = bench.home
    bench.money_in(home, amount_minor=5_000, name="1")
    wish = a_proposal(home)

    assert approved(bench, wish).state is CorrectionState.TAKING_BACK
    assert swept(bench, wish).state is CorrectionState.TAKING_BACK
    assert refunds(bench, wish) == [], "the meter may still use it up"
    assert bench.codes(home.account_id, DELIVERED, REFUNDING) == [-5_000, 0]
    meter_says(bench, home, Ending.DONE, now=LATER, state=IN_CREDIT)

    assert swept(bench, wish).state is CorrectionState.PAYING
    assert bench.codes(home.account_id, DELIVERED, REFUNDING) == [0, -5_000]
    answer(bench, RefundState.DONE)
    assert looked_at(bench, wish).state is CorrectionState.DONE
    assert bench.codes(home.account_id, REFUNDING, cash(WECHAT)) == [0, 0]


def test_a_meter_that_is_offline_keeps_its_credit_and_the_money_stays_here(bench: Bench) -> None:
    home = bench.home
    bench.money_in(home, amount_minor=5_000, name="1")
    wish = a_proposal(home)
    approved(bench, wish)

    meter_says(bench, home, Ending.SILENT, now=LATER, state=MeterState())

    assert swept(bench, wish, now=LATER + MINUTE).state is CorrectionState.TAKING_BACK
    assert refunds(bench, wish) == []
    meter_says(bench, home, Ending.DONE, now=LATER + MINUTE, state=IN_CREDIT)
    assert swept(bench, wish, now=LATER + MINUTE).state is CorrectionState.PAYING


def test_a_meter_that_refuses_leaves_a_case_and_no_refund(bench: Bench) -> None:
    home = bench.home
    bench.money_in(home, amount_minor=5_000, name="1")
    wish = a_proposal(home)
    approved(bench, wish)

    left = MeterState(balance_minor=100, purchase_no=1)
    meter_says(bench, home, Ending.REFUSED, now=LATER, state=left, reason="credit_used")

    stuck = swept(bench, wish)
    assert (stuck.state, stuck.note) == (CorrectionState.STUCK, "credit_used")
    assert refunds(bench, wish) == []
    assert {"correction_stuck", "withdrawal_refused"} <= {each.kind for each in bench.books(LATER).cases}
    assert the_view(bench.store, home.account_id, now=LATER).snapshot.purchase_no_last == 1  # type: ignore[union-attr]


def test_the_number_of_a_refused_withdrawal_goes_to_the_recharge_that_waits_behind_it(bench: Bench) -> None:
    home = bench.home
    bench.money_in(home, amount_minor=5_000, name="1")
    approved(bench, a_proposal(home))
    paid(bench.store, home, name="2", amount_minor=700, now=LATER)

    left = MeterState(balance_minor=100, purchase_no=1)
    meter_says(bench, home, Ending.REFUSED, now=LATER, state=left, reason="credit_used")

    claim = taken(bench.store, home, now=LATER + SECOND)
    assert (claim.instruction.recharge_id is not None, claim.instruction.purchase_no) == (True, 2)


def test_the_number_of_a_withdrawal_that_was_never_sent_is_given_again(bench: Bench) -> None:
    home = bench.home
    bench.money_in(home, amount_minor=5_000, name="1")
    approved(bench, a_proposal(home))

    meter_says(bench, home, Ending.REFUSED, now=LATER, state=MeterState(), reason=NOT_SENDABLE)

    assert the_view(bench.store, home.account_id, now=LATER).snapshot.purchase_no_last == 1  # type: ignore[union-attr]


def test_a_number_that_may_be_used_is_not_given_again(bench: Bench) -> None:
    home = bench.home
    bench.money_in(home, amount_minor=5_000, name="1")
    approved(bench, a_proposal(home))

    odd = MeterState(balance_minor=5_000, purchase_no=7)
    meter_says(bench, home, Ending.REFUSED, now=LATER, state=odd, reason="purchase_number_ahead")

    assert the_view(bench.store, home.account_id, now=LATER).snapshot.purchase_no_last == 2  # type: ignore[union-attr]


def test_a_correction_that_is_stuck_is_taken_up_again_by_a_person(bench: Bench) -> None:
    home = bench.home
    bench.money_in(home, amount_minor=5_000, name="1")
    wish = a_proposal(home)
    approved(bench, wish)
    meter_says(
        bench, home, Ending.REFUSED, now=LATER, state=MeterState(purchase_no=1), reason="refused_by_meter"
    )

    correcting.take_up(
        bench.store, wish.account_id, wish.correction_id, actor=ANA, act_id=an_id("up"), now=LATER
    )
    meter_says(bench, home, Ending.DONE, now=LATER + MINUTE, state=IN_CREDIT)

    assert swept(bench, wish).state is CorrectionState.PAYING
    assert bench.codes(home.account_id, DELIVERED, REFUNDING) == [0, -5_000]


def test_a_correction_that_is_given_up_leaves_the_credit_in_the_meter(bench: Bench) -> None:
    home = bench.home
    bench.money_in(home, amount_minor=5_000, name="1")
    wish = a_proposal(home)
    approved(bench, wish)
    meter_says(
        bench, home, Ending.REFUSED, now=LATER, state=MeterState(purchase_no=1), reason="refused_by_meter"
    )

    correcting.give_up(
        bench.store, wish.account_id, wish.correction_id, actor=ANA, act_id=an_id("end"), now=LATER
    )

    assert looked_at(bench, wish).state is CorrectionState.REJECTED
    assert bench.codes(home.account_id, DELIVERED, REFUNDING) == [-5_000, 0]


def test_a_meter_with_a_withdrawal_under_way_does_not_change_hands(bench: Bench) -> None:
    home = bench.home
    bench.money_in(home, amount_minor=5_000, name="1")
    approved(bench, a_proposal(home))

    with pytest.raises(withdrawing.WithdrawalOpen):
        bench.leave(
            moving_out.MoveOut(account_id=home.account_id, shown=Shown(register_wh=0), rest=Rest.CASH)
        )


def test_nobody_leaves_between_a_meters_count_and_its_correction(bench: Bench) -> None:
    home = bench.home
    bench.money_in(home, amount_minor=5_000, name="1")
    approved(bench, a_proposal(home))
    meter_says(bench, home, Ending.DONE, now=LATER, state=MeterState(balance_minor=0, purchase_no=2))
    leaving = moving_out.MoveOut(account_id=home.account_id, shown=Shown(register_wh=0), rest=Rest.CASH)

    with pytest.raises(withdrawing.WithdrawalOpen):
        bench.leave(leaving)
    correcting.sweep(bench.store, after=0, now=LATER)
    bench.leave(leaving)


# A recharge that is not in its meter.


def test_a_recharge_that_was_never_sent_is_cancelled_and_its_number_is_given_again(bench: Bench) -> None:
    home = bench.home
    paid(bench.store, home, name="1", amount_minor=5_000)
    paid(bench.store, home, name="2", amount_minor=700)
    wish = a_proposal(home)

    assert approved(bench, wish).state is CorrectionState.PAYING

    assert bench.codes(home.account_id, UNDELIVERED, REFUNDING) == [-700, -5_000]
    claim = taken(bench.store, home, now=LATER)
    assert (claim.instruction.amount_minor, claim.instruction.purchase_no) == (700, 1)
    paid(bench.store, home, name="3", amount_minor=300)
    assert the_view(bench.store, home.account_id).snapshot.purchase_no_last == 2  # type: ignore[union-attr]


def test_a_recharge_that_was_tried_is_delivered_first_and_asked_back_then(bench: Bench) -> None:
    home = bench.home
    paid(bench.store, home, name="1", amount_minor=5_000)
    meter_says(bench, home, Ending.SILENT, now=NOON, state=MeterState())
    wish = a_proposal(home)

    assert approved(bench, wish).state is CorrectionState.TAKING_BACK
    there = MeterState(energy_wh=0, balance_minor=5_000, purchase_no=1, relay=Relay.CLOSED)
    meter_says(bench, home, Ending.DONE, now=LATER, state=there)
    assert swept(bench, wish).state is CorrectionState.TAKING_BACK
    meter_says(bench, home, Ending.DONE, now=LATER + SECOND, state=IN_CREDIT)

    assert swept(bench, wish).state is CorrectionState.PAYING
    assert bench.codes(home.account_id, UNDELIVERED, DELIVERED, REFUNDING) == [0, 0, -5_000]


def test_a_part_of_a_recharge_that_waits_is_asked_back_when_it_is_there(bench: Bench) -> None:
    home = bench.home
    paid(bench.store, home, name="1", amount_minor=5_000)

    waiting = approved(bench, a_proposal(home, amount_minor=1_000))

    assert waiting.state is CorrectionState.TAKING_BACK
    assert bench.codes(home.account_id, UNDELIVERED, REFUNDING) == [-5_000, 0]


# Credit that the platform holds.


def test_credit_that_the_platform_holds_comes_back_at_once(bench: Bench) -> None:
    home = bench.homes[1]
    paid(bench.store, home, name="1", amount_minor=5_000)

    assert approved(bench, a_proposal(home)).state is CorrectionState.PAYING

    assert bench.codes(home.account_id, DELIVERED, REFUNDING) == [0, -5_000]


def test_credit_that_was_used_between_proposal_and_approval_is_not_paid_out(bench: Bench) -> None:
    home = bench.homes[1]
    paid(bench.store, home, name="1", amount_minor=5_000)
    wish = a_proposal(home)
    proposed(bench, wish)
    hour = NOON + timedelta(hours=1)
    told(bench.store, home, at=hour, energy_wh=1_000, relay=Relay.CLOSED)

    stuck = correcting.approve(
        bench.store, wish.account_id, wish.correction_id, actor=BEA, act_id=an_id("yes"), now=hour
    )

    assert (stuck.state, stuck.note) == (CorrectionState.STUCK, "credit_used")
    assert bench.codes(home.account_id, REFUNDING) == [0]


def test_a_second_refund_takes_no_more_than_the_first_has_left(bench: Bench) -> None:
    home = bench.homes[1]
    paid(bench.store, home, name="1", amount_minor=5_000)
    approved(bench, a_proposal(home, amount_minor=3_000))
    answer(bench, RefundState.DONE)
    again = a_proposal(home, amount_minor=2_001, correction_id=an_id("second"))

    with pytest.raises(AmountNotFree):
        proposed(bench, again)

    assert proposed(bench, replace(again, amount_minor=2_000)).amount_minor == 2_000


# Money that was not placed, or was placed wrongly.


def test_money_in_suspense_is_placed_and_reaches_the_meter(bench: Bench) -> None:
    unknown_money(bench)
    suspense, home = suspense_of(bench), bench.home
    wish = a_proposal(
        suspense,
        kind=CorrectionKind.PLACE,
        payment_id=the_payment("lost"),
        to_account_id=home.account_id,
    )

    assert approved(bench, wish).state is CorrectionState.DONE

    assert bench.codes(suspense, SUSPENSE, REFUNDING) == [0, 0]
    assert bench.codes(home.account_id, UNDELIVERED) == [-5_000]
    assert taken(bench.store, home, now=LATER).instruction.amount_minor == 5_000
    assert bench.moved_minor() == 0


def test_money_in_suspense_goes_back_to_its_payer(bench: Bench) -> None:
    unknown_money(bench)
    suspense = suspense_of(bench)
    wish = a_proposal(suspense, payment_id=the_payment("lost"))

    approved(bench, wish)
    answer(bench, RefundState.DONE)

    assert looked_at(bench, wish).state is CorrectionState.DONE
    assert bench.codes(suspense, SUSPENSE, REFUNDING, cash(WECHAT)) == [0, 0, 0]


def test_a_recharge_for_the_wrong_meter_moves_after_that_meter_gave_it_back(bench: Bench) -> None:
    wrong, right = bench.homes[0], bench.homes[1]
    bench.money_in(wrong, amount_minor=5_000, name="1")
    wish = a_proposal(wrong, kind=CorrectionKind.MOVE, to_account_id=right.account_id)
    approved(bench, wish)
    assert bench.codes(right.account_id, DELIVERED) == [0]

    meter_says(bench, wrong, Ending.DONE, now=LATER, state=IN_CREDIT)

    assert swept(bench, wish).state is CorrectionState.DONE
    assert bench.codes(wrong.account_id, DELIVERED, REFUNDING) == [0, 0]
    assert bench.codes(right.account_id, DELIVERED) == [-5_000]
    assert bench.moved_minor() == 0


def test_an_account_that_closed_meanwhile_is_not_credited(bench: Bench) -> None:
    wrong, right = bench.homes[1], bench.homes[3]
    paid(bench.store, wrong, name="1", amount_minor=5_000)
    wish = a_proposal(wrong, kind=CorrectionKind.MOVE, to_account_id=right.account_id)
    proposed(bench, wish)
    bench.leave(moving_out.MoveOut(account_id=right.account_id, shown=Shown(register_wh=0), rest=Rest.CASH))
    key = (wish.account_id, wish.correction_id)

    stuck = correcting.approve(bench.store, *key, actor=BEA, act_id=an_id("yes"), now=LATER + 10 * MINUTE)
    assert (stuck.state, stuck.note) == (CorrectionState.STUCK, "account_closed")
    correcting.give_up(bench.store, *key, actor=ANA, act_id=an_id("end"), now=LATER + 11 * MINUTE)

    assert bench.codes(wrong.account_id, DELIVERED, REFUNDING) == [-5_000, 0], "it is credited again"


# The small ones.


def test_goodwill_is_credit_that_two_people_give(bench: Bench) -> None:
    home = bench.homes[1]
    wish = a_proposal(home, kind=CorrectionKind.ADJUST, payment_id=None, amount_minor=300)

    assert approved(bench, wish).state is CorrectionState.DONE

    assert bench.codes(home.account_id, DELIVERED, GOODWILL) == [-300, 300]


def test_a_debt_is_opened_and_written_off_by_two_people(bench: Bench) -> None:
    home = bench.homes[1]
    opening = a_proposal(home, kind=CorrectionKind.OPEN_DEBT, payment_id=None, amount_minor=900)
    approved(bench, opening)
    with bench.store.transaction() as tx:
        (debt,) = tx.dues.open_debts([home.account_id])

    ending = a_proposal(
        home,
        kind=CorrectionKind.WRITE_OFF,
        payment_id=None,
        amount_minor=900,
        debt_id=debt.debt_id,
        correction_id=an_id("off"),
    )
    assert approved(bench, ending).state is CorrectionState.DONE

    assert bench.codes(home.account_id, DEBT) == [0]
    with bench.store.transaction() as tx:
        assert tx.dues.open_debts([home.account_id]) == []


def test_a_refund_in_cash_is_paid_out_once_and_only_when_the_credit_is_back(bench: Bench) -> None:
    home = bench.home
    bench.money_in(home, amount_minor=5_000, name="1")
    wish = a_proposal(home, way=Way.CASH)
    approved(bench, wish)
    key = (wish.account_id, wish.correction_id)

    with pytest.raises(correcting.StateDiffers):
        correcting.pay_out(bench.store, *key, till="till", actor=ANA, act_id=an_id("early"), now=LATER)
    meter_says(bench, home, Ending.DONE, now=LATER, state=IN_CREDIT)
    swept(bench, wish)
    correcting.pay_out(bench.store, *key, till="till", actor=ANA, act_id=an_id("out"), now=LATER)

    with pytest.raises(correcting.StateDiffers):
        correcting.pay_out(bench.store, *key, till="till", actor=ANA, act_id=an_id("twice"), now=LATER)
    assert bench.codes(home.account_id, REFUNDING, cash("till")) == [0, -5_000]


def test_a_refund_is_not_paid_out_of_somebody_else_s_drawer(bench: Bench) -> None:
    home = bench.home
    bench.money_in(home, amount_minor=5_000, name="1")
    wish = a_proposal(home, way=Way.CASH)
    approved(bench, wish)
    meter_says(bench, home, Ending.DONE, now=LATER, state=IN_CREDIT)
    swept(bench, wish)
    with bench.store.transaction() as tx:
        organisation_id = tx.look_at([home.account_id], now=LATER)[home.account_id].account.organisation_id
    till = shifts.TillWish(
        name="till",
        organisation_id=organisation_id,
        site_id=1,
        for_all=True,
        drawer_max_minor=None,
        live=True,
        suspense_token=an_id("books"),
    )
    shifts.found_till(bench.store, till, actor=BEA, act_id=an_id("till"), now=LATER)
    shift = shifts.Opening(
        shift_id=an_id("shift"), organisation_id=organisation_id, till="till", float_minor=5_000
    )
    shifts.open_shift(bench.store, shift, actor=ANA, now=LATER)
    key = (wish.account_id, wish.correction_id)

    with pytest.raises(shifts.ShiftMissing):
        correcting.pay_out(bench.store, *key, till="till", actor=BEA, act_id=an_id("out"), now=LATER)

    paid_out = correcting.pay_out(bench.store, *key, till="till", actor=ANA, act_id=an_id("out"), now=LATER)
    assert paid_out.state is CorrectionState.DONE
    own = shifts.standing(bench.store, organisation_id=organisation_id, cashier=ANA.who)
    assert own is not None and own.drawer_minor == 0


# Voids.


def a_void(home_id: int) -> correcting.Void:
    return correcting.Void(
        correction_id=an_id("void"), account_id=home_id, payment_id=the_payment(), asked_by="ana"
    )


def test_a_sale_is_undone_before_its_meter_has_it(bench: Bench) -> None:
    home = bench.home
    paid(bench.store, home, name="1", amount_minor=5_000)

    undone = correcting.void(bench.store, a_void(home.account_id), actor=BEA, now=LATER)
    again = correcting.void(bench.store, a_void(home.account_id), actor=BEA, now=LATER + MINUTE)

    assert undone.state is CorrectionState.DONE and again == undone
    assert bench.codes(home.account_id, UNDELIVERED, REFUNDING) == [0, -5_000]
    assert deliver.due(bench.store, [home.meter_id], now=LATER, limit=1) == {}


def test_a_sale_that_its_meter_may_have_is_not_undone(bench: Bench) -> None:
    home = bench.home
    paid(bench.store, home, name="1", amount_minor=5_000)
    taken(bench.store, home, now=NOON)

    with pytest.raises(taking_back.TakenByMeter):
        correcting.void(bench.store, a_void(home.account_id), actor=BEA, now=LATER)

    assert bench.codes(home.account_id, UNDELIVERED, REFUNDING) == [-5_000, 0]


def test_who_sold_does_not_undo_alone(bench: Bench) -> None:
    home = bench.home
    paid(bench.store, home, name="1", amount_minor=5_000)

    with pytest.raises(OwnProposal):
        correcting.void(bench.store, a_void(home.account_id), actor=ANA, now=LATER)


def test_a_withdrawal_is_never_superseded(bench: Bench) -> None:
    home = bench.home
    bench.money_in(home, amount_minor=5_000, name="1")
    wish = a_proposal(home)
    approved(bench, wish)
    with bench.store.transaction() as tx:
        (order,) = tx.corrections.withdrawals(wish.correction_id)

    with pytest.raises(ConstraintBroken), bench.store.transaction() as tx:
        tx.save_instructions([replace(order, state=State.SUPERSEDED, ended_at=LATER)])
