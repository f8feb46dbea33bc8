"""What Stripe is sent: forms, whose nested fields are spelled with brackets."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import parse_qsl, urlencode

from compuerta.wire.stripe.objects import ORDER_KEY, REFUND_KEY, Money

# What our reading of objects was written against; a test compares it with Stripe's own library.
API_VERSION = "2026-10-28.endive"
DESCRIPTION_CHARS_MAX = 250
FIELDS_MAX = 200

Form = Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """One payment to ask for on a page at Stripe."""

    reference: str
    description: str
    asked: Money
    expires_at: datetime
    success_url: str
    cancel_url: str


def session_form(order: Order) -> Form:
    """Return the form that opens a page for an order."""
    return (
        ("mode", "payment"),
        # A method that takes days would be paid long after the page is over.
        ("allowed_payment_method_types[0]", "card"),
        # Otherwise Stripe may ask for the payer's own currency, and the amount is no longer ours.
        ("adaptive_pricing[enabled]", "false"),
        ("line_items[0][quantity]", "1"),
        ("line_items[0][price_data][currency]", order.asked.currency.lower()),
        ("line_items[0][price_data][unit_amount]", str(order.asked.units)),
        ("line_items[0][price_data][product_data][name]", order.description[:DESCRIPTION_CHARS_MAX]),
        ("client_reference_id", order.reference),
        (f"metadata[{ORDER_KEY}]", order.reference),
        (f"payment_intent_data[metadata][{ORDER_KEY}]", order.reference),
        ("expires_at", str(int(order.expires_at.timestamp()))),
        ("success_url", order.success_url),
        ("cancel_url", order.cancel_url),
    )


def refund_form(*, intent_id: str, units: int, order: str, refund: str) -> Form:
    """Return the form that gives money of a payment back."""
    return (
        ("payment_intent", intent_id),
        ("amount", str(units)),
        ("reason", "requested_by_customer"),
        (f"metadata[{ORDER_KEY}]", order),
        (f"metadata[{REFUND_KEY}]", refund),
    )


def write_form(form: Form) -> bytes:
    """Write a form as the bytes of a body."""
    return urlencode(form).encode("ascii")


def write_query(form: Form) -> str:
    """Write a form as the query of a path."""
    return urlencode(form)


def read_form(body: bytes) -> dict[str, str]:
    """Read a form, as Stripe does."""
    return dict(parse_qsl(body.decode("utf-8"), keep_blank_values=True, max_num_fields=FIELDS_MAX))
