"""Vending: a provider's word becomes a payment, a posting and an instruction, in one transaction.

This is the first of the two transactions of a recharge. The provider gets its answer only after it.
Whatever a provider repeats, reorders or delays, a payment credits once (promise M2): accounts are locked,
payments are known by the provider's transaction number, and the database holds that number unique.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import Enum

from compuerta.domain.instruction import Instruction, Kind
from compuerta.domain.ledger import DELIVERED, SUSPENSE, UNDELIVERED, Posting, PostingKind, cash, transfer
from compuerta.domain.naming import derived
from compuerta.domain.party import AccountKind, CreditAuthority
from compuerta.domain.payment import (
    Attempt,
    AttemptState,
    PaymentNotice,
    advanced,
    payment_id,
)
from compuerta.services import booking, converging, telling
from compuerta.services.records import (
    AccountView,
    Alarm,
    Case,
    Inbound,
    Instant,
    Key,
    Payment,
    PaymentVerdict,
    Recharge,
    RechargeInstant,
)
from compuerta.services.store_port import Store, Transaction


class Outcome(Enum):
    """What became of a provider's word that it has money."""

    CREDITED = "credited"
    ALREADY_CREDITED = "already_credited"  # said again: nothing moves
    CONTRADICTED = "contradicted"  # the same transaction number with other contents: a case, nothing moves
    AMOUNT_DIFFERS = "amount_differs"  # not what was ordered: kept in suspense, a case
    ACCOUNT_CLOSED = "account_closed"  # kept in suspense, a case
    REFERENCE_UNKNOWN = "reference_unknown"  # kept in the organisation's suspense, a case
    PROVIDER_UNKNOWN = "provider_unknown"  # nobody here has such a provider account: an alarm


@dataclass(slots=True)
class _Batch:
    """What one transaction will write; filled notice by notice."""

    payments: list[Payment] = field(default_factory=list)
    postings: list[Posting] = field(default_factory=list)
    recharges: list[Recharge] = field(default_factory=list)
    instants: list[RechargeInstant] = field(default_factory=list)
    instructions: list[Instruction] = field(default_factory=list)
    cases: list[Case] = field(default_factory=list)
    alarms: list[Alarm] = field(default_factory=list)
    attempts: list[Attempt] = field(default_factory=list)
    purchase_no_last: dict[int, int] = field(default_factory=dict)
    known: dict[Key, Payment] = field(default_factory=dict)


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
            known=tx.payments_known((notice.provider, notice.transaction_no) for notice in notices)
        )
        outcomes = []
        for notice, owner in zip(notices, owners, strict=True):
            attempt = attempts.get((notice.provider, notice.reference))
            view = None if owner is None else views[owner]
            outcomes.append(_settle(batch, notice, attempt, view, now=now))
        _write(tx, batch, inbound)
        # What came into force may switch supply; credit for a meter does so when it is delivered.
        in_force = {each.account_id for each in batch.instants if each.instant is Instant.CREDITED}
        converging.converge(tx, sorted(in_force), now=now)
        telling.payment_arrived(tx, _arrived(batch), now=now)
    return outcomes


def _arrived(batch: _Batch) -> list[telling.PaymentArrived]:
    in_force = {each.recharge_id for each in batch.instants if each.instant is Instant.CREDITED}
    return [
        telling.PaymentArrived(
            account_id=each.account_id, recharge_id=each.recharge_id, amount_minor=each.paid_minor
        )
        for each in batch.recharges
        if each.recharge_id in in_force
    ]


def _owner(tx: Transaction, notice: PaymentNotice, attempts: dict[Key, Attempt]) -> int | None:
    attempt = attempts.get((notice.provider, notice.reference))
    if attempt is not None:
        return attempt.account_id
    provider = tx.provider_account(notice.provider)
    return None if provider is None else provider.suspense_account_id


def _settle(
    batch: _Batch, notice: PaymentNotice, attempt: Attempt | None, view: AccountView | None, *, now: datetime
) -> Outcome:
    if view is None:
        detail = f"{notice.transaction_no} for {notice.amount_minor} {notice.currency}"
        batch.alarms.append(Alarm(kind="provider_unknown", subject=notice.provider, detail=detail, at=now))
        return Outcome.PROVIDER_UNKNOWN
    outcome = _judge(batch, notice, attempt, view)
    match outcome:
        case Outcome.ALREADY_CREDITED:
            return outcome
        case Outcome.CONTRADICTED:
            _open_case(batch, notice, view, outcome, now=now)
            return outcome
        case Outcome.CREDITED:
            _credit(batch, notice, view, now=now)
        case _:
            _suspend(batch, notice, view, outcome, now=now)
    if attempt is not None:
        paid = advanced(attempt.state, AttemptState.PAID)
        batch.attempts.append(replace(attempt, state=paid, ask_at=None))
    return outcome


