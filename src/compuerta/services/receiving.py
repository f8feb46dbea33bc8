"""Receiving: what carriers and people say after a letter has left: receipts, and that no more is wanted.

A receipt may come before we have written that the letter was taken. What is known only grows: delivered stays
delivered, whatever comes later or again.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID, uuid5

from compuerta.domain.contact import Channel
from compuerta.services import escalating
from compuerta.services.acting import Act, Actor, entry_about
from compuerta.services.message_port import Contact, Message, MessageState
from compuerta.services.store_port import Store, Transaction

# What carriers in China and people in three languages take for "no more".
STOP_WORDS = frozenset({"T", "TD", "N", "R", "STOP", "BAJA", "退订", "退訂", "拒收"})
_OPEN = frozenset({MessageState.WAITING, MessageState.IN_FLIGHT, MessageState.SENT})


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """What a carrier says of a letter: by its own id, or by ours where it repeats that."""

    channel: Channel
    provider_id: str
    delivered: bool
    at: datetime
    detail: str = ""
    message_id: UUID | None = None


def receipts(store: Store, batch: Sequence[Receipt], *, now: datetime) -> list[bool]:
    """Write what carriers say of letters; False for those whose letter is not known: they may ask again."""
    with store.transaction() as tx:
        return [_receipt(tx, each, now=now) for each in batch]


def _receipt(tx: Transaction, receipt: Receipt, *, now: datetime) -> bool:
    message = _named(tx, receipt)
    if message is None:
        return False
    if receipt.delivered and message.state is not MessageState.DELIVERED:
        delivered = escalating.ended(message, MessageState.DELIVERED, receipt.detail, now=receipt.at)
        sent_at = message.sent_at or receipt.at
        provider_id = message.provider_id or receipt.provider_id
        tx.messages.save_messages([replace(delivered, sent_at=sent_at, provider_id=provider_id)])
    elif not receipt.delivered and message.state in _OPEN:
        known = replace(message, provider_id=message.provider_id or receipt.provider_id)
        escalating.give_up(tx, known, receipt.detail, now=now)
    return True


def _named(tx: Transaction, receipt: Receipt) -> Message | None:
    if receipt.message_id is not None:
        message = tx.messages.messages([receipt.message_id]).get(receipt.message_id)
        if message is not None and message.channel is receipt.channel:
            return message
    if not receipt.provider_id:
        return None
    return tx.messages.by_provider(channel=receipt.channel, provider_id=receipt.provider_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What somebody has written back by a channel, to one organisation's account there, or to everybody's."""

    channel: Channel
    address: str
    words: str
    organisation_id: int | None


def replies(store: Store, batch: Sequence[Reply], actor: Actor, *, act_id: UUID, now: datetime) -> int:
    """Opt out whoever has written a word that says so; returns how many contacts did."""
    count = 0
    with store.transaction() as tx:
        for reply in batch:
            if reply.words.strip().upper() not in STOP_WORDS:
                continue
            for contact in tx.messages.contacts_at(channel=reply.channel, address=reply.address):
                ours = reply.organisation_id in (None, contact.organisation_id)
                if ours and contact.opted_out_at is None:
                    _opt_out(tx, contact, actor, act_id=uuid5(act_id, contact.contact_id.hex), now=now)
                    count += 1
    return count


def opt_out(store: Store, contact_id: UUID, actor: Actor, *, act_id: UUID, now: datetime) -> bool:
    """Send a contact nothing more, and drop what waits for it; False where there is no such contact."""
    with store.transaction() as tx:
        contact = tx.messages.contacts([contact_id]).get(contact_id)
        if contact is not None and contact.opted_out_at is None:
            _opt_out(tx, contact, actor, act_id=act_id, now=now)
    return contact is not None


def stop(tx: Transaction, contacts: Iterable[Contact], *, now: datetime) -> None:
    """Send contacts nothing more, and drop what waits for them."""
    ids = [each.contact_id for each in contacts]
    for contact_id in ids:
        tx.messages.opt_out(contact_id, at=now)
    tx.messages.save_messages(
        [
            escalating.ended(each, MessageState.DROPPED, "opted out", now=now)
            for each in tx.messages.waiting_of(ids)
        ]
    )


def _opt_out(tx: Transaction, contact: Contact, actor: Actor, *, act_id: UUID, now: datetime) -> None:
    stop(tx, [contact], now=now)
    act = Act(act_id=act_id, what="opt out", after=contact.channel.value)
    subject = f"contact {contact.contact_id}"
    tx.put_audit([entry_about(subject, actor, act, organisation_id=contact.organisation_id, now=now)])
