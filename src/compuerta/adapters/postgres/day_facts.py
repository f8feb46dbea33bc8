"""What a site's day comes to, added up by PostgreSQL: one statement per part, however many accounts."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from compuerta.adapters.postgres.days import BY_SETS, LARGE_ACCOUNTS
from compuerta.adapters.postgres.rows import Asked, Row
from compuerta.services.daily_report import (
    AGES_DAYS,
    AlarmCount,
    Arrears,
    Bill,
    BillDifference,
    Books,
    CaseCount,
    Channel,
    Completeness,
    DayFacts,
    Energy,
    Feeder,
    Gap,
    InTheRed,
    Money,
    Parts,
    Standing,
)
from compuerta.services.freeze_port import SiteDay
from compuerta.services.report_port import DIFFERENCES_MAX, GAPS_MAX, REDS_MAX

_ROLLED: Final = """
with last as (
    select distinct on (d.account_id) d.*, a.kind <> 'feeder' as uses
    from account_day d join account a on a.account_id = d.account_id
    where d.site_id = %(site_id)s and d.day = %(day)s
    order by d.account_id, d.version desc
), frozen as (select distinct account_id from meter_freeze where site_id = %(site_id)s and day = %(day)s)
select count(*) as accounts, coalesce(sum(opening_minor), 0)::bigint as opening_minor,
    coalesce(sum(recharged_minor), 0)::bigint as recharged_minor,
    coalesce(sum(adjusted_minor), 0)::bigint as adjusted_minor,
    coalesce(sum(charged_minor), 0)::bigint as charged_minor,
    coalesce(sum(closing_minor), 0)::bigint as closing_minor,
    coalesce(sum(undelivered_minor), 0)::bigint as undelivered_minor,
    coalesce(sum(used_wh) filter (where uses), 0)::bigint as used_wh,
    coalesce(sum(used_wh) filter (where uses and is_provisional), 0)::bigint as provisional_wh,
    count(used_wh) filter (where uses) as known,
    count(*) filter (where uses and used_wh is null and f.account_id is not null) as unknown
from last left join frozen f using (account_id)
"""
_FROZEN: Final = """
with last as (
    select distinct on (meter_id, day) meter_id, day, account_id, energy_wh, rates_wh, basis
    from meter_freeze where site_id = %(site_id)s and day in (%(day)s, %(before)s)
    order by meter_id, day, version desc
), frozen as (select * from last where basis not in ('missing', 'held'))
"""
_RATES: Final = f"""
{_FROZEN}
select r.place, sum(r.closes_wh - r.opens_wh)::bigint as used_wh
from frozen c
join frozen o on o.meter_id = c.meter_id and o.day = %(before)s and o.account_id = c.account_id
join account a on a.account_id = c.account_id and a.kind <> 'feeder'
cross join lateral unnest(o.rates_wh, c.rates_wh) with ordinality as r (opens_wh, closes_wh, place)
where c.day = %(day)s and cardinality(o.rates_wh) = cardinality(c.rates_wh)
group by r.place order by r.place
"""
_FEEDERS: Final = f"""
{_FROZEN}, used as (
    select c.meter_id, c.energy_wh - o.energy_wh as used_wh
    from frozen c left join frozen o on o.meter_id = c.meter_id and o.day = %(before)s
    where c.day = %(day)s
)
select f.feeder_meter_id as meter_id, a.name, max(w.used_wh) as fed_wh,
    coalesce(sum(u.used_wh), 0)::bigint as used_wh, count(*) as meters, count(*) - count(u.used_wh) as unknown
from feeding f
join installation i on i.meter_id = f.feeder_meter_id and i.ended_at is null
join account a on a.account_id = i.account_id and a.site_id = %(site_id)s
left join used w on w.meter_id = f.feeder_meter_id
left join used u on u.meter_id = f.meter_id
where f.started_at <= %(starts_at)s and (f.ended_at is null or f.ended_at >= %(ends_at)s)
group by f.feeder_meter_id, a.name order by f.feeder_meter_id
"""
_BOOKS: Final = """
with moved as (
    select l.kind, l.code, l.amount_minor, l.booked_at >= %(ends_at)s as is_later
    from posting_line l join account a on a.account_id = l.account_id and a.site_id = %(site_id)s
    where l.booked_at >= %(starts_at)s
)
select
    coalesce(sum(amount_minor) filter (
        where not is_later and kind in ('recharge', 'suspense') and code like 'cash:%%'), 0)::bigint
        as received,
    -coalesce(sum(amount_minor) filter (
        where not is_later and kind = 'charge' and code not in ('delivered', 'undelivered')), 0)::bigint
        as charged,
    (select coalesce(sum(s.delivered_minor + s.undelivered_minor), 0)::bigint
        from account_state s join account a on a.account_id = s.account_id and a.site_id = %(site_id)s)
        + coalesce(sum(amount_minor) filter (
            where is_later and code in ('delivered', 'undelivered')), 0)::bigint as closing
