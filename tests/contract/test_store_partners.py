"""Keys, webhooks and billers' payments, in both stores, and by the use cases that write them."""

from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from uuid import UUID

import pytest
from tests.contract.conftest import Shelf
from tests.unit.services.town import (
    NOON,
    SECOND,
    WECHAT,
    Home,
    a_town,
    an_attempt,
    an_id,
)

from compuerta.domain.naming import derived
from compuerta.domain.payment import AttemptState, PaymentNotice, payment_id
from compuerta.services import ordering, partnering, receipting, vend
from compuerta.services.acting import Actor
from compuerta.services.partner_port import (
    Answer,
    BillerPayment,
    Delivery,
    DeliveryState,
    Due,
    Event,
    KeyName,
    KeyRow,
    Webhook,
)
from compuerta.services.partnering import KeyBusy, KeyReused, Told, WebhookFaulty, WebhookUnknown
from compuerta.services.payment_ports import OrderAnswer, OrderState
from compuerta.services.store_port import ConstraintBroken, Store

NAME = KeyName(organisation_id=1, caller="app", key="k1")
ANA = Actor(who="ana", why="our partner asked", origin="console")
URL = "https://partner.example/hooks?x=1"


def a_webhook(*events: Event, name: str = "hook", url: str = URL) -> Webhook:
    return Webhook(
        webhook_id=an_id(name),
        organisation_id=1,
        url=url,
        events=frozenset(events or Event),
        made_by="ana",
        made_at=NOON,
    )


def add(store: Store, webhook: Webhook, *, inside: bool = False) -> None:
    partnering.add_webhook(store, webhook, actor=ANA, audit_id=webhook.webhook_id, inside=inside, now=NOON)


def pay(store: Store, home: Home, *, amount_minor: int = 5_000) -> UUID:
    """Pay an attempt of this home, and return its id."""
    attempt = an_attempt(home.account_id)
    with store.transaction() as tx:
        tx.put_attempt(attempt)
    notice = PaymentNotice(
        provider=WECHAT,
        transaction_no="4200001",
        reference=attempt.reference,
        amount_minor=attempt.amount_minor,
        currency=attempt.currency,
        paid_at=NOON,
    )
    assert vend.accept_payments(store, [notice], now=NOON + SECOND) == [vend.Outcome.CREDITED]
    return attempt.attempt_id


def due(store: Store, *, now: datetime = NOON + SECOND, busy: Collection[UUID] = ()) -> list[Due]:
    return partnering.due(store, now=now, limit=100, busy=busy)


def concluded(store: Store, told: Sequence[Due], *, heard: bool, now: datetime) -> list[Delivery]:
    detail = "HTTP 204" if heard else "HTTP 500"
    partnering.conclude(store, [Told(due=each, was_heard=heard, detail=detail) for each in told], now=now)
    with store.transaction() as tx:
        keys = [(each.delivery.webhook_id, each.delivery.delivery_id) for each in told]
        found = [tx.partners.delivery(*key) for key in keys]
    return [each for each in found if each is not None]


# keys --------------------------------------------------------------------------------------------------


def test_a_key_is_answered_the_same_once_it_has_been_answered(store: Store) -> None:
    a_town(store)
    given = Answer(status=201, body='{"ñ": "电"}')

    first = partnering.begin(store, NAME, mark="m", now=NOON)
    partnering.answer(store, NAME, given=given, now=NOON)

    assert first is None
    assert partnering.begin(store, NAME, mark="m", now=NOON) == given


def test_a_key_with_another_request_is_refused(store: Store) -> None:
    a_town(store)
    partnering.begin(store, NAME, mark="m", now=NOON)

    with pytest.raises(KeyReused):
        partnering.begin(store, NAME, mark="other", now=NOON)


def test_a_key_that_is_worked_on_is_busy_until_whoever_has_it_must_have_crashed(store: Store) -> None:
    a_town(store)
    partnering.begin(store, NAME, mark="m", now=NOON)

    with pytest.raises(KeyBusy):
        partnering.begin(store, NAME, mark="m", now=NOON + timedelta(seconds=59))

    assert partnering.begin(store, NAME, mark="m", now=NOON + timedelta(seconds=60)) is None
    with pytest.raises(KeyBusy):
        partnering.begin(store, NAME, mark="m", now=NOON + timedelta(seconds=61))


