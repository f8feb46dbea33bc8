"""Tills, shifts, and sales under numbers, in PostgreSQL."""

from collections.abc import Sequence
from uuid import UUID

from compuerta.adapters.postgres import rows
from compuerta.adapters.postgres.rows import Asked, Row
from compuerta.services.shift_port import CashMovement, MovementKind, Shift, Till, TillSale

_TILL = ("receipt_no_last", "shift_no_last", "drawer_max_minor")
_SHIFT = (
    "counted_minor", "counted_at", "expected_minor", "denominations", "reason", "accepted_by", "closed_at",
)  # fmt: skip
_SALE = ("receipt_no", "voided_at", "voided_by", "void_why", "void_receipt_no")


class PostgresShifts:
    """See `shift_port.Shifts`."""

    def __init__(self, tx: Asked) -> None:
        self._tx = tx

    def add_till(self, till: Till) -> None:
        # By itself: the wall asks for its provider account, which one statement with it would not see yet.
        self._tx.run(
            "insert into till select * from jsonb_populate_recordset(null::till, %(rows)s)",
            {"rows": rows.packed([rows.columns(till)])},
        )

    def till(self, provider: str) -> Till | None:
        found = self._tx.query(
            "select * from till where provider = %(provider)s for update", {"provider": provider}
        )
        return Till(**found[0]) if found else None

    def save_till(self, till: Till) -> None:
        self._tx.update("till", [rows.columns(till)], key=("provider",), changed=_TILL)

    def put_shift(self, shift: Shift) -> None:
        self._tx.insert("shift", [rows.columns(shift)])

    def save_shift(self, shift: Shift) -> None:
        self._tx.update("shift", [rows.columns(shift)], key=("provider", "shift_id"), changed=_SHIFT)

    def shift(self, organisation_id: int, shift_id: UUID) -> Shift | None:
        return self._shift(
            "organisation_id = %(organisation_id)s and shift_id = %(shift_id)s",
            {"organisation_id": organisation_id, "shift_id": shift_id},
        )

    def shift_of(self, organisation_id: int, cashier: str) -> Shift | None:
        return self._shift(
            "organisation_id = %(organisation_id)s and cashier = %(cashier)s and counted_at is null",
            {"organisation_id": organisation_id, "cashier": cashier},
        )

    def shift_at(self, provider: str) -> Shift | None:
        return self._shift("provider = %(provider)s and counted_at is null", {"provider": provider})

    def put_movement(self, movement: CashMovement) -> bool:
        new = self._tx.query(
            """insert into cash_movement
            select * from jsonb_populate_recordset(null::cash_movement, %(rows)s)
            on conflict do nothing returning movement_id""",
            {"rows": rows.packed([rows.columns(movement)])},
        )
        return bool(new)

    def movements(self, shift: Shift) -> list[CashMovement]:
        found = self._tx.query(
            """select * from cash_movement where provider = %(provider)s and shift_id = %(shift_id)s
            order by at, movement_id""",
            {"provider": shift.provider, "shift_id": shift.shift_id},
        )
        return [CashMovement(**{**row, "kind": MovementKind(row["kind"])}) for row in found]

    def put_sale(self, sale: TillSale) -> None:
        self._tx.insert("till_sale", [rows.columns(sale)])

    def save_sales(self, sales: Sequence[TillSale]) -> None:
        written = [rows.columns(sale) for sale in sales]
        self._tx.update("till_sale", written, key=("account_id", "attempt_id"), changed=_SALE)

    def sale(self, account_id: int, attempt_id: UUID) -> TillSale | None:
        found = self._tx.query(
            "select * from till_sale where account_id = %(account_id)s and attempt_id = %(attempt_id)s",
            {"account_id": account_id, "attempt_id": attempt_id},
        )
        return _to_sale(found[0]) if found else None

    def sales(self, shift: Shift) -> list[TillSale]:
        found = self._tx.query(
            """select * from till_sale where provider = %(provider)s and shift_id = %(shift_id)s
            order by receipt_no nulls last, sold_at, attempt_id""",
            {"provider": shift.provider, "shift_id": shift.shift_id},
        )
        return [_to_sale(row) for row in found]

    def _shift(self, clause: str, values: dict[str, object]) -> Shift | None:
        found = self._tx.query(f"select * from shift where {clause}", values)
        return Shift(**found[0]) if found else None


def _to_sale(row: Row) -> TillSale:
    return TillSale(**row)
