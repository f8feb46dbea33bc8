"""The statements that are long enough to be read on their own: locking, booking, claiming."""

# Locked first and read by a statement of its own: one that waited for a lock would still see the holds and
# the end of the account as they were before the wait.
LOCK_ACCOUNTS = """
select account_id from account_state where account_id = any(%(ids)s) order by account_id for update
"""

LOCK_METERS = """
select meter_id from meter_state
where meter_id in (
    select meter_id from installation where account_id = any(%(ids)s) and ended_at is null
)
order by meter_id for update
"""

VIEW_ACCOUNTS = """
select
    a.account_id as a_account_id, a.organisation_id as a_organisation_id, a.site_id as a_site_id,
    a.kind as a_kind, a.name as a_name, p.name as a_supply_point, p.building as a_building,
     z.currency as a_currency, z.zone as a_zone,
    a.tariff_id as a_tariff_id, p.pay_token as a_pay_token,
    a.opened_at as a_opened_at, a.closed_at as a_closed_at,
    a.persons, a.contracted_w, a.reassigned, a.billed_by, g.generation,
    o.policy::text as o_policy, z.policy::text as z_policy, a.policy::text as a_policy,
    l.account_id as s_account_id, l.undelivered_minor as s_undelivered_minor,
    l.delivered_minor as s_delivered_minor, l.register_wh as s_register_wh, l.register_at as s_register_at,
    l.billed_wh as s_billed_wh, l.billing_held as s_billing_held,
    l.register_rates_wh as s_register_rates_wh, l.tally as s_tally, l.warned as s_warned,
    l.warned_of as s_warned_of, l.warned_minor as s_warned_minor,
    m.meter_id as m_meter_id, m.organisation_id as m_organisation_id, m.meter_no as m_meter_no,
    m.model as m_model, m.credit_authority as m_credit_authority, m.customer_no as m_customer_no,
    m.endpoint_id as m_endpoint_id, m.road as m_road, m.unit_no as m_unit_no,
    t.meter_id as t_meter_id, t.purchase_no_last as t_purchase_no_last, t.purchase_no as t_purchase_no,
    t.wanted_closed as t_wanted_closed,
    t.wanted_reason as t_wanted_reason, t.relay as t_relay, t.energy_wh as t_energy_wh,
    t.balance_minor as t_balance_minor, t.power_w as t_power_w, t.flags as t_flags,
    t.wanted_kept as t_wanted_kept, t.decide_at as t_decide_at, t.out_since as t_out_since,
    t.differs_since as t_differs_since, t.counts as t_counts,
    t.read_at as t_read_at, t.heard_at as t_heard_at, t.clock_off_s as t_clock_off_s,
    t.clock_off_at as t_clock_off_at,
    array(
        select distinct h.kind from supply_hold h
        where h.meter_id = i.meter_id
            and h.started_at <= %(now)s and (h.ended_at is null or %(now)s < h.ended_at)
    ) as holds,
    (
        select min(edge) from supply_hold h, unnest(array[h.started_at, h.ended_at]) as edge
        where h.meter_id = i.meter_id and edge > %(now)s
    ) as hold_edge
from account_state l
join account a on a.account_id = l.account_id
join supply_point p on p.supply_point_id = a.supply_point_id
join site z on z.site_id = a.site_id
join organisation o on o.organisation_id = a.organisation_id
left join tariff g on g.tariff_id = a.tariff_id
-- At most one by its index; the limit makes the planner look it up instead of reading all that there are.
left join lateral (
    select meter_id from installation where account_id = l.account_id and ended_at is null limit 1
) i on true
left join meter m on m.meter_id = i.meter_id
left join meter_state t on t.meter_id = i.meter_id
where l.account_id = any(%(ids)s)
order by l.account_id
"""

BOOK = """
with new as (
    insert into posting
    select p.* from jsonb_populate_recordset(null::posting, %s) as p
    on conflict (account_id, posting_id) do nothing
    returning account_id, posting_id, codes, amounts_minor
), moved as (
    select
        account_id,
        coalesce(-sum(amount_minor) filter (where code = 'undelivered'), 0) as undelivered_minor,
        coalesce(-sum(amount_minor) filter (where code = 'delivered'), 0) as delivered_minor
    from new, unnest(codes, amounts_minor) as line (code, amount_minor)
    group by account_id
), held as (
    update account_state s
    set undelivered_minor = s.undelivered_minor + m.undelivered_minor,
        delivered_minor = s.delivered_minor + m.delivered_minor
    from moved m
    -- What moves neither, such as cash of a drawer, locks no account.
    where s.account_id = m.account_id and (m.undelivered_minor <> 0 or m.delivered_minor <> 0)
)
select posting_id from new
"""