def test_what_nobody_knows_yet_is_no_answer(store: Store) -> None:
    a_town(store)
    partnering.begin(store, NAME, mark="m", now=NOON)

    partnering.answer(store, NAME, given=None, now=NOON)

    assert partnering.begin(store, NAME, mark="m", now=NOON) is None


def test_the_first_answer_stays(store: Store) -> None:
    a_town(store)
    partnering.begin(store, NAME, mark="m", now=NOON)
    partnering.answer(store, NAME, given=Answer(status=200, body="first"), now=NOON)

    partnering.answer(store, NAME, given=Answer(status=200, body="second"), now=NOON)

    assert partnering.begin(store, NAME, mark="m", now=NOON) == Answer(status=200, body="first")


@pytest.mark.parametrize("other", [{"organisation_id": 2}, {"caller": "till"}, {"key": "k2"}])
def test_keys_of_others_are_others(store: Store, other: dict[str, int | str]) -> None:
    a_town(store)
    with store.transaction() as tx:
        tx.add_organisation("next door")
    partnering.begin(store, NAME, mark="m", now=NOON)

    assert partnering.begin(store, replace(NAME, **other), mark="other", now=NOON) is None  # type: ignore[arg-type]


def test_a_key_is_forgotten_after_a_day(store: Store) -> None:
    a_town(store)
    partnering.begin(store, NAME, mark="m", now=NOON)

    early = partnering.sweep(store, after=0, now=NOON + partnering.KEY_KEPT)
    kept = _has_key(store)
    partnering.sweep(store, after=0, now=NOON + partnering.KEY_KEPT + SECOND)

    assert early is None
    assert kept
    assert not _has_key(store)


def test_a_key_without_letters_is_refused_by_the_store(store: Store) -> None:
    a_town(store)
    row = KeyRow(name=replace(NAME, key=""), request_mark="m", created_at=NOON, taken_at=NOON)

    with pytest.raises(ConstraintBroken), store.transaction() as tx:
        tx.partners.put_key(row)


# webhooks ----------------------------------------------------------------------------------------------


def test_a_payment_is_told_to_those_who_want_it(store: Store) -> None:
    home = a_town(store).homes[0]
    add(store, a_webhook(Event.PAID))
    add(store, a_webhook(Event.FAILED, name="deaf"))
    attempt_id = pay(store, home)

    (told,) = due(store)

    assert told.delivery.event is Event.PAID
    assert told.webhook.webhook_id == an_id("hook")
    assert told.facts.attempt_id == attempt_id
    assert told.facts.amount_minor == 5_000
    assert told.facts.currency == "CNY"


def test_without_a_webhook_nothing_is_queued(shelf: Shelf) -> None:
    pay(shelf.store, a_town(shelf.store).homes[0])

    assert due(shelf.store, now=NOON + 60 * SECOND) == []
    assert shelf.count("webhook_delivery") == 0


def test_what_happens_twice_is_told_once(store: Store) -> None:
    home = a_town(store).homes[0]
    add(store, a_webhook(Event.PAID))
    attempt_id = pay(store, home)
    with store.transaction() as tx:
        attempt = tx.attempt(attempt_id)
    assert attempt is not None
    again = PaymentNotice(
        provider=WECHAT,
        transaction_no="4200001",
        reference=attempt.reference,
        amount_minor=attempt.amount_minor,
        currency=attempt.currency,
        paid_at=NOON,
    )

    vend.accept_payments(store, [again, again], now=NOON + 2 * SECOND)

    assert len(due(store, now=NOON + 60 * SECOND)) == 1


def test_an_attempt_that_ends_without_money_is_told(store: Store) -> None:
    home = a_town(store).homes[0]
    add(store, a_webhook(Event.FAILED))
    attempt = replace(an_attempt(home.account_id), state=AttemptState.PRESENTED)
    with store.transaction() as tx:
        tx.put_attempt(attempt)

    ordering.answered(store, {attempt.attempt_id: OrderAnswer(state=OrderState.CLOSED)}, now=NOON)

    (told,) = due(store)
    assert told.delivery.event is Event.FAILED
    assert told.facts.attempt_id == attempt.attempt_id


