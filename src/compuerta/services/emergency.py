"""Emergency credit: so much beyond zero, once, until it is repaid; offered when the balance is low."""

from datetime import datetime

from compuerta.domain.errors import Refused
from compuerta.services import beyond_zero, converging
from compuerta.services.acting import Actor, require_reason
from compuerta.services.records import EmergencyCredit
from compuerta.services.store_port import Store


class NoneSettled(Refused):
    """There is no emergency credit here."""

    def __init__(self, account_id: int) -> None:
        super().__init__(f"no emergency credit is settled for account {account_id}; settle a policy first")
        self.account_id = account_id


class AlreadyTaken(Refused):
    """There is one until it is repaid."""

    def __init__(self, taken: EmergencyCredit) -> None:
        since = taken.taken_at.isoformat(timespec="minutes")
        super().__init__(f"emergency credit is taken since {since}; recharge to have it again")
        self.taken = taken


class NotOffered(Refused):
    """The balance is too high for it, or beyond what it gives."""

    def __init__(self, balance_minor: int, *, below_minor: int, limit_minor: int) -> None:
        super().__init__(
            f"the balance is {balance_minor}; emergency credit is offered from {below_minor} down to "
            f"{-limit_minor}: recharge, or wait"
        )
        self.balance_minor = balance_minor
        self.below_minor = below_minor
        self.limit_minor = limit_minor


def take(store: Store, account_id: int, *, actor: Actor, now: datetime) -> EmergencyCredit:
    """Take the emergency credit that an account is offered, and converge supply."""
    require_reason(actor)
    with store.transaction() as tx:
        view = tx.lock_accounts([account_id], now=now).get(account_id)
        if view is None or view.meter is None or not view.policy.emergency_minor:
            raise NoneSettled(account_id)
        open_already = tx.emergencies([account_id]).get(account_id)
        if open_already is not None:
            raise AlreadyTaken(open_already)
        policy = view.policy
        if not beyond_zero.is_offered(view):
            raise NotOffered(
                view.balance_minor,
                below_minor=policy.emergency_below_minor,
                limit_minor=policy.emergency_minor,
            )
        taken = EmergencyCredit(
            account_id=account_id, taken_at=now, limit_minor=policy.emergency_minor, taken_by=actor.who
        )
        tx.put_emergency(taken)
        tx.put_audit([beyond_zero.taking(view, actor, taken)])
        converging.converge(tx, [account_id], now=now)
    return taken
