"""Proving: whoever lives at a place proves it by a code that goes to a contact that is confirmed there.

A sticker's link is no secret: who moved out keeps it, and whoever passes by may take a picture of it.
"""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from uuid import UUID

from compuerta.domain.contact import CODE_TRIES_MAX
from compuerta.domain.errors import Refused
from compuerta.domain.wording import Told
from compuerta.services import telling
from compuerta.services.confirming import CHANNELS, Confirmed, require_few
from compuerta.services.contacting import AccountClosed
from compuerta.services.message_port import Contact
from compuerta.services.store_port import Store


class CodeUnreachable(Refused):
    """No code can be sent there: it is no confirmed phone or mailbox of the account."""

    def __init__(self) -> None:
        super().__init__("this is no confirmed phone or mailbox of the account; choose another")


def vouching(contacts: Iterable[Contact]) -> list[Contact]:
    """Return the contacts that are known to be of whoever lives there."""
    return [each for each in contacts if each.confirmed_at is not None and each.opted_out_at is None]


def ask(store: Store, contact_id: UUID, *, account_id: int, code: str, now: datetime) -> None:
    """Send a code to a confirmed contact; it takes the place of one that was not typed, tries and all."""
    with store.transaction() as tx:
        view = tx.lock_accounts([account_id], now=now).get(account_id)
        if view is None or view.account.period.end is not None:
            raise AccountClosed(account_id)
        contact = tx.messages.contacts([contact_id]).get(contact_id)
        if contact is None or contact.account_id != account_id or not vouching([contact]):
            raise CodeUnreachable
        if contact.channel not in CHANNELS:
            raise CodeUnreachable
        require_few(tx, account_id, now=now)
        tx.messages.save_contact(replace(contact, code=code, code_tries=0))
        facts = telling.Facts(account=view.account, balance_minor=0, code=code)
        telling.tell_one(tx, contact, Told.CONFIRM, facts, now=now)


def prove(store: Store, contact_id: UUID, *, account_id: int, code: str) -> Confirmed:
    """Take a code that somebody has typed; it opens once, and a wrong one counts."""
    with store.transaction() as tx:
        contact = tx.messages.contacts([contact_id]).get(contact_id)
        if contact is None or contact.account_id != account_id or not vouching([contact]):
            return Confirmed.WRONG
        if contact.code_tries >= CODE_TRIES_MAX:
            return Confirmed.TOO_OFTEN
        if not contact.code or code.strip() != contact.code:
            tx.messages.save_contact(replace(contact, code_tries=contact.code_tries + 1))
            return Confirmed.WRONG
        tx.messages.save_contact(replace(contact, code="", code_tries=0))
    return Confirmed.YES
