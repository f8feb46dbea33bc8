"""Vending: a provider's word becomes a payment, a posting and an instruction, in one transaction.

This is the first of the two transactions of a recharge. The provider gets its answer only after it.
Whatever a provider repeats, reorders or delays, a payment credits once (promise M2): accounts are locked,
payments are known by the provider's transaction number, and the database holds that number unique.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import Enum
from uuid import UUID

from compuerta.domain.ledger import SUSPENSE, Posting, PostingKind, cash, transfer
from compuerta.domain.money import told_minor
from compuerta.domain.naming import derived
from compuerta.domain.party import AccountKind
from compuerta.domain.payment import (
    Attempt,
    AttemptState,
    PaymentNotice,
    advanced,
    payment_id,
)
from compuerta.services import booking, converging, crediting, quoting, telling
from compuerta.services.crediting import Credits, Grant
from compuerta.services.records import (
    AccountView,
    Alarm,
    Case,
    Inbound,
    Instant,
    Key,
    Payment,
    PaymentVerdict,
)
from compuerta.services.store_port import Store, Transaction


class Outcome(Enum):
    """What became of a provider's word that it has money."""

    CREDITED = "credited"
    ALREADY_CREDITED = "already_credited"  # said again: nothing moves
    CONTRADICTED = "contradicted"  # the same transaction number with other contents: a case, nothing moves
    AMOUNT_DIFFERS = "amount_differs"  # not what was ordered: kept in suspense, a case
    ACCOUNT_CLOSED = "account_closed"  # kept in suspense, a case
    OVER_LIMIT = "over_limit"  # more credit than the policy allows: kept in suspense, a case
    PAID_TWICE = "paid_twice"  # of an order that is paid: kept in suspense where the policy says so, a case
    REFERENCE_UNKNOWN = "reference_unknown"  # kept in the organisation's suspense, a case
    PROVIDER_UNKNOWN = "provider_unknown"  # nobody here has such a provider account: an alarm


@dataclass(slots=True)
class _Batch:
    """What one transaction will write; filled notice by notice."""

    credits: Credits
    known: dict[Key, Payment]
    orders_paid: set[UUID]
    payments: list[Payment] = field(default_factory=list)
    postings: list[Posting] = field(default_factory=list)  # of money that waits for a person
    cases: list[Case] = field(default_factory=list)
    alarms: list[Alarm] = field(default_factory=list)
    attempts: dict[UUID, Attempt] = field(default_factory=dict)


def accept_payments(
    store: Store, notices: Sequence[PaymentNotice], *, now: datetime, inbound: Sequence[Inbound] = ()
) -> list[Outcome]:
    """Take payments that providers say they have; returns one outcome per notice, in order.

    `inbound` are the raw messages that said so, kept in the same transaction. Raises only `Unreachable`
    (the database is away, or `Conflict`): then nothing was written, and the provider gets no answer yet.
    """
    with store.transaction() as tx:
        attempts = tx.attempts_by_reference((notice.provider, notice.reference) for notice in notices)
        owners = [_owner(tx, notice, attempts) for notice in notices]
        views = tx.lock_accounts(sorted({owner for owner in owners if owner is not None}), now=now)
        batch = _Batch(
            credits=crediting.begun(tx, views, now=now),
            known=tx.payments_known((notice.provider, notice.transaction_no) for notice in notices),
            orders_paid=tx.dues.orders_paid(_orders(attempts)),
        )
        outcomes = []
        for notice, owner in zip(notices, owners, strict=True):
            attempt = attempts.get((notice.provider, notice.reference))
            view = None if owner is None else views[owner]
            outcomes.append(_settle(batch, notice, attempt, view, now=now))
        _write(tx, batch, inbound)
        # What came into force may switch supply; credit for a meter does so when it is delivered.
        instants = batch.credits.instants
        in_force = {each.account_id for each in instants if each.instant is Instant.CREDITED}
        converging.converge(tx, sorted(in_force), now=now)
        telling.payment_arrived(tx, _arrived(batch.credits), now=now)
    return outcomes


