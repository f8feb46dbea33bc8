"""Roll-forwards of accounts, and drifts, in PostgreSQL: a day of a whole site is one statement."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Final

from compuerta.adapters.postgres import rows
from compuerta.adapters.postgres.freezes import to_day
from compuerta.adapters.postgres.rows import Asked, Row
from compuerta.domain.drift import Cause
from compuerta.domain.instruction import Instruction
from compuerta.services.day_port import (
    CHARGING,
    RECHARGING,
    AccountDay,
    AccountWeight,
    ChargedSince,
    Drift,
    RollDiffers,
)
from compuerta.services.freeze_port import DayKey, SiteDay

_KINDS: Final = {
    "recharging": sorted(kind.value for kind in RECHARGING),
    "charging": sorted(kind.value for kind in CHARGING),
}
_DAY: Final = timedelta(days=1)
# A store's plans and patience are made for a few rows by their keys; a day of a site is read whole. Of the
# freezes of last night no statistics know: by loops, a large site would be compared with itself row by row.
BY_SETS: Final = """
select set_config('enable_hashjoin', 'on', true), set_config('enable_mergejoin', 'on', true),
    set_config('plan_cache_mode', 'force_custom_plan', true), set_config('jit', 'off', true),
    set_config('work_mem', '128MB', true), set_config('statement_timeout', '240s', true),
    set_config('enable_nestloop', case when count(*) < %(large)s then 'on' else 'off' end, true),
    (select set_config(name, '300s', true) from pg_settings where name = 'transaction_timeout')
from (select from account where site_id = %(site_id)s limit %(large)s) as sampled
"""
LARGE_ACCOUNTS: Final = 5_000
# Of the postings of some time, by account: how the credit moved, of it what is not in force, and how many.
_MOVED = """
select account_id,
    coalesce(-sum(minor) filter (where is_credit), 0)::bigint as credit_minor,
    coalesce(-sum(minor) filter (where code = 'undelivered'), 0)::bigint as undelivered_minor,
    coalesce(-sum(minor) filter (where is_credit and kind = any(%(recharging)s)), 0)::bigint
        as recharged_minor,
    coalesce(sum(minor) filter (where is_credit and kind = any(%(charging)s)), 0)::bigint as charged_minor,
    count(*) filter (where line_no = 1)::integer as postings
from {} unnest(codes, amounts_minor) with ordinality as line (code, minor, line_no),
    lateral (select code in ('undelivered', 'delivered') as is_credit) as told
where {} group by account_id
"""
_FROZEN = """
select distinct on (account_id) account_id, meter_id, basis = 'provisional' as is_provisional,
    case when basis <> 'held' then energy_wh end as energy_wh
