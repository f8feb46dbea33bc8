"""Refunding: money goes back to its payer by its provider, once, and is followed until it is done.

A refund is a row before it is a request (an outbox). Every retry carries the same reference, so that a lost
answer pays nobody twice. "Accepted" is not "refunded": the provider is asked, in a bounded rhythm, until it
says done. What ends otherwise stays in `refunding`, with a case. What a provider gives back that nobody here
asked for is booked as what it is: money that is gone, and a debt where it was credited.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import Enum
from typing import Final
from uuid import UUID

from compuerta.domain.correction import ENDED, Correction, CorrectionState, Event
from compuerta.domain.errors import Refused
from compuerta.domain.ledger import REFUNDING, Posting, PostingKind, cash, transfer
from compuerta.domain.money import format_minor
from compuerta.domain.naming import derived, named
from compuerta.domain.payment import Refund, RefundNotice, RefundState
from compuerta.services import booking, losing, withdrawing
from compuerta.services.losing import Loss
from compuerta.services.payment_ports import Capabilities, RefundAnswer, RefundWish
from compuerta.services.records import Alarm, Payment
from compuerta.services.store_port import Store, Transaction

# A provider takes seconds to days; once a day passed, half an hour more matters to nobody.
ASK_AFTER: Final = tuple(timedelta(seconds=seconds) for seconds in (5, 15, 30, 60, 180, 600, 1800))
ASKS_MAX: Final = 400  # eight days; then a person asks the provider
LEASE: Final = timedelta(seconds=30)  # who claimed a refund and died asks nothing for this long
SILENT: Final = "provider_silent"
CAME_BACK: Final = "came_back"  # it was done, and its provider has the money again: no late word ends that
_OPEN = frozenset({RefundState.WAITING, RefundState.SENT})


class RefundImpossible(Refused):
    """The provider will not give this money back; says why."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"{reason}; give it back in cash")
        self.reason = reason


class HeardRefund(Enum):
    """What a provider's word about a refund came to."""

    SETTLED = "settled"
    ALREADY = "already"
    UNASKED = "unasked"  # nobody here asked for it: booked, and a case
    CAME_BACK = "came_back"  # it was done, and did not reach its payer after all
    NOTED = "noted"  # not done, not ours to end, or nothing that could be of this payment: then, a case
    PAYMENT_UNKNOWN = "payment_unknown"  # an alarm


@dataclass(frozen=True, slots=True, kw_only=True)
class RefundQuestion:
    """What a provider is to be told or asked now."""

    wish: RefundWish
    is_sent: bool  # it has it: ask what became of it

    @property
    def refund(self) -> Refund:
        """The refund that it is about."""
        return self.wish.refund


def require_possible(
    payment: Payment, amount_minor: int, capabilities: Capabilities | None, *, now: datetime
) -> None:
    """Refuse a refund that the payment's provider does not make."""
    if capabilities is None or not capabilities.refunds:
        raise RefundImpossible(f"{payment.provider} gives nothing back by itself")
    if amount_minor < payment.amount_minor and not capabilities.refund_partial:
        raise RefundImpossible(f"{payment.provider} gives back whole payments only")
    if now - payment.paid_at > capabilities.refund_age_max:
        days = capabilities.refund_age_max.days
        raise RefundImpossible(f"{payment.provider} gives nothing back after {days} days")


def order(tx: Transaction, correction: Correction, payment: Payment, *, now: datetime) -> None:
    """Write the refund of a correction whose credit is back; another one only after the last was refused."""
    assert correction.state is CorrectionState.PAYING, "money goes back only after the credit has come back"
    earlier = _refunds(tx, correction)
    if any(each.state is not RefundState.CLOSED for each in earlier):
        return
    refund_id = derived(correction.correction_id, f"refund:{len(earlier)}")
    tx.corrections.put_refund(
        Refund(
            account_id=correction.account_id,
            refund_id=refund_id,
            correction_id=correction.correction_id,
            payment_id=payment.payment_id,
            provider=payment.provider,
            reference=refund_id.hex,
            amount_minor=correction.amount_minor,
            currency=correction.currency,
            created_at=now,
            ask_at=now,
        )
    )


