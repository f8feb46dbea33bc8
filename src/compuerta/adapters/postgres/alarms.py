"""Alarms of meters, maintenance windows, feeders, in PostgreSQL."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from uuid import UUID

from compuerta.adapters.postgres import rows
from compuerta.adapters.postgres.rows import Asked, Row
from compuerta.domain.alarms import BY_THE_CLOCK, COVERS, AlarmKind, AlarmOutcome, Severity
from compuerta.domain.losses import Fix, Fixes
from compuerta.services.alarm_port import AlarmPhoto, Feeding, MaintenanceWindow, MeterAlarm

_KEY = ("meter_id", "alarm_id")
_CHANGES = (
    "detail", "last_at", "times", "silenced", "ended_at", "acknowledged_by", "acknowledged_at", "outcome",
    "note", "closed_by", "closed_at",
)  # fmt: skip
# Through the primary key for each meter and instant: a map of a week needs 169 of a thousand readings a day.
_FIXES = """
select m.meter_id, e.at as edge,
    b.at as before_at, b.energy_wh as before_wh, b.relay in ('open', 'permitted') as before_open,
    a.at as after_at, a.energy_wh as after_wh, a.relay in ('open', 'permitted') as after_open
from unnest(%(ids)s::bigint[]) as m (meter_id)
cross join unnest(%(at)s::timestamptz[]) as e (at)
left join lateral (
    select r.at, r.energy_wh, r.relay from reading r
    where r.meter_id = m.meter_id and r.at <= e.at and r.energy_wh is not null
    order by r.at desc limit 1
) b on true
left join lateral (
    select r.at, r.energy_wh, r.relay from reading r
    where r.meter_id = m.meter_id and r.at >= e.at and r.energy_wh is not null
    order by r.at limit 1
) a on true
order by m.meter_id, e.at
"""
_TO_WATCH = """
select t.meter_id, exists (select from endpoint_state e where e.endpoint_id = m.endpoint_id) as is_asked
from meter_state t
join meter m on m.meter_id = t.meter_id
join installation i on i.meter_id = t.meter_id and i.ended_at is null
where t.meter_id > %(after)s and (
    t.heard_at < %(heard_before)s or t.differs_since < %(differs_before)s or t.meter_id in (
        select a.meter_id from meter_alarm a
        where a.closed_at is null and a.ended_at is null and (a.silenced or a.kind = any(%(kinds)s))
    )
)
order by t.meter_id limit %(limit)s
"""


class PostgresAlarms:
    """See `alarm_port.Alarms`."""

    def __init__(self, tx: Asked) -> None:
        self._tx = tx

    def open_of(self, meter_ids: Iterable[int]) -> list[MeterAlarm]:
        found = self._tx.query(
            """select * from meter_alarm where meter_id = any(%(ids)s) and closed_at is null
            order by meter_id, kind for update""",
            {"ids": sorted(set(meter_ids))},
        )
        return [to_alarm(row) for row in found]

    def one(self, alarm_id: UUID, *, organisation_id: int) -> MeterAlarm | None:
        found = self._tx.query(
            """select * from meter_alarm where alarm_id = %(id)s and organisation_id = %(organisation_id)s
            for update""",
            {"id": alarm_id, "organisation_id": organisation_id},
        )
        return to_alarm(found[0]) if found else None

    def known(self, alarm_ids: Iterable[UUID]) -> set[UUID]:
        found = self._tx.query(
            "select alarm_id from meter_alarm where alarm_id = any(%(ids)s)", {"ids": list(alarm_ids)}
        )
        return {row["alarm_id"] for row in found}

    def put(self, alarms: Sequence[MeterAlarm]) -> None:
        self._tx.insert("meter_alarm", [rows.columns(each) for each in alarms])

    def save(self, alarms: Sequence[MeterAlarm]) -> None:
        self._tx.update("meter_alarm", [rows.columns(each) for each in alarms], key=_KEY, changed=_CHANGES)

    def put_photo(self, photo: AlarmPhoto) -> None:
        self._tx.insert("alarm_photo", [rows.columns(photo)])

    def photos(self, alarm: MeterAlarm) -> int:
        found = self._tx.query(
            """select count(*) as photos from alarm_photo
            where meter_id = %(meter_id)s and alarm_id = %(alarm_id)s""",
            {"meter_id": alarm.meter_id, "alarm_id": alarm.alarm_id},
        )
        photos: int = found[0]["photos"]
        return photos

    def put_window(self, window: MaintenanceWindow) -> None:
        self._tx.insert("maintenance_window", [rows.columns(window)])

    def cancel_window(self, window_id: UUID, *, at: datetime) -> None:
        self._tx.run(
            "update maintenance_window set cancelled_at = %(at)s where window_id = %(id)s",
            {"at": at, "id": window_id},
        )

    def window(self, window_id: UUID, *, organisation_id: int) -> MaintenanceWindow | None:
        found = self._tx.query(
            """select * from maintenance_window
            where window_id = %(id)s and organisation_id = %(organisation_id)s for update""",
            {"id": window_id, "organisation_id": organisation_id},
        )
        return MaintenanceWindow(**found[0]) if found else None

    def windows(self, organisation_ids: Iterable[int], *, at: datetime) -> list[MaintenanceWindow]:
        found = self._tx.query(
            """select * from maintenance_window
            where organisation_id = any(%(ids)s) and starts_at <= %(at)s and %(at)s < ends_at
                and cancelled_at is null
            order by starts_at, window_id""",
            {"ids": sorted(set(organisation_ids)), "at": at},
        )
        return [MaintenanceWindow(**row) for row in found]

    def to_watch(
        self, *, heard_before: datetime, differs_before: datetime, after: int, limit: int
    ) -> dict[int, bool]:
        found = self._tx.query(
            _TO_WATCH,
            {
                "heard_before": heard_before,
                "differs_before": differs_before,
                "kinds": sorted(kind.value for kind in BY_THE_CLOCK),
                "after": after,
                "limit": limit,
            },
        )
        return {row["meter_id"]: row["is_asked"] for row in found}

    def living(self, *, after: int, limit: int) -> list[int]:
        found = self._tx.query(
            """select i.meter_id from installation i join account a using (account_id)
            where i.meter_id > %(after)s and i.ended_at is null and a.kind = 'customer'
            order by i.meter_id limit %(limit)s""",
            {"after": after, "limit": limit},
        )
        return [row["meter_id"] for row in found]

    def covers_opened(
        self, meter_ids: Iterable[int], *, since: datetime, until: datetime
    ) -> list[MeterAlarm]:
        found = self._tx.query(
            """select * from meter_alarm
            where meter_id = any(%(ids)s) and kind = any(%(kinds)s)
                and raised_at >= %(since)s and raised_at < %(until)s
            order by meter_id, raised_at, kind""",
            {
                "ids": sorted(set(meter_ids)),
                "kinds": sorted(kind.value for kind in COVERS),
                "since": since,
                "until": until,
            },
        )
        return [to_alarm(row) for row in found]

    def was_off(self, meter_ids: Iterable[int], *, since: datetime) -> set[int]:
        found = self._tx.query(
            """select m.meter_id from unnest(%(ids)s::bigint[]) as m (meter_id)
            where exists (
                select from reading r
                where r.meter_id = m.meter_id and r.at >= %(since)s and r.relay in ('open', 'permitted')
            )""",
            {"ids": sorted(set(meter_ids)), "since": since},
        )
        return {row["meter_id"] for row in found}

    def fixes(self, meter_ids: Iterable[int], *, at: Sequence[datetime]) -> dict[int, tuple[Fixes, ...]]:
        ids = sorted(set(meter_ids))
        found = self._tx.query(_FIXES, {"ids": ids, "at": list(at)})
        around: dict[int, list[Fixes]] = {meter_id: [] for meter_id in ids}
        for row in found:
            around[row["meter_id"]].append((_fix(row, "before"), _fix(row, "after")))
        return {meter_id: tuple(each) for meter_id, each in around.items()}

    def put_feedings(self, feedings: Sequence[Feeding]) -> None:
        self._tx.insert("feeding", [rows.columns(each) for each in feedings])

    def end_feedings(self, meter_ids: Iterable[int], *, at: datetime) -> None:
        self._tx.run(
            """update feeding set ended_at = greatest(%(at)s, started_at)
            where meter_id = any(%(ids)s) and ended_at is null""",
            {"at": at, "ids": sorted(set(meter_ids))},
        )

    def fed_by(self, feeder_meter_id: int) -> list[Feeding]:
        found = self._tx.query(
            "select * from feeding where feeder_meter_id = %(id)s order by meter_id, started_at",
            {"id": feeder_meter_id},
        )
        return [Feeding(**row) for row in found]

    def feeders(self, *, after: int, limit: int) -> list[int]:
        found = self._tx.query(
            """select distinct feeder_meter_id from feeding
            where ended_at is null and feeder_meter_id > %(after)s
            order by feeder_meter_id limit %(limit)s""",
            {"after": after, "limit": limit},
        )
        return [row["feeder_meter_id"] for row in found]

    def feeders_of(self, meter_ids: Iterable[int]) -> list[int]:
        found = self._tx.query(
            """select distinct feeder_meter_id from feeding
            where ended_at is null and meter_id = any(%(ids)s) order by feeder_meter_id""",
            {"ids": list(meter_ids)},
        )
        return [row["feeder_meter_id"] for row in found]


def to_alarm(row: Row) -> MeterAlarm:
    """Return an alarm as its row tells it."""
    outcome = row["outcome"]
    return MeterAlarm(
        **{
            **row,
            "kind": AlarmKind(row["kind"]),
            "severity": Severity(row["severity"]),
            "outcome": None if outcome is None else AlarmOutcome(outcome),
        }
    )


def _fix(row: Row, side: str) -> Fix | None:
    at = row[f"{side}_at"]
    if at is None:
        return None
    return Fix(at=at, energy_wh=row[f"{side}_wh"], relay_open=bool(row[f"{side}_open"]))
