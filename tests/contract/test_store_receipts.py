"""Receipts and the rows that they are made from: both stores alike."""

from dataclasses import replace

import pytest
from tests.unit.services.town import (
    METER,
    NOON,
    PLATFORM,
    SECOND,
    WECHAT,
    Town,
    a_notice,
    a_town,
    an_id,
    ordered,
)

from compuerta.domain.correction import Correction, CorrectionKind, CorrectionState, Way
from compuerta.domain.payment import DisputeState, Refund, RefundState
from compuerta.services import vend
from compuerta.services.correction_port import Dispute
from compuerta.services.receipt_port import HandedOut
from compuerta.services.records import Instant
from compuerta.services.store_port import Conflict, Store

PAID_AT, POSTED_AT = NOON, NOON + SECOND


def a_paid_town(store: Store, *, authority: object = PLATFORM) -> Town:
    town = a_town(store, authorities=(PLATFORM if authority is PLATFORM else METER,))
    ordered(store, town.homes[0])
    vend.accept_payments(store, [a_notice()], now=POSTED_AT)
    return town


def handed_out(store: Store, town: Town) -> HandedOut:
    account_id = town.homes[0].account_id
    with store.transaction() as tx:
        recharge_id = tx.receipts.recharge_of(account_id, provider=WECHAT, reference="order1")
    assert recharge_id is not None
    return HandedOut(
        account_id=account_id, recharge_id=recharge_id, token=an_id("token"), number="7", issued_at=NOON
    )


def test_a_recharge_is_told_with_its_payment_and_place(store: Store) -> None:
    town = a_paid_town(store)
    kept = handed_out(store, town)

    with store.transaction() as tx:
        sold = tx.receipts.sold(kept.account_id, kept.recharge_id)

    assert sold is not None
    assert (sold.organisation, sold.site, sold.meter_no, sold.currency) == (
        "Casa", "North", "000000000001", "CNY",
    )  # fmt: skip
    assert (sold.provider, sold.transaction_no, sold.refunded_minor) == (WECHAT, "t1", 0)
    assert (sold.recharge.recharge_id, sold.recharge.paid_minor) == (kept.recharge_id, 5_000)
    assert sold.attempt_id is not None
    assert sold.instants == {
        Instant.PAID: PAID_AT,
        Instant.POSTED: POSTED_AT,
        Instant.CREDITED: POSTED_AT,
    }
    assert sold.balance_after_minor == 5_000


def test_what_a_meter_was_not_heard_of_has_no_balance(store: Store) -> None:
    town = a_paid_town(store, authority=METER)
    kept = handed_out(store, town)

    with store.transaction() as tx:
        sold = tx.receipts.sold(kept.account_id, kept.recharge_id)

    assert sold is not None
    assert sold.balance_after_minor is None and Instant.CREDITED not in sold.instants


def test_a_recharge_of_another_account_is_not_told(store: Store) -> None:
    town = a_paid_town(store)
    kept = handed_out(store, town)

    with store.transaction() as tx:
        strangers = tx.receipts.sold(town.suspense_id, kept.recharge_id)
        unknown = tx.receipts.sold(kept.account_id, an_id("no recharge"))
        nothing = tx.receipts.recharge_of(kept.account_id, provider=WECHAT, reference="order2")

    assert (strangers, unknown, nothing) == (None, None, None)


def test_a_receipt_is_kept_and_found_by_its_token_alone(store: Store) -> None:
    town = a_paid_town(store)
    kept = replace(handed_out(store, town), bought_wh=123)

    with store.transaction() as tx:
        tx.receipts.put(kept)

    with store.transaction() as tx:
        assert tx.receipts.handed_out(kept.account_id, kept.recharge_id) == kept
        assert tx.receipts.by_token(kept.token) == kept
        assert tx.receipts.by_token(an_id("guessed")) is None
        assert tx.receipts.handed_out(kept.account_id, an_id("no recharge")) is None


def test_a_recharge_has_one_receipt(store: Store) -> None:
    town = a_paid_town(store)
    kept = handed_out(store, town)
    with store.transaction() as tx:
        tx.receipts.put(kept)

    with pytest.raises(Conflict), store.transaction() as tx:
        tx.receipts.put(replace(kept, token=an_id("another token")))

    with store.transaction() as tx:
        assert tx.receipts.by_token(an_id("another token")) is None


