"""The store in memory: transactions that are undone by copying back, and a look at what bills everybody."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Final, cast

from compuerta.adapters.memory.tables import Tables
from compuerta.adapters.memory.transaction import MemoryTransaction
from compuerta.services.facts import BilledBy
from compuerta.services.schedules import Schedules

_NAMES: Final = frozenset(Tables.__slots__)


class Watched:
    """This will be the tables as one transaction sees them: what it asks for is copied first, to go back to.

    Rows are frozen, so copying a table is copying its rows; of most tables a transaction wants nothing.
    """

    def __init__(self, tables: Tables) -> None:
        self._tables = tables
        self._before: dict[str, object] = {}

    def __getattr__(self, name: str) -> object:
        if name not in _NAMES:  # a method of theirs, which has to see what we see
            return getattr(Tables, name).__get__(self)
        rows = getattr(self._tables, name)
        self._before[name] = rows.copy()
        setattr(self, name, rows)
        return rows

    def has_changed(self) -> bool:
        """Tell whether any row is another than before."""
        return any(getattr(self._tables, name) != rows for name, rows in self._before.items())

    def undo(self) -> None:
        """Put everything back as it stood."""
        for name, rows in self._before.items():
            setattr(self._tables, name, rows)


class MemoryStore:
    """This will hold a whole database in this process."""

    def __init__(self) -> None:
        self.tables = Tables()
        self.changes = 0  # transactions that left anything other than it was
        self._schedules = Schedules()

    @contextmanager
    def transaction(self) -> Iterator[MemoryTransaction]:
        """Begin a transaction; see `store_port.Store`."""
        watched = Watched(self.tables)
        tx = MemoryTransaction(cast(Tables, watched), self._schedules)
        try:
            yield tx
        except BaseException:
            watched.undo()
            raise
        self.changes += watched.has_changed()

    def billed_by(self, *, now: datetime) -> dict[int, BilledBy]:
        """Return by what every account is billed."""
        views = MemoryTransaction(self.tables, self._schedules).look_at(self.tables.accounts, now=now)
        return {
            account_id: BilledBy(schedule=view.schedule, agreed=view.agreed)
            for account_id, view in views.items()
            if view.schedule is not None
        }
