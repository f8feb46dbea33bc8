"""A provider's bill of a million lines against our books: copied in whole, and joined.

The lines lie in a table of this one transaction; only what differs comes back. What is found is, row for row,
what `adapters/memory/bill_comparing.py` finds one by one.
"""

from typing import Final

from compuerta.adapters.postgres.store import PostgresStore
from compuerta.adapters.postgres.transaction import Connection
from compuerta.services.statement_port import Compared, Found, Scope, What
from compuerta.services.statement_sheet import DIFFERENCES_MAX, Sheet, in_order

# The store's plans are for a few rows by their keys; here tables are read whole. Each statement has a minute.
_PLANNED_WHOLE: Final = """
select set_config('enable_hashjoin', 'on', true), set_config('plan_cache_mode', 'auto', true),
    set_config('work_mem', '192MB', true), set_config('jit', 'off', true),
    set_config('statement_timeout', '60s', true)
"""
_LONGER: Final = "set local transaction_timeout = '300s'"
_LONGER_SINCE: Final = 170_000
_STAGE: Final = """
create temporary table theirs (
    transaction_no text collate "C" not null, reference text collate "C" not null,
    refund_reference text collate "C" not null, amount_minor bigint not null, fee_micro bigint not null,
    currency text collate "C" not null, at timestamptz not null
) on commit drop
"""
_COPY: Final = "copy theirs from stdin"
_SUMS: Final = """
select count(*) as lines,
    coalesce(sum(amount_minor) filter (where amount_minor > 0 and currency = %(currency)s), 0)::bigint
        as gross_minor,
    coalesce(-sum(amount_minor) filter (where amount_minor < 0 and currency = %(currency)s), 0)::bigint
        as refunded_minor,
    coalesce(sum(fee_micro) filter (where currency = %(currency)s), 0)::bigint as fee_micro
from theirs
"""
# Bytes are compared where whole tables meet; an index is asked in its own collation, or it is not used.
# First with the payments of the day alone. Lines that find none are asked for one by one, by the key that
# makes each payment count once.
_PAYMENTS: Final = """
with joined as (
    select t.*, o.transaction_no as ours_no, o.reference as ours_reference, o.amount_minor as ours_minor,
        o.currency as ours_currency, o.paid_at, o.transaction_no is not null as of_day
    from (select * from theirs where amount_minor > 0) t
    full join (
        select transaction_no collate "C" as transaction_no, reference collate "C" as reference,
            amount_minor, currency collate "C" as currency, paid_at
        from payment where provider = %(provider)s and paid_at >= %(start)s and paid_at < %(end)s
    ) o on o.transaction_no = t.transaction_no
    where t.transaction_no is null or o.transaction_no is null or o.amount_minor <> t.amount_minor
        or o.currency <> t.currency or o.reference <> t.reference
), known as (
    select j.transaction_no, j.reference, j.amount_minor, j.currency, j.at, j.ours_no, j.of_day,
        coalesce(j.ours_reference, p.reference) as ours_reference,
        coalesce(j.ours_minor, p.amount_minor) as ours_minor,
        coalesce(j.ours_currency, p.currency) as ours_currency, coalesce(j.paid_at, p.paid_at) as paid_at
    from joined j
    left join lateral (
        select account_id, row_id from payment_reference
        where provider = %(provider)s and kind = 'transaction'
            and reference = j.transaction_no collate "default"
            and j.ours_no is null limit 1
    ) r on true
    left join lateral (
        select * from payment where account_id = r.account_id and payment_id = r.row_id limit 1
    ) p on true
), judged as (
    select case
        when k.transaction_no is null then 'ours_only'
        when k.ours_minor is null then 'theirs_only'
        when k.ours_minor <> k.amount_minor or k.ours_currency <> k.currency then 'amount'
        when k.ours_reference <> k.reference and exists (
            select from payment_reference r
            where r.provider = %(provider)s and r.kind = 'order'
                and r.reference = k.reference collate "default"
        ) then 'reference'
        when not k.of_day then 'other_day'
    end as what, k.*
    from known k
)
select what, coalesce(transaction_no, ours_no) as transaction_no,
    coalesce(reference, ours_reference) as reference, '' as refund_reference,
    amount_minor as theirs_minor, ours_minor,
    coalesce(currency, ours_currency) as currency, coalesce(at, paid_at) as at
from judged where what is not null limit %(limit)s
"""
_REFUNDS: Final = """
with gone as (select * from theirs where amount_minor < 0), judged as (
    select case
        when r.refund_id is null then 'refund_theirs_only'
        when r.amount_minor <> -t.amount_minor or r.currency <> t.currency then 'amount'
        when r.ended_at is null or r.ended_at < %(start)s or r.ended_at >= %(end)s then 'other_day'
    end as what, t.transaction_no, t.reference, t.refund_reference, t.amount_minor as theirs_minor,
        -r.amount_minor as ours_minor, t.currency, t.at
    from gone t left join lateral (
        select * from refund
        where provider = %(provider)s and reference = t.refund_reference collate "default"
        order by refund_id limit 1
    ) r on true
    union all
    select 'refund_ours_only', p.transaction_no, p.reference, r.reference, null, -r.amount_minor, r.currency,
        r.ended_at
    from refund r join payment p on p.account_id = r.account_id and p.payment_id = r.payment_id
    where r.provider = %(provider)s and r.state = 'done' and r.ended_at >= %(start)s and r.ended_at < %(end)s
        and not starts_with(r.reference, p.transaction_no || ':')
        and not exists (select from gone t where t.refund_reference = r.reference)
)
select * from judged where what is not null limit %(limit)s
"""
_TWICE: Final = """
select 'twice' as what, transaction_no, min(reference) as reference, refund_reference,
    sum(amount_minor)::bigint as theirs_minor, null::bigint as ours_minor,
    min(currency) as currency, min(at) as at
from theirs where amount_minor <> 0
group by transaction_no, refund_reference having count(*) > 1 limit %(limit)s
"""


def compare(store: PostgresStore, sheet: Sheet, scope: Scope) -> Compared:
    """Say how a bill and our books differ; see `agreeing.Compare`. Writes nothing that stays."""
    values = {
        "provider": scope.provider,
        "start": scope.start,
        "end": scope.end,
        "currency": scope.currency,
        "limit": DIFFERENCES_MAX + 1,
    }
    with store.copying() as (_, connection):
        load(connection, sheet)
        (sums,) = connection.execute(_SUMS, values, prepare=False).fetchall()
        rows = [
            row
            for statement in (_PAYMENTS, _REFUNDS, _TWICE)
            for row in connection.execute(statement, values, prepare=False).fetchall()
        ]
    found = [Found(**{**row, "what": What(row["what"])}) for row in rows]
    return Compared(**sums, found=in_order(found))


def load(connection: Connection, sheet: Sheet) -> None:
    """Copy a sheet into a table `theirs` that is gone with the transaction."""
    connection.execute(_PLANNED_WHOLE, prepare=False)
    if connection.info.server_version >= _LONGER_SINCE:
        connection.execute(_LONGER)
    connection.execute(_STAGE)
    with connection.cursor().copy(_COPY) as copy:
        for chunk in sheet.chunks:
            copy.write(chunk)
    connection.execute("analyze theirs")
