"""Converging: from what supply should be to the instruction that makes it so.

Wanted and reported state are kept apart. When they differ and switching is the platform's matter, exactly one
switch is open for the meter; a wish that changed replaces the one that still waits (promise S4). A meter with
credit trips and closes by itself; it is told to stay on beyond zero, and released when that is over.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from compuerta.domain import instruction as life
from compuerta.domain import supply
from compuerta.domain.instruction import Event, Instruction, Kind, State
from compuerta.domain.naming import named
from compuerta.domain.party import AccountKind, CreditAuthority
from compuerta.domain.supply import Decision, HoldKind, Reason
from compuerta.drivers.abilities import KEEP_POWER, SWITCH_VALID_S, Relay
from compuerta.services import beyond_zero, telling
from compuerta.services.records import AccountView, MeterSnapshot, SupplyChange
from compuerta.services.staging import Known, Staged, staged
from compuerta.services.store_port import Transaction

# A meter that refused to switch is not asked again at every reading; a person has the case meanwhile.
REFUSED_REST = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class _Order:
    """What a meter is to be told: where its relay belongs, and whether it stays on beyond zero."""

    closed: bool
    kept: bool


@dataclass(slots=True)
class _Batch:
    """What one transaction will write; filled account by account."""

    snapshots: list[MeterSnapshot] = field(default_factory=list)
    changes: list[SupplyChange] = field(default_factory=list)
    replaced: list[Instruction] = field(default_factory=list)
    wanted: list[Instruction] = field(default_factory=list)


def converge(tx: Transaction, account_ids: Iterable[int], *, now: datetime) -> dict[int, Decision]:
    """Write what is wanted of accounts' meters, and the switches that are missing; drop those that aged.

    Call it last in the transaction that changed balances, holds or reported states: it reads them anew.
    Returns what was decided, by account. Feeder meters are never switched.
    """
    views = _switchable(tx, account_ids, now=now)
    if not views:
        return {}
    known = _known(tx, views.values(), now=now)
    switches: dict[int, list[Instruction]] = {}
    for each in tx.switches(_meter_ids(views.values()), refused_since=now - REFUSED_REST):
        switches.setdefault(each.meter_id, []).append(each)
    batch, decisions = _Batch(), {}
    for account_id, view in views.items():
        stage = staged(view, known[account_id], now=now)
        decisions[account_id] = stage.decision
        _keep(batch, view, stage, now=now)
        if _owes_look(stage, known[account_id]):
            batch.wanted.append(_look(view.account.meter_id or 0, account_id, now=now))
        aged, missing = _difference(
            view, stage.decision, switches.get(view.account.meter_id or 0, []), now=now
        )
        batch.replaced += aged
        batch.wanted += missing
    looked = {each.meter_id for each in batch.wanted if each.kind is Kind.LOOK}
    cut = [each for each in batch.replaced if each.meter_id not in looked]
    batch.wanted += looks_after(tx, cut, now=now)
    tx.save_snapshots(batch.snapshots)
    tx.save_instructions(batch.replaced)
    tx.put_instructions(batch.wanted)
    tx.put_supply_changes(batch.changes)
    telling.supply_changed(tx, batch.changes, views, now=now)
    return decisions


def looks_after(tx: Transaction, replaced: Sequence[Instruction], *, now: datetime) -> list[Instruction]:
    """Return looks at meters whose cut was replaced after it was sent: on some road it may be under way.

    They are due when it can come no longer. A meter that it has cut meanwhile is then found, and closed.
    """
    late = {each.meter_id: each for each in replaced if each.tries > 0 and each.relay_closed is False}
    if not late:
        return []
    looks = tx.last_looks(late)
    return [
        replace(_look(meter_id, cut.account_id, now=now), due_at=now + timedelta(seconds=SWITCH_VALID_S))
        for meter_id, cut in sorted(late.items())
        if meter_id not in looks or looks[meter_id].state not in life.OPEN
    ]


def decision_of(view: AccountView) -> Decision:
    """Decide by the account alone, whatever the clock, stages or emergency credit say: for a look ahead."""
    assert view.meter is not None, "supply is decided where there is a meter"
    return supply.decide(
        supply.Supply(
            balance_minor=view.balance_minor,
            credit_authority=view.meter.credit_authority,
            holds=view.holds,
            billing_held=view.holdings.billing_held,
        )
    )


def end_lent(tx: Transaction, meter_ids: Iterable[int], *, now: datetime) -> int:
    """End what was lent for so much energy and has no other end; returns how many holds that were.

    For registers that fell or jumped: nobody can tell any more when the energy is used up.
    """
    lent = [
        replace(hold, end=now, ended_by="system")
        for hold in tx.holds_of(meter_ids, at=now)
        if hold.until_wh is not None and hold.end is None
    ]
    tx.save_holds(lent)
    return len(lent)


def _switchable(tx: Transaction, account_ids: Iterable[int], *, now: datetime) -> dict[int, AccountView]:
    """Lock the accounts whose meters may be switched; what was lent by energy ends where that is used."""
    views = _metered(tx.lock_accounts(account_ids, now=now))
    lent = [view for view in views.values() if HoldKind.TEMPORARY in view.holds]
    if not lent:
        return views
    energy_wh = {view.account.meter_id: view.snapshot.energy_wh for view in lent if view.snapshot}
    over = [
        replace(hold, end=now, ended_by="system")
        for hold in tx.holds_of(_meter_ids(lent), at=now)
        if hold.until_wh is not None and (energy_wh[hold.meter_id] or 0) >= hold.until_wh
    ]
    if not over:
        return views
    tx.save_holds(over)
    return _metered(tx.lock_accounts(views, now=now))


def _metered(views: Mapping[int, AccountView]) -> dict[int, AccountView]:
    return {
        account_id: view
        for account_id, view in views.items()
        if view.meter is not None and view.account.kind is not AccountKind.FEEDER
    }


def _meter_ids(views: Iterable[AccountView]) -> list[int]:
    return [view.meter.meter_id for view in views if view.meter is not None]


def _known(tx: Transaction, views: Iterable[AccountView], *, now: datetime) -> dict[int, Known]:
    """Ask for what decides beside the accounts themselves, and only of those where it can decide."""
    views = list(views)
    taken = beyond_zero.followed(tx, views, now=now)
    near = [view for view in views if _may_be_staged(view)]
    paying = tx.paying([view.account.account_id for view in near], now=now) if near else {}
    looks = tx.last_looks(_meter_ids(near)) if near else {}
    known = {}
    for view in views:
        account_id, look = view.account.account_id, looks.get(view.account.meter_id or 0)
        known[account_id] = Known(
            emergency=taken.get(account_id),
            paying_until=paying.get(account_id),
            looked_at=None if look is None else _asked_at(view, look, now=now),
        )
    return known


def _may_be_staged(view: AccountView) -> bool:
    assert view.meter is not None and view.snapshot is not None
    platform = view.meter.credit_authority is CreditAuthority.PLATFORM
    return platform and view.balance_minor <= 0 and view.snapshot.wanted_closed is not False


def _asked_at(view: AccountView, look: Instruction, *, now: datetime) -> datetime:
    """Return when a meter was asked; one that is being asked still is not asked twice."""
    assert view.snapshot is not None
    if look.state in life.OPEN:
        return max(look.created_at, view.snapshot.out_since or now)
    return look.created_at


def _owes_look(stage: Staged, known: Known) -> bool:
    if stage.decision.reason is not Reason.LOOK_FIRST or stage.out_since is None:
        return False
    return known.looked_at is None or known.looked_at < stage.out_since


def _keep(batch: _Batch, view: AccountView, stage: Staged, *, now: datetime) -> None:
    """Keep what is wanted, since when it is not so, and the change if it is one."""
    before, decision = view.snapshot, stage.decision
    assert before is not None
    differs = decision.platform_switches and before.relay is not None and not _is_so(view, decision)
    after = replace(
        before,
        wanted_closed=decision.closed,
        wanted_reason=decision.reason.value,
        wanted_kept=decision.kept,
        decide_at=stage.until,
        out_since=stage.out_since,
        differs_since=(before.differs_since or now) if differs else None,
    )
    if after != before:
        batch.snapshots.append(after)
    told = (before.wanted_closed, before.wanted_reason, before.wanted_kept)
    if told != (after.wanted_closed, after.wanted_reason, after.wanted_kept):
        batch.changes.append(
            SupplyChange(
                meter_id=before.meter_id,
                account_id=view.account.account_id,
                at=now,
                closed=decision.closed,
                kept=decision.kept,
                reason=decision.reason.value,
                was_closed=before.wanted_closed,
                was_reason=before.wanted_reason,
                until=stage.until,
                read_at=before.read_at,
            )
        )


def _difference(
    view: AccountView, decision: Decision, switches: Sequence[Instruction], *, now: datetime
) -> tuple[list[Instruction], list[Instruction]]:
    order = _order(view, decision, switches)
    aged = [
        replace(switch, state=life.after(switch.state, Event.REPLACED), ended_at=now)
        for switch in switches
        if switch.state is State.WAITING and _ordered(switch) != order
    ]
    # What was sent and not read back may have been done: the relay is not known, so it is looked at.
    in_doubt = any(
        switch.state in life.OPEN and switch.tries > 0 and _ordered(switch) != order for switch in switches
    )
    if order is None or (_is_obeyed(view, order) and not in_doubt):
        return aged, []
    if any(_ordered(switch) == order for switch in switches):
        return aged, []
    return aged, [_switch(view, decision, order, now=now)]


def _order(view: AccountView, decision: Decision, switches: Sequence[Instruction]) -> _Order | None:
    """Return what the meter has to be told by now; None where it does by itself what it should."""
    if decision.platform_switches:
        return _Order(closed=decision.closed, kept=decision.kept)
    may_keep = any(switch.kept and switch.state in life.OPEN and switch.tries > 0 for switch in switches)
    if _keeps_power(view) or may_keep:
        return _Order(closed=True, kept=False)  # a release: with its money used up it then trips by itself
    return None


def _ordered(switch: Instruction) -> _Order:
    return _Order(closed=bool(switch.relay_closed), kept=switch.kept)


def _keeps_power(view: AccountView) -> bool:
    assert view.meter is not None and view.snapshot is not None
    return view.meter.credit_authority is CreditAuthority.METER and KEEP_POWER in view.snapshot.flags


def _is_so(view: AccountView, decision: Decision) -> bool:
    assert view.snapshot is not None
    if decision.closed:
        # A permitted relay closes when the user presses the button: all that we can do is done.
        return view.snapshot.relay in (Relay.CLOSED, Relay.PERMITTED)
    return view.snapshot.relay is Relay.OPEN


def _is_obeyed(view: AccountView, order: _Order) -> bool:
    assert view.snapshot is not None
    if not order.closed:
        return view.snapshot.relay is Relay.OPEN
    lit = view.snapshot.relay in (Relay.CLOSED, Relay.PERMITTED)
    return lit and _keeps_power(view) == order.kept


def _switch(view: AccountView, decision: Decision, order: _Order, *, now: datetime) -> Instruction:
    assert view.meter is not None
    meter_id, reason = view.meter.meter_id, decision.reason.value
    return Instruction(
        meter_id=meter_id,
        instruction_id=named("switch", meter_id, order.closed, order.kept, reason, now.isoformat()),
        account_id=view.account.account_id,
        kind=Kind.SWITCH,
        created_at=now,
        due_at=now,
        relay_closed=order.closed,
        kept=order.kept,
        reason=reason,
    )


def _look(meter_id: int, account_id: int, *, now: datetime) -> Instruction:
    return Instruction(
        meter_id=meter_id,
        instruction_id=named("look", meter_id, now.isoformat()),
        account_id=account_id,
        kind=Kind.LOOK,
        created_at=now,
        due_at=now,
        reason=Reason.LOOK_FIRST.value,
    )