from meter_freeze where site_id = %(site_id)s and day = {}
order by account_id, version desc, meter_id
"""
_LAST = """
select distinct on (account_id) * from account_day where site_id = %(site_id)s and day = {}
order by account_id, version desc
"""
_HERE = "(select account_id from account where site_id = %(site_id)s) here join posting using (account_id),"
# By the account's key alone: joined with the index of instants, each look would read all of that.
_BEFORE = "account_id = h.account_id and booked_at + interval '0' < %(starts_at)s"
_ROLL = f"""
with here as (
    select account_id, closed_at from account where site_id = %(site_id)s and opened_at < %(ends_at)s
), yesterday as ({_LAST.format("%(yesterday)s")}), last as ({_LAST.format("%(day)s")}),
moved as ({_MOVED.format(_HERE, "booked_at >= %(starts_at)s and booked_at < %(ends_at)s")}),
-- Of an account that has no yesterday all postings are read; of all others none.
fresh as materialized (
    select account_id from here h where not exists (select from yesterday y where y.account_id = h.account_id)
), earlier as (
    select b.* from fresh h cross join lateral ({_MOVED.format("posting,", _BEFORE)}) b
),
opening as ({_FROZEN.format("%(yesterday)s")}), closing as ({_FROZEN.format("%(day)s")}),
rolled as (
    select h.account_id, h.closed_at, o.minor as opening_minor,
        coalesce(m.recharged_minor, 0) as recharged_minor,
        coalesce(m.credit_minor - m.recharged_minor + m.charged_minor, 0) as adjusted_minor,
        coalesce(m.charged_minor, 0) as charged_minor,
        o.minor + coalesce(m.credit_minor, 0) as closing_minor,
        o.undelivered_minor + coalesce(m.undelivered_minor, 0) as undelivered_minor,
        coalesce(m.postings, 0) as postings,
        f.energy_wh as opening_wh, t.energy_wh as closing_wh,
        case when f.meter_id = t.meter_id and t.energy_wh >= f.energy_wh then t.energy_wh - f.energy_wh end
            as used_wh,
        coalesce(f.is_provisional, false) or coalesce(t.is_provisional, false) as is_provisional
    from here h
    left join yesterday y on y.account_id = h.account_id
    left join earlier b on b.account_id = h.account_id
    cross join lateral (
        select coalesce(y.closing_minor, b.credit_minor, 0) as minor,
            coalesce(y.undelivered_minor, b.undelivered_minor, 0) as undelivered_minor
    ) o
    left join moved m on m.account_id = h.account_id
    left join opening f on f.account_id = h.account_id
    left join closing t on t.account_id = h.account_id
), written as (
    insert into account_day (account_id, day, version, site_id, opening_minor, recharged_minor,
        adjusted_minor, charged_minor, closing_minor, undelivered_minor, postings, opening_wh, closing_wh,
        used_wh, is_provisional)
    select r.account_id, %(day)s, coalesce(l.version, 0) + 1, %(site_id)s, r.opening_minor,
        r.recharged_minor, r.adjusted_minor, r.charged_minor, r.closing_minor, r.undelivered_minor,
        r.postings, r.opening_wh, r.closing_wh, r.used_wh, r.is_provisional
    from rolled r left join last l using (account_id)
    where (l.account_id is null
            and (r.closed_at is null or r.closed_at > %(starts_at)s or r.postings > 0 or r.opening_minor <> 0)
        ) or (l.account_id is not null and (
            r.opening_minor, r.recharged_minor, r.adjusted_minor, r.charged_minor, r.undelivered_minor,
            r.postings, r.opening_wh, r.closing_wh, r.used_wh, r.is_provisional
        ) is distinct from (
            l.opening_minor, l.recharged_minor, l.adjusted_minor, l.charged_minor, l.undelivered_minor,
            l.postings, l.opening_wh, l.closing_wh, l.used_wh, l.is_provisional
        ))
    returning 1
)
select count(*) as written from written
"""
_DIFFERING = f"""
with last as ({_LAST.format("%(day)s")}), since as ({_MOVED.format(_HERE, "booked_at >= %(ends_at)s")})
select d.account_id, d.closing_minor, d.undelivered_minor, held_minor, held_undelivered_minor
from last d
join account_state s using (account_id)
left join since m using (account_id)
cross join lateral (
    select s.undelivered_minor + s.delivered_minor - coalesce(m.credit_minor, 0) as held_minor,
        s.undelivered_minor - coalesce(m.undelivered_minor, 0) as held_undelivered_minor
) h
where (d.closing_minor, d.undelivered_minor) <> (held_minor, held_undelivered_minor)
order by d.account_id limit %(limit)s
"""
_CHARGED = """
select a.account_id, coalesce(max(c.to_wh), a.after_wh) as to_wh, max(c.read_at) as read_at,
    coalesce(sum(c.bill_after_minor - c.bill_before_minor), 0)::bigint as amount_minor
