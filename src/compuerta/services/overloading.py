"""Overloading: a meter that tripped because too much was drawn rests, and after some rests is locked.

The meter opens its relay by itself; here it is seen, held open, explained, and closed again after the rest.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

from compuerta.domain.naming import named
from compuerta.domain.supply import HoldKind
from compuerta.drivers.abilities import MeterEvent
from compuerta.services.acting import Act, Actor, entry
from compuerta.services.alarming import Change
from compuerta.services.records import Hold
from compuerta.services.store_port import Transaction

# Rests that began within this time are counted.
COUNTED = timedelta(hours=1)
_WHO = "system"


def absorb(tx: Transaction, changes: Sequence[Change], *, now: datetime) -> None:
    """Place the rest, or the lock, of each meter that tells of an overload more than before."""
    resting: set[int] = set()
    for change in changes:
        is_held = HoldKind.OVERLOAD in change.view.holds or change.after.meter_id in resting
        if _tripped(change) and not is_held:
            resting.add(change.after.meter_id)
            _rest(tx, change, now=now)


def _tripped(change: Change) -> bool:
    """Whether the meter's own count of overloads has grown; one that was not known before tells nothing."""
    before = change.before.counts.get(MeterEvent.OVERLOAD.value)
    after = change.after.counts.get(MeterEvent.OVERLOAD.value)
    return before is not None and after is not None and after > before


def _rest(tx: Transaction, change: Change, *, now: datetime) -> None:
    view, meter_id = change.view, change.after.meter_id
    policy = view.policy
    number = tx.holds_begun(meter_id, HoldKind.OVERLOAD, since=now - COUNTED) + 1
    is_lock = number > policy.overload_closings_max
    note = f"overload, number {number} within an hour: " + (
        "locked until somebody has looked" if is_lock else f"rests for {policy.overload_rest_min} min"
    )
    hold = Hold(
        meter_id=meter_id,
        hold_id=named("overload", meter_id, change.after.counts[MeterEvent.OVERLOAD.value], now.isoformat()),
        kind=HoldKind.OVERLOAD,
        owner=_WHO,
        note=note,
        start=now,
        end=None if is_lock else now + timedelta(minutes=policy.overload_rest_min),
    )
    tx.put_hold(hold)
    actor = Actor(who=_WHO, why=note, origin="platform")
    act = Act(act_id=hold.hold_id, what="place overload hold")
    tx.put_audit([entry(view.account, actor, act, now=now)])
