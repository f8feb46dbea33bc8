"""Days of sites, and freezes, in PostgreSQL."""

from collections.abc import Iterable, Sequence
from datetime import date, datetime

from compuerta.adapters.postgres import rows
from compuerta.adapters.postgres.rows import Asked, Row
from compuerta.drivers.abilities import Relay
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

_CHANGING = ("step", "due_at", "version", "meters", "valid", "provisional", "missing", "done_at")
_DAY = "select * from site_day where site_id = %(site_id)s and day = %(day)s"
_LAST = "select distinct on (meter_id, day) * from meter_freeze where {} order by meter_id, day, version desc"

_MEASURING = """
select i.meter_id, i.account_id, a.site_id, m.credit_authority = 'meter' as holds_credit,
    i.started_at as since, i.ended_at as until
from installation i join account a using (account_id) join meter m on m.meter_id = i.meter_id
where {} order by i.meter_id, i.started_at
"""
# Through the primary key, twice for each meter.
_AROUND = """
select m.meter_id as asked, b.*, a.*
from unnest(%(ids)s::bigint[]) as m (meter_id)
left join lateral (
    select {} from reading r
    where r.meter_id = m.meter_id and r.at <= %(until)s and r.energy_wh is not null
    order by r.at desc limit 1
) b on true
left join lateral (
    select {} from reading r
    where r.meter_id = m.meter_id and r.at >= %(since)s and r.energy_wh is not null
    order by r.at limit 1
) a on true
"""
_READING: tuple[str, ...] = Reading.__slots__
_WANTED = """
select meter_id, day, at, zone from (
    select i.meter_id, d.day, d.ends_at as at, d.zone,
        row_number() over (partition by i.meter_id order by d.ends_at desc) as place
    from installation i
    join account a using (account_id)
    join site_day d on d.site_id = a.site_id and d.ends_at >= greatest(i.started_at, %(since)s)
        and (i.ended_at is null or d.ends_at < i.ended_at)
        and (d.step = 'freezing' or d.provisional > 0 or d.missing > 0)
    left join lateral (
        select f.basis, f.reason from meter_freeze f
        where f.meter_id = i.meter_id and f.day = d.day order by f.version desc limit 1
    ) f on true
    where i.meter_id = any(%(ids)s) and (
        f.basis is null or (f.basis in ('provisional', 'missing') and f.reason <> all(%(final)s))
    )
) untold
order by place, at desc, meter_id limit %(limit)s
"""


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
        return sorted((to_day(row) for row in found), key=lambda each: (each.day, each.site_id))

    def day(self, key: DayKey) -> SiteDay | None:
        found = self._tx.query(f"{_DAY} for update", key._asdict())
        return to_day(found[0]) if found else None

    def look_at_day(self, key: DayKey) -> SiteDay | None:
        found = self._tx.query(_DAY, key._asdict())
        return to_day(found[0]) if found else None

    def save_day(self, day: SiteDay) -> None:
        self._tx.update("site_day", [rows.columns(day)], key=("site_id", "day"), changed=_CHANGING)

    def put_freezes(self, freezes: Sequence[Freeze]) -> None:
        self._tx.insert("meter_freeze", [rows.columns(each) for each in freezes])

    def freezes(self, key: DayKey) -> list[Freeze]:
        found = self._tx.query(_LAST.format("site_id = %(site_id)s and day = %(day)s"), key._asdict())
        return [to_freeze(row) for row in found]

    def counted(self, key: DayKey) -> dict[FreezeBasis, int]:
        found = self._tx.query(
            f"""select basis, count(*) as freezes from (
                {_LAST.format("site_id = %(site_id)s and day = %(day)s")}
            ) as last group by basis""",
            key._asdict(),
        )
        return {FreezeBasis(row["basis"]): row["freezes"] for row in found}

    def freezes_of(self, meter_ids: Iterable[int], *, since: date, until: date) -> list[Freeze]:
        found = self._tx.query(
            _LAST.format("meter_id = any(%(meter_ids)s) and day >= %(since)s and day < %(until)s"),
            {"meter_ids": list(meter_ids), "since": since, "until": until},
        )
        return [to_freeze(row) for row in found]

    def measuring(self, site_id: int, *, at: datetime, after: int, limit: int) -> list[Measuring]:
        found = self._tx.query(
            _MEASURING.format(
                """a.site_id = %(site_id)s and i.meter_id > %(after)s and i.started_at <= %(at)s
                and (i.ended_at is null or i.ended_at > %(at)s)"""
            )
            + " limit %(limit)s",
            {"site_id": site_id, "at": at, "after": after, "limit": limit},
        )
        return [Measuring(**row) for row in found]

    def installations(self, meter_ids: Iterable[int]) -> list[Measuring]:
        found = self._tx.query(_MEASURING.format("i.meter_id = any(%(ids)s)"), {"ids": list(meter_ids)})
        return [Measuring(**row) for row in found]

    def around(self, meter_ids: Iterable[int], *, until: datetime, since: datetime) -> dict[int, Around]:
        sides = [", ".join(f"r.{name} as {side}_{name}" for name in _READING) for side in ("b", "a")]
        found = self._tx.query(
            _AROUND.format(*sides), {"ids": sorted(set(meter_ids)), "until": until, "since": since}
        )
        return {row["asked"]: (_reading(row, "b"), _reading(row, "a")) for row in found}

    def wanted(self, meter_ids: Iterable[int], *, since: datetime, limit: int) -> list[WantedFreeze]:
        asked = {"ids": list(meter_ids), "since": since, "final": sorted(FINAL), "limit": limit}
        return [WantedFreeze(**row) for row in self._tx.query(_WANTED, asked)]


def _reading(row: Row, side: str) -> Reading | None:
    told = {name: row[f"{side}_{name}"] for name in _READING}
    if told["meter_id"] is None:
        return None
    relay, rates_wh = told["relay"], told["rates_wh"]
    return Reading(
        **{
            **told,
            "relay": None if relay is None else Relay(relay),
            "rates_wh": None if rates_wh is None else tuple(rates_wh),
        }
    )


def to_day(row: Row) -> SiteDay:
    """Build a day of a site from its row."""
    return SiteDay(**{**row, "step": DayStep(row["step"])})


def to_freeze(row: Row) -> Freeze:
    """Build a freeze from its row."""
    rates_wh = row["rates_wh"]
    told = {"basis": FreezeBasis(row["basis"]), "rates_wh": None if rates_wh is None else tuple(rates_wh)}
    return Freeze(**{**row, **told})
