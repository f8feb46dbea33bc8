"""Withdrawing: credit is asked back from a meter, and a correction goes on, or not, by what the meter says.

A withdrawal has a purchase number like a recharge, and is never sent twice in doubt. One that its meter has
refused took nothing: its number is given out again, or every later recharge would be refused for the gap.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

from compuerta.domain.correction import Correction, CorrectionState, Event
from compuerta.domain.errors import Refused
from compuerta.domain.instruction import Instruction, Kind
from compuerta.domain.ledger import DELIVERED, REFUNDING, Posting, PostingKind, transfer
from compuerta.domain.naming import derived
from compuerta.drivers.abilities import NOT_SENDABLE, WithdrawalOrder
from compuerta.services.records import AccountView, Case, Claim
from compuerta.services.store_port import Transaction

FOLLOWING_MAX: Final = 100  # corrections of one account that take back at one time


class WithdrawalOpen(Refused):
    """Credit is being asked back from a meter that is to change hands."""

    def __init__(self, meter_id: int) -> None:
        super().__init__("credit is being taken back from this meter: wait until that is done, or give it up")
        self.meter_id = meter_id


def refuse_open(tx: Transaction, meter_id: int, *, account_id: int) -> None:
    """Refuse to go on where a withdrawal of a meter is open; nobody else could tell what became of it.

    One that the meter has counted is open until its correction has followed with the rest of the money.
    """
    is_asked = any(each.kind is Kind.WITHDRAWAL for each in tx.occupancy.open_instructions(meter_id))
    waiting = tx.corrections.taking_back(after=account_id - 1, limit=FOLLOWING_MAX)
    if is_asked or any(
        each.account_id == account_id and tx.corrections.withdrawals(each.correction_id) for each in waiting
    ):
        raise WithdrawalOpen(meter_id)


def order(
    tx: Transaction,
    view: AccountView,
    correction: Correction,
    *,
    amount_minor: int,
    instruction_id: UUID,
    now: datetime,
) -> None:
    """Write the instruction that takes an amount out of an account's meter, after all that waits for it."""
    assert view.meter is not None and view.snapshot is not None
    last = view.snapshot.purchase_no_last or view.snapshot.purchase_no or 0
    tx.put_instructions(
        [
            Instruction(
                meter_id=view.meter.meter_id,
                instruction_id=instruction_id,
                account_id=view.account.account_id,
                kind=Kind.WITHDRAWAL,
                created_at=now,
                due_at=now,
                amount_minor=amount_minor,
                purchase_no=last + 1,
                correction_id=correction.correction_id,
            )
        ]
    )


def order_for(claim: Claim) -> WithdrawalOrder:
    """Return what the driver of a claimed withdrawal is told."""
    instruction = claim.instruction
    assert instruction.amount_minor is not None and instruction.purchase_no is not None
    return WithdrawalOrder(
        amount_minor=instruction.amount_minor,
        purchase_no=instruction.purchase_no,
        customer_no=claim.meter.customer_no,
    )


def posting(instruction: Instruction, *, currency: str, now: datetime) -> Posting:
    """Return the posting of a withdrawal that its meter has counted: credit on its way to its payer."""
    assert instruction.correction_id is not None and instruction.amount_minor is not None
    return Posting(
        account_id=instruction.account_id,
        posting_id=derived(instruction.instruction_id, PostingKind.WITHDRAWAL.value),
        kind=PostingKind.WITHDRAWAL,
        currency=currency,
        lines=transfer(debit=DELIVERED, credit=REFUNDING, amount_minor=instruction.amount_minor),
        booked_at=now,
        cause_id=instruction.instruction_id,
    )


def refused(tx: Transaction, ended: Sequence[tuple[Instruction, int | None]], *, now: datetime) -> None:
    """Let corrections wait for a person after their withdrawals were refused; with each, its meter's count.

    Its number is given out again where that count shows that it was not used, or where nothing was sent.
    """
    for instruction, count in ended:
        assert instruction.correction_id is not None and instruction.purchase_no is not None
        if count == instruction.purchase_no - 1 or instruction.last_answer == NOT_SENDABLE:
            tx.corrections.give_back_number(instruction.meter_id, purchase_no=instruction.purchase_no)
        correction = tx.corrections.correction(instruction.account_id, instruction.correction_id)
        if correction is not None and correction.state is CorrectionState.TAKING_BACK:
            hinder(tx, correction, reason=instruction.last_answer, now=now)


def hinder(tx: Transaction, correction: Correction, *, reason: str, now: datetime) -> Correction:
    """Let a correction wait for a person, with a case that says why; its money stays where it is."""
    stuck = correction.after(Event.HINDERED, now=now, note=reason)
    tx.corrections.save(stuck)
    tx.put_cases(
        [
            Case(
                account_id=correction.account_id,
                case_id=derived(correction.correction_id, f"case:stuck:{now.isoformat()}"),
                kind="correction_stuck",
                detail=f"{correction.kind.value}: {reason}",
                opened_at=now,
            )
        ]
    )
    return stuck
