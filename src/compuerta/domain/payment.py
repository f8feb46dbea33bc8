"""Payments: what was asked of a provider, and what a provider says it has.

An attempt is one order at one provider and may never be paid, or be paid late.
A payment is money that a provider says it has, known by (provider, provider's transaction number).
Attempts move forward by evidence only: a late or odd message never takes a paid attempt back.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from uuid import UUID

from compuerta.domain.naming import named


class AttemptState(Enum):
    """Where an attempt stands; the order of the members is the order of evidence."""

    CREATED = "created"  # written by us, not yet known to the provider
    PRESENTED = "presented"  # the provider knows it; the payer can see it
    EXPIRED = "expired"  # its time is over, the provider has not confirmed the close yet
    CLOSED = "closed"  # the provider confirmed that it cannot be paid any more
    PAID = "paid"  # the provider has the money: final, whatever comes later


_EVIDENCE = {state: rank for rank, state in enumerate(AttemptState)}


def advanced(state: AttemptState, to: AttemptState) -> AttemptState:
    """Return the stronger of two states: evidence only grows."""
    return max(state, to, key=_EVIDENCE.__getitem__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One order at one provider account."""

    attempt_id: UUID
    account_id: int
    provider: str  # the provider account's name, such as "wechat" or "till"
    reference: str  # our order number at the provider: 6-32 of [0-9A-Za-z_-|*]
    amount_minor: int
    currency: str
    description: str
    created_at: datetime
    expires_at: datetime
    state: AttemptState = AttemptState.CREATED
    watched_until: datetime | None = None  # a pay page or till is open until then: ask the provider often
    ask_at: datetime | None = None  # when the provider is asked next; None = never again
    asks: int = 0
    presented: str | None = None  # what the payer is shown, such as the QR's text


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentNotice:
    """A provider's verified word that it has money: from its notice, or from our asking."""

    provider: str
    transaction_no: str
    reference: str
    amount_minor: int
    currency: str
    paid_at: datetime


def reference_of(attempt_id: UUID) -> str:
    """Return the order number of an attempt: 32 letters and digits, as every provider takes them."""
    return attempt_id.hex


def payment_id(*, provider: str, transaction_no: str) -> UUID:
    """Name a payment by what the provider calls it, so that every repetition has the same name."""
    return named("payment", provider, transaction_no)
