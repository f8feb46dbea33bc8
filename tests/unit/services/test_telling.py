"""What happened is told once, to whoever wants to know, in their language, and not at night."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from tests.unit.services.town import HOUR, NOON, PLATFORM, Home, Town, a_town, an_id, paid, told

from compuerta.adapters.memory import MemoryStore
from compuerta.domain.contact import RESIDENTS_TOPICS, Channel, Language, Topic
from compuerta.domain.supply import Reason
from compuerta.services import telling
from compuerta.services.message_port import Contact, Message, Template
from compuerta.services.records import SupplyChange, Warned

DAY = timedelta(days=1)
NIGHT = '{"quiet": "22:00-07:00"}'
MIDNIGHT = NOON + 12 * HOUR  # in Shanghai


def a_contact(town: Town, name: str = "ana", *, channel: Channel = Channel.SMS) -> Contact:
    return Contact(
        contact_id=an_id(f"contact {name}"),
        organisation_id=town.organisation_id,
        account_id=town.homes[0].account_id,
        user_name=None,
        channel=channel,
        address="+8613800138000" if channel is Channel.SMS else f"{name}@example.org",
        language=Language.SPANISH,
        wants=RESIDENTS_TOPICS,
        created_at=NOON,
        confirmed_at=NOON,
    )


def a_colleague(town: Town, name: str, *topics: Topic) -> Contact:
    return replace(
        a_contact(town, name, channel=Channel.EMAIL),
        account_id=None,
        user_name=name,
        language=Language.ENGLISH,
        wants=frozenset(topics),
    )


def a_listening_town(store: MemoryStore, *contacts: str) -> Town:
    """A town whose first home has contacts by name, and credit."""
    town = a_town(store, authorities=[PLATFORM])
    with store.transaction() as tx:
        for name in contacts:
            tx.messages.put_contact(a_contact(town, name))
    return town


def a_warning(home: Home, *, level: str = "money:2000") -> Warned:
    return Warned(account_id=home.account_id, level=level, value=1_999, balance_minor=1_999, at=NOON)


def warn(store: MemoryStore, *warnings: Warned, now: datetime = NOON) -> list[Message]:
    with store.transaction() as tx:
        telling.warned(tx, warnings, now=now)
    return list(store.tables.messages.values())


def turn(home: Home, reason: Reason, *, closed: bool, was_closed: bool | None = True) -> SupplyChange:
    return SupplyChange(
        meter_id=home.meter_id,
        account_id=home.account_id,
        at=NOON,
        closed=closed,
        kept=False,
        reason=reason.value,
        was_closed=was_closed,
        was_reason=Reason.IN_CREDIT.value,
        until=NOON + 2 * HOUR,
    )


def changed(store: MemoryStore, change: SupplyChange) -> list[Message]:
    with store.transaction() as tx:
        views = tx.look_at([change.account_id], now=NOON)
        telling.supply_changed(tx, [change], views, now=NOON)
    return list(store.tables.messages.values())


def test_a_warning_is_told_to_each_contact_once() -> None:
    store = MemoryStore()
    town = a_listening_town(store, "ana", "eva")

    warn(store, a_warning(town.homes[0]))
    messages = warn(store, a_warning(town.homes[0]))

    assert len(messages) == 2
    assert {each.contact_id for each in messages} == {an_id("contact ana"), an_id("contact eva")}
    assert all("quedan 19,99 ¥" in each.body for each in messages)
    assert all("{address}/p/" in each.body for each in messages)


def test_another_level_is_another_message() -> None:
    store = MemoryStore()
    town = a_listening_town(store, "ana")

    messages = warn(store, a_warning(town.homes[0]), a_warning(town.homes[0], level="money:1000"))

    assert len(messages) == 2


def test_nobody_is_told_who_did_not_confirm_or_has_opted_out_or_wants_other_things() -> None:
    store = MemoryStore()
    town = a_listening_town(store)
    silent = (
        replace(a_contact(town, "new"), confirmed_at=None, code="123456"),
        replace(a_contact(town, "gone"), opted_out_at=NOON),
        replace(a_contact(town, "payer"), wants=frozenset({Topic.PAYMENT})),
    )
    with store.transaction() as tx:
        for each in silent:
            tx.messages.put_contact(each)

    assert warn(store, a_warning(town.homes[0])) == []


def test_the_first_channel_of_the_policy_that_somebody_has_is_used() -> None:
    store = MemoryStore()
    town = a_listening_town(store, "ana")
    with store.transaction() as tx:
        tx.messages.put_contact(a_contact(town, "mail", channel=Channel.EMAIL))
        tx.put_policy(
            scope="site", scope_id=town.site_id, document='{"channels": ["wechat", "email", "sms"]}'
        )

    assert [each.channel for each in warn(store, a_warning(town.homes[0]))] == [Channel.EMAIL]


def test_staff_who_wants_warnings_is_told_unless_the_policy_says_no() -> None:
    store = MemoryStore()
    town = a_listening_town(store)
    with store.transaction() as tx:
        tx.messages.put_contact(a_colleague(town, "luis", Topic.WARNING))
    (message,) = warn(store, a_warning(town.homes[0]))
    with store.transaction() as tx:
        tx.put_policy(scope="site", scope_id=town.site_id, document='{"tells_staff": false}')

    assert message.language is Language.ENGLISH
    assert warn(store, a_warning(town.homes[0], level="money:1000")) == [message]


def test_a_warning_waits_for_the_end_of_quiet_hours_and_a_cut_does_not() -> None:
    store = MemoryStore()
    town = a_listening_town(store, "ana")
    with store.transaction() as tx:
        tx.put_policy(scope="site", scope_id=town.site_id, document=NIGHT)
    cut = replace(turn(town.homes[0], Reason.OUT_OF_CREDIT, closed=False), at=MIDNIGHT)

    warn(store, a_warning(town.homes[0]), now=MIDNIGHT)
    with store.transaction() as tx:
        telling.supply_changed(tx, [cut], tx.look_at([cut.account_id], now=MIDNIGHT), now=MIDNIGHT)

    due = {each.template: (each.due_at, each.urgent) for each in store.tables.messages.values()}
    assert due == {"warning": (MIDNIGHT + 7 * HOUR, False), "cut": (MIDNIGHT, True)}


@pytest.mark.parametrize(
    ("reason", "closed", "was_closed", "template"),
    [
        (Reason.OUT_OF_CREDIT, False, True, "cut"),
        (Reason.SAFETY_HOLD, False, True, "cut"),
        (Reason.IN_CREDIT, True, False, "restored"),
        (Reason.LAST_CHANCE, True, True, "last_chance"),
        (Reason.EMERGENCY_CREDIT, True, False, "emergency"),
        (Reason.TEMPORARY_SUPPLY, True, False, "temporary"),
        (Reason.PROTECTED, True, True, None),
        (Reason.OUT_OF_CREDIT, False, False, None),  # off for another reason than before
        (Reason.IN_CREDIT, True, None, None),  # the first decision of all
    ],
)
def test_residents_are_told_what_they_notice_of_their_supply(
    reason: Reason, closed: bool, was_closed: bool | None, template: str | None
) -> None:
    store = MemoryStore()
    town = a_listening_town(store, "ana")

    messages = changed(store, turn(town.homes[0], reason, closed=closed, was_closed=was_closed))

    assert [each.template for each in messages] == ([] if template is None else [template])


def test_a_last_chance_says_when_supply_ends() -> None:
    store = MemoryStore()
    town = a_listening_town(store, "ana")

    (message,) = changed(store, turn(town.homes[0], Reason.LAST_CHANCE, closed=True))

    assert "Corte el domingo 14:00" in message.body


def test_an_organisations_own_words_replace_ours() -> None:
    store = MemoryStore()
    town = a_listening_town(store, "ana")
    own = Template(
        organisation_id=town.organisation_id,
        name="warning",
        language=Language.SPANISH,
        subject="Casa",
        body="Solo {balance}",
        changed_by="luis",
        changed_at=NOON,
    )
    with store.transaction() as tx:
        tx.messages.put_template(own)

    (message,) = warn(store, a_warning(town.homes[0]))

    assert (message.subject, message.body) == ("Casa", "Solo 19,99 ¥")


def test_a_warning_says_when_the_balance_will_be_used_up() -> None:
    store = MemoryStore()
    town = a_listening_town(store, "ana")
    home = town.homes[0]
    paid(store, home, amount_minor=5_000)
    for hour in range(72):
        told(store, home, at=NOON + hour * HOUR, energy_wh=500 * hour)

    # 26.5 fen an hour, so that 1,999 last for 75 hours: Wednesday noon and three days.
    messages = warn(store, replace(a_warning(home), at=NOON + 71 * HOUR), now=NOON + 71 * HOUR)

    assert "Se agota: hacia el sábado 14:00" in messages[-1].body


def test_an_alarm_goes_to_staff_who_wants_alarms_and_to_no_resident() -> None:
    store = MemoryStore()
    town = a_listening_town(store, "ana")
    with store.transaction() as tx:
        tx.messages.put_contact(a_colleague(town, "luis", Topic.ALARM))
        tx.messages.put_contact(a_colleague(town, "eva", Topic.PAYMENT))
    raised = telling.AlarmRaised(
        organisation_id=town.organisation_id,
        alarm_id=an_id("alarm"),
        kind="cover_open",
        severity="danger",
        place="302",
        at=NOON,
        zone="Asia/Shanghai",
        urgent=True,
    )

    with store.transaction() as tx:
        telling.alarm_raised(tx, [raised, raised], now=NOON)

    (message,) = store.tables.messages.values()
    assert (message.contact_id, message.urgent) == (an_id("contact luis"), True)
    assert message.body == "danger: cover open. 302, Sunday 12:00."


def test_a_payment_and_a_welcome_are_told_once() -> None:
    store = MemoryStore()
    town = a_listening_town(store, "ana")
    account_id = town.homes[0].account_id
    arrived = telling.PaymentArrived(account_id=account_id, recharge_id=an_id("r"), amount_minor=5_000)

    for _ in range(2):
        with store.transaction() as tx:
            telling.payment_arrived(tx, [arrived], now=NOON)
            telling.welcome(tx, [account_id], now=NOON)

    assert sorted(each.template for each in store.tables.messages.values()) == ["payment", "welcome"]


def test_the_message_of_a_payment_leads_to_its_receipt() -> None:
    store = MemoryStore()
    town = a_listening_town(store, "ana")
    arrived = telling.PaymentArrived(
        account_id=town.homes[0].account_id, recharge_id=an_id("r"), amount_minor=5_000
    )

    with store.transaction() as tx:
        telling.payment_arrived(tx, [arrived], now=NOON)

    (message,) = store.tables.messages.values()
    assert message.body.endswith(f"{{address}}/p/{an_id('token of flat 1')}/receipts/{an_id('r')}")
