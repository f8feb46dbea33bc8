"""Contacting: staff and machines add and remove contacts of an account, with an audit row each.

Whoever adds a contact here vouches for it. To remove one is to send it nothing more: what was said to it is
kept, and so is that it wants no more.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from compuerta.domain.address import masked, require_address
from compuerta.domain.contact import RESIDENTS_TOPICS, Channel, Language, Topic
from compuerta.domain.errors import Refused
from compuerta.services import receiving
from compuerta.services.acting import Act, Actor, entry, require_reason
from compuerta.services.message_port import Contact
from compuerta.services.store_port import Store, Transaction

CONTACTS_MAX = 20  # of one account, those that opted out among them


class ContactRefused(Refused):
    """A contact that cannot be; the field is named."""

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(f"{field}: {reason}")
        self.field = field
        self.reason = reason


class ContactKnown(ContactRefused):
    """The account has this address already, or whoever has it asked for no more messages."""


class AccountClosed(Refused):
    """Nobody is to be told about an account that is closed, or not there."""

    def __init__(self, account_id: int) -> None:
        super().__init__(f"account {account_id} is closed, or not there")
        self.account_id = account_id


@dataclass(frozen=True, slots=True, kw_only=True)
class ContactWish:
    """Where a resident is to be reached; the id is the caller's and makes repeating harmless."""

    contact_id: UUID
    account_id: int
    channel: Channel
    address: str
    language: Language
    wants: frozenset[Topic]


def add(store: Store, wish: ContactWish, actor: Actor, *, now: datetime) -> Contact:
    """Add a contact of an account; refuses what cannot be reached, by the field."""
    with store.transaction() as tx:
        return added(tx, wish, actor, now=now)


def added(tx: Transaction, wish: ContactWish, actor: Actor, *, now: datetime) -> Contact:
    """Add a contact, inside somebody's transaction."""
    require_reason(actor)
    if wish.channel is Channel.APPRISE:
        raise ContactRefused("channel", "apprise is for staff; residents are reached by the others")
    if not wish.wants or not wish.wants <= RESIDENTS_TOPICS:
        topics = ", ".join(sorted(topic.value for topic in RESIDENTS_TOPICS))
        raise ContactRefused("wants", f"write at least one of {topics}")
    address = require_address(wish.channel, wish.address)
    view = tx.lock_accounts([wish.account_id], now=now).get(wish.account_id)
    if view is None or view.account.period.end is not None:
        raise AccountClosed(wish.account_id)
    wished = _contact(wish, address, organisation_id=view.account.organisation_id, now=now)
    known = tx.messages.contacts([wish.contact_id]).get(wish.contact_id)
    if known is not None:
        return _same(known, wished)
    _require_room(tx.messages.contacts_of([wish.account_id]), wished)
    tx.messages.put_contact(wished)
    shown = f"{wish.channel.value} {masked(address)}"
    act = Act(act_id=wish.contact_id, what="add contact", after=shown)
    tx.put_audit([entry(view.account, actor, act, now=now)])
    return wished


def remove(store: Store, contact_id: UUID, actor: Actor, *, act_id: UUID, now: datetime) -> bool:
    """Send a contact nothing more; False where there is no such contact."""
    require_reason(actor)
    return receiving.opt_out(store, contact_id, actor, act_id=act_id, now=now)


def is_counted(contact: Contact) -> bool:
    """Tell whether a contact takes a place: what strangers asked for and nobody confirmed keeps none away."""
    return contact.confirmed_at is not None or contact.opted_out_at is not None


def _contact(wish: ContactWish, address: str, *, organisation_id: int, now: datetime) -> Contact:
    return Contact(
        contact_id=wish.contact_id,
        organisation_id=organisation_id,
        account_id=wish.account_id,
        user_name=None,
        channel=wish.channel,
        address=address,
        language=wish.language,
        wants=wish.wants,
        created_at=now,
        confirmed_at=now,
    )


def _same(known: Contact, wished: Contact) -> Contact:
    if (known.account_id, known.channel, known.address) != (
        wished.account_id,
        wished.channel,
        wished.address,
    ):
        raise ContactRefused("contact_id", "another contact has this id; make a new one")
    return known


def _require_room(there: Sequence[Contact], wished: Contact) -> None:
    if sum(is_counted(each) for each in there) >= CONTACTS_MAX:
        raise ContactRefused("account_id", f"an account has at most {CONTACTS_MAX} contacts")
    for each in there:
        if (each.channel, each.address) == (wished.channel, wished.address):
            gone = each.opted_out_at is not None
            reason = "wants no more messages; only who has it can ask for them again" if gone else "is known"
            raise ContactKnown("address", reason)
