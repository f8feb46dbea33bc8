"""The store port: contacts, templates, and the outbox of words."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from tests.contract.conftest import Shelf
from tests.unit.services.town import HOUR, METER, NOON, SECOND, Town, a_town, an_id

from compuerta.domain.contact import RESIDENTS_TOPICS, Channel, Language, Topic
from compuerta.services.message_port import Contact, Message, MessageState, Template, message_id
from compuerta.services.store_port import ConstraintBroken, Store

DAY = timedelta(days=1)


def a_contact(town: Town, *, name: str = "ana", account_id: int | None = None) -> Contact:
    return Contact(
        contact_id=an_id(f"contact {name}"),
        organisation_id=town.organisation_id,
        account_id=account_id or town.homes[0].account_id,
        user_name=None,
        channel=Channel.SMS,
        address="+8613800138000",
        language=Language.CHINESE,
        wants=RESIDENTS_TOPICS,
        created_at=NOON,
        confirmed_at=NOON,
    )


def a_colleague(town: Town, *, name: str = "luis", topic: Topic = Topic.ALARM) -> Contact:
    return replace(
        a_contact(town, name=name),
        account_id=None,
        user_name=name,
        channel=Channel.EMAIL,
        address=f"{name}@example.org",
        wants=frozenset({topic}),
    )


def a_message(contact: Contact, *, name: str = "hello", urgent: bool = False) -> Message:
    occasion = an_id(f"occasion {name}")
    return Message(
        message_id=message_id(occasion, contact.contact_id),
        occasion=occasion,
        organisation_id=contact.organisation_id,
        account_id=contact.account_id,
        contact_id=contact.contact_id,
        channel=contact.channel,
        template="warning",
        language=contact.language,
        fields={"balance": "19.99 CNY"},
        urgent=urgent,
        subject="",
        body="19.99 CNY left",
        created_at=NOON,
        due_at=NOON,
    )


def a_house(store: Store, *messages: str) -> tuple[Contact, list[Message]]:
    """A contact, and messages to it by name."""
    town = a_town(store)
    contact = a_contact(town)
    written = [a_message(contact, name=name) for name in messages]
    with store.transaction() as tx:
        tx.messages.put_contact(contact)
        tx.messages.put_messages(written)
    return contact, written


def claimed(store: Store, *, now: datetime = NOON, limit: int = 10) -> list[Message]:
    with store.transaction() as tx:
        leased = tx.messages.claim_due(now=now, until=now + HOUR, owner="worker-1", limit=limit)
    return [each.message for each in leased]


def test_contacts_are_found_by_account_and_come_back_as_they_were_put(store: Store) -> None:
    town = a_town(store, authorities=[METER, METER])
    mine = a_contact(town)
    other = a_contact(town, name="eva", account_id=town.homes[1].account_id)

    with store.transaction() as tx:
        tx.messages.put_contact(mine)
        tx.messages.put_contact(other)
        found = tx.messages.contacts_of([town.homes[0].account_id])

    assert found == [mine]


def test_contacts_are_found_by_where_they_are_reached(store: Store) -> None:
    town = a_town(store, authorities=[METER, METER])
    mine = a_contact(town)
    other = replace(
        a_contact(town, name="eva", account_id=town.homes[1].account_id), created_at=NOON + SECOND
    )

    with store.transaction() as tx:
        for each in (mine, other, a_colleague(town)):
            tx.messages.put_contact(each)
        found = tx.messages.contacts_at(channel=Channel.SMS, address=mine.address)
        none = tx.messages.contacts_at(channel=Channel.EMAIL, address=mine.address)

    assert (found, none) == ([mine, other], [])


def test_a_contact_put_twice_is_there_once_and_stays_as_it_was(shelf: Shelf) -> None:
    contact, _ = a_house(shelf.store)

    with shelf.store.transaction() as tx:
        tx.messages.put_contact(replace(contact, address="+8613800138001"))
        kept = tx.messages.contacts([contact.contact_id])

    assert shelf.count("contact") == 1
    assert kept == {contact.contact_id: contact}


def test_a_contact_belongs_to_an_account_or_to_somebody_of_the_staff(store: Store) -> None:
    town = a_town(store)
    both = replace(a_contact(town), user_name="luis")

    with pytest.raises(ConstraintBroken), store.transaction() as tx:
        tx.messages.put_contact(both)
        tx.messages.contacts_of([])


def test_staff_is_found_by_what_it_wants_unless_it_opted_out(store: Store) -> None:
    town = a_town(store)
    luis, eva = a_colleague(town), a_colleague(town, name="eva", topic=Topic.SUPPLY)
    gone = a_colleague(town, name="gone")

    with store.transaction() as tx:
        for each in (luis, eva, gone, a_contact(town)):
            tx.messages.put_contact(each)
        tx.messages.opt_out(gone.contact_id, at=NOON)
        found = tx.messages.staff_of([town.organisation_id], wants=Topic.ALARM)

    assert found == [luis]


def test_whoever_opts_out_twice_has_opted_out_since_the_first_time(store: Store) -> None:
    contact, _ = a_house(store)

    with store.transaction() as tx:
        tx.messages.opt_out(contact.contact_id, at=NOON)
        tx.messages.opt_out(contact.contact_id, at=NOON + HOUR)
        kept = tx.messages.contacts([contact.contact_id])[contact.contact_id]

    assert kept.opted_out_at == NOON
    assert not kept.is_told(Topic.WARNING)


def test_a_saved_contact_changes_all_but_whose_it_is(store: Store) -> None:
    contact, _ = a_house(store)
    changed = replace(
        contact, address="+8613800138001", language=Language.SPANISH, code="123456", code_tries=2
    )

    with store.transaction() as tx:
        tx.messages.save_contact(replace(changed, created_at=NOON + HOUR))
        kept = tx.messages.contacts([contact.contact_id])[contact.contact_id]

    assert kept == changed


def test_an_organisations_own_words_replace_those_it_had(store: Store) -> None:
    town = a_town(store)
    words = Template(
        organisation_id=town.organisation_id,
        name="warning",
        language=Language.SPANISH,
        subject="Saldo",
        body="Quedan {balance}",
        changed_by="luis",
        changed_at=NOON,
        codes={"sms": "SMS_1"},
    )
    newer = replace(words, body="Quedan solo {balance}", codes={})

    with store.transaction() as tx:
        tx.messages.put_template(words)
        tx.messages.put_template(newer)
        kept = tx.messages.templates([town.organisation_id])
        tx.messages.drop_template(town.organisation_id, name="warning", language=Language.SPANISH)
        left = tx.messages.templates([town.organisation_id])

    assert kept == [newer]
    assert left == []


def test_a_message_put_twice_is_there_once(shelf: Shelf) -> None:
    _, (message,) = a_house(shelf.store, "hello")

    with shelf.store.transaction() as tx:
        tx.messages.put_messages([replace(message, body="again")])
        kept = tx.messages.messages([message.message_id])

    assert shelf.count("message") == 1
    assert kept == {message.message_id: message}


def test_a_message_is_leased_by_one_and_again_when_the_lease_has_ended(store: Store) -> None:
    _, (message,) = a_house(store, "hello")

    first = claimed(store)
    meanwhile = claimed(store, now=NOON + HOUR - SECOND)
    after = claimed(store, now=NOON + HOUR)

    assert [(each.tries, each.state) for each in first] == [(1, MessageState.IN_FLIGHT)]
    assert meanwhile == []
    assert [(each.message_id, each.tries) for each in after] == [(message.message_id, 2)]


def test_a_claim_brings_the_contact_that_the_message_goes_to(store: Store) -> None:
    contact, _ = a_house(store, "hello")

    with store.transaction() as tx:
        (leased,) = tx.messages.claim_due(now=NOON, until=NOON + HOUR, owner="worker-1", limit=1)

    assert leased.contact == contact


def test_urgent_messages_go_first_and_what_is_not_due_does_not_go(store: Store) -> None:
    contact, _ = a_house(store)
    early = replace(a_message(contact, name="early"), due_at=NOON - HOUR)
    cut = a_message(contact, name="cut", urgent=True)
    later = replace(a_message(contact, name="later"), due_at=NOON + SECOND)

    with store.transaction() as tx:
        tx.messages.put_messages([early, cut, later])

    assert [each.message_id for each in claimed(store)] == [cut.message_id, early.message_id]


def test_no_more_is_claimed_than_was_asked_for(store: Store) -> None:
    a_house(store, "one", "two", "three")

    assert len(claimed(store, limit=2)) == 2
    assert len(claimed(store, limit=2)) == 1


def test_what_was_sent_is_found_by_the_name_that_the_channel_gave_it(store: Store) -> None:
    _, _ = a_house(store, "hello")
    (leased,) = claimed(store)
    sent = replace(
        leased,
        state=MessageState.SENT,
        lease_until=None,
        lease_owner="",
        provider_id="1000^0",
        sent_at=NOON,
        last_answer="OK",
    )

    with store.transaction() as tx:
        tx.messages.save_messages([sent])
        found = tx.messages.by_provider(channel=Channel.SMS, provider_id="1000^0")
        other = tx.messages.by_provider(channel=Channel.EMAIL, provider_id="1000^0")

    assert found == sent
    assert other is None
    assert claimed(store, now=NOON + DAY) == []


def test_a_message_whose_lease_ended_without_an_outcome_is_leased_as_doubtful(store: Store) -> None:
    a_house(store, "hello")
    with store.transaction() as tx:
        (first,) = tx.messages.claim_due(now=NOON, until=NOON + HOUR, owner="one", limit=10)

    with store.transaction() as tx:
        later = NOON + HOUR
        (again,) = tx.messages.claim_due(now=later, until=later + HOUR, owner="two", limit=10)

    assert (first.doubtful, again.doubtful) == (False, True)
    assert (first.message.tries, again.message.tries) == (1, 2)


def test_a_message_cannot_be_in_flight_without_a_lease(store: Store) -> None:
    _, (message,) = a_house(store, "hello")

    with pytest.raises(ConstraintBroken), store.transaction() as tx:
        tx.messages.save_messages([replace(message, state=MessageState.IN_FLIGHT)])
        tx.messages.messages([])


def test_messages_are_counted_by_the_address_that_they_went_to(store: Store) -> None:
    contact, _ = a_house(store, "one", "two", "old", "unsent")
    one, two, old, unsent = (
        replace(each, lease_until=None, state=MessageState.SENT) for each in claimed(store)
    )

    with store.transaction() as tx:
        tx.messages.save_messages(
            [
                replace(one, sent_at=NOON),
                replace(two, sent_at=NOON + SECOND),
                replace(old, sent_at=NOON - SECOND),
                replace(unsent, state=MessageState.WAITING),
            ]
        )
        counted = tx.messages.sent_since([contact.address, "+34600000000"], since=NOON)

    assert counted == {contact.address: 2}


def test_what_waits_for_a_contact_is_what_a_digest_would_say(store: Store) -> None:
    contact, written = a_house(store, "one", "two", "three")
    claimed(store, limit=1)

    with store.transaction() as tx:
        waiting = tx.messages.waiting_of([contact.contact_id])

    assert len(waiting) == len(written) - 1
    assert all(each.state is MessageState.WAITING for each in waiting)


def test_an_accounts_messages_are_shown_newest_first(store: Store) -> None:
    contact, _ = a_house(store)
    first, second, third = (
        replace(a_message(contact, name=f"number {number}"), created_at=NOON + number * SECOND)
        for number in range(3)
    )

    with store.transaction() as tx:
        tx.messages.put_messages([second, first, third])
        shown = tx.messages.of_account(contact.account_id or 0, limit=2)

    assert shown == [third, second]
