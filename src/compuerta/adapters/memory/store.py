"""The store in memory: transactions that are undone by copying back, and a look at what bills everybody."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

from compuerta.adapters.memory.tables import Tables
from compuerta.adapters.memory.transaction import MemoryTransaction
from compuerta.services.facts import BilledBy
from compuerta.services.schedules import Schedules


def as_it_stands(tables: Tables) -> Tables:
    """Return a copy to go back to: rows are frozen, so copying the dictionaries is copying the database."""
    return Tables(**{name: getattr(tables, name).copy() for name in Tables.__slots__})


class MemoryStore:
    """This will hold a whole database in this process."""

    def __init__(self) -> None:
        self.tables = Tables()
        self._schedules = Schedules()

    @contextmanager
    def transaction(self) -> Iterator[MemoryTransaction]:
        """Begin a transaction; see `store_port.Store`."""
        before = as_it_stands(self.tables)
        try:
            yield MemoryTransaction(self.tables, self._schedules)
        except BaseException:
            self.tables = before
            raise

    def billed_by(self, *, now: datetime) -> dict[int, BilledBy]:
        """Return by what every account is billed."""
        views = MemoryTransaction(self.tables, self._schedules).look_at(self.tables.accounts, now=now)
        return {
            account_id: BilledBy(schedule=view.schedule, agreed=view.agreed)
            for account_id, view in views.items()
            if view.schedule is not None
        }