def test_a_receipt_is_told_when_it_is_first_handed_out(store: Store) -> None:
    home = a_town(store).homes[0]
    add(store, a_webhook(Event.RECEIPT))
    pay(store, home)
    recharge_id = derived(payment_id(provider=WECHAT, transaction_no="4200001"), "recharge")

    for name in ("first", "second"):
        receipting.hand_out(
            store, account_id=home.account_id, recharge_id=recharge_id, token=an_id(name), now=NOON + SECOND
        )

    (told,) = due(store)
    assert told.delivery.recharge_id == recharge_id
    assert told.facts.amount_minor == 5_000


def test_a_body_says_the_same_at_every_try(store: Store) -> None:
    add_and_pay(store)
    (first,) = due(store)
    concluded(store, [first], heard=False, now=NOON + SECOND)

    (second,) = due(store, now=NOON + timedelta(minutes=1))

    assert second.delivery.tries == 2
    assert partnering.body_of(second) == partnering.body_of(first)


def test_what_was_heard_is_told_no_more(store: Store) -> None:
    add_and_pay(store)

    (kept,) = concluded(store, due(store), heard=True, now=NOON + SECOND)

    assert kept.state is DeliveryState.DONE
    assert due(store, now=NOON + timedelta(days=2)) == []


def test_what_is_not_heard_is_told_ever_less_often_and_given_up_after_a_day(store: Store) -> None:
    add_and_pay(store)
    now, waits = NOON + SECOND, []
    for _ in range(50):
        found = due(store, now=now)
        if not found:
            break
        (kept,) = concluded(store, found, heard=False, now=now)
        if kept.due_at is None:
            break
        waits.append(kept.due_at - now)
        now = kept.due_at

    assert kept.state is DeliveryState.GIVEN_UP
    assert kept.last_answer == "HTTP 500"
    assert waits == sorted(waits)
    assert waits[0] == timedelta(seconds=5)
    assert now - NOON <= partnering.GIVEN_UP_AFTER + SECOND


def test_a_lease_that_ends_is_told_again(store: Store) -> None:
    add_and_pay(store)
    due(store)

    assert due(store, now=NOON + partnering.LEASE) == []
    assert len(due(store, now=NOON + partnering.LEASE + SECOND)) == 1


def test_a_webhook_that_is_busy_is_left_alone(store: Store) -> None:
    add_and_pay(store)

    assert due(store, busy=[an_id("hook")]) == []
    assert len(due(store)) == 1


def test_a_webhook_that_has_ended_is_told_no_more(store: Store) -> None:
    add_and_pay(store)
    partnering.end_webhook(
        store, an_id("hook"), organisation_id=1, actor=ANA, audit_id=an_id("end"), now=NOON
    )

    told = due(store)

    assert told == []
    assert _state(store) is DeliveryState.GIVEN_UP
    with pytest.raises(WebhookUnknown):
        partnering.rotate(store, an_id("hook"), organisation_id=1, actor=ANA, audit_id=an_id("r"), now=NOON)


def test_what_was_given_up_is_told_again_by_hand(store: Store) -> None:
    add_and_pay(store)
    (given_up,) = due(store)
    later = NOON + timedelta(days=2)
    concluded(store, [given_up], heard=False, now=later)

    partnering.tell_again(store, an_id("hook"), given_up.delivery.delivery_id, organisation_id=1, now=later)

    (told,) = due(store, now=later)
    assert told.delivery.delivery_id == given_up.delivery.delivery_id
    assert told.delivery.tries == 1
    concluded(store, [told], heard=False, now=later)
    assert _state(store) is DeliveryState.WAITING  # it has a day again


def test_a_webhook_of_another_organisation_is_unknown(store: Store) -> None:
    add_and_pay(store)
    with store.transaction() as tx:
        other = tx.add_organisation("next door")

    with pytest.raises(WebhookUnknown):
        partnering.end_webhook(
            store, an_id("hook"), organisation_id=other, actor=ANA, audit_id=an_id("end"), now=NOON
        )


