"""Disputing: a payer's bank takes money back, and what was bought with it is owed.

The provider has the money from the moment that a dispute is opened. What was credited is a debt from then on,
which recharges recover; nobody's balance falls silently. What was never credited goes out of suspense. A
dispute that is won brings the money back, and ends the debt; what recharges have paid of it meanwhile is the
payer's, and waits in suspense for a person.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import Enum
from uuid import UUID

from compuerta.domain.correction import Correction, CorrectionKind, CorrectionState
from compuerta.domain.division import Debt, DebtKind
from compuerta.domain.ledger import DEBT, MOVED, SUSPENSE, Line, Posting, PostingKind, cash
from compuerta.domain.money import format_minor
from compuerta.domain.naming import derived, named
from compuerta.domain.payment import DisputeNotice, DisputeState
from compuerta.services import booking
from compuerta.services.correction_port import Dispute
from compuerta.services.records import Alarm, Case, Payment, PaymentVerdict
from compuerta.services.store_port import Store, Transaction


class HeardDispute(Enum):
    """What a provider's word about a dispute came to."""

    TAKEN = "taken"  # the money is gone, and owed
    WON = "won"
    ALREADY = "already"
    PAYMENT_UNKNOWN = "payment_unknown"  # an alarm


@dataclass(frozen=True, slots=True, kw_only=True)
class Loss:
    """Money of a payment that its provider has taken back."""

    payment: Payment
    amount_minor: int
    cause_id: UUID
    kind: PostingKind


def hear(store: Store, notices: Sequence[DisputeNotice], *, now: datetime) -> list[HeardDispute]:
    """Take providers' verified words about disputes; said again, nothing moves."""
    return [_hear(store, notice, now=now) for notice in notices]


def accounts_of(tx: Transaction, payment: Payment) -> set[int]:
    """Return the accounts that a loss of a payment may touch, to be locked together."""
    return {payment.account_id, _debtor(tx, payment)}


def lose(tx: Transaction, loss: Loss, *, why: str, now: datetime) -> UUID | None:
    """Book money that is gone; returns the debt of whoever had its credit, None where it was in suspense."""
    payment, debtor = loss.payment, _debtor(tx, loss.payment)
    gone = Line(code=cash(payment.provider), amount_minor=-loss.amount_minor)
    if _is_in_suspense(tx, payment):
        _book(
            tx, loss, payment.account_id, (Line(code=SUSPENSE, amount_minor=loss.amount_minor), gone), now=now
        )
        return None
    owed = Line(code=DEBT, amount_minor=loss.amount_minor)
    if debtor == payment.account_id:
        _book(tx, loss, debtor, (owed, gone), now=now)
    else:  # the credit was moved there since
        there = Line(code=MOVED, amount_minor=-loss.amount_minor)
        _book(tx, loss, payment.account_id, (replace(there, amount_minor=loss.amount_minor), gone), now=now)
        _book(tx, loss, debtor, (owed, there), now=now)
    debt_id = derived(loss.cause_id, "debt")
    tx.dues.put_debts(
        [
            Debt(
                account_id=debtor,
                debt_id=debt_id,
                kind=DebtKind.CHARGE_BACK,
                name=payment.transaction_no,
                opened_minor=loss.amount_minor,
                remaining_minor=loss.amount_minor,
                opened_at=now,
                opened_by="system",
                why=why,
                cause_id=loss.cause_id,
            )
        ]
    )
    return debt_id


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
        tx.lock_accounts(accounts_of(tx, payment), now=now)
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
    if notice.state is DisputeState.WON:  # it was lost on the way that it was opened: nothing was taken
        tx.corrections.put_dispute(opened)
        return HeardDispute.WON
    loss = Loss(
        payment=payment,
        amount_minor=notice.amount_minor,
        cause_id=dispute_id,
        kind=PostingKind.DISPUTE,
    )
    debt_id = lose(tx, loss, why=f"dispute {notice.dispute_no}", now=now)
    tx.corrections.put_dispute(replace(opened, debt_id=debt_id))
    amount = format_minor(notice.amount_minor, currency=payment.currency)
    detail = f"{notice.provider} {payment.transaction_no}: {amount} {payment.currency}"
    tx.put_cases([_case(payment, dispute_id, kind="charge_back", detail=detail, now=now)])
    return HeardDispute.TAKEN


