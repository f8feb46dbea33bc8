"""The stage: one virtual clock, one queue of events, one source of chance, and the record of what happened.

Everything in a run happens in an event of this queue, one after the other; nothing else has time.
So a run is a pure function of its seed.
"""

import heapq
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from random import Random

from compuerta.domain.errors import Broken
from compuerta.sim.faults import PPM, Faults

START = datetime(2026, 11, 22, 15, 25, tzinfo=UTC)
START_MS = int(START.timestamp()) * 1000
EVENTS_MAX = 400_000  # ten times what the busiest run needs; more is two roles that wake each other for ever
NOTES_KEPT_MAX = 60  # of a failing run: what led to it

Act = Callable[[], None]
Trace = Callable[[str], None]


class RunsForEver(Broken):
    """A run that does not come to its end: events breed events."""

    def __init__(self, now_ms: int) -> None:
        super().__init__(f"more than {EVENTS_MAX} events by {clock_text(now_ms)}")


@dataclass(frozen=True, slots=True)
class Note:
    """One line of the record."""

    now_ms: int
    actor: str
    what: str
    facts: tuple[object, ...]

    def __str__(self) -> str:
        facts = " ".join(str(fact) for fact in self.facts)
        return f"{clock_text(self.now_ms)}  {self.actor:<10} {self.what:<16} {facts}".rstrip()


@dataclass(slots=True, eq=False)
class Stage:
    """Will carry one run: the one owner of its time and its luck."""

    chance: Random
    faults: Faults
    trace: Trace | None = None
    now_ms: int = START_MS
    calm: bool = False
    notes: deque[Note] = field(default_factory=lambda: deque(maxlen=NOTES_KEPT_MAX))
    events: int = 0
    _queue: list[tuple[int, int, Act]] = field(default_factory=list)
    _places: int = 0

    def now(self, *, skew_ms: int = 0) -> datetime:
        """Return the instant as a wall clock that is off by `skew_ms` shows it."""
        return START + timedelta(milliseconds=self.now_ms - START_MS + skew_ms)

    def later(self, delay_ms: int, act: Act) -> None:
        """Let something happen after a while."""
        self._places += 1
        heapq.heappush(self._queue, (self.now_ms + max(delay_ms, 0), self._places, act))

    def run_until(self, to_ms: int) -> None:
        """Let everything happen that happens up to an instant."""
        queue = self._queue
        while queue and queue[0][0] <= to_ms:
            self.now_ms, _, act = heapq.heappop(queue)
            self.events += 1
            if self.events > EVENTS_MAX:
                raise RunsForEver(self.now_ms)
            act()
        self.now_ms = to_ms

    def draws(self, ppm: int) -> bool:
        """Tell whether chance strikes; never in calm, and without a draw where it cannot."""
        return ppm > 0 and not self.calm and self.chance.randrange(PPM) < ppm

    def between(self, least: int, most: int) -> int:
        """Return a whole number of this range, both ends included."""
        return self.chance.randint(least, most)

    def note(self, actor: str, what: str, *facts: object) -> None:
        """Keep one line of what happened."""
        line = Note(self.now_ms, actor, what, facts)
        self.notes.append(line)
        if self.trace is not None:
            self.trace(str(line))


def ms_until(instant: datetime, *, now: datetime) -> int:
    """Return the whole milliseconds from one instant to a later one, rounded up."""
    return -((now - instant) // timedelta(milliseconds=1))


def clock_text(now_ms: int) -> str:
    """Return a virtual instant as the time that has passed in the run."""
    seconds, ms = divmod(now_ms - START_MS, 1000)
    return f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}.{ms:03d}"
