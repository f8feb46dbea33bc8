"""The port to roads: by which ways meters are reached, and how well."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Protocol

from compuerta.domain.road import EndContact, EndState, Way, WayFailure
from compuerta.domain.road_figures import RoadHour


class Roads(Protocol):
    """What a use case may ask about roads."""

    def ways(self, meter_ids: Iterable[int] | None = None) -> dict[int, tuple[Way, ...]]:
        """Return the ways to these meters, or to all, in their order; the first is the meter's own end."""
        ...

    def put_ways(self, ways: Mapping[int, Sequence[str]]) -> None:
        """Say by which further ends, in order, meters are reached when their own is not there."""
        ...

    def lead(self, meter_id: int, endpoint_id: str) -> None:
        """Make an end a meter's own: the first way to it."""
        ...

    def renew_key(self, endpoint_id: str) -> int | None:
        """Count the generation of an end's key up and return it; None where there is no such end."""
        ...

    def alive(self) -> dict[str, str]:
        """Return the ends that are reached now, each with its gateway."""
        ...

    def failures(self) -> dict[tuple[int, str], WayFailure]:
        """Return the ways that have failed their meters, by meter and end."""
        ...

    def put_failures(self, failures: Mapping[tuple[int, str], WayFailure | None]) -> None:
        """Write which ways have failed, or serve again (None)."""
        ...

    def put_contacts(self, contacts: Sequence[EndContact]) -> None:
        """Write when ends were met, and why they are gone; of ends that have a state."""
        ...

    def ends(self, endpoint_ids: Iterable[str]) -> dict[str, EndState]:
        """Return how ends stand; one that never came is not in it."""
        ...

    def add_hours(self, hours: Sequence[RoadHour]) -> None:
        """Add figures to those of the same end and hour."""
        ...

    def hours(self, *, since: datetime, until: datetime) -> list[RoadHour]:
        """Return the figures of hours in [since, until), by end and hour."""
        ...

    def forget_hours(self, *, before: datetime) -> int:
        """Delete old figures; returns how many rows."""
        ...
