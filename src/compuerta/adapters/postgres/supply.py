"""What supply is decided by, in PostgreSQL: holds, emergency credit, payments under way, and the clock."""

from collections.abc import Iterable
from datetime import datetime

from compuerta.adapters.postgres import rows
from compuerta.adapters.postgres.rows import Asked
from compuerta.domain.supply import HoldKind
from compuerta.services.records import EmergencyCredit, Hold

# Which column of which table keeps what a scope has settled.
_POLICY_OF = {"organisation": "organisation_id", "site": "site_id", "account": "account_id"}


def holds_of(tx: Asked, meter_ids: Iterable[int], *, at: datetime) -> list[Hold]:
    """Return the holds of meters that are in force at an instant, by meter and start."""
    found = tx.query(
        """select meter_id, hold_id, kind, owner, note, started_at as start, ended_at as "end", until_wh,
            ended_by
        from supply_hold
        where meter_id = any(%(ids)s) and started_at <= %(at)s and (ended_at is null or %(at)s < ended_at)
        order by meter_id, started_at, hold_id""",
        {"ids": sorted(set(meter_ids)), "at": at},
    )
    return [Hold(**{**row, "kind": HoldKind(row["kind"])}) for row in found]


def claim_decisions(tx: Asked, *, now: datetime, limit: int) -> list[int]:
    """Return accounts whose supply the clock alone may have changed by now; another sweeper takes others."""
    found = tx.query(
        """select i.account_id from meter_state s
        join installation i on i.meter_id = s.meter_id and i.ended_at is null
        where s.decide_at <= %(now)s
        order by s.meter_id limit %(limit)s""",
        {"now": now, "limit": limit},
    )
    return [row["account_id"] for row in found]


def emergencies(tx: Asked, account_ids: Iterable[int]) -> dict[int, EmergencyCredit]:
    """Return the emergency credit of accounts that is not repaid."""
    found = tx.query(
        "select * from emergency_credit where account_id = any(%(ids)s) and repaid_at is null",
        {"ids": sorted(set(account_ids))},
    )
    return {row["account_id"]: EmergencyCredit(**row) for row in found}


def put_emergency(tx: Asked, emergency: EmergencyCredit) -> None:
    """Write an emergency credit, or what became of it."""
    tx.insert(
        "emergency_credit",
        [rows.columns(emergency)],
        on_conflict="(account_id, taken_at) do update "
        "set spent_at = excluded.spent_at, repaid_at = excluded.repaid_at",
    )


def paying(tx: Asked, account_ids: Iterable[int], *, now: datetime) -> dict[int, datetime]:
    """Return until when somebody waits to pay."""
    found = tx.query(
        """select account_id, max(watched_until) as until from attempt
        where account_id = any(%(ids)s) and state in ('created', 'presented') and watched_until > %(now)s
        group by account_id""",
        {"ids": sorted(set(account_ids)), "now": now},
    )
    return {row["account_id"]: row["until"] for row in found}


def put_policy(tx: Asked, *, scope: str, scope_id: int, document: str) -> None:
    """Write what an organisation, a site or an account has settled."""
    key = _POLICY_OF[scope]
    tx.run(
        f"update {scope} set policy = %(document)s::jsonb where {key} = %(id)s",
        {"document": document, "id": scope_id},
    )
