"""What roads told of themselves, in PostgreSQL: contacts, and the figures of hours."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Final

from compuerta.adapters.postgres.rows import Asked, Row
from compuerta.domain.road import EndContact, EndState
from compuerta.domain.road_figures import Gauge, RoadHour
from compuerta.services.expecting import Expected, expected

_GAUGES: Final = ("rsrp", "snr", "csq")
_COUNTS: Final = ("exchanges", "repeats", "silences", "strays", "done", "failed")

_CONTACT = """
update endpoint_state s set
    contact_at = coalesce(c.contact_at, s.contact_at),
    next_contact_at = coalesce(c.next_contact_at, s.next_contact_at),
    lost_reason = c.lost_reason,
    rsrp_dbm = case when c.signed_at is null then s.rsrp_dbm else c.rsrp_dbm end,
    snr_db = case when c.signed_at is null then s.snr_db else c.snr_db end,
    csq = case when c.signed_at is null then s.csq else c.csq end,
    cell = case when c.signed_at is null then s.cell else c.cell end,
    signed_at = coalesce(c.signed_at, s.signed_at)
from unnest(%(ends)s::text[], %(at)s::timestamptz[], %(next_at)s::timestamptz[], %(reasons)s::text[],
        %(signed)s::timestamptz[], %(rsrp)s::smallint[], %(snr)s::smallint[], %(csq)s::smallint[],
        %(cells)s::text[])
    as c (endpoint_id, contact_at, next_contact_at, lost_reason, signed_at, rsrp_dbm, snr_db, csq, cell)
where s.endpoint_id = c.endpoint_id
"""
# The ends of all ways to an account's meter, and whether something is under way to it.
ACCOUNT_ENDS = """
select s.alive as is_alive, s.changed_at, s.contact_at, s.next_contact_at, s.lost_reason, exists (
    select from instruction i
    where i.meter_id = n.meter_id and i.ended_at is null and i.kind in ('recharge', 'switch')
) as is_awaited
from installation n
cross join lateral (
    select endpoint_id from meter m where m.meter_id = n.meter_id
    union select endpoint_id from meter_way y where y.meter_id = n.meter_id
) w
left join endpoint_state s using (endpoint_id)
where n.account_id = %(account_id)s and n.ended_at is null
"""
_SUMS = ", ".join(f"{name} = road_hour.{name} + excluded.{name}" for name in _COUNTS)
_SIGNALS = ", ".join(
    f"{name}_count = road_hour.{name}_count + excluded.{name}_count,"
    f" {name}_min = least(road_hour.{name}_min, excluded.{name}_min),"
    f" {name}_total = road_hour.{name}_total + excluded.{name}_total,"
    f" {name}_last = coalesce(excluded.{name}_last, road_hour.{name}_last)"
    for name in _GAUGES
)
_ADD = f"""(endpoint_id, hour) do update set {_SUMS}, {_SIGNALS}, latencies = (
    select array_agg(coalesce(a, 0) + coalesce(b, 0) order by place)
    from unnest(road_hour.latencies, excluded.latencies) with ordinality as both_of (a, b, place)
)"""


def put_contacts(tx: Asked, contacts: Sequence[EndContact]) -> None:
    """See `road_port.Roads`."""
    if not contacts:
        return
    signs = [each.sign for each in contacts]
    values = {
        "ends": [each.endpoint_id for each in contacts],
        "at": [each.at for each in contacts],
        "next_at": [each.next_at for each in contacts],
        "reasons": [each.lost_reason for each in contacts],
        "signed": [None if sign is None else sign.at for sign in signs],
        "rsrp": [None if sign is None else sign.rsrp_dbm for sign in signs],
        "snr": [None if sign is None else sign.snr_db for sign in signs],
        "csq": [None if sign is None else sign.csq for sign in signs],
        "cells": [None if sign is None else sign.cell for sign in signs],
    }
    tx.run(_CONTACT, values)


def ends(tx: Asked, endpoint_ids: Iterable[str]) -> dict[str, EndState]:
    """See `road_port.Roads`."""
    rows = tx.query(
        """select endpoint_id, alive, changed_at, contact_at, next_contact_at, lost_reason
        from endpoint_state where endpoint_id = any(%(ids)s)""",
        {"ids": sorted(set(endpoint_ids))},
    )
    return {row.pop("endpoint_id"): EndState(is_alive=row.pop("alive"), **row) for row in rows}


def account_expects(found: Sequence[Row], *, now: datetime, is_awaited: bool = True) -> Expected | None:
    """Return what the rows of `ACCOUNT_ENDS` let expect; None = nothing is under way.

    Without `is_awaited` it is told what may be expected of a recharge that is only being thought of.
    """
    if is_awaited and not any(row["is_awaited"] for row in found):
        return None
    states = [
        EndState(
            is_alive=row["is_alive"],
            changed_at=row["changed_at"],
            contact_at=row["contact_at"],
            next_contact_at=row["next_contact_at"],
            lost_reason=row["lost_reason"],
        )
        for row in found
        if row["changed_at"] is not None
    ]
    return expected(states, now=now)


def add_hours(tx: Asked, hours: Sequence[RoadHour]) -> None:
    """See `road_port.Roads`."""
    tx.insert("road_hour", [_row(each) for each in hours], on_conflict=_ADD)


def hours(tx: Asked, *, since: datetime, until: datetime) -> list[RoadHour]:
    """See `road_port.Roads`."""
    found = tx.query(
        "select * from road_hour where hour >= %(since)s and hour < %(until)s order by endpoint_id, hour",
        {"since": since, "until": until},
    )
    return [to_hour(row) for row in found]


def forget_hours(tx: Asked, *, before: datetime) -> int:
    """See `road_port.Roads`."""
    found = tx.query(
        """with old as (delete from road_hour where hour < %(before)s returning 1)
        select count(*) as n from old""",
        {"before": before},
    )
    return int(found[0]["n"])


def _row(each: RoadHour) -> Row:
    row: dict[str, object] = {name: getattr(each, name) for name in _COUNTS}
    row |= {"endpoint_id": each.endpoint_id, "hour": each.hour, "latencies": list(each.latencies)}
    for name, gauge in zip(_GAUGES, (each.rsrp, each.snr, each.csq), strict=True):
        row |= {
            f"{name}_count": 0 if gauge is None else gauge.count,
            f"{name}_min": None if gauge is None else gauge.minimum,
            f"{name}_total": 0 if gauge is None else gauge.total,
            f"{name}_last": None if gauge is None else gauge.last,
        }
    return row


def to_hour(row: Row) -> RoadHour:
    """Build the figures of an hour from their row."""
    return RoadHour(
        endpoint_id=row["endpoint_id"],
        hour=row["hour"],
        latencies=tuple(row["latencies"]),
        rsrp=_gauge(row, "rsrp"),
        snr=_gauge(row, "snr"),
        csq=_gauge(row, "csq"),
        **{name: row[name] for name in _COUNTS},
    )


def _gauge(row: Row, name: str) -> Gauge | None:
    if not row[f"{name}_count"]:
        return None
    return Gauge(
        count=row[f"{name}_count"],
        minimum=row[f"{name}_min"],
        total=row[f"{name}_total"],
        last=row[f"{name}_last"],
    )
