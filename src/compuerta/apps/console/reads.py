"""What screens read: one query per panel, each held to one organisation (promise A1).

Every query takes `organisation_id`; rows become frozen values that templates only show.
The resident's page is the exception: who knows a supply point's token sees that one account.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, TypeVar
from uuid import UUID

from django.db import connection, transaction
from django.db.backends.utils import CursorWrapper

from compuerta.adapters.postgres.walls import PUT_UP
from compuerta.apps import walls
from compuerta.domain.access import Place
from compuerta.domain.money import MINOR_DIGITS

# Meters speak every minute or so; one that said nothing for this long is silent, whatever it said last.
SILENT_AFTER = timedelta(minutes=15)
METERS_SHOWN_MAX = 200  # more are found by searching
PANEL_ROWS_MAX = 8
HISTORY_ROWS_MAX = 20
STOPWATCHES_MAX = 8
READINGS_DRAWN_MAX = 240
LOW_BALANCE_MAJOR = 20
STATES = ("on", "off", "low", "silent")
ROADS = ("4g", "rs485")

Row = TypeVar("Row")


@dataclass(frozen=True, slots=True, kw_only=True)
class MeterRow:
    """A meter with its account, its balance and both states of its supply."""

    meter_id: int
    meter_no: str
    model: str
    road: str
    credit_authority: str
    account_id: int | None
    account_name: str | None
    place: str | None
    site: str | None
    zone: str
    currency: str | None
    pay_token: UUID | None
    opened_at: datetime | None
    balance_minor: int | None
    undelivered_minor: int
    low_minor: int
    relay: str | None
    wanted_closed: bool | None
    wanted_reason: str
    energy_wh: int | None
    power_w: int | None
    flags: list[str]
    read_at: datetime | None
    heard_at: datetime | None
    silent: bool
    road_alive: bool | None
    held_by: str | None
    held_why: str | None
    site_id: int | None
    building: str | None

    def within(self, organisation_id: int) -> Place:
        """Return where it is; one that measures for nobody is in no site."""
        return Place(organisation_id=organisation_id, site_id=self.site_id, building=self.building)

    @property
    def reported(self) -> str:
        """What the relay was last seen as: on, off, press, or silent where nothing was ever seen."""
        return {"closed": "on", "open": "off", "permitted": "press", None: "silent"}[self.relay]

    @property
    def state(self) -> str:
        """What the dot shows."""
        return "silent" if self.silent else self.reported

    @property
    def wanted(self) -> str:
        """What supply should be."""
        return {True: "on", False: "off", None: ""}[self.wanted_closed]

    @property
    def converging(self) -> bool:
        """Whether the relay is not yet as it should be."""
        return bool(self.wanted) and self.reported not in (self.wanted, "press")

    @property
    def low(self) -> bool:
        """Whether the balance is at or below the middle warning level."""
        return self.balance_minor is not None and self.balance_minor <= self.low_minor


_METERS = """
select
    m.meter_id, m.meter_no, m.model, m.road, m.credit_authority,
    a.account_id, a.name as account_name, p.name as place, z.name as site, coalesce(z.zone, 'UTC') as zone,
    z.currency, p.pay_token, a.opened_at,
    case when m.credit_authority = 'meter' then coalesce(t.balance_minor, s.delivered_minor)
        else s.delivered_minor end as balance_minor,
    coalesce(s.undelivered_minor, 0) as undelivered_minor,
    (%(low_major)s * case when z.currency = any(%(whole_currencies)s) then 1 else 100 end)::bigint
        as low_minor,
    t.relay, t.wanted_closed, t.wanted_reason, t.energy_wh, t.power_w, t.flags, t.read_at, t.heard_at,
    coalesce(t.heard_at < %(silent_since)s, true) as silent,
    e.alive as road_alive, h.owner as held_by, h.note as held_why, a.site_id, p.building
from meter m
join meter_state t on t.meter_id = m.meter_id
left join installation i on i.meter_id = m.meter_id and i.ended_at is null
left join account a on a.account_id = i.account_id
left join account_state s on s.account_id = a.account_id
left join supply_point p on p.supply_point_id = a.supply_point_id
left join site z on z.site_id = a.site_id
left join endpoint_state e on e.endpoint_id = m.endpoint_id
left join lateral (
    select owner, note from supply_hold
    where supply_hold.meter_id = m.meter_id and kind = 'administrator'
        and started_at <= %(now)s and (ended_at is null or %(now)s < ended_at)
    order by started_at desc limit 1
) h on true
where m.organisation_id = %(organisation_id)s
"""
_WHOLE = tuple(currency for currency, digits in MINOR_DIGITS.items() if digits == 0)

_FILTERS = {
    "on": "and not silent and relay = 'closed'",
    "off": "and not silent and relay in ('open', 'permitted')",
    "low": "and balance_minor <= low_minor",
    "silent": "and silent",
    "4g": "and road = '4g'",
    "rs485": "and road = 'rs485'",
}


def meters(
    organisation_id: int, *, now: datetime, words: str = "", state: str = "", road: str = ""
) -> list[MeterRow]:
    """Return an organisation's meters whose place, name or number holds all of the words."""
    wanted = [f"%{_escaped(word)}%" for word in words.split()[:5]]
    clauses = " ".join(_FILTERS.get(each, "") for each in (state, road))
    return rows(
        MeterRow,
        f"""select * from ({_METERS}) as found
        where concat_ws(' ', site, place, account_name, meter_no) ilike all (%(words)s) {clauses}
        order by place is distinct from %(place)s, site nulls last, length(place), place, meter_no
        limit %(limit)s""",
        {**_facts(organisation_id, now=now), "words": wanted, "place": words, "limit": METERS_SHOWN_MAX},
    )


