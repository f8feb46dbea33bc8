"""Stripe's objects, as far as money is told by them; what else they hold is passed over.

What is ours says so in its metadata: an order's number on the session, the payment and its charge, a refund's
on the refund. An account may serve other shops too, and their payments are none of our affair.
"""

from dataclasses import dataclass
from datetime import datetime

from compuerta.wire.stripe import fields
from compuerta.wire.stripe.fields import JsonObject

ORDER_KEY = "compuerta_order"
REFUND_KEY = "compuerta_refund"


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderRefusal:
    """What Stripe says when it refuses."""

    kind: str
    code: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Money:
    """An amount in Stripe's own units, and its currency as ISO 4217 spells it."""

    units: int
    currency: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Charge:
    """What was taken from a card, and what has gone back."""

    charge_id: str
    intent_id: str
    order: str
    taken: Money
    refunded_units: int
    is_disputed: bool
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Intent:
    """A payment: the one thing that every event about it names."""

    intent_id: str
    order: str
    status: str
    received: Money
    charge: Charge | None = None  # where it was asked for


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """A page at Stripe on which one order is paid."""

    session_id: str
    order: str
    url: str  # "" once nobody can pay there any more
    status: str  # open, complete, expired
    payment_status: str  # paid, unpaid, no_payment_required
    asked: Money
    is_live: bool
    intent_id: str
    intent: Intent | None = None  # where it was asked for


@dataclass(frozen=True, slots=True, kw_only=True)
class RefundObject:
    """Money on its way back to a card."""

    refund_id: str
    intent_id: str
    order: str
    refund: str
    given: Money
    status: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Dispute:
    """A payment that the payer's bank takes back."""

    dispute_id: str
    intent_id: str
    taken: Money
    status: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """A notice: what happened, and the object to which it happened."""

    event_id: str
    kind: str
    created_at: datetime
    is_live: bool
    account: str  # of another account that is connected to ours; "" for our own
    about: JsonObject


def parse_event(body: bytes) -> Event:
    """Read a notice."""
    event = fields.read_object(body)
    if event.get("object") != "event":
        raise fields.BodyMalformed("object", "must be an event")
    return Event(
        event_id=fields.text(event, "id"),
        kind=fields.text(event, "type"),
        created_at=fields.instant(event, "created"),
        is_live=fields.flag(event, "livemode"),
        account=fields.text_or_empty(event, "account"),
        about=fields.child(fields.child(event, "data"), "object"),
    )


def order_of(found: JsonObject) -> str:
    """Return the order of ours that an object says it is of; "" = another shop's on the same account."""
    return _metadata(found, ORDER_KEY)


def parse_session(found: JsonObject) -> Session:
    """Read a Checkout Session."""
    intent = fields.expanded(found, "payment_intent")
    return Session(
        session_id=fields.text(found, "id"),
        order=order_of(found),
        url=fields.text_or_empty(found, "url"),
        status=fields.text(found, "status"),
        payment_status=fields.text(found, "payment_status"),
        asked=_money(found, "amount_total"),
        is_live=fields.flag(found, "livemode"),
        intent_id=fields.id_of(found, "payment_intent"),
        intent=None if intent is None else parse_intent(intent),
    )


def parse_intent(found: JsonObject) -> Intent:
    """Read a PaymentIntent."""
    charge = fields.expanded(found, "latest_charge")
    return Intent(
        intent_id=fields.text(found, "id"),
        order=order_of(found),
        status=fields.text(found, "status"),
        received=_money(found, "amount_received"),
        charge=None if charge is None else parse_charge(charge),
    )


def parse_charge(found: JsonObject) -> Charge:
    """Read a Charge."""
    return Charge(
        charge_id=fields.text(found, "id"),
        intent_id=fields.id_of(found, "payment_intent"),
        order=order_of(found),
        taken=_money(found, "amount"),
        refunded_units=fields.whole(found, "amount_refunded"),
        is_disputed=fields.flag(found, "disputed"),
        created_at=fields.instant(found, "created"),
    )


def parse_refund(found: JsonObject) -> RefundObject:
    """Read a Refund."""
    return RefundObject(
        refund_id=fields.text(found, "id"),
        intent_id=fields.id_of(found, "payment_intent"),
        order=order_of(found),
        refund=_metadata(found, REFUND_KEY),
        given=_money(found, "amount"),
        status=fields.text(found, "status"),
        reason=fields.text_or_empty(found, "failure_reason"),
    )


def parse_dispute(found: JsonObject) -> Dispute:
    """Read a Dispute."""
    return Dispute(
        dispute_id=fields.text(found, "id"),
        intent_id=fields.id_of(found, "payment_intent"),
        taken=_money(found, "amount"),
        status=fields.text(found, "status"),
    )


def parse_page(body: bytes) -> tuple[list[JsonObject], bool]:
    """Read one page of a list; returns its objects, and whether there are more."""
    page = fields.read_object(body)
    return fields.children(page, "data"), fields.flag(page, "has_more")


def parse_refusal(body: bytes) -> ProviderRefusal:
    """Read why Stripe refuses; a body that is none of its own says nothing."""
    try:
        error = fields.child(fields.read_object(body), "error")
        return ProviderRefusal(
            kind=fields.text_or_empty(error, "type"),
            code=fields.text_or_empty(error, "code"),
            message=fields.text_or_empty(error, "message"),
        )
    except fields.BodyMalformed:
        return ProviderRefusal(kind="", code="", message="")


def _metadata(found: JsonObject, key: str) -> str:
    metadata = found.get("metadata")
    return "" if metadata is None else fields.text_or_empty(fields.as_object(metadata, "metadata"), key)


def _money(found: JsonObject, name: str) -> Money:
    return Money(units=fields.whole(found, name), currency=fields.currency(found))
