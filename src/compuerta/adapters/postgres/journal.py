"""The journal as PostgreSQL holds it at one instant, read row by row for `compuerta verify`.

Two connections look at the same instant, one for postings and one for their seals. Postings come out by
binary COPY: what is hashed is what lies there, whatever any function of the database says.
"""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from datetime import date, datetime, timedelta
from itertools import groupby
from operator import itemgetter
from typing import Any

import psycopg
from psycopg import sql
from psycopg.rows import dict_row, tuple_row

from compuerta.adapters.postgres.periods import to_close
from compuerta.domain.sealing import COLUMNS, Anchor, Seal
from compuerta.services.period_port import MonthClose
from compuerta.services.verifying import SealedAccount

_OPTIONS = (
    "-c role=compuerta_work -c timezone=UTC -c default_transaction_read_only=on"
    r" -c default_transaction_isolation=repeatable\ read -c work_mem=64MB"
    # Rows by account come out of the key's index, and nothing is sorted on the disk.
    " -c random_page_cost=1.1"
)
_HEADER_BYTES = 19  # of a binary COPY, before its first row
_TRAILER = b"\xff\xff"
_SEALS_AT_ONCE = 5_000
_MARGIN = timedelta(hours=1)  # a posting that says a little less than its seal's begin was sealed in time
_SEAL = ("seal_no", "day", "until", "postings", "previous", "digest", "witness")

_Connection = psycopg.Connection[dict[str, Any]]


class PostgresJournal:
    """See `verifying.Journal`."""

    def __init__(self, postings: _Connection, seals: _Connection, *, site_id: int | None) -> None:
        self._postings = postings
        self._seals = seals
        self._site_id = site_id

    def size(self) -> int:
        """Return about how many postings there are, for a progress bar."""
        found = self._seals.execute(
            "select greatest(reltuples, 0)::bigint as size from pg_class where oid = 'posting'::regclass"
        ).fetchone()
        assert found is not None
        return int(found["size"])

    def anchors(self) -> list[Anchor]:
        found = self._seals.execute(
            """select * from anchor where %(site_id)s::bigint is null or site_id = %(site_id)s
            order by site_id, anchor_no""",
            {"site_id": self._site_id},
        )
        return [Anchor(**row) for row in found]

    def sealed_days(self) -> dict[int, date]:
        found = self._seals.execute(
            """select site_id, max(day) as day from site_day
            where step in ('reporting', 'done') and (%(site_id)s::bigint is null or site_id = %(site_id)s)
            group by site_id""",
            {"site_id": self._site_id},
        )
        return {row["site_id"]: row["day"] for row in found}

    def closes(self) -> list[MonthClose]:
        if self._site_id is not None:
            return []
        found = self._seals.execute("select * from month_close order by organisation_id, month")
        return [to_close(row) for row in found]

    def accounts(self, *, since: Mapping[int, datetime]) -> Iterator[SealedAccount]:
        with self._seals.cursor("seals", row_factory=tuple_row) as cursor:
            cursor.itersize = _SEALS_AT_ONCE
            cursor.execute(
                f"""select a.account_id, a.site_id, {", ".join(f"s.{name}" for name in _SEAL)}
                from account a
                left join unnest(%(sites)s::bigint[], %(begins)s::timestamptz[]) as b (site_id, begins)
                    on b.site_id = a.site_id
                left join seal s on s.account_id = a.account_id
                    and s.until > coalesce(b.begins, '-infinity')
                where %(site_id)s::bigint is null or a.site_id = %(site_id)s
                order by a.account_id, s.seal_no""",
                {"sites": list(since), "begins": list(since.values()), "site_id": self._site_id},
                binary=True,
            )
            for (account_id, site_id), rows in groupby(cursor, key=itemgetter(0, 1)):
                seals = tuple(_seal(row) for row in rows if row[2] is not None)
                yield SealedAccount(account_id=account_id, site_id=site_id, seals=seals)

    def rows(self, *, since: Mapping[int, datetime]) -> Iterator[bytes]:
        columns = sql.SQL(", ").join(sql.SQL("p.{}").format(sql.Identifier(name)) for name in COLUMNS)
        clauses = [sql.SQL("true").format()]
        if self._site_id is not None:
            mine = sql.SQL("p.account_id in (select account_id from account where site_id = {})")
            clauses.append(mine.format(self._site_id))
        if since:
            recent = sql.SQL(
                """(p.booked_at >= {} or exists (
                    select from posting_late l
                    where l.account_id = p.account_id and l.posting_id = p.posting_id
                ))"""
            )
            clauses.append(recent.format(min(since.values()) - _MARGIN))
        asked = sql.SQL(
            "copy (select {} from posting p where {} order by p.account_id) to stdout (format binary)"
        ).format(columns, sql.SQL(" and ").join(clauses))
        with self._postings.cursor() as cursor, cursor.copy(asked) as copy:
            first = bytes(copy.read())[_HEADER_BYTES:]
            if len(first) > len(_TRAILER):
                yield first
            for row in copy:
                if len(row) > len(_TRAILER):
                    yield bytes(row)


def _seal(row: tuple[Any, ...]) -> Seal:
    account_id, site_id, seal_no, day, until, postings, previous, digest, witness = row
    return Seal(
        account_id=account_id,
        seal_no=seal_no,
        site_id=site_id,
        day=day,
        until=until,
        postings=postings,
        previous=previous,
        digest=digest,
        witness=witness,
    )


@contextmanager
def opened(url: str, *, site_id: int | None = None) -> Iterator[PostgresJournal]:
    """Open a journal as it stands now; raises `Unreachable` while the database is away."""
    with ExitStack() as stack:
        postings, seals = (
            stack.enter_context(psycopg.connect(url, options=_OPTIONS, row_factory=dict_row))
            for _ in range(2)
        )
        found = postings.execute("select pg_export_snapshot() as snapshot").fetchone()
        assert found is not None
        seals.execute(sql.SQL("set transaction snapshot {}").format(found["snapshot"]))
        yield PostgresJournal(postings, seals, site_id=site_id)
