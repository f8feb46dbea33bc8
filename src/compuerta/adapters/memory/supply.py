"""What supply is decided by, in memory: holds, emergency credit, payments under way, and the clock."""

from collections.abc import Iterable
from datetime import datetime

from compuerta.adapters.memory.tables import Tables
from compuerta.domain.payment import AttemptState
from compuerta.services.records import EmergencyCredit, Hold
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


def claim_decisions(tables: Tables, *, now: datetime, limit: int) -> list[int]:
    """Return accounts whose supply the clock alone may have changed by now."""
    due = sorted(
        meter_id
        for meter_id, each in tables.snapshots.items()
        if each.decide_at is not None and each.decide_at <= now and meter_id in tables.account_of_meter
    )
    return [tables.account_of_meter[meter_id] for meter_id in due[:limit]]


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
