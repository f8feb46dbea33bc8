"""Beyond zero: what becomes of emergency credit as the balance moves, and when it comes by itself.

The first credit that lifts the balance above zero repays it; used up, there is no more of it until then.
"""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime

from compuerta.domain.naming import named
from compuerta.domain.party import BUYING
from compuerta.domain.supply import Reason
from compuerta.services.acting import Act, Actor, entry
from compuerta.services.records import AccountView, AuditEntry, EmergencyCredit
from compuerta.services.store_port import Transaction

_SYSTEM = Actor(who="system", why="given at zero, as the policy says", origin="platform")
# Under these an emergency credit may be open, and it may be over by now.
_TOUCHED = frozenset({Reason.EMERGENCY_CREDIT.value, Reason.OUT_OF_CREDIT.value})


def followed(tx: Transaction, views: Iterable[AccountView], *, now: datetime) -> dict[int, EmergencyCredit]:
    """Keep what became of emergency credits, give those that come by themselves; returns the open ones."""
    among = {view.account.account_id: view for view in views if _may_have(view)}
    if not among:
        return {}
    taken, open_still = tx.emergencies(among), {}
    for account_id, view in among.items():
        before = taken.get(account_id)
        after = given(view, now=now) if before is None else _after(before, view, now=now)
        if after is None:
            continue
        if before is None:
            tx.put_audit([taking(view, _SYSTEM, after)])
        if after != before:
            tx.put_emergency(after)
        if after.repaid_at is None:
            open_still[account_id] = after
    return open_still


def taking(view: AccountView, actor: Actor, taken: EmergencyCredit) -> AuditEntry:
    """Return the audit row of an emergency credit that is taken."""
    act = Act(
        act_id=named("emergency", taken.account_id, taken.taken_at.isoformat()),
        what="take emergency credit",
        before=f"balance {view.balance_minor}",
        after=f"on until {-taken.limit_minor}",
    )
    return entry(view.account, actor, act, now=taken.taken_at)


def is_offered(view: AccountView) -> bool:
    """Tell whether emergency credit is there for an account that has none open."""
    low = view.balance_minor <= view.policy.emergency_below_minor
    left = view.balance_minor > -view.policy.emergency_minor
    return view.policy.emergency_minor > 0 and low and left and view.account.kind in BUYING


def _may_have(view: AccountView) -> bool:
    assert view.snapshot is not None
    return (
        view.balance_minor <= 0 or view.policy.emergency_minor > 0 or view.snapshot.wanted_reason in _TOUCHED
    )


def given(view: AccountView, *, now: datetime) -> EmergencyCredit | None:
    """Return the credit that comes by itself; what is off already is not switched on by it."""
    assert view.snapshot is not None
    is_free = not view.holds and not view.holdings.billing_held
    is_on = view.snapshot.wanted_closed is not False
    if not (view.policy.emergency_automatic and is_offered(view) and view.balance_minor <= 0):
        return None
    if not (is_free and is_on):
        return None
    return EmergencyCredit(
        account_id=view.account.account_id,
        taken_at=now,
        limit_minor=view.policy.emergency_minor,
        taken_by=_SYSTEM.who,
        used_at=now,
    )


def _after(taken: EmergencyCredit, view: AccountView, *, now: datetime) -> EmergencyCredit:
    """Return what became of an emergency credit by now."""
    now = max(now, taken.taken_at)  # by the clock of another process, which may be ahead of ours
    balance_minor = view.balance_minor
    if balance_minor <= 0:
        spent_at = now if balance_minor <= -taken.limit_minor else None
        return replace(taken, used_at=taken.used_at or now, spent_at=taken.spent_at or spent_at)
    # Taken while some credit was left: it is there for when that is used up, or until somebody recharges.
    is_over = taken.used_at is not None or balance_minor > max(view.policy.emergency_below_minor, 0)
    return replace(taken, repaid_at=now) if is_over else taken
