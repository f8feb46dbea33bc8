"""Disputing: a payer's bank takes money back, and what was bought with it is owed.

The provider has the money from the moment that a dispute is opened. What was credited is a debt from then on,
which recharges recover; nobody's balance falls silently. What was never credited goes out of suspense. A
dispute that is won brings the money back, and ends the debt; what recharges have paid of it meanwhile is the
payer's, and waits in suspense for a person.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from enum import Enum
from uuid import UUID

from compuerta.domain.ledger import DEBT, MOVED, SUSPENSE, PostingKind, cash
from compuerta.domain.money import format_minor
from compuerta.domain.naming import derived, named
from compuerta.domain.payment import DisputeNotice, DisputeState
from compuerta.services import losing
from compuerta.services.correction_port import Dispute
from compuerta.services.losing import Loss
from compuerta.services.records import Alarm, Payment
from compuerta.services.store_port import Store, Transaction


class HeardDispute(Enum):
    """What a provider's word about a dispute came to."""

    TAKEN = "taken"  # the money is gone, and owed
    WON = "won"
    ALREADY = "already"
    NOTED = "noted"  # nothing was taken, or nothing that could be of this payment: then, a case
    PAYMENT_UNKNOWN = "payment_unknown"  # an alarm


def hear(store: Store, notices: Sequence[DisputeNotice], *, now: datetime) -> list[HeardDispute]:
    """Take providers' verified words about disputes; said again, nothing moves."""
    return [_hear(store, notice, now=now) for notice in notices]


def _hear(store: Store, notice: DisputeNotice, *, now: datetime) -> HeardDispute:
    with store.transaction() as tx:
        key = (notice.provider, notice.transaction_no)
        payment = tx.payments_known([key]).get(key)
        if payment is None:
            detail = f"{notice.dispute_no}: {notice.amount_minor} {notice.currency}"
            tx.put_alarms(
                [Alarm(kind="dispute_of_unknown_payment", subject=notice.provider, detail=detail, at=now)]
            )
            return HeardDispute.PAYMENT_UNKNOWN
        tx.lock_accounts(losing.accounts_of(tx, payment), now=now)
        dispute_id = named("dispute", notice.provider, notice.dispute_no)
        known = tx.corrections.dispute(payment.account_id, dispute_id)
        if known is None:
            return _hear_first(tx, payment, notice, dispute_id, now=now)
        if known.state is not DisputeState.OPENED or notice.state is DisputeState.OPENED:
            return HeardDispute.ALREADY  # evidence only grows: nothing reopens what has ended
        tx.corrections.save_dispute(replace(known, state=notice.state, ended_at=now))
        if notice.state is DisputeState.LOST:
            return HeardDispute.TAKEN
        _win(tx, payment, known, now=now)
        return HeardDispute.WON


def _hear_first(
    tx: Transaction, payment: Payment, notice: DisputeNotice, dispute_id: UUID, *, now: datetime
) -> HeardDispute:
    if notice.amount_minor <= 0:
        return HeardDispute.NOTED
    if notice.currency != payment.currency:
        losing.tell_excess(tx, payment, dispute_id, notice.amount_minor, currency=notice.currency, now=now)
        return HeardDispute.NOTED
    opened = Dispute(
        account_id=payment.account_id,
        dispute_id=dispute_id,
        provider=notice.provider,
        dispute_no=notice.dispute_no,
        payment_id=payment.payment_id,
        amount_minor=notice.amount_minor,
        currency=notice.currency,
        state=notice.state,
        opened_at=notice.at,
        ended_at=None if notice.state is DisputeState.OPENED else now,
    )
    tx.corrections.put_dispute(opened)
    if notice.state is DisputeState.WON:  # it was lost on the way that it was opened: nothing was taken
        return HeardDispute.WON
    loss = Loss(
        payment=payment,
        amount_minor=notice.amount_minor,
        cause_id=dispute_id,
        kind=PostingKind.DISPUTE,
        why=f"dispute {notice.dispute_no}",
    )
    losing.lose(tx, loss, now=now)
    for debt in losing.owed(tx, payment, dispute_id).values():
        tx.corrections.save_dispute(replace(opened, debt_id=debt.debt_id))
    amount = format_minor(notice.amount_minor, currency=payment.currency)
    detail = f"{notice.provider} {payment.transaction_no}: {amount} {payment.currency}"
    losing.tell(tx, payment, dispute_id, kind="charge_back", detail=detail, now=now)
    return HeardDispute.TAKEN


def _win(tx: Transaction, payment: Payment, dispute: Dispute, *, now: datetime) -> None:
    """Bring the money back where it was: out of its debts, and what was paid of them into suspense."""
    came_minor = losing.lost_minor(tx, payment, dispute.dispute_id, PostingKind.DISPUTE)
    debts = losing.owed(tx, payment, dispute.dispute_id)
    back = Loss(
        payment=payment,
        amount_minor=came_minor,
        cause_id=derived(dispute.dispute_id, "won"),
        kind=PostingKind.DISPUTE,
        why="",
    )
    remaining = {account_id: debt.remaining_minor for account_id, debt in debts.items()}
    home_minor = remaining.pop(payment.account_id, 0)
    elsewhere_minor = sum(remaining.values())
    amounts = {
        cash(payment.provider): came_minor,
        DEBT: -home_minor,
        MOVED: -elsewhere_minor,
        SUSPENSE: home_minor + elsewhere_minor - came_minor,
    }
    losing.book(tx, back, payment.account_id, amounts, now=now)
    for account_id, minor in remaining.items():
        losing.book(tx, back, account_id, {MOVED: minor, DEBT: -minor}, now=now)
    tx.dues.save_debts([replace(debt, remaining_minor=0) for debt in debts.values()])
    paid_minor = sum(debt.opened_minor - debt.remaining_minor for debt in debts.values())
    if paid_minor:
        amount = format_minor(paid_minor, currency=payment.currency)
        detail = f"{dispute.dispute_no}: {amount} {payment.currency} of the debt were paid: give them back"
        losing.tell(tx, payment, dispute.dispute_id, kind="dispute_won", detail=detail, now=now)