def _judge(batch: _Batch, notice: PaymentNotice, attempt: Attempt | None, view: AccountView) -> Outcome:
    known = batch.known.get((notice.provider, notice.transaction_no))
    if known is not None:
        same = (known.reference, known.amount_minor, known.currency) == (
            notice.reference, notice.amount_minor, notice.currency,
        )  # fmt: skip
        return Outcome.ALREADY_CREDITED if same else Outcome.CONTRADICTED
    if attempt is None:
        return Outcome.REFERENCE_UNKNOWN
    ordered = (attempt.amount_minor, attempt.currency)
    if ordered != (notice.amount_minor, notice.currency) or notice.currency != view.account.currency:
        return Outcome.AMOUNT_DIFFERS
    closed = view.account.period.end is not None or view.account.kind is not AccountKind.CUSTOMER
    if closed or view.meter is None:
        return Outcome.ACCOUNT_CLOSED
    return Outcome.CREDITED


def _credit(batch: _Batch, notice: PaymentNotice, view: AccountView, *, now: datetime) -> None:
    assert view.meter is not None and view.snapshot is not None
    payment = _payment(notice, view, PaymentVerdict.CREDITED, now=now)
    recharge = Recharge(
        account_id=payment.account_id,
        recharge_id=derived(payment.payment_id, "recharge"),
        payment_id=payment.payment_id,
        meter_id=view.meter.meter_id,
        paid_minor=notice.amount_minor,
        credit_minor=notice.amount_minor,
    )
    in_meter = view.meter.credit_authority is CreditAuthority.METER
    _pay(batch, payment, PostingKind.RECHARGE, UNDELIVERED if in_meter else DELIVERED)
    batch.recharges.append(recharge)
    instants = {Instant.PAID: notice.paid_at, Instant.POSTED: now}
    if in_meter:
        batch.instructions.append(_delivery(batch, recharge, view, now=now))
    else:
        instants[Instant.CREDITED] = now  # the platform is the credit authority: what is posted is in force
    batch.instants += [
        RechargeInstant(account_id=recharge.account_id, recharge_id=recharge.recharge_id, instant=what, at=at)
        for what, at in instants.items()
    ]


def _delivery(batch: _Batch, recharge: Recharge, view: AccountView, *, now: datetime) -> Instruction:
    assert view.snapshot is not None
    # A meter that comes to us with purchases counts on from them: number 1 would seem to be in it already.
    known = view.snapshot.purchase_no_last or view.snapshot.purchase_no or 0
    last = batch.purchase_no_last.get(recharge.meter_id, known)
    batch.purchase_no_last[recharge.meter_id] = last + 1
    return Instruction(
        meter_id=recharge.meter_id,
        instruction_id=derived(recharge.recharge_id, "delivery"),
        account_id=recharge.account_id,
        kind=Kind.RECHARGE,
        created_at=now,
        due_at=now,
        amount_minor=recharge.credit_minor,
        purchase_no=last + 1,
        recharge_id=recharge.recharge_id,
    )


def _suspend(
    batch: _Batch, notice: PaymentNotice, view: AccountView, outcome: Outcome, *, now: datetime
) -> None:
    # The money is real, so it is booked; who it is for is a person's decision.
    payment = _payment(notice, view, PaymentVerdict.SUSPENDED, now=now)
    _pay(batch, payment, PostingKind.SUSPENSE, SUSPENSE)
    _open_case(batch, notice, view, outcome, now=now)


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


def _pay(batch: _Batch, payment: Payment, kind: PostingKind, owed: str) -> None:
    batch.payments.append(payment)
    batch.known[payment.provider, payment.transaction_no] = payment
    batch.postings.append(
        Posting(
            account_id=payment.account_id,
            posting_id=derived(payment.payment_id, kind.value),
            kind=kind,
            currency=payment.currency,
            lines=transfer(debit=cash(payment.provider), credit=owed, amount_minor=payment.amount_minor),
            booked_at=payment.posted_at,
            cause_id=payment.payment_id,
        )
    )


def _open_case(
    batch: _Batch, notice: PaymentNotice, view: AccountView, outcome: Outcome, *, now: datetime
) -> None:
    about = payment_id(provider=notice.provider, transaction_no=notice.transaction_no)
    detail = (
        f"{notice.provider} {notice.transaction_no}, order {notice.reference}: "
        f"{notice.amount_minor} {notice.currency} (minor units)"
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
    tx.put_recharges(batch.recharges)
    tx.put_instants(batch.instants)
    tx.put_instructions(batch.instructions)
    tx.save_attempts(batch.attempts)
    tx.put_cases(batch.cases)
    tx.put_alarms(batch.alarms)
    tx.put_inbound(inbound)
    booking.book(tx, batch.postings)
