"""Days of sites, and freezes, in memory."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import date, datetime

from compuerta.adapters.memory.tables import Tables
from compuerta.domain.party import CreditAuthority
from compuerta.services.freeze_port import (
    FINAL,
    Around,
    DayKey,
    DayStep,
    Freeze,
    FreezeBasis,
    FrozenSite,
    Measuring,
    SiteDay,
    WantedFreeze,
)
from compuerta.services.records import Reading


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
        first = sorted(due, key=lambda each: (each.day, each.site_id))[:limit]
        claimed = [replace(each, due_at=until) for each in first]
        for each in claimed:
            self._tables.site_days[each.key] = each
        return claimed

    def day(self, key: DayKey) -> SiteDay | None:
        return self._tables.site_days.get(key)

    def look_at_day(self, key: DayKey) -> SiteDay | None:
        return self.day(key)

    def save_day(self, day: SiteDay) -> None:
        self._tables.site_days[day.key] = day

    def put_freezes(self, freezes: Sequence[Freeze]) -> None:
        for each in freezes:
            self._tables.take("meter_freeze_pkey", each.meter_id, each.day, each.version)
            self._tables.freezes[each.meter_id, each.day, each.version] = each

    def freezes(self, key: DayKey) -> list[Freeze]:
        named = [each for each in self._last() if (each.site_id, each.day) == key]
        return sorted(named, key=lambda each: each.meter_id)

    def counted(self, key: DayKey) -> dict[FreezeBasis, int]:
        return dict(Counter(each.basis for each in self.freezes(key)))

    def freezes_of(self, meter_ids: Iterable[int], *, since: date, until: date) -> list[Freeze]:
        asked = set(meter_ids)
        found = [each for each in self._last() if each.meter_id in asked and since <= each.day < until]
        return sorted(found, key=lambda each: (each.meter_id, each.day))

    def measuring(self, site_id: int, *, at: datetime, after: int, limit: int) -> list[Measuring]:
        found = [
            each
            for each in self.installations(self._tables.meters)
            if each.site_id == site_id and each.meter_id > after and _measures(each, at)
        ]
        return found[:limit]

    def installations(self, meter_ids: Iterable[int]) -> list[Measuring]:
        asked, tables = set(meter_ids), self._tables
        return [
            Measuring(
                meter_id=meter_id,
                account_id=account_id,
                site_id=tables.accounts[account_id].site_id,
                holds_credit=tables.meters[meter_id].credit_authority is CreditAuthority.METER,
                since=since,
                until=until,
            )
            for (meter_id, since), (account_id, until) in sorted(tables.installations.items())
            if meter_id in asked
        ]

    def around(self, meter_ids: Iterable[int], *, until: datetime, since: datetime) -> dict[int, Around]:
        asked = set(meter_ids)
        before: dict[int, Reading] = {}
        after: dict[int, Reading] = {}
        for each in sorted(self._tables.readings.values(), key=lambda each: each.at):
            if each.meter_id in asked and each.energy_wh is not None:
                if each.at <= until:
                    before[each.meter_id] = each
                if each.at >= since:
                    after.setdefault(each.meter_id, each)
        return {meter_id: (before.get(meter_id), after.get(meter_id)) for meter_id in asked}

    def wanted(self, meter_ids: Iterable[int], *, since: datetime, limit: int) -> list[WantedFreeze]:
        asked, last = set(meter_ids), {(each.meter_id, each.day): each for each in self._last()}
        found = [
            WantedFreeze(meter_id=each.meter_id, day=day.day, at=day.ends_at, zone=day.zone)
            for day in self._tables.site_days.values()
            if day.ends_at >= since and (day.step is DayStep.FREEZING or day.provisional or day.missing)
            for each in self.installations(asked)
            if each.site_id == day.site_id
            and _measures(each, day.ends_at)
            and _is_wanted(last.get((each.meter_id, day.day)))
        ]
        by_meter: dict[int, list[WantedFreeze]] = defaultdict(list)
        for wanted in sorted(found, key=lambda each: each.at, reverse=True):
            by_meter[wanted.meter_id].append(wanted)
        placed = [pair for own in by_meter.values() for pair in enumerate(own)]
        placed.sort(key=lambda pair: (pair[0], -pair[1].at.timestamp(), pair[1].meter_id))
        return [wanted for _, wanted in placed[:limit]]

    def _last(self) -> list[Freeze]:
        last: dict[tuple[int, date], Freeze] = {}
        for each in self._tables.freezes.values():
            known = last.get((each.meter_id, each.day))
            if known is None or known.version < each.version:
                last[each.meter_id, each.day] = each
        return list(last.values())


def _measures(each: Measuring, at: datetime) -> bool:
    return each.since <= at and (each.until is None or at < each.until)


def _is_wanted(known: Freeze | None) -> bool:
    return known is None or not (known.is_told or known.reason in FINAL)
