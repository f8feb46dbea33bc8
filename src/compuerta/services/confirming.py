"""Confirming: a resident adds a contact, and proves with a code that it is theirs.

Whoever stands at the sticker may add an account's first address, and who has proved to live there any other;
nothing but a code goes to it before somebody who reads it there has typed it here. Nobody can take another's
address away: that is done by the link in each mail, or by staff.
"""

from dataclasses import replace
from datetime import datetime, timedelta
from enum import Enum
from typing import Final
from uuid import UUID

from compuerta.domain.address import require_address
from compuerta.domain.contact import CODE_TRIES_MAX, Channel
from compuerta.domain.errors import Refused
from compuerta.domain.naming import named
from compuerta.domain.wording import Told
from compuerta.services import telling
from compuerta.services.contacting import (
    CONTACTS_MAX,
    AccountClosed,
    ContactKnown,
    ContactRefused,
    ContactWish,
    is_counted,
)
from compuerta.services.message_port import Contact
from compuerta.services.store_port import Store, Transaction

ASKED_MAX: Final = 3  # addresses in a day that wait for their code: each code costs somebody money
CODES_MAX: Final = 6  # in a day about one account: who did not get one asks again, and nobody more often
ASKED_WITHIN: Final = timedelta(days=1)
_MESSAGES_SEEN: Final = 100
CHANNELS: Final = (Channel.SMS, Channel.EMAIL)  # what a person can type


class TooManyAsked(Refused):
    """Many codes were sent for one account, and none of them was typed."""

    def __init__(self) -> None:
        super().__init__("many codes were sent from here; type those first, or try tomorrow")


class Confirmed(Enum):
    """What became of a code."""

    YES = "yes"
    KNOWN = "known"  # the address was confirmed before: this proves nothing
    WRONG = "wrong"
    TOO_OFTEN = "too_often"  # no code opens this contact any more; staff can add it


def ask(store: Store, wish: ContactWish, *, code: str, now: datetime) -> UUID:
    """Send a code to an address that a resident wants to be told at; returns the contact's id."""
    if wish.channel not in CHANNELS:
        raise ContactRefused("channel", "write a phone number or an e-mail address")
    address = require_address(wish.channel, wish.address)
    contact_id = named("contact", wish.account_id, wish.channel.value, address)
    with store.transaction() as tx:
        view = tx.lock_accounts([wish.account_id], now=now).get(wish.account_id)
        if view is None or view.account.period.end is not None:
            raise AccountClosed(wish.account_id)
        known = _known(tx, wish, contact_id, now=now)
        require_few(tx, wish.account_id, now=now)
        contact = known or Contact(
            contact_id=contact_id,
            organisation_id=view.account.organisation_id,
            account_id=wish.account_id,
            user_name=None,
            channel=wish.channel,
            address=address,
            language=wish.language,
            wants=wish.wants,
            created_at=now,
            confirmed_at=None,
            code=code,
        )
        tx.messages.put_contact(contact)
        tx.messages.save_contact(replace(contact, code=code, language=wish.language, wants=wish.wants))
        facts = telling.Facts(account=view.account, balance_minor=0, code=code)
        telling.tell_one(tx, contact, Told.CONFIRM, facts, now=now)
    return contact_id


def confirm(store: Store, contact_id: UUID, *, account_id: int, code: str, now: datetime) -> Confirmed:
    """Take a code that somebody has typed; a wrong one counts, whoever asks for another."""
    with store.transaction() as tx:
        contact = tx.messages.contacts([contact_id]).get(contact_id)
        if contact is None or contact.account_id != account_id or contact.opted_out_at is not None:
            return Confirmed.WRONG
        if contact.confirmed_at is not None:
            return Confirmed.KNOWN
        if contact.code_tries >= CODE_TRIES_MAX:
            return Confirmed.TOO_OFTEN
        if not contact.code or code.strip() != contact.code:
            tx.messages.save_contact(replace(contact, code_tries=contact.code_tries + 1))
            return Confirmed.WRONG
        tx.messages.save_contact(replace(contact, confirmed_at=now, code=""))
    return Confirmed.YES


def require_few(tx: Transaction, account_id: int, *, now: datetime) -> None:
    """Refuse a code too many: whoever has the sticker could have them sent to anybody."""
    said = tx.messages.of_account(account_id, limit=_MESSAGES_SEEN)
    since = now - ASKED_WITHIN
    if sum(each.template == Told.CONFIRM.value and each.created_at > since for each in said) >= CODES_MAX:
        raise TooManyAsked


def _known(tx: Transaction, wish: ContactWish, contact_id: UUID, *, now: datetime) -> Contact | None:
    """Return the contact, if it was asked for before; refuses what cannot be asked for again."""
    there = tx.messages.contacts_of([wish.account_id])
    known = next((each for each in there if each.contact_id == contact_id), None)
    if known is not None and known.opted_out_at is not None:
        raise ContactKnown("address", "wants no more messages; the manager can help")
    if known is not None and known.confirmed_at is not None:
        raise ContactKnown("address", "is known")
    if sum(is_counted(each) for each in there) >= CONTACTS_MAX:
        raise ContactRefused("account_id", f"an account has at most {CONTACTS_MAX} contacts")
    waiting = [each for each in there if each.confirmed_at is None and each.created_at > now - ASKED_WITHIN]
    if known is None and len(waiting) >= ASKED_MAX:
        raise TooManyAsked
    return known
