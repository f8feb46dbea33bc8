"""Providers' bills, and what of them does not agree, in memory."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime

from compuerta.adapters.memory.tables import Tables, require
from compuerta.services.statement_port import (
    Difference,
    Named,
    Scope,
    Statement,
    StatementKey,
    StatementState,
    What,
)


class MemoryStatements:
    """See `statement_port.Statements`."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    def put(self, statements: Sequence[Statement]) -> None:
        for statement in statements:
            self._tables.statements.setdefault(statement.key, statement)

    def claim(self, *, now: datetime, until: datetime, limit: int) -> list[Statement]:
        due = [
            each
            for each in self._tables.statements.values()
            if each.ask_at is not None and each.ask_at <= now
        ]
        taken = sorted(due, key=lambda each: (each.ask_at or now, each.provider, each.day, each.kind.value))
        claimed = [replace(each, ask_at=until) for each in taken[:limit]]
        for each in claimed:
            self.save(each)
        return claimed

    def statement(self, key: StatementKey) -> Statement | None:
        return self._tables.statements.get(key)

    def save(self, statement: Statement) -> None:
        is_matched = statement.state is StatementState.MATCHED
        require(not is_matched or statement.fetched_at is not None, "statement_is_fetched")
        self._tables.statements[statement.key] = statement

    def fees_but(self, key: StatementKey, *, currency: str) -> tuple[int, int]:
        others = [
            each
            for each in self._tables.statements.values()
            if each.provider == key.provider and each.currency == currency and each.key != key
        ]
        return sum(each.fee_micro for each in others), sum(each.fee_minor for each in others)

    def has_payments(self, scope: Scope) -> bool:
        return any(
            each.provider == scope.provider and scope.start <= each.paid_at < scope.end
            for each in self._tables.payments.values()
        )

    def differences(self, key: StatementKey) -> list[Difference]:
        found = [each for (of, _), each in self._tables.statement_differences.items() if of == key]
        return sorted(found, key=lambda each: each.difference_no)

    def put_differences(self, differences: Sequence[Difference]) -> None:
        for each in differences:
            self._tables.take("statement_difference_pkey", _key(each), each.difference_no)
        self.save_differences(differences)

    def save_differences(self, differences: Sequence[Difference]) -> None:
        for each in differences:
            ends = {each.ended_at is None, each.ended_by is None, each.outcome is None}
            require(len(ends) == 1, "statement_difference_ends")
            require(not each.waits or each.ended_at is None, "statement_difference_waits_open")
            self._tables.statement_differences[_key(each), each.difference_no] = each

    def funds_beside(self, key: StatementKey) -> tuple[Statement | None, Statement | None]:
        held = [
            each
            for each in self._tables.statements.values()
            if (each.provider, each.kind) == (key.provider, key.kind) and each.closing_minor is not None
        ]
        before = max((each for each in held if each.day < key.day), key=lambda each: each.day, default=None)
        after = min((each for each in held if each.day > key.day), key=lambda each: each.day, default=None)
        return before, after

    def on_other_days(self, key: StatementKey, named: Iterable[Named]) -> set[Named]:
        there = {
            each.name
            for each in self._tables.statement_differences.values()
            if (each.provider, each.kind) == (key.provider, key.kind)
            and each.what in (What.OTHER_DAY, What.REFUND_THEIRS_ONLY)
        }
        return there & set(named)


def _key(each: Difference) -> StatementKey:
    return StatementKey(each.provider, each.day, each.kind)
