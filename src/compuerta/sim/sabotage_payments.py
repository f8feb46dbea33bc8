"""Sabotage of what puts payments right, and of what divides them; see `sabotage`."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from compuerta.adapters.memory.dues import MemoryDues
from compuerta.domain.correction import Correction, Event
from compuerta.services import crediting, taking_back
from compuerta.services.records import AccountView
from compuerta.services.store_port import Transaction

Change = tuple[object, str, object]


def no_credit_back_first() -> Sequence[Change]:
    """Let money go back to its payer while the credit is still where it was."""

    def at_once(tx: Transaction, view: AccountView, correction: Correction, *, now: datetime) -> Correction:
        returned = correction.after(Event.RETURNED, now=now)
        tx.corrections.save(returned)
        return returned

    return [(taking_back, "take_back", at_once)]


def no_second_person() -> Sequence[Change]:
    """Let whoever proposes decide."""

    def alone(self: Correction, event: Event, *, by: str, note: str, now: datetime) -> Correction:
        return replace(self.after(event, now=now, note=note), decided_by=by, decided_at=now)

    return [(Correction, "decided", alone)]


def no_last_line() -> Sequence[Change]:
    """Leave the last part of a divided payment off its receipt."""
    lines_of = crediting.lines_of
    return [(crediting, "lines_of", lambda recharge, parts: lines_of(recharge, parts)[:-1])]


def no_lowering() -> Sequence[Change]:
    """Take a debt's part, and let the debt stay as it is."""
    return [(MemoryDues, "save_debts", lambda self, debts: None)]