def ask_again(tx: Transaction, correction: Correction, *, now: datetime) -> None:
    """Tell or ask the provider once more about a refund that it could not, or did not, tell the end of.

    One that it never took has no number there, and is told again, under the same reference.
    """
    stuck = [each for each in _refunds(tx, correction) if each.state in _OPEN | {RefundState.ABNORMAL}]
    tx.corrections.save_refunds(
        [
            replace(
                each,
                state=RefundState.SENT if each.provider_no else RefundState.WAITING,
                asks=0,
                ask_at=now,
                ended_at=None,
            )
            for each in stuck
        ]
    )


def is_in_doubt(tx: Transaction, correction: Correction) -> bool:
    """Tell whether the provider is being asked about a refund of a correction, and may still pay it."""
    return any(each.ask_at is not None for each in _refunds(tx, correction))


def give_up(tx: Transaction, correction: Correction, *, now: datetime) -> None:
    """End the refunds of a correction that nobody asks about; one that is paid after all is a loss."""
    left = [each for each in _refunds(tx, correction) if each.state in _OPEN | {RefundState.ABNORMAL}]
    tx.corrections.save_refunds([replace(each, state=RefundState.CLOSED, ended_at=now) for each in left])


def book(tx: Transaction, correction: Correction, *, debit: str, credit: str, now: datetime) -> None:
    """Book that a correction's money went back to its payer."""
    _book(tx, correction, derived(correction.correction_id, "paid"), debit=debit, credit=credit, now=now)


def due(
    store: Store, *, now: datetime, limit: int, capabilities: Mapping[str, Capabilities]
) -> list[RefundQuestion]:
    """Claim the refunds whose provider is to be told or asked now, with what it wants to know.

    Refunds of one payment that a provider wants apart wait for each other.
    """
    with store.transaction() as tx:
        claimed = tx.corrections.claim_refunds(now=now, until=now + LEASE, limit=limit)
        ready = []
        for refund in claimed:
            able = capabilities.get(refund.provider)
            too_early = None if able is None else _apart(tx, refund, able.refunds_apart, now=now)
            if too_early is None:
                ready.append(refund)
            else:
                tx.corrections.save_refunds([replace(refund, ask_at=too_early)])
    # Orders are locked before accounts, and refunds after them: never both in one transaction, in this order.
    with store.transaction() as tx:
        return [_question(tx, refund) for refund in ready]


def answered(store: Store, answers: Sequence[tuple[Refund, RefundAnswer]], *, now: datetime) -> None:
    """Write what providers answered; only "done" is done, and what is not known is asked again."""
    for asked, answer in answers:
        with store.transaction() as tx:
            payment = tx.corrections.payment(asked.account_id, asked.payment_id)
            assert payment is not None, "a refund is of a payment"
            tx.lock_accounts(losing.accounts_of(tx, payment), now=now)
            refund = tx.corrections.refund(asked.account_id, asked.refund_id)
            is_late = answer.state is RefundState.DONE and refund is not None and _may_be_done(refund)
            if refund is not None and (refund.state in _OPEN or is_late):
                _take(tx, payment, replace(refund, asks=refund.asks + 1), answer, now=now)


def refused(store: Store, asked: Refund, *, reason: str, now: datetime) -> None:
    """Let a refund wait for a person that its provider will not hear of; it may be paid all the same."""
    with store.transaction() as tx:
        tx.lock_accounts([asked.account_id], now=now)
        refund = tx.corrections.refund(asked.account_id, asked.refund_id)
        if refund is not None and refund.state in _OPEN:
            tx.corrections.save_refunds([replace(refund, ask_at=None, last_answer=reason)])
            _hinder(tx, refund, reason=reason, now=now)


def hear(store: Store, notices: Sequence[RefundNotice], *, now: datetime) -> list[HeardRefund]:
    """Take providers' verified words about refunds; the same one, or a total that we know, moves nothing."""
    return [_hear(store, notice, now=now) for notice in notices]


