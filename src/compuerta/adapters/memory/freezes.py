"""Days of sites, and freezes, in memory."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import date, datetime

from compuerta.adapters.memory.tables import Tables
from compuerta.services.freeze_port import DayKey, Freeze, FrozenSite, SiteDay


class MemoryFreezes:
    """See `freeze_port.Freezes`."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    def sites(self) -> list[FrozenSite]:
        found = []
        for site_id, site in sorted(self._tables.sites.items()):
            opened = [each.period.start for each in self._tables.accounts.values() if each.site_id == site_id]
            days = [key.day for key in self._tables.site_days if key.site_id == site_id]
            if opened:
                found.append(
                    FrozenSite(
                        site_id=site_id,
                        organisation_id=site.organisation_id,
                        name=site.name,
                        zone=site.zone,
                        currency=site.currency,
                        since=min(opened),
                        last_day=max(days, default=None),
                    )
                )
        return found

    def put_days(self, days: Sequence[SiteDay]) -> None:
        for each in days:
            self._tables.site_days.setdefault(each.key, each)

    def claim_days(self, *, now: datetime, until: datetime, limit: int) -> list[SiteDay]:
        due = [each for each in self._tables.site_days.values() if each.due_at and each.due_at <= now]
        claimed = sorted(due, key=lambda each: (each.day, each.site_id))[:limit]
        for each in claimed:
            self._tables.site_days[each.key] = replace(each, due_at=until)
        return claimed

    def day(self, key: DayKey) -> SiteDay | None:
        return self._tables.site_days.get(key)

    def save_day(self, day: SiteDay) -> None:
        self._tables.site_days[day.key] = day

    def put_freezes(self, freezes: Sequence[Freeze]) -> None:
        for each in freezes:
            self._tables.take("meter_freeze_pkey", each.meter_id, each.day, each.version)
            self._tables.freezes[each.meter_id, each.day, each.version] = each

    def freezes(self, key: DayKey) -> list[Freeze]:
        named = [each for each in self._last() if (each.site_id, each.day) == key]
        return sorted(named, key=lambda each: each.meter_id)

    def freezes_of(self, meter_ids: Iterable[int], *, since: date, until: date) -> list[Freeze]:
        asked = set(meter_ids)
        found = [each for each in self._last() if each.meter_id in asked and since <= each.day < until]
        return sorted(found, key=lambda each: (each.meter_id, each.day))

    def _last(self) -> list[Freeze]:
        last: dict[tuple[int, date], Freeze] = {}
        for each in self._tables.freezes.values():
            known = last.get((each.meter_id, each.day))
            if known is None or known.version < each.version:
                last[each.meter_id, each.day] = each
        return list(last.values())