from unnest(%(ids)s::bigint[], %(after_wh)s::bigint[]) as a (account_id, after_wh)
left join (
    charge c left join posting p
        on p.account_id = c.account_id and p.cause_id = c.charge_id and p.kind = 'charge'
) on c.account_id = a.account_id and c.from_wh >= a.after_wh and coalesce(p.booked_at, c.read_at) < %(before)s
group by a.account_id, a.after_wh
"""


class PostgresDays:
    """See `day_port.Days`."""

    def __init__(self, tx: Asked) -> None:
        self._tx = tx

    def roll(self, day: SiteDay) -> int:
        self._tx.query(BY_SETS, {"site_id": day.site_id, "large": LARGE_ACCOUNTS})
        written: int = self._tx.query(_ROLL, _values(day))[0]["written"]
        return written

    def rolled_days(self, site_id: int, *, since: date) -> list[SiteDay]:
        found = self._tx.query(
            """select s.* from site_day s where s.site_id = %(site_id)s and s.day >= %(since)s and exists (
                select from account_day a where a.site_id = s.site_id and a.day = s.day
            ) order by s.day""",
            {"site_id": site_id, "since": since},
        )
        return [to_day(row) for row in found]

    def differing(self, day: SiteDay, *, limit: int) -> list[RollDiffers]:
        self._tx.query(BY_SETS, {"site_id": day.site_id, "large": LARGE_ACCOUNTS})
        return [RollDiffers(**row) for row in self._tx.query(_DIFFERING, {**_values(day), "limit": limit})]

    def rolled(self, key: DayKey) -> list[AccountDay]:
        return [AccountDay(**row) for row in self._tx.query(_LAST.format("%(day)s"), key._asdict())]

    def of_accounts(self, account_ids: Iterable[int], *, since: date, until: date) -> list[AccountDay]:
        found = self._tx.query(
            """select distinct on (account_id, day) * from account_day
            where account_id = any(%(ids)s) and day >= %(since)s and day < %(until)s
            order by account_id, day, version desc""",
            {"ids": list(account_ids), "since": since, "until": until},
        )
        return [AccountDay(**row) for row in found]

    def charged(self, after_wh: Mapping[int, int], *, before: datetime) -> dict[int, ChargedSince]:
        found = self._tx.query(
            _CHARGED, {"ids": list(after_wh), "after_wh": list(after_wh.values()), "before": before}
        )
        return {row.pop("account_id"): ChargedSince(**row) for row in found}

    def deliveries(self, meter_ids: Iterable[int], *, since: datetime) -> list[Instruction]:
        found = self._tx.query(
            """select * from instruction
            where meter_id = any(%(ids)s) and kind in ('recharge', 'withdrawal')
                and (ended_at is null or ended_at >= %(since)s)
            order by meter_id, purchase_no, created_at""",
            {"ids": list(meter_ids), "since": since},
        )
        return [rows.to_instruction(row) for row in found]

    def weights(self, account_ids: Iterable[int]) -> dict[int, AccountWeight]:
        found = self._tx.query(
            "select * from account_weight where account_id = any(%(ids)s)", {"ids": list(account_ids)}
        )
        return {row["account_id"]: _weight(row) for row in found}

    def save_weights(self, weights: Sequence[AccountWeight]) -> None:
        changed = [name for name in AccountWeight.__slots__ if name != "account_id"]
        sets = ", ".join(f"{name} = excluded.{name}" for name in changed)
        self._tx.insert(
            "account_weight",
            [rows.columns(each) for each in weights],
            on_conflict=f"(account_id) do update set {sets}",
        )

    def drifts_of(self, account_ids: Iterable[int]) -> list[Drift]:
        found = self._tx.query(
            """select * from drift where account_id = any(%(ids)s) and gone_at is null
            order by account_id, opened_at, drift_id for update""",
            {"ids": list(account_ids)},
        )
        return [to_drift(row) for row in found]

    def drifts(self, key: DayKey) -> list[Drift]:
        found = self._tx.query(
            """select * from drift where site_id = %(site_id)s and day <= %(day)s and seen_day >= %(day)s
            order by account_id, opened_at, drift_id""",
            key._asdict(),
        )
        return [to_drift(row) for row in found]

    def put_drifts(self, drifts: Sequence[Drift]) -> None:
        self._tx.insert("drift", [_columns(each) for each in drifts])

    def save_drifts(self, drifts: Sequence[Drift]) -> None:
        changed = ("seen_day", "books_minor", "meter_minor", "recomputed_minor", "minor", "gone_at")
        key = ("account_id", "drift_id")
        self._tx.update("drift", [_columns(each) for each in drifts], key=key, changed=changed)


def to_drift(row: Row) -> Drift:
    """Build a drift from its row."""
    return Drift(**{**row, "cause": Cause(row["cause"])})


def _columns(drift: Drift) -> Row:
    return {**rows.columns(drift), "cause": drift.cause.value}


def _weight(row: Row) -> AccountWeight:
    rates_wh = row["rates_wh"]
    told = {"rates_wh": None if rates_wh is None else tuple(rates_wh), "tally": tuple(row["tally"])}
    return AccountWeight(**{**row, **told})


def _values(day: SiteDay) -> dict[str, object]:
    return {
        **_KINDS,
        "site_id": day.site_id,
        "day": day.day,
        "yesterday": day.day - _DAY,
        "starts_at": day.starts_at,
        "ends_at": day.ends_at,
    }