def test_prints_are_counted_and_nothing_else_changes(store: Store) -> None:
    town = a_paid_town(store)
    kept = handed_out(store, town)
    with store.transaction() as tx:
        tx.receipts.put(kept)

    with store.transaction() as tx:
        tx.receipts.count_print(replace(kept, prints=2))

    with store.transaction() as tx:
        assert tx.receipts.handed_out(kept.account_id, kept.recharge_id) == replace(kept, prints=2)


def test_money_that_went_back_is_told(store: Store) -> None:
    town = a_paid_town(store)
    kept = handed_out(store, town)
    with store.transaction() as tx:
        known = tx.payments_known([(WECHAT, "t1")])
        payment_id = known[WECHAT, "t1"].payment_id
        refund = Refund(
            account_id=kept.account_id,
            refund_id=an_id("refund"),
            correction_id=None,
            payment_id=payment_id,
            provider=WECHAT,
            reference="refund1",
            amount_minor=2_000,
            currency="CNY",
            created_at=NOON,
            state=RefundState.DONE,
            ended_at=NOON,
        )
        other = replace(
            refund,
            refund_id=an_id("other"),
            correction_id=an_id("correction"),
            reference="refund2",
            state=RefundState.SENT,
            ended_at=None,
        )
        correction = Correction(
            account_id=kept.account_id,
            correction_id=an_id("correction"),
            organisation_id=town.organisation_id,
            kind=CorrectionKind.REFUND,
            state=CorrectionState.PAYING,
            amount_minor=2_000,
            currency="CNY",
            payment_id=payment_id,
            way=Way.PROVIDER,
            why="wrong meter",
            proposed_by="ana",
            proposed_at=NOON,
            decided_by="bea",
            decided_at=NOON,
        )
        tx.corrections.put(correction)
        dispute = Dispute(
            account_id=kept.account_id,
            dispute_id=an_id("dispute"),
            provider=WECHAT,
            dispute_no="d1",
            payment_id=payment_id,
            amount_minor=500,
            currency="CNY",
            state=DisputeState.LOST,
            opened_at=NOON,
            ended_at=NOON,
        )
        for each in (refund, other):
            tx.corrections.put_refund(each)
        tx.corrections.put_dispute(dispute)

    with store.transaction() as tx:
        sold = tx.receipts.sold(kept.account_id, kept.recharge_id)

    assert sold is not None
    assert (sold.refunded_minor, sold.undone) == (2_500, False)


@pytest.mark.parametrize(
    ("kind", "state", "undone"),
    [
        (CorrectionKind.MOVE, CorrectionState.DONE, True),
        (CorrectionKind.VOID, CorrectionState.DONE, True),
        (CorrectionKind.VOID, CorrectionState.STUCK, False),
        (CorrectionKind.REFUND, CorrectionState.DONE, False),
    ],
)
def test_credit_that_two_people_took_back_is_undone(
    store: Store, kind: CorrectionKind, state: CorrectionState, undone: bool
) -> None:
    town = a_paid_town(store)
    kept = handed_out(store, town)
    with store.transaction() as tx:
        payment_id = tx.payments_known([(WECHAT, "t1")])[WECHAT, "t1"].payment_id
        tx.corrections.put(
            Correction(
                account_id=kept.account_id,
                correction_id=an_id("correction"),
                organisation_id=town.organisation_id,
                kind=kind,
                amount_minor=5_000,
                currency="CNY",
                payment_id=payment_id,
                why="another room",
                proposed_by="ana",
                proposed_at=NOON,
                state=state,
                to_account_id=town.homes[0].account_id if kind is CorrectionKind.MOVE else None,
                way=Way.PROVIDER if kind is CorrectionKind.REFUND else None,
                decided_by="bruno",
                decided_at=NOON,
                ended_at=NOON if state is CorrectionState.DONE else None,
            )
        )

    with store.transaction() as tx:
        sold = tx.receipts.sold(kept.account_id, kept.recharge_id)

    assert sold is not None and sold.undone is undone