def meter(organisation_id: int, meter_id: int, *, now: datetime) -> MeterRow | None:
    """Return one meter, or None where the organisation has no such meter."""
    found = rows(
        MeterRow,
        f"{_METERS} and m.meter_id = %(meter_id)s",
        {**_facts(organisation_id, now=now), "meter_id": meter_id},
    )
    return found[0] if found else None


def meters_off(organisation_id: int, *, now: datetime) -> list[MeterRow]:
    """Return who is off; first those who should be on, then the longest unheard."""
    return rows(
        MeterRow,
        f"""select * from ({_METERS}) as found
        where account_id is not null
            and (relay in ('open', 'permitted') or wanted_closed is false or silent)
        order by wanted_closed is true and relay in ('open', 'permitted') desc, silent,
            site, length(place), place limit %(limit)s""",
        {**_facts(organisation_id, now=now), "limit": 3 * PANEL_ROWS_MAX},
    )


def meters_low(organisation_id: int, *, now: datetime) -> list[MeterRow]:
    """Return who is on, but not for long."""
    return rows(
        MeterRow,
        f"""select * from ({_METERS}) as found
        where relay = 'closed' and balance_minor <= low_minor
        order by balance_minor, site, length(place), place limit %(limit)s""",
        {**_facts(organisation_id, now=now), "limit": PANEL_ROWS_MAX},
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals:
    """All balances of one currency, and today's recharges by each site's own day."""

    currency: str
    meters: int
    on: int
    off: int
    silent: int
    balance_minor: int
    undelivered_minor: int
    recharges: int
    recharged_minor: int


def totals(organisation_id: int, *, now: datetime) -> list[Totals]:
    """Return the figures at the top of the dashboard, one row per currency."""
    return rows(
        Totals,
        f"""with today as (
            select z.currency, count(*) as recharges, sum(p.amount_minor) as recharged_minor
            from site z
            join account a using (site_id)
            join payment p using (account_id)
            where z.organisation_id = %(organisation_id)s and p.verdict = 'credited'
                and p.posted_at >= date_trunc('day', %(now)s at time zone z.zone) at time zone z.zone
            group by z.currency
        )
        select currency, count(*) as meters,
            count(*) filter (where not silent and relay = 'closed') as on,
            count(*) filter (where not silent and relay <> 'closed') as off,
            count(*) filter (where silent or relay is null) as silent,
            coalesce(sum(balance_minor), 0)::bigint as balance_minor,
            sum(undelivered_minor)::bigint as undelivered_minor,
            coalesce(max(today.recharges), 0) as recharges,
            coalesce(max(today.recharged_minor), 0)::bigint as recharged_minor
        from ({_METERS}) as found left join today using (currency)
        where currency is not null
        group by currency order by count(*) desc, currency""",
        _facts(organisation_id, now=now),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Lit:
    """One recharge that brought power: when it was paid, and how long it took."""

    road: str
    paid_at: datetime
    waited_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """Payment to power on one road, in milliseconds."""

    road: str
    recharges: int
    p50_ms: int
    p95_ms: int
    p99_ms: int


_LIT = """
select coalesce(w.road, m.road) as road, paid.at as paid_at,
    (extract(epoch from closed.at - paid.at) * 1000)::bigint as waited_ms
from payment p
join recharge r using (account_id, payment_id)
join meter m using (meter_id)
join recharge_instant paid
    on paid.account_id = r.account_id and paid.recharge_id = r.recharge_id and paid.instant = 'paid'
join recharge_instant closed
    on closed.account_id = r.account_id and closed.recharge_id = r.recharge_id and closed.instant = 'closed'
left join lateral (
    select e.road from instruction i join endpoint e using (endpoint_id)
    where i.meter_id = r.meter_id and i.state = 'done' and i.ended_at >= paid.at
        and (i.recharge_id = r.recharge_id or (i.relay_closed and i.ended_at <= closed.at))
    order by i.recharge_id is null, i.ended_at desc limit 1
) w on true
where m.organisation_id = %(organisation_id)s and p.posted_at >= %(since)s
"""
PACE_OVER = timedelta(hours=24)
DOTS_MAX = 400


def paces(organisation_id: int, *, now: datetime) -> list[Pace]:
    """Return payment-to-power by road over the last day."""
    return rows(
        Pace,
        f"""select road, count(*) as recharges,
            percentile_disc(0.50) within group (order by waited_ms) as p50_ms,
            percentile_disc(0.95) within group (order by waited_ms) as p95_ms,
            percentile_disc(0.99) within group (order by waited_ms) as p99_ms
        from ({_LIT}) as lit group by road order by road""",
        {"organisation_id": organisation_id, "since": now - PACE_OVER},
    )


def lit(organisation_id: int, *, now: datetime) -> list[Lit]:
    """Return the last day's recharges that brought power, the newest of them."""
    return rows(
        Lit,
        f"{_LIT} order by paid.at desc limit %(limit)s",
        {"organisation_id": organisation_id, "since": now - PACE_OVER, "limit": DOTS_MAX},
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class InstructionRow:
    """Something a meter has to do, or had to."""

    meter_id: int
    place: str
    kind: str
    state: str
    created_at: datetime
    ended_at: datetime | None
    amount_minor: int | None
    currency: str
    purchase_no: int | None
    relay_closed: bool | None
    reason: str
    tries: int
    last_answer: str


_INSTRUCTIONS = """
select i.meter_id, p.name as place, i.kind, i.state, i.created_at, i.ended_at, i.amount_minor, z.currency,
    i.purchase_no, i.relay_closed, i.reason, i.tries, i.last_answer
from instruction i
join account a using (account_id)
join supply_point p using (supply_point_id)
join site z on z.site_id = a.site_id
where a.organisation_id = %(organisation_id)s
"""


def instructions_open(organisation_id: int) -> list[InstructionRow]:
    """Return what is not done yet, the oldest first (promise D3)."""
    return rows(
        InstructionRow,
        f"{_INSTRUCTIONS} and i.ended_at is null order by i.created_at limit %(limit)s",
        {"organisation_id": organisation_id, "limit": PANEL_ROWS_MAX},
    )


def instructions_of(organisation_id: int, *, account_id: int) -> list[InstructionRow]:
    """Return what an account's meter has to do and had to, the open first."""
    return rows(
        InstructionRow,
        f"""{_INSTRUCTIONS} and i.account_id = %(account_id)s
        order by i.ended_at is not null, i.created_at desc limit %(limit)s""",
        {"organisation_id": organisation_id, "account_id": account_id, "limit": HISTORY_ROWS_MAX},
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseRow:
    """A doubt that a person has to look at."""

    kind: str
    detail: str
    opened_at: datetime
    place: str
    meter_id: int | None


def cases_open(organisation_id: int) -> list[CaseRow]:
    """Return open cases, the oldest first."""
    return rows(
        CaseRow,
        """select c.kind, c.detail, c.opened_at, p.name as place, i.meter_id
        from case_file c
        join account a using (account_id)
        join supply_point p using (supply_point_id)
        left join installation i on i.account_id = a.account_id and i.ended_at is null
        where a.organisation_id = %(organisation_id)s and c.closed_at is null
        order by c.opened_at limit %(limit)s""",
        {"organisation_id": organisation_id, "limit": PANEL_ROWS_MAX},
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class AlarmRow:
    """Something that went wrong at a border; it belongs to no organisation."""

    kind: str
    subject: str
    times: int
    last_at: datetime


def alarms_open() -> list[AlarmRow]:
    """Return alarms that nobody acknowledged; only for whoever operates the whole installation."""
    with walls.held(None):
        return rows(
            AlarmRow,
            """select kind, subject, times, last_at from alarm
            where acknowledged_by is null order by last_at desc limit %(limit)s""",
            {"limit": PANEL_ROWS_MAX},
        )


def _facts(organisation_id: int, *, now: datetime) -> dict[str, Any]:
    return {
        "organisation_id": organisation_id,
        "now": now,
        "silent_since": now - SILENT_AFTER,
        "low_major": LOW_BALANCE_MAJOR,
        "whole_currencies": list(_WHOLE),
    }


def _escaped(word: str) -> str:
    return word.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")


def rows(kind: type[Row], statement: str, values: Mapping[str, Any]) -> list[Row]:
    """Run a query whose columns are the fields of a dataclass."""
    with _behind_the_wall() as cursor:
        cursor.execute(statement, values)
        names = [column.name for column in cursor.description or ()]
        return [kind(**dict(zip(names, row, strict=True))) for row in cursor.fetchall()]


@contextmanager
def _behind_the_wall() -> Iterator[CursorWrapper]:
    wall = walls.for_reading()
    with transaction.atomic() if wall else nullcontext(), connection.cursor() as cursor:
        if wall is not None:
            cursor.execute(PUT_UP, wall.values)
        yield cursor
