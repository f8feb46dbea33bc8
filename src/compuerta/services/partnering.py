"""Partnering: what a machine asks twice is answered twice and done once; and it is told what happens.

A key is written before the work and its answer after it. Who crashes in between leaves a key without an
answer: the same request does the work again, and since all ids are made of the key, it is done once.
What happens is queued for webhooks in the transaction that makes it happen, and told by the worker until the
partner has heard it.
"""

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Final
from urllib.parse import urlsplit
from uuid import UUID

from compuerta.domain.errors import Refused
from compuerta.domain.naming import derived
from compuerta.domain.payment import Attempt, AttemptState
from compuerta.services.acting import Act, Actor, entry_about
from compuerta.services.partner_port import (
    Answer,
    Delivery,
    DeliveryState,
    Due,
    Event,
    Happening,
    KeyName,
    KeyRow,
    Webhook,
    Wish,
)
from compuerta.services.records import Instant, RechargeInstant
from compuerta.services.store_port import Store, Transaction

KEY_KEPT = timedelta(hours=24)
# A provider has five seconds to answer, and a statement thirty: who takes longer than both has crashed.
WORK_MAX = timedelta(seconds=60)
WEBHOOKS_MAX = 10  # of an organisation; each costs every recharge a row
URL_CHARS_MAX = 500
OLD_SECRET_FOR = timedelta(hours=24)  # after a change, what is told is signed with both
GIVEN_UP_AFTER = timedelta(hours=24)
AGAIN_AFTER = tuple(timedelta(seconds=seconds) for seconds in (5, 15, 60, 300, 900, 3600, 10_800))
LEASE = timedelta(seconds=60)  # several times what one telling may take
EACH_MAX = 4  # of one webhook at once: a slow one keeps no other waiting
DELIVERIES_KEPT = timedelta(days=30)
SWEPT_MAX = 1_000

_EVENTS: Final = {
    Instant.PAID: Event.PAID,
    Instant.CREDITED: Event.CREDITED,
    Instant.CLOSED: Event.POWER,
}


class KeyReused(Refused):
    """A key came again with another request."""

    def __init__(self, key: str) -> None:
        super().__init__(
            f"the key {key!r} was used for another request; make a new key for each thing that you want"
        )
        self.key = key


class KeyBusy(Refused):
    """The same request is being worked on now."""

    def __init__(self, key: str) -> None:
        super().__init__(f"the request with the key {key!r} is under way; ask again in a second")
        self.key = key


class WebhookFaulty(Refused):
    """An address that is told nothing, with the reason."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"this webhook cannot be used: {reason}")
        self.reason = reason


class WebhookUnknown(Refused):
    """There is no such webhook in the organisation."""

    def __init__(self) -> None:
        super().__init__("there is no such webhook in your organisation, or it has ended")


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What came of one telling; `detail` is for people."""

    due: Due
    was_heard: bool
    detail: str


# keys ---------------------------------------------------------------------------------------------------


def begin(store: Store, name: KeyName, *, mark: str, now: datetime) -> Answer | None:
    """Take a key for a request; returns the answer that was given to it before, or None: do the work.

    Raises `KeyReused` where the key came with another request, and `KeyBusy` while somebody works on it.
    """
    row = KeyRow(name=name, request_mark=mark, created_at=now, taken_at=now)
    with store.transaction() as tx:
        if tx.partners.put_key(row):
            return None
        known = tx.partners.key(name)
        assert known is not None  # it was there a moment ago, and only expires in a day
        if known.request_mark != mark:
            raise KeyReused(name.key)
        if known.answer is not None:
            return known.answer
        if known.taken_at is not None and now - known.taken_at < WORK_MAX:
            raise KeyBusy(name.key)
        tx.partners.save_key(replace(known, taken_at=now))
    return None


def answer(store: Store, name: KeyName, *, given: Answer | None, now: datetime) -> None:
    """Keep the answer of a key; None = nobody knows yet, and the same request does the work again."""
    with store.transaction() as tx:
        known = tx.partners.key(name)
        if known is not None and known.answer is None:
            answered_at = None if given is None else now
            tx.partners.save_key(replace(known, taken_at=None, answer=given, answered_at=answered_at))


# webhooks -----------------------------------------------------------------------------------------------


