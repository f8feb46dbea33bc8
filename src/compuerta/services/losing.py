"""Losing: a provider, or a payer's bank, takes money of a payment back, and somebody bears the loss.

What was never credited goes out of suspense; what was credited is owed by whoever has it, and nobody's
balance falls silently. Whoever paid comes first, then those to whom two people have moved the rest. No more
can be lost than is left of a payment: what a provider says beyond that is a case and an alarm, no posting.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from compuerta.domain.correction import Correction, CorrectionKind, CorrectionState, Event
from compuerta.domain.division import Debt, DebtKind
from compuerta.domain.ledger import (
    DEBT,
    MOVED,
    REFUNDING,
    SUSPENSE,
    Line,
    Posting,
    PostingKind,
    cash,
    liability_minor,
    transfer,
)
from compuerta.domain.money import format_minor
from compuerta.domain.naming import derived
from compuerta.domain.payment import DisputeState, Refund, RefundState
from compuerta.services import booking, taking_back, withdrawing
from compuerta.services.records import Alarm, Case, Payment, PaymentVerdict
from compuerta.services.store_port import Transaction

EXCEEDS = "loss_exceeds"
_OPEN = frozenset({CorrectionState.TAKING_BACK, CorrectionState.PAYING, CorrectionState.STUCK})
_ELSEWHERE = frozenset({CorrectionKind.PLACE, CorrectionKind.MOVE})


@dataclass(frozen=True, slots=True, kw_only=True)
class Loss:
    """Money of a payment that is gone; the refund or dispute that tells of it is written already."""

    payment: Payment
    amount_minor: int
    cause_id: UUID
    kind: PostingKind
    why: str


def accounts_of(tx: Transaction, payment: Payment) -> set[int]:
    """Return the accounts that a loss of a payment may touch, to be locked together."""
    corrections = tx.corrections.of_payment(payment.account_id, payment.payment_id)
    return {payment.account_id} | {
        each.to_account_id for each in corrections if each.to_account_id is not None
    }


def debt_of(cause_id: UUID, account_id: int) -> UUID:
    """Return the name of the debt by which an account owes its part of a loss."""
    return derived(cause_id, f"debt:{account_id}")


def lose(tx: Transaction, loss: Loss, *, now: datetime) -> None:
    """Book money that is gone; what is on its way to its payer too is stopped where it still can be."""
    payment = loss.payment
    if taking_back.spoken_for(tx, payment) > payment.amount_minor:
        _stop(tx, payment, now=now)
    in_suspense = payment.verdict is PaymentVerdict.SUSPENDED
    home_minor, owing = _shares(tx, loss)
    lost_minor = home_minor + sum(owing.values())
    if not in_suspense:
        owing = {**owing, payment.account_id: owing.get(payment.account_id, 0) + home_minor}
    own_minor = owing.get(payment.account_id, 0)  # what was in suspense may have been placed at home
    suspended_minor = home_minor if in_suspense else 0
    amounts = {
        SUSPENSE: suspended_minor,
        DEBT: own_minor,
        MOVED: lost_minor - suspended_minor - own_minor,
        cash(payment.provider): -lost_minor,
    }
    book(tx, loss, payment.account_id, amounts, now=now)
    for account_id, minor in owing.items():
        if account_id != payment.account_id:
            book(tx, loss, account_id, {DEBT: minor, MOVED: -minor}, now=now)
        if minor:
            tx.dues.put_debts([_debt(loss, account_id, minor, now=now)])
    if lost_minor < loss.amount_minor:
        rest_minor = loss.amount_minor - lost_minor
        tell_excess(tx, payment, loss.cause_id, rest_minor, currency=payment.currency, now=now)


def owed(tx: Transaction, payment: Payment, cause_id: UUID) -> dict[int, Debt]:
    """Return the debts that a loss has opened, by account."""
    found = {
        account_id: tx.dues.debt(account_id, debt_of(cause_id, account_id))
        for account_id in accounts_of(tx, payment)
    }
    return {account_id: debt for account_id, debt in found.items() if debt is not None}


def lost_minor(tx: Transaction, payment: Payment, cause_id: UUID, kind: PostingKind) -> int:
    """Return how much of a loss was booked."""
    posting = tx.corrections.posting(payment.account_id, cause_id, kind)
    return 0 if posting is None else liability_minor(posting, code=cash(payment.provider))


def tell_excess(
    tx: Transaction, payment: Payment, about: UUID, minor: int, *, currency: str, now: datetime
) -> None:
    """Tell people that a provider says more is gone than can be of a payment; nothing of it is booked."""
    amount = format_minor(minor, currency=currency)
    detail = f"{payment.provider} {payment.transaction_no}: {amount} {currency}"
    tx.put_alarms([Alarm(kind=EXCEEDS, subject=payment.provider, detail=detail, at=now)])
    tell(tx, payment, about, kind=EXCEEDS, detail=detail, now=now)


def tell(tx: Transaction, payment: Payment, about: UUID, *, kind: str, detail: str, now: datetime) -> None:
    """Open a case about a loss, once."""
    case_id = derived(about, f"case:{kind}")
    tx.put_cases(
        [Case(account_id=payment.account_id, case_id=case_id, kind=kind, detail=detail, opened_at=now)]
    )


def book(tx: Transaction, loss: Loss, account_id: int, amounts: Mapping[str, int], *, now: datetime) -> None:
    """Book what a loss, or its end, moves on one account: debits by code; nothing where nothing moves."""
    lines = tuple(Line(code=code, amount_minor=minor) for code, minor in amounts.items() if minor)
    if not lines:
        return
    posting = Posting(
        account_id=account_id,
        posting_id=derived(loss.cause_id, f"{loss.kind.value}:{account_id}"),
        kind=loss.kind,
        currency=loss.payment.currency,
        lines=lines,
        booked_at=now,
        cause_id=loss.cause_id,
    )
    booking.book(tx, [posting])


def was_never_told(refund: Refund) -> bool:
    """Tell whether nobody has claimed a refund yet to tell its provider of it."""
    untouched = not refund.asks and not refund.last_answer and refund.ask_at == refund.created_at
    return refund.state is RefundState.WAITING and untouched


def close_untold(tx: Transaction, payment: Payment, *, now: datetime) -> None:
    """End the refunds of a payment of which no provider can know."""
    refunds = tx.corrections.refunds_of(payment.account_id, payment.payment_id)
    closed = [
        replace(each, state=RefundState.CLOSED, ask_at=None, ended_at=now, last_answer=taking_back.MONEY_GONE)
        for each in refunds
        if was_never_told(each)
    ]
    tx.corrections.save_refunds(closed)


def _stop(tx: Transaction, payment: Payment, *, now: datetime) -> None:
    """Stop what would give away what is gone; money that was in suspense is there again."""
    close_untold(tx, payment, now=now)
    for each in tx.corrections.of_payment(payment.account_id, payment.payment_id):
        if each.state is CorrectionState.PAYING:
            each = withdrawing.hinder(tx, each, reason=taking_back.MONEY_GONE, now=now)
        if each.state is CorrectionState.STUCK and payment.verdict is PaymentVerdict.SUSPENDED:
            _bring_back(tx, each, now=now)


def _bring_back(tx: Transaction, correction: Correction, *, now: datetime) -> None:
    """Give up a correction of money that was in suspense, unless its provider may still pay it."""
    if not _left_suspense(tx, correction) or _is_in_doubt(tx, correction):
        return
    cause_id = derived(correction.correction_id, "back")
    posting = Posting(
        account_id=correction.account_id,
        posting_id=derived(cause_id, PostingKind.PLACEMENT.value),
        kind=PostingKind.PLACEMENT,
        currency=correction.currency,
        lines=transfer(debit=REFUNDING, credit=SUSPENSE, amount_minor=correction.amount_minor),
        booked_at=now,
        cause_id=cause_id,
    )
    booking.book(tx, [posting])
    tx.corrections.save(correction.after(Event.GIVEN_UP, now=now))


def _left_suspense(tx: Transaction, correction: Correction) -> bool:
    key = (correction.account_id, correction.correction_id)
    return tx.corrections.posting(*key, PostingKind.PLACEMENT) is not None


def _is_in_doubt(tx: Transaction, correction: Correction) -> bool:
    assert correction.payment_id is not None, "it is of a payment"
    refunds = tx.corrections.refunds_of(correction.account_id, correction.payment_id)
    return any(
        each.correction_id == correction.correction_id and each.state is not RefundState.CLOSED
        for each in refunds
    )


def _shares(tx: Transaction, loss: Loss) -> tuple[int, dict[int, int]]:
    """Return how much of a loss falls where the payment came, and then how much on whom it went to."""
    payment = loss.payment
    corrections = tx.corrections.of_payment(payment.account_id, payment.payment_id)
    done = [each for each in corrections if each.state is CorrectionState.DONE]
    others = _other_losses(tx, loss)
    gone_minor = sum(each.amount_minor for each in done if each.kind not in _ELSEWHERE)
    left_minor = max(payment.amount_minor - gone_minor - sum(others.values()), 0)
    elsewhere: dict[int, int] = {}
    for each in done:
        if each.kind in _ELSEWHERE and each.to_account_id is not None:
            elsewhere[each.to_account_id] = elsewhere.get(each.to_account_id, 0) + each.amount_minor
    for account_id in elsewhere:
        debts = (tx.dues.debt(account_id, debt_of(cause_id, account_id)) for cause_id in others)
        elsewhere[account_id] -= sum(debt.opened_minor for debt in debts if debt is not None)
    home_minor = left_minor - sum(elsewhere.values())
    if payment.verdict is PaymentVerdict.SUSPENDED:
        under_way = (each for each in corrections if each.state in _OPEN and _left_suspense(tx, each))
        home_minor -= sum(each.amount_minor for each in under_way)
    rest_minor = min(loss.amount_minor, left_minor)
    home_minor = min(rest_minor, max(home_minor, 0))
    rest_minor -= home_minor
    for account_id, minor in elsewhere.items():
        elsewhere[account_id] = min(rest_minor, max(minor, 0))
        rest_minor -= elsewhere[account_id]
    return home_minor, elsewhere


def _other_losses(tx: Transaction, loss: Loss) -> dict[UUID, int]:
    """Return what else of the payment is gone unasked, by what has taken it."""
    payment = loss.payment
    key = (payment.account_id, payment.payment_id)
    causes = [
        (each.refund_id, PostingKind.REFUND)
        for each in tx.corrections.refunds_of(*key)
        if each.correction_id is None
    ] + [
        (each.dispute_id, PostingKind.DISPUTE)
        for each in tx.corrections.disputes_of(*key)
        if each.state is not DisputeState.WON
    ]
    return {
        cause_id: lost_minor(tx, payment, cause_id, kind)
        for cause_id, kind in causes
        if cause_id != loss.cause_id
    }


def _debt(loss: Loss, account_id: int, minor: int, *, now: datetime) -> Debt:
    return Debt(
        account_id=account_id,
        debt_id=debt_of(loss.cause_id, account_id),
        kind=DebtKind.CHARGE_BACK,
        name=loss.payment.transaction_no,
        opened_minor=minor,
        remaining_minor=minor,
        opened_at=now,
        opened_by="system",
        why=loss.why,
        cause_id=loss.cause_id,
    )
