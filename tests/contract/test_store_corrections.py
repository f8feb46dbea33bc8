"""Corrections, refunds, disputes and cases: both stores keep the same, and refuse the same."""

from dataclasses import replace

import pytest
from tests.unit.services.town import (
    METER,
    NOON,
    SECOND,
    WECHAT,
    Home,
    a_delivery,
    a_payment,
    a_posting,
    a_recharge,
    a_town,
    an_id,
)

from compuerta.domain.correction import Correction, CorrectionKind, CorrectionState, Event, Way
from compuerta.domain.instruction import Instruction, Kind, State
from compuerta.domain.ledger import PostingKind
from compuerta.domain.payment import DisputeState, Refund, RefundState
from compuerta.services.correction_port import Dispute
from compuerta.services.records import Case
from compuerta.services.store_port import Conflict, ConstraintBroken, Store


@pytest.fixture
def home(store: Store) -> Home:
    """A home that has paid once."""
    home = a_town(store, authorities=(METER,)).homes[0]
    with store.transaction() as tx:
        tx.put_payments([a_payment(home.account_id)])
        tx.put_recharges([a_recharge(home)])
        tx.book([a_posting(home.account_id)])
    return home


def a_correction(home: Home, *, name: str = "correction", **changes: object) -> Correction:
    made = Correction(
        account_id=home.account_id,
        correction_id=an_id(name),
        organisation_id=1,
        kind=CorrectionKind.REFUND,
        amount_minor=5_000,
        currency="CNY",
        why="paid twice",
        proposed_by="ana",
        proposed_at=NOON,
        payment_id=a_payment(home.account_id).payment_id,
        way=Way.PROVIDER,
    )
    return replace(made, **changes)  # type: ignore[arg-type] each field is given by its name


def decided(correction: Correction) -> Correction:
    return correction.decided(Event.APPROVED, by="bea", note="seen", now=NOON + SECOND)


def a_refund(home: Home, *, name: str = "refund", **changes: object) -> Refund:
    made = Refund(
        account_id=home.account_id,
        refund_id=an_id(name),
        correction_id=an_id("correction"),
        payment_id=a_payment(home.account_id).payment_id,
        provider=WECHAT,
        reference=name,
        amount_minor=5_000,
        currency="CNY",
        created_at=NOON,
        ask_at=NOON,
    )
    return replace(made, **changes)  # type: ignore[arg-type] each field is given by its name


def a_withdrawal(home: Home, *, number: int, name: str = "withdrawal") -> Instruction:
    return Instruction(
        meter_id=home.meter_id,
        instruction_id=an_id(name),
        account_id=home.account_id,
        kind=Kind.WITHDRAWAL,
        created_at=NOON,
        due_at=NOON,
        amount_minor=5_000,
        purchase_no=number,
        correction_id=an_id("correction"),
    )


def test_a_correction_comes_back_as_it_was_kept(store: Store, home: Home) -> None:
    proposed = a_correction(home)
    with store.transaction() as tx:
        tx.corrections.put(proposed)
    key = (home.account_id, proposed.correction_id)

    with store.transaction() as tx:
        assert tx.corrections.glance(*key) == tx.corrections.correction(*key) == proposed
        tx.corrections.save(decided(proposed))
    with store.transaction() as tx:
        assert tx.corrections.correction(*key) == decided(proposed)
        assert tx.corrections.taking_back(after=0, limit=9) == [decided(proposed)]
        assert tx.corrections.taking_back(after=home.account_id, limit=9) == []
        assert tx.corrections.correction(home.account_id, an_id("none")) is None


def test_who_proposed_decides_for_no_store(store: Store, home: Home) -> None:
    with store.transaction() as tx:
        tx.corrections.put(a_correction(home))
    alone = replace(decided(a_correction(home)), decided_by="ana")

    with pytest.raises(ConstraintBroken), store.transaction() as tx:
        tx.corrections.save(alone)


def test_what_ended_has_an_end(store: Store, home: Home) -> None:
    with store.transaction() as tx:
        tx.corrections.put(a_correction(home))
    endless = replace(decided(a_correction(home)), state=CorrectionState.DONE)

    with pytest.raises(ConstraintBroken), store.transaction() as tx:
        tx.corrections.save(endless)


