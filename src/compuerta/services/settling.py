"""Settling: what an organisation, a site or an account has settled about supply and warnings.

Supply follows at once, in pages; meters that watch limits by themselves are told the new ones.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final
from uuid import UUID

from compuerta.domain import instruction as life
from compuerta.domain.errors import Refused
from compuerta.domain.instruction import Event, Instruction, Kind, Limits, State
from compuerta.domain.naming import derived
from compuerta.domain.party import CreditAuthority
from compuerta.domain.policy import Json, LevelKind, levels_of, policy_of
from compuerta.drivers.model import Limit, Model
from compuerta.services import converging
from compuerta.services.acting import Act, Actor, entry_about, require_reason
from compuerta.services.records import AccountView
from compuerta.services.store_port import Store, Transaction

# Accounts that follow a policy in one transaction: short enough that nobody waits for their locks.
PAGE_MAX: Final = 500
SCOPES: Final = ("organisation", "site", "account")
# What meters watch by themselves.
_WATCHED: Final = frozenset({"load_limit_w", "levels"})


class ScopeUnknown(Refused):
    """There is no such organisation, site or account."""

    def __init__(self, scope: str, scope_id: int) -> None:
        super().__init__(f"there is no {scope} {scope_id}; a policy is of an {', '.join(SCOPES)}")
        self.scope = scope
        self.scope_id = scope_id


@dataclass(frozen=True, slots=True, kw_only=True)
class Settlement:
    """What somebody settles: a whole document, in place of what the scope had."""

    scope: str
    scope_id: int
    document: Mapping[str, Json]
    act_id: UUID


def settle(
    store: Store, wish: Settlement, *, actor: Actor, models: Mapping[str, Model], now: datetime
) -> int:
    """Settle a policy, and let supply and meters follow it; returns how many accounts it reaches.

    Raises `PolicyFaulty` with the field. What it did not reach before a crash follows with its next reading.
    """
    require_reason(actor)
    policy_of(wish.document)
    with store.transaction() as tx:
        before = _put(tx, wish, actor=actor, now=now)
    is_watched = bool(_WATCHED & (before.keys() | wish.document.keys()))
    reached, after = 0, 0
    while True:
        with store.transaction() as tx:
            page = tx.accounts_in(scope=wish.scope, scope_id=wish.scope_id, after=after, limit=PAGE_MAX)
            converging.converge(tx, page, now=now)
            if is_watched:
                order_limits(tx, page, act_id=wish.act_id, models=models, now=now)
        reached += len(page)
        if len(page) < PAGE_MAX:
            return reached
        after = page[-1]


def _put(tx: Transaction, wish: Settlement, *, actor: Actor, now: datetime) -> Mapping[str, Json]:
    """Write the document with its audit row; returns the one before."""
    known = tx.settled(scope=wish.scope, scope_id=wish.scope_id) if wish.scope in SCOPES else None
    if known is None:
        raise ScopeUnknown(wish.scope, wish.scope_id)
    text = json.dumps(wish.document, sort_keys=True)
    tx.put_policy(scope=wish.scope, scope_id=wish.scope_id, document=text)
    act = Act(act_id=wish.act_id, what="settle policy", before=known.document, after=text)
    subject = f"{wish.scope} {wish.scope_id}"
    tx.put_audit([entry_about(subject, actor, act, organisation_id=known.organisation_id, now=now)])
    before: Mapping[str, Json] = json.loads(known.document)
    return before


def order_limits(
    tx: Transaction, page: Sequence[int], *, act_id: UUID, models: Mapping[str, Model], now: datetime
) -> None:
    """Order the limits of a page's meters; what waits to be written there is replaced."""
    views = [view for view in tx.look_at(page, now=now).values() if view.meter is not None]
    wanted = {
        view.meter.meter_id: _instruction(view, limits, act_id, now=now)
        for view in views
        if view.meter is not None and (limits := limits_of(view, models[view.meter.model])) is not None
    }
    waiting = [each for each in tx.open_limits(sorted(wanted)) if each.state is State.WAITING]
    tx.save_instructions(
        [replace(each, state=life.after(each.state, Event.REPLACED), ended_at=now) for each in waiting]
    )
    tx.put_instructions(list(wanted.values()))


def limits_of(view: AccountView, model: Model) -> Limits | None:
    """Return what an account's meter is to watch by itself; None where its model watches nothing of it."""
    assert view.meter is not None
    power_w = view.policy.load_limit_w if Limit.POWER in model.limits else None
    alarms: tuple[int | None, int | None] = (None, None)
    if view.meter.credit_authority is CreditAuthority.METER and Limit.ALARM_1 in model.limits:
        levels = levels_of(view.policy, currency=view.account.currency)
        lowest = sorted(level.value for level in levels if level.kind is LevelKind.MONEY)[:2]
        # The meter's first alarm is the higher one, DL/T 645-2007 04001001 and 04001002.
        alarms = (lowest[-1] if lowest else 0, lowest[0] if len(lowest) > 1 else 0)
    if power_w is None and alarms == (None, None):
        return None
    return Limits(alarm_1_minor=alarms[0], alarm_2_minor=alarms[1], power_w_max=power_w)


def _instruction(view: AccountView, limits: Limits, act_id: UUID, *, now: datetime) -> Instruction:
    assert view.meter is not None
    return Instruction(
        meter_id=view.meter.meter_id,
        instruction_id=derived(act_id, f"limits:{view.meter.meter_id}"),
        account_id=view.account.account_id,
        kind=Kind.LIMITS,
        created_at=now,
        due_at=now,
        limits=limits,
        reason="policy",
    )
