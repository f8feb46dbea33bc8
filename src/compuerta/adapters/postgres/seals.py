"""Seals and anchors of the journal, in PostgreSQL: the postings of a day are hashed where they lie."""

from collections.abc import Sequence
from datetime import datetime

from compuerta.adapters.postgres import rows
from compuerta.adapters.postgres.rows import Asked
from compuerta.domain.sealing import Anchor
from compuerta.services.freeze_port import DayKey, SiteDay
from compuerta.services.seal_port import DaySeals, JournalCheck, LatePosting, Sealed

# A store's plans and patience are made for a few rows by their keys; a day, or a month, is read whole.
BY_SETS = """
select set_config('enable_hashjoin', 'on', true), set_config('enable_mergejoin', 'on', true),
    set_config('plan_cache_mode', 'force_custom_plan', true), set_config('statement_timeout', '50s', true)
"""
# Of a table that was empty when it was looked at last, each account's last seal would be sought by reading
# all of it, while this very statement fills it: 20,000 accounts took nine seconds in place of one.
_BY_INDEX = "select set_config('enable_seqscan', 'off', true)"
_ACCOUNTS = """
select max(account_id) as last, count(*) as accounts from (
    select account_id from account where site_id = %(site_id)s and account_id > %(after)s
    order by account_id limit %(limit)s
) as batch
"""
# A posting is written a little after the instant that it says, so that one of the last hour before an anchor
# may have missed it; what came later than that was noted when it came.
_SEAL = """
with mine as (
    select account_id from account
    where site_id = %(site_id)s and account_id > %(after)s and account_id <= %(last)s
), found as (
    select p.account_id, p.posting_id, p.booked_at, posting_hash(p) as hash
    from mine join posting p using (account_id)
    where p.booked_at >= coalesce(%(since)s::timestamptz, '-infinity') - interval '1 hour'
        and p.booked_at < %(until)s
    union all
    select p.account_id, p.posting_id, p.booked_at, posting_hash(p)
    from mine join posting_late using (account_id) join posting p using (account_id, posting_id)
    where p.booked_at < %(since)s::timestamptz - interval '1 hour'
), due as (
    select f.* from found f
    where (f.booked_at >= coalesce(%(since)s::timestamptz, '-infinity') or not exists (
            select from seal s
            where s.account_id = f.account_id and s.until > f.booked_at
                and position(uuid_send(f.posting_id) in s.witness) > 0
        ))
        and not exists (select from seal s where s.account_id = f.account_id and s.day = %(day)s)
), drawn as (
    select account_id, count(*)::integer as postings,
        string_agg(hash, '' order by booked_at, posting_id) as hashes,
        string_agg(uuid_send(posting_id) || substr(hash, 1, 8), '' order by booked_at, posting_id) as witness
    from due group by account_id
), written as (
    insert into seal (account_id, seal_no, site_id, day, until, postings, previous, digest, witness)
    select account_id, seal_no, %(site_id)s::bigint, %(day)s::date, %(until)s::timestamptz, postings,
        previous,
        sha256(
            previous || int8send(account_id) || int4send(seal_no) || date_send(%(day)s::date)
            || timestamptz_send(%(until)s::timestamptz) || hashes
        ),
        witness
    from drawn d
    left join lateral (
        select seal_no as no, digest from seal s where s.account_id = d.account_id
        order by seal_no desc limit 1
    ) last on true
    cross join lateral (
        select coalesce(no, 0) + 1 as seal_no, coalesce(digest, decode(repeat('00', 32), 'hex')) as previous
    ) next
)
select account_id, posting_id, booked_at from due
where booked_at < %(since)s::timestamptz order by account_id, posting_id
"""
_SEALS = """
select count(*) as accounts, coalesce(sum(postings), 0)::bigint as postings,
    sha256(coalesce(string_agg(int8send(account_id) || digest, '' order by account_id), '')) as digest
from seal where site_id = %(site_id)s and day = %(day)s
"""


class PostgresSeals:
    """See `seal_port.Seals`."""

    def __init__(self, tx: Asked) -> None:
        self._tx = tx

    def last_anchor(self, site_id: int) -> Anchor | None:
        found = self._tx.query(
            "select * from anchor where site_id = %(site_id)s order by anchor_no desc limit 1",
            {"site_id": site_id},
        )
        return Anchor(**found[0]) if found else None

    def anchor_of(self, key: DayKey) -> Anchor | None:
        found = self._tx.query(
            """select * from anchor where site_id = %(site_id)s and day >= %(day)s
            order by day limit 1""",
            key._asdict(),
        )
        return Anchor(**found[0]) if found else None

    def seal(self, day: SiteDay, *, since: datetime | None, after: int, limit: int) -> Sealed:
        values = {"site_id": day.site_id, "day": day.day, "until": day.ends_at, "since": since}
        some = {**values, "after": after, "limit": limit}
        self._tx.run(BY_SETS, {})
        self._tx.run(_BY_INDEX, {})
        (accounts,) = self._tx.query(_ACCOUNTS, some)
        if accounts["last"] is None:
            return Sealed(last=None)
        late = self._tx.query(_SEAL, {**values, "after": after, "last": accounts["last"]})
        return Sealed(
            last=accounts["last"] if accounts["accounts"] == limit else None,
            late=tuple(LatePosting(**row) for row in late),
        )

    def seals_of(self, day: SiteDay) -> DaySeals:
        self._tx.run(BY_SETS, {})
        (found,) = self._tx.query(_SEALS, {"site_id": day.site_id, "day": day.day})
        return DaySeals(**found)

    def put_anchor(self, anchor: Anchor) -> None:
        self._tx.insert("anchor", [rows.columns(anchor)])

    def put_checks(self, checks: Sequence[JournalCheck]) -> None:
        self._tx.insert("journal_check", [rows.columns(each) for each in checks])
