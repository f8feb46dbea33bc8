"""Roads, in memory."""

from collections.abc import Iterable, Mapping, Sequence

from compuerta.adapters.memory.tables import Tables
from compuerta.domain.road import Way, WayFailure


class MemoryRoads:
    """See `road_port.Roads`."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    def ways(self, meter_ids: Iterable[int] | None = None) -> dict[int, tuple[Way, ...]]:
        wanted = self._tables.meters if meter_ids is None else meter_ids
        return {meter_id: self._ways(meter_id) for meter_id in wanted if meter_id in self._tables.meters}

    def _ways(self, meter_id: int) -> tuple[Way, ...]:
        own = self._tables.meters[meter_id].endpoint_id
        ends = [own, *(each for each in self._tables.further_ends.get(meter_id, ()) if each != own)]
        return tuple(Way(endpoint_id=each, road=self._tables.endpoints[each].road) for each in ends)

    def put_ways(self, ways: Mapping[int, Sequence[str]]) -> None:
        for meter_id, ends in ways.items():
            self._tables.further_ends[meter_id] = tuple(ends)

    def alive(self) -> dict[str, str]:
        return {end: gateway for end, (is_alive, gateway) in self._tables.ends.items() if is_alive}

    def failures(self) -> dict[tuple[int, str], WayFailure]:
        return dict(self._tables.way_failures)

    def put_failures(self, failures: Mapping[tuple[int, str], WayFailure | None]) -> None:
        for key, failure in failures.items():
            if failure is None:
                self._tables.way_failures.pop(key, None)
            else:
                self._tables.way_failures[key] = failure
