"""Stripe's notices: which are believed, and what each kind of them says about money.

They come unordered and more than once. What is said is therefore made of the notice alone, and whoever takes
it knows a payment by its PaymentIntent, a refund by our reference or by what was refunded in all.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType

from compuerta.domain.payment import DisputeNotice, DisputeState, PaymentNotice, RefundNotice, RefundState
from compuerta.services.payment_ports import HttpRequest, HttpResponse, Refusal, Rejected, Verified
from compuerta.wire.stripe import amounts, objects, signature
from compuerta.wire.stripe.fields import BodyMalformed, JsonObject
from compuerta.wire.stripe.objects import Event, Money
from compuerta.wire.stripe.signature import Unbelieved

BODY_BYTES_MAX = 65_536  # the door reads no more; a notice is about 4 KiB

REFUND_STATES: Mapping[str, RefundState] = MappingProxyType(
    {
        "pending": RefundState.SENT,
        "requires_action": RefundState.SENT,
        "succeeded": RefundState.DONE,
        "failed": RefundState.ABNORMAL,  # the card is closed: the money is back with us, and a person decides
        "canceled": RefundState.CLOSED,
    }
)
# An inquiry ("warning_...") moves no money, nor does a dispute that Stripe prevented.
_DISPUTE_STATES: Mapping[str, DisputeState] = MappingProxyType(
    {
        "needs_response": DisputeState.OPENED,
        "under_review": DisputeState.OPENED,
        "appeal_needs_response": DisputeState.OPENED,
        "appeal_under_review": DisputeState.OPENED,
        "won": DisputeState.WON,
        "lost": DisputeState.LOST,
    }
)
_REFUSALS: Mapping[type[Unbelieved], Refusal] = MappingProxyType(
    {
        signature.HeaderUnusable: Refusal.HEADER_MISSING,
        signature.Stale: Refusal.STALE,
        signature.SignatureWrong: Refusal.SIGNATURE_WRONG,
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """Where Stripe's notices to one account are heard."""

    provider: str
    secrets: tuple[bytes, ...]
    live: bool
    account: str

    def __repr__(self) -> str:
        return f"Endpoint(provider={self.provider!r})"


def hear(endpoint: Endpoint, inbound: HttpRequest, *, now: datetime) -> Verified | Rejected:
    """Verify a notice: size, signature, then whose it is; only then what it says."""
    if len(inbound.body) > BODY_BYTES_MAX:
        return _rejected(Refusal.TOO_LARGE, f"more than {BODY_BYTES_MAX} bytes")
    header = inbound.headers.get(signature.HEADER, "")
    try:
        signature.verify(header, inbound.body, secrets=endpoint.secrets, now=now)
    except Unbelieved as unbelieved:
        return _rejected(_REFUSALS[type(unbelieved)], str(unbelieved))
    try:
        event = objects.parse_event(inbound.body)
        if event.is_live != endpoint.live:
            # A test account's money does not exist; a secret that serves both would make it.
            return _rejected(Refusal.MERCHANT_WRONG, f"livemode is {event.is_live}")
        if event.account != endpoint.account:
            return _rejected(Refusal.MERCHANT_WRONG, f"account {event.account[:64]!r} is not ours")
        say = SAYINGS.get(event.kind)
        # A dispute carries nothing of ours, and is known by its payment. Whatever else does not name an order
        # is another shop's: it may look as it likes, and a refusal would have Stripe shut the endpoint.
        if say is None or (say is not _dispute and not objects.order_of(event.about)):
            return Verified(notice=None, event=event.kind)
        return say(endpoint, event)
    except (BodyMalformed, amounts.AmountImpossible) as malformed:
        return _rejected(Refusal.BODY_MALFORMED, str(malformed))


def missing(endpoints: Sequence[JsonObject], *, url: str) -> str:
    """Return what is missing for Stripe to tell us everything at an address, or ""."""
    for found in endpoints:
        if found.get("url") != url:
            continue
        if found.get("status") != "enabled":
            return f"the endpoint for {url} is disabled"
        enabled = found.get("enabled_events")
        events = set(enabled) if isinstance(enabled, list) else set()
        absent = [] if "*" in events else sorted(set(SAYINGS) - events)
        return f"the endpoint is not sent {', '.join(absent)}" if absent else ""
    return f"no endpoint is registered for {url}"


