"""What supply is decided by, in memory: holds, emergency credit, payments under way, and the clock."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime

from compuerta.adapters.memory.tables import Tables
from compuerta.domain.payment import AttemptState
from compuerta.domain.supply import HoldKind
from compuerta.services.records import EmergencyCredit, Hold, Settled
from compuerta.services.store_port import Conflict

_OPEN = frozenset({AttemptState.CREATED, AttemptState.PRESENTED})


def holds_of(tables: Tables, meter_ids: Iterable[int], *, at: datetime) -> list[Hold]:
    """Return the holds of meters that are in force at an instant, by meter and start."""
    wanted = set(meter_ids)
    found = [
        hold
        for hold in tables.holds.values()
        if hold.meter_id in wanted and hold.start <= at and (hold.end is None or at < hold.end)
    ]
    return sorted(found, key=lambda hold: (hold.meter_id, hold.start, hold.hold_id))


def save_holds(tables: Tables, holds: Iterable[Hold]) -> None:
    """Write the ends of holds."""
    for each in holds:
        kept = tables.holds[each.hold_id]
        tables.holds[each.hold_id] = replace(kept, end=each.end, ended_by=each.ended_by)


def holds_begun(tables: Tables, meter_id: int, kind: HoldKind, *, since: datetime) -> int:
    """Return how many holds of a kind began after an instant."""
    return sum(
        hold.meter_id == meter_id and hold.kind is kind and hold.start > since
        for hold in tables.holds.values()
    )


def hold_edge(tables: Tables, meter_id: int, *, now: datetime) -> datetime | None:
    """Return when the next hold of a meter begins or ends."""
    edges = [
        edge
        for hold in tables.holds.values()
        if hold.meter_id == meter_id
        for edge in (hold.start, hold.end)
        if edge is not None and edge > now
    ]
    return min(edges, default=None)


def end_holds(tables: Tables, meter_id: int, kind: HoldKind, *, at: datetime, by: str | None) -> int:
    """End all holds of a kind."""
    ended = [
        hold
        for hold in tables.holds.values()
        if hold.meter_id == meter_id and hold.kind is kind and (hold.end is None or hold.end > at)
    ]
    for hold in ended:
        tables.holds[hold.hold_id] = replace(hold, end=max(at, hold.start), ended_by=by)
    return len(ended)


def settled(tables: Tables, *, scope: str, scope_id: int) -> Settled | None:
    """Return what a scope has settled."""
    document = tables.policies.get((scope, scope_id), "{}")
    owner = None
    match scope:
        case "organisation" if scope_id in tables.organisations:
            owner = scope_id
        case "site" if scope_id in tables.sites:
            owner = tables.sites[scope_id].organisation_id
        case "account" if scope_id in tables.accounts:
            owner = tables.accounts[scope_id].organisation_id
    return None if owner is None else Settled(organisation_id=owner, document=document)


def accounts_in(tables: Tables, *, scope: str, scope_id: int, after: int, limit: int) -> list[int]:
    """Return the open accounts with a meter of a scope, by id."""
    found = [
        account_id
        for account_id in tables.account_of_meter.values()
        if account_id > after and getattr(tables.accounts[account_id], f"{scope}_id") == scope_id
    ]
    return sorted(found)[:limit]


def claim_decisions(tables: Tables, *, now: datetime, limit: int) -> list[int]:
    """Return accounts whose supply the clock alone may have changed by now."""
    due = sorted(
        (each.decide_at, meter_id)
        for meter_id, each in tables.snapshots.items()
        if each.decide_at is not None and each.decide_at <= now and meter_id in tables.account_of_meter
    )
    return [tables.account_of_meter[meter_id] for _, meter_id in due[:limit]]


def emergencies(tables: Tables, account_ids: Iterable[int]) -> dict[int, EmergencyCredit]:
    """Return the emergency credit of accounts that is not repaid."""
    wanted = set(account_ids)
    return {
        each.account_id: each
        for each in tables.emergencies.values()
        if each.account_id in wanted and each.repaid_at is None
    }


def put_emergency(tables: Tables, emergency: EmergencyCredit) -> None:
    """Write an emergency credit, or what became of it."""
    key = (emergency.account_id, emergency.taken_at)
    open_already = emergencies(tables, [emergency.account_id])
    if key not in tables.emergencies and open_already:
        raise Conflict(f"account {emergency.account_id} has emergency credit that is not repaid")
    tables.emergencies[key] = emergency


def paying(tables: Tables, account_ids: Iterable[int], *, now: datetime) -> dict[int, datetime]:
    """Return until when somebody waits to pay."""
    wanted = set(account_ids)
    until: dict[int, datetime] = {}
    for each in tables.attempts.values():
        watched = each.watched_until
        if each.account_id in wanted and each.state in _OPEN and watched is not None and watched > now:
            until[each.account_id] = max(watched, until.get(each.account_id, watched))
    return until
