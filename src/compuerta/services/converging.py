"""Converging: from what supply should be to the instruction that makes it so.

Wanted and reported state are kept apart. When they differ and switching is the platform's matter, exactly one
switch is open for the meter; a wish that changed replaces the one that still waits (promise S4).
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from compuerta.domain import instruction as life
from compuerta.domain import supply
from compuerta.domain.instruction import Event, Instruction, Kind, State
from compuerta.domain.naming import named
from compuerta.drivers.abilities import Relay
from compuerta.services.records import AccountView
from compuerta.services.store_port import Transaction

# A meter that refused to switch is not asked again at every reading; a person has the case meanwhile.
REFUSED_REST = timedelta(minutes=10)


def decision_of(view: AccountView) -> supply.Decision:
    """Decide supply for one account as it stands."""
    assert view.meter is not None, "supply is decided where there is a meter"
    return supply.decide(
        supply.Supply(
            balance_minor=view.balance_minor,
            credit_authority=view.meter.credit_authority,
            holds=view.holds,
            billing_held=view.holdings.billing_held,
        )
    )


def converge(tx: Transaction, account_ids: Iterable[int], *, now: datetime) -> None:
    """Write the wanted state of accounts' meters, and the switches that are missing; drop those that aged.

    Call it last in the transaction that changed balances, holds or reported states: it reads them anew.
    """
    views = [view for view in tx.lock_accounts(account_ids, now=now).values() if view.meter is not None]
    if not views:
        return
    switches: dict[int, list[Instruction]] = {}
    meter_ids = [view.meter.meter_id for view in views if view.meter]
    for known in tx.switches(meter_ids, refused_since=now - REFUSED_REST):
        switches.setdefault(known.meter_id, []).append(known)
    snapshots, replaced, wanted = [], [], []
    for view in views:
        assert view.meter is not None and view.snapshot is not None
        decision = decision_of(view)
        if (view.snapshot.wanted_closed, view.snapshot.wanted_reason) != (
            decision.closed,
            decision.reason.value,
        ):
            snapshots.append(
                replace(view.snapshot, wanted_closed=decision.closed, wanted_reason=decision.reason.value)
            )
        aged, missing = _difference(view, decision, switches.get(view.meter.meter_id, []), now=now)
        replaced += aged
        wanted += missing
    tx.save_snapshots(snapshots)
    tx.save_instructions(replaced)
    tx.put_instructions(wanted)


def _difference(
    view: AccountView, decision: supply.Decision, switches: Sequence[Instruction], *, now: datetime
) -> tuple[list[Instruction], list[Instruction]]:
    aged = [
        replace(switch, state=life.after(switch.state, Event.REPLACED), ended_at=now)
        for switch in switches
        if switch.state is State.WAITING
        and (switch.relay_closed != decision.closed or not decision.platform_switches)
    ]
    # What was sent and not read back may have been done: the relay is not known, so it is looked at.
    in_doubt = any(
        switch.state in life.OPEN and switch.tries > 0 and switch.relay_closed != decision.closed
        for switch in switches
    )
    if not decision.platform_switches or (_is_so(view, decision) and not in_doubt):
        return aged, []
    if any(switch.relay_closed == decision.closed for switch in switches):
        return aged, []
    return aged, [_switch(view, decision, now=now)]


def _is_so(view: AccountView, decision: supply.Decision) -> bool:
    assert view.snapshot is not None
    if decision.closed:
        # A permitted relay closes when the user presses the button: all that we can do is done.
        return view.snapshot.relay in (Relay.CLOSED, Relay.PERMITTED)
    return view.snapshot.relay is Relay.OPEN


def _switch(view: AccountView, decision: supply.Decision, *, now: datetime) -> Instruction:
    assert view.meter is not None
    meter_id = view.meter.meter_id
    return Instruction(
        meter_id=meter_id,
        instruction_id=named("switch", meter_id, decision.closed, decision.reason.value, now.isoformat()),
        account_id=view.account.account_id,
        kind=Kind.SWITCH,
        created_at=now,
        due_at=now,
        relay_closed=decision.closed,
        reason=decision.reason.value,
    )
