"""The port to contacts, templates, and the outbox of words: rows as they are, inside a transaction.

A message is written before anything is sent, in the transaction of what it tells of, and is named by what
happened, to whom and by which channel: whatever happens twice is told once.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from typing import Protocol
from uuid import UUID, uuid5

from compuerta.domain.contact import Channel, Language, Topic
from compuerta.domain.tariff.tally import Span


class MessageState(Enum):
    """Where a message stands."""

    WAITING = "waiting"
    IN_FLIGHT = "in_flight"  # somebody has leased it and is sending
    SENT = "sent"  # the channel took it; a receipt may still come
    DELIVERED = "delivered"
    FAILED = "failed"  # given up; somebody else was told
    DIGESTED = "digested"  # said in a digest, together with others
    DROPPED = "dropped"  # not wanted any more: opted out, or overtaken


ENDED = frozenset({MessageState.DELIVERED, MessageState.FAILED, MessageState.DIGESTED, MessageState.DROPPED})


@dataclass(frozen=True, slots=True, kw_only=True)
class Contact:
    """Where a person is reached: a resident by their account, or staff by their name; one of the two.

    What a resident adds is confirmed by a code that is sent there; until then nothing else is.
    """

    contact_id: UUID
    organisation_id: int
    account_id: int | None
    user_name: str | None
    channel: Channel
    address: str
    language: Language
    wants: frozenset[Topic]
    created_at: datetime
    confirmed_at: datetime | None
    opted_out_at: datetime | None = None
    code: str = ""  # that confirms it; "" when it is confirmed
    code_tries: int = 0

    def is_told(self, topic: Topic) -> bool:
        """Tell whether messages on a topic go here."""
        return self.opted_out_at is None and self.confirmed_at is not None and topic in self.wants


@dataclass(frozen=True, slots=True, kw_only=True)
class Template:
    """An organisation's own words in one language, instead of ours."""

    organisation_id: int
    name: str
    language: Language
    subject: str
    body: str
    changed_by: str
    changed_at: datetime
    codes: Mapping[str, str] = field(default_factory=dict)  # by channel: the provider's approved template


def message_id(occasion: UUID, contact_id: UUID) -> UUID:
    """Return the id of the one message that tells a contact of an occasion."""
    return uuid5(occasion, contact_id.hex)


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """What is told to one contact by one channel, of one occasion: the same for all who are told of it.

    `body` may hold `{address}`, the public address of this installation: only who sends knows it.
    """

    message_id: UUID
    occasion: UUID
    organisation_id: int
    account_id: int | None
    contact_id: UUID
    channel: Channel
    template: str
    language: Language
    fields: Mapping[str, str]
    urgent: bool
    subject: str
    body: str
    created_at: datetime
    due_at: datetime
    state: MessageState = MessageState.WAITING
    tries: int = 0
    lease_until: datetime | None = None
    lease_owner: str = ""
    provider_id: str | None = None
    sent_at: datetime | None = None
    ended_at: datetime | None = None
    last_answer: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Leased:
    """A message that is ours to send until the lease ends, with where it goes."""

    message: Message
    contact: Contact
    doubtful: bool = False  # an earlier lease ended without an outcome: it may be on its way already


class Messages(Protocol):
    """What a use case may ask about contacts, templates, and the outbox of words."""

    def uses_of(self, meter_ids: Iterable[int], *, since: datetime, until: datetime) -> dict[int, list[Span]]:
        """Return what meters have measured in (since, until], in order: by intervals, or between readings.

        An hour's first reading stands for the hour. Where a register ran backwards, nothing is told.
        """
        ...

    def listeners(self, account_ids: Iterable[int], *, topic: Topic) -> dict[int, list[Contact]]:
        """Return who is told of accounts on a topic: residents, and the staff of their organisations."""
        ...

    def contacts_of(self, account_ids: Iterable[int]) -> list[Contact]:
        """Return all contacts of accounts, by account and when they were added."""
        ...

    def staff_of(self, organisation_ids: Iterable[int], *, wants: Topic) -> list[Contact]:
        """Return the staff's contacts that want a topic and have not opted out, by organisation."""
        ...

    def contacts(self, contact_ids: Iterable[UUID]) -> dict[UUID, Contact]:
        """Return contacts by their ids, locked until the transaction ends."""
        ...

    def contacts_at(self, *, channel: Channel, address: str) -> list[Contact]:
        """Return all contacts that are reached at an address, by when they were added."""
        ...

    def put_contact(self, contact: Contact) -> None:
        """Write a new contact; the same id twice is once."""
        ...

    def save_contact(self, contact: Contact) -> None:
        """Write what may change of a contact: all but its id, its owner and when it was added."""
        ...

    def opt_out(self, contact_id: UUID, *, at: datetime) -> None:
        """Send nothing more to a contact; the first instant is kept."""
        ...

    def templates(self, organisation_ids: Iterable[int]) -> list[Template]:
        """Return organisations' own words."""
        ...

    def put_template(self, template: Template) -> None:
        """Write an organisation's own words, over those that it had."""
        ...

    def drop_template(self, organisation_id: int, *, name: str, language: Language) -> None:
        """Go back to our words."""
        ...

    def put_messages(self, messages: Sequence[Message]) -> None:
        """Write new messages; the same id twice is once."""
        ...

    def claim_due(self, *, now: datetime, until: datetime, owner: str, limit: int) -> list[Leased]:
        """Lease messages that are due, urgent ones first, then the oldest.

        Those whose lease has ended are among them, as doubtful.
        """
        ...

    def save_messages(self, messages: Sequence[Message]) -> None:
        """Write where messages stand: state, instants, tries, lease, answer, and the words as sent."""
        ...

    def messages(self, message_ids: Iterable[UUID]) -> dict[UUID, Message]:
        """Return messages by their ids, locked until the transaction ends."""
        ...

    def by_provider(self, *, channel: Channel, provider_id: str) -> Message | None:
        """Return the message that a channel's receipt names, locked until the transaction ends."""
        ...

    def sent_since(self, addresses: Iterable[str], *, since: datetime) -> dict[str, int]:
        """Return how many messages went to each of these addresses since an instant; 0 is left out."""
        ...

    def waiting_of(self, contact_ids: Iterable[UUID]) -> list[Message]:
        """Return what waits for contacts, by contact, the oldest first, locked until the transaction ends."""
        ...

    def of_account(self, account_id: int, *, limit: int) -> list[Message]:
        """Return the last messages about an account, the newest first."""
        ...
