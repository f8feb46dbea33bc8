"""What screens tell of roads: when what a meter has to do can reach it, and how well each end serves."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from compuerta.adapters.postgres.road_ends import END_HOURS, ENDS, WAYS, end_state
from compuerta.adapters.postgres.road_figures import ACCOUNT_ENDS, account_expects, to_hour
from compuerta.apps import walls
from compuerta.apps.console.reads import rows
from compuerta.apps.console.road_pictures import Picture, first_hour, signal
from compuerta.apps.console.road_words import BEARERS
from compuerta.apps.console.use_reads import reader
from compuerta.domain import wording
from compuerta.domain.drift import AtRisk
from compuerta.domain.party import Bearer, zone_of
from compuerta.domain.road_figures import RoadHour, quantile_ms, together
from compuerta.services.expecting import Prospect, Standing, standing

FIGURES_OVER: Final = timedelta(hours=24)
METERS_SHOWN_MAX: Final = 100
KNOCKS_SHOWN_MAX: Final = 50
KEYED: Final = frozenset({Bearer.MQTT, Bearer.COAP})  # an outpost's lines have the outpost's
KNOCKS: Final = (
    "registration_unknown", "serial_foreign", "address_twice", "end_chattering", "key_refused",
    "name_foreign", "token_foreign", "coap_malformed", "coap_flood", "push_forged", "push_malformed",
    "device_unknown", "topic_refused", "letter_malformed", "meter_not_behind_device", "reading_ahead",
    "outpost_meter_foreign", "outpost_clock_ahead",
)  # fmt: skip


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
    """An end of a road, and how many meters it brings, as their first way and as another."""

    endpoint_id: str
    road: str
    bearer: str
    address: str
    baud: int | None
    contact_s: int | None
    key_generation: int
    cell: str
    is_alive: bool | None  # None = it never came
    changed_at: datetime | None
    contact_at: datetime | None
    next_contact_at: datetime | None
    lost_reason: str
    gateway: str | None
    rsrp_dbm: int | None
    snr_db: int | None
    csq: int | None
    meters: int
    further_meters: int
    failing: int  # meters that did not answer by it last
    site_ids: Sequence[int]
    sites: Sequence[str]
    zone: str  # of the first of its sites

    @property
    def carried_by(self) -> str:
        """What carries it, in the reader's language."""
        return str(BEARERS[self.bearer])

    @property
    def has_key(self) -> bool:
        """Whether its device shows a key of its own."""
        return Bearer(self.bearer) in KEYED


@dataclass(frozen=True, slots=True, kw_only=True)
class EndTold:
    """An end as the board tells it: how it stands, and how it served."""

    row: RoadRow
    state: str  # of `Standing`
    at: datetime | None  # about until when it sleeps; since when it is alive, or dead
    told: str = ""  # `at`, in words
    day: RoadHour | None = None  # the last 24 hours as one
    signal: Picture | None = None
    risk: AtRisk | None = None

    @property
    def is_well(self) -> bool:
        """Whether nobody has to look after it."""
        return self.state != Standing.DEAD.value

    @property
    def rank(self) -> tuple[int, int, int, str]:
        """Where it stands in a list that begins with the worst."""
        row = self.row
        behind = row.meters + row.further_meters
        if self.state == Standing.DEAD.value:
            worst = 0 if behind else 4
        elif row.failing:
            worst = 1
        else:
            worst = 2 if self.state == Standing.ALIVE.value else 3
        success = None if self.day is None else self.day.success_percent
        served = 100 if success is None or worst == 0 else success
        return worst, served, -behind, row.endpoint_id

    @property
    def p50_ms(self) -> int | None:
        """Within which half of the exchanges were answered."""
        return self._quantile_ms(50)

    @property
    def p95_ms(self) -> int | None:
        return self._quantile_ms(95)

    @property
    def p99_ms(self) -> int | None:
        return self._quantile_ms(99)

    def _quantile_ms(self, percent: int) -> int | None:
        return None if self.day is None else quantile_ms(self.day.latencies, percent=percent)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """Which ends somebody asks for; `bare` = those too behind which no meter is seen."""

    organisation_id: int
    bare: bool
    road: str = ""
    site_id: int | None = None
    endpoint_id: str | None = None


def ends(asked: Asked, *, now: datetime) -> list[EndTold]:
    """Return how the ends that were asked for stand, the worst first; without figures."""
    found = []
    for row in rows(RoadRow, ENDS, asdict(asked)):
        state, at = standing(end_state(asdict(row)), now=now)
        told = "" if at is None else wording.instant(at, zone=zone_of(row.zone), now=now, language=reader())
        found.append(EndTold(row=row, state=state.value, at=at, told=told))
    return sorted(found, key=lambda each: each.rank)


def served(some: Sequence[EndTold], organisation_id: int, *, now: datetime) -> list[EndTold]:
    """Return ends with what they did in the last day, and their signal over the last days."""
    by_end: dict[str, list[RoadHour]] = {}
    for hour in hours(organisation_id, [each.row.endpoint_id for each in some], now=now):
        by_end.setdefault(hour.endpoint_id, []).append(hour)
    days = together(hour for known in by_end.values() for hour in known if hour.hour >= now - FIGURES_OVER)
    found = [
        replace(
            each,
            day=days.get(each.row.endpoint_id),
            signal=signal(by_end.get(each.row.endpoint_id, []), now=now),
        )
        for each in some
    ]
    return sorted(found, key=lambda each: each.rank)


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