from moved
"""
_PAID: Final = """
select p.provider, c.kind, count(*) as payments, sum(p.amount_minor)::bigint as paid,
    coalesce(sum(r.credit_minor), 0)::bigint as credit, coalesce(sum(r.fixed_minor), 0)::bigint as fixed,
    coalesce(sum(r.debt_minor), 0)::bigint as debt, coalesce(sum(r.fee_minor), 0)::bigint as fee,
    coalesce(sum(r.tax_minor), 0)::bigint as tax, coalesce(sum(r.change_minor), 0)::bigint as change,
    coalesce(sum(p.amount_minor) filter (where p.verdict = 'suspended'), 0)::bigint as suspended
from payment p
join account a on a.account_id = p.account_id and a.site_id = %(site_id)s
join provider_account c on c.provider = p.provider
left join recharge r on r.account_id = p.account_id and r.payment_id = p.payment_id
where p.posted_at >= %(starts_at)s and p.posted_at < %(ends_at)s
group by p.provider, c.kind order by p.provider
"""
_REFUNDED: Final = """
select r.provider, c.kind, count(*) as refunds, sum(r.amount_minor)::bigint as refunded
from refund r
join account a on a.account_id = r.account_id and a.site_id = %(site_id)s
join provider_account c on c.provider = r.provider
where r.state = 'done' and r.ended_at >= %(starts_at)s and r.ended_at < %(ends_at)s
group by r.provider, c.kind order by r.provider
"""
_BILLS: Final = """
select s.provider, s.state, s.version, s.lines, s.differing, s.gross_minor, s.refunded_minor, s.fee_minor, (
    select coalesce(sum(coalesce(d.theirs_minor, 0) - coalesce(d.ours_minor, 0)), 0)::bigint
    from statement_difference d
    where (d.provider, d.day, d.kind) = (s.provider, s.day, s.kind) and d.refund_reference = ''
) as differs_minor
from statement s
where s.organisation_id = %(organisation_id)s and s.day = %(day)s and s.kind = 'trade'
    and s.currency = %(currency)s
order by s.provider
"""
_DIFFERENCES: Final = """
select provider, what, transaction_no, theirs_minor, ours_minor, ended_at is null as is_open
from statement_difference
where organisation_id = %(organisation_id)s and day = %(day)s and kind = 'trade'
    and currency = %(currency)s
order by provider, difference_no limit %(limit)s
"""
_ALARMS: Final = """
select m.kind, m.severity, count(*) as raised
from meter_alarm m join account a on a.account_id = m.account_id and a.site_id = %(site_id)s
where m.raised_at >= %(starts_at)s and m.raised_at < %(ends_at)s
group by m.kind, m.severity order by count(*) desc, m.kind
"""
_GAPS: Final = """
select * from (
    select distinct on (f.meter_id) f.meter_id, m.meter_no,
        concat_ws(' ', nullif(p.building, ''), p.name) as place, a.name, f.basis, f.reason
    from meter_freeze f
    join meter m on m.meter_id = f.meter_id
    join account a on a.account_id = f.account_id
    join supply_point p on p.supply_point_id = a.supply_point_id
    where f.site_id = %(site_id)s and f.day = %(day)s
    order by f.meter_id, f.version desc
) last where basis in ('missing', 'held', 'provisional')
order by array_position(array['missing', 'held', 'provisional'], basis), place, meter_id limit %(limit)s
"""
_PLACES: Final = """
with here as (
    select a.account_id, a.name, i.meter_id, concat_ws(' ', nullif(p.building, ''), p.name) as place,
        case when m.credit_authority = 'meter' then coalesce(t.balance_minor, s.delivered_minor)
            else s.delivered_minor end as balance_minor,
        coalesce(t.relay = 'open', false) as is_off
    from account a
    join account_state s on s.account_id = a.account_id
    join supply_point p on p.supply_point_id = a.supply_point_id
    join installation i on i.account_id = a.account_id and i.ended_at is null
    join meter m on m.meter_id = i.meter_id
    join meter_state t on t.meter_id = i.meter_id
    where a.site_id = %(site_id)s and a.closed_at is null and a.kind in ('customer', 'house')
)
"""
_RED: Final = f"""
{_PLACES}
select count(*) filter (where balance_minor <= 0) as red,
    coalesce(sum(balance_minor) filter (where balance_minor <= 0), 0)::bigint as red_minor,
    count(*) filter (where is_off) as off
from here
"""
_REDS: Final = f"""
{_PLACES}
select * from here where balance_minor <= 0 order by balance_minor, place, account_id limit %(limit)s
"""
_ARREARS: Final = """
select count(distinct d.account_id) as accounts, count(*) as debts,
    coalesce(sum(d.remaining_minor), 0)::bigint as owed,
    array(
        select coalesce(sum(e.remaining_minor), 0)::bigint
        from unnest(%(edges)s::timestamptz[], %(next_edges)s::timestamptz[]) with ordinality
            as age (younger, older, place)
        left join (
            select d2.remaining_minor, d2.opened_at from debt d2
            join account a2 on a2.account_id = d2.account_id and a2.site_id = %(site_id)s
            where d2.remaining_minor > 0
        ) e on (age.younger is null or e.opened_at <= age.younger)
            and (age.older is null or e.opened_at > age.older)
        group by age.place order by age.place
    ) as by_age
