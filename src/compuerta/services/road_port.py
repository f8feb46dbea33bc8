"""The port to roads: by which ways meters are reached, and how well."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

from compuerta.domain.road import Way, WayFailure


class Roads(Protocol):
    """What a use case may ask about roads."""

    def ways(self, meter_ids: Iterable[int] | None = None) -> dict[int, tuple[Way, ...]]:
        """Return the ways to these meters, or to all, in their order; the first is the meter's own end."""
        ...

    def put_ways(self, ways: Mapping[int, Sequence[str]]) -> None:
        """Say by which further ends, in order, meters are reached when their own is not there."""
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
