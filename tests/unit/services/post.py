"""A post office for tests of sending: carriers that answer as they are told, and messages that wait."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from uuid import UUID

from tests.unit.services.town import NOON, Town, a_town, an_id

from compuerta.adapters.memory import MemoryStore
from compuerta.domain.contact import RESIDENTS_TOPICS, Channel, Language, Topic
from compuerta.services import sending
from compuerta.services.message_port import Contact, Message, MessageState, message_id
from compuerta.services.notifier_port import Sent, Verdict
from compuerta.services.sending import CarrierTerms, Handover, Outcome, Sender

NEVER = timedelta(0)
ACCEPTED = Sent(verdict=Verdict.ACCEPTED, provider_id="p-1", detail="OK")
LATER = Sent(verdict=Verdict.LATER, detail="busy", healthy=False)
UNKNOWN = Sent(verdict=Verdict.UNKNOWN, detail="no answer", healthy=False)
REFUSED = Sent(verdict=Verdict.REFUSED, detail="no such number")
UNWANTED = Sent(verdict=Verdict.UNWANTED, detail="unfollowed")
ADDRESSES = {
    Channel.SMS: "+8613800138000",
    Channel.EMAIL: "ana@example.org",
    Channel.WECHAT: "o-ana-1234",
    Channel.WEBHOOK: "ana",
    Channel.APPRISE: "room",
}


@dataclass
class Post:
    """One account with contacts, in memory; `now` goes when a test says so."""

    store: MemoryStore = field(default_factory=MemoryStore)
    now: datetime = NOON
    repeat_within: timedelta = NEVER
    handed_over: list[Handover] = field(default_factory=list)
    town: Town = field(init=False)

    def __post_init__(self) -> None:
        self.town = a_town(self.store)

    def sender(self, owner: str = "worker") -> Sender:
        return Sender(
            owner=owner,
            carrier_of=lambda _, channel: CarrierTerms(name=channel.value, repeat_within=self.repeat_within),
            public_url="https://casa.example",
            opt_out_url=lambda contact_id: f"https://casa.example/no-more/{contact_id}",
        )

    def has_contact(
        self, channel: Channel, *, name: str = "ana", language: Language = Language.CHINESE
    ) -> Contact:
        contact = Contact(
            contact_id=an_id(f"{name} {channel.value}"),
            organisation_id=self.town.organisation_id,
            account_id=self.town.homes[0].account_id,
            user_name=None,
            channel=channel,
            address=ADDRESSES[channel],
            language=language,
            wants=RESIDENTS_TOPICS,
            created_at=NOON + timedelta(seconds=len(self.store.tables.contacts)),
            confirmed_at=NOON,
        )
        with self.store.transaction() as tx:
            tx.messages.put_contact(contact)
        return contact

    def has_colleague(self, name: str, channel: Channel) -> Contact:
        contact = replace(
            self.has_contact(channel, name=f"somebody like {name}"),
            contact_id=an_id(f"colleague {name} {channel.value}"),
            account_id=None,
            user_name=name,
            address=f"{name}@example.org" if channel is Channel.EMAIL else name,
            wants=frozenset({Topic.ALARM}),
        )
        with self.store.transaction() as tx:
            tx.messages.put_contact(contact)
        return contact

    def says(
        self,
        contact: Contact,
        name: str = "low",
        *,
        urgent: bool = False,
        template: str = "warning",
        fields: Mapping[str, str] | None = None,
    ) -> Message:
        occasion = an_id(f"occasion {name}")
        message = Message(
            message_id=message_id(occasion, contact.contact_id),
            occasion=occasion,
            organisation_id=contact.organisation_id,
            account_id=contact.account_id,
            contact_id=contact.contact_id,
            channel=contact.channel,
            template=template,
            language=contact.language,
            fields=fields or {"balance": "19.99"},
            urgent=urgent,
            subject=name,
            body=f"{name}: pay at {{address}}/pay",
            created_at=self.now,
            due_at=self.now,
        )
        with self.store.transaction() as tx:
            tx.messages.put_messages([message])
        return message

    def claims(self, owner: str = "worker") -> list[Handover]:
        return sending.claim(self.store, self.sender(owner), now=self.now)

    def round(self, answer: Callable[[Handover], Sent], *, owner: str = "worker") -> list[Handover]:
        """Hand over what is due; every carrier answers by a function."""
        claimed = self.claims(owner)
        self.handed_over += claimed
        self.concludes([Outcome(handover=each, sent=answer(each)) for each in claimed], owner=owner)
        return claimed

    def concludes(self, outcomes: Sequence[Outcome], *, owner: str = "worker") -> None:
        sending.conclude(self.store, outcomes, owner=owner, now=self.now)

    def runs_for(self, span: timedelta, answer: Callable[[Handover], Sent]) -> None:
        """Do a round every ten seconds."""
        until = self.now + span
        while self.now < until:
            self.round(answer)
            self.now += timedelta(seconds=10)

    def one(self, message_id: UUID) -> Message:
        return self.store.tables.messages[message_id]

    def states(self) -> dict[str, MessageState]:
        return {each.channel.value: each.state for each in self.store.tables.messages.values()}

    def alarms(self, kind: str) -> list[str]:
        return [subject for at, subject in self.store.tables.alarms if at == kind]

    def policy(self, document: str) -> None:
        with self.store.transaction() as tx:
            tx.put_policy(scope="account", scope_id=self.town.homes[0].account_id, document=document)


def accepting(handover: Handover) -> Sent:
    """Every carrier takes everything."""
    return replace(ACCEPTED, provider_id=f"p-{handover.letter.message_id}")


def down(*channels: Channel) -> Callable[[Handover], Sent]:
    """These channels are down and the others take everything."""
    return lambda handover: LATER if handover.channel in channels else accepting(handover)