@pytest.mark.parametrize(
    "wrong",
    [
        {"payment_id": None},
        {"debt_id": an_id("debt")},
        {"kind": CorrectionKind.ADJUST, "way": None},
        {"kind": CorrectionKind.WRITE_OFF, "way": None, "payment_id": None},
    ],
)
def test_a_correction_says_of_what_it_is(store: Store, home: Home, wrong: dict[str, object]) -> None:
    with pytest.raises(ConstraintBroken), store.transaction() as tx:
        tx.corrections.put(a_correction(home, **wrong))


@pytest.mark.parametrize(
    "wrong",
    [{"correction_id": None}, {"state": RefundState.DONE, "ended_at": NOON}],
    ids=["unasked and open", "done and to be asked about"],
)
def test_a_refund_that_is_nobodys_or_over_is_not_asked_about(
    store: Store, home: Home, wrong: dict[str, object]
) -> None:
    with store.transaction() as tx:
        tx.corrections.put(a_correction(home))

    with pytest.raises(ConstraintBroken), store.transaction() as tx:
        tx.corrections.put_refund(a_refund(home, **wrong))


def test_of_a_payment_one_thing_is_open_at_a_time(store: Store, home: Home) -> None:
    first = a_correction(home)
    with store.transaction() as tx:
        tx.corrections.put(first)
    second = a_correction(home, name="second", proposed_at=NOON + SECOND)

    with pytest.raises(Conflict), store.transaction() as tx:
        tx.corrections.put(second)
    ended = first.decided(Event.REJECTED, by="bea", note="no", now=NOON)
    with store.transaction() as tx:
        tx.corrections.save(ended)
    with store.transaction() as tx:
        tx.corrections.put(second)

    assert first.payment_id is not None
    with store.transaction() as tx:
        assert tx.corrections.of_payment(home.account_id, first.payment_id) == [ended, second]


def test_a_payment_is_found_with_what_became_of_it(store: Store, home: Home) -> None:
    payment, recharge = a_payment(home.account_id), a_recharge(home)
    with store.transaction() as tx:
        assert tx.corrections.payment(home.account_id, payment.payment_id) == payment
        assert tx.corrections.recharge_of(home.account_id, payment.payment_id) == recharge
        assert tx.corrections.payment(home.account_id, an_id("none")) is None
        posting = a_posting(home.account_id)
        assert tx.corrections.posting(home.account_id, posting.cause_id, posting.kind) == posting
        assert tx.corrections.posting(home.account_id, posting.cause_id, PostingKind.REFUND) is None


def test_a_refund_is_claimed_by_one_and_again_when_that_one_died(store: Store, home: Home) -> None:
    with store.transaction() as tx:
        tx.corrections.put(a_correction(home))
        tx.corrections.put_refund(a_refund(home))

    with store.transaction() as tx:
        (claimed,) = tx.corrections.claim_refunds(now=NOON, until=NOON + SECOND, limit=9)
    with store.transaction() as tx:
        assert tx.corrections.claim_refunds(now=NOON, until=NOON + SECOND, limit=9) == []
        assert tx.corrections.claim_refunds(now=NOON + SECOND, until=NOON + 2 * SECOND, limit=9)
        assert claimed == a_refund(home, ask_at=NOON + SECOND)
        assert tx.corrections.refund_by_reference(provider=WECHAT, reference="refund") is not None
        assert tx.corrections.refund_by_reference(provider="till", reference="refund") is None


def test_a_correction_has_one_refund_under_way(store: Store, home: Home) -> None:
    with store.transaction() as tx:
        tx.corrections.put(a_correction(home))
        tx.corrections.put_refund(a_refund(home))

    with pytest.raises(Conflict), store.transaction() as tx:
        tx.corrections.put_refund(a_refund(home, name="second"))
    closed = a_refund(home, state=RefundState.CLOSED, ask_at=None, ended_at=NOON)
    with store.transaction() as tx:
        tx.corrections.save_refunds([closed])
    with store.transaction() as tx:
        tx.corrections.put_refund(a_refund(home, name="second", created_at=NOON + SECOND))

    with store.transaction() as tx:
        found = tx.corrections.refunds_of(home.account_id, closed.payment_id)
        assert [each.reference for each in found] == ["refund", "second"]
        assert tx.corrections.refund(home.account_id, closed.refund_id) == closed


