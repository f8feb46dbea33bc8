"""Bank statements, in PostgreSQL."""

from collections.abc import Collection, Sequence
from datetime import date
from typing import Any
from uuid import UUID

from compuerta.adapters.postgres import rows
from compuerta.adapters.postgres.rows import Asked, Row
from compuerta.services.bank_port import (
    BankAccount,
    BankEntry,
    BankStatement,
    BankTie,
    EntryKey,
    Payout,
    Target,
    TargetKey,
    TargetKind,
)

_TIE = ("bank_account_id", "entry_id", "kind", "provider", "number", "tied_at")
_IS_UNTIED = """
e.organisation_id = %(organisation_id)s and e.case_id is null and not exists (
    select from bank_tie t
    where (t.bank_account_id, t.entry_id) = (e.bank_account_id, e.entry_id) and t.refused_at is null
)
"""
_UNTIED = f"""
select e.*, a.currency from bank_entry e join bank_account a using (bank_account_id)
where {_IS_UNTIED} order by e.booked_on desc, e.entry_id limit %(limit)s
"""
# What a movement brought into the safe is, at the end of a shift, what was counted.
_TARGETS = """
select kind, provider, number, organisation_id, amount_minor, currency, day from (
    select 'payout' as kind, provider, payout_no as number, organisation_id, amount_minor, currency, day
    from payout where organisation_id = %(organisation_id)s
    union all
    select 'deposit', m.provider, m.movement_id::text, m.organisation_id,
        case m.kind when 'count' then coalesce(s.counted_minor, 0) else -m.amount_minor end,
        t.currency, (m.at at time zone 'UTC')::date
    from cash_movement m
    join till t on t.provider = m.provider
    join shift s on s.provider = m.provider and s.shift_id = m.shift_id
    where m.organisation_id = %(organisation_id)s and m.kind in ('drop', 'count')
) as target
where (kind = 'payout' or amount_minor > 0) and not exists (
    select from bank_tie t
    where (t.kind, t.provider, t.number) = (target.kind, target.provider, target.number)
        and t.refused_at is null
)
order by day desc, kind, provider collate "C", number collate "C" limit %(limit)s
"""


class PostgresBanks:
    """See `bank_port.Banks`."""

    def __init__(self, tx: Asked) -> None:
        self._tx = tx

    def put_payouts(self, payouts: Sequence[Payout]) -> None:
        self._tx.insert("payout", [rows.columns(each) for each in payouts])

    def payouts_of(self, provider: str, day: date, numbers: Collection[str] = ()) -> list[Payout]:
        found = self._tx.query(
            """select * from payout
            where provider = %(provider)s and (day = %(day)s or payout_no = any(%(numbers)s))
            order by payout_no collate "C" """,
            {"provider": provider, "day": day, "numbers": list(numbers)},
        )
        return [Payout(**row) for row in found]

    def add_account(self, account: BankAccount) -> bool:
        new = self._tx.query(
            """insert into bank_account
            select * from jsonb_populate_recordset(null::bank_account, %(rows)s)
            on conflict do nothing returning bank_account_id""",
            {"rows": rows.packed([rows.columns(account)])},
        )
        return bool(new)

    def account(self, bank_account_id: UUID) -> BankAccount | None:
        found = self._tx.query(
            "select * from bank_account where bank_account_id = %(id)s for update", {"id": bank_account_id}
        )
        return BankAccount(**found[0]) if found else None

    def put_statement(self, statement: BankStatement, entries: Sequence[BankEntry]) -> None:
        self._tx.insert("bank_statement", [rows.columns(statement)])
        self._tx.insert("bank_entry", [rows.columns(each) for each in entries])

    def statements(self, bank_account_id: UUID) -> list[BankStatement]:
        found = self._tx.query(
            "select * from bank_statement where bank_account_id = %(id)s order by statement_no",
            {"id": bank_account_id},
        )
        return [BankStatement(**row) for row in found]

    def entries(self, bank_account_id: UUID, starts_on: date, ends_on: date) -> list[BankEntry]:
        found = self._tx.query(
            """select * from bank_entry
            where bank_account_id = %(id)s and booked_on between %(starts_on)s and %(ends_on)s
            order by booked_on, entry_id""",
            {"id": bank_account_id, "starts_on": starts_on, "ends_on": ends_on},
        )
        return [BankEntry(**row) for row in found]

    def entry(self, key: EntryKey) -> BankEntry | None:
        found = self._tx.query(
            """select * from bank_entry
            where bank_account_id = %(bank_account_id)s and entry_id = %(entry_id)s for update""",
            key._asdict(),
        )
        return BankEntry(**found[0]) if found else None

    def save_entry(self, entry: BankEntry) -> None:
        key = ("bank_account_id", "entry_id")
        self._tx.update("bank_entry", [rows.columns(entry)], key=key, changed=("case_id",))

    def untied(self, organisation_id: int, *, limit: int) -> list[tuple[BankEntry, str]]:
        found = self._tx.query(_UNTIED, {"organisation_id": organisation_id, "limit": limit})
        return [
            (BankEntry(**{name: row[name] for name in BankEntry.__slots__}), row["currency"]) for row in found
        ]

    def untied_until(self, organisation_id: int, until: date) -> int:
        (found,) = self._tx.query(
            f"select count(*) as n from bank_entry e where {_IS_UNTIED} and e.booked_on <= %(until)s",
            {"organisation_id": organisation_id, "until": until},
        )
        return int(found["n"])

    def books_of(self, organisation_id: int) -> int | None:
        (found,) = self._tx.query(
            "select min(suspense_account_id) as id from provider_account where organisation_id = %(of)s",
            {"of": organisation_id},
        )
        return None if found["id"] is None else int(found["id"])

    def targets(self, organisation_id: int, *, limit: int) -> list[Target]:
        found = self._tx.query(_TARGETS, {"organisation_id": organisation_id, "limit": limit})
        return [_to_target(row) for row in found]

    def put_ties(self, ties: Sequence[BankTie]) -> None:
        self._tx.insert("bank_tie", [_columns(each) for each in ties])

    def ties(self, key: EntryKey) -> list[BankTie]:
        found = self._tx.query(
            """select * from bank_tie
            where bank_account_id = %(bank_account_id)s and entry_id = %(entry_id)s and refused_at is null
            order by kind, provider collate "C", number collate "C" """,
            key._asdict(),
        )
        return [BankTie(**{**row, "kind": TargetKind(row["kind"])}) for row in found]

    def save_ties(self, ties: Sequence[BankTie]) -> None:
        changed = ("agreed_by", "agreed_at", "refused_by", "refused_at")
        self._tx.update("bank_tie", [_columns(each) for each in ties], key=_TIE, changed=changed)


def _columns(tie: BankTie) -> dict[str, Any]:
    return {**rows.columns(tie), "kind": tie.kind.value}


def _to_target(row: Row) -> Target:
    return Target(
        key=TargetKey(TargetKind(row["kind"]), row["provider"], row["number"]),
        organisation_id=row["organisation_id"],
        amount_minor=row["amount_minor"],
        currency=row["currency"],
        day=row["day"],
    )
