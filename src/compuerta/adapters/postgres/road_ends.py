"""What may be asked of the ends of roads for people and machines: how they stand, and who is behind them."""

from typing import Final

from compuerta.adapters.postgres.rows import Row
from compuerta.domain.road import EndState

# Ends behind which nobody stands are shown to those alone who see all sites: `bare`.
ENDS: Final = """
with ways as (
    select m.endpoint_id, m.meter_id, true as is_own from meter m
    where m.organisation_id = %(organisation_id)s
    union all
    select y.endpoint_id, y.meter_id, false from meter_way y join meter m using (meter_id)
    where m.organisation_id = %(organisation_id)s and m.endpoint_id <> y.endpoint_id
), behind as (
    select w.endpoint_id, count(*) filter (where w.is_own) as meters,
        count(*) filter (where not w.is_own) as further_meters,
        count(f.meter_id) as failing,
        coalesce(array_agg(distinct z.site_id) filter (where z.site_id is not null), '{}') as site_ids,
        coalesce(array_agg(distinct z.name) filter (where z.site_id is not null), '{}') as sites,
        min(z.zone) as zone
    from ways w
    left join way_failure f using (meter_id, endpoint_id)
    left join installation i on i.meter_id = w.meter_id and i.ended_at is null
    left join account a on a.account_id = i.account_id
    left join site z on z.site_id = a.site_id
    group by w.endpoint_id
)
select e.endpoint_id, e.road, e.bearer, e.address, e.baud, e.contact_s, e.key_generation,
    coalesce(nullif(s.cell, ''), e.cell) as cell, s.alive as is_alive, s.changed_at, s.contact_at,
    s.next_contact_at, coalesce(s.lost_reason, '') as lost_reason, s.gateway, s.rsrp_dbm, s.snr_db, s.csq,
    coalesce(b.meters, 0) as meters, coalesce(b.further_meters, 0) as further_meters,
    coalesce(b.failing, 0) as failing, coalesce(b.site_ids, '{}') as site_ids,
    coalesce(b.sites, '{}') as sites, coalesce(b.zone, 'UTC') as zone
from endpoint e
left join endpoint_state s using (endpoint_id)
left join behind b using (endpoint_id)
where e.organisation_id = %(organisation_id)s and (%(bare)s or b.endpoint_id is not null)
    and (%(road)s = '' or e.road = %(road)s)
    and (%(site_id)s::bigint is null or %(site_id)s = any (b.site_ids))
    and (%(endpoint_id)s::text is null or e.endpoint_id = %(endpoint_id)s)
order by e.endpoint_id
"""
END_HOURS: Final = """
select h.* from road_hour h join endpoint e using (endpoint_id)
where e.organisation_id = %(organisation_id)s and h.hour >= %(since)s and h.hour < %(until)s
    and h.endpoint_id = any(%(ends)s)
order by h.endpoint_id, h.hour
"""
# The ways of meters in their order, with what stands at their ends.
WAYS: Final = """
select w.meter_id, w.rank, e.endpoint_id, e.road, e.bearer, s.alive as is_alive, s.changed_at, s.contact_at,
    s.next_contact_at, coalesce(s.lost_reason, '') as lost_reason, f.times as failures
from (
    select m.meter_id, 0 as rank, m.endpoint_id from meter m where m.meter_id = any(%(meters)s)
    union all
    select y.meter_id, y.rank, y.endpoint_id from meter_way y join meter m using (meter_id)
    where y.meter_id = any(%(meters)s) and m.endpoint_id <> y.endpoint_id
) w
join meter m on m.meter_id = w.meter_id and m.organisation_id = %(organisation_id)s
join endpoint e on e.endpoint_id = w.endpoint_id
left join endpoint_state s on s.endpoint_id = w.endpoint_id
left join way_failure f on f.meter_id = w.meter_id and f.endpoint_id = w.endpoint_id
order by w.meter_id, w.rank
"""


def end_state(row: Row) -> EndState | None:
    """Return how the end in a row stands; None = it never came."""
    if row["changed_at"] is None:
        return None
    return EndState(
        is_alive=row["is_alive"],
        changed_at=row["changed_at"],
        contact_at=row["contact_at"],
        next_contact_at=row["next_contact_at"],
        lost_reason=row["lost_reason"],
    )
