"""Escalating: what cannot be told by one contact is told by the next; who has none left is an alarm.

A contact is told of an occasion once, whichever way it comes to be its turn: the message's id says so.
"""

from dataclasses import replace
from datetime import datetime

from compuerta.domain import quiet, wording
from compuerta.domain.party import zone_of
from compuerta.services.message_port import Contact, Message, MessageState, message_id
from compuerta.services.records import Alarm
from compuerta.services.store_port import Transaction

NEVER_ELSEWHERE = frozenset({"confirm"})  # a code proves that one address is reached, and no other
ANSWER_CHARS_MAX = 300


def give_up(tx: Transaction, message: Message, reason: str, *, now: datetime) -> None:
    """End a message as failed and tell the next contact that was not told of its occasion yet."""
    failed = ended(message, MessageState.FAILED, reason, now=now)
    tx.messages.save_messages([failed])
    if message.template in NEVER_ELSEWHERE:
        return
    contact = _next(tx, message, now=now)
    if contact is None:
        tx.put_alarms([_alarm(failed, now=now)])
        return
    escalated = _in_language_of(tx, contact, _for(contact, message, now=now))
    tx.messages.put_messages([replace(escalated, due_at=_due_at(tx, escalated, now=now))])


def ended(message: Message, state: MessageState, reason: str, *, now: datetime) -> Message:
    """Return a message that has come to an end."""
    return replace(
        message,
        state=state,
        lease_until=None,
        lease_owner="",
        ended_at=now,
        last_answer=reason[:ANSWER_CHARS_MAX],
    )


def _next(tx: Transaction, message: Message, *, now: datetime) -> Contact | None:
    others = _others(tx, message, now=now)
    by_id = {message_id(message.occasion, each.contact_id): each for each in others}
    told = tx.messages.messages(by_id)
    return next((each for key, each in by_id.items() if key not in told), None)


def _others(tx: Transaction, message: Message, *, now: datetime) -> list[Contact]:
    """Return who else may be told, in the order that the account's policy names channels."""
    first = tx.messages.contacts([message.contact_id])[message.contact_id]
    if first.account_id is None:
        topics = sorted(first.wants, key=lambda topic: topic.value)
        staff = [
            each for topic in topics for each in tx.messages.staff_of([first.organisation_id], wants=topic)
        ]
        return sorted(staff, key=lambda each: each.user_name != first.user_name)
    found = [
        each
        for each in tx.messages.contacts_of([first.account_id])
        if each.opted_out_at is None and each.confirmed_at is not None and each.wants & first.wants
    ]
    view = tx.look_at([first.account_id], now=now).get(first.account_id)
    order = view.policy.channels if view is not None else ()
    rank = {name: place for place, name in enumerate(order)}
    return sorted(found, key=lambda each: rank.get(each.channel.value, len(rank)))


def _for(contact: Contact, message: Message, *, now: datetime) -> Message:
    return replace(
        message,
        message_id=message_id(message.occasion, contact.contact_id),
        contact_id=contact.contact_id,
        channel=contact.channel,
        state=MessageState.WAITING,
        created_at=now,
        due_at=now,
        tries=0,
        lease_until=None,
        lease_owner="",
        provider_id=None,
        sent_at=None,
        ended_at=None,
        last_answer="",
    )


def _in_language_of(tx: Transaction, contact: Contact, message: Message) -> Message:
    """Return the message in the contact's own language; dates and amounts stay as they were written."""
    known = {each.value: each for each in wording.Told}
    if contact.language is message.language or message.template not in known:
        return message
    templates = tx.messages.templates([message.organisation_id])
    own = [each for each in templates if (each.name, each.language) == (message.template, contact.language)]
    subject, body = (
        (own[0].subject, own[0].body) if own else wording.ours(known[message.template], contact.language)
    )
    return replace(
        message,
        language=contact.language,
        subject=wording.filled(subject, message.fields),
        body=wording.filled(body, message.fields),
    )


def _due_at(tx: Transaction, message: Message, *, now: datetime) -> datetime:
    """Return when a message may go out: quiet hours count for whoever is told second, too."""
    if message.urgent or message.account_id is None:
        return now
    view = tx.look_at([message.account_id], now=now).get(message.account_id)
    if view is None:
        return now
    return quiet.told_at(view.policy.quiet, zone=zone_of(view.account.zone), now=now)


def _alarm(message: Message, *, now: datetime) -> Alarm:
    whose = f"organisation {message.organisation_id}"
    subject = whose if message.account_id is None else f"account {message.account_id}"
    detail = f"{message.template} by {message.channel.value}: {message.last_answer}"
    return Alarm(kind="message_undelivered", subject=subject, detail=detail, at=now)