def test_a_refund_reference_is_used_once(store: Store, home: Home) -> None:
    unasked = a_refund(home, correction_id=None, state=RefundState.DONE, ask_at=None, ended_at=NOON)
    with store.transaction() as tx:
        tx.corrections.put_refund(unasked)

    with pytest.raises(Conflict), store.transaction() as tx:
        tx.corrections.put_refund(replace(unasked, refund_id=an_id("other")))


def test_a_number_that_was_not_used_is_given_again_and_later_ones_move_down(store: Store, home: Home) -> None:
    refused = a_withdrawal(home, number=1)
    later = [
        replace(a_delivery(home, purchase_no=number), kind=Kind.WITHDRAWAL, recharge_id=None,
                correction_id=an_id(f"of {number}"))
        for number in (2, 3)
    ]  # fmt: skip
    with store.transaction() as tx:
        tx.put_instructions([refused, *later])
    with store.transaction() as tx:
        tx.save_instructions([replace(refused, state=State.REFUSED, ended_at=NOON)])
        tx.corrections.give_back_number(home.meter_id, purchase_no=1)

    with store.transaction() as tx:
        moved = tx.instructions([(home.meter_id, each.instruction_id) for each in later])
        view = tx.lock_accounts([home.account_id], now=NOON)[home.account_id]
    assert [moved[each.instruction_id].purchase_no for each in later] == [1, 2]
    assert view.snapshot is not None and view.snapshot.purchase_no_last == 2
    with pytest.raises(Conflict), store.transaction() as tx:
        tx.put_instructions([a_withdrawal(home, number=2, name="third")])


def test_a_correction_withdraws_once_unless_it_was_refused(store: Store, home: Home) -> None:
    first = a_withdrawal(home, number=1)
    with store.transaction() as tx:
        tx.put_instructions([first])

    with pytest.raises(Conflict), store.transaction() as tx:
        tx.put_instructions([a_withdrawal(home, number=2, name="second")])
    with store.transaction() as tx:
        tx.save_instructions([replace(first, state=State.REFUSED, ended_at=NOON)])
    again = replace(a_withdrawal(home, number=2, name="second"), created_at=NOON + SECOND)
    with store.transaction() as tx:
        tx.put_instructions([again])

    with store.transaction() as tx:
        found = tx.corrections.withdrawals(an_id("correction"))
    assert [each.instruction_id for each in found] == [first.instruction_id, again.instruction_id]


def test_a_dispute_is_kept_and_ends(store: Store, home: Home) -> None:
    opened = Dispute(
        account_id=home.account_id,
        dispute_id=an_id("dispute"),
        provider=WECHAT,
        dispute_no="d1",
        payment_id=a_payment(home.account_id).payment_id,
        amount_minor=5_000,
        currency="CNY",
        state=DisputeState.OPENED,
        opened_at=NOON,
    )
    lost = replace(opened, state=DisputeState.LOST, ended_at=NOON + SECOND)
    with store.transaction() as tx:
        tx.corrections.put_dispute(opened)
    with store.transaction() as tx:
        assert tx.corrections.dispute(home.account_id, opened.dispute_id) == opened
        tx.corrections.save_dispute(lost)

    with store.transaction() as tx:
        assert tx.corrections.dispute(home.account_id, opened.dispute_id) == lost
        assert tx.corrections.disputes_of(home.account_id, opened.payment_id) == [lost]
        assert tx.corrections.dispute(home.account_id, an_id("none")) is None
        assert tx.corrections.disputes_of(home.account_id, an_id("none")) == []


def test_a_case_has_an_owner_and_ends_with_an_outcome(store: Store, home: Home) -> None:
    case = Case(
        account_id=home.account_id, case_id=an_id("case"), kind="charge_back", detail="why", opened_at=NOON
    )
    with store.transaction() as tx:
        tx.put_cases([case])
    with store.transaction() as tx:
        found = tx.corrections.case(home.account_id, case.case_id)
        assert found is not None and (found.kind, found.owner, found.outcome) == ("charge_back", None, None)
        tx.corrections.save_case(replace(found, owner="ana"))
    with store.transaction() as tx:
        taken = tx.corrections.case(home.account_id, case.case_id)
        assert taken is not None and taken.owner == "ana"

    with pytest.raises(ConstraintBroken), store.transaction() as tx:
        tx.corrections.save_case(replace(taken, closed_at=NOON))
    with store.transaction() as tx:
        assert tx.corrections.case(home.account_id, an_id("none")) is None
