"""Receipt numbers: each one more than the one before, given under the lock of the till's row."""

from dataclasses import replace

from compuerta.domain.payment import AttemptState
from compuerta.services.shift_port import Shift, Till, TillSale
from compuerta.services.store_port import Transaction

_MAY_BE_PAID = frozenset({AttemptState.CREATED, AttemptState.PRESENTED, AttemptState.EXPIRED})


def next_number(tx: Transaction, till: Till) -> int:
    """Return the next number of a locked till; a transaction that is undone undoes it too."""
    receipt_no = till.receipt_no_last + 1
    tx.shifts.save_till(replace(till, receipt_no_last=receipt_no))
    return receipt_no


def number_paid(tx: Transaction, shift: Shift) -> int:
    """Number the shift's sales that were paid by phone since; returns how many may still be paid.

    Locks their attempts first, and then the till.
    """
    waiting = [each for each in tx.shifts.sales(shift) if each.receipt_no is None]
    # In the order in which payments lock them.
    by_id = sorted(waiting, key=lambda each: each.attempt_id)
    states = {each.attempt_id: _state(tx, each) for each in by_id}
    if AttemptState.PAID in states.values():
        _number(tx, shift, [each for each in waiting if states[each.attempt_id] is AttemptState.PAID])
    return sum(state in _MAY_BE_PAID for state in states.values())


def _state(tx: Transaction, sale: TillSale) -> AttemptState | None:
    attempt = tx.attempt(sale.attempt_id)
    return None if attempt is None else attempt.state


def _number(tx: Transaction, shift: Shift, paid: list[TillSale]) -> None:
    for each in paid:
        till = tx.shifts.till(shift.provider)
        current = tx.shifts.sale(each.account_id, each.attempt_id)
        assert till is not None and current is not None, "a sale is at a till, and never deleted"
        if current.receipt_no is None:
            tx.shifts.save_sales([replace(current, receipt_no=next_number(tx, till))])
