"""Rewording: an organisation's own words instead of ours, with an audit row."""

from uuid import UUID

from compuerta.domain import wording
from compuerta.domain.wording import Told
from compuerta.services.acting import Act, Actor, entry_about
from compuerta.services.message_port import Template
from compuerta.services.records import AuditEntry
from compuerta.services.store_port import Store, Transaction


def reword(store: Store, template: Template, *, actor: Actor, audit_id: UUID) -> None:
    """Write an organisation's own words, once; raises `TemplateFaulty` with the field that nobody fills."""
    wording.check(Told(template.name), subject=template.subject, body=template.body)
    with store.transaction() as tx:
        before = _kept(tx, template)
        if before is not None and (before.subject, before.body) == (template.subject, template.body):
            return  # sent again
        tx.messages.put_template(template)
        act = Act(
            act_id=audit_id,
            what="reword",
            before="" if before is None else before.body,
            after=template.body,
        )
        tx.put_audit([_told(template, actor, act)])


def use_ours(store: Store, template: Template, *, actor: Actor, audit_id: UUID) -> None:
    """Go back to our words; of what is given only whose, of what and in which language counts."""
    with store.transaction() as tx:
        before = _kept(tx, template)
        if before is None:
            return  # sent again
        tx.messages.drop_template(template.organisation_id, name=template.name, language=template.language)
        act = Act(act_id=audit_id, what="use our words", before=before.body)
        tx.put_audit([_told(template, actor, act)])


def _kept(tx: Transaction, template: Template) -> Template | None:
    """Return an organisation's own words of this message in this language."""
    kept = tx.messages.templates([template.organisation_id])
    wanted = (template.name, template.language)
    return next((each for each in kept if (each.name, each.language) == wanted), None)


def _told(template: Template, actor: Actor, act: Act) -> AuditEntry:
    subject = f"template {template.name} {template.language.value}"
    return entry_about(subject, actor, act, organisation_id=template.organisation_id, now=template.changed_at)
