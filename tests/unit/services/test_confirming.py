"""A resident's contact is theirs when somebody has typed the code that was sent there."""

from dataclasses import replace
from datetime import timedelta

import pytest
from tests.unit.services.town import NOON, PLATFORM, SECOND, a_town, an_id

from compuerta.adapters.memory import MemoryStore
from compuerta.domain.address import AddressFaulty
from compuerta.domain.contact import CODE_TRIES_MAX, RESIDENTS_TOPICS, Channel, Language
from compuerta.domain.wording import TemplateFaulty
from compuerta.services import confirming, contacting, rewording
from compuerta.services.acting import Actor
from compuerta.services.confirming import ASKED_MAX, CODES_MAX, Confirmed, TooManyAsked
from compuerta.services.contacting import CONTACTS_MAX, ContactRefused, ContactWish
from compuerta.services.message_port import Template

ANA = Actor(who="ana", why="clearer", origin="test")


def a_wish(
    account_id: int, *, address: str = "+8613800138000", channel: Channel = Channel.SMS
) -> ContactWish:
    return ContactWish(
        contact_id=an_id("unused"),
        account_id=account_id,
        channel=channel,
        address=address,
        language=Language.ENGLISH,
        wants=RESIDENTS_TOPICS,
    )


def a_home(store: MemoryStore) -> int:
    return a_town(store, authorities=[PLATFORM]).homes[0].account_id


def test_a_code_goes_to_the_address_and_opens_it_when_it_is_typed() -> None:
    store = MemoryStore()
    account_id = a_home(store)

    contact_id = confirming.ask(store, a_wish(account_id), code="042042", now=NOON)

    (message,) = store.tables.messages.values()
    assert message.template == "confirm" and message.urgent
    assert message.body.startswith("042042 confirms")
    assert store.tables.contacts[contact_id].confirmed_at is None
    typed = confirming.confirm(store, contact_id, account_id=account_id, code=" 042042 ", now=NOON + SECOND)
    assert typed is Confirmed.YES
    assert store.tables.contacts[contact_id].confirmed_at == NOON + SECOND


def test_a_code_is_guessed_five_times_and_no_more_whoever_asks_for_another() -> None:
    store = MemoryStore()
    account_id = a_home(store)
    contact_id = confirming.ask(store, a_wish(account_id), code="042042", now=NOON)

    def typed(code: str) -> Confirmed:
        return confirming.confirm(store, contact_id, account_id=account_id, code=code, now=NOON)

    assert {typed("000000") for _ in range(CODE_TRIES_MAX)} == {Confirmed.WRONG}
    confirming.ask(store, a_wish(account_id), code="111111", now=NOON)
    assert typed("111111") is Confirmed.TOO_OFTEN
    assert typed("") is Confirmed.TOO_OFTEN


def test_another_places_contact_is_not_opened_from_here() -> None:
    store = MemoryStore()
    account_id = a_home(store)
    contact_id = confirming.ask(store, a_wish(account_id), code="042042", now=NOON)

    opened = confirming.confirm(store, contact_id, account_id=account_id + 1, code="042042", now=NOON)

    assert opened is Confirmed.WRONG


def test_who_never_types_a_code_cannot_have_codes_sent_about_without_end() -> None:
    store = MemoryStore()
    account_id = a_home(store)
    for number in range(ASKED_MAX):
        confirming.ask(store, a_wish(account_id, address=f"+861380013800{number}"), code="1", now=NOON)

    with pytest.raises(TooManyAsked):
        confirming.ask(store, a_wish(account_id, address="+8613800138009"), code="1", now=NOON)

    tomorrow = NOON + timedelta(days=1)
    confirming.ask(store, a_wish(account_id, address="+8613800138009"), code="1", now=tomorrow)
    assert len(store.tables.contacts) == ASKED_MAX + 1


def test_one_address_is_not_sent_codes_without_end_either() -> None:
    store = MemoryStore()
    account_id = a_home(store)
    for number in range(CODES_MAX):
        confirming.ask(store, a_wish(account_id), code=str(number), now=NOON + number * SECOND)

    with pytest.raises(TooManyAsked):
        confirming.ask(store, a_wish(account_id), code="too many", now=NOON + CODES_MAX * SECOND)

    assert len(store.tables.messages) == CODES_MAX
    confirming.ask(store, a_wish(account_id), code="again", now=NOON + timedelta(days=2))


def test_addresses_that_nobody_confirmed_take_no_place_from_those_of_residents() -> None:
    store = MemoryStore()
    account_id = a_home(store)
    for number in range(CONTACTS_MAX):
        wish = a_wish(account_id, address=f"+86138001380{number:02d}")
        confirming.ask(store, wish, code="1", now=NOON + number * timedelta(days=1))

    later = NOON + CONTACTS_MAX * timedelta(days=1)
    mine = replace(a_wish(account_id, address="+34600000000"), contact_id=an_id("mine"))
    assert contacting.add(store, mine, ANA, now=later).confirmed_at == later


@pytest.mark.parametrize(
    ("channel", "address"), [(Channel.SMS, "12"), (Channel.SMS, "call me"), (Channel.EMAIL, "nobody")]
)
def test_an_address_that_is_none_is_refused_by_its_field(channel: Channel, address: str) -> None:
    store = MemoryStore()
    account_id = a_home(store)

    with pytest.raises(AddressFaulty) as refused:
        confirming.ask(store, a_wish(account_id, address=address, channel=channel), code="1", now=NOON)

    assert refused.value.field == "address"
    assert store.tables.contacts == {} == store.tables.messages


def test_residents_are_reached_by_what_a_person_can_type() -> None:
    store = MemoryStore()

    with pytest.raises(ContactRefused):
        confirming.ask(store, a_wish(a_home(store), channel=Channel.WEBHOOK), code="1", now=NOON)


def test_own_words_are_kept_with_an_audit_row_and_unknown_fields_are_not() -> None:
    store = MemoryStore()
    town = a_town(store)
    words = Template(
        organisation_id=town.organisation_id,
        name="warning",
        language=Language.ENGLISH,
        subject="Credit",
        body="Only {balance}",
        changed_by="ana",
        changed_at=NOON,
    )

    rewording.reword(store, words, actor=ANA, audit_id=an_id("one"))
    with pytest.raises(TemplateFaulty):
        rewording.reword(store, replace(words, body="{rent}"), actor=ANA, audit_id=an_id("two"))
    form = replace(words, body="half typed")
    rewording.use_ours(store, form, actor=ANA, audit_id=an_id("three"))
    rewording.use_ours(store, form, actor=ANA, audit_id=an_id("four"))

    told = [(each.what, each.before, each.after) for each in store.tables.audit]
    assert told == [("reword", "", "Only {balance}"), ("use our words", "Only {balance}", "")]
    assert store.tables.templates == {}
