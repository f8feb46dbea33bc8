"""What the floor board reads: every unit of a site with its supply, in one query."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from types import MappingProxyType

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from compuerta.apps.console.reads import SILENT_AFTER, rows
from compuerta.domain.access import Place
from compuerta.domain.policy import LevelKind, levels_of, policy_of_texts

UNITS_SHOWN_MAX = 3_000  # a site of more is looked at building by building
SITES_SHOWN_MAX = 200
# In the order of the legend; a unit has the first that holds, from the end on.
STATES: Mapping[str, Promise] = MappingProxyType(
    {
        "on": _("on"),
        "low": _("low balance"),
        "off": _("off"),
        "held": _("held"),
        "silent": _("silent"),
        "vacant": _("vacant"),
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteRow:
    """A site that somebody can look at."""

    site_id: int
    name: str
    zone: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Unit:
    """A supply point, with who is supplied there and how it stands."""

    site_id: int
    building: str
    floor: int | None
    name: str
    meter_id: int | None
    account_id: int | None
    account_kind: str | None
    account_name: str | None
    currency: str
    policy_organisation: str
    policy_site: str
    policy_account: str
    balance_minor: int | None
    relay: str | None
    wanted_reason: str
    heard_at: datetime | None
    silent: bool
    held: str | None
    held_why: str | None
    alarm: str | None
    severity: str | None

    @property
    def low_minor(self) -> int:
        """The first level that warns, in money; 0 where only energy or days do."""
        policy = policy_of_texts(self.policy_organisation, self.policy_site, self.policy_account)
        levels = levels_of(policy, currency=self.currency)
        return max((each.value for each in levels if each.kind is LevelKind.MONEY), default=0)

    @property
    def state(self) -> str:
        """What its tile shows."""
        if self.held:
            return "held"
        if self.account_id is None or self.account_kind == "house":
            return "vacant"
        if self.meter_id is None or self.silent:
            return "silent"
        if self.relay != "closed":
            return "off"
        return "low" if self.balance_minor is not None and self.balance_minor <= self.low_minor else "on"

    @property
    def state_name(self) -> Promise:
        """The word for its state."""
        return STATES[self.state]

    @property
    def reason(self) -> str:
        """The name of why it is off, held or kept on."""
        return f"{self.held}_hold" if self.held in ("safety", "administrator") else self.wanted_reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Floor:
    """A row of tiles; a floor that nobody has said is None."""

    number: int | None
    units: Sequence[Unit]


@dataclass(frozen=True, slots=True, kw_only=True)
class Building:
    """A building with its floors, the highest first."""

    name: str
    floors: Sequence[Floor]
    counts: Sequence[tuple[Promise, int]]  # by state, of those that are there


# Holds that keep supply off; the most dangerous of a meter's is told.
_HELD = ("safety", "overload", "administrator", "vacancy")
_UNITS = """
select p.site_id, p.building, p.floor, p.name, m.meter_id, a.account_id, a.kind as account_kind,
    a.name as account_name, z.currency, o.policy::text as policy_organisation,
    z.policy::text as policy_site, coalesce(a.policy::text, '{}') as policy_account,
    case when m.credit_authority = 'meter' then coalesce(t.balance_minor, s.delivered_minor)
        else s.delivered_minor end as balance_minor,
    t.relay, coalesce(t.wanted_reason, '') as wanted_reason, t.heard_at,
    coalesce(t.heard_at < %(silent_since)s, true) as silent,
    h.kind as held, h.note as held_why, w.kind as alarm, w.severity
from supply_point p
join site z on z.site_id = p.site_id
join organisation o on o.organisation_id = z.organisation_id
left join lateral (
    select account_id, kind, name, policy from account
    where supply_point_id = p.supply_point_id and closed_at is null and kind in ('customer', 'house')
    order by kind limit 1
) a on true
left join account_state s on s.account_id = a.account_id
left join installation i on i.account_id = a.account_id and i.ended_at is null
left join meter m on m.meter_id = i.meter_id
left join meter_state t on t.meter_id = m.meter_id
left join lateral (
    select kind, note from supply_hold
    where meter_id = m.meter_id and kind = any(%(held)s)
        and started_at <= %(now)s and (ended_at is null or %(now)s < ended_at)
    order by array_position(%(held)s::text[], kind), started_at limit 1
) h on true
left join lateral (
    select kind, severity from meter_alarm
    where meter_id = m.meter_id and closed_at is null
    order by array_position(array['danger', 'warning', 'notice'], severity), raised_at limit 1
) w on true
where z.organisation_id = %(organisation_id)s and p.site_id = %(site_id)s
    and not exists (
        select from account x
        where x.supply_point_id = p.supply_point_id and x.kind in ('suspense', 'feeder')
    )
order by p.building, p.floor desc nulls last, length(p.name), p.name limit %(limit)s
"""


def sites(organisation_id: int) -> list[SiteRow]:
    """Return an organisation's sites, by name."""
    return rows(
        SiteRow,
        """select site_id, name, zone from site where organisation_id = %(organisation_id)s
        order by name, site_id limit %(limit)s""",
        {"organisation_id": organisation_id, "limit": SITES_SHOWN_MAX},
    )


def units(organisation_id: int, site_id: int, *, now: datetime) -> list[Unit]:
    """Return the units of a site, building by building, the highest floor first."""
    values = {
        "organisation_id": organisation_id,
        "site_id": site_id,
        "now": now,
        "silent_since": now - SILENT_AFTER,
        "held": list(_HELD),
        "limit": UNITS_SHOWN_MAX,
    }
    return rows(Unit, _UNITS, values)


def place_of(unit: Unit, organisation_id: int) -> Place:
    """Return where a unit is, for whoever is asked whether they may see it."""
    return Place(organisation_id=organisation_id, site_id=unit.site_id, building=unit.building)


def buildings(found: Iterable[Unit]) -> list[Building]:
    """Return units that are in order as buildings with floors."""
    made = []
    for name, within in groupby(found, key=lambda unit: unit.building):
        there = list(within)
        floors = [
            Floor(number=number, units=list(row))
            for number, row in groupby(there, key=lambda unit: unit.floor)
        ]
        counts = Counter(unit.state for unit in there)
        told = [(STATES[state], counts[state]) for state in STATES if counts[state]]
        made.append(Building(name=name, floors=floors, counts=told))
    return made
