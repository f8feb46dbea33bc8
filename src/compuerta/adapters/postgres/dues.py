"""What an account owes from before, and what each part of a recharge was for, in PostgreSQL."""

from collections.abc import Iterable, Sequence
from uuid import UUID

from compuerta.adapters.postgres import rows
from compuerta.adapters.postgres.rows import Asked, Row
from compuerta.domain.division import Debt, DebtKind, PartKind
from compuerta.domain.payment import Attempt, PaymentOrder
from compuerta.services.dues_port import RechargeLine

_METERS_ACCOUNT = """
select a.account_id from meter m
left join installation i on i.meter_id = m.meter_id and i.ended_at is null
left join account a on a.account_id = i.account_id and a.kind = 'customer' and a.closed_at is null
where m.organisation_id = %(organisation_id)s and m.meter_no = %(named)s
"""
_ROOMS_ACCOUNT = """
select a.account_id from supply_point p
join site z on z.site_id = p.site_id and z.organisation_id = %(organisation_id)s
left join account a on a.supply_point_id = p.supply_point_id and a.kind = 'customer' and a.closed_at is null
where p.name = %(named)s and p.name <> '-'
limit 2
"""


class PostgresDues:
    """See `dues_port.Dues`."""

    def __init__(self, tx: Asked) -> None:
        self._tx = tx

    # orders

    def put_order(self, order: PaymentOrder) -> None:
        self._tx.insert("payment_order", [rows.columns(order)])

    def order(self, account_id: int, order_id: UUID) -> PaymentOrder | None:
        found = self._tx.query(
            "select * from payment_order where account_id = %(account)s and order_id = %(order)s",
            {"account": account_id, "order": order_id},
        )
        return PaymentOrder(**found[0]) if found else None

    def attempts_of(self, account_id: int, order_id: UUID) -> list[Attempt]:
        found = self._tx.query(
            """select * from attempt where account_id = %(account)s and order_id = %(order)s
            order by created_at, attempt_id""",
            {"account": account_id, "order": order_id},
        )
        return [rows.to_attempt(row) for row in found]

    def orders_paid(self, keys: Iterable[tuple[int, UUID]]) -> set[UUID]:
        wanted = sorted(set(keys))
        if not wanted:
            return set()
        found = self._tx.query(
            """select a.order_id
            from unnest(%(accounts)s::bigint[], %(orders)s::uuid[]) as k (account_id, order_id)
            join attempt a using (account_id, order_id) where a.state = 'paid'""",
            {"accounts": [account for account, _ in wanted], "orders": [order for _, order in wanted]},
        )
        return {row["order_id"] for row in found}

    def payee(self, *, organisation_id: int, named: str) -> int | None:
        meant = {"organisation_id": organisation_id, "named": named}
        found = self._tx.query(_METERS_ACCOUNT, meant) or self._tx.query(_ROOMS_ACCOUNT, meant)
        account_id: int | None = found[0]["account_id"] if len(found) == 1 else None
        return account_id

    # debts

    def put_debts(self, debts: Sequence[Debt]) -> None:
        self._tx.insert("debt", [rows.columns(debt) for debt in debts])

    def save_debts(self, debts: Sequence[Debt]) -> None:
        self._tx.update(
            "debt",
            [rows.columns(debt) for debt in debts],
            key=("account_id", "debt_id"),
            changed=("remaining_minor", "suspended_until", "share_ppm"),
        )

    def debt(self, account_id: int, debt_id: UUID) -> Debt | None:
        found = self._tx.query(
            "select * from debt where account_id = %(account)s and debt_id = %(debt)s",
            {"account": account_id, "debt": debt_id},
        )
        return to_debt(found[0]) if found else None

    def open_debts(self, account_ids: Iterable[int]) -> list[Debt]:
        found = self._tx.query(
            """select * from debt where account_id = any(%(ids)s) and remaining_minor > 0
            order by account_id, rank, opened_at, debt_id""",
            {"ids": sorted(set(account_ids))},
        )
        return [to_debt(row) for row in found]

    # lines

    def put_lines(self, lines: Sequence[RechargeLine]) -> None:
        self._tx.insert("recharge_line", [rows.columns(line) for line in lines])

    def lines(self, account_id: int, recharge_id: UUID) -> list[RechargeLine]:
        found = self._tx.query(
            """select * from recharge_line where account_id = %(account)s and recharge_id = %(recharge)s
            order by line_no""",
            {"account": account_id, "recharge": recharge_id},
        )
        return [to_line(row) for row in found]

    def months_paid(self, account_ids: Iterable[int]) -> dict[int, list[str]]:
        found = self._tx.query(
            """select account_id, array_agg(period order by period) as months from recharge_line
            where account_id = any(%(ids)s) and kind = 'fixed' group by account_id""",
            {"ids": sorted(set(account_ids))},
        )
        return {row["account_id"]: row["months"] for row in found}


def to_debt(row: Row) -> Debt:
    """Build a debt from its row."""
    return Debt(**{**row, "kind": DebtKind(row["kind"])})


def to_line(row: Row) -> RechargeLine:
    """Build a line of a recharge from its row."""
    return RechargeLine(**{**row, "kind": PartKind(row["kind"])})
