"""Sabotage of roads: what takes a meter's further ways, and what is late on them; see `sabotage`."""

from collections.abc import Sequence
from datetime import datetime

from compuerta.domain.instruction import LEASE
from compuerta.domain.road import Way
from compuerta.services import dispatching, routing

Change = tuple[object, str, object]


def no_second_way() -> Sequence[Change]:
    """Know of each meter its own end alone."""
    living = routing.Routing._living

    def first_only(self: routing.Routing, meter_id: int) -> list[Way]:
        first = self._known.ways.get(meter_id, ())[:1]
        return [way for way in living(self, meter_id) if way in first]

    return [(routing.Routing, "_living", first_only)]


def no_failures() -> Sequence[Change]:
    """Forget of each way that a meter was silent by it."""

    def nothing_noted(self: routing.Routing, meter_id: int, way: Way, *, at: datetime) -> None:
        return None

    return [(routing.Routing, "failed", nothing_noted)]


def no_reading_anew() -> Sequence[Change]:
    """Let a meter that was read in vain wait for its turn, whatever other ways it has."""

    def nobody(self: dispatching.Dispatcher) -> set[int]:
        return set()

    return [(dispatching.Dispatcher, "take_unread", nobody)]


def no_long_leases() -> Sequence[Change]:
    """Give a road whose exchanges take seconds no more time than a cable."""
    return [(dispatching, "LEASE_SLOW", LEASE)]
