"""Days of sites, and freezes, in PostgreSQL."""

from collections.abc import Iterable, Sequence
from datetime import date, datetime

from compuerta.adapters.postgres import rows
from compuerta.adapters.postgres.rows import Asked, Row
from compuerta.services.freeze_port import DayKey, DayStep, Freeze, FreezeBasis, FrozenSite, SiteDay

_CHANGING = ("step", "due_at", "version", "meters", "valid", "provisional", "missing", "done_at")
_LAST = "select distinct on (meter_id, day) * from meter_freeze where {} order by meter_id, day, version desc"


class PostgresFreezes:
    """See `freeze_port.Freezes`."""

    def __init__(self, tx: Asked) -> None:
        self._tx = tx

    def sites(self) -> list[FrozenSite]:
        found = self._tx.query(
            """select s.site_id, s.organisation_id, s.name, s.zone, s.currency, a.since, d.last_day
            from site s
            join (select site_id, min(opened_at) as since from account group by site_id) a using (site_id)
            left join lateral (
                select max(day) as last_day from site_day d where d.site_id = s.site_id
            ) d on true
            order by s.site_id""",
            {},
        )
        return [FrozenSite(**row) for row in found]

    def put_days(self, days: Sequence[SiteDay]) -> None:
        self._tx.insert("site_day", [rows.columns(each) for each in days], on_conflict="do nothing")

    def claim_days(self, *, now: datetime, until: datetime, limit: int) -> list[SiteDay]:
        found = self._tx.query(
            """with due as (
                select site_id, day, due_at from site_day where due_at <= %(now)s
                order by day, site_id limit %(limit)s for update skip locked
            )
            update site_day s set due_at = %(until)s from due
            where (s.site_id, s.day) = (due.site_id, due.day) returning s.*""",
            {"now": now, "until": until, "limit": limit},
        )
        return sorted((_day(row) for row in found), key=lambda each: (each.day, each.site_id))

    def day(self, key: DayKey) -> SiteDay | None:
        found = self._tx.query(
            "select * from site_day where site_id = %(site_id)s and day = %(day)s for update", key._asdict()
        )
        return _day(found[0]) if found else None

    def save_day(self, day: SiteDay) -> None:
        self._tx.update("site_day", [rows.columns(day)], key=("site_id", "day"), changed=_CHANGING)

    def put_freezes(self, freezes: Sequence[Freeze]) -> None:
        self._tx.insert("meter_freeze", [rows.columns(each) for each in freezes])

    def freezes(self, key: DayKey) -> list[Freeze]:
        found = self._tx.query(_LAST.format("site_id = %(site_id)s and day = %(day)s"), key._asdict())
        return [_freeze(row) for row in found]

    def freezes_of(self, meter_ids: Iterable[int], *, since: date, until: date) -> list[Freeze]:
        found = self._tx.query(
            _LAST.format("meter_id = any(%(meter_ids)s) and day >= %(since)s and day < %(until)s"),
            {"meter_ids": list(meter_ids), "since": since, "until": until},
        )
        return [_freeze(row) for row in found]


def _day(row: Row) -> SiteDay:
    return SiteDay(**{**row, "step": DayStep(row["step"])})


def _freeze(row: Row) -> Freeze:
    rates_wh = row["rates_wh"]
    told = {"basis": FreezeBasis(row["basis"]), "rates_wh": None if rates_wh is None else tuple(rates_wh)}
    return Freeze(**{**row, **told})
