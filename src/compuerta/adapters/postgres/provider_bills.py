"""Providers' bills, and what of them does not agree, in PostgreSQL."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from compuerta.adapters.postgres import rows
from compuerta.adapters.postgres.rows import Asked, Row
from compuerta.services.payment_ports import StatementKind
from compuerta.services.statement_port import (
    Difference,
    Named,
    Scope,
    Statement,
    StatementKey,
    StatementState,
    What,
)

_KEY = ("provider", "day", "kind")
_NEVER_CHANGED = {*_KEY, "organisation_id", "currency"}
_CLAIM = """
with due as (
    select provider, day, kind, ask_at as was from statement where ask_at <= %(now)s
    order by ask_at, provider, day, kind limit %(limit)s for update skip locked
)
update statement s set ask_at = %(until)s from due
where (s.provider, s.day, s.kind) = (due.provider, due.day, due.kind)
returning s.*, due.was
"""
_FEES_BUT = """
select coalesce(sum(fee_micro), 0)::bigint as micro, coalesce(sum(fee_minor), 0)::bigint as minor
from statement
where provider = %(provider)s and currency = %(currency)s and (day, kind) <> (%(day)s, %(kind)s)
"""
_ON_OTHER_DAYS = """
select d.transaction_no, d.refund_reference
from unnest(%(numbers)s::text[], %(refunds)s::text[]) as k (transaction_no, refund_reference)
join statement_difference d on d.provider = %(provider)s and d.kind = %(kind)s
    and d.what in ('other_day', 'refund_theirs_only')
    and d.transaction_no = k.transaction_no and d.refund_reference = k.refund_reference
"""
_FUNDS_BESIDE = """
select * from statement
where provider = %(provider)s and kind = %(kind)s and day {} %(day)s and closing_minor is not null
order by day {} limit 1 for update
"""


class PostgresStatements:
    """See `statement_port.Statements`."""

    def __init__(self, tx: Asked) -> None:
        self._tx = tx

    def put(self, statements: Sequence[Statement]) -> None:
        self._tx.insert("statement", [_columns(each) for each in statements], on_conflict="do nothing")

    def claim(self, *, now: datetime, until: datetime, limit: int) -> list[Statement]:
        found = self._tx.query(_CLAIM, {"now": now, "until": until, "limit": limit})
        found.sort(key=lambda row: (row["was"], row["provider"], row["day"], row["kind"]))
        return [_to_statement({name: row[name] for name in Statement.__slots__}) for row in found]

    def statement(self, key: StatementKey) -> Statement | None:
        found = self._tx.query(
            """select * from statement
            where provider = %(provider)s and day = %(day)s and kind = %(kind)s for update""",
            _values(key),
        )
        return _to_statement(found[0]) if found else None

    def save(self, statement: Statement) -> None:
        changed = tuple(name for name in Statement.__slots__ if name not in _NEVER_CHANGED)
        self._tx.update("statement", [_columns(statement)], key=_KEY, changed=changed)

    def fees_but(self, key: StatementKey, *, currency: str) -> tuple[int, int]:
        (found,) = self._tx.query(_FEES_BUT, {**_values(key), "currency": currency})
        return found["micro"], found["minor"]

    def has_payments(self, scope: Scope) -> bool:
        values = {"provider": scope.provider, "start": scope.start, "end": scope.end}
        found = self._tx.query(
            """select from payment
            where provider = %(provider)s and paid_at >= %(start)s and paid_at < %(end)s limit 1""",
            values,
        )
        return bool(found)

    def differences(self, key: StatementKey) -> list[Difference]:
        found = self._tx.query(
            """select * from statement_difference
            where provider = %(provider)s and day = %(day)s and kind = %(kind)s
            order by difference_no for update""",
            _values(key),
        )
        return [_to_difference(row) for row in found]

    def put_differences(self, differences: Sequence[Difference]) -> None:
        self._tx.insert("statement_difference", [_columns(each) for each in differences])

    def save_differences(self, differences: Sequence[Difference]) -> None:
        self._tx.update(
            "statement_difference",
            [_columns(each) for each in differences],
            key=(*_KEY, "difference_no"),
            changed=("waits", "ended_at", "ended_by", "outcome", "note"),
        )

    def funds_beside(self, key: StatementKey) -> tuple[Statement | None, Statement | None]:
        before = self._tx.query(_FUNDS_BESIDE.format("<", "desc"), _values(key))
        after = self._tx.query(_FUNDS_BESIDE.format(">", "asc"), _values(key))
        return _to_statement(before[0]) if before else None, _to_statement(after[0]) if after else None

    def on_other_days(self, key: StatementKey, named: Iterable[Named]) -> set[Named]:
        wanted = sorted(set(named))
        values = {
            "provider": key.provider,
            "kind": key.kind.value,
            "numbers": [number for number, _ in wanted],
            "refunds": [refund for _, refund in wanted],
        }
        found = self._tx.query(_ON_OTHER_DAYS, values)
        return {(row["transaction_no"], row["refund_reference"]) for row in found}


def _values(key: StatementKey) -> dict[str, object]:
    return {"provider": key.provider, "day": key.day, "kind": key.kind.value}


def _columns(record: Statement | Difference) -> dict[str, Any]:
    row = rows.columns(record)
    for name in {"kind", "state", "what"} & row.keys():
        row[name] = row[name].value
    return row


def _to_statement(row: Row) -> Statement:
    return Statement(**{**row, "kind": StatementKind(row["kind"]), "state": StatementState(row["state"])})


def _to_difference(row: Row) -> Difference:
    return Difference(**{**row, "kind": StatementKind(row["kind"]), "what": What(row["what"])})