def _hear(store: Store, notice: RefundNotice, *, now: datetime) -> HeardRefund:
    with store.transaction() as tx:
        payment = _payment(tx, notice)
        if payment is None:
            name = notice.refund_reference or notice.transaction_no
            detail = f"{name}: {notice.refunded_minor} {notice.currency}"
            alarm = Alarm(kind="refund_of_unknown_payment", subject=notice.provider, detail=detail, at=now)
            tx.put_alarms([alarm])
            return HeardRefund.PAYMENT_UNKNOWN
        tx.lock_accounts(losing.accounts_of(tx, payment), now=now)
        ours = _ours(tx, payment, notice)
        if notice.state is RefundState.DONE:
            return _hear_done(tx, payment, ours, notice, now=now)
        if ours is not None and ours.state in _OPEN and not losing.was_never_told(ours):
            _take(tx, payment, ours, RefundAnswer(state=notice.state), now=now)
        elif ours is not None and ours.state is RefundState.DONE and notice.state not in _OPEN:
            return _come_back(tx, payment, ours, notice, now=now)
        return HeardRefund.NOTED


def _hear_done(
    tx: Transaction, payment: Payment, ours: Refund | None, notice: RefundNotice, *, now: datetime
) -> HeardRefund:
    """Settle what is ours, and book what is not: of a total, only what nobody has told before is new."""
    if notice.currency != payment.currency:
        about = _unasked_id(payment, notice)
        losing.tell_excess(tx, payment, about, notice.refunded_minor, currency=notice.currency, now=now)
        return HeardRefund.NOTED
    if notice.refunded_minor <= 0:
        return HeardRefund.NOTED
    heard = HeardRefund.ALREADY
    if ours is not None and _may_be_done(ours):
        _take(tx, payment, ours, RefundAnswer(state=RefundState.DONE), now=now)
        heard = HeardRefund.SETTLED
    elif ours is None and not notice.is_total:
        _take_unasked(tx, payment, notice, notice.refunded_minor, now=now)
        heard = HeardRefund.UNASKED
    if notice.is_total:
        new_minor = notice.refunded_minor - _told_minor(tx, payment)
        for each in _under_way(tx, payment):
            if each.amount_minor <= new_minor and not notice.refund_reference:
                _take(tx, payment, each, RefundAnswer(state=RefundState.DONE), now=now)
                new_minor -= each.amount_minor
                heard = HeardRefund.SETTLED
        if new_minor > 0:
            _take_unasked(tx, payment, notice, new_minor, now=now)
            heard = HeardRefund.UNASKED
    return heard


def _may_be_done(refund: Refund) -> bool:
    """Tell whether it would be news that a refund is done; what a provider has closed, it may pay late."""
    return refund.state is not RefundState.DONE and refund.last_answer != CAME_BACK


def _told_minor(tx: Transaction, payment: Payment) -> int:
    """Return what we know to have gone back of a payment; what came back again was told as well."""
    refunds = tx.corrections.refunds_of(payment.account_id, payment.payment_id)
    return sum(each.amount_minor for each in refunds if not _may_be_done(each))


def _under_way(tx: Transaction, payment: Payment) -> list[Refund]:
    refunds = tx.corrections.refunds_of(payment.account_id, payment.payment_id)
    return [each for each in refunds if each.state in _OPEN]


def _ours(tx: Transaction, payment: Payment, notice: RefundNotice) -> Refund | None:
    """Return the refund that a notice tells of: by its reference, or, of a total, by what is new in it."""
    refunds = tx.corrections.refunds_of(payment.account_id, payment.payment_id)
    reference = _reference(notice)
    for each in refunds:
        if each.reference == reference:
            return tx.corrections.refund(each.account_id, each.refund_id)
    if not notice.is_total or notice.refund_reference:
        return None
    new_minor = notice.refunded_minor - _told_minor(tx, payment)
    for each in _under_way(tx, payment):
        if each.amount_minor == new_minor:
            return tx.corrections.refund(each.account_id, each.refund_id)
    return None


def _reference(notice: RefundNotice) -> str:
    if notice.refund_reference:
        return notice.refund_reference
    what = notice.refunded_minor if notice.is_total else notice.at.isoformat()
    return f"{notice.transaction_no}:{what}"


