"""Casework: somebody takes a doubt upon themselves, and says in the end what came of it."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from uuid import UUID

from compuerta.domain.errors import Refused
from compuerta.services.acting import Act, Actor, entry, require_reason
from compuerta.services.correction_port import CaseFile
from compuerta.services.store_port import Store


class CaseUnknown(Refused):
    """There is no such case, or it is closed."""

    def __init__(self, case_id: UUID) -> None:
        super().__init__("there is no such case, or somebody has closed it")
        self.case_id = case_id


def take(
    store: Store, account_id: int, case_id: UUID, *, actor: Actor, act_id: UUID, now: datetime
) -> CaseFile:
    """Write down who looks at a case from now on, whoever did before."""

    def taken(case: CaseFile) -> CaseFile:
        return replace(case, owner=actor.who)

    return _changed(store, (account_id, case_id), taken, actor, act_id=act_id, now=now)


def close(
    store: Store, account_id: int, case_id: UUID, *, actor: Actor, act_id: UUID, now: datetime
) -> CaseFile:
    """Close a case with what came of it; whoever closes it has looked at it."""
    require_reason(actor)

    def closed(case: CaseFile) -> CaseFile:
        return replace(case, owner=case.owner or actor.who, outcome=actor.why, closed_at=now)

    return _changed(store, (account_id, case_id), closed, actor, act_id=act_id, now=now)


def _changed(
    store: Store,
    key: tuple[int, UUID],
    change: Callable[[CaseFile], CaseFile],
    actor: Actor,
    *,
    act_id: UUID,
    now: datetime,
) -> CaseFile:
    account_id, case_id = key
    with store.transaction() as tx:
        view = tx.lock_accounts([account_id], now=now).get(account_id)
        case = tx.corrections.case(account_id, case_id)
        if view is None or case is None or case.closed_at is not None:
            raise CaseUnknown(case_id)
        changed = change(case)
        tx.corrections.save_case(changed)
        what = "take case" if changed.closed_at is None else "close case"
        after = changed.outcome or changed.owner or ""
        act = Act(act_id=act_id, what=what, before=f"{case.kind}: {case.owner or 'nobody'}", after=after)
        tx.put_audit([entry(view.account, actor, act, now=now)])
        return changed
