"""The debts card: what an account owes from before, in the order in which recharges recover it."""

from dataclasses import dataclass
from datetime import datetime

from compuerta.apps.console import supply_reads, work
from compuerta.apps.console.people import Person
from compuerta.domain.access import Right
from compuerta.domain.division import Debt


@dataclass(frozen=True, slots=True, kw_only=True)
class DebtRow:
    """A debt as the card shows it."""

    debt: Debt
    suspended_until: datetime | None  # None = recharges recover it now
    share_percent: str  # "" = as the policy says


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """What is owed, and whether this person may put it off."""

    rows: tuple[DebtRow, ...]
    may_change: bool

    @property
    def remaining_minor(self) -> int:
        """What is owed in all."""
        return sum(row.debt.remaining_minor for row in self.rows)


def card(person: Person, account_id: int, *, now: datetime) -> Card:
    """Return what an account owes from before."""
    with work.store() as store, store.transaction() as tx:
        view = tx.look_at([account_id], now=now)[account_id]
        debts = tx.dues.open_debts([account_id])
    return Card(
        rows=tuple(_row(debt, now=now) for debt in debts),
        may_change=person.may(Right.CORRECT, supply_reads.place_of(view)),
    )


def _row(debt: Debt, *, now: datetime) -> DebtRow:
    until = debt.suspended_until
    share = "" if debt.share_ppm is None else f"{debt.share_ppm // 10_000}.{debt.share_ppm % 10_000:04d}"
    return DebtRow(
        debt=debt,
        suspended_until=until if until is not None and until > now else None,
        share_percent=share.rstrip("0").rstrip("."),
    )
