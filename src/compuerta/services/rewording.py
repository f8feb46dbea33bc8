"""Rewording: an organisation's own words instead of ours, with an audit row."""

from uuid import UUID

from compuerta.domain import wording
from compuerta.domain.contact import Language
from compuerta.domain.wording import Told
from compuerta.services.acting import Act, Actor, entry_about
from compuerta.services.message_port import Template
from compuerta.services.store_port import Store


def reword(store: Store, template: Template, *, actor: Actor, audit_id: UUID) -> None:
    """Write an organisation's own words, once; raises `TemplateFaulty` with the field that nobody fills."""
    wording.check(Told(template.name), subject=template.subject, body=template.body)
    with store.transaction() as tx:
        kept = {
            (each.name, each.language): each for each in tx.messages.templates([template.organisation_id])
        }
        before = kept.get((template.name, template.language))
        if before is not None and (before.subject, before.body) == (template.subject, template.body):
            return  # sent again
        tx.messages.put_template(template)
        act = Act(
            act_id=audit_id,
            what="reword",
            before="" if before is None else before.body,
            after=template.body,
        )
        subject = f"template {template.name} {template.language.value}"
        tx.put_audit(
            [
                entry_about(
                    subject,
                    actor,
                    act,
                    organisation_id=template.organisation_id,
                    now=template.changed_at,
                )
            ]
        )


def use_ours(store: Store, template: Template, *, actor: Actor, audit_id: UUID) -> None:
    """Go back to our words; what is given says whose, of what and in which language."""
    with store.transaction() as tx:
        tx.messages.drop_template(
            template.organisation_id, name=template.name, language=Language(template.language)
        )
        subject = f"template {template.name} {template.language.value}"
        act = Act(act_id=audit_id, what="use our words", before=template.body)
        tx.put_audit(
            [
                entry_about(
                    subject,
                    actor,
                    act,
                    organisation_id=template.organisation_id,
                    now=template.changed_at,
                )
            ]
        )
