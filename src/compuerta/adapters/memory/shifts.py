"""Tills, shifts, and sales under numbers, in memory."""

from collections.abc import Callable, Sequence
from uuid import UUID

from compuerta.adapters.memory.tables import Tables, require
from compuerta.services.shift_port import CashMovement, Shift, Till, TillSale

_NO_NUMBER = 1 << 62


class MemoryShifts:
    """See `shift_port.Shifts`."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    def add_till(self, till: Till) -> None:
        require(till.provider in self._tables.provider_accounts, "till_provider_fkey")
        self._tables.take("till_pkey", till.provider)
        self._tables.tills[till.provider] = till

    def till(self, provider: str) -> Till | None:
        return self._tables.tills.get(provider)

    def save_till(self, till: Till) -> None:
        self._tables.tills[till.provider] = till

    def put_shift(self, shift: Shift) -> None:
        self._tables.take("shift_pkey", shift.provider, shift.shift_id)
        self._tables.take("shift_provider_shift_no_key", shift.provider, shift.shift_no)
        require(self.shift_at(shift.provider) is None, "shift_open")
        require(self.shift_of(shift.organisation_id, shift.cashier) is None, "shift_of_cashier")
        self._tables.shifts[shift.shift_id] = shift

    def save_shift(self, shift: Shift) -> None:
        require(shift.accepted_by != shift.cashier, "shift_is_accepted_by_another")
        require(
            shift.closed_at is None or not shift.over_minor or bool(shift.accepted_by and shift.reason),
            "shift_differs_by_two_persons",
        )
        self._tables.shifts[shift.shift_id] = shift

    def shift(self, organisation_id: int, shift_id: UUID) -> Shift | None:
        found = self._tables.shifts.get(shift_id)
        return found if found is not None and found.organisation_id == organisation_id else None

    def shift_of(self, organisation_id: int, cashier: str) -> Shift | None:
        return self._uncounted(
            lambda each: (each.organisation_id, each.cashier) == (organisation_id, cashier)
        )

    def shift_at(self, provider: str) -> Shift | None:
        return self._uncounted(lambda each: each.provider == provider)

    def put_movement(self, movement: CashMovement) -> bool:
        if movement.movement_id in self._tables.cash_movements:
            return False
        self._tables.cash_movements[movement.movement_id] = movement
        return True

    def movements(self, shift: Shift) -> list[CashMovement]:
        found = [each for each in self._tables.cash_movements.values() if each.shift_id == shift.shift_id]
        return sorted(found, key=lambda each: (each.at, each.movement_id))

    def put_sale(self, sale: TillSale) -> None:
        self._tables.take("till_sale_pkey", sale.account_id, sale.attempt_id)
        self._write(sale)

    def save_sales(self, sales: Sequence[TillSale]) -> None:
        for sale in sales:
            self._write(sale)

    def sale(self, account_id: int, attempt_id: UUID) -> TillSale | None:
        return self._tables.till_sales.get((account_id, attempt_id))

    def sales(self, shift: Shift) -> list[TillSale]:
        found = [each for each in self._tables.till_sales.values() if each.shift_id == shift.shift_id]
        return sorted(found, key=lambda each: (each.receipt_no or _NO_NUMBER, each.sold_at, each.attempt_id))

    def _write(self, sale: TillSale) -> None:
        others = [
            each
            for key, each in self._tables.till_sales.items()
            if each.provider == sale.provider and key != (sale.account_id, sale.attempt_id)
        ]
        taken = {each.receipt_no for each in others} - {None}
        require(sale.receipt_no not in taken, "till_sale_provider_receipt_no_key")
        self._tables.till_sales[sale.account_id, sale.attempt_id] = sale

    def _uncounted(self, wanted: Callable[[Shift], bool]) -> Shift | None:
        open_now = (each for each in self._tables.shifts.values() if each.counted_at is None)
        return next(filter(wanted, open_now), None)