def _take(tx: Transaction, payment: Payment, refund: Refund, answer: RefundAnswer, *, now: datetime) -> None:
    """Write one answer, and let its correction go on, or wait for a person."""
    told = replace(
        refund,
        provider_no=answer.provider_no or refund.provider_no,
        last_answer=answer.reason or ("" if answer.state is None else answer.state.value),
    )
    match answer.state:
        case RefundState.DONE:
            done = replace(told, state=RefundState.DONE, ask_at=None, ended_at=now)
            _settle(tx, payment, done, now=now)
        case RefundState.ABNORMAL | RefundState.CLOSED:
            tx.corrections.save_refunds([replace(told, state=answer.state, ask_at=None, ended_at=now)])
            _hinder(tx, told, reason=f"refund_{answer.state.value}", now=now)
        case RefundState.SENT | RefundState.WAITING | None:
            sent = RefundState.SENT if answer.state is RefundState.SENT else told.state
            silent = told.asks >= ASKS_MAX
            ask_at = None if silent else now + ASK_AFTER[min(max(told.asks, 1), len(ASK_AFTER)) - 1]
            tx.corrections.save_refunds([replace(told, state=sent, ask_at=ask_at)])
            if silent:
                _hinder(tx, told, reason=SILENT, now=now)


def _settle(tx: Transaction, payment: Payment, refund: Refund, *, now: datetime) -> None:
    """End the correction that a refund was for; where that has ended otherwise, the money is lost."""
    correction = _correction(tx, refund)
    if correction.state not in (CorrectionState.PAYING, CorrectionState.STUCK):
        _take_late(tx, payment, refund, now=now)
        return
    tx.corrections.save_refunds([refund])
    _book(
        tx,
        correction,
        refund.refund_id,
        debit=REFUNDING,
        credit=cash(refund.provider),
        now=now,
    )
    tx.corrections.save(correction.after(Event.SETTLED, now=now))
    losing.close_untold(
        tx, payment, now=now
    )  # another one, ordered since this one was thought to have failed


def _come_back(
    tx: Transaction, payment: Payment, refund: Refund, notice: RefundNotice, *, now: datetime
) -> HeardRefund:
    """Take back what did not reach its payer after all; a person decides how they get it."""
    correction = _correction(tx, refund)
    corrections = tx.corrections.of_payment(payment.account_id, payment.payment_id)
    is_stale = refund.ended_at is not None and notice.at < refund.ended_at
    if not is_stale and all(each.state in ENDED for each in corrections):
        closed = replace(refund, state=RefundState.CLOSED, ended_at=now, last_answer=CAME_BACK)
        tx.corrections.save_refunds([closed])
        cause_id = derived(refund.refund_id, CAME_BACK)
        _book(tx, correction, cause_id, debit=cash(refund.provider), credit=REFUNDING, now=now)
        tx.corrections.save(correction.after(Event.CAME_BACK, now=now, note=CAME_BACK))
    amount = format_minor(refund.amount_minor, currency=refund.currency)
    detail = f"{refund.provider} {payment.transaction_no}: {amount} {refund.currency}"
    losing.tell(tx, payment, refund.refund_id, kind="refund_came_back", detail=detail, now=now)
    return HeardRefund.CAME_BACK


def _hinder(tx: Transaction, refund: Refund, *, reason: str, now: datetime) -> None:
    correction = _correction(tx, refund)
    if correction.state is CorrectionState.PAYING:
        withdrawing.hinder(tx, correction, reason=reason, now=now)


def _correction(tx: Transaction, refund: Refund) -> Correction:
    assert refund.correction_id is not None, "only what was asked for is under way"
    correction = tx.corrections.correction(refund.account_id, refund.correction_id)
    assert correction is not None, "a refund is of a correction"
    return correction


def _take_unasked(
    tx: Transaction, payment: Payment, notice: RefundNotice, amount_minor: int, *, now: datetime
) -> None:
    """Book money that a provider gave back of its own, or that somebody sent back by its own screens."""
    refund = Refund(
        account_id=payment.account_id,
        refund_id=_unasked_id(payment, notice),
        correction_id=None,
        payment_id=payment.payment_id,
        provider=notice.provider,
        reference=_unasked_id(payment, notice).hex if _is_known(tx, notice) else _reference(notice),
        amount_minor=amount_minor,
        currency=payment.currency,
        created_at=now,
        state=RefundState.DONE,
        ended_at=now,
    )
    tx.corrections.put_refund(refund)
    _lose(tx, payment, refund, why="the provider gave it back unasked", now=now)


