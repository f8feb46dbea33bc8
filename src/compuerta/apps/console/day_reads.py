"""What the screens of days read: how whole the days of each site are, and the freezes of one day."""

from dataclasses import dataclass
from datetime import date, datetime

from django.utils.functional import Promise

from compuerta.apps.console import day_words
from compuerta.apps.console.reads import rows
from compuerta.services.freeze_port import DayKey, FreezeBasis

DAYS_SHOWN_MAX = 31  # of each site
SITES_SHOWN_MAX = 30
FREEZES_SHOWN_MAX = 500
VERSIONS_SHOWN_MAX = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class DayRow:
    """A day of a site, and how whole it is."""

    site_id: int
    site: str
    day: date
    zone: str
    starts_at: datetime
    ends_at: datetime
    step: str
    due_at: datetime | None
    version: int
    meters: int
    valid: int
    provisional: int
    missing: int
    done_at: datetime | None

    @property
    def held(self) -> int:
        """Meters that told what cannot be."""
        return self.meters - self.valid - self.provisional - self.missing

    @property
    def percent(self) -> int:
        """How many of a hundred meters are facts; all of them only where none is lacking."""
        return self.valid * 100 // self.meters if self.meters else 100

    @property
    def hours(self) -> int:
        """How long the day was: 23 or 25 where clocks are changed."""
        return round((self.ends_at - self.starts_at).total_seconds() / 3_600)

    @property
    def told(self) -> Promise:
        """How far its end has come, in words."""
        return day_words.STEPS[self.step]


@dataclass(frozen=True, slots=True, kw_only=True)
class FreezeRow:
    """What is known of a meter at the midnight, and where the meter is."""

    meter_id: int
    meter_no: str
    place: str
    building: str
    account_name: str
    currency: str
    version: int
    basis: str
    energy_wh: int | None
    balance_minor: int | None
    clock_off_s: int | None
    reason: str
    known_at: datetime
    heard_at: datetime | None

    @property
    def is_valid(self) -> bool:
        """Whether its register is a fact."""
        return self.basis in (FreezeBasis.METER.value, FreezeBasis.READING.value)

    @property
    def told(self) -> Promise:
        """What it rests on, in words."""
        return day_words.BASES[self.basis]

    @property
    def why(self) -> Promise | str:
        """Why it is no better, in words."""
        return day_words.REASONS.get(self.reason, self.reason)


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionRow:
    """What was known of a meter before."""

    meter_id: int
    version: int
    basis: str
    energy_wh: int | None
    known_at: datetime

    @property
    def told(self) -> Promise:
        """What it rested on, in words."""
        return day_words.BASES[self.basis]


_DAY = """select d.site_id, s.name as site, d.day, d.zone, d.starts_at, d.ends_at, d.step, d.due_at,
    d.version, d.meters, d.valid, d.provisional, d.missing, d.done_at
from site_day d join site s on s.site_id = d.site_id where d.organisation_id = %(organisation_id)s"""


def days(organisation_id: int) -> list[DayRow]:
    """Return the last days of each site, by site, the newest first."""
    return rows(
        DayRow,
        f"""select {", ".join(DayRow.__slots__)} from (
            select each.*, row_number() over (partition by site_id order by day desc) as back,
                dense_rank() over (order by site, site_id) as place
            from ({_DAY}) as each
        ) as known where back <= %(days)s and place <= %(sites)s order by site, site_id, day desc""",
        {"organisation_id": organisation_id, "days": DAYS_SHOWN_MAX, "sites": SITES_SHOWN_MAX},
    )


def one(organisation_id: int, key: DayKey) -> DayRow | None:
    """Return a day of a site of this organisation."""
    found = rows(
        DayRow,
        f"{_DAY} and d.site_id = %(site_id)s and d.day = %(day)s",
        {"organisation_id": organisation_id, **key._asdict()},
    )
    return found[0] if found else None


def freezes(organisation_id: int, key: DayKey) -> list[FreezeRow]:
    """Return the freezes of a day: first what a person has to look at, then missing, supposed, and facts."""
    return rows(
        FreezeRow,
        """select f.meter_id, m.meter_no, p.name as place, p.building, a.name as account_name, s.currency,
            f.version, f.basis, f.energy_wh, f.balance_minor, f.clock_off_s, f.reason, f.known_at, t.heard_at
        from (
            select distinct on (meter_id) * from meter_freeze
            where site_id = %(site_id)s and day = %(day)s order by meter_id, version desc
        ) as f
        join meter m on m.meter_id = f.meter_id and m.organisation_id = %(organisation_id)s
        join account a on a.account_id = f.account_id
        join supply_point p on p.supply_point_id = a.supply_point_id
        join site s on s.site_id = f.site_id
        left join meter_state t on t.meter_id = f.meter_id
        order by array_position(array['held', 'missing', 'provisional'], f.basis) nulls last,
            p.building, p.name, f.meter_id limit %(limit)s""",
        {"organisation_id": organisation_id, **key._asdict(), "limit": FREEZES_SHOWN_MAX},
    )


def versions(organisation_id: int, key: DayKey) -> list[VersionRow]:
    """Return what was known before what is known now, by meter and version."""
    return rows(
        VersionRow,
        """select f.meter_id, f.version, f.basis, f.energy_wh, f.known_at
        from meter_freeze f
        join meter m on m.meter_id = f.meter_id and m.organisation_id = %(organisation_id)s
        where f.site_id = %(site_id)s and f.day = %(day)s and exists (
            select from meter_freeze n
            where n.meter_id = f.meter_id and n.day = f.day and n.version > f.version
        )
        order by f.meter_id, f.version limit %(limit)s""",
        {"organisation_id": organisation_id, **key._asdict(), "limit": VERSIONS_SHOWN_MAX},
    )
