"""Acting: who does something, why, and from where; and the audit row that says so (promise A2)."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from compuerta.domain.party import Account
from compuerta.services.store_port import AuditEntry


@dataclass(frozen=True, slots=True, kw_only=True)
class Actor:
    """Who acts, why, and from where."""

    who: str
    why: str
    origin: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """What was done; the id is the caller's, so that the same act is kept once."""

    act_id: UUID
    what: str
    before: str = ""
    after: str = ""


def entry(account: Account, actor: Actor, act: Act, *, now: datetime) -> AuditEntry:
    """Return the audit row of an act on an account."""
    return AuditEntry(
        organisation_id=account.organisation_id,
        audit_id=act.act_id,
        at=now,
        who=actor.who,
        what=act.what,
        why=actor.why,
        origin=actor.origin,
        subject=f"account {account.account_id}",
        before=act.before,
        after=act.after,
    )
