"""Instructions in memory: written once, leased in their order, at most one in flight per meter."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime

from compuerta.adapters.memory import corrections
from compuerta.adapters.memory.tables import Tables, require
from compuerta.domain import instruction as life
from compuerta.domain.instruction import Event, Instruction, Kind, State
from compuerta.services.store_port import Conflict


def put(tables: Tables, instructions: Sequence[Instruction]) -> None:
    """Write new instructions; a recharge's purchase number becomes the meter's last."""
    for each in instructions:
        tables.take("instruction_pkey", each.meter_id, each.instruction_id)
        if each.kind is Kind.RECHARGE:
            tables.take("instruction_delivers_once", each.meter_id, each.recharge_id)
        if each.kind is Kind.WITHDRAWAL:
            corrections.require_alone(tables, each)
        if each.purchase_no is not None:
            tables.take("instruction_purchase_no_once", each.meter_id, each.purchase_no)
            snapshot = tables.snapshots[each.meter_id]
            last = max(snapshot.purchase_no_last, each.purchase_no)
            tables.snapshots[each.meter_id] = replace(snapshot, purchase_no_last=last)
        write(tables, each)


def write(tables: Tables, each: Instruction) -> None:
    """Write an instruction as it stands."""
    money = each.kind in (Kind.RECHARGE, Kind.WITHDRAWAL)
    superseded_recharge = money and each.state is State.SUPERSEDED
    require(not superseded_recharge, "recharge_is_never_superseded")
    require((each.ended_at is None) == (each.state in life.OPEN), "instruction_ends_once")
    in_flight = each.state is State.IN_FLIGHT
    require(in_flight == (each.lease_until is not None), "instruction_is_leased")
    if in_flight and any(
        other.meter_id == each.meter_id
        and other.state is State.IN_FLIGHT
        and other.instruction_id != each.instruction_id
        for other in tables.instructions.values()
    ):
        raise Conflict(f"instruction_in_flight: {each.meter_id} exists")
    _require_once(tables, each)
    tables.instructions[each.instruction_id] = each


def _require_once(tables: Tables, each: Instruction) -> None:
    """Refuse a second open look at a meter, and second limits that wait for it."""
    looks = each.kind is Kind.LOOK and each.state in life.OPEN
    waits = each.kind is Kind.LIMITS and each.state is State.WAITING
    if (looks or waits) and any(
        other.meter_id == each.meter_id
        and other.kind is each.kind
        and other.instruction_id != each.instruction_id
        and (other.state in life.OPEN if looks else other.state is State.WAITING)
        for other in tables.instructions.values()
    ):
        raise Conflict(f"instruction_{each.kind.value}_once: {each.meter_id} exists")


def loadings(tables: Tables, meter_ids: Iterable[int]) -> list[Instruction]:
    """Return all tariff instructions of meters, by meter and effective instant."""
    wanted = set(meter_ids)
    found = [
        (each.meter_id, each.effective_at, each.created_at, each)
        for each in tables.instructions.values()
        if each.meter_id in wanted and each.effective_at is not None
    ]
    return [each for *_, each in sorted(found, key=lambda row: row[:3])]


def last_looks(tables: Tables, meter_ids: Iterable[int]) -> dict[int, Instruction]:
    """Return the last look that was ordered at each meter."""
    wanted = set(meter_ids)
    looks = [
        each for each in tables.instructions.values() if each.meter_id in wanted and each.kind is Kind.LOOK
    ]
    return {each.meter_id: each for each in sorted(looks, key=lambda each: each.created_at)}


def open_limits(tables: Tables, meter_ids: Iterable[int]) -> list[Instruction]:
    """Return the open instructions that write limits, by meter."""
    wanted = set(meter_ids)
    found = [
        each
        for each in tables.instructions.values()
        if each.meter_id in wanted and each.kind is Kind.LIMITS and each.state in life.OPEN
    ]
    return sorted(found, key=lambda each: (each.meter_id, each.created_at))


def overdue_loadings(tables: Tables, *, now: datetime, told: Iterable[str], limit: int) -> list[Instruction]:
    """Return waiting tariff instructions whose instant has passed, but for those with some answers."""
    answers = set(told)
    found = [
        (each.effective_at, each.meter_id, each)
        for each in tables.instructions.values()
        if each.state is State.WAITING
        and each.effective_at is not None
        and each.effective_at <= now
        and each.last_answer not in answers
    ]
    return [each for *_, each in sorted(found, key=lambda row: row[:2])[:limit]]


def due_meters(tables: Tables, among: Iterable[int], *, now: datetime, limit: int) -> dict[int, Kind]:
    """Return what is due for which meters, the longest waiting first, tariffs last."""
    found = []
    for meter_id in among:
        due = _due(tables, meter_id, now=now)
        if due is not None and (due.lease_until is None or due.lease_until <= now):
            found.append((due.kind is Kind.TARIFF, due.created_at, meter_id, due.kind))
    return {meter_id: kind for *_, meter_id, kind in sorted(found, key=lambda row: row[:3])[:limit]}


def lease(
    tables: Tables, meter_ids: Iterable[int], *, now: datetime, owner: str, until: datetime
) -> list[Instruction]:
    """Lease the first due instruction of each meter that has none in flight."""
    leased = []
    for meter_id in sorted(set(meter_ids)):
        due = _due(tables, meter_id, now=now)
        if due is None or (due.lease_until is not None and due.lease_until > now):
            continue
        taken = replace(
            due,
            state=life.after(due.state, Event.CLAIMED),
            tries=due.tries + 1,
            lease_owner=owner,
            lease_until=until,
        )
        tables.instructions[taken.instruction_id] = taken
        leased.append(taken)
    return leased


def _due(tables: Tables, meter_id: int, *, now: datetime) -> Instruction | None:
    waiting = [
        each for each in tables.instructions.values() if each.meter_id == meter_id and each.state in life.OPEN
    ]
    first_no = min((each.purchase_no for each in waiting if each.purchase_no is not None), default=None)
    first_at = min((each.effective_at for each in waiting if each.effective_at is not None), default=None)
    due = [
        each
        for each in waiting
        # A later recharge never overtakes an earlier one that waits for its next try, nor a later tariff.
        if each.state is State.IN_FLIGHT
        or (
            each.purchase_no in (None, first_no)
            and each.effective_at in (None, first_at)
            and each.due_at <= now
        )
    ]
    order = sorted(
        due,
        key=lambda each: (
            each.state is not State.IN_FLIGHT,
            each.kind is Kind.TARIFF,
            each.created_at,
            each.instruction_id,
        ),
    )
    return order[0] if order else None