def require_address(url: str, *, inside: bool) -> None:
    """Refuse an address that nobody may be told at; `inside` = the installation lets its own network be."""
    if len(url) > URL_CHARS_MAX or not url.isascii() or not url.isprintable() or " " in url:
        raise WebhookFaulty(f"an address has up to {URL_CHARS_MAX} plain characters")
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError as error:
        raise WebhookFaulty("its host or its port is none") from error
    if parts.scheme != "https" and not (inside and parts.scheme == "http"):
        raise WebhookFaulty("the address has to begin with https://")
    if not parts.hostname or parts.username is not None or parts.password is not None or parts.fragment:
        raise WebhookFaulty("the address needs a host, and neither a password nor a #")


def add_webhook(
    store: Store, webhook: Webhook, *, actor: Actor, audit_id: UUID, inside: bool, now: datetime
) -> None:
    """Tell a partner from now on; refuses what `require_address` refuses, and too many of them."""
    require_address(webhook.url, inside=inside)
    if not webhook.events:
        raise WebhookFaulty("choose at least one event")
    with store.transaction() as tx:
        tx.access.grants(webhook.organisation_id)  # locks the organisation, so that nobody counts at once
        if len(tx.partners.webhooks(webhook.organisation_id)) >= WEBHOOKS_MAX:
            raise WebhookFaulty(f"an organisation has up to {WEBHOOKS_MAX}")
        tx.partners.put_webhook(webhook)
        _audit(tx, webhook, actor, Act(act_id=audit_id, what="add webhook", after=_shown(webhook)), now=now)


def rotate(
    store: Store, webhook_id: UUID, *, organisation_id: int, actor: Actor, audit_id: UUID, now: datetime
) -> None:
    """Sign with a new secret; for a day what is told is signed with the old one too."""
    with store.transaction() as tx:
        known = _known(tx, webhook_id, organisation_id)
        tx.partners.save_webhook(replace(known, generation=known.generation + 1, rotated_at=now))
        _audit(tx, known, actor, Act(act_id=audit_id, what="change webhook secret"), now=now)


def end_webhook(
    store: Store, webhook_id: UUID, *, organisation_id: int, actor: Actor, audit_id: UUID, now: datetime
) -> None:
    """Tell a partner no more; what waits is given up when it is due."""
    with store.transaction() as tx:
        known = _known(tx, webhook_id, organisation_id)
        tx.partners.save_webhook(replace(known, ended_at=now))
        _audit(tx, known, actor, Act(act_id=audit_id, what="end webhook", before=_shown(known)), now=now)


def tell_again(
    store: Store, webhook_id: UUID, delivery_id: UUID, *, organisation_id: int, now: datetime
) -> None:
    """Tell for another day what was given up, or heard; refuses webhooks that have ended."""
    with store.transaction() as tx:
        _known(tx, webhook_id, organisation_id)
        found = tx.partners.delivery(webhook_id, delivery_id)
        if found is None:
            raise WebhookUnknown
        waiting = replace(found, state=DeliveryState.WAITING, ended_at=None)
        again = replace(waiting, tries=0, created_at=now, due_at=now)
        tx.partners.save_deliveries([again])


def tell(tx: Transaction, happenings: Sequence[Happening], *, now: datetime) -> None:
    """Queue what happened for whoever wants to know it, in the transaction that makes it happen."""
    if happenings:
        tx.partners.tell(happenings, now=now)


def keep_instants(tx: Transaction, instants: Sequence[RechargeInstant]) -> None:
    """Write what has happened to recharges, and queue it for whoever wants to know."""
    tx.put_instants(instants)
    happenings = [
        Happening(
            happening_id=derived(each.recharge_id, _EVENTS[each.instant].value),
            event=_EVENTS[each.instant],
            account_id=each.account_id,
            at=each.at,
            recharge_id=each.recharge_id,
        )
        for each in instants
        if each.instant in _EVENTS
    ]
    if happenings:
        # Of the instants of one moment only the payer's may lie back: late money is told for a day too.
        tell(tx, happenings, now=max(each.at for each in instants))


def tell_receipt(tx: Transaction, account_id: int, recharge_id: UUID, *, now: datetime) -> None:
    """Queue that the receipt of a recharge was handed out for the first time."""
    happening = Happening(
        happening_id=derived(recharge_id, Event.RECEIPT.value),
        event=Event.RECEIPT,
        account_id=account_id,
        at=now,
        recharge_id=recharge_id,
    )
    tell(tx, [happening], now=now)


