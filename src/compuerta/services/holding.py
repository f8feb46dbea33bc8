"""Holding: people keep supply off, or on, by name and with a reason; and release what was held on a doubt.

Every change leaves an audit row in the same transaction (promise A2).
"""

from dataclasses import replace
from datetime import datetime
from uuid import UUID

from compuerta.domain.errors import Refused
from compuerta.domain.supply import HoldKind
from compuerta.services import converging
from compuerta.services.acting import Act, Actor, entry, require_reason
from compuerta.services.records import AccountView, Hold
from compuerta.services.store_port import Store, Transaction


class EndBeforeStart(Refused):
    """A hold that would be over before it begins."""

    def __init__(self, start: datetime, end: datetime) -> None:
        super().__init__(f"the end {end.isoformat()} is not after {start.isoformat()}")


class AccountWithoutMeter(Refused):
    """There is nothing to switch."""

    def __init__(self, account_id: int) -> None:
        super().__init__(f"account {account_id} has no meter")


class RegisterUnknown(Refused):
    """Nobody has read the register, or said what it shows."""

    def __init__(self, account_id: int) -> None:
        super().__init__(f"account {account_id}: say what the register shows, in Wh, 0 or more")
        self.account_id = account_id


def place_hold(
    store: Store,
    account_id: int,
    *,
    kind: HoldKind,
    actor: Actor,
    hold_id: UUID,
    end: datetime | None = None,
    now: datetime,
) -> None:
    """Put a hold on an account's meter and converge supply; the reason is not optional."""
    require_reason(actor)
    if end is not None and end <= now:
        raise EndBeforeStart(now, end)
    with store.transaction() as tx:
        view = _view(tx, account_id, now=now)
        assert view.meter is not None
        tx.put_hold(
            Hold(
                meter_id=view.meter.meter_id,
                hold_id=hold_id,
                kind=kind,
                owner=actor.who,
                note=actor.why,
                start=now,
                end=end,
            )
        )
        act = Act(act_id=hold_id, what=f"place {kind.value} hold")
        _keep(tx, view, actor, act, holds=view.holds | {kind}, now=now)
        converging.converge(tx, [account_id], now=now)


def lift_holds(
    store: Store, account_id: int, *, kind: HoldKind, actor: Actor, audit_id: UUID, now: datetime
) -> int:
    """End all holds of a kind on an account's meter and converge supply; returns how many there were."""
    require_reason(actor)
    with store.transaction() as tx:
        view = _view(tx, account_id, now=now)
        assert view.meter is not None
        ended = tx.end_holds(view.meter.meter_id, kind, at=now)
        if ended:
            act = Act(act_id=audit_id, what=f"lift {kind.value} hold")
            _keep(tx, view, actor, act, holds=view.holds - {kind}, now=now)
            converging.converge(tx, [account_id], now=now)
    return ended


def sweep(store: Store, *, since: datetime, until: datetime) -> None:
    """Converge supply where a hold began or ended by the clock in (since, until]."""
    with store.transaction() as tx:
        meters = tx.meters_with_hold_edges(since=since, until=until)
        accounts = tx.accounts_of_meters(meters)
        converging.converge(tx, sorted(accounts.values()), now=until)


def release_billing(
    store: Store,
    account_id: int,
    *,
    actor: Actor,
    audit_id: UUID,
    now: datetime,
    register_wh: int | None = None,
) -> None:
    """Go on billing from a register value that somebody states, or from the last one read.

    What ran in doubt is not charged by this; days that passed meanwhile count as they do for anybody.
    """
    require_reason(actor)
    with store.transaction() as tx:
        view = _view(tx, account_id, now=now)
        assert view.snapshot is not None
        register_at = now
        if register_wh is None:
            register_wh = view.snapshot.energy_wh
            # Not the later instant: another process's clock may be behind ours, and its next reading too.
            register_at = min(view.snapshot.read_at or now, now)
        if register_wh is None or register_wh < 0:
            raise RegisterUnknown(account_id)
        resumed = replace(
            view.holdings,
            register_wh=register_wh,
            register_at=register_at,
            register_rates_wh=None,
            billing_held=False,
        )
        tx.save_holdings([resumed])
        act = Act(
            act_id=audit_id,
            what="release billing",
            before=f"register {view.holdings.register_wh} Wh",
            after=f"register {register_wh} Wh",
        )
        tx.put_audit([entry(view.account, actor, act, now=now)])
        converging.converge(tx, [account_id], now=now)


def _view(tx: Transaction, account_id: int, *, now: datetime) -> AccountView:
    view = tx.lock_accounts([account_id], now=now).get(account_id)
    if view is None or view.meter is None:
        raise AccountWithoutMeter(account_id)
    return view


def _keep(
    tx: Transaction, view: AccountView, actor: Actor, act: Act, *, holds: frozenset[HoldKind], now: datetime
) -> None:
    """Keep the audit row of an act that leaves the account with these holds."""
    told = replace(act, before=_supply(view), after=_supply(replace(view, holds=holds)))
    tx.put_audit([entry(view.account, actor, told, now=now)])


def _supply(view: AccountView) -> str:
    decision = converging.decision_of(view)
    return f"{'on' if decision.closed else 'off'}: {decision.reason.value}"
