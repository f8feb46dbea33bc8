"""The outbox in PostgreSQL: which instructions are there, what is due, and who carries it out."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from uuid import UUID

from compuerta.adapters.postgres import rows, statements
from compuerta.adapters.postgres.rows import Asked, Row
from compuerta.domain.instruction import Instruction, Kind
from compuerta.domain.policy import policy_of_texts
from compuerta.domain.supply import FORBIDDING
from compuerta.drivers.abilities import KEEP_POWER
from compuerta.services.records import AccountView, Claim

# While fewer instructions than this wait in the whole house, only their meters are looked at: to hand over
# and look up the thousands that a gateway reaches, many times a second, takes longer than all else.
WAITING_MAX = 1_000

# Which holds close the way to power; the other kinds open it.
_FORBIDDING = sorted(kind.value for kind in FORBIDDING)


def instructions(tx: Asked, keys: Iterable[tuple[int, UUID]]) -> dict[UUID, Instruction]:
    """Return instructions by their ids, locked."""
    wanted = sorted(set(keys))
    found = tx.query(
        """select i.* from instruction i
        join unnest(%(meters)s::bigint[], %(ids)s::uuid[]) as k (meter_id, instruction_id)
            using (meter_id, instruction_id)
        order by i.meter_id, i.instruction_id for update of i""",
        {"meters": [meter_id for meter_id, _ in wanted], "ids": [each for _, each in wanted]},
    )
    return {row["instruction_id"]: rows.to_instruction(row) for row in found}


def switches(tx: Asked, meter_ids: Iterable[int], *, refused_since: datetime) -> list[Instruction]:
    """Return the switches of meters that are open, or were refused since an instant, locked."""
    found = tx.query(
        """select * from instruction
        where meter_id = any(%(ids)s) and kind = 'switch'
            and (ended_at is null or (state = 'refused' and ended_at >= %(since)s))
        order by meter_id, created_at for update""",
        {"ids": sorted(set(meter_ids)), "since": refused_since},
    )
    return [rows.to_instruction(row) for row in found]


def last_looks(tx: Asked, meter_ids: Iterable[int]) -> dict[int, Instruction]:
    """Return the last look that was ordered at each meter."""
    found = tx.query(
        """select distinct on (meter_id) * from instruction
        where meter_id = any(%(ids)s) and kind = 'look' order by meter_id, created_at desc""",
        {"ids": sorted(set(meter_ids))},
    )
    return {row["meter_id"]: rows.to_instruction(row) for row in found}


def open_limits(tx: Asked, meter_ids: Iterable[int]) -> list[Instruction]:
    """Return the open instructions that write limits, by meter, locked."""
    found = tx.query(
        """select * from instruction
        where meter_id = any(%(ids)s) and kind = 'limits' and ended_at is null
        order by meter_id, created_at for update""",
        {"ids": sorted(set(meter_ids))},
    )
    return [rows.to_instruction(row) for row in found]


def loadings(tx: Asked, meter_ids: Iterable[int]) -> list[Instruction]:
    """Return all tariff instructions of meters, locked."""
    found = tx.query(
        """select * from instruction where meter_id = any(%(ids)s) and kind = 'tariff'
        order by meter_id, effective_at, created_at for update""",
        {"ids": sorted(set(meter_ids))},
    )
    return [rows.to_instruction(row) for row in found]


def overdue_loadings(tx: Asked, *, now: datetime, told: Iterable[str], limit: int) -> list[Instruction]:
    """Return waiting tariff instructions whose instant has passed, but for some answers, locked."""
    found = tx.query(
        """select * from instruction
        where kind = 'tariff' and state = 'waiting' and effective_at <= %(now)s
            and last_answer <> all(%(told)s)
        order by effective_at, meter_id limit %(limit)s for update skip locked""",
        {"now": now, "told": list(told), "limit": limit},
    )
    return [rows.to_instruction(row) for row in found]


def due_meters(tx: Asked, among: Iterable[int], *, now: datetime, limit: int) -> dict[int, Kind]:
    """Return what is due for which meters, the longest waiting first, tariffs last."""
    waiting = tx.query(statements.WAITING_METERS, {"now": now, "limit": WAITING_MAX})
    meter_ids = set(among)
    if len(waiting) < WAITING_MAX:
        meter_ids.intersection_update(row["meter_id"] for row in waiting)
    if not meter_ids:
        return {}
    values = {"ids": sorted(meter_ids), "now": now, "limit": limit}
    return {row["meter_id"]: Kind(row["kind"]) for row in tx.query(statements.DUE_METERS, values)}


def lease(
    tx: Asked, meter_ids: Iterable[int], *, now: datetime, owner: str, until: datetime
) -> list[Instruction]:
    """Lease the first due instruction of each meter that has none in flight."""
    values = {"ids": sorted(set(meter_ids)), "now": now, "owner": owner, "until": until}
    leased = [rows.to_instruction(row) for row in tx.query(statements.CLAIM, values)]
    return sorted(leased, key=lambda each: each.meter_id)


def claims(
    tx: Asked, leased: Sequence[Instruction], views: dict[int, AccountView], *, now: datetime
) -> list[Claim]:
    """Return what the drivers of leased instructions need; `views` are of the accounts with tariffs."""
    ids = [each.meter_id for each in leased]
    facts = tx.query(statements.CLAIMED, {"ids": ids, "now": now, "forbidding": _FORBIDDING})
    by_meter = {row["meter_id"]: row for row in facts}
    return [
        _claim(each, by_meter[each.meter_id], views, now=now) for each in leased if each.meter_id in by_meter
    ]


def _claim(instruction: Instruction, found: Row, views: dict[int, AccountView], *, now: datetime) -> Claim:
    facts = dict(found)
    zone, forbidden, wanted = facts.pop("zone"), facts.pop("forbidden"), facts.pop("wanted_closed")
    wanted_kept, flags = facts.pop("wanted_kept"), facts.pop("flags")
    policy = policy_of_texts(*(facts.pop(name) for name in ("o_policy", "z_policy", "a_policy")))
    claim = Claim(
        instruction=instruction,
        meter=rows.to_meter(facts),
        zone=zone,
        claimed_at=now,
        may_close=not forbidden,
        permits=policy.permits,
        wanted_closed=wanted,
        wanted_kept=wanted_kept,
        keeps_power=KEEP_POWER in flags,
    )
    if instruction.effective_at is None:
        return claim
    view = views[instruction.account_id]
    return replace(claim, schedule=view.schedule, terms=view.terms_at(instruction.effective_at))
