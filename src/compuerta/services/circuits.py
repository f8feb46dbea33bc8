"""Circuits: a carrier that fails in a row is left alone for a while, so that nobody waits for its silence.

One letter tries it from time to time; staff is told once when it goes down, and once when it is back.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum

from compuerta.services.records import Alarm
from compuerta.services.store_port import Store

FAILURES_MAX = 5  # in a row; a single time-out is everybody's
REST = timedelta(minutes=1)  # between two letters that try a carrier which is down


class Turn(Enum):
    """What became of a carrier by one answer."""

    DOWN = "channel_down"
    BACK = "channel_back"


@dataclass(frozen=True, slots=True, kw_only=True)
class Circuit:
    """How a carrier has answered lately."""

    failures: int = 0
    rests_until: datetime | None = None  # there while it is down

    def lets_through(self, *, now: datetime) -> bool:
        """Tell whether a letter may be handed over now."""
        return self.rests_until is None or now >= self.rests_until

    def trying(self, *, now: datetime) -> "Circuit":
        """Return the circuit while one letter tries a carrier that is down: no second one does."""
        if self.rests_until is None:
            return self
        return Circuit(failures=self.failures, rests_until=now + REST)

    def heard(self, *, healthy: bool, now: datetime) -> tuple["Circuit", Turn | None]:
        """Return the circuit after an answer, and what is to be told of it."""
        was_down = self.rests_until is not None
        if healthy:
            return Circuit(), Turn.BACK if was_down else None
        failures = self.failures + 1
        if failures < FAILURES_MAX:
            return Circuit(failures=failures), None
        down = Circuit(failures=failures, rests_until=now + REST)
        return down, None if was_down else Turn.DOWN


def tell(store: Store, turns: dict[str, tuple[Turn, str]], *, now: datetime) -> None:
    """Raise an alarm at the border for each carrier that went down or came back."""
    alarms = [
        Alarm(kind=turn.value, subject=carrier, detail=detail, at=now)
        for carrier, (turn, detail) in sorted(turns.items())
    ]
    if alarms:
        with store.transaction() as tx:
            tx.put_alarms(alarms)
