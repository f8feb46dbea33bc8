"""Taking back: what a payment has given is brought back to `refunding`, from wherever it is.

The order is the promise: nothing is given to anybody else before the credit has come back. Money in suspense
is there at once; credit that was never sent to its meter is cancelled; credit that the platform holds is
taken under the account's lock, and only if it is unspent; credit in a meter is asked back from the meter, and
so is credit that may be on its way there, once it has arrived. A whole payment brings back all that it was
divided into: a debt that it paid is owed again, and so is a month's fee.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from compuerta.domain import instruction as life
from compuerta.domain.correction import Correction, CorrectionState, Event
from compuerta.domain.division import Debt, DebtKind, PartKind
from compuerta.domain.errors import Refused
from compuerta.domain.instruction import TAKEN_BACK, Instruction, State
from compuerta.domain.ledger import (
    DEBT,
    DELIVERED,
    FEE,
    REFUNDING,
    SUSPENSE,
    TAX,
    UNDELIVERED,
    Line,
    Posting,
    PostingKind,
    liability_minor,
)
from compuerta.domain.money import format_minor
from compuerta.domain.naming import derived
from compuerta.domain.payment import DisputeState
from compuerta.services import booking, converging, withdrawing
from compuerta.services.dues_port import RechargeLine
from compuerta.services.records import AccountView, Payment, PaymentVerdict, Recharge
from compuerta.services.store_port import Transaction

CREDIT_USED = "credit_used"
MONEY_GONE = "money_gone"  # since it was proposed, the provider has taken it back


class CreditUsed(Refused):
    """Less is unspent than is to be taken back."""

    def __init__(self, amount_minor: int, *, left_minor: int, currency: str) -> None:
        wanted, left = (format_minor(each, currency=currency) for each in (amount_minor, left_minor))
        super().__init__(f"{wanted} {currency} cannot be taken back: {left} is unspent; correct that much")
        self.left_minor = left_minor


class TakenByMeter(Refused):
    """The meter has, or may have, taken the recharge: it is too late to undo the sale."""

    def __init__(self) -> None:
        super().__init__("the meter has taken this recharge, or may have: propose a refund instead")


def payment_of(tx: Transaction, correction: Correction) -> Payment:
    """Return the payment that a correction is of; its proposal has seen that there is one."""
    assert correction.payment_id is not None
    payment = tx.corrections.payment(correction.account_id, correction.payment_id)
    assert payment is not None, "a correction is proposed of a payment that is there"
    return payment


def take_back(tx: Transaction, view: AccountView, correction: Correction, *, now: datetime) -> Correction:
    """Do what can be done now to bring a correction's money back; it may have to be called again."""
    payment = payment_of(tx, correction)
    if payment.verdict is PaymentVerdict.SUSPENDED or correction.amount_minor <= waiting(tx, payment):
        lines = [(SUSPENSE, correction.amount_minor)]
        return _returned(tx, correction, lines, kind=PostingKind.PLACEMENT, now=now)
    recharge = tx.corrections.recharge_of(correction.account_id, payment.payment_id)
    assert recharge is not None, "a payment that was credited has a recharge"
    if not recharge.credit_minor:  # all of it went into debts and fees: nobody holds credit of it
        return _returned(tx, correction, _rest(tx, correction, recharge, now=now), now=now)
    delivery = _delivery(tx, recharge)
    credit_minor = min(correction.amount_minor, recharge.credit_minor)
    if delivery is not None and delivery.state in life.OPEN:
        if not is_cancellable(delivery) or credit_minor != recharge.credit_minor:
            return (
                correction  # it is on its way, or only a part is wanted: when it is there, it is asked back
            )
        cancel(tx, delivery, now=now)
        lines = [(UNDELIVERED, credit_minor), *_rest(tx, correction, recharge, now=now)]
        return _returned(tx, correction, lines, now=now)
    if view.credit_in_meter and view.meter is not None:
        return _ask_meter(tx, view, correction, recharge, now=now)
    if view.meter is None or view.holdings.delivered_minor < credit_minor:
        return withdrawing.hinder(tx, correction, reason=CREDIT_USED, now=now)
    lines = [(DELIVERED, credit_minor), *_rest(tx, correction, recharge, now=now)]
    returned = _returned(tx, correction, lines, now=now)
    converging.converge(tx, [correction.account_id], now=now)
    return returned


def spoken_for(tx: Transaction, payment: Payment) -> int:
    """Return what of a payment is gone, or about to go: by us, by its provider, or by its payer's bank."""
    of = (payment.account_id, payment.payment_id)
    corrections, refunds = tx.corrections.of_payment(*of), tx.corrections.refunds_of(*of)
    ours = (each.amount_minor for each in corrections if each.state is not CorrectionState.REJECTED)
    unasked = (each.amount_minor for each in refunds if each.correction_id is None)
    disputes = tx.corrections.disputes_of(*of)
    lost = (each.amount_minor for each in disputes if each.state is not DisputeState.WON)
    return sum(ours) + sum(unasked) + sum(lost)


def waiting(tx: Transaction, payment: Payment) -> int:
    """Return what of a payment that was credited waits in suspense, since nobody could have it."""
    account_id = payment.account_id
    corrections = tx.corrections.of_payment(account_id, payment.payment_id)
    taken = [(each.correction_id, PostingKind.PLACEMENT) for each in corrections]
    back = [(derived(each.correction_id, "back"), PostingKind.PLACEMENT) for each in corrections]
    disputes = tx.corrections.disputes_of(account_id, payment.payment_id)
    won = [(derived(each.dispute_id, "won"), PostingKind.DISPUTE) for each in disputes]
    postings = (tx.corrections.posting(account_id, *each) for each in (*taken, *back, *won))
    return sum(liability_minor(each, code=SUSPENSE) for each in postings if each is not None)