def _win(tx: Transaction, payment: Payment, dispute: Dispute, *, now: datetime) -> None:
    """Bring the money back where it was: out of the debt, and what was paid of it into suspense."""
    back = Loss(
        payment=payment,
        amount_minor=dispute.amount_minor,
        cause_id=derived(dispute.dispute_id, "won"),
        kind=PostingKind.DISPUTE,
    )
    came = Line(code=cash(payment.provider), amount_minor=dispute.amount_minor)
    debtor = _debtor(tx, payment)
    debt = None if dispute.debt_id is None else tx.dues.debt(debtor, dispute.debt_id)
    remaining_minor = 0 if debt is None else debt.remaining_minor
    paid_minor = dispute.amount_minor - remaining_minor
    if debt is not None and remaining_minor:
        tx.dues.save_debts([replace(debt, remaining_minor=0)])
    if debtor != payment.account_id and remaining_minor:
        out = Line(code=MOVED, amount_minor=remaining_minor)
        _book(tx, back, debtor, (out, Line(code=DEBT, amount_minor=-remaining_minor)), now=now)
    owed = DEBT if debtor == payment.account_id else MOVED
    amounts = ((owed, remaining_minor), (SUSPENSE, paid_minor))
    lines = tuple(
        Line(code=code, amount_minor=-amount_minor) for code, amount_minor in amounts if amount_minor
    )
    _book(tx, back, payment.account_id, (came, *lines), now=now)
    if paid_minor and dispute.debt_id is not None:
        amount = format_minor(paid_minor, currency=payment.currency)
        detail = f"{dispute.dispute_no}: {amount} {payment.currency} of the debt were paid: give them back"
        tx.put_cases([_case(payment, dispute.dispute_id, kind="dispute_won", detail=detail, now=now)])


def _debtor(tx: Transaction, payment: Payment) -> int:
    """Return whose credit a payment became: where two people have put it, or where it came."""
    for each in reversed(tx.corrections.of_payment(payment.account_id, payment.payment_id)):
        if _has_moved(each) and each.to_account_id is not None:
            return each.to_account_id
    return payment.account_id


def _has_moved(correction: Correction) -> bool:
    moves = correction.kind in (CorrectionKind.PLACE, CorrectionKind.MOVE)
    return moves and correction.state is CorrectionState.DONE


def _is_in_suspense(tx: Transaction, payment: Payment) -> bool:
    corrections = tx.corrections.of_payment(payment.account_id, payment.payment_id)
    used = any(
        each.state
        in (CorrectionState.TAKING_BACK, CorrectionState.PAYING, CorrectionState.DONE, CorrectionState.STUCK)
        for each in corrections
    )
    return payment.verdict is PaymentVerdict.SUSPENDED and not used


def _case(payment: Payment, about: UUID, *, kind: str, detail: str, now: datetime) -> Case:
    return Case(
        account_id=payment.account_id,
        case_id=derived(about, f"case:{kind}"),
        kind=kind,
        detail=detail,
        opened_at=now,
    )


def _book(tx: Transaction, loss: Loss, account_id: int, lines: tuple[Line, ...], *, now: datetime) -> None:
    booking.book(
        tx,
        [
            Posting(
                account_id=account_id,
                posting_id=derived(loss.cause_id, f"{loss.kind.value}:{account_id}"),
                kind=loss.kind,
                currency=loss.payment.currency,
                lines=lines,
                booked_at=now,
                cause_id=loss.cause_id,
            )
        ],
    )