def _orders(attempts: Mapping[Key, Attempt]) -> list[tuple[int, UUID]]:
    return [(each.account_id, each.order_id) for each in attempts.values() if each.order_id is not None]


def _arrived(credited: Credits) -> list[telling.PaymentArrived]:
    in_force = {each.recharge_id for each in credited.instants if each.instant is Instant.CREDITED}
    return [
        telling.PaymentArrived(
            account_id=each.account_id, recharge_id=each.recharge_id, amount_minor=each.paid_minor
        )
        for each in credited.recharges
        if each.recharge_id in in_force
    ]


def _owner(tx: Transaction, notice: PaymentNotice, attempts: dict[Key, Attempt]) -> int | None:
    attempt = attempts.get((notice.provider, notice.reference))
    if attempt is not None:
        return attempt.account_id
    provider = tx.provider_account(notice.provider)
    if provider is None:
        return None
    payee = notice.payee.strip()
    meant = tx.dues.payee(organisation_id=provider.organisation_id, named=payee) if payee else None
    return provider.suspense_account_id if meant is None else meant


def _settle(
    batch: _Batch, notice: PaymentNotice, attempt: Attempt | None, view: AccountView | None, *, now: datetime
) -> Outcome:
    if view is None:
        detail = f"{notice.transaction_no} for {notice.amount_minor} {notice.currency}"
        batch.alarms.append(Alarm(kind="provider_unknown", subject=notice.provider, detail=detail, at=now))
        return Outcome.PROVIDER_UNKNOWN
    outcome = _judge(batch, notice, attempt, view, now)
    if outcome is Outcome.ALREADY_CREDITED:
        return outcome
    if outcome is not Outcome.CREDITED:
        _open_case(batch, notice, view, outcome, now=now)
    match outcome:
        case Outcome.CONTRADICTED:
            return outcome
        case Outcome.CREDITED:
            if _is_paid(batch, attempt):
                _open_case(batch, notice, view, Outcome.PAID_TWICE, now=now)
            _credit(batch, notice, view, now=now)
        case _:
            _suspend(batch, notice, view, now=now)
    _keep_paid(batch, attempt)
    return outcome


def _keep_paid(batch: _Batch, attempt: Attempt | None) -> None:
    if attempt is None:
        return
    paid = advanced(attempt.state, AttemptState.PAID)
    batch.attempts[attempt.attempt_id] = replace(attempt, state=paid, ask_at=None)
    if attempt.order_id is not None:
        batch.orders_paid.add(attempt.order_id)


def _is_paid(batch: _Batch, attempt: Attempt | None) -> bool:
    """Whether money for this attempt, or for another of its order, came before."""
    if attempt is None:
        return False
    attempt_paid = attempt.state is AttemptState.PAID or attempt.attempt_id in batch.attempts
    return attempt_paid or attempt.order_id in batch.orders_paid


def _judge(
    batch: _Batch, notice: PaymentNotice, attempt: Attempt | None, view: AccountView, now: datetime
) -> Outcome:
    known = batch.known.get((notice.provider, notice.transaction_no))
    if known is not None:
        same = (known.reference, known.amount_minor, known.currency) == (
            notice.reference, notice.amount_minor, notice.currency,
        )  # fmt: skip
        return Outcome.ALREADY_CREDITED if same else Outcome.CONTRADICTED
    if attempt is None and view.account.kind is AccountKind.SUSPENSE:
        return Outcome.REFERENCE_UNKNOWN
    asked = (notice.amount_minor, notice.currency)
    ordered = asked if attempt is None else (attempt.amount_minor, attempt.currency)
    if ordered != asked or notice.currency != view.account.currency:
        return Outcome.AMOUNT_DIFFERS
    if not quoting.is_rechargeable(view):
        return Outcome.ACCOUNT_CLOSED
    if _is_paid(batch, attempt) and view.policy.paid_twice == "suspend":
        return Outcome.PAID_TWICE
    return Outcome.OVER_LIMIT if _is_over(batch, notice, attempt, view, now) else Outcome.CREDITED