from debt d join account a on a.account_id = d.account_id and a.site_id = %(site_id)s
where d.remaining_minor > 0
"""
_CASES: Final = """
select c.kind, count(*) as open, min(c.opened_at) as oldest_at
from case_file c join account a on a.account_id = c.account_id and a.site_id = %(site_id)s
where c.closed_at is null
group by c.kind order by min(c.opened_at), c.kind
"""
BILL_STATES: Final = """
coalesce((
    select string_agg(concat_ws(':', s.provider, s.state, s.version, s.differing), ';' order by s.provider)
    from statement s
    join site z on z.site_id = {of}.site_id and z.currency = s.currency
    where s.organisation_id = {of}.organisation_id and s.day = {of}.day and s.kind = 'trade'
), '')
"""


def facts(tx: Asked, day: SiteDay) -> DayFacts:
    """Add up all that is of a day itself."""
    values = _values(day)
    tx.query(BY_SETS, {"site_id": day.site_id, "large": LARGE_ACCOUNTS})
    rolled = tx.query(_ROLLED, values)[0]
    paid = tx.query(_PAID, values)
    books = tx.query(_BOOKS, values)[0]
    return DayFacts(
        energy=_energy(rolled, tx.query(_RATES, values)),
        money=Money(**{name: rolled[name] for name in Money.__slots__}),
        books=Books(
            received_minor=books["received"],
            charged_minor=books["charged"],
            closing_minor=books["closing"],
        ),
        parts=Parts(
            **{name: sum(row[name.removesuffix("_minor")] for row in paid) for name in Parts.__slots__}
        ),
        channels=_channels(paid, tx.query(_REFUNDED, values)),
        bills=tuple(Bill(**row) for row in tx.query(_BILLS, values)),
        bill_differences=tuple(
            BillDifference(**row) for row in tx.query(_DIFFERENCES, {**values, "limit": DIFFERENCES_MAX})
        ),
        feeders=tuple(Feeder(**row) for row in tx.query(_FEEDERS, values)),
        alarms=tuple(AlarmCount(**row) for row in tx.query(_ALARMS, values)),
        completeness=Completeness(
            meters=day.meters,
            valid=day.valid,
            provisional=day.provisional,
            missing=day.missing,
            gaps=tuple(Gap(**row) for row in tx.query(_GAPS, {**values, "limit": GAPS_MAX})),
        ),
        drifts=(),
        drifts_minor=0,
        drifts_number=0,
        anchor="",
    )


def standing(tx: Asked, day: SiteDay, *, now: datetime) -> Standing:
    """Add up what stands now at a site."""
    values = _values(day)
    tx.query(BY_SETS, {"site_id": day.site_id, "large": LARGE_ACCOUNTS})
    edges = [now - timedelta(days=days) for days in AGES_DAYS]
    red = tx.query(_RED, values)[0]
    arrears = tx.query(_ARREARS, {**values, "edges": [None, *edges], "next_edges": [*edges, None]})[0]
    return Standing(
        at=now.isoformat(),
        arrears=Arrears(
            accounts=arrears["accounts"],
            debts=arrears["debts"],
            owed_minor=arrears["owed"],
            by_age_minor=tuple(arrears["by_age"]),
        ),
        red=red["red"],
        red_minor=red["red_minor"],
        off=red["off"],
        reds=tuple(InTheRed(**row) for row in tx.query(_REDS, {**values, "limit": REDS_MAX})),
        cases=tuple(
            CaseCount(kind=row["kind"], open=row["open"], oldest_days=(now - row["oldest_at"]).days)
            for row in tx.query(_CASES, values)
        ),
    )


def _energy(rolled: Row, rates: Sequence[Row]) -> Energy:
    return Energy(
        used_wh=rolled["used_wh"],
        provisional_wh=rolled["provisional_wh"],
        accounts=rolled["known"],
        unknown=rolled["unknown"],
        rates_wh=tuple(row["used_wh"] for row in rates if row["used_wh"] is not None),
        hours_wh=(),
    )


def _values(day: SiteDay) -> dict[str, object]:
    return {
        "site_id": day.site_id,
        "organisation_id": day.organisation_id,
        "day": day.day,
        "before": day.day - timedelta(days=1),
        "starts_at": day.starts_at,
        "ends_at": day.ends_at,
        "currency": day.currency,
    }


def _channels(paid: Sequence[Row], refunded: Sequence[Row]) -> tuple[Channel, ...]:
    back = {row["provider"]: row for row in refunded}
    came = {row["provider"]: row for row in paid}
    channels = []
    for provider in sorted(came.keys() | back.keys()):
        row, refund = came.get(provider, {}), back.get(provider, {})
        channels.append(
            Channel(
                provider=provider,
                kind=(row or refund)["kind"],
                payments=row.get("payments", 0),
                paid_minor=row.get("paid", 0),
                refunds=refund.get("refunds", 0),
                refunded_minor=refund.get("refunded", 0),
            )
        )
    return tuple(channels)
