"""A hundred thousand supplies at once: those that are settled are told by columns, the others converge.

Nothing is locked to look: whoever changes an account converges it in the same transaction. What a look finds
unsettled is locked, read anew and decided in the ordinary way.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

import numpy as np
from psycopg.rows import dict_row

from compuerta.adapters.postgres import binary
from compuerta.adapters.postgres.store import PostgresStore
from compuerta.drivers.abilities import KEEP_POWER
from compuerta.services import converging, deciding
from compuerta.services.deciding import HOLDS, REASONS, RELAYS, Standing

# So many that a round trip is nothing, so few that a page fits the cache.
ACCOUNTS_PER_PAGE: Final = 50_000
# Locks are held no longer than in the ordinary way.
CONVERGED_AT_ONCE: Final = 500

# The store's plans are for a few rows by their keys; here tables are read whole.
_PLANNED_WHOLE = "select set_config('enable_hashjoin', 'on', true)"
_STANDING = """
with held as (
    select meter_id,
        coalesce(bit_or(1::bigint << array_position(%(holds)s::text[], kind) - 1)
            filter (where started_at <= %(now)s), 0) as holds,
        least(min(started_at) filter (where started_at > %(now)s), min(ended_at)) as edge,
        coalesce(bool_or(until_wh is not null), false) as is_lent
    from supply_hold where ended_at is null or ended_at > %(now)s
    group by meter_id
), switching as (
    select distinct meter_id from instruction where kind = 'switch' and ended_at is null
), page as (
    select l.account_id,
        case when m.credit_authority = 'meter' then coalesce(t.balance_minor, l.delivered_minor)
            else l.delivered_minor end as balance_minor,
        coalesce(h.holds, 0) as holds,
        l.billing_held::integer::bigint as billing_held,
        (m.credit_authority = 'meter')::integer::bigint as in_meter,
        coalesce(array_position(%(relays)s::text[], t.relay), 0)::bigint as relay,
        (case t.wanted_closed when true then 1 when false then 2 else 0 end)::bigint as wanted,
        coalesce(array_position(%(reasons)s::text[], t.wanted_reason), 0)::bigint as reason,
        (t.out_since is not null)::integer::bigint as is_out,
        (t.decide_at is distinct from h.edge or t.differs_since is not null or t.wanted_kept
            or coalesce(h.is_lent, false) or %(keep_power)s = any(t.flags)
            or w.meter_id is not null or e.account_id is not null)::integer::bigint as asks_more
    from account_state l
    join account a on a.account_id = l.account_id and a.closed_at is null and a.kind <> 'feeder'
    join installation i on i.account_id = l.account_id and i.ended_at is null
    join meter m on m.meter_id = i.meter_id
    join meter_state t on t.meter_id = i.meter_id
    left join held h on h.meter_id = i.meter_id
    left join switching w on w.meter_id = i.meter_id
    left join emergency_credit e on e.account_id = l.account_id and e.repaid_at is null
    where l.account_id > %(after)s and l.account_id <= %(last)s
)
select array_agg(account_id) as account_id, array_agg(balance_minor) as balance_minor,
    array_agg(holds) as holds, array_agg(billing_held) as billing_held, array_agg(in_meter) as in_meter,
    array_agg(relay) as relay, array_agg(wanted) as wanted, array_agg(reason) as reason,
    array_agg(is_out) as is_out, array_agg(asks_more) as asks_more
from page
"""
_LAST = """
select max(account_id) as last from (
    select account_id from account_state where account_id > %(after)s order by account_id limit %(limit)s
) page
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Decided:
    """How many accounts were looked at, how many of them converged, and where to go on; None = nowhere."""

    looked_at: int
    converged: int
    after: int | None


def decide_page(store: PostgresStore, *, after: int, now: datetime) -> Decided:
    """Decide the supplies of a page of accounts, from after one on; looking twice changes nothing."""
    with store.copying() as (_, connection):
        cursor = connection.cursor(binary=True, row_factory=dict_row)
        binary.speak_arrays(cursor)
        cursor.execute(_PLANNED_WHOLE)
        found = cursor.execute(_LAST, {"after": after, "limit": ACCOUNTS_PER_PAGE}).fetchone()
        last = None if found is None else found["last"]
        if last is None:
            return Decided(looked_at=0, converged=0, after=None)
        standing = cursor.execute(_STANDING, _values(after=after, last=last, now=now)).fetchone()
    if standing is None or standing["account_id"] is None:
        return Decided(looked_at=0, converged=0, after=last)
    columns = Standing(**standing)
    left = np.sort(columns.account_id[~deciding.settled(columns)]).tolist()
    for start in range(0, len(left), CONVERGED_AT_ONCE):
        with store.transaction() as tx:
            converging.converge(tx, left[start : start + CONVERGED_AT_ONCE], now=now)
    return Decided(looked_at=len(columns.account_id), converged=len(left), after=last)


def _values(*, after: int, last: int, now: datetime) -> dict[str, object]:
    return {
        "after": after,
        "last": last,
        "now": now,
        "holds": [each.value for each in HOLDS],
        "reasons": [each.value for each in REASONS],
        "relays": [each.value for each in RELAYS],
        "keep_power": KEEP_POWER,
    }
