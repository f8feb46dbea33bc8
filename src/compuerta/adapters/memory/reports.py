"""Daily reports, in memory."""

from collections.abc import Sequence
from datetime import date, datetime

from compuerta.adapters.memory import day_facts
from compuerta.adapters.memory.tables import Tables
from compuerta.domain.party import AccountKind
from compuerta.services.daily_report import DayFacts, Standing
from compuerta.services.freeze_port import DayKey, SiteDay
from compuerta.services.report_port import HOURLY_METERS_MAX, KeptReport


class MemoryReports:
    """See `report_port.Reports`."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    def site_name(self, site_id: int) -> tuple[str, str]:
        site = self._tables.sites[site_id]
        return site.name, self._tables.organisations[site.organisation_id]

    def facts(self, day: SiteDay) -> DayFacts:
        return day_facts.facts(self._tables, day)

    def standing(self, day: SiteDay, *, now: datetime) -> Standing:
        return day_facts.standing(self._tables, day, now=now)

    def hourly_meters(self, key: DayKey) -> list[int]:
        accounts = self._tables.accounts
        found = {
            each.meter_id
            for each in self._tables.freezes.values()
            if (each.site_id, each.day) == key and accounts[each.account_id].kind is not AccountKind.FEEDER
        }
        return sorted(found) if len(found) <= HOURLY_METERS_MAX else []

    def bills(self, day: SiteDay) -> str:
        return ";".join(
            f"{each.provider}:{each.state.value}:{each.version}:{each.differing}"
            for each in day_facts.bills_of(self._tables, day)
            if each.currency == day.currency
        )

    def put_daily(self, report: KeptReport) -> None:
        self._tables.take("daily_report_pkey", report.site_id, report.day, report.version)
        self._tables.daily_reports[report.site_id, report.day, report.version] = report

    def daily(self, key: DayKey, *, version: int | None = None) -> KeptReport | None:
        found = [
            each
            for each in self._tables.daily_reports.values()
            if each.key == key and version in (None, each.version)
        ]
        return max(found, key=lambda each: each.version, default=None)

    def known_days(self, site_id: int) -> tuple[date, date] | None:
        days = [each.day for each in self._tables.daily_reports.values() if each.site_id == site_id]
        return (min(days), max(days)) if days else None

    def dailies(self, site_id: int, *, since: date, until: date) -> list[KeptReport]:
        return [each for each in self._last(since) if each.site_id == site_id and each.day < until]

    def overtaken(self, *, since: date, limit: int) -> list[DayKey]:
        found = [
            each.key
            for each in self._last(since)
            if each.bills != self.bills(self._tables.site_days[each.key])
        ]
        return sorted(found, key=lambda each: (each.day, each.site_id))[:limit]

    def untold(self, *, since: date, now: datetime, limit: int) -> list[KeptReport]:
        told = self._tables.daily_reports_told
        due = [
            (each.tell_at, each.site_id, each)
            for each in self._last(since)
            if each.tell_at is not None
            and each.tell_at <= now
            and (each.site_id, each.day, each.money) not in told
        ]
        return [each for *_, each in sorted(due, key=lambda each: each[:2])][:limit]

    def put_told(self, reports: Sequence[KeptReport], *, at: datetime) -> None:
        for each in reports:
            self._tables.daily_reports_told.setdefault((each.site_id, each.day, each.money), at)

    def _last(self, since: date) -> list[KeptReport]:
        last: dict[DayKey, KeptReport] = {}
        for _, each in sorted(self._tables.daily_reports.items()):
            if each.day >= since:
                last[each.key] = each
        return list(last.values())
