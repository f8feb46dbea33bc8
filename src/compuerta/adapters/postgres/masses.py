"""Orders for many supplies at once, in PostgreSQL."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from compuerta.adapters.postgres import rows
from compuerta.adapters.postgres.rows import Asked, Row
from compuerta.domain.supply import HoldKind
from compuerta.drivers.abilities import Relay
from compuerta.services.mass_port import (
    ItemState,
    MassItem,
    MassKind,
    MassOperation,
    MassState,
    Standing,
)

_CHANGED = ("state", "decided_by", "decided_at", "wave", "wave_at", "undo_until", "ended_at", "undone_by")

# One statement for a whole operation: a meter's state, whether a switch is open, and its last answer.
_STANDINGS = """
select i.*, t.wanted_closed, t.relay,
    coalesce(l.is_open, false) as is_switching,
    case when l.state = 'refused' then l.last_answer else '' end as refused
from mass_item i
left join lateral (
    select meter_id from installation where account_id = i.account_id and ended_at is null limit 1
) n on true
left join meter_state t on t.meter_id = n.meter_id
left join lateral (
    select state, last_answer, ended_at is null as is_open from instruction
    where meter_id = n.meter_id and kind = 'switch'
    order by created_at desc, instruction_id limit 1
) l on true
where i.operation_id = %(id)s and i.state = 'ordered'
order by i.account_id
"""


class PostgresMasses:
    """See `mass_port.Masses`."""

    def __init__(self, tx: Asked) -> None:
        self._tx = tx

    def propose(self, operation: MassOperation, items: Sequence[MassItem]) -> bool:
        new = self._tx.query(
            """insert into mass_operation
            select * from jsonb_populate_recordset(null::mass_operation, %(rows)s)
            on conflict do nothing returning operation_id""",
            {"rows": rows.packed([rows.columns(operation)])},
        )
        if new:
            self._tx.insert("mass_item", [rows.columns(each) for each in items])
        return bool(new)

    def operation(self, operation_id: UUID) -> MassOperation | None:
        found = self._tx.query(
            "select * from mass_operation where operation_id = %(id)s for update", {"id": operation_id}
        )
        return to_operation(found[0]) if found else None

    def save(self, operation: MassOperation) -> None:
        self._tx.update("mass_operation", [rows.columns(operation)], key=("operation_id",), changed=_CHANGED)

    def at_work(self) -> list[UUID]:
        found = self._tx.query(
            """select o.operation_id from mass_operation o
            where o.state in ('running', 'undoing', 'paused', 'stopped') and (
                o.state in ('running', 'undoing') or exists (
                    select from mass_item i where i.operation_id = o.operation_id and i.state = 'ordered'
                )
            )
            order by o.proposed_at, o.operation_id""",
            {},
        )
        return [row["operation_id"] for row in found]

    def items(
        self, operation_id: UUID, *, states: Collection[ItemState], wave_max: int, limit: int
    ) -> list[MassItem]:
        found = self._tx.query(
            """select * from mass_item
            where operation_id = %(id)s and wave <= %(wave)s and state = any(%(states)s)
            order by wave, account_id limit %(limit)s""",
            {
                "id": operation_id,
                "wave": wave_max,
                "states": sorted(each.value for each in states),
                "limit": limit,
            },
        )
        return [_to_item(row) for row in found]

    def save_items(self, items: Sequence[MassItem]) -> None:
        self._tx.update(
            "mass_item",
            [rows.columns(each) for each in items],
            key=("operation_id", "account_id"),
            changed=("state", "answer", "lifted_until"),
        )

    def tally(self, operation_id: UUID) -> dict[tuple[int, ItemState], int]:
        found = self._tx.query(
            "select wave, state, count(*) as n from mass_item where operation_id = %(id)s group by 1, 2",
            {"id": operation_id},
        )
        return {(row["wave"], ItemState(row["state"])): row["n"] for row in found}

    def standings(self, operation_id: UUID) -> list[Standing]:
        return [_to_standing(row) for row in self._tx.query(_STANDINGS, {"id": operation_id})]

    def accounts_within(self, organisation_id: int, account_ids: Collection[int]) -> set[int]:
        found = self._tx.query(
            """select account_id from account
            where account_id = any(%(ids)s) and organisation_id = %(organisation_id)s
                and closed_at is null and kind in ('customer', 'house')""",
            {"ids": sorted(set(account_ids)), "organisation_id": organisation_id},
        )
        return {row["account_id"] for row in found}

    def end_hold(self, meter_id: int, hold_id: UUID, *, at: datetime) -> bool:
        ended = self._tx.query(
            """update supply_hold set ended_at = greatest(%(at)s, started_at)
            where meter_id = %(meter_id)s and hold_id = %(hold_id)s
                and (ended_at is null or ended_at > %(at)s) returning hold_id""",
            {"meter_id": meter_id, "hold_id": hold_id, "at": at},
        )
        return bool(ended)


def to_operation(row: Row) -> MassOperation:
    """Build an operation from its row."""
    return MassOperation(
        **{
            **row,
            "kind": MassKind(row["kind"]),
            "hold": HoldKind(row["hold"]),
            "state": MassState(row["state"]),
        }
    )


def _to_item(row: Row) -> MassItem:
    return MassItem(**{**row, "state": ItemState(row["state"])})


def _to_standing(row: Row) -> Standing:
    facts: dict[str, Any] = dict(row)
    told = {name: facts.pop(name) for name in ("wanted_closed", "relay", "is_switching", "refused")}
    relay = told.pop("relay")
    return Standing(item=_to_item(facts), relay=None if relay is None else Relay(relay), **told)
