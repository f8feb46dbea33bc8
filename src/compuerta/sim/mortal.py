"""What may die: a role of the program as a process that loses its memory, and its way to the database.

A crash can fall between any two steps of a role, inside a transaction, or after its commit unheard.
A role that restarts knows only what is in the database.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import cast

from compuerta.adapters.memory import MemoryStore, MemoryTransaction
from compuerta.domain.errors import Unreachable
from compuerta.sim.stage import Act, Stage

RESTART_MS_MIN, RESTART_MS_MAX = 200, 20_000
CALLS_MAX = 14  # of a store, in the longest transaction


class Crashed(Exception):
    """The process is dead from here on."""


class DatabaseAway(Unreachable):
    """The database does not answer; whether the transaction was committed is not known."""


class _Fuse:
    """A transaction during which the process dies, at one of its calls."""

    def __init__(self, tx: MemoryTransaction, *, calls: int) -> None:
        self._tx = tx
        self._calls = calls

    def __getattr__(self, name: str) -> object:
        self._calls -= 1
        if self._calls <= 0:
            raise Crashed(f"inside a transaction, before {name}")
        return getattr(self._tx, name)


class Database:
    """The one database of a run, and whoever wants to know that something was committed."""

    def __init__(self, stage: Stage) -> None:
        self.store = MemoryStore()
        self.away = False
        self.commits = 0
        self._stage = stage
        self._listeners: list[Act] = []

    def listen(self, listener: Act) -> None:
        """Call somebody after each commit that changed something: NOTIFY's hint, and the checker's turn."""
        self._listeners.append(listener)

    def committed(self) -> None:
        """Tell everybody, outside of the transaction."""
        self.commits += 1
        for listener in self._listeners:
            listener()


class Mortal:
    """One role's process: alive or dead, with a store that may fail it."""

    def __init__(self, name: str, *, stage: Stage, database: Database, born: Act, dies: Act) -> None:
        self.name = name
        self.alive = False
        self.lives = 0
        self.skew_ms = 0
        self._stage = stage
        self._database = database
        self._born = born
        self._dies = dies

    @contextmanager
    def transaction(self) -> Iterator[MemoryTransaction]:
        """Begin a transaction that may fail as a database and a process fail; see `store_port.Store`."""
        stage, faults = self._stage, self._stage.faults
        if self._database.away:
            raise DatabaseAway("connection refused")
        changes = self._database.store.changes
        with self._database.store.transaction() as tx:
            if stage.draws(faults.crash_ppm):
                yield cast(MemoryTransaction, _Fuse(tx, calls=stage.between(1, CALLS_MAX)))
                raise Crashed("before commit")
            yield tx
        if self._database.store.changes > changes:
            stage.later(0, self._database.committed)
        if stage.draws(faults.crash_ppm):
            raise Crashed("after commit")
        if stage.draws(faults.commit_unheard_ppm):
            raise DatabaseAway("connection lost during commit")

    def start(self) -> None:
        """Come to life with an empty memory."""
        self.alive = True
        self.lives += 1
        self.skew_ms = self._stage.between(-self._stage.faults.skew_ms_max, self._stage.faults.skew_ms_max)
        self._stage.note(self.name, "starts")
        self.live(self._born)

    def live(self, act: Act) -> None:
        """Do one step; it may be the last."""
        try:
            act()
        except Crashed as crash:
            self.crash(str(crash))

    def later(self, delay_ms: int, act: Act) -> None:
        """Do a step after a while, if this life still lasts then."""
        life = self.lives
        self._stage.later(delay_ms, lambda: self.live(act) if self.alive and self.lives == life else None)

    def guarded(self, act: Callable[[bytes], None]) -> Callable[[bytes], None]:
        """Let the outside call a step of this life."""
        life = self.lives

        def call(data: bytes) -> None:
            if self.alive and self.lives == life:
                self.live(lambda: act(data))

        return call

    def crash(self, where: str) -> None:
        """Die now, lose everything, and be started again by whoever watches processes."""
        if not self.alive:
            return
        self.alive = False
        self._stage.note(self.name, "crashes", where)
        self._dies()
        self._stage.later(self._stage.between(RESTART_MS_MIN, RESTART_MS_MAX), self.start)
