"""The promise M3 as a check: a payment is divided to the last minor unit, and every part is booked."""

from collections import defaultdict
from collections.abc import Iterator
from uuid import UUID

from compuerta.domain.division import PartKind
from compuerta.domain.instruction import TAKEN_BACK, Kind, State
from compuerta.domain.ledger import DEBT, FEE, REVENUE_FIXED, TAX, UNDELIVERED, PostingKind, liability_minor
from compuerta.services.facts import View, unless
from compuerta.services.records import Recharge

CARRIED = "carried"  # an adjustment of this kind is credit of before, and is not divided again


def granted_by(view: View, recharge: Recharge) -> UUID | None:
    """Return the payment, or the adjustment, whose money a recharge divides; None where it is carried."""
    if recharge.payment_id is not None:
        return recharge.payment_id
    adjusted = view.adjustment.get(recharge.adjustment_id) if recharge.adjustment_id else None
    return None if adjusted is None or adjusted.kind == CARRIED else adjusted.adjustment_id


def m3(view: View) -> Iterator[str | None]:
    """M3 Paid = credit + fixed charges + debt + fees + tax + change, exactly, and is what was ordered."""
    yield from _carried(view)
    yield from _debts(view)
    ordered = {(each.provider, each.reference): each for each in view.books.attempts}
    for recharge in view.books.recharges:
        granted = granted_by(view, recharge)
        if granted is None:
            continue
        amounts = {recharge.paid_minor, sum(_parts(recharge).values())}
        amounts.add(sum(line.amount_minor for line in view.lines_of[recharge.recharge_id]))
        payment = view.payment_by_id.get(granted)
        if payment is not None:
            # Money that nobody ordered has no attempt.
            attempt = ordered.get((payment.provider, payment.reference))
            amounts |= {payment.amount_minor, attempt.amount_minor if attempt else payment.amount_minor}
        yield unless(len(amounts) == 1, f"recharge {recharge.recharge_id}: {amounts} are not one amount")
        yield from _booked(view, recharge, granted)


def _parts(recharge: Recharge) -> dict[tuple[PartKind, ...], int]:
    return {
        (PartKind.EMERGENCY, PartKind.ENERGY): recharge.credit_minor,
        (PartKind.FIXED,): recharge.fixed_minor,
        (PartKind.DEBT,): recharge.debt_minor,
        (PartKind.FEE,): recharge.fee_minor,
        (PartKind.TAX,): recharge.tax_minor,
        (PartKind.CHANGE,): recharge.change_minor,
    }


def _booked(view: View, recharge: Recharge, granted: UUID) -> Iterator[str | None]:
    """M3 Every part is a line, and is booked under its code."""
    lines = view.lines_of[recharge.recharge_id]
    for kinds, amount_minor in _parts(recharge).items():
        listed = sum(line.amount_minor for line in lines if line.kind in kinds)
        yield unless(
            listed == amount_minor,
            f"recharge {recharge.recharge_id}: {kinds[-1].value} is {amount_minor}, its lines say {listed}",
        )
    codes = {
        DEBT: recharge.debt_minor,
        REVENUE_FIXED: recharge.fixed_minor,
        FEE: recharge.fee_minor,
        TAX: recharge.tax_minor,
    }
    for code, amount_minor in codes.items():
        booked = sum(liability_minor(posting, code=code) for posting in view.postings_of[granted])
        yield unless(
            booked == amount_minor,
            f"recharge {recharge.recharge_id}: {amount_minor} for {code}, booked is {booked}",
        )


def _debts(view: View) -> Iterator[str | None]:
    """M3 What remains of debts is what was booked of them."""
    remaining: dict[int, int] = defaultdict(int)
    for debt in view.books.debts:
        remaining[debt.account_id] += debt.remaining_minor
    booked: dict[int, int] = defaultdict(int)
    for posting in view.books.postings:
        booked[posting.account_id] -= liability_minor(posting, code=DEBT)
    for account_id in remaining.keys() | {each for each, minor in booked.items() if minor}:
        yield unless(
            remaining[account_id] == booked[account_id],
            f"account {account_id} owes {remaining[account_id]}, postings say {booked[account_id]}",
        )


def _carried(view: View) -> Iterator[str | None]:
    """M3 What is sent to a new meter is what was in the old one and what never got there: once."""
    rests: dict[int, int] = defaultdict(int)
    for adjustment in view.books.adjustments:
        if adjustment.kind == CARRIED:
            rests[adjustment.account_id] += adjustment.amount_minor
    for posting in view.books.postings:
        if posting.kind is PostingKind.CARRIED:
            rests[posting.account_id] -= liability_minor(posting, code=UNDELIVERED)
    for each in view.books.instructions:
        # What was taken back before it was sent went to its payer, or elsewhere: a withdrawal says so.
        never_came = each.state is State.CANCELLED and each.last_answer != TAKEN_BACK
        if each.kind is Kind.RECHARGE and never_came:
            rests[each.account_id] -= each.amount_minor or 0
    for account_id, rest in rests.items():
        yield unless(rest == 0, f"account {account_id}: {rest} was carried more than once, or not at all")
