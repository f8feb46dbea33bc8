"""Holding: people keep supply off, or on, by name and with a reason; and release what was held on a doubt.

Every change leaves an audit row in the same transaction (promise A2).
"""

from dataclasses import replace
from datetime import datetime, timedelta
from uuid import UUID

from compuerta.domain.errors import Refused
from compuerta.domain.supply import CONTRADICTED_BY, HoldKind
from compuerta.services import converging
from compuerta.services.acting import Act, Actor, entry, require_reason
from compuerta.services.records import AccountView, Hold
from compuerta.services.store_port import Store, Transaction

# Converged in one transaction; whoever sweeps goes on while there is more.
SWEPT_MAX = 500
# An end beyond it is a slip; and at the end of the calendar no other zone can tell an instant any more.
ENDS_WITHIN = timedelta(days=36_600)


class EndBeforeStart(Refused):
    """A hold that would be over before it begins."""

    def __init__(self, start: datetime, end: datetime) -> None:
        super().__init__(f"the end {end.isoformat()} is not after {start.isoformat()}")


class EndTooFar(Refused):
    """A hold that would end when nobody knows of it any more."""

    def __init__(self, end: datetime) -> None:
        super().__init__(f"the end {end.isoformat()} is more than a hundred years ahead")
        self.end = end


class EndMissing(Refused):
    """Temporary supply without an end."""

    def __init__(self) -> None:
        super().__init__("temporary supply ends: say when, or after how much energy")


class HoldsContradict(Refused):
    """A hold that would decide nothing, or silently outlive its reason, because of another."""

    def __init__(self, kind: HoldKind, other: HoldKind) -> None:
        super().__init__(
            f"a hold for {kind.value} and one for {other.value} contradict; lift the other first"
        )
        self.kind = kind
        self.other = other


class EnergyNotPositive(Refused):
    """Supply for no energy, or of a hold that is not temporary."""

    def __init__(self, energy_wh: int) -> None:
        super().__init__(
            f"{energy_wh} Wh: only temporary supply is for so much energy, and for more than none"
        )
        self.energy_wh = energy_wh


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
    energy_wh: int | None = None,
    now: datetime,
) -> None:
    """Put a hold on an account's meter and converge supply; the reason is not optional.

    Temporary supply may end by so much energy, too: from what the register shows now.
    """
    require_reason(actor)
    if end is not None:
        require_ahead(end, now=now)
    if energy_wh is not None and (energy_wh <= 0 or kind is not HoldKind.TEMPORARY):
        raise EnergyNotPositive(energy_wh)
    if kind is HoldKind.TEMPORARY and end is None and energy_wh is None:
        raise EndMissing
    with store.transaction() as tx:
        view = _view(tx, account_id, now=now)
        assert view.meter is not None
        require_no_contradiction(kind, view.holds)
        tx.put_hold(
            Hold(
                meter_id=view.meter.meter_id,
                hold_id=hold_id,
                kind=kind,
                owner=actor.who,
                note=actor.why,
                start=now,
                end=end,
                until_wh=None if energy_wh is None else _register_wh(view) + energy_wh,
            )
        )
        _converge(tx, view, actor, Act(act_id=hold_id, what=f"place {kind.value} hold"), now=now)


def require_ahead(end: datetime, *, now: datetime) -> None:
    """Refuse an end that is past, or too far."""
    if end <= now:
        raise EndBeforeStart(now, end)
    if end > now + ENDS_WITHIN:
        raise EndTooFar(end)


def require_no_contradiction(kind: HoldKind, holds: frozenset[HoldKind]) -> None:
    """Refuse a hold beside one that makes it void; the other is named."""
    for other in sorted(CONTRADICTED_BY[kind] & holds, key=lambda each: each.value):
        raise HoldsContradict(kind, other)


def lift_holds(
    store: Store, account_id: int, *, kind: HoldKind, actor: Actor, audit_id: UUID, now: datetime
) -> int:
    """End all holds of a kind on an account's meter and converge supply; returns how many there were."""
    require_reason(actor)
    with store.transaction() as tx:
        view = _view(tx, account_id, now=now)
        assert view.meter is not None
        ended = tx.end_holds(view.meter.meter_id, kind, at=now, by=actor.who)
        if ended:
            _converge(tx, view, actor, Act(act_id=audit_id, what=f"lift {kind.value} hold"), now=now)
    return ended


def sweep(store: Store, *, now: datetime, limit: int = SWEPT_MAX) -> int:
    """Converge supply where the clock alone may have changed it; returns how many accounts that were.

    Whoever swept last, and when: what was due while nobody did is due still.
    """
    with store.transaction() as tx:
        due = tx.claim_decisions(now=now, limit=limit)
        converging.converge(tx, due, now=now)
    return len(due)


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
    Supply that was lent for so much energy is over: the register that it was counted by is another now.
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
        assert view.meter is not None
        ended = converging.end_lent(tx, [view.meter.meter_id], now=now)
        act = Act(
            act_id=audit_id,
            what="release billing",
            before=f"register {view.holdings.register_wh} Wh",
            after=f"register {register_wh} Wh" + ("; temporary supply ended" if ended else ""),
        )
        tx.put_audit([entry(view.account, actor, act, now=now)])
        converging.converge(tx, [account_id], now=now)


def _view(tx: Transaction, account_id: int, *, now: datetime) -> AccountView:
    view = tx.lock_accounts([account_id], now=now).get(account_id)
    if view is None or view.meter is None:
        raise AccountWithoutMeter(account_id)
    return view


def _register_wh(view: AccountView) -> int:
    assert view.snapshot is not None
    if view.snapshot.energy_wh is None:
        raise RegisterUnknown(view.account.account_id)
    return view.snapshot.energy_wh


def _converge(tx: Transaction, view: AccountView, actor: Actor, act: Act, *, now: datetime) -> None:
    """Converge after an act, and keep its audit row with what supply was and what it is to be."""
    account_id, snapshot = view.account.account_id, view.snapshot
    assert snapshot is not None
    after = converging.converge(tx, [account_id], now=now).get(account_id)
    told = replace(
        act,
        before=_supply(snapshot.wanted_closed, snapshot.wanted_reason),
        after="" if after is None else _supply(after.closed, after.reason.value),
    )
    tx.put_audit([entry(view.account, actor, told, now=now)])


def _supply(closed: bool | None, reason: str) -> str:
    return "" if closed is None else f"{'on' if closed else 'off'}: {reason}"
