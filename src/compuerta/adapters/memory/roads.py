"""Roads, in memory."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from compuerta.adapters.memory.tables import Tables
from compuerta.domain.road import GATEWAY_SILENT, EndContact, EndState, Way, WayFailure
from compuerta.domain.road_figures import RoadHour, merged


def put_end(tables: Tables, endpoint_id: str, *, is_alive: bool, gateway: str, at: datetime) -> None:
    """Write that an end is reached by a gateway, or no longer."""
    tables.ends[endpoint_id] = is_alive, gateway
    tables.ends_changed[endpoint_id] = at
    tables.end_contacts.setdefault(endpoint_id, EndContact(endpoint_id=endpoint_id))
    if is_alive:
        tables.end_contacts[endpoint_id] = replace(tables.end_contacts[endpoint_id], lost_reason="")


def lose(tables: Tables, endpoint_id: str, *, gateway: str, at: datetime) -> None:
    """Write that an end is gone because its gateway is."""
    put_end(tables, endpoint_id, is_alive=False, gateway=gateway, at=at)
    tables.end_contacts[endpoint_id] = replace(tables.end_contacts[endpoint_id], lost_reason=GATEWAY_SILENT)


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

    def lead(self, meter_id: int, endpoint_id: str) -> None:
        road = self._tables.endpoints[endpoint_id].road
        meter = self._tables.meters[meter_id]
        self._tables.meters[meter_id] = replace(meter, endpoint_id=endpoint_id, road=road)

    def renew_key(self, endpoint_id: str) -> int | None:
        end = self._tables.endpoints.get(endpoint_id)
        if end is None:
            return None
        renewed = replace(end, key_generation=end.key_generation + 1)
        self._tables.endpoints[endpoint_id] = renewed
        return renewed.key_generation

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

    def put_contacts(self, contacts: Sequence[EndContact]) -> None:
        for each in contacts:
            before = self._tables.end_contacts.get(each.endpoint_id)
            if before is not None:
                self._tables.end_contacts[each.endpoint_id] = replace(
                    each,
                    at=each.at or before.at,
                    next_at=each.next_at or before.next_at,
                    sign=each.sign or before.sign,
                )

    def ends(self, endpoint_ids: Iterable[str]) -> dict[str, EndState]:
        return {each: self._end(each) for each in endpoint_ids if each in self._tables.ends}

    def _end(self, endpoint_id: str) -> EndState:
        contact = self._tables.end_contacts[endpoint_id]
        return EndState(
            is_alive=self._tables.ends[endpoint_id][0],
            changed_at=self._tables.ends_changed[endpoint_id],
            contact_at=contact.at,
            next_contact_at=contact.next_at,
            lost_reason=contact.lost_reason,
        )

    def add_hours(self, hours: Sequence[RoadHour]) -> None:
        for each in hours:
            key = each.endpoint_id, each.hour
            before = self._tables.road_hours.get(key)
            self._tables.road_hours[key] = each if before is None else merged(before, each)

    def hours(self, *, since: datetime, until: datetime) -> list[RoadHour]:
        found = [each for each in self._tables.road_hours.values() if since <= each.hour < until]
        return sorted(found, key=lambda each: (each.endpoint_id, each.hour))

    def forget_hours(self, *, before: datetime) -> int:
        old = [key for key in self._tables.road_hours if key[1] < before]
        for key in old:
            del self._tables.road_hours[key]
        return len(old)
