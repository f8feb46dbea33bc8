"""Acting: who does something, why, and from where; and the audit row that says so (promise A2)."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from compuerta.domain.errors import Refused
from compuerta.domain.party import Account
from compuerta.services.records import AuditEntry


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


def name_of_key(name: str) -> str:
    """Return how a machine that acts is called in audit rows, and wherever else somebody is named."""
    return f"API key {name}"


class ReasonMissing(Refused):
    """A person acted without saying why."""

    def __init__(self) -> None:
        super().__init__("say why: whoever looks at this later needs to know")


def require_reason(actor: Actor) -> None:
    """Refuse an act whose reason nobody gave."""
    if not actor.why.strip():
        raise ReasonMissing


def entry(account: Account, actor: Actor, act: Act, *, now: datetime) -> AuditEntry:
    """Return the audit row of an act on an account."""
    subject = f"account {account.account_id}"
    return entry_about(subject, actor, act, organisation_id=account.organisation_id, now=now)


def entry_about(subject: str, actor: Actor, act: Act, *, organisation_id: int, now: datetime) -> AuditEntry:
    """Return the audit row of an act on anything of an organisation."""
    return AuditEntry(
        organisation_id=organisation_id,
        audit_id=act.act_id,
        at=now,
        who=actor.who,
        what=act.what,
        why=actor.why,
        origin=actor.origin,
        subject=subject,
        before=act.before,
        after=act.after,
    )