def _is_over(
    batch: _Batch, notice: PaymentNotice, attempt: Attempt | None, view: AccountView, now: datetime
) -> bool:
    """Whether money is more than was offered; how little it is bothers nobody who has it."""
    owing = batch.credits.owing[view.account.account_id]
    limits = quoting.limits_of(view, owing)
    # An order was held to its limits when it was made; what was not ordered is held to them here.
    if attempt is None and notice.amount_minor > limits.most_minor:
        return True
    if limits.room_minor is None:
        return False
    return crediting.divided(view, owing, notice.amount_minor, now=now).credit_minor > limits.room_minor


def _credit(batch: _Batch, notice: PaymentNotice, view: AccountView, *, now: datetime) -> None:
    payment = _payment(notice, view, PaymentVerdict.CREDITED, now=now)
    _keep(batch, payment)
    grant = Grant(
        grant_id=payment.payment_id,
        amount_minor=payment.amount_minor,
        debit=cash(payment.provider),
        paid_at=payment.paid_at,
    )
    crediting.credit(batch.credits, view, grant, now=now)


def _suspend(batch: _Batch, notice: PaymentNotice, view: AccountView, *, now: datetime) -> None:
    # The money is real, so it is booked; who it is for is a person's decision.
    payment = _payment(notice, view, PaymentVerdict.SUSPENDED, now=now)
    _keep(batch, payment)
    batch.postings.append(
        Posting(
            account_id=payment.account_id,
            posting_id=derived(payment.payment_id, PostingKind.SUSPENSE.value),
            kind=PostingKind.SUSPENSE,
            currency=payment.currency,
            lines=transfer(debit=cash(payment.provider), credit=SUSPENSE, amount_minor=payment.amount_minor),
            booked_at=payment.posted_at,
            cause_id=payment.payment_id,
        )
    )


def _payment(notice: PaymentNotice, view: AccountView, verdict: PaymentVerdict, *, now: datetime) -> Payment:
    return Payment(
        account_id=view.account.account_id,
        payment_id=payment_id(provider=notice.provider, transaction_no=notice.transaction_no),
        provider=notice.provider,
        transaction_no=notice.transaction_no,
        reference=notice.reference,
        amount_minor=notice.amount_minor,
        currency=notice.currency,
        paid_at=notice.paid_at,
        posted_at=now,
        verdict=verdict,
    )


def _keep(batch: _Batch, payment: Payment) -> None:
    batch.payments.append(payment)
    batch.known[payment.provider, payment.transaction_no] = payment


def _open_case(
    batch: _Batch, notice: PaymentNotice, view: AccountView, outcome: Outcome, *, now: datetime
) -> None:
    about = payment_id(provider=notice.provider, transaction_no=notice.transaction_no)
    named = f"for {notice.payee!r}" if notice.payee else f"order {notice.reference}"
    detail = (
        f"{notice.provider} {notice.transaction_no}, {named}: "
        f"{told_minor(notice.amount_minor, currency=notice.currency)}"
    )
    batch.cases.append(
        Case(
            account_id=view.account.account_id,
            case_id=derived(about, f"case:{outcome.value}"),
            kind=outcome.value,
            detail=detail,
            opened_at=now,
        )
    )


def _write(tx: Transaction, batch: _Batch, inbound: Sequence[Inbound]) -> None:
    tx.put_payments(batch.payments)
    tx.save_attempts([*batch.attempts.values()])
    tx.put_cases(batch.cases)
    tx.put_alarms(batch.alarms)
    tx.put_inbound(inbound)
    crediting.write(tx, batch.credits)
    booking.book(tx, batch.postings)
