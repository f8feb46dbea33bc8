"""Orders for many supplies at once, in memory."""

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import datetime
from uuid import UUID

from compuerta.adapters.memory.tables import Tables, require
from compuerta.domain import instruction as life
from compuerta.domain.instruction import Kind, State
from compuerta.domain.party import BUYING
from compuerta.services.mass_port import ItemState, MassItem, MassOperation, MassState, Standing

_WORKING = (MassState.RUNNING, MassState.UNDOING)
_HALTED = (MassState.PAUSED, MassState.STOPPED)


class MemoryMasses:
    """See `mass_port.Masses`."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    def propose(self, operation: MassOperation, items: Sequence[MassItem]) -> bool:
        if operation.operation_id in self._tables.mass_operations:
            return False
        self.save(operation)
        self.save_items(items)
        return True

    def operation(self, operation_id: UUID) -> MassOperation | None:
        return self._tables.mass_operations.get(operation_id)

    def save(self, operation: MassOperation) -> None:
        withdrawn = operation.state is MassState.WITHDRAWN
        require(
            withdrawn or operation.decided_by is None or operation.decided_by != operation.proposed_by,
            "mass_operation_has_two_persons",
        )
        require(
            operation.decided_by is not None or operation.state in (MassState.PROPOSED, MassState.WITHDRAWN),
            "mass_operation_works_when_decided",
        )
        self._tables.mass_operations[operation.operation_id] = operation

    def at_work(self) -> list[UUID]:
        ordered = {
            each.operation_id for each in self._tables.mass_items.values() if each.state is ItemState.ORDERED
        }
        working = [
            each
            for each in self._tables.mass_operations.values()
            if each.state in _WORKING or (each.state in _HALTED and each.operation_id in ordered)
        ]
        working.sort(key=lambda each: (each.proposed_at, each.operation_id))
        return [each.operation_id for each in working]

    def items(
        self, operation_id: UUID, *, states: Collection[ItemState], wave_max: int, limit: int
    ) -> list[MassItem]:
        found = [each for each in self._of(operation_id) if each.state in states and each.wave <= wave_max]
        return sorted(found, key=lambda each: (each.wave, each.account_id))[:limit]

    def save_items(self, items: Sequence[MassItem]) -> None:
        for each in items:
            self._tables.mass_items[each.operation_id, each.account_id] = each

    def tally(self, operation_id: UUID) -> dict[tuple[int, ItemState], int]:
        return dict(Counter((each.wave, each.state) for each in self._of(operation_id)))

    def standings(self, operation_id: UUID) -> list[Standing]:
        ordered = [each for each in self._of(operation_id) if each.state is ItemState.ORDERED]
        meter_of = {account: meter for meter, account in self._tables.account_of_meter.items()}
        return [
            self._standing(each, meter_of.get(each.account_id))
            for each in sorted(ordered, key=lambda each: each.account_id)
        ]

    def _standing(self, item: MassItem, meter_id: int | None) -> Standing:
        snapshot = None if meter_id is None else self._tables.snapshots[meter_id]
        switches = [
            each
            for each in self._tables.instructions.values()
            if each.meter_id == meter_id and each.kind is Kind.SWITCH
        ]
        last = max(switches, key=lambda each: each.created_at, default=None)
        return Standing(
            item=item,
            wanted_closed=None if snapshot is None else snapshot.wanted_closed,
            relay=None if snapshot is None else snapshot.relay,
            is_switching=last is not None and last.state in life.OPEN,
            refused=last.last_answer if last is not None and last.state is State.REFUSED else "",
        )

    def accounts_within(self, organisation_id: int, account_ids: Collection[int]) -> set[int]:
        return {
            each.account_id
            for each in self._tables.accounts.values()
            if each.account_id in set(account_ids)
            and each.organisation_id == organisation_id
            and each.period.end is None
            and each.kind in BUYING
        }

    def end_hold(self, meter_id: int, hold_id: UUID, *, at: datetime) -> bool:
        hold = self._tables.holds.get(hold_id)
        if hold is None or hold.meter_id != meter_id or (hold.end is not None and hold.end <= at):
            return False
        self._tables.holds[hold_id] = replace(hold, end=max(at, hold.start))
        return True

    def _of(self, operation_id: UUID) -> list[MassItem]:
        return [each for each in self._tables.mass_items.values() if each.operation_id == operation_id]
