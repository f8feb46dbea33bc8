"""What screens tell of roads: when what a meter has to do can reach it, and how well each end serves."""

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Final

from compuerta.adapters.links.roadhead import ASLEEP
from compuerta.adapters.postgres.road_figures import ACCOUNT_ENDS, account_expects, to_hour
from compuerta.apps.console.reads import rows
from compuerta.apps.console.use_reads import reader
from compuerta.domain import wording
from compuerta.domain.party import zone_of
from compuerta.domain.road_figures import RoadHour
from compuerta.services.expecting import Prospect


@dataclass(frozen=True, slots=True, kw_only=True)
class _End:
    """One way's end, as the database has it; None = it never came."""

    is_alive: bool | None
    changed_at: datetime | None
    contact_at: datetime | None
    next_contact_at: datetime | None
    lost_reason: str | None
    is_awaited: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Coming:
    """That something does not go at once, and about when it will; `told` is "" where nobody knows."""

    sleeps: bool  # else its road is dead, since `told`
    told: str


_FIELDS: Final = tuple(_End.__dataclass_fields__)


def coming(account_id: int, *, zone: str, now: datetime, is_awaited: bool = True) -> Coming | None:
    """Return what to tell who waits for a meter; None = it goes at once, or nothing is under way.

    Without `is_awaited` it is told what a recharge would meet that is not paid yet.
    """
    found = rows(_End, ACCOUNT_ENDS, {"account_id": account_id})
    ends = [{name: getattr(each, name) for name in _FIELDS} for each in found]
    awaited = account_expects(ends, now=now, is_awaited=is_awaited)
    if awaited is None or awaited.prospect is Prospect.NOW:
        return None
    told = ""
    if awaited.at is not None:
        told = wording.instant(awaited.at, zone=zone_of(zone), now=now, language=reader())
    return Coming(sleeps=awaited.prospect is Prospect.AT_CONTACT, told=told)


@dataclass(frozen=True, slots=True, kw_only=True)
class RoadRow:
    """An end of a road as it stands, and how many meters it brings, as their first way and as another."""

    endpoint_id: str
    road: str
    bearer: str
    address: str
    cell: str
    alive: bool
    gateway: str | None
    changed_at: datetime | None
    contact_at: datetime | None
    next_contact_at: datetime | None
    lost_reason: str
    rsrp_dbm: int | None
    snr_db: int | None
    csq: int | None
    meters: int
    further_meters: int
    failing: int  # meters that did not answer by it last

    @property
    def sleeps(self) -> bool:
        """Whether it is gone because it sleeps, as it should."""
        return not self.alive and self.lost_reason == ASLEEP

    @property
    def is_well(self) -> bool:
        """Whether nobody has to look after it."""
        return self.alive or self.sleeps


def road_rows(organisation_id: int) -> list[RoadRow]:
    """Return the ends of roads, the dead first, then those behind which most meters stand."""
    return rows(
        RoadRow,
        """select e.endpoint_id, e.road, e.bearer, e.address, coalesce(nullif(s.cell, ''), e.cell) as cell,
            coalesce(s.alive, false) as alive, s.gateway, s.changed_at, s.contact_at, s.next_contact_at,
            coalesce(s.lost_reason, '') as lost_reason, s.rsrp_dbm, s.snr_db, s.csq,
            (select count(*) from meter m where m.endpoint_id = e.endpoint_id) as meters,
            (select count(*) from meter_way y where y.endpoint_id = e.endpoint_id) as further_meters,
            (select count(*) from way_failure f where f.endpoint_id = e.endpoint_id) as failing
        from endpoint e left join endpoint_state s using (endpoint_id)
        where e.organisation_id = %(organisation_id)s
        order by alive, meters desc, e.endpoint_id""",
        {"organisation_id": organisation_id},
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _HourRow:
    endpoint_id: str
    hour: datetime
    exchanges: int
    repeats: int
    silences: int
    strays: int
    done: int
    failed: int
    latencies: list[int]
    rsrp_count: int
    rsrp_min: int | None
    rsrp_total: int
    rsrp_last: int | None
    snr_count: int
    snr_min: int | None
    snr_total: int
    snr_last: int | None
    csq_count: int
    csq_min: int | None
    csq_total: int
    csq_last: int | None


def hours(organisation_id: int, *, since: datetime, until: datetime) -> list[RoadHour]:
    """Return the figures of an organisation's ends in [since, until), by end and hour.

    `road_figures.together` makes one figure of each end's, `quantile_ms` tells p50, p95 and p99.
    """
    found = rows(
        _HourRow,
        """select h.* from road_hour h join endpoint e using (endpoint_id)
        where e.organisation_id = %(organisation_id)s and h.hour >= %(since)s and h.hour < %(until)s
        order by h.endpoint_id, h.hour""",
        {"organisation_id": organisation_id, "since": since, "until": until},
    )
    return [to_hour(asdict(each)) for each in found]
