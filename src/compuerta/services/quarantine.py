"""Quarantine: an end that comes over and over, or talks without end, is left outside for a while.

A module with a loose aerial or a broken firmware would otherwise keep a gateway busy for everybody else. It
is let in again by itself; each time that it goes on as before it waits longer, to a bound.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from compuerta.services.records import Alarm

WINDOW = timedelta(minutes=1)
OPENINGS_MAX = 30  # in a window; a module that is well dials a few times a day
STRAYS_MAX = 300  # frames in a window that answer nothing
OCTETS_MAX = 1_000_000  # in a window; ten times what a bus of 9600 baud can carry
OUTSIDE = timedelta(minutes=5)
OUTSIDE_MAX = timedelta(hours=1)
WELL = 3 * OUTSIDE_MAX  # who was not put outside for so long is as good as any other
ENDS_MAX = 20_000  # that are watched; who was quiet longest makes room
CHATTERING = "end_chattering"  # the kind of its alarm
_DOUBLINGS_MAX = 4  # five minutes doubled so often are more than OUTSIDE_MAX


@dataclass(slots=True, kw_only=True)
class _Watched:
    """What one end did in the window that runs, and how long it is outside."""

    since: datetime
    openings: int = 0
    strays: int = 0
    octets: int = 0
    times: int = 0  # that it was put outside, and soon again
    until: datetime | None = None
    put_at: datetime | None = None  # outside, the last time


@dataclass(slots=True, kw_only=True)
class Quarantine:
    """Which ends a gateway leaves outside."""

    _watched: dict[str, _Watched] = field(default_factory=dict)
    _alarms: list[Alarm] = field(default_factory=list)

    def lets_in(self, endpoint_id: str, *, now: datetime) -> bool:
        """Count that an end has come; False = it is to be shut out."""
        watched = self._window(endpoint_id, now=now)
        watched.openings += 1
        if watched.until is None and watched.openings > OPENINGS_MAX:
            self._put_outside(endpoint_id, watched, f"came {watched.openings} times in a minute", now=now)
        return watched.until is None

    def bears(self, endpoint_id: str, *, strays: int, octets: int, now: datetime) -> bool:
        """Count what an end has said unasked, and in all; False = it is to be shut out."""
        watched = self._window(endpoint_id, now=now)
        watched.strays += strays
        watched.octets += octets
        if watched.until is None and (watched.strays > STRAYS_MAX or watched.octets > OCTETS_MAX):
            said = f"said {watched.strays} frames unasked, {watched.octets} bytes in a minute"
            self._put_outside(endpoint_id, watched, said, now=now)
        return watched.until is None

    def outside(self) -> dict[str, datetime]:
        """Return who is outside, and until when."""
        return {end: each.until for end, each in self._watched.items() if each.until is not None}

    def take_alarms(self) -> Sequence[Alarm]:
        """Return the alarms of those who were put outside, once."""
        alarms, self._alarms = self._alarms, []
        return alarms

    def _window(self, endpoint_id: str, *, now: datetime) -> _Watched:
        watched = self._watched.pop(endpoint_id, None) or _Watched(since=now)
        ends_at = watched.until or watched.since + WINDOW
        if now >= ends_at:
            is_well = watched.put_at is not None and now - watched.put_at >= WELL
            watched = _Watched(since=now, times=0 if is_well else watched.times, put_at=watched.put_at)
        if len(self._watched) >= ENDS_MAX:
            del self._watched[next(iter(self._watched))]
        self._watched[endpoint_id] = watched
        return watched

    def _put_outside(self, endpoint_id: str, watched: _Watched, said: str, *, now: datetime) -> None:
        watched.times += 1
        watched.put_at = now
        watched.until = now + min(OUTSIDE * (1 << min(watched.times - 1, _DOUBLINGS_MAX)), OUTSIDE_MAX)
        detail = f"{said}; let in again at {watched.until:%H:%M} UTC"
        self._alarms.append(Alarm(kind=CHATTERING, subject=endpoint_id, detail=detail, at=now))