def _session(endpoint: Endpoint, event: Event) -> Verified:
    session = objects.parse_session(event.about)
    # Completed is not paid: a bank transfer is completed here, and paid days later.
    if session.payment_status != "paid":
        return Verified(notice=None, event=event.kind)
    return _paid(endpoint, event, order=session.order, intent_id=session.intent_id, money=session.asked)


def _expired(endpoint: Endpoint, event: Event) -> Verified:
    return Verified(notice=None, event=event.kind, expired=objects.parse_session(event.about).order)


def _intent(endpoint: Endpoint, event: Event) -> Verified:
    intent = objects.parse_intent(event.about)
    if intent.status != "succeeded":
        return Verified(notice=None, event=event.kind)
    return _paid(endpoint, event, order=intent.order, intent_id=intent.intent_id, money=intent.received)


def _paid(endpoint: Endpoint, event: Event, *, order: str, intent_id: str, money: Money) -> Verified:
    if not intent_id:
        raise BodyMalformed("payment_intent", "is missing of what is paid")
    notice = PaymentNotice(
        provider=endpoint.provider,
        transaction_no=intent_id,
        reference=order,
        amount_minor=_minor(money),
        currency=money.currency,
        paid_at=event.created_at,
    )
    return Verified(notice=notice, event=event.kind)


def _charge_refunded(endpoint: Endpoint, event: Event) -> Verified:
    charge = objects.parse_charge(event.about)
    refunded = Money(units=charge.refunded_units, currency=charge.taken.currency)
    told = RefundNotice(
        provider=endpoint.provider,
        transaction_no=charge.intent_id,
        reference=charge.order,
        refund_reference="",
        refunded_minor=_minor(refunded),
        is_total=True,
        currency=refunded.currency,
        state=RefundState.DONE,
        at=event.created_at,
    )
    return Verified(notice=None, event=event.kind, refund=told)


def _refund(endpoint: Endpoint, event: Event) -> Verified:
    refund = objects.parse_refund(event.about)
    state = REFUND_STATES.get(refund.status)
    # One that was made in Stripe's own console has no reference of ours; `charge.refunded` tells of it.
    if not refund.refund or state is None:
        return Verified(notice=None, event=event.kind)
    told = RefundNotice(
        provider=endpoint.provider,
        transaction_no=refund.intent_id,
        reference=refund.order,
        refund_reference=refund.refund,
        refunded_minor=_minor(refund.given),
        is_total=False,
        currency=refund.given.currency,
        state=state,
        at=event.created_at,
    )
    return Verified(notice=None, event=event.kind, refund=told)


def _dispute(endpoint: Endpoint, event: Event) -> Verified:
    dispute = objects.parse_dispute(event.about)
    state = _DISPUTE_STATES.get(dispute.status)
    if state is None or not dispute.intent_id:
        return Verified(notice=None, event=event.kind)
    told = DisputeNotice(
        provider=endpoint.provider,
        transaction_no=dispute.intent_id,
        dispute_no=dispute.dispute_id,
        amount_minor=_minor(dispute.taken),
        currency=dispute.taken.currency,
        state=state,
        at=event.created_at,
    )
    return Verified(notice=None, event=event.kind, dispute=told)


# What a notice of a kind says; other kinds say nothing about money.
SAYINGS: Mapping[str, Callable[[Endpoint, Event], Verified]] = MappingProxyType(
    {
        "checkout.session.completed": _session,
        "checkout.session.async_payment_succeeded": _session,
        "checkout.session.expired": _expired,
        "payment_intent.succeeded": _intent,
        "charge.refunded": _charge_refunded,
        "refund.updated": _refund,
        "refund.failed": _refund,
        "charge.dispute.created": _dispute,
        "charge.dispute.updated": _dispute,
        "charge.dispute.closed": _dispute,
    }
)


def _minor(money: Money) -> int:
    return amounts.from_units(money.units, currency=money.currency)


def _rejected(refusal: Refusal, detail: str) -> Rejected:
    status = 413 if refusal is Refusal.TOO_LARGE else 400
    return Rejected(refusal=refusal, detail=detail, answer=HttpResponse(status=status))
