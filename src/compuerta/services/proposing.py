"""Proposing: what could be put right, seen before a second person is asked, so that approval rarely fails.

Of one payment no more is ever put right than came, and one thing at a time; only credit that is unspent comes
back, or a whole payment with all that it was divided into.
"""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from compuerta.domain.correction import ENDED, OF_PAYMENT, CorrectionKind, Way
from compuerta.domain.errors import Refused
from compuerta.domain.money import format_minor
from compuerta.domain.party import AccountKind
from compuerta.services import refunding, taking_back
from compuerta.services.payment_ports import Capabilities
from compuerta.services.records import AccountView, Payment, PaymentVerdict
from compuerta.services.store_port import Transaction

_TO_ACCOUNT = frozenset({CorrectionKind.PLACE, CorrectionKind.MOVE})


class NotProposable(Refused):
    """What was proposed fits neither its payment nor its account; says why."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)


class AmountNotFree(Refused):
    """More than is left of a payment, or a part that is not all credit."""

    def __init__(self, amount_minor: int, *, most_minor: int, currency: str) -> None:
        most = format_minor(most_minor, currency=currency)
        super().__init__(f"up to {most} {currency} of this payment can be put right, or all of it")
        self.amount_minor = amount_minor
        self.most_minor = most_minor


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """What somebody wants to put right; the id is the caller's."""

    correction_id: UUID
    kind: CorrectionKind
    account_id: int  # whose books the money is in
    amount_minor: int
    payment_id: UUID | None = None
    to_account_id: int | None = None
    debt_id: UUID | None = None
    way: Way | None = None


def require_whole(
    tx: Transaction,
    wish: Proposal,
    view: AccountView,
    target: AccountView | None,
    capabilities: Capabilities | None,
    now: datetime,
) -> None:
    """Refuse what could not be carried out; `target` is whom the money is for."""
    if wish.amount_minor <= 0:
        raise NotProposable("the amount must be more than nothing")
    if wish.kind is CorrectionKind.VOID:
        raise NotProposable("a sale is undone at its till")
    if (wish.way is not None) != (wish.kind is CorrectionKind.REFUND):
        raise NotProposable("say how the money goes back, for a refund and nothing else")
    if wish.kind in _TO_ACCOUNT and (target is None or not can_be_credited(target)):
        raise NotProposable("say to which open account the money belongs")
    if target is not None and target.account.organisation_id != view.account.organisation_id:
        raise NotProposable("there is no such account")
    if wish.kind is CorrectionKind.ADJUST and not can_be_credited(view):
        raise NotProposable("this account is closed, or has no meter")
    if wish.kind is CorrectionKind.WRITE_OFF:
        debt = None if wish.debt_id is None else tx.dues.debt(wish.account_id, wish.debt_id)
        if debt is None or debt.remaining_minor < wish.amount_minor:
            raise NotProposable("there is no such debt, or less of it remains")
    if wish.kind in OF_PAYMENT:
        _require_of_payment(tx, wish, view, capabilities, now)


def _require_of_payment(
    tx: Transaction, wish: Proposal, view: AccountView, capabilities: Capabilities | None, now: datetime
) -> None:
    payment = None if wish.payment_id is None else tx.corrections.payment(wish.account_id, wish.payment_id)
    if payment is None:
        raise NotProposable("there is no such payment")
    suspended = payment.verdict is PaymentVerdict.SUSPENDED
    if (
        wish.kind is CorrectionKind.PLACE
        and not suspended
        and wish.amount_minor > taking_back.waiting(tx, payment)
    ):
        raise NotProposable("this payment was credited: move it instead")
    if wish.kind is CorrectionKind.MOVE and (suspended or wish.to_account_id == wish.account_id):
        raise NotProposable("say from which account to which other one the credit moves")
    known = tx.corrections.of_payment(wish.account_id, payment.payment_id)
    if any(each.state not in ENDED for each in known):
        raise NotProposable("something of this payment is being put right already: end that first")
    _require_amount(tx, wish, view, payment)
    if wish.way is Way.PROVIDER:
        refunding.require_possible(payment, wish.amount_minor, capabilities, now=now)


def _require_amount(tx: Transaction, wish: Proposal, view: AccountView, payment: Payment) -> None:
    spoken_minor = taking_back.spoken_for(tx, payment)
    free_minor = payment.amount_minor - spoken_minor
    credit_minor = free_minor
    if payment.verdict is PaymentVerdict.CREDITED and wish.amount_minor <= taking_back.waiting(tx, payment):
        if wish.amount_minor > free_minor:
            raise AmountNotFree(wish.amount_minor, most_minor=max(free_minor, 0), currency=payment.currency)
        return  # it waits in suspense: nobody's credit is touched
    if payment.verdict is PaymentVerdict.CREDITED:
        recharge = tx.corrections.recharge_of(wish.account_id, payment.payment_id)
        assert recharge is not None, "a payment that was credited has a recharge"
        credit_minor = recharge.credit_minor - spoken_minor
    whole = not spoken_minor and wish.amount_minor == payment.amount_minor
    if not whole and wish.amount_minor > credit_minor:
        most_minor = max(credit_minor, 0)
        raise AmountNotFree(wish.amount_minor, most_minor=most_minor, currency=payment.currency)
    if payment.verdict is PaymentVerdict.CREDITED:
        left_minor = max(view.balance_minor, 0) + view.holdings.undelivered_minor
        wanted_minor = min(wish.amount_minor, credit_minor)
        if wanted_minor > left_minor:
            raise taking_back.CreditUsed(wanted_minor, left_minor=left_minor, currency=payment.currency)


def can_be_credited(view: AccountView) -> bool:
    """Tell whether credit of an account could be used by somebody."""
    account = view.account
    return account.kind is AccountKind.CUSTOMER and account.period.end is None and view.meter is not None
