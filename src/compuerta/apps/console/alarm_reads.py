"""What the alarms board, an alarm's page and the loss map read, held to one organisation (promise A1)."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from uuid import UUID

from compuerta.apps.console.reads import rows
from compuerta.domain.access import Place

ALARMS_SHOWN_MAX = 200
STORY_ROWS_MAX = 12
WINDOWS_SHOWN_MAX = 50
FEEDERS_SHOWN_MAX = 100
METERS_CHOSEN_MAX = 2_000
STATES: Mapping[str, str] = MappingProxyType(
    {
        "open": "and a.closed_at is null",
        "new": "and a.closed_at is null and a.acknowledged_at is null",
        "over": "and a.closed_at is null and a.ended_at is not null",
        "closed": "and a.closed_at is not null",
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class MeterAlarmRow:
    """An alarm, with where its meter is."""

    alarm_id: UUID
    meter_id: int
    meter_no: str
    account_id: int | None
    kind: str
    severity: str
    detail: str
    raised_at: datetime
    last_at: datetime
    times: int
    silenced: bool
    ended_at: datetime | None
    acknowledged_by: str | None
    acknowledged_at: datetime | None
    outcome: str | None
    note: str
    closed_by: str | None
    closed_at: datetime | None
    site_id: int | None
    site: str | None
    building: str
    place: str | None
    account_name: str | None
    zone: str
    relay: str | None
    wanted_closed: bool | None
    wanted_reason: str
    heard_at: datetime | None
    trips: int | None  # as the meter counts them
    closings: int | None
    overloads: int | None
    photos: int

    def where(self, organisation_id: int) -> Place:
        """Return the place that a right is asked for."""
        return Place(
            organisation_id=organisation_id,
            site_id=self.site_id,
            building=self.building if self.site_id is not None else None,
        )


_ALARMS = """
select a.alarm_id, a.meter_id, m.meter_no, a.account_id, a.kind, a.severity, a.detail, a.raised_at,
    a.last_at, a.times, a.silenced, a.ended_at, a.acknowledged_by, a.acknowledged_at, a.outcome, a.note,
    a.closed_by, a.closed_at,
    c.site_id, z.name as site, coalesce(p.building, '') as building, p.name as place, c.name as account_name,
    coalesce(z.zone, 'UTC') as zone, t.relay, t.wanted_closed, t.wanted_reason, t.heard_at,
    (t.counts ->> 'trip')::bigint as trips, (t.counts ->> 'close')::bigint as closings,
    (t.counts ->> 'overload')::bigint as overloads,
    (select count(*) from alarm_photo f where f.meter_id = a.meter_id and f.alarm_id = a.alarm_id) as photos
