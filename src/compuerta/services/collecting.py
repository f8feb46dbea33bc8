"""Collecting: others take our money at their counters, and call us: they pay, and take back what they paid.

Their own reference names a payment for ever: said again, it is the same payment; said otherwise, it is
refused. A payment is one transaction, whole or not at all, and locks its reference first: a payment and its
reversal, however they cross on the way, happen one after the other. What is taken back before it came is
remembered, and refused when it comes.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import UUID

from compuerta.domain.errors import Refused
from compuerta.domain.ledger import REFUNDING, Posting, PostingKind, cash, transfer
from compuerta.domain.naming import derived, named_apart
from compuerta.domain.payment import Attempt, Flow, PaymentNotice, payment_id, reference_of
from compuerta.services import booking, correcting, ordering, vend
from compuerta.services.acting import Actor
from compuerta.services.joining import Joined
from compuerta.services.partner_port import BillerPayment
from compuerta.services.payment_ports import Capabilities
from compuerta.services.store_port import Store

EXPIRES_IN = timedelta(minutes=15)


class ReferenceDiffers(Refused):
    """The biller used a reference for another payment before."""

    def __init__(self, reference: str) -> None:
        super().__init__(
            f"{reference!r} is another payment of yours, which stands; of this one nothing was done: "
            "use a new reference"
        )
        self.reference = reference


class TakenBack(Refused):
    """The biller took this payment back, maybe before it came."""

    def __init__(self, reference: str) -> None:
        super().__init__(f"{reference!r} was taken back; nothing was done: use a new reference")
        self.reference = reference


class NotCreditable(Refused):
    """The money could not be credited, so it was not taken."""

    def __init__(self, outcome: vend.Outcome) -> None:
        super().__init__(f"not taken: {outcome.value.replace('_', ' ')}; give the payer their money back")
        self.outcome = outcome


class TooLateToReverse(Refused):
    """The time within which a payment can be taken back is over."""

    def __init__(self, reference: str, within: timedelta) -> None:
        minutes = int(within.total_seconds()) // 60
        super().__init__(
            f"{reference!r} was paid more than {minutes} minutes ago and stands; ask the office for a refund"
        )
        self.reference = reference


@dataclass(frozen=True, slots=True, kw_only=True)
class Word:
    """A biller's word that it has taken money for an account."""

    provider: str
    reference: str
    organisation_id: int
    account_id: int
    amount_minor: int
    currency: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Reversal:
    """A biller's wish to take a payment back, and for how long after it that may be."""

    provider: str
    reference: str
    organisation_id: int
    within: timedelta


def pay(
    store: Store, word: Word, *, capabilities: Capabilities, actor: Actor, now: datetime
) -> BillerPayment:
    """Credit what a biller has taken; the same word again changes nothing.

    Refuses what was said otherwise before, what was taken back, and what `quoting.quote` refuses: then
    nothing was done.
    """
    attempt_id = named_apart("biller", word.provider, word.reference)
    wanted = BillerPayment(
        provider=word.provider,
        reference=word.reference,
        organisation_id=word.organisation_id,
        said_at=now,
        account_id=word.account_id,
        attempt_id=attempt_id,
        amount_minor=word.amount_minor,
        currency=word.currency,
    )
    with store.transaction() as tx:
        known, is_new = tx.partners.lock_biller_payment(wanted)
        if known.reversed_at is not None:
            raise TakenBack(word.reference)
        said = (known.account_id, known.amount_minor, known.currency)
        if said != (word.account_id, word.amount_minor, word.currency):
            raise ReferenceDiffers(word.reference)
        if is_new:
            joined = Joined(tx)
            attempt = ordering.open_attempt(
                joined, _order(wanted, word, actor), capabilities=capabilities, expires_in=EXPIRES_IN, now=now
            )
            (outcome,) = vend.accept_payments(joined, [_notice(attempt, word)], now=now)
            if outcome is not vend.Outcome.CREDITED:
                raise NotCreditable(outcome)
    return known


def reverse(store: Store, reversal: Reversal, *, actor: Actor, now: datetime) -> BillerPayment:
    """Take a payment back whole, and owe the biller its money; again, or before it came, is harmless.

    Refuses `TooLateToReverse`, and what `correcting.void` refuses: where the meter has the credit, or may
    have it, the payment stands.
    """
    wanted = BillerPayment(
        provider=reversal.provider,
        reference=reversal.reference,
        organisation_id=reversal.organisation_id,
        said_at=now,
        reversed_at=now,
    )
    with store.transaction() as tx:
        known, is_new = tx.partners.lock_biller_payment(wanted)
        if is_new or known.reversed_at is not None:
            return known
        if now - known.said_at > reversal.within:
            raise TooLateToReverse(reversal.reference, reversal.within)
        assert known.account_id is not None and known.attempt_id is not None  # it is paid
        paid_as = payment_id(provider=known.provider, transaction_no=known.reference)
        void = correcting.Void(
            correction_id=derived(known.attempt_id, "void"),
            account_id=known.account_id,
            payment_id=paid_as,
            asked_by=f"a payer at {known.provider}",
        )
        correction = correcting.void(Joined(tx), void, actor=actor, now=now)
        booking.book(tx, [_given_back(known, correction.correction_id, now=now)])
        reversed_ = replace(known, reversed_at=now)
        tx.partners.save_biller_payment(reversed_)
    return reversed_


def _given_back(payment: BillerPayment, correction_id: UUID, *, now: datetime) -> Posting:
    """Return the posting that lowers what the biller owes us: it gives the payer their money."""
    assert payment.account_id is not None and payment.amount_minor is not None
    assert payment.currency is not None
    return Posting(
        account_id=payment.account_id,
        posting_id=derived(correction_id, PostingKind.REFUND.value),
        kind=PostingKind.REFUND,
        currency=payment.currency,
        lines=transfer(debit=REFUNDING, credit=cash(payment.provider), amount_minor=payment.amount_minor),
        booked_at=now,
        cause_id=correction_id,
    )


def _order(payment: BillerPayment, word: Word, actor: Actor) -> ordering.Order:
    assert payment.attempt_id is not None
    return ordering.Order(
        attempt_id=payment.attempt_id,
        account_id=word.account_id,
        provider=word.provider,
        reference=reference_of(payment.attempt_id),
        amount_minor=word.amount_minor,
        actor=actor,
        order_id=payment.attempt_id,
        door="biller",
        caller=word.provider,
        caller_reference=word.reference,
        flow=Flow.BILLER,
        payer=word.reference,
    )


def _notice(attempt: Attempt, word: Word) -> PaymentNotice:
    return PaymentNotice(
        provider=word.provider,
        transaction_no=word.reference,
        reference=attempt.reference,
        amount_minor=word.amount_minor,
        currency=word.currency,
        paid_at=attempt.created_at,
    )
