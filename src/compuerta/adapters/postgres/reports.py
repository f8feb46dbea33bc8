"""Daily reports, in PostgreSQL."""

from collections.abc import Sequence
from datetime import date, datetime

from compuerta.adapters.postgres import day_facts, rows
from compuerta.adapters.postgres.rows import Asked
from compuerta.services.daily_report import DayFacts, Standing
from compuerta.services.freeze_port import DayKey, SiteDay
from compuerta.services.report_port import HOURLY_METERS_MAX, KeptReport

_LAST = """
select distinct on (site_id, day) * from daily_report where {} order by site_id, day, version desc
"""


class PostgresReports:
    """See `report_port.Reports`."""

    def __init__(self, tx: Asked) -> None:
        self._tx = tx

    def site_name(self, site_id: int) -> tuple[str, str]:
        found = self._tx.query(
            """select s.name, o.name as owner from site s join organisation o using (organisation_id)
            where s.site_id = %(site_id)s""",
            {"site_id": site_id},
        )
        return found[0]["name"], found[0]["owner"]

    def facts(self, day: SiteDay) -> DayFacts:
        return day_facts.facts(self._tx, day)

    def standing(self, day: SiteDay, *, now: datetime) -> Standing:
        return day_facts.standing(self._tx, day, now=now)

    def hourly_meters(self, key: DayKey) -> list[int]:
        found = self._tx.query(
            """select distinct f.meter_id from meter_freeze f join account a using (account_id)
            where f.site_id = %(site_id)s and f.day = %(day)s and a.kind <> 'feeder'
            order by f.meter_id limit %(limit)s""",
            {**key._asdict(), "limit": HOURLY_METERS_MAX + 1},
        )
        return [row["meter_id"] for row in found] if len(found) <= HOURLY_METERS_MAX else []

    def bills(self, day: SiteDay) -> str:
        states = day_facts.BILL_STATES.format(of="asked")
        found = self._tx.query(
            f"""select {states} as bills
            from (
                select %(organisation_id)s::bigint as organisation_id, %(site_id)s::bigint as site_id,
                    %(day)s::date as day
            ) as asked""",
            {"organisation_id": day.organisation_id, "site_id": day.site_id, "day": day.day},
        )
        return str(found[0]["bills"])

    def put_daily(self, report: KeptReport) -> None:
        self._tx.insert("daily_report", [rows.columns(report)])

    def daily(self, key: DayKey, *, version: int | None = None) -> KeptReport | None:
        found = self._tx.query(
            """select * from daily_report
            where site_id = %(site_id)s and day = %(day)s and version = coalesce(%(version)s, version)
            order by version desc limit 1""",
            {**key._asdict(), "version": version},
        )
        return KeptReport(**found[0]) if found else None

    def known_days(self, site_id: int) -> tuple[date, date] | None:
        found = self._tx.query(
            "select min(day) as first, max(day) as last from daily_report where site_id = %(site_id)s",
            {"site_id": site_id},
        )[0]
        return None if found["first"] is None else (found["first"], found["last"])

    def dailies(self, site_id: int, *, since: date, until: date) -> list[KeptReport]:
        found = self._tx.query(
            _LAST.format("site_id = %(site_id)s and day >= %(since)s and day < %(until)s"),
            {"site_id": site_id, "since": since, "until": until},
        )
        return [KeptReport(**row) for row in found]

    def overtaken(self, *, since: date, limit: int) -> list[DayKey]:
        last, states = _LAST.format("day >= %(since)s"), day_facts.BILL_STATES.format(of="r")
        found = self._tx.query(
            f"""with r as ({last}) select r.site_id, r.day from r where r.bills <> {states}
            order by r.day, r.site_id limit %(limit)s""",
            {"since": since, "limit": limit},
        )
        return [DayKey(row["site_id"], row["day"]) for row in found]

    def untold(self, *, since: date, now: datetime, limit: int) -> list[KeptReport]:
        found = self._tx.query(
            f"""with r as ({_LAST.format("day >= %(since)s")}) select r.* from r
            where r.tell_at <= %(now)s and not exists (
                select from daily_report_told t
                where (t.site_id, t.day, t.money) = (r.site_id, r.day, r.money)
            )
            order by r.tell_at, r.site_id limit %(limit)s""",
            {"since": since, "now": now, "limit": limit},
        )
        return [KeptReport(**row) for row in found]

    def put_told(self, reports: Sequence[KeptReport], *, at: datetime) -> None:
        told = [
            {
                "site_id": each.site_id,
                "day": each.day,
                "organisation_id": each.organisation_id,
                "money": each.money,
                "told_at": at,
            }
            for each in reports
        ]
        self._tx.insert("daily_report_told", told, on_conflict="do nothing")