# What a meter has to do next: what is in flight, or else the oldest that is due; a tariff after all else.
# A later recharge never overtakes an earlier one that waits for its next try: purchase numbers go up by one.
# Nor does a later tariff: a meter has one spare set, and the later one would be written over the earlier.
_DUE = """
with due as (
    select distinct on (i.meter_id) i.meter_id, i.instruction_id, i.kind, i.created_at, i.lease_until
    from instruction i
    where i.meter_id = any(%(ids)s) and i.ended_at is null
        and (i.state = 'in_flight' or i.due_at <= %(now)s and not exists (
            select from instruction earlier
            where earlier.meter_id = i.meter_id and earlier.ended_at is null
                and (earlier.purchase_no < i.purchase_no or earlier.effective_at < i.effective_at)
        ))
    order by i.meter_id, i.state <> 'in_flight', i.kind = 'tariff', i.created_at, i.instruction_id
)
"""

DUE_METERS = (
    _DUE
    + """
select meter_id, kind from due
where lease_until is null or lease_until <= %(now)s
order by kind = 'tariff', created_at, meter_id limit %(limit)s
"""
)

# Who may be due in the whole house, once for each of its instructions: whom `DUE_METERS` can name is there.
# Two statements in one, each along an index of its own: what has ended is never looked at.
WAITING_METERS = """
(select meter_id from instruction where state = 'in_flight' and lease_until <= %(now)s limit %(limit)s)
union all (
    select meter_id from instruction
    where ended_at is null and state <> 'in_flight' and due_at <= %(now)s order by due_at limit %(limit)s
)
"""

CLAIM = (
    _DUE
    + """
, ready as (
    select i.meter_id, i.instruction_id
    from instruction i
    join due using (meter_id, instruction_id)
    -- Said again of the locked row: it may have ended, or been leased, since `due` looked.
    where i.ended_at is null and (i.state = 'in_flight' or i.due_at <= %(now)s)
        and (i.lease_until is null or i.lease_until <= %(now)s)
    for update of i skip locked
)
update instruction i
set state = 'in_flight', tries = i.tries + 1, lease_owner = %(owner)s, lease_until = %(until)s
from ready
where i.meter_id = ready.meter_id and i.instruction_id = ready.instruction_id
returning i.*
"""
)

CLAIMED = """
select m.*, z.zone, t.wanted_closed, t.wanted_kept, t.flags,
    o.policy::text as o_policy, z.policy::text as z_policy, a.policy::text as a_policy, exists (
    select from supply_hold h
    where h.meter_id = m.meter_id and h.kind = any(%(forbidding)s)
        and h.started_at <= %(now)s and (h.ended_at is null or %(now)s < h.ended_at)
) as forbidden
from meter m
join meter_state t on t.meter_id = m.meter_id
join installation i on i.meter_id = m.meter_id and i.ended_at is null
join account a on a.account_id = i.account_id
join site z on z.site_id = a.site_id
join organisation o on o.organisation_id = a.organisation_id
where m.meter_id = any(%(ids)s)
"""

# Repeats of one subject are counted; a flood of new subjects is counted as one.
PUT_ALARM = """
insert into alarm as a (kind, subject, detail, first_at, last_at)
select %s, case
    when exists (select from alarm where kind = %s and subject = %s)
        or (select count(*) from alarm where kind = %s) < %s then %s
    else %s
end, %s, %s, %s
on conflict (kind, subject) do update
set times = a.times + 1, last_at = excluded.last_at, detail = excluded.detail
"""

# Credited by an instant at which the relay was seen closed, and not yet known to be lit.
RECHARGES_UNLIT = """
select r.account_id, r.recharge_id
from unnest(%s::bigint[], %s::timestamptz[]) as seen (account_id, at)
join account_state s on s.account_id = seen.account_id and s.awaits_closing
join recharge_instant r
    on r.account_id = seen.account_id and r.instant = 'credited' and r.at <= seen.at
where not exists (
    select from recharge_instant c
    where c.account_id = r.account_id and c.recharge_id = r.recharge_id and c.instant = 'closed'
)
"""

# Providers are asked about those that have waited longest.
CLAIM_ATTEMPTS = """
with due as (
    select account_id, attempt_id from attempt where ask_at <= %(now)s
    order by ask_at, reference limit %(limit)s for update skip locked
)
update attempt a set ask_at = %(until)s from due
where a.account_id = due.account_id and a.attempt_id = due.attempt_id
returning a.*
"""

# Only who holds an end can lose it.
PUT_ENDS = """
insert into endpoint_state (endpoint_id, alive, gateway, changed_at)
select endpoint_id, alive, %s, %s
from unnest(%s::text[], %s::boolean[]) as e (endpoint_id, alive)
on conflict (endpoint_id) do update
set alive = excluded.alive, gateway = excluded.gateway, changed_at = excluded.changed_at,
    lost_reason = case when excluded.alive then '' else endpoint_state.lost_reason end
where excluded.alive or endpoint_state.gateway = excluded.gateway
"""

LOSE_ENDS = """
update endpoint_state e set alive = false, changed_at = %s, lost_reason = 'gateway_silent'
where e.alive and not exists (
    select from role_beat b where b.instance = e.gateway and b.beat_at > %s
)
"""
