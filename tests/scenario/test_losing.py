"""Money that a provider or a bank takes back falls where its credit is, once, and within the payment."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest
from tests.scenario.correction_bench import (
    ANA,
    BEA,
    LATER,
    a_dispute,
    a_proposal,
    a_refund_notice,
    answer,
    approved,
    asked,
    looked_at,
    proposed,
    refunds,
    suspense_of,
    the_payment,
    unknown_money,
)
from tests.scenario.moving_bench import Bench
from tests.unit.services.town import WECHAT, a_notice, an_id, ordered, paid

from compuerta.adapters.memory import MemoryStore
from compuerta.domain.correction import CorrectionKind, CorrectionState, Way
from compuerta.domain.ledger import DEBT, DELIVERED, REFUNDING, SUSPENSE, cash
from compuerta.domain.payment import DisputeState, RefundState
from compuerta.services import correcting, disputing, moving_out, refunding, vend
from compuerta.services.disputing import HeardDispute
from compuerta.services.moving import Rest, Shown
from compuerta.services.payment_ports import RefundAnswer
from compuerta.services.proposing import AmountNotFree, NotProposable, Proposal
from compuerta.services.refunding import HeardRefund

MINUTE = timedelta(minutes=1)


@pytest.fixture
def bench(bench: Bench) -> Iterator[Bench]:
    """The flats of the room, whose books keep every promise, whatever a test has done."""
    yield bench
    if isinstance(bench.store, MemoryStore):
        assert bench.broken(now=LATER + 30 * MINUTE) == []


def cases_of(bench: Bench) -> set[str]:
    return {each.kind for each in bench.books(LATER).cases}


def refunding_now(bench: Bench, **changes: object) -> Proposal:
    """Bring a refund to where its provider is asked."""
    home = bench.homes[1]
    paid(bench.store, home, name="1", amount_minor=5_000)
    wish = a_proposal(home, **changes)
    assert approved(bench, wish).state is CorrectionState.PAYING
    return wish


def placing(bench: Bench, amount_minor: int = 5_000) -> Proposal:
    return a_proposal(
        suspense_of(bench),
        kind=CorrectionKind.PLACE,
        payment_id=the_payment("lost"),
        to_account_id=bench.homes[3].account_id,
        amount_minor=amount_minor,
    )


def taken_up(bench: Bench, wish: Proposal) -> None:
    key = (wish.account_id, wish.correction_id)
    correcting.take_up(bench.store, *key, actor=ANA, act_id=an_id("up"), now=LATER)


def given_up(bench: Bench, wish: Proposal) -> None:
    key = (wish.account_id, wish.correction_id)
    correcting.give_up(bench.store, *key, actor=ANA, act_id=an_id("end"), now=LATER)


def heard_of_dispute(bench: Bench, state: DisputeState, **changes: object) -> HeardDispute:
    notice = replace(a_dispute(state), **changes)  # type: ignore[arg-type] each field is given by its name
    (heard,) = disputing.hear(bench.store, [notice], now=LATER)
    return heard


def heard_of_refund(bench: Bench, **changes: object) -> HeardRefund:
    (heard,) = refunding.hear(bench.store, [a_refund_notice(**changes)], now=LATER)
    return heard


# A provider that changes its mind.


def test_a_refund_that_is_done_after_all_keeps_the_second_one_from_its_provider(bench: Bench) -> None:
    wish = refunding_now(bench)
    (first,) = answer(bench, RefundState.CLOSED)
    taken_up(bench, wish)

    heard = heard_of_refund(bench, refund_reference=first.refund.reference)

    assert heard is HeardRefund.SETTLED
    assert looked_at(bench, wish).state is CorrectionState.DONE
    assert asked(bench, now=LATER + MINUTE) == []
    assert [each.state for each in refunds(bench, wish)] == [RefundState.DONE, RefundState.CLOSED]
    assert bench.codes(wish.account_id, REFUNDING, cash(WECHAT)) == [0, 0]


def test_a_second_refund_that_its_provider_may_have_is_asked_after_and_not_told_again(bench: Bench) -> None:
    wish = refunding_now(bench)
    (first,) = answer(bench, RefundState.CLOSED)
    taken_up(bench, wish)
    (second,) = answer(bench, None)
    assert not second.is_sent

    heard_of_refund(bench, refund_reference=first.refund.reference)

    (question,) = asked(bench, now=LATER + MINUTE)
    assert question.is_sent


def test_a_second_refund_that_is_paid_too_is_lost_and_a_case(bench: Bench) -> None:
    wish = refunding_now(bench, amount_minor=1_000)
    (first,) = answer(bench, RefundState.CLOSED)
    taken_up(bench, wish)
    answer(bench, RefundState.SENT)
    heard_of_refund(bench, refund_reference=first.refund.reference)

    answer(bench, RefundState.DONE, now=LATER + MINUTE)

    assert bench.codes(wish.account_id, REFUNDING, DEBT, cash(WECHAT)) == [0, 1_000, 3_000]
    assert "refund_unasked" in cases_of(bench)


def test_a_refund_that_is_paid_after_it_was_given_up_is_a_debt_and_a_case(bench: Bench) -> None:
    wish = refunding_now(bench)
    (question,) = answer(bench, RefundState.CLOSED)
    given_up(bench, wish)

    heard_of_refund(bench, refund_reference=question.refund.reference)
    again = heard_of_refund(bench, refund_reference=question.refund.reference)

    assert again is HeardRefund.ALREADY
    assert bench.codes(wish.account_id, DELIVERED, REFUNDING, DEBT, cash(WECHAT)) == [-5_000, 0, 5_000, 0]
    assert "refund_unasked" in cases_of(bench)
    with pytest.raises(AmountNotFree):
        proposed(bench, replace(wish, correction_id=an_id("again")))


def test_an_answer_that_comes_after_it_was_given_up_is_not_lost(bench: Bench) -> None:
    wish = refunding_now(bench)
    (question,) = answer(bench, RefundState.CLOSED)
    given_up(bench, wish)

    done = [(question.refund, RefundAnswer(state=RefundState.DONE))]
    refunding.answered(bench.store, done * 2, now=LATER)

    assert bench.codes(wish.account_id, REFUNDING, DEBT, cash(WECHAT)) == [0, 5_000, 0]


def test_a_refund_that_did_not_reach_its_payer_waits_for_a_person(bench: Bench) -> None:
    wish = refunding_now(bench)
    (question,) = answer(bench, RefundState.DONE)
    failed = {"refund_reference": question.refund.reference, "state": RefundState.ABNORMAL}

    heard = heard_of_refund(bench, **failed)

    assert heard is HeardRefund.CAME_BACK
    stuck = looked_at(bench, wish)
    assert (stuck.state, stuck.note) == (CorrectionState.STUCK, "came_back")
    assert bench.codes(wish.account_id, REFUNDING, cash(WECHAT)) == [-5_000, 5_000]
    assert "refund_came_back" in cases_of(bench)
    assert heard_of_refund(bench, **failed) is HeardRefund.NOTED
    assert heard_of_refund(bench, refund_reference=question.refund.reference) is HeardRefund.ALREADY

    taken_up(bench, wish)
    (again,) = answer(bench, RefundState.DONE)
    assert again.refund.reference != question.refund.reference
    assert bench.codes(wish.account_id, REFUNDING, cash(WECHAT)) == [0, 0]


def test_a_word_of_failure_that_is_older_than_the_success_is_a_case_and_moves_nothing(bench: Bench) -> None:
    wish = refunding_now(bench)
    (question,) = answer(bench, RefundState.DONE)

    heard_of_refund(
        bench, refund_reference=question.refund.reference, state=RefundState.ABNORMAL, at=LATER - MINUTE
    )

    assert looked_at(bench, wish).state is CorrectionState.DONE
    assert bench.codes(wish.account_id, REFUNDING, cash(WECHAT)) == [0, 0]
    assert "refund_came_back" in cases_of(bench)


def test_a_total_of_more_than_ours_settles_ours_first(bench: Bench) -> None:
    wish = refunding_now(bench, amount_minor=3_000)
    (question,) = asked(bench, now=LATER)

    heard_of_refund(bench, is_total=True, refunded_minor=5_000)
    refunding.answered(bench.store, [(question.refund, RefundAnswer(state=RefundState.DONE))], now=LATER)

    assert looked_at(bench, wish).state is CorrectionState.DONE
    assert bench.codes(wish.account_id, REFUNDING, DEBT, cash(WECHAT)) == [0, 2_000, 0]


# Where a loss falls.


def test_a_debt_that_was_won_back_ends_where_it_was_opened(bench: Bench) -> None:
    payer, other = bench.homes[1], bench.homes[3]
    paid(bench.store, payer, name="1", amount_minor=5_000)
    heard_of_dispute(bench, DisputeState.OPENED, amount_minor=3_000)
    wish = a_proposal(payer, kind=CorrectionKind.MOVE, amount_minor=2_000, to_account_id=other.account_id)
    assert approved(bench, wish).state is CorrectionState.DONE

    heard_of_dispute(bench, DisputeState.WON, amount_minor=3_000)

    assert bench.codes(payer.account_id, DEBT, SUSPENSE, cash(WECHAT)) == [0, 0, 5_000]
    with bench.store.transaction() as tx:
        assert tx.dues.open_debts([payer.account_id, other.account_id]) == []


def test_a_charge_back_of_a_payment_that_was_moved_in_part_is_owed_by_both(bench: Bench) -> None:
    payer, other = bench.homes[1], bench.homes[3]
    paid(bench.store, payer, name="1", amount_minor=5_000)
    wish = a_proposal(payer, kind=CorrectionKind.MOVE, amount_minor=500, to_account_id=other.account_id)
    approved(bench, wish)

    heard_of_dispute(bench, DisputeState.OPENED)

    assert bench.codes(payer.account_id, DEBT, cash(WECHAT)) == [4_500, 0]
    assert bench.codes(other.account_id, DEBT) == [500]
    assert bench.moved_minor() == 0
    heard_of_dispute(bench, DisputeState.WON)
    assert bench.codes(payer.account_id, DEBT, cash(WECHAT), SUSPENSE) == [0, 5_000, 0]
    assert bench.codes(other.account_id, DEBT) == [0]
    assert bench.moved_minor() == 0


def test_a_charge_back_of_a_payment_that_was_placed_in_part_empties_suspense_first(bench: Bench) -> None:
    unknown_money(bench)
    approved(bench, placing(bench, 500))

    heard_of_dispute(bench, DisputeState.OPENED, transaction_no="tlost")

    assert bench.codes(suspense_of(bench), SUSPENSE, DEBT, cash(WECHAT)) == [0, 0, 0]
    assert bench.codes(bench.homes[3].account_id, DEBT) == [500]
    heard_of_dispute(bench, DisputeState.WON, transaction_no="tlost")
    assert bench.codes(suspense_of(bench), SUSPENSE, cash(WECHAT)) == [-4_500, 5_000]
    assert bench.moved_minor() == 0


def test_what_was_placed_at_home_is_owed_there_and_is_won_back(bench: Bench) -> None:
    home = bench.homes[1]
    ordered(bench.store, home, amount_minor=4_000)
    vend.accept_payments(bench.store, [a_notice(amount_minor=5_000)], now=LATER)
    approved(bench, a_proposal(home, kind=CorrectionKind.PLACE, to_account_id=home.account_id))
    assert bench.codes(home.account_id, SUSPENSE, DELIVERED) == [0, -5_000]

    heard_of_dispute(bench, DisputeState.OPENED)

    assert bench.codes(home.account_id, SUSPENSE, DEBT, cash(WECHAT)) == [0, 5_000, 0]
    heard_of_dispute(bench, DisputeState.WON)
    assert bench.codes(home.account_id, SUSPENSE, DEBT, cash(WECHAT)) == [0, 0, 5_000]


def test_a_refund_of_money_in_suspense_is_stopped_when_the_bank_takes_it(bench: Bench) -> None:
    unknown_money(bench)
    wish = a_proposal(suspense_of(bench), payment_id=the_payment("lost"), way=Way.CASH)
    assert approved(bench, wish).state is CorrectionState.PAYING

    heard_of_dispute(bench, DisputeState.OPENED, transaction_no="tlost")

    assert looked_at(bench, wish).state is CorrectionState.REJECTED
    assert bench.codes(suspense_of(bench), SUSPENSE, REFUNDING, DEBT, cash(WECHAT)) == [0, 0, 0, 0]


def test_a_refund_that_no_provider_knows_of_is_stopped_when_the_bank_takes_its_money(bench: Bench) -> None:
    wish = refunding_now(bench)

    heard_of_dispute(bench, DisputeState.OPENED)

    assert asked(bench, now=LATER) == []
    stuck = looked_at(bench, wish)
    assert (stuck.state, stuck.note) == (CorrectionState.STUCK, "money_gone")
    taken_up(bench, wish)
    assert looked_at(bench, wish).state is CorrectionState.STUCK, "it is gone still"
    given_up(bench, wish)
    assert bench.codes(wish.account_id, DELIVERED, DEBT, cash(WECHAT)) == [-2_500, 2_500, 0], (
        "credited, as any"
    )


def test_a_refund_at_its_provider_is_asked_after_when_the_bank_takes_its_money(bench: Bench) -> None:
    wish = refunding_now(bench)
    answer(bench, None)

    heard_of_dispute(bench, DisputeState.OPENED)

    (question,) = answer(bench, RefundState.CLOSED, now=LATER + MINUTE)
    assert question.is_sent
    given_up(bench, wish)
    assert bench.codes(wish.account_id, DELIVERED, DEBT, cash(WECHAT)) == [-2_500, 2_500, 0], (
        "credited, as any"
    )


def test_what_was_paid_of_a_debt_that_is_won_goes_back_to_whoever_paid_it(bench: Bench) -> None:
    home = bench.homes[1]
    paid(bench.store, home, name="1", amount_minor=5_000)
    heard_of_dispute(bench, DisputeState.OPENED)
    paid(bench.store, home, name="2", amount_minor=2_000, now=LATER)
    heard_of_dispute(bench, DisputeState.WON)
    assert bench.codes(home.account_id, SUSPENSE, DELIVERED) == [-1_000, -6_000]

    with pytest.raises(NotProposable):
        proposed(bench, a_proposal(home, kind=CorrectionKind.PLACE, to_account_id=home.account_id))
    part = {"amount_minor": 400, "to_account_id": home.account_id}
    approved(bench, a_proposal(home, kind=CorrectionKind.PLACE, **part))
    approved(bench, a_proposal(home, amount_minor=600, correction_id=an_id("rest")))
    answer(bench, RefundState.DONE)

    assert bench.codes(home.account_id, SUSPENSE, DELIVERED, REFUNDING) == [0, -6_400, 0]
    assert bench.codes(home.account_id, cash(WECHAT)) == [6_400]


def test_what_came_back_for_an_account_that_has_closed_is_put_right_from_suspense(bench: Bench) -> None:
    wrong, right = bench.homes[1], bench.homes[3]
    wish = refunding_now(bench)
    bench.leave(moving_out.MoveOut(account_id=wrong.account_id, shown=Shown(register_wh=0), rest=Rest.CASH))
    answer(bench, RefundState.CLOSED, now=LATER + 10 * MINUTE)
    given_up(bench, wish)
    assert bench.codes(wrong.account_id, SUSPENSE, REFUNDING) == [-5_000, 0]

    moving = a_proposal(
        wrong, kind=CorrectionKind.MOVE, to_account_id=right.account_id, correction_id=an_id("move")
    )
    assert approved(bench, moving).state is CorrectionState.DONE

    assert bench.codes(wrong.account_id, SUSPENSE, REFUNDING) == [0, 0]
    assert bench.codes(right.account_id, DELIVERED) == [-5_000]


# No more than there is.


@pytest.mark.parametrize("currency", ["CNY", "USD"])
def test_more_than_a_payment_is_not_lost_with_it(bench: Bench, currency: str) -> None:
    home = bench.homes[1]
    paid(bench.store, home, name="1", amount_minor=5_000)

    heard_of_dispute(bench, DisputeState.OPENED, amount_minor=999_999, currency=currency)
    heard_of_refund(bench, refunded_minor=77_777, refund_reference="by hand", currency=currency)

    lost_minor = 5_000 if currency == "CNY" else 0
    assert bench.codes(home.account_id, DEBT, cash(WECHAT)) == [lost_minor, 5_000 - lost_minor]
    assert "loss_exceeds" in cases_of(bench)
    heard_of_dispute(bench, DisputeState.WON, amount_minor=999_999, currency=currency)
    assert bench.codes(home.account_id, DEBT, cash(WECHAT)) == [0, 5_000]


def test_a_charge_back_of_what_was_refunded_is_a_case_and_no_posting(bench: Bench) -> None:
    wish = refunding_now(bench)
    answer(bench, RefundState.DONE)

    assert heard_of_dispute(bench, DisputeState.OPENED) is HeardDispute.TAKEN

    assert bench.codes(wish.account_id, DEBT, REFUNDING, cash(WECHAT)) == [0, 0, 0]
    assert {"loss_exceeds", "charge_back"} <= cases_of(bench)


def test_words_of_nothing_move_nothing(bench: Bench) -> None:
    home = bench.homes[1]
    paid(bench.store, home, name="1", amount_minor=5_000)

    assert heard_of_dispute(bench, DisputeState.OPENED, amount_minor=0) is HeardDispute.NOTED
    assert heard_of_refund(bench, refunded_minor=0, refund_reference="x") is HeardRefund.NOTED

    assert bench.codes(home.account_id, DEBT, cash(WECHAT)) == [0, 5_000]


def test_a_proposal_that_an_unasked_refund_overtook_moves_nothing(bench: Bench) -> None:
    unknown_money(bench)
    wish = placing(bench)
    proposed(bench, wish)
    heard_of_refund(bench, transaction_no="tlost", refund_reference="by hand")

    key = (wish.account_id, wish.correction_id)
    decided = correcting.approve(bench.store, *key, actor=BEA, act_id=an_id("approve"), now=LATER)

    assert (decided.state, decided.note) == (CorrectionState.STUCK, "money_gone")
    assert bench.codes(suspense_of(bench), SUSPENSE, REFUNDING, cash(WECHAT)) == [0, 0, 0]
