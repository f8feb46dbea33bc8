"""What supply is decided by, in PostgreSQL: holds, emergency credit, payments under way, and the clock."""

from collections.abc import Iterable
from datetime import datetime

from compuerta.adapters.postgres import rows
from compuerta.adapters.postgres.rows import Asked
from compuerta.domain.supply import HoldKind
from compuerta.services.records import EmergencyCredit, Hold, Settled

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


def save_holds(tx: Asked, holds: Iterable[Hold]) -> None:
    """Write the ends of holds."""
    tx.update(
        "supply_hold",
        [rows.columns(hold, start="started_at", end="ended_at") for hold in holds],
        key=("meter_id", "hold_id"),
        changed=("ended_at", "ended_by"),
    )


def holds_begun(tx: Asked, meter_id: int, kind: HoldKind, *, since: datetime) -> int:
    """Return how many holds of a kind began after an instant."""
    (row,) = tx.query(
        """select count(*) as begun from supply_hold
        where meter_id = %(meter_id)s and kind = %(kind)s and started_at > %(since)s""",
        {"meter_id": meter_id, "kind": kind.value, "since": since},
    )
    begun: int = row["begun"]
    return begun


def end_holds(tx: Asked, meter_id: int, kind: HoldKind, *, at: datetime, by: str | None) -> int:
    """End all holds of a kind."""
    ended = tx.query(
        """update supply_hold set ended_at = greatest(%(at)s, started_at), ended_by = %(by)s
        where meter_id = %(meter_id)s and kind = %(kind)s and (ended_at is null or ended_at > %(at)s)
        returning hold_id""",
        {"meter_id": meter_id, "kind": kind.value, "at": at, "by": by},
    )
    return len(ended)


def settled(tx: Asked, *, scope: str, scope_id: int) -> Settled | None:
    """Return what a scope has settled, locked."""
    found = tx.query(
        f"""select organisation_id, policy::text as document from {scope}
        where {_POLICY_OF[scope]} = %(id)s for update""",
        {"id": scope_id},
    )
    return Settled(**found[0]) if found else None


def accounts_in(tx: Asked, *, scope: str, scope_id: int, after: int, limit: int) -> list[int]:
    """Return the open accounts with a meter of a scope, by id."""
    found = tx.query(
        f"""select a.account_id from account a
        join installation i on i.account_id = a.account_id and i.ended_at is null
        where a.{_POLICY_OF[scope]} = %(id)s and a.account_id > %(after)s
        order by a.account_id limit %(limit)s""",
        {"id": scope_id, "after": after, "limit": limit},
    )
    return [row["account_id"] for row in found]


def claim_decisions(tx: Asked, *, now: datetime, limit: int) -> list[int]:
    """Return accounts whose supply the clock alone may have changed by now, the longest due first."""
    found = tx.query(
        """select i.account_id from meter_state s
        join installation i on i.meter_id = s.meter_id and i.ended_at is null
        where s.decide_at <= %(now)s
        order by s.decide_at, s.meter_id limit %(limit)s""",
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
        "set used_at = excluded.used_at, spent_at = excluded.spent_at, repaid_at = excluded.repaid_at",
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
