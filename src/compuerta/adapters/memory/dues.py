"""What an account owes from before, and what each part of a recharge was for, in memory."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from uuid import UUID

from compuerta.adapters.memory.tables import NAMELESS, Tables, require
from compuerta.domain.division import Debt, PartKind
from compuerta.domain.party import AccountKind
from compuerta.domain.payment import Attempt, AttemptState, PaymentOrder
from compuerta.services.dues_port import RechargeLine


class MemoryDues:
    """See `dues_port.Dues`."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    # orders

    def put_order(self, order: PaymentOrder) -> None:
        require(order.amount_minor > 0, "payment_order_amount_minor_check")
        self._tables.take("payment_order_pkey", order.account_id, order.order_id)
        self._tables.payment_orders[order.order_id] = order

    def order(self, account_id: int, order_id: UUID) -> PaymentOrder | None:
        found = self._tables.payment_orders.get(order_id)
        return found if found is not None and found.account_id == account_id else None

    def attempts_of(self, account_id: int, order_id: UUID) -> list[Attempt]:
        found = [
            each
            for each in self._tables.attempts.values()
            if (each.account_id, each.order_id) == (account_id, order_id)
        ]
        return sorted(found, key=lambda each: (each.created_at, each.attempt_id))

    def orders_paid(self, keys: Iterable[tuple[int, UUID]]) -> set[UUID]:
        return {
            order_id
            for account_id, order_id in keys
            if any(each.state is AttemptState.PAID for each in self.attempts_of(account_id, order_id))
        }

    def payee(self, *, organisation_id: int, named: str) -> int | None:
        tables = self._tables
        meters = [
            each.meter_id
            for each in tables.meters.values()
            if (each.organisation_id, each.meter_no) == (organisation_id, named)
        ]
        if meters:
            meant = tables.account_of_meter.get(meters[0])
        else:
            rooms = [
                place
                for place, each in tables.supply_points.items()
                if each.name == named != NAMELESS
                and tables.sites[each.site_id].organisation_id == organisation_id
            ]
            meant = tables.open_at.get(rooms[0]) if len(rooms) == 1 else None
        if meant is None or tables.accounts[meant].kind is not AccountKind.CUSTOMER:
            return None
        return meant

    # debts

    def put_debts(self, debts: Sequence[Debt]) -> None:
        for debt in debts:
            require(0 <= debt.remaining_minor <= debt.opened_minor, "debt_remaining_minor_check")
            require(debt.opened_minor > 0, "debt_opened_minor_check")
            require(debt.name != "" and debt.why != "", "debt_name_check")
            self._tables.take("debt_pkey", debt.account_id, debt.debt_id)
            self._tables.debts[debt.debt_id] = debt

    def save_debts(self, debts: Sequence[Debt]) -> None:
        for debt in debts:
            known = self._tables.debts[debt.debt_id]
            require(0 <= debt.remaining_minor <= known.opened_minor, "debt_remaining_minor_check")
            self._tables.debts[debt.debt_id] = replace(
                known,
                remaining_minor=debt.remaining_minor,
                suspended_until=debt.suspended_until,
                share_ppm=debt.share_ppm,
            )

    def debt(self, account_id: int, debt_id: UUID) -> Debt | None:
        found = self._tables.debts.get(debt_id)
        return found if found is not None and found.account_id == account_id else None

    def open_debts(self, account_ids: Iterable[int]) -> list[Debt]:
        wanted = set(account_ids)
        found = [
            each
            for each in self._tables.debts.values()
            if each.account_id in wanted and each.remaining_minor > 0
        ]
        return sorted(found, key=lambda each: (each.account_id, each.rank, each.opened_at, each.debt_id))

    # lines

    def put_lines(self, lines: Sequence[RechargeLine]) -> None:
        for line in lines:
            _require_line(line)
            self._tables.take("recharge_line_pkey", line.account_id, line.recharge_id, line.line_no)
            if line.kind is PartKind.FIXED:
                self._tables.take("recharge_line_of_month", line.account_id, line.period, line.name)
            known_recharge = line.recharge_id in self._tables.recharges
            require(known_recharge, "recharge_line_account_id_recharge_id_fkey")
            known = self._tables.recharge_lines.get(line.recharge_id, ())
            self._tables.recharge_lines[line.recharge_id] = (*known, line)

    def lines(self, account_id: int, recharge_id: UUID) -> list[RechargeLine]:
        found = self._tables.recharge_lines.get(recharge_id, ())
        return sorted(
            (each for each in found if each.account_id == account_id), key=lambda each: each.line_no
        )

    def months_paid(self, account_ids: Iterable[int]) -> dict[int, list[str]]:
        wanted = set(account_ids)
        months: dict[int, list[str]] = {}
        for lines in self._tables.recharge_lines.values():
            for line in lines:
                if line.account_id in wanted and line.kind is PartKind.FIXED:
                    months.setdefault(line.account_id, []).append(line.period)
        return {account_id: sorted(each) for account_id, each in months.items()}


def _require_line(line: RechargeLine) -> None:
    require(line.amount_minor > 0, "recharge_line_amount_minor_check")
    of_debt = (line.debt_id is not None) + (line.remaining_minor is not None)
    require(of_debt == (2 if line.kind is PartKind.DEBT else 0), "recharge_line_of_a_debt")
    require((line.kind is PartKind.FIXED) == (line.period != ""), "recharge_line_has_its_period")
