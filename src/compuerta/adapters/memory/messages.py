"""Contacts, templates, and the outbox of words, in memory."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from uuid import UUID

from compuerta.adapters.memory.tables import Tables, require
from compuerta.domain.contact import Channel, Language, Topic
from compuerta.domain.tariff.tally import Span
from compuerta.services.charging import spans_between, spans_of_day
from compuerta.services.message_port import ENDED, Contact, Leased, Message, MessageState, Template


class MemoryMessages:
    """See `message_port.Messages`."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    def uses_of(self, meter_ids: Iterable[int], *, since: datetime, until: datetime) -> dict[int, list[Span]]:
        uses: dict[int, list[Span]] = {}
        for meter_id in sorted(set(meter_ids)):
            days = [
                day
                for (of_meter, at), day in sorted(self._tables.load_days.items())
                if of_meter == meter_id and since < at <= until
            ]
            told = {
                each.at: each.energy_wh
                for (of_meter, at), each in self._tables.readings.items()
                if of_meter == meter_id and since < at <= until and each.energy_wh is not None
            }
            found = [span for day in days for span in spans_of_day(day)] or spans_between(told)
            if found:
                uses[meter_id] = found
        return uses

    def listeners(self, account_ids: Iterable[int], *, topic: Topic) -> dict[int, list[Contact]]:
        found: dict[int, list[Contact]] = {}
        for account_id in sorted(set(account_ids)):
            account = self._tables.accounts[account_id]
            residents = [each for each in self.contacts_of([account_id]) if each.is_told(topic)]
            staff = self.staff_of([account.organisation_id], wants=topic)
            if residents or staff:
                found[account_id] = residents + staff
        return found

    def contacts_of(self, account_ids: Iterable[int]) -> list[Contact]:
        wanted = set(account_ids)
        found = [each for each in self._tables.contacts.values() if each.account_id in wanted]
        return sorted(found, key=lambda each: (each.account_id or 0, each.created_at, each.contact_id))

    def staff_of(self, organisation_ids: Iterable[int], *, wants: Topic) -> list[Contact]:
        wanted = set(organisation_ids)
        found = [
            each
            for each in self._tables.contacts.values()
            if each.organisation_id in wanted and each.user_name is not None and each.is_told(wants)
        ]
        return sorted(found, key=lambda each: (each.organisation_id, each.created_at, each.contact_id))

    def contacts(self, contact_ids: Iterable[UUID]) -> dict[UUID, Contact]:
        known = self._tables.contacts
        return {contact_id: known[contact_id] for contact_id in contact_ids if contact_id in known}

    def contacts_at(self, *, channel: Channel, address: str) -> list[Contact]:
        known = self._tables.contacts.values()
        found = [each for each in known if each.channel is channel and each.address == address]
        return sorted(found, key=lambda each: (each.created_at, each.contact_id))

    def put_contact(self, contact: Contact) -> None:
        require(contact.address != "", "contact_address_check")
        require((contact.account_id is None) != (contact.user_name is None), "contact_check")
        self._tables.contacts.setdefault(contact.contact_id, contact)

    def save_contact(self, contact: Contact) -> None:
        kept = self._tables.contacts[contact.contact_id]
        self._tables.contacts[contact.contact_id] = replace(
            contact,
            organisation_id=kept.organisation_id,
            account_id=kept.account_id,
            user_name=kept.user_name,
            created_at=kept.created_at,
        )

    def opt_out(self, contact_id: UUID, *, at: datetime) -> None:
        kept = self._tables.contacts.get(contact_id)
        if kept is not None and kept.opted_out_at is None:
            self._tables.contacts[contact_id] = replace(kept, opted_out_at=at)

    def templates(self, organisation_ids: Iterable[int]) -> list[Template]:
        wanted = set(organisation_ids)
        found = [each for each in self._tables.templates.values() if each.organisation_id in wanted]
        return sorted(found, key=lambda each: (each.organisation_id, each.name, each.language.value))

    def put_template(self, template: Template) -> None:
        require(template.body != "", "message_template_body_check")
        self._tables.templates[template.organisation_id, template.name, template.language] = template

    def drop_template(self, organisation_id: int, *, name: str, language: Language) -> None:
        self._tables.templates.pop((organisation_id, name, language), None)

    def put_messages(self, messages: Sequence[Message]) -> None:
        for each in messages:
            require(each.body != "", "message_body_check")
            require(each.contact_id in self._tables.contacts, "message_contact_id_fkey")
            _require_whole(each)
            self._tables.messages.setdefault(each.message_id, each)

    def claim_due(self, *, now: datetime, until: datetime, owner: str, limit: int) -> list[Leased]:
        due = [
            each
            for each in self._tables.messages.values()
            if (each.state is MessageState.WAITING and each.due_at <= now)
            or (each.lease_until is not None and each.lease_until <= now)
        ]
        doubtful = {each.message_id for each in due if each.lease_until is not None}
        due.sort(key=lambda each: (not each.urgent, each.due_at, each.message_id))
        leased = [
            replace(
                each,
                state=MessageState.IN_FLIGHT,
                tries=each.tries + 1,
                lease_until=until,
                lease_owner=owner,
            )
            for each in due[:limit]
        ]
        for each in leased:
            self._tables.messages[each.message_id] = each
        contacts = self._tables.contacts
        return [
            Leased(message=each, contact=contacts[each.contact_id], doubtful=each.message_id in doubtful)
            for each in leased
        ]

    def save_messages(self, messages: Sequence[Message]) -> None:
        for each in messages:
            _require_whole(each)
            self._tables.messages[each.message_id] = each

    def messages(self, message_ids: Iterable[UUID]) -> dict[UUID, Message]:
        known = self._tables.messages
        return {message_id: known[message_id] for message_id in message_ids if message_id in known}

    def by_provider(self, *, channel: Channel, provider_id: str) -> Message | None:
        found = [
            each
            for each in self._tables.messages.values()
            if each.channel is channel and each.provider_id == provider_id
        ]
        return max(found, key=lambda each: (each.created_at, each.message_id), default=None)

    def sent_since(self, addresses: Iterable[str], *, since: datetime) -> dict[str, int]:
        wanted = set(addresses)
        counts: dict[str, int] = {}
        for each in self._tables.messages.values():
            address = self._tables.contacts[each.contact_id].address
            if address in wanted and each.sent_at is not None and each.sent_at >= since:
                counts[address] = counts.get(address, 0) + 1
        return counts

    def waiting_of(self, contact_ids: Iterable[UUID]) -> list[Message]:
        wanted = set(contact_ids)
        found = [
            each
            for each in self._tables.messages.values()
            if each.contact_id in wanted and each.state is MessageState.WAITING
        ]
        return sorted(found, key=lambda each: (each.contact_id, each.created_at, each.message_id))

    def of_account(self, account_id: int, *, limit: int) -> list[Message]:
        found = [each for each in self._tables.messages.values() if each.account_id == account_id]
        found.sort(key=lambda each: (each.created_at, each.message_id), reverse=True)
        return found[:limit]


def _require_whole(message: Message) -> None:
    require((message.state is MessageState.IN_FLIGHT) == (message.lease_until is not None), "message_check")
    require((message.ended_at is not None) == (message.state in ENDED), "message_check1")