def tell_closed(tx: Transaction, attempts: Sequence[Attempt], *, now: datetime) -> None:
    """Queue that attempts ended without money."""
    happenings = [
        Happening(
            happening_id=derived(each.attempt_id, Event.FAILED.value),
            event=Event.FAILED,
            account_id=each.account_id,
            at=now,
            attempt_id=each.attempt_id,
        )
        for each in attempts
        if each.state is AttemptState.CLOSED
    ]
    tell(tx, happenings, now=now)


def due(store: Store, *, now: datetime, limit: int, busy: Collection[UUID] = ()) -> list[Due]:
    """Take what is to be told now, for a lease, but to none of the busy; what goes nowhere is given up."""
    wish = Wish(until=now + LEASE, limit=limit, each_max=EACH_MAX, busy=frozenset(busy))
    with store.transaction() as tx:
        claimed = tx.partners.claim_deliveries(wish, now=now)
        ended = [each for each in claimed if each.webhook.ended_at is not None]
        tx.partners.save_deliveries(
            [_over(each.delivery, DeliveryState.GIVEN_UP, "the webhook has ended", now=now) for each in ended]
        )
    return [each for each in claimed if each.webhook.ended_at is None]


def conclude(store: Store, told: Sequence[Told], *, now: datetime) -> None:
    """Keep what came of tellings: heard, tried again later, or given up after a day."""
    with store.transaction() as tx:
        tx.partners.save_deliveries([_concluded(each, now=now) for each in told])


def sweep(store: Store, *, after: int, now: datetime) -> int | None:
    """Forget keys that have expired and tellings of long ago, a page at a time; see `worker.Sweep`."""
    with store.transaction() as tx:
        keys = tx.partners.drop_keys(created_before=now - KEY_KEPT, limit=SWEPT_MAX)
        news = tx.partners.drop_deliveries(ended_before=now - DELIVERIES_KEPT, limit=SWEPT_MAX)
    return after + 1 if SWEPT_MAX in (keys, news) else None


def body_of(due: Due) -> bytes:
    """Return what a partner is told: the same bytes at every try, since nothing in it ever changes."""
    delivery, facts = due.delivery, due.facts
    named = {
        "id": str(delivery.delivery_id),
        "event": delivery.event.value,
        "at": delivery.at.astimezone(UTC).isoformat().replace("+00:00", "Z"),
    }
    told = (
        json.loads(delivery.about)
        if delivery.about
        else {
            "account_id": delivery.account_id,
            "order_id": _text(facts.order_id),
            "attempt_id": _text(facts.attempt_id),
            "recharge_id": _text(delivery.recharge_id),
            "reference": facts.caller_reference,
            "amount_minor": facts.amount_minor,
            "currency": facts.currency,
        }
    )
    return json.dumps(named | told, separators=(",", ":"), ensure_ascii=False).encode()


def generations(webhook: Webhook, *, now: datetime) -> tuple[int, ...]:
    """Return which secrets sign now, the newest first."""
    if webhook.rotated_at is not None and now < webhook.rotated_at + OLD_SECRET_FOR:
        return webhook.generation, webhook.generation - 1
    return (webhook.generation,)


def _concluded(told: Told, *, now: datetime) -> Delivery:
    delivery = told.due.delivery
    if told.was_heard:
        return _over(delivery, DeliveryState.DONE, told.detail, now=now)
    again_at = now + AGAIN_AFTER[min(delivery.tries, len(AGAIN_AFTER)) - 1]
    if again_at > delivery.created_at + GIVEN_UP_AFTER:
        return _over(delivery, DeliveryState.GIVEN_UP, told.detail, now=now)
    return replace(delivery, due_at=again_at, last_answer=told.detail)


def _over(delivery: Delivery, state: DeliveryState, detail: str, *, now: datetime) -> Delivery:
    return replace(delivery, state=state, due_at=None, ended_at=now, last_answer=detail)


def _known(tx: Transaction, webhook_id: UUID, organisation_id: int) -> Webhook:
    known = tx.partners.webhook(webhook_id, organisation_id=organisation_id)
    if known is None or known.ended_at is not None:
        raise WebhookUnknown
    return known


def _audit(tx: Transaction, webhook: Webhook, actor: Actor, act: Act, *, now: datetime) -> None:
    subject = f"webhook {webhook.webhook_id}"
    tx.put_audit([entry_about(subject, actor, act, organisation_id=webhook.organisation_id, now=now)])


def _shown(webhook: Webhook) -> str:
    # An address may hold a token of the partner's.
    return f"{urlsplit(webhook.url).hostname}: {', '.join(sorted(event.value for event in webhook.events))}"


def _text(value: UUID | None) -> str | None:
    return None if value is None else str(value)
