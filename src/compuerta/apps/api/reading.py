"""What machines may read: one statement per question, always inside one organisation (promise A1)."""

from typing import Any

METER = """
select m.meter_no, m.model, m.credit_authority, m.road, m.endpoint_id, i.account_id, p.name as supply_point,
    s.relay, s.wanted_closed, s.wanted_reason, s.energy_wh, s.balance_minor, s.power_w, s.flags, s.read_at,
    coalesce(e.alive, false) as reachable
from meter m
join meter_state s using (meter_id)
left join installation i on i.meter_id = m.meter_id and i.ended_at is null
left join account a on a.account_id = i.account_id
left join supply_point p on p.supply_point_id = a.supply_point_id
left join endpoint_state e on e.endpoint_id = m.endpoint_id
where m.organisation_id = %(organisation_id)s
"""
METERS = METER + " and m.meter_no > %(after)s order by m.meter_no limit %(limit)s"
ONE_METER = METER + " and m.meter_no = %(meter_no)s"

ACCOUNT = """
select a.account_id, a.name, p.name as supply_point, z.name as site, z.currency, z.zone,
    a.tariff_id, g.name as tariff, h.delivered_minor as balance_minor, h.undelivered_minor,
    h.billed_wh, h.billing_held, m.meter_no, a.opened_at, a.closed_at
from account a
join supply_point p using (supply_point_id)
join site z on z.site_id = a.site_id
join tariff g on g.tariff_id = a.tariff_id
join account_state h on h.account_id = a.account_id
left join installation i on i.account_id = a.account_id and i.ended_at is null
left join meter m on m.meter_id = i.meter_id
where a.organisation_id = %(organisation_id)s and a.kind = 'customer'
"""
ACCOUNTS = ACCOUNT + " and a.account_id > %(after)s order by a.account_id limit %(limit)s"
ONE_ACCOUNT = ACCOUNT + " and a.account_id = %(account_id)s"

RECHARGE = """
select t.attempt_id, t.account_id, t.provider, t.reference, t.amount_minor, t.currency, t.state, t.presented,
    t.created_at, t.expires_at, p.verdict, l.paid_at, l.posted_at, l.credited_at, l.closed_at,
    w.endpoint_id, w.road
from attempt t
join account a on a.account_id = t.account_id
left join payment p on p.account_id = t.account_id and p.provider = t.provider and p.reference = t.reference
left join recharge_timeline l on l.account_id = p.account_id and l.payment_id = p.payment_id
left join lateral (
    select e.endpoint_id, e.road from instruction i join endpoint e using (endpoint_id)
    where i.meter_id = l.meter_id and (
        i.recharge_id = l.recharge_id
        -- Where the platform holds the balance, what came of it at the meter is the closing.
        or (i.relay_closed and i.state = 'done' and i.ended_at >= l.posted_at and i.ended_at <= l.closed_at)
    )
    order by i.recharge_id is null, i.ended_at desc limit 1
) w on true
where a.organisation_id = %(organisation_id)s
"""
ONE_RECHARGE = RECHARGE + " and t.attempt_id = %(attempt_id)s"
RECHARGES = (
    RECHARGE + " and t.account_id = %(account_id)s order by t.created_at desc, t.attempt_id limit %(limit)s"
)

KEY = """
select organisation_id, site_id, name, scopes, used_at from api_key
where key_hash = %(hash)s and revoked_at is null and (expires_at is null or expires_at > %(now)s)
"""
KEY_USED = "update api_key set used_at = %(now)s where key_hash = %(hash)s"
PROVIDER = """
select provider from provider_account
where organisation_id = %(organisation_id)s and provider = %(provider)s
"""

Row = dict[str, Any]