def hours(organisation_id: int, endpoint_ids: Sequence[str], *, now: datetime) -> list[RoadHour]:
    """Return the figures of ends in the hours that pictures show, by end and hour."""
    found = rows(
        _HourRow,
        END_HOURS,
        {
            "organisation_id": organisation_id,
            "ends": list(endpoint_ids),
            "since": first_hour(now),
            "until": now,
        },
    )
    return [to_hour(asdict(each)) for each in found]


@dataclass(frozen=True, slots=True, kw_only=True)
class WayRow:
    """One way to a meter, with what stands at its end."""

    meter_id: int
    rank: int
    endpoint_id: str
    road: str
    bearer: str
    is_alive: bool | None
    changed_at: datetime | None
    contact_at: datetime | None
    next_contact_at: datetime | None
    lost_reason: str
    failures: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class MeterBehind:
    """A meter that an end brings."""

    meter_id: int
    meter_no: str
    model: str
    place: str | None
    building: str | None
    site_id: int | None
    heard_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class MeterWays:
    """A meter with its ways in their order, and how the end of each stands."""

    meter: MeterBehind
    ways: Sequence[tuple[WayRow, str]]


_METERS: Final = """
select m.meter_id, m.meter_no, m.model, p.name as place, p.building, p.site_id, t.heard_at
from meter m
join meter_state t using (meter_id)
left join installation i on i.meter_id = m.meter_id and i.ended_at is null
left join account a on a.account_id = i.account_id
left join supply_point p on p.supply_point_id = a.supply_point_id
where m.organisation_id = %(organisation_id)s
    and (%(meter_id)s::bigint is null or m.meter_id = %(meter_id)s)
    and (%(endpoint_id)s::text is null or m.endpoint_id = %(endpoint_id)s or exists (
        select from meter_way y where y.meter_id = m.meter_id and y.endpoint_id = %(endpoint_id)s))
order by t.heard_at nulls first, m.meter_no limit %(limit)s
"""


def behind(organisation_id: int, endpoint_id: str, *, now: datetime) -> list[MeterWays]:
    """Return the meters that an end brings with their ways, those that were not heard for longest first."""
    asked = {"organisation_id": organisation_id, "endpoint_id": endpoint_id, "meter_id": None}
    meters = rows(MeterBehind, _METERS, {**asked, "limit": METERS_SHOWN_MAX})
    ids = [each.meter_id for each in meters]
    ways: dict[int, list[tuple[WayRow, str]]] = {}
    for way in rows(WayRow, WAYS, {"organisation_id": organisation_id, "meters": ids}):
        state, _at = standing(end_state(asdict(way)), now=now)
        ways.setdefault(way.meter_id, []).append((way, state.value))
    return [MeterWays(meter=each, ways=ways.get(each.meter_id, [])) for each in meters]


def meter(organisation_id: int, meter_id: int) -> MeterBehind | None:
    """Return one meter; None where the organisation has none such."""
    asked = {"organisation_id": organisation_id, "endpoint_id": None, "meter_id": meter_id, "limit": 1}
    found = rows(MeterBehind, _METERS, asked)
    return found[0] if found else None


@dataclass(frozen=True, slots=True, kw_only=True)
class OutpostRow:
    """An outpost: how many of its lines are reached, and what it may do alone."""

    outpost_id: str
    cuts: bool
    mandate_h: int
    lines: int
    alive: int
    changed_at: datetime | None  # of the line that changed last
    records: int  # of its journals that we have
    mandates: int  # meters behind it whose balance the platform holds

    @property
    def alone_since(self) -> datetime | None:
        """Since when it is on its own; None = it is connected, or never was."""
        return None if self.alive else self.changed_at

    @property
    def cuts_until(self) -> datetime | None:
        """Until when it opens relays at the end of credit while it is alone; None = it does not."""
        since = self.alone_since
        return since + timedelta(hours=self.mandate_h) if since and self.cuts else None


def outposts(organisation_id: int) -> list[OutpostRow]:
    """Return the outposts, those that are alone first."""
    return rows(
        OutpostRow,
        """select o.outpost_id, o.cuts, o.mandate_h, count(e.endpoint_id) as lines,
            count(*) filter (where s.alive) as alive, max(s.changed_at) as changed_at,
            coalesce((select sum(k.record_no) from outpost_mark k
                where k.outpost_id = o.outpost_id), 0)::bigint as records,
            coalesce(sum((select count(*) from meter m where m.endpoint_id = e.endpoint_id
                and m.credit_authority = 'platform')), 0)::bigint as mandates
        from outpost o
        left join endpoint e on e.bearer = 'outpost' and e.organisation_id = o.organisation_id
            and starts_with(e.address, o.outpost_id || '/')
        left join endpoint_state s on s.endpoint_id = e.endpoint_id
        where o.organisation_id = %(organisation_id)s
        group by o.outpost_id order by count(*) filter (where s.alive) > 0, o.outpost_id""",
        {"organisation_id": organisation_id},
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class KnockRow:
    """Somebody who was not let in, or should not have been; of the whole installation."""

    kind: str
    subject: str
    times: int
    last_at: datetime


def knocks() -> list[KnockRow]:
    """Return who knocks in vain, the latest first; only for whoever operates the whole installation."""
    with walls.held(None):
        return rows(
            KnockRow,
            """select kind, subject, times, last_at from alarm
            where acknowledged_by is null and kind = any(%(kinds)s)
            order by last_at desc, kind, subject limit %(limit)s""",
            {"kinds": list(KNOCKS), "limit": KNOCKS_SHOWN_MAX},
        )