def test_for_a_day_after_a_change_both_secrets_sign(store: Store) -> None:
    add_and_pay(store)
    partnering.rotate(store, an_id("hook"), organisation_id=1, actor=ANA, audit_id=an_id("r"), now=NOON)

    with store.transaction() as tx:
        (webhook,) = tx.partners.webhooks(1)

    assert partnering.generations(webhook, now=NOON + SECOND) == (2, 1)
    assert partnering.generations(webhook, now=NOON + timedelta(days=1)) == (2,)


def test_an_organisation_has_so_many_webhooks_and_no_more(store: Store) -> None:
    a_town(store)
    for number in range(partnering.WEBHOOKS_MAX):
        add(store, a_webhook(name=f"hook {number}"))

    with pytest.raises(WebhookFaulty, match="up to"):
        add(store, a_webhook(name="one more"))


@pytest.mark.parametrize(
    "url",
    [
        "http://partner.example/",
        "ftp://partner.example/",
        "//partner.example/",
        "https://",
        "https:///path",
        "https://user:word@partner.example/",
        "https://partner.example/#x",
        "https://partner.example:99999/",
        "https://partner.example/a b",
        "https://partner.example/\n",
        "https://ñ.example/",
        "https://[::1/",
        "https://partner.example/" + "x" * 500,
    ],
)
def test_an_address_that_cannot_be_told_at_is_refused(url: str) -> None:
    with pytest.raises(WebhookFaulty):
        partnering.require_address(url, inside=False)


def test_inside_an_address_may_do_without_tls() -> None:
    partnering.require_address("http://127.0.0.1:9000/hook", inside=True)


def test_a_webhook_without_events_is_refused(store: Store) -> None:
    a_town(store)

    with pytest.raises(WebhookFaulty, match="event"):
        add(store, replace(a_webhook(), events=frozenset()))


def test_old_news_is_forgotten(store: Store) -> None:
    add_and_pay(store)
    concluded(store, due(store), heard=True, now=NOON)

    partnering.sweep(store, after=0, now=NOON + partnering.DELIVERIES_KEPT)
    kept = _state(store)
    partnering.sweep(store, after=0, now=NOON + partnering.DELIVERIES_KEPT + SECOND)

    assert kept is DeliveryState.DONE
    with pytest.raises(LookupError):
        _state(store)


# billers -----------------------------------------------------------------------------------------------


def test_a_billers_reference_is_locked_whether_it_was_there_or_not(store: Store) -> None:
    town = a_town(store)
    payment = BillerPayment(
        provider=WECHAT,
        reference="b1",
        organisation_id=1,
        said_at=NOON,
        account_id=town.homes[0].account_id,
        attempt_id=an_id("attempt"),
        amount_minor=100,
        currency="CNY",
    )
    with store.transaction() as tx:
        first = tx.partners.lock_biller_payment(payment)
    with store.transaction() as tx:
        second = tx.partners.lock_biller_payment(replace(payment, amount_minor=200))
        tx.partners.save_biller_payment(replace(payment, reversed_at=NOON + SECOND))

    assert first == (payment, True)
    assert second == (payment, False)
    with store.transaction() as tx:
        kept = tx.partners.biller_payment(provider=WECHAT, reference="b1")
        assert tx.partners.biller_payment(provider=WECHAT, reference="b2") is None
    assert kept == replace(payment, reversed_at=NOON + SECOND)


def add_and_pay(store: Store) -> None:
    home = a_town(store).homes[0]
    add(store, a_webhook(Event.PAID))
    pay(store, home)


def _has_key(store: Store) -> bool:
    with store.transaction() as tx:
        return tx.partners.key(NAME) is not None


def _state(store: Store) -> DeliveryState:
    """Return where the one telling of the town's payment stands."""
    recharge_id = derived(payment_id(provider=WECHAT, transaction_no="4200001"), "recharge")
    with store.transaction() as tx:
        found = tx.partners.delivery(an_id("hook"), derived(recharge_id, Event.PAID.value))
    if found is None:
        raise LookupError
    return found.state
