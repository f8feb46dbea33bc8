"""Roads, in PostgreSQL."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from compuerta.adapters.postgres import road_figures
from compuerta.adapters.postgres.rows import Asked
from compuerta.domain.party import RoadKind
from compuerta.domain.road import EndContact, EndState, Way, WayFailure
from compuerta.domain.road_figures import RoadHour

_WAYS = """
select m.meter_id, e.endpoint_id, e.road, 0 as rank from meter m join endpoint e using (endpoint_id)
where %(all)s or m.meter_id = any(%(ids)s)
union all
select f.meter_id, e.endpoint_id, e.road, f.rank
from meter_way f join endpoint e using (endpoint_id) join meter m using (meter_id)
where (%(all)s or f.meter_id = any(%(ids)s)) and m.endpoint_id <> f.endpoint_id
order by meter_id, rank
"""

_SERVE = """
delete from way_failure f using unnest(%(meters)s::bigint[], %(ends)s::text[]) as e (meter_id, endpoint_id)
where f.meter_id = e.meter_id and f.endpoint_id = e.endpoint_id
"""
_FAIL = """
insert into way_failure (meter_id, endpoint_id, failed_at, times)
select * from unnest(%(meters)s::bigint[], %(ends)s::text[], %(at)s::timestamptz[], %(times)s::integer[])
on conflict (meter_id, endpoint_id) do update set failed_at = excluded.failed_at, times = excluded.times
"""


class PostgresRoads:
    """See `road_port.Roads`."""

    def __init__(self, tx: Asked) -> None:
        self._tx = tx

    def ways(self, meter_ids: Iterable[int] | None = None) -> dict[int, tuple[Way, ...]]:
        ids = [] if meter_ids is None else sorted(set(meter_ids))
        found: dict[int, tuple[Way, ...]] = {}
        for row in self._tx.query(_WAYS, {"all": meter_ids is None, "ids": ids}):
            way = Way(endpoint_id=row["endpoint_id"], road=RoadKind(row["road"]))
            found[row["meter_id"]] = (*found.get(row["meter_id"], ()), way)
        return found

    def put_ways(self, ways: Mapping[int, Sequence[str]]) -> None:
        self._tx.run("delete from meter_way where meter_id = any(%(ids)s)", {"ids": sorted(ways)})
        for meter_id, ends in sorted(ways.items()):
            self._tx.run(
                """insert into meter_way (meter_id, rank, endpoint_id)
                select %(meter_id)s, rank, endpoint_id
                from unnest(%(ends)s::text[]) with ordinality as e (endpoint_id, rank)""",
                {"meter_id": meter_id, "ends": list(ends)},
            )

    def lead(self, meter_id: int, endpoint_id: str) -> None:
        self._tx.run(
            """update meter m set endpoint_id = e.endpoint_id, road = e.road
            from endpoint e where m.meter_id = %(meter_id)s and e.endpoint_id = %(endpoint_id)s""",
            {"meter_id": meter_id, "endpoint_id": endpoint_id},
        )

    def renew_key(self, endpoint_id: str) -> int | None:
        rows = self._tx.query(
            "update endpoint set key_generation = key_generation + 1 where endpoint_id = %(id)s "
            "returning key_generation",
            {"id": endpoint_id},
        )
        return rows[0]["key_generation"] if rows else None

    def alive(self) -> dict[str, str]:
        rows = self._tx.query("select endpoint_id, gateway from endpoint_state where alive", {})
        return {row["endpoint_id"]: row["gateway"] for row in rows}

    def failures(self) -> dict[tuple[int, str], WayFailure]:
        rows = self._tx.query("select meter_id, endpoint_id, failed_at, times from way_failure", {})
        return {
            (row["meter_id"], row["endpoint_id"]): WayFailure(failed_at=row["failed_at"], times=row["times"])
            for row in rows
        }

    def put_failures(self, failures: Mapping[tuple[int, str], WayFailure | None]) -> None:
        gone = sorted(key for key, failure in failures.items() if failure is None)
        if gone:
            self._tx.run(_SERVE, {"meters": [each for each, _ in gone], "ends": [end for _, end in gone]})
        failed = sorted((key, failure) for key, failure in failures.items() if failure is not None)
        if failed:
            values = {
                "meters": [meter_id for (meter_id, _), _ in failed],
                "ends": [end for (_, end), _ in failed],
                "at": [failure.failed_at for _, failure in failed],
                "times": [failure.times for _, failure in failed],
            }
            self._tx.run(_FAIL, values)

    def put_contacts(self, contacts: Sequence[EndContact]) -> None:
        road_figures.put_contacts(self._tx, contacts)

    def ends(self, endpoint_ids: Iterable[str]) -> dict[str, EndState]:
        return road_figures.ends(self._tx, endpoint_ids)

    def add_hours(self, hours: Sequence[RoadHour]) -> None:
        road_figures.add_hours(self._tx, hours)

    def hours(self, *, since: datetime, until: datetime) -> list[RoadHour]:
        return road_figures.hours(self._tx, since=since, until=until)

    def forget_hours(self, *, before: datetime) -> int:
        return road_figures.forget_hours(self._tx, before=before)
