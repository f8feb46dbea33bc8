"""A payment page as the simulated Stripe holds it, what follows from its payment, and how it is told."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from compuerta.virtual.providers.worlds import Button, Fact, Shown, State
from compuerta.wire.stripe import amounts

Told = dict[str, object]
_ENDED = {"expired": State.EXPIRED, "closed": State.CLOSED}


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """A refund."""

    refund_id: str
    units: int
    status: str
    created_at: datetime
    metadata: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class PlacedSession:
    """A page, and what was paid on it."""

    session_id: str
    number: int
    reference: str
    description: str
    units: int
    currency: str  # as ISO 4217 spells it
    url: str
    success_url: str
    metadata: Mapping[str, str]
    intent_metadata: Mapping[str, str]
    created_at: datetime
    expires_at: datetime
    is_live: bool
    status: str = "open"
    is_closed: bool = False  # by the merchant, before its time
    paid_at: datetime | None = None
    refunds: tuple[Given, ...] = ()
    dispute: str = ""  # its status; "" = nobody disputes

    @property
    def intent_id(self) -> str:
        return f"pi_{self.session_id.rpartition('_')[2]}"

    @property
    def charge_id(self) -> str:
        return f"ch_{self.session_id.rpartition('_')[2]}"

    @property
    def dispute_id(self) -> str:
        return f"du_{self.session_id.rpartition('_')[2]}"

    @property
    def refunded_units(self) -> int:
        """What has gone back, or is on its way; a refund that failed is neither."""
        return sum(each.units for each in self.refunds if each.status not in ("failed", "canceled"))

    def at(self, now: datetime) -> "PlacedSession":
        """Return it as it is now: a page ends by itself."""
        if self.status == "open" and now >= self.expires_at:
            return replace(self, status="expired")
        return self

    def shown(self) -> Shown:
        """Return it as the payer's page shows it."""
        return Shown(
            reference=self.reference,
            description=self.description,
            amount_minor=self.minor(self.units),
            currency=self.currency,
            content=self.url,
            state=self._state(),
            placed_at=self.created_at,
            expires_at=self.expires_at,
            paid_at=self.paid_at,
            transaction_no=self.intent_id if self.paid_at else "",
            buttons=self._buttons(),
        )

    def fact(self) -> Fact:
        """Return the money that it brought."""
        assert self.paid_at is not None
        return Fact(
            transaction_no=self.intent_id,
            reference=self.reference,
            amount_minor=self.minor(self.units),
            refunded_minor=self.minor(self.refunded_units),
            currency=self.currency,
            paid_at=self.paid_at,
        )

    def minor(self, units: int) -> int:
        """Return an amount in the minor unit of ISO 4217."""
        return amounts.from_units(units, currency=self.currency)

    def _state(self) -> State:
        if self.paid_at is None:
            ended = "closed" if self.is_closed else self.status
            return _ENDED.get(ended, State.WAITING)
        return State.REFUNDED if self.refunded_units else State.PAID

    def _buttons(self) -> tuple[Button, ...]:
        if self.paid_at is None:
            return (Button.SCAN, Button.PAY, Button.REFUSE, Button.CANCEL) if self.status == "open" else ()
        disputes: tuple[Button, ...] = (Button.DISPUTE,)
        if self.dispute:
            is_open = self.dispute == "needs_response"
            disputes = (Button.DISPUTE_WON, Button.DISPUTE_LOST) if is_open else ()
        refund = (Button.REFUND,) if self.refunded_units < self.units else ()
        return (*refund, Button.REPEAT, Button.FORGE, Button.STRANGER, Button.PROBE, *disputes)


def session_told(placed: PlacedSession, *, expand: bool = False) -> Told:
    """Return a Checkout Session as the API tells it."""
    intent: object = None
    if placed.paid_at is not None:
        intent = intent_told(placed, expand=True) if expand else placed.intent_id
    return {
        "id": placed.session_id,
        "object": "checkout.session",
        "amount_total": placed.units,
        "client_reference_id": placed.reference,
        "created": _seconds(placed.created_at),
        "currency": placed.currency.lower(),
        "expires_at": _seconds(placed.expires_at),
        "livemode": placed.is_live,
        "metadata": dict(placed.metadata),
        "mode": "payment",
        "payment_intent": intent,
        "payment_status": "paid" if placed.paid_at else "unpaid",
        "status": placed.status,
        "success_url": placed.success_url,
        "url": placed.url if placed.status == "open" else None,
    }


def intent_told(placed: PlacedSession, *, expand: bool = False) -> Told:
    """Return a PaymentIntent."""
    return {
        "id": placed.intent_id,
        "object": "payment_intent",
        "amount": placed.units,
        "amount_received": placed.units,
        "created": _seconds(placed.created_at),
        "currency": placed.currency.lower(),
        "latest_charge": charge_told(placed) if expand else placed.charge_id,
        "livemode": placed.is_live,
        "metadata": dict(placed.intent_metadata),
        "status": "succeeded",
    }


def charge_told(placed: PlacedSession) -> Told:
    """Return a Charge; it carries what its PaymentIntent carries."""
    assert placed.paid_at is not None
    return {
        "id": placed.charge_id,
        "object": "charge",
        "amount": placed.units,
        "amount_refunded": placed.refunded_units,
        "created": _seconds(placed.paid_at),
        "currency": placed.currency.lower(),
        "disputed": bool(placed.dispute),
        "livemode": placed.is_live,
        "metadata": dict(placed.intent_metadata),
        "payment_intent": placed.intent_id,
        "refunded": placed.refunded_units == placed.units,
        "status": "succeeded",
    }


def refund_told(placed: PlacedSession, given: Given) -> Told:
    """Return a Refund."""
    return {
        "id": given.refund_id,
        "object": "refund",
        "amount": given.units,
        "charge": placed.charge_id,
        "created": _seconds(given.created_at),
        "currency": placed.currency.lower(),
        "failure_reason": "lost_or_stolen_card" if given.status == "failed" else None,
        "metadata": dict(given.metadata),
        "payment_intent": placed.intent_id,
        "status": given.status,
    }


def dispute_told(placed: PlacedSession) -> Told:
    """Return a Dispute."""
    return {
        "id": placed.dispute_id,
        "object": "dispute",
        "amount": placed.units,
        "charge": placed.charge_id,
        "currency": placed.currency.lower(),
        "livemode": placed.is_live,
        "metadata": {},
        "payment_intent": placed.intent_id,
        "reason": "fraudulent",
        "status": placed.dispute,
    }


def list_told(path: str, listed: list[Told], *, has_more: bool) -> Told:
    """Return one page of a list."""
    return {"object": "list", "data": listed, "has_more": has_more, "url": path}


def _seconds(at: datetime) -> int:
    return int(at.timestamp())
