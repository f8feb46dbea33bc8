"""Accounts that begin and end, meters that are exchanged, in PostgreSQL."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from uuid import UUID

from compuerta.adapters.postgres import rows
from compuerta.adapters.postgres.rows import Asked
from compuerta.domain.instruction import Instruction
from compuerta.domain.party import Meter
from compuerta.domain.payment import Attempt
from compuerta.services.occupancy_port import Adjustment, Move, MoveKind, SupplyPointRow


class PostgresOccupancy:
    """See `occupancy_port.Occupancy`."""

    def __init__(self, tx: Asked) -> None:
        self._tx = tx

    def close_account(self, account_id: int, *, at: datetime) -> None:
        values = {"id": account_id, "at": at}
        self._tx.run("update account set closed_at = %(at)s where account_id = %(id)s", values)
        self._tx.run(
            "update installation set ended_at = %(at)s where account_id = %(id)s and ended_at is null", values
        )

    def exchange_meter(self, account_id: int, *, old_meter_id: int, new_meter_id: int, at: datetime) -> None:
        values = {"id": account_id, "old": old_meter_id, "new": new_meter_id, "at": at}
        self._tx.run(
            """update installation set ended_at = %(at)s
            where account_id = %(id)s and meter_id = %(old)s and ended_at is null""",
            values,
        )
        self._tx.run(
            "insert into installation (meter_id, account_id, started_at) values (%(new)s, %(id)s, %(at)s)",
            values,
        )

    def meter_by_no(self, meter_no: str) -> Meter | None:
        found = self._tx.query("select * from meter where meter_no = %(no)s", {"no": meter_no})
        return rows.to_meter(found[0]) if found else None

    def was_installed(self, meter_id: int) -> bool:
        found = self._tx.query("select from installation where meter_id = %(id)s limit 1", {"id": meter_id})
        return bool(found)

    def supply_points(self, site_id: int) -> list[SupplyPointRow]:
        found = self._tx.query(
            """select site_id, building, floor, name, pay_token from supply_point
            where site_id = %(id)s and name <> '-' order by building collate "C", name collate "C" """,
            {"id": site_id},
        )
        return [SupplyPointRow(**row) for row in found]

    def site_of(self, *, organisation_id: int, site_id: int) -> str | None:
        found = self._tx.query(
            "select currency from site where site_id = %(site)s and organisation_id = %(organisation)s",
            {"site": site_id, "organisation": organisation_id},
        )
        return found[0]["currency"] if found else None

    def put_move(self, move: Move) -> None:
        settled = dict(move.settled)
        self._tx.insert("move", [{**rows.columns(move), "settled": settled}])

    def move(self, *, organisation_id: int, move_id: UUID) -> Move | None:
        found = self._tx.query(
            "select * from move where organisation_id = %(organisation)s and move_id = %(move)s",
            {"organisation": organisation_id, "move": move_id},
        )
        return Move(**{**found[0], "kind": MoveKind(found[0]["kind"])}) if found else None

    def put_adjustments(self, adjustments: Sequence[Adjustment]) -> None:
        self._tx.insert("adjustment", [rows.columns(each) for each in adjustments])

    def codes_minor(self, account_id: int, codes: Iterable[str]) -> dict[str, int]:
        wanted = sorted(set(codes))
        found = self._tx.query(
            """select code, sum(amount_minor)::bigint as amount_minor from posting_line
            where account_id = %(id)s and code = any(%(codes)s) group by code""",
            {"id": account_id, "codes": wanted},
        )
        return dict.fromkeys(wanted, 0) | {row["code"]: row["amount_minor"] for row in found}

    def open_instructions(self, meter_id: int) -> list[Instruction]:
        found = self._tx.query(
            """select * from instruction where meter_id = %(id)s and ended_at is null
            order by created_at, coalesce(purchase_no, 0), instruction_id for update""",
            {"id": meter_id},
        )
        return [rows.to_instruction(row) for row in found]

    def open_attempts(self, account_id: int) -> list[Attempt]:
        found = self._tx.query(
            """select * from attempt where account_id = %(id)s and state in ('created', 'presented')
            order by attempt_id for update""",
            {"id": account_id},
        )
        return [rows.to_attempt(row) for row in found]