def _take_late(tx: Transaction, payment: Payment, refund: Refund, *, now: datetime) -> None:
    """Book a refund that its provider has paid after its correction ended without it."""
    unasked = replace(refund, correction_id=None)
    tx.corrections.save_refunds([unasked])
    _lose(tx, payment, unasked, why="the provider gave it back after it had refused to", now=now)


def _lose(tx: Transaction, payment: Payment, refund: Refund, *, why: str, now: datetime) -> None:
    loss = Loss(
        payment=payment,
        amount_minor=refund.amount_minor,
        cause_id=refund.refund_id,
        kind=PostingKind.REFUND,
        why=why,
    )
    losing.lose(tx, loss, now=now)
    amount = format_minor(refund.amount_minor, currency=payment.currency)
    detail = f"{refund.provider} {payment.transaction_no}: {amount} {payment.currency}"
    losing.tell(tx, payment, refund.refund_id, kind="refund_unasked", detail=detail, now=now)


def _unasked_id(payment: Payment, notice: RefundNotice) -> UUID:
    return named("refund", notice.provider, payment.transaction_no, _reference(notice))


def _is_known(tx: Transaction, notice: RefundNotice) -> bool:
    return (
        tx.corrections.refund_by_reference(provider=notice.provider, reference=_reference(notice)) is not None
    )


def _payment(tx: Transaction, notice: RefundNotice) -> Payment | None:
    if notice.transaction_no:
        key = (notice.provider, notice.transaction_no)
        return tx.payments_known([key]).get(key)
    known = tx.corrections.refund_by_reference(provider=notice.provider, reference=notice.refund_reference)
    return None if known is None else tx.corrections.payment(known.account_id, known.payment_id)


def _refunds(tx: Transaction, correction: Correction) -> list[Refund]:
    if correction.payment_id is None:
        return []
    refunds = tx.corrections.refunds_of(correction.account_id, correction.payment_id)
    return [each for each in refunds if each.correction_id == correction.correction_id]


def _apart(tx: Transaction, refund: Refund, apart: timedelta, *, now: datetime) -> datetime | None:
    if refund.state is not RefundState.WAITING or not apart:
        return None
    others = tx.corrections.refunds_of(refund.account_id, refund.payment_id)
    last = [each.ended_at or each.created_at for each in others if each.refund_id != refund.refund_id]
    earliest = max(last) + apart if last else now
    return earliest if earliest > now else None


def _question(tx: Transaction, refund: Refund) -> RefundQuestion:
    assert refund.correction_id is not None, "only what was asked for is under way"
    payment = tx.corrections.payment(refund.account_id, refund.payment_id)
    correction = tx.corrections.glance(refund.account_id, refund.correction_id)
    assert payment is not None and correction is not None, "a refund is of a payment, by a correction"
    key = (payment.provider, payment.reference)
    attempt = tx.attempts_by_reference([key]).get(key)
    wish = RefundWish(
        refund=refund,
        transaction_no=payment.transaction_no,
        order_reference=payment.reference,
        total_minor=payment.amount_minor,
        paid_at=payment.paid_at,
        reason=correction.why,
        payer="" if attempt is None else attempt.payer,
    )
    # What is not to be paid any more is asked after, and told to nobody: an earlier answer may be lost.
    is_wanted = correction.state is CorrectionState.PAYING
    return RefundQuestion(wish=wish, is_sent=refund.state is RefundState.SENT or not is_wanted)


def _book(
    tx: Transaction, correction: Correction, cause_id: UUID, *, debit: str, credit: str, now: datetime
) -> None:
    booking.book(
        tx,
        [
            Posting(
                account_id=correction.account_id,
                posting_id=derived(cause_id, PostingKind.REFUND.value),
                kind=PostingKind.REFUND,
                currency=correction.currency,
                lines=transfer(debit=debit, credit=credit, amount_minor=correction.amount_minor),
                booked_at=now,
                cause_id=cause_id,
            )
        ],
    )