from meter_alarm a
join meter m on m.meter_id = a.meter_id
join meter_state t on t.meter_id = a.meter_id
left join account c on c.account_id = a.account_id
left join supply_point p on p.supply_point_id = c.supply_point_id
left join site z on z.site_id = c.site_id
where a.organisation_id = %(organisation_id)s
"""


def board(organisation_id: int, *, state: str, kind: str, site_id: int | None) -> list[MeterAlarmRow]:
    """Return alarms, the most dangerous first, and of these the oldest; closed ones by their closing."""
    return rows(
        MeterAlarmRow,
        f"""{_ALARMS} {STATES.get(state, STATES["open"])}
            and (%(kind)s = '' or a.kind = %(kind)s)
            and (%(site_id)s::bigint is null or c.site_id = %(site_id)s)
        order by a.closed_at desc nulls first,
            array_position(array['danger', 'warning', 'notice'], a.severity),
            a.silenced, a.raised_at, a.meter_id, a.kind
        limit %(limit)s""",
        {
            "organisation_id": organisation_id,
            "kind": kind,
            "site_id": site_id,
            "limit": ALARMS_SHOWN_MAX,
        },
    )


def one(organisation_id: int, alarm_id: UUID) -> MeterAlarmRow | None:
    """Return one alarm, or None where the organisation has no such alarm."""
    found = rows(
        MeterAlarmRow,
        f"{_ALARMS} and a.alarm_id = %(alarm_id)s",
        {"organisation_id": organisation_id, "alarm_id": alarm_id},
    )
    return found[0] if found else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Count:
    """How many."""

    alarms: int


def unseen(organisation_id: int) -> int:
    """Return how many alarms nobody has acknowledged."""
    (count,) = rows(
        Count,
        """select count(*) as alarms from meter_alarm
        where organisation_id = %(organisation_id)s and closed_at is null and acknowledged_at is null
            and not silenced""",
        {"organisation_id": organisation_id},
    )
    return count.alarms


@dataclass(frozen=True, slots=True, kw_only=True)
class PhotoRow:
    """A photo, without its bytes."""

    photo_id: UUID
    who: str
    at: datetime


def photos(organisation_id: int, alarm_id: UUID) -> list[PhotoRow]:
    """Return an alarm's photos, the oldest first."""
    return rows(
        PhotoRow,
        """select f.photo_id, f.who, f.at from alarm_photo f join meter_alarm a using (meter_id, alarm_id)
        where a.organisation_id = %(organisation_id)s and a.alarm_id = %(alarm_id)s
        order by f.at, f.photo_id""",
        {"organisation_id": organisation_id, "alarm_id": alarm_id},
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """A photo's bytes, and what they are."""

    content_type: str
    content: bytes


def picture(organisation_id: int, alarm_id: UUID, photo_id: UUID) -> Picture | None:
    """Return a photo of an alarm of the organisation."""
    found = rows(
        Picture,
        """select f.content_type, f.content from alarm_photo f join meter_alarm a using (meter_id, alarm_id)
        where a.organisation_id = %(organisation_id)s and a.alarm_id = %(alarm_id)s
            and f.photo_id = %(photo_id)s""",
        {"organisation_id": organisation_id, "alarm_id": alarm_id, "photo_id": photo_id},
    )
    return found[0] if found else None


@dataclass(frozen=True, slots=True, kw_only=True)
class StoryRow:
    """One turn of a relay's story: decided, tried, or held."""

    at: datetime
    closed: bool
    reason: str
    until: datetime | None


def story(organisation_id: int, meter_id: int) -> list[StoryRow]:
    """Return how supply of a meter was decided, the newest first."""
    return rows(
        StoryRow,
        """select s.at, s.closed, s.reason, s.until from supply_change s join meter m using (meter_id)
        where m.organisation_id = %(organisation_id)s and s.meter_id = %(meter_id)s
        order by s.change_no desc limit %(limit)s""",
        {"organisation_id": organisation_id, "meter_id": meter_id, "limit": STORY_ROWS_MAX},
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class OverloadRow:
    """A rest after an overload, or the lock after the last of them."""

    at: datetime
    until: datetime | None  # None = locked, until somebody lifts it
    nth: int  # within the hour before it
    is_over: bool


def overloads(organisation_id: int, meter_id: int, *, now: datetime) -> list[OverloadRow]:
    """Return a meter's last rests and locks after overloads, the newest first."""
    return rows(
        OverloadRow,
        """select h.started_at as at, h.ended_at as until, coalesce(h.ended_at <= %(now)s, false) as is_over,
            (
                select count(*) from supply_hold o where o.meter_id = h.meter_id and o.kind = 'overload'
                    and o.started_at > h.started_at - interval '1 hour' and o.started_at <= h.started_at
            ) as nth
        from supply_hold h join meter m using (meter_id)
        where m.organisation_id = %(organisation_id)s and h.meter_id = %(meter_id)s and h.kind = 'overload'
        order by h.started_at desc limit %(limit)s""",
        {"organisation_id": organisation_id, "meter_id": meter_id, "now": now, "limit": STORY_ROWS_MAX},
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteRow:
    """A site that can be chosen."""

    site_id: int
    name: str
    zone: str


def sites(organisation_id: int) -> list[SiteRow]:
    """Return an organisation's sites."""
    return rows(
        SiteRow,
        """select site_id, name, zone from site where organisation_id = %(organisation_id)s
        order by name, site_id""",
        {"organisation_id": organisation_id},
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowRow:
    """A maintenance window, with where it holds."""

    window_id: UUID
    site_id: int | None
    site: str | None
    meter_id: int | None
    place: str | None
    zone: str
    starts_at: datetime
    ends_at: datetime
    who: str
    why: str
    cancelled_at: datetime | None
    is_over: bool


def windows(organisation_id: int, *, now: datetime) -> list[WindowRow]:
    """Return maintenance windows, those that are not over first."""
    return rows(
        WindowRow,
        """select w.window_id, w.site_id, z.name as site, w.meter_id,
            case when w.meter_id is not null then concat_ws(' · ', p.name, m.meter_no) end as place,
            coalesce(
                z.zone,
                (select s.zone from site s where s.organisation_id = w.organisation_id
                order by s.name, s.site_id limit 1),
                'UTC'
            ) as zone, w.starts_at, w.ends_at, w.who, w.why, w.cancelled_at,
            w.cancelled_at is not null or w.ends_at <= %(now)s as is_over
        from maintenance_window w
        left join meter m on m.meter_id = w.meter_id
        left join installation i on i.meter_id = w.meter_id and i.ended_at is null
        left join account a on a.account_id = i.account_id
        left join supply_point p on p.supply_point_id = a.supply_point_id
        left join site z on z.site_id = coalesce(w.site_id, a.site_id)
        where w.organisation_id = %(organisation_id)s
        order by w.cancelled_at is not null or w.ends_at <= %(now)s, w.starts_at desc, w.window_id
        limit %(limit)s""",
        {"organisation_id": organisation_id, "now": now, "limit": WINDOWS_SHOWN_MAX},
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class FeederRow:
    """A feeder meter, and how many meters hang behind it."""

    meter_id: int
    meter_no: str
    name: str
    site_id: int
    site: str
    building: str
    zone: str
    meters: int


_FEEDERS = """
select m.meter_id, m.meter_no, a.name, a.site_id, z.name as site, p.building, z.zone,
    (select count(*) from feeding f where f.feeder_meter_id = m.meter_id and f.ended_at is null) as meters
from account a
join installation i on i.account_id = a.account_id and i.ended_at is null
join meter m on m.meter_id = i.meter_id
join supply_point p on p.supply_point_id = a.supply_point_id
join site z on z.site_id = a.site_id
where a.organisation_id = %(organisation_id)s and a.kind = 'feeder' and a.closed_at is null
"""


def feeders(organisation_id: int) -> list[FeederRow]:
    """Return an organisation's feeders."""
    return rows(
        FeederRow,
        f"{_FEEDERS} order by z.name, p.building, a.name, m.meter_id limit %(limit)s",
        {"organisation_id": organisation_id, "limit": FEEDERS_SHOWN_MAX},
    )


def feeder(organisation_id: int, meter_id: int) -> FeederRow | None:
    """Return one feeder, or None where the organisation has no such feeder."""
    found = rows(
        FeederRow,
        f"{_FEEDERS} and m.meter_id = %(meter_id)s",
        {"organisation_id": organisation_id, "meter_id": meter_id},
    )
    return found[0] if found else None


@dataclass(frozen=True, slots=True, kw_only=True)
class BehindRow:
    """A meter of a site that can hang behind a feeder."""

    meter_id: int
    meter_no: str
    place: str
    account_name: str
    feeder_meter_id: int | None


def behind(organisation_id: int, feeder: FeederRow) -> list[BehindRow]:
    """Return the meters of a feeder's site, with what each hangs behind now."""
    return rows(
        BehindRow,
        """select m.meter_id, m.meter_no, p.name as place, a.name as account_name, f.feeder_meter_id
        from account a
        join installation i on i.account_id = a.account_id and i.ended_at is null
        join meter m on m.meter_id = i.meter_id
        join supply_point p on p.supply_point_id = a.supply_point_id
        left join feeding f on f.meter_id = m.meter_id and f.ended_at is null
        where a.organisation_id = %(organisation_id)s and a.site_id = %(site_id)s
            and m.meter_id <> %(meter_id)s and a.closed_at is null
        order by p.building, length(p.name), p.name, m.meter_id limit %(limit)s""",
        {
            "organisation_id": organisation_id,
            "site_id": feeder.site_id,
            "meter_id": feeder.meter_id,
            "limit": METERS_CHOSEN_MAX,
        },
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class FreeRow:
    """A meter that measures for nobody."""

    meter_id: int
    meter_no: str


def free_meters(organisation_id: int) -> list[FreeRow]:
    """Return the meters that have no account: what a feeder can be made of."""
    return rows(
        FreeRow,
        """select m.meter_id, m.meter_no from meter m
        where m.organisation_id = %(organisation_id)s and not exists (
            select from installation i where i.meter_id = m.meter_id and i.ended_at is null
        ) order by m.meter_no limit %(limit)s""",
        {"organisation_id": organisation_id, "limit": METERS_CHOSEN_MAX},
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaceRow:
    """Where a meter hangs."""

    site_id: int
    building: str


def place_of_meter(organisation_id: int, meter_id: int) -> list[PlaceRow]:
    """Return where a meter hangs; nothing where it measures for nobody."""
    return rows(
        PlaceRow,
        """select a.site_id, p.building from installation i
        join account a on a.account_id = i.account_id
        join supply_point p on p.supply_point_id = a.supply_point_id
        where a.organisation_id = %(organisation_id)s and i.meter_id = %(meter_id)s and i.ended_at is null""",
        {"organisation_id": organisation_id, "meter_id": meter_id},
    )