def is_gone(tx: Transaction, correction: Correction) -> bool:
    """Tell whether money that a correction is of has been taken by its provider, or by its payer's bank."""
    payment = payment_of(tx, correction)
    return spoken_for(tx, payment) > payment.amount_minor


def undo(tx: Transaction, view: AccountView, correction: Correction, *, now: datetime) -> Correction:
    """Bring a whole sale back at once, or refuse: `TakenByMeter`, `CreditUsed`."""
    payment = payment_of(tx, correction)
    recharge = tx.corrections.recharge_of(correction.account_id, payment.payment_id)
    if recharge is not None:
        delivery = _delivery(tx, recharge)
        if delivery is not None and not is_cancellable(delivery):
            raise TakenByMeter
        left_minor = view.holdings.delivered_minor
        if delivery is None and recharge.credit_minor > left_minor:
            raise CreditUsed(recharge.credit_minor, left_minor=left_minor, currency=correction.currency)
    returned = take_back(tx, view, correction, now=now)
    assert returned.state is CorrectionState.PAYING, "what was seen to be there was taken back"
    return returned


def is_cancellable(delivery: Instruction) -> bool:
    """Tell whether nothing of an instruction was ever sent."""
    return delivery.state is State.WAITING and delivery.tries == 0


def cancel(tx: Transaction, delivery: Instruction, *, now: datetime) -> None:
    """End a recharge that was never sent; its number goes to the next, so that the meter sees no gap.

    Numbers are sent in their order: while this one waits, none of the later ones was sent either.
    """
    assert is_cancellable(delivery) and delivery.purchase_no is not None
    state = life.after(delivery.state, life.Event.ABANDONED)
    tx.save_instructions([replace(delivery, state=state, ended_at=now, last_answer=TAKEN_BACK)])
    tx.corrections.give_back_number(delivery.meter_id, purchase_no=delivery.purchase_no)


def _delivery(tx: Transaction, recharge: Recharge) -> Instruction | None:
    delivery_id = derived(recharge.recharge_id, "delivery")
    return tx.instructions([(recharge.meter_id, delivery_id)]).get(delivery_id)


def _ask_meter(
    tx: Transaction, view: AccountView, correction: Correction, recharge: Recharge, *, now: datetime
) -> Correction:
    """Order the withdrawal, once; when its meter has counted it, the rest of the payment comes back too."""
    orders = tx.corrections.withdrawals(correction.correction_id)
    if any(each.state is State.DONE for each in orders):
        return _returned(tx, correction, _rest(tx, correction, recharge, now=now), now=now)
    if not any(each.state in life.OPEN for each in orders):
        withdrawing.order(
            tx,
            view,
            correction,
            amount_minor=min(correction.amount_minor, recharge.credit_minor),
            instruction_id=derived(correction.correction_id, f"withdrawal:{len(orders)}"),
            now=now,
        )
    return correction


def _rest(
    tx: Transaction, correction: Correction, recharge: Recharge, *, now: datetime
) -> list[tuple[str, int]]:
    """Return the debits that undo what was not credit; debts and months are owed again."""
    if correction.amount_minor <= recharge.credit_minor:
        return []
    lines = tx.dues.lines(recharge.account_id, recharge.recharge_id)
    owed = [each for each in lines if each.kind in (PartKind.DEBT, PartKind.FIXED)]
    _owe_again(tx, correction, owed, now=now)
    return [
        (code, amount_minor)
        for code, amount_minor in (
            (DEBT, sum(each.amount_minor for each in owed)),
            (FEE, recharge.fee_minor),
            (TAX, recharge.tax_minor),
        )
        if amount_minor
    ]


def _owe_again(
    tx: Transaction, correction: Correction, lines: Sequence[RechargeLine], *, now: datetime
) -> None:
    for line in lines:
        debt = tx.dues.debt(line.account_id, line.debt_id) if line.debt_id is not None else None
        if debt is not None:
            tx.dues.save_debts([replace(debt, remaining_minor=debt.remaining_minor + line.amount_minor)])
            continue
        # The month stays paid, as its line says; what paid it is gone, so that it is owed.
        tx.dues.put_debts(
            [
                Debt(
                    account_id=line.account_id,
                    debt_id=derived(correction.correction_id, f"debt:{line.line_no}"),
                    kind=DebtKind.OTHER,
                    name=line.period,
                    opened_minor=line.amount_minor,
                    remaining_minor=line.amount_minor,
                    opened_at=now,
                    opened_by=correction.decided_by or correction.proposed_by,
                    why=correction.why,
                    cause_id=correction.correction_id,
                )
            ]
        )


def _returned(
    tx: Transaction,
    correction: Correction,
    lines: Sequence[tuple[str, int]],
    *,
    kind: PostingKind = PostingKind.WITHDRAWAL,
    now: datetime,
) -> Correction:
    if lines:
        _book(tx, correction, lines, kind=kind, now=now)
    returned = correction.after(Event.RETURNED, now=now)
    tx.corrections.save(returned)
    return returned


def _book(
    tx: Transaction,
    correction: Correction,
    lines: Sequence[tuple[str, int]],
    *,
    kind: PostingKind,
    now: datetime,
) -> None:
    total_minor = sum(amount_minor for _, amount_minor in lines)
    booking.book(
        tx,
        [
            Posting(
                account_id=correction.account_id,
                posting_id=derived(correction.correction_id, kind.value),
                kind=kind,
                currency=correction.currency,
                lines=(
                    *(Line(code=code, amount_minor=amount_minor) for code, amount_minor in lines),
                    Line(code=REFUNDING, amount_minor=-total_minor),
                ),
                booked_at=now,
                cause_id=correction.correction_id,
            )
        ],
    )
