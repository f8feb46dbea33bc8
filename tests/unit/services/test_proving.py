"""Who lives at a place proves it by a code that went to a confirmed contact of the account."""

from dataclasses import replace
from uuid import UUID

import pytest
from tests.unit.services.town import NOON, PLATFORM, SECOND, a_town, an_id

from compuerta.adapters.memory import MemoryStore
from compuerta.domain.contact import CODE_TRIES_MAX, RESIDENTS_TOPICS, Channel, Language
from compuerta.services import confirming, contacting, proving
from compuerta.services.acting import Actor
from compuerta.services.confirming import CODES_MAX, Confirmed, TooManyAsked
from compuerta.services.contacting import ContactWish
from compuerta.services.proving import CodeUnreachable

ANA = Actor(who="ana", why="moved in", origin="test")


def a_home(store: MemoryStore) -> tuple[int, UUID]:
    account_id = a_town(store, authorities=[PLATFORM]).homes[0].account_id
    wish = ContactWish(
        contact_id=an_id("phone"),
        account_id=account_id,
        channel=Channel.SMS,
        address="+8613800138000",
        language=Language.ENGLISH,
        wants=RESIDENTS_TOPICS,
    )
    return account_id, contacting.add(store, wish, ANA, now=NOON).contact_id


def test_a_code_goes_to_the_confirmed_contact_and_opens_once() -> None:
    store = MemoryStore()
    account_id, contact_id = a_home(store)

    proving.ask(store, contact_id, account_id=account_id, code="042042", now=NOON)

    (message,) = store.tables.messages.values()
    assert message.template == "confirm" and message.contact_id == contact_id
    assert proving.prove(store, contact_id, account_id=account_id, code=" 042042") is Confirmed.YES
    assert proving.prove(store, contact_id, account_id=account_id, code="042042") is Confirmed.WRONG
    assert proving.prove(store, contact_id, account_id=account_id, code="") is Confirmed.WRONG
    assert store.tables.contacts[contact_id].confirmed_at == NOON


def test_a_code_is_guessed_five_times_and_another_code_may_be_asked_for() -> None:
    store = MemoryStore()
    account_id, contact_id = a_home(store)
    proving.ask(store, contact_id, account_id=account_id, code="042042", now=NOON)

    guesses = {
        proving.prove(store, contact_id, account_id=account_id, code="000000") for _ in range(CODE_TRIES_MAX)
    }

    assert guesses == {Confirmed.WRONG}
    assert proving.prove(store, contact_id, account_id=account_id, code="042042") is Confirmed.TOO_OFTEN
    proving.ask(store, contact_id, account_id=account_id, code="111111", now=NOON + SECOND)
    assert proving.prove(store, contact_id, account_id=account_id, code="111111") is Confirmed.YES


def test_codes_of_an_account_are_few_whatever_they_are_for() -> None:
    store = MemoryStore()
    account_id, contact_id = a_home(store)
    for number in range(CODES_MAX):
        proving.ask(store, contact_id, account_id=account_id, code=str(number), now=NOON + number * SECOND)

    with pytest.raises(TooManyAsked):
        proving.ask(store, contact_id, account_id=account_id, code="7", now=NOON + CODES_MAX * SECOND)

    assert len(store.tables.messages) == CODES_MAX


def test_no_code_goes_to_another_account_nor_to_who_wants_none_nor_to_an_app() -> None:
    store = MemoryStore()
    account_id, contact_id = a_home(store)
    with pytest.raises(CodeUnreachable):
        proving.ask(store, an_id("nobody"), account_id=account_id, code="1", now=NOON)
    contact = store.tables.contacts[contact_id]
    for unfit in ({"opted_out_at": NOON}, {"confirmed_at": None}, {"channel": Channel.WECHAT}):
        store.tables.contacts[contact_id] = replace(contact, code="1", **unfit)  # type: ignore[arg-type]

        with pytest.raises(CodeUnreachable):
            proving.ask(store, contact_id, account_id=account_id, code="2", now=NOON)

    store.tables.contacts[contact_id] = replace(contact, code="1", opted_out_at=NOON)
    assert proving.prove(store, contact_id, account_id=account_id, code="1") is Confirmed.WRONG
    store.tables.contacts[contact_id] = replace(contact, code="1")
    assert proving.prove(store, contact_id, account_id=account_id + 1, code="1") is Confirmed.WRONG


def test_to_confirm_what_is_confirmed_proves_nothing() -> None:
    store = MemoryStore()
    account_id, contact_id = a_home(store)

    typed = confirming.confirm(store, contact_id, account_id=account_id, code="anything", now=NOON)

    assert typed is Confirmed.KNOWN
