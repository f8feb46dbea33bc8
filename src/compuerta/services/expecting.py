"""Expecting: what to tell somebody who has paid and waits: when what their meter has to do can reach it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum
from typing import Final

from compuerta.domain.road import EndState

# A sleeper that is late by more has not overslept: its road is dead.
LATE: Final = timedelta(minutes=10)


class Prospect(Enum):
    """When an open instruction goes."""

    NOW = "now"
    AT_CONTACT = "at_contact"  # the meter sleeps, and says something by then
    ROAD_DEAD = "road_dead"


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """When it goes; `at` is about the next contact, or since when there is no road (None = never was)."""

    prospect: Prospect
    at: datetime | None = None


class Standing(Enum):
    """How one end stands."""

    ALIVE = "alive"
    ASLEEP = "asleep"
    DEAD = "dead"


_STANDING: Final = {
    Prospect.NOW: Standing.ALIVE,
    Prospect.AT_CONTACT: Standing.ASLEEP,
    Prospect.ROAD_DEAD: Standing.DEAD,
}


def standing(end: EndState | None, *, now: datetime) -> tuple[Standing, datetime | None]:
    """Return how an end stands, and about until when it sleeps, or since when it is as it is.

    None = it never came: it is dead, since nobody knows when.
    """
    if end is not None and end.is_alive:
        return Standing.ALIVE, end.changed_at
    found = expected([] if end is None else [end], now=now)
    return _STANDING[found.prospect], found.at


def expected(ends: Sequence[EndState], *, now: datetime) -> Expected:
    """Return what may be expected of a meter by the ends of all its ways; those that never came are left out.

    One that is there is enough; else the sleeper that wakes first; else nothing is, since the last was lost.
    """
    if any(end.is_alive for end in ends):
        return Expected(prospect=Prospect.NOW)
    contacts = [end.next_contact_at for end in ends if end.next_contact_at is not None]
    coming = [at for at in contacts if now <= at + LATE]
    if coming:
        return Expected(prospect=Prospect.AT_CONTACT, at=max(min(coming), now))
    dead = [max(end.next_contact_at or end.changed_at, end.changed_at) for end in ends]
    return Expected(prospect=Prospect.ROAD_DEAD, at=max(dead, default=None))
