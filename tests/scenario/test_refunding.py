"""A refund is paid once, followed until it is done, and told from what nobody here asked for."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest
from tests.scenario.correction_bench import (
    ABLE,
    ANA,
    BEA,
    LATER,
    Killed,
    Mortal,
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
    swept,
    the_payment,
    unknown_money,
)
from tests.scenario.moving_bench import Bench, a_bench
from tests.unit.services.town import PLATFORM, WECHAT, an_id, paid

from compuerta.adapters.memory import MemoryStore
from compuerta.domain.correction import CorrectionKind, CorrectionState, Way
from compuerta.domain.ledger import DEBT, DELIVERED, REFUNDING, SUSPENSE, cash
from compuerta.domain.payment import DisputeState, RefundState
from compuerta.services import correcting, disputing, refunding
from compuerta.services.disputing import HeardDispute
from compuerta.services.payment_ports import RefundAnswer
from compuerta.services.proposing import AmountNotFree, Proposal
from compuerta.services.refunding import HeardRefund
from compuerta.sim.looking import books_of

MINUTE = timedelta(minutes=1)


@pytest.fixture
def bench(bench: Bench) -> Iterator[Bench]:
    """The flats of the room, whose books keep every promise, whatever a test has done."""
    yield bench
    if isinstance(bench.store, MemoryStore):
        assert bench.broken(now=LATER + 30 * MINUTE) == []


def refunding_now(bench: Bench, **changes: object) -> Proposal:
    """Bring a refund to where its provider is asked."""
    home = bench.homes[1]
    paid(bench.store, home, name="1", amount_minor=5_000)
    wish = a_proposal(home, **changes)
    assert approved(bench, wish).state is CorrectionState.PAYING
    return wish


def placing(bench: Bench) -> Proposal:
    return a_proposal(
        suspense_of(bench),
        kind=CorrectionKind.PLACE,
        payment_id=the_payment("lost"),
        to_account_id=bench.home.account_id,
    )


def cases_of(bench: Bench) -> set[str]:
    return {each.kind for each in bench.books(LATER).cases}


# Ours.


def test_accepted_is_not_refunded(bench: Bench) -> None:
    wish = refunding_now(bench)

    answer(bench, RefundState.SENT)

    assert looked_at(bench, wish).state is CorrectionState.PAYING
    assert bench.codes(wish.account_id, REFUNDING) == [-5_000]
    (question,) = answer(bench, RefundState.DONE, now=LATER + MINUTE)
    assert question.is_sent, "it is asked for, not sent again"
    assert looked_at(bench, wish).state is CorrectionState.DONE


def test_a_lost_answer_is_repeated_under_the_same_reference(bench: Bench) -> None:
    refunding_now(bench)

    first = answer(bench, None)
    again = answer(bench, None, now=LATER + MINUTE)

    assert [each.is_sent for each in (*first, *again)] == [False, False]
    assert first[0].refund.reference == again[0].refund.reference
    assert len(first[0].refund.reference) == 32


def test_a_notice_before_any_answer_lets_the_provider_be_asked_soon(bench: Bench) -> None:
    wish = refunding_now(bench)
    (question,) = asked(bench, now=LATER)
    sent = a_refund_notice(refund_reference=question.refund.reference, state=RefundState.SENT)

    refunding.hear(bench.store, [sent], now=LATER)

    (refund,) = refunds(bench, wish)
    assert refund.ask_at == LATER + refunding.ASK_AFTER[0]


def test_two_workers_do_not_claim_one_refund(bench: Bench) -> None:
    refunding_now(bench)

    assert len(asked(bench, now=LATER)) == 1
    assert asked(bench, now=LATER) == []
    assert len(asked(bench, now=LATER + refunding.LEASE)) == 1, "whoever claimed it may have died"


def test_a_wish_tells_the_provider_what_it_asks(bench: Bench) -> None:
    wish = refunding_now(bench, amount_minor=1_000)

    (question,) = asked(bench, now=LATER)

    told = question.wish
    assert (told.transaction_no, told.order_reference, told.total_minor) == ("t1", "order1", 5_000)
    assert (told.refund.amount_minor, told.reason) == (1_000, ANA.why)
    assert wish.payment_id == told.refund.payment_id


@pytest.mark.parametrize("state", [RefundState.ABNORMAL, RefundState.CLOSED])
def test_a_refund_that_ends_otherwise_waits_for_a_person_with_its_money(
    bench: Bench, state: RefundState
) -> None:
    wish = refunding_now(bench)

    answer(bench, state)

    stuck = looked_at(bench, wish)
    assert (stuck.state, stuck.note) == (CorrectionState.STUCK, f"refund_{state.value}")
    assert "correction_stuck" in cases_of(bench)
    assert bench.codes(wish.account_id, REFUNDING, cash(WECHAT)) == [-5_000, 5_000]


def taken_up(bench: Bench, wish: Proposal) -> None:
    key = (wish.account_id, wish.correction_id)
    correcting.take_up(bench.store, *key, actor=ANA, act_id=an_id("up"), now=LATER)


@pytest.mark.parametrize("number", ["", "r1"])
def test_an_abnormal_refund_is_taken_up_again_under_its_reference(bench: Bench, number: str) -> None:
    """What its provider has a number for is asked after; what it never took is told again."""
    wish = refunding_now(bench)
    (first,) = asked(bench, now=LATER)
    abnormal = RefundAnswer(state=RefundState.ABNORMAL, provider_no=number)
    refunding.answered(bench.store, [(first.refund, abnormal)], now=LATER)

    taken_up(bench, wish)

    (again,) = answer(bench, RefundState.DONE)
    assert (again.is_sent, again.refund.reference) == (bool(number), first.refund.reference)
    assert looked_at(bench, wish).state is CorrectionState.DONE


def test_a_closed_refund_is_sent_anew_under_another_reference(bench: Bench) -> None:
    wish = refunding_now(bench)
    (first,) = answer(bench, RefundState.CLOSED)

    taken_up(bench, wish)

    (again,) = answer(bench, RefundState.DONE)
    assert not again.is_sent and again.refund.reference != first.refund.reference
    assert bench.codes(wish.account_id, REFUNDING, cash(WECHAT)) == [0, 0]


def test_what_the_provider_may_still_pay_is_not_given_up(bench: Bench) -> None:
    wish = refunding_now(bench)
    answer(bench, RefundState.SENT)
    disputing.hear(bench.store, [a_dispute(DisputeState.OPENED)], now=LATER)
    assert looked_at(bench, wish).state is CorrectionState.STUCK

    with pytest.raises(correcting.RefundInDoubt):
        correcting.give_up(
            bench.store, wish.account_id, wish.correction_id, actor=ANA, act_id=an_id("end"), now=LATER
        )


def test_what_the_provider_has_refused_is_given_up_and_credited_again(bench: Bench) -> None:
    wish = refunding_now(bench)
    answer(bench, RefundState.CLOSED)

    correcting.give_up(
        bench.store, wish.account_id, wish.correction_id, actor=ANA, act_id=an_id("end"), now=LATER
    )

    assert bench.codes(wish.account_id, DELIVERED, REFUNDING) == [-5_000, 0]


def test_what_cannot_reach_its_payer_is_given_up_and_given_back_in_cash(bench: Bench) -> None:
    wish = refunding_now(bench)
    (first,) = answer(bench, RefundState.ABNORMAL)
    key = (wish.account_id, wish.correction_id)
    correcting.give_up(bench.store, *key, actor=ANA, act_id=an_id("end"), now=LATER)
    assert bench.codes(wish.account_id, DELIVERED, REFUNDING) == [-5_000, 0]

    in_cash = replace(wish, correction_id=an_id("cash"), way=Way.CASH)
    assert approved(bench, in_cash).state is CorrectionState.PAYING
    late = a_refund_notice(refund_reference=first.refund.reference)
    refunding.hear(bench.store, [late], now=LATER)

    stuck = looked_at(bench, in_cash)
    assert (stuck.state, stuck.note) == (CorrectionState.STUCK, "money_gone"), (
        "it reached the payer after all"
    )
    assert bench.codes(wish.account_id, REFUNDING, DEBT, cash(WECHAT)) == [-5_000, 5_000, 0]


def test_a_provider_that_is_silent_for_long_becomes_a_case(bench: Bench) -> None:
    wish = refunding_now(bench)
    (refund,) = refunds(bench, wish)
    with bench.store.transaction() as tx:
        tx.corrections.save_refunds([replace(refund, asks=refunding.ASKS_MAX - 1)])

    answer(bench, None)

    assert looked_at(bench, wish).note == refunding.SILENT
    assert asked(bench, now=LATER + timedelta(days=1)) == []


def test_refunds_of_one_payment_keep_the_distance_that_their_provider_wants(bench: Bench) -> None:
    wish = refunding_now(bench, amount_minor=1_000)
    answer(bench, RefundState.DONE)
    second = replace(wish, correction_id=an_id("second"))
    approved(bench, second)
    slow = replace(ABLE, refunds_apart=MINUTE)

    assert asked(bench, now=LATER, able=slow) == []
    assert len(asked(bench, now=LATER + MINUTE, able=slow)) == 1


# By notice.


def test_a_notice_settles_our_refund_once(bench: Bench) -> None:
    wish = refunding_now(bench)
    answer(bench, RefundState.SENT)
    (refund,) = refunds(bench, wish)
    notice = a_refund_notice(refund_reference=refund.reference)

    heard = refunding.hear(bench.store, [notice, notice], now=LATER)

    assert heard == [HeardRefund.SETTLED, HeardRefund.ALREADY]
    assert looked_at(bench, wish).state is CorrectionState.DONE
    assert bench.codes(wish.account_id, REFUNDING, cash(WECHAT), DEBT) == [0, 0, 0]


def test_an_answer_after_the_notice_moves_nothing(bench: Bench) -> None:
    wish = refunding_now(bench)
    (question,) = asked(bench, now=LATER)
    notice = a_refund_notice(refund_reference=question.refund.reference, transaction_no="")
    refunding.hear(bench.store, [notice], now=LATER)

    refunding.answered(bench.store, [(question.refund, RefundAnswer(state=RefundState.CLOSED))], now=LATER)

    assert looked_at(bench, wish).state is CorrectionState.DONE
    assert bench.codes(wish.account_id, REFUNDING) == [0]


def test_of_a_total_only_what_is_new_counts(bench: Bench) -> None:
    """A provider that tells sums tells the first refund again with the second."""
    wish = refunding_now(bench, amount_minor=1_000)
    first = a_refund_notice(is_total=True, refunded_minor=1_000)
    assert refunding.hear(bench.store, [first, first], now=LATER) == [
        HeardRefund.SETTLED,
        HeardRefund.ALREADY,
    ]
    second = replace(wish, correction_id=an_id("second"), amount_minor=2_000)
    approved(bench, second)

    heard = refunding.hear(bench.store, [replace(first, refunded_minor=3_000)], now=LATER)

    assert heard == [HeardRefund.SETTLED]
    assert looked_at(bench, second).state is CorrectionState.DONE
    assert bench.codes(wish.account_id, REFUNDING, DEBT, cash(WECHAT)) == [0, 0, 2_000]


def test_a_notice_of_failure_is_no_refund(bench: Bench) -> None:
    wish = refunding_now(bench)
    (refund,) = refunds(bench, wish)
    notice = a_refund_notice(refund_reference=refund.reference, state=RefundState.ABNORMAL)

    assert refunding.hear(bench.store, [notice], now=LATER) == [HeardRefund.NOTED]
    assert looked_at(bench, wish).state is CorrectionState.PAYING, "nobody has told its provider of it yet"
    asked(bench, now=LATER)
    assert refunding.hear(bench.store, [notice], now=LATER) == [HeardRefund.NOTED]

    assert looked_at(bench, wish).state is CorrectionState.STUCK
    assert bench.codes(wish.account_id, cash(WECHAT)) == [5_000]


def test_money_given_back_unasked_is_a_debt_and_a_case_once(bench: Bench) -> None:
    home = bench.homes[1]
    paid(bench.store, home, name="1", amount_minor=5_000)
    notice = a_refund_notice(refunded_minor=2_000, refund_reference="by hand")

    heard = refunding.hear(bench.store, [notice, notice], now=LATER)

    assert heard == [HeardRefund.UNASKED, HeardRefund.ALREADY]
    assert bench.codes(home.account_id, DELIVERED, DEBT, cash(WECHAT)) == [-5_000, 2_000, 3_000]
    assert "refund_unasked" in cases_of(bench)
    with bench.store.transaction() as tx:
        (debt,) = tx.dues.open_debts([home.account_id])
    assert (debt.remaining_minor, debt.opened_by) == (2_000, "system")


def test_money_given_back_unasked_out_of_suspense_is_no_debt(bench: Bench) -> None:
    unknown_money(bench)
    with bench.store.transaction() as tx:
        account = tx.provider_account(WECHAT)
    assert account is not None
    notice = a_refund_notice(transaction_no="tlost", refund_reference="by hand")

    refunding.hear(bench.store, [notice], now=LATER)

    assert bench.codes(account.suspense_account_id, SUSPENSE, DEBT, cash(WECHAT)) == [0, 0, 0]


def test_a_refund_of_a_payment_that_nobody_knows_is_an_alarm(bench: Bench) -> None:
    notices = [
        a_refund_notice(transaction_no="t99"),
        a_refund_notice(transaction_no="", refund_reference="r9"),
    ]

    assert refunding.hear(bench.store, notices, now=LATER) == [HeardRefund.PAYMENT_UNKNOWN] * 2


# Charge-backs.


def test_a_charge_back_is_a_debt_and_a_case_and_nobodys_balance_falls(bench: Bench) -> None:
    home = bench.homes[1]
    paid(bench.store, home, name="1", amount_minor=5_000)

    heard = disputing.hear(bench.store, [a_dispute(DisputeState.OPENED)] * 2, now=LATER)
    lost = disputing.hear(bench.store, [a_dispute(DisputeState.LOST)] * 2, now=LATER)

    assert heard == [HeardDispute.TAKEN, HeardDispute.ALREADY]
    assert lost == [HeardDispute.TAKEN, HeardDispute.ALREADY]
    assert bench.codes(home.account_id, DELIVERED, DEBT, cash(WECHAT)) == [-5_000, 5_000, 0]
    assert "charge_back" in cases_of(bench)


def test_a_charge_back_that_is_won_ends_the_debt(bench: Bench) -> None:
    home = bench.homes[1]
    paid(bench.store, home, name="1", amount_minor=5_000)
    disputing.hear(bench.store, [a_dispute(DisputeState.OPENED)], now=LATER)

    heard = disputing.hear(bench.store, [a_dispute(DisputeState.WON)] * 2, now=LATER)

    assert heard == [HeardDispute.WON, HeardDispute.ALREADY]
    assert bench.codes(home.account_id, DEBT, cash(WECHAT), SUSPENSE) == [0, 5_000, 0]
    with bench.store.transaction() as tx:
        assert tx.dues.open_debts([home.account_id]) == []


def test_what_was_paid_of_a_debt_that_is_won_waits_in_suspense(bench: Bench) -> None:
    home = bench.homes[1]
    paid(bench.store, home, name="1", amount_minor=5_000)
    disputing.hear(bench.store, [a_dispute(DisputeState.OPENED)], now=LATER)
    paid(bench.store, home, name="2", amount_minor=2_000, now=LATER)
    (paid_minor,) = (5_000 - each for each in bench.codes(home.account_id, DEBT))
    assert paid_minor > 0

    disputing.hear(bench.store, [a_dispute(DisputeState.WON)], now=LATER)

    assert bench.codes(home.account_id, DEBT, SUSPENSE) == [0, -paid_minor]
    assert "dispute_won" in cases_of(bench)


def test_the_debt_of_a_charge_back_follows_the_credit_that_was_moved(bench: Bench) -> None:
    wrong, right = bench.homes[1], bench.homes[3]
    paid(bench.store, wrong, name="1", amount_minor=5_000)
    approved(bench, a_proposal(wrong, kind=CorrectionKind.MOVE, to_account_id=right.account_id))

    disputing.hear(bench.store, [a_dispute(DisputeState.OPENED)], now=LATER)
    assert bench.codes(right.account_id, DEBT) == [5_000]
    assert bench.codes(wrong.account_id, DEBT, cash(WECHAT)) == [0, 0]
    disputing.hear(bench.store, [a_dispute(DisputeState.WON)], now=LATER)

    assert bench.codes(right.account_id, DEBT) == [0]
    assert bench.moved_minor() == 0
    assert bench.codes(wrong.account_id, cash(WECHAT)) == [5_000]


def test_money_that_a_bank_took_back_is_placed_nowhere(bench: Bench) -> None:
    unknown_money(bench)
    disputing.hear(bench.store, [a_dispute(DisputeState.OPENED, transaction_no="tlost")], now=LATER)

    with pytest.raises(AmountNotFree):
        proposed(bench, placing(bench))

    assert bench.codes(suspense_of(bench), SUSPENSE, REFUNDING, cash(WECHAT)) == [0, 0, 0]


def test_a_proposal_that_a_dispute_overtook_waits_for_a_person_and_moves_nothing(bench: Bench) -> None:
    unknown_money(bench)
    wish = placing(bench)
    proposed(bench, wish)
    disputing.hear(bench.store, [a_dispute(DisputeState.OPENED, transaction_no="tlost")], now=LATER)

    decided = correcting.approve(
        bench.store, wish.account_id, wish.correction_id, actor=BEA, act_id=an_id("approve"), now=LATER
    )

    assert (decided.state, decided.note) == (CorrectionState.STUCK, "money_gone")
    assert bench.codes(suspense_of(bench), SUSPENSE, REFUNDING, cash(WECHAT)) == [0, 0, 0]


def test_a_payment_in_dispute_is_not_refunded_besides(bench: Bench) -> None:
    home = bench.homes[1]
    paid(bench.store, home, name="1", amount_minor=5_000)
    disputing.hear(bench.store, [a_dispute(DisputeState.OPENED)], now=LATER)

    with pytest.raises(AmountNotFree):
        proposed(bench, a_proposal(home))

    disputing.hear(bench.store, [a_dispute(DisputeState.WON)], now=LATER)
    assert proposed(bench, a_proposal(home)).state is CorrectionState.PROPOSED


def test_a_dispute_of_a_payment_that_nobody_knows_is_an_alarm(bench: Bench) -> None:
    heard = disputing.hear(bench.store, [a_dispute(DisputeState.OPENED, transaction_no="t99")], now=LATER)

    assert heard == [HeardDispute.PAYMENT_UNKNOWN]


def test_a_dispute_that_was_won_is_not_opened_by_a_late_word(bench: Bench) -> None:
    home = bench.homes[1]
    paid(bench.store, home, name="1", amount_minor=5_000)

    disputing.hear(bench.store, [a_dispute(DisputeState.WON), a_dispute(DisputeState.OPENED)], now=LATER)

    assert bench.codes(home.account_id, DEBT, cash(WECHAT)) == [0, 5_000]


# Whoever dies in between.


def _a_whole_refund(store: Mortal, wish: Proposal) -> None:
    """Do again, from the start, whatever a person, a worker and a provider do."""
    key = (wish.account_id, wish.correction_id)
    known = correcting.propose(store, wish, actor=ANA, capabilities=ABLE, now=LATER)
    if known.state is CorrectionState.PROPOSED:
        actor = replace(ANA, who="bea")
        correcting.approve(store, *key, actor=actor, act_id=an_id("yes"), now=LATER)
    correcting.sweep(store, after=0, now=LATER)
    later = LATER + store.begun * refunding.LEASE
    for question in refunding.due(store, now=later, limit=9, capabilities={WECHAT: ABLE}):
        refunding.answered(store, [(question.refund, RefundAnswer(state=RefundState.DONE))], now=later)


@pytest.mark.parametrize("keeps", [False, True])
def test_a_crash_between_any_two_steps_pays_once(keeps: bool) -> None:
    for dies_at in range(1, 9):
        memory = MemoryStore()
        bench = a_bench(memory, lambda now, store=memory: books_of(store, now=now), PLATFORM)  # type: ignore[misc]
        paid(memory, bench.home, name="1", amount_minor=5_000)
        wish = a_proposal(bench.home, payment_id=the_payment())
        mortal = Mortal(inner=memory, dies_at=dies_at, keeps=keeps)

        for _ in range(4):
            try:
                _a_whole_refund(mortal, wish)
            except Killed:
                continue

        assert mortal.deaths == [dies_at]
        assert swept(bench, wish).state is CorrectionState.DONE
        assert bench.codes(bench.home.account_id, DELIVERED, REFUNDING, cash(WECHAT)) == [0, 0, 0]
        assert len(refunds(bench, wish)) == 1
