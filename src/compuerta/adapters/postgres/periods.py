"""Months of the books, in PostgreSQL."""

from typing import Any

from compuerta.adapters.postgres import rows
from compuerta.adapters.postgres.rows import Asked, Row
from compuerta.adapters.postgres.seals import BY_SETS
from compuerta.services.period_port import Check, LastAnchor, MonthClose, Reach, Total

_IN_MONTH = "organisation_id = %(organisation_id)s and day between %(month)s and %(last_day)s"
_STANDING = f"""
select
    (
        select count(*) from unnest(%(sites)s::bigint[]) as s (site_id)
        where not exists (select from anchor a where a.site_id = s.site_id and a.day >= %(last_day)s)
    ) as days_unsealed,
    (
        select count(*) from shift
        where organisation_id = %(organisation_id)s and closed_at is null and opened_at < %(until)s
    ) as shifts_open,
    (select count(*) from statement where {_IN_MONTH} and state in ('waiting', 'faulty')) as bills_waiting,
    (select count(*) from statement where {_IN_MONTH} and state = 'missing') as bills_missing,
    (select count(*) from statement_difference where {_IN_MONTH} and ended_at is null) as differences_open,
    (select coalesce(sum(missing), 0) from site_day where {_IN_MONTH}) as freezes_missing,
    (select coalesce(sum(provisional), 0) from site_day where {_IN_MONTH}) as freezes_provisional,
    (
        select count(distinct account_id) from (
            select a.account_id from account a
            join posting p using (account_id), unnest(p.codes, p.amounts_minor) as line (code, amount_minor)
            where a.organisation_id = %(organisation_id)s and a.kind = 'suspense'
                and p.booked_at < %(until)s and code = 'suspense'
            group by a.account_id, p.currency having sum(amount_minor) <> 0
        ) held
    ) as suspense,
    (
        select count(*) from case_file c join account a using (account_id)
        where a.organisation_id = %(organisation_id)s and c.closed_at is null and c.opened_at < %(until)s
    ) as cases_open
"""
_TOTALS = """
select p.currency, line.code, sum(line.amount_minor)::bigint as amount_minor
from unnest(%(sites)s::bigint[], %(begins)s::timestamptz[], %(ends)s::timestamptz[])
    as reached (site_id, begins, ends)
join account a on a.site_id = reached.site_id
join posting p on p.account_id = a.account_id and p.booked_at >= reached.begins and p.booked_at < reached.ends
cross join lateral unnest(p.codes, p.amounts_minor) as line (code, amount_minor)
-- Said of the whole, so that the days' own index finds them.
where p.booked_at >= %(since)s and p.booked_at < %(until)s
group by p.currency, line.code
"""


class PostgresPeriods:
    """See `period_port.Periods`."""

    def __init__(self, tx: Asked) -> None:
        self._tx = tx

    def closes(self, organisation_id: int) -> list[MonthClose]:
        found = self._tx.query(
            "select * from month_close where organisation_id = %(organisation_id)s order by month desc",
            {"organisation_id": organisation_id},
        )
        return [to_close(row) for row in found]

    def hold(self, organisation_id: int) -> None:
        self._tx.query("select pg_advisory_xact_lock(books_lock(%(of)s))", {"of": organisation_id})

    def put(self, close: MonthClose) -> None:
        row = rows.columns(close)
        row["totals"] = [list(each) for each in close.totals]
        row["anchors"] = [list(each) for each in close.anchors]
        self._tx.insert("month_close", [row])

    def days_done(self, reach: Reach) -> int:
        (found,) = self._tx.query(
            f"select count(*) as done from site_day where {_IN_MONTH} and step = 'done'", _values(reach)
        )
        done: int = found["done"]
        return done

    def standing(self, reach: Reach) -> dict[Check, int]:
        (found,) = self._tx.query(_STANDING, _values(reach))
        return {Check(name): int(number) for name, number in found.items()}

    def totals(self, reach: Reach) -> list[Total]:
        self._tx.run(BY_SETS, {})
        return sorted(Total(**row) for row in self._tx.query(_TOTALS, _values(reach)))

    def anchors(self, reach: Reach) -> list[LastAnchor]:
        found = self._tx.query(
            """select distinct on (site_id) site_id, anchor_no, encode(digest, 'hex') as digest from anchor
            where site_id = any(%(sites)s::bigint[]) and day <= %(last_day)s
            order by site_id, anchor_no desc""",
            _values(reach),
        )
        return [LastAnchor(**row) for row in found]


def _values(reach: Reach) -> dict[str, Any]:
    return {
        "organisation_id": reach.organisation_id,
        "month": reach.month,
        "last_day": reach.last_day,
        "sites": list(reach.ends),
        "begins": list(reach.begins.values()),
        "ends": list(reach.ends.values()),
        "since": min(reach.begins.values()),
        "until": reach.until,
    }


def to_close(row: Row) -> MonthClose:
    """Return the close that a row tells of."""
    return MonthClose(
        **{
            **row,
            "totals": tuple(Total(*each) for each in row["totals"]),
            "anchors": tuple(LastAnchor(*each) for each in row["anchors"]),
        }
    )
