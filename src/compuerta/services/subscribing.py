"""Subscribing: staff say where daily reports are sent to them, and that they are sent no more."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from compuerta.domain.address import masked, require_address
from compuerta.domain.contact import Channel, Language, Topic
from compuerta.domain.errors import Refused
from compuerta.services import receiving
from compuerta.services.acting import Act, Actor, entry_about
from compuerta.services.message_port import Contact
from compuerta.services.store_port import Store

SUBSCRIPTIONS_MAX = 5  # of one person


class SubscriptionRefused(Refused):
    """Somewhere that reports cannot be sent to; the field is named."""

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(f"{field}: {reason}")
        self.field = field
        self.reason = reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscription:
    """Where somebody wants daily reports; the id is the caller's and makes repeating harmless."""

    contact_id: UUID
    organisation_id: int
    user_name: str
    channel: Channel
    address: str
    language: Language


def subscribe(store: Store, wish: Subscription, *, actor: Actor, now: datetime) -> None:
    """Send daily reports there; whether somebody may see a site's money is asked each time one is sent."""
    address = require_address(wish.channel, wish.address)
    with store.transaction() as tx:
        if wish.contact_id in tx.messages.contacts([wish.contact_id]):
            return
        staff = tx.messages.staff_of([wish.organisation_id], wants=Topic.DAILY_REPORT)
        own = [each for each in staff if each.user_name == wish.user_name]
        if (wish.channel, address) in {(each.channel, each.address) for each in own}:
            raise SubscriptionRefused("address", "reports are sent there already")
        if len(own) >= SUBSCRIPTIONS_MAX:
            raise SubscriptionRefused("address", f"at most {SUBSCRIPTIONS_MAX}; end one first")
        tx.messages.put_contact(
            Contact(
                contact_id=wish.contact_id,
                organisation_id=wish.organisation_id,
                account_id=None,
                user_name=wish.user_name,
                channel=wish.channel,
                address=address,
                language=wish.language,
                wants=frozenset({Topic.DAILY_REPORT}),
                created_at=now,
                confirmed_at=now,
            )
        )
        shown = f"{wish.channel.value} {masked(address)}"
        act = Act(act_id=wish.contact_id, what="subscribe to reports", after=shown)
        subject = f"contact {wish.contact_id}"
        tx.put_audit([entry_about(subject, actor, act, organisation_id=wish.organisation_id, now=now)])


def subscriptions(store: Store, *, organisation_id: int, user_name: str) -> list[Contact]:
    """Return where daily reports are sent to somebody."""
    with store.transaction() as tx:
        staff = tx.messages.staff_of([organisation_id], wants=Topic.DAILY_REPORT)
    return [each for each in staff if each.user_name == user_name]


def end(store: Store, contact: Contact, *, actor: Actor, act_id: UUID, now: datetime) -> None:
    """Send reports there no more."""
    receiving.opt_out(store, contact.contact_id, actor, act_id=act_id, now=now)
