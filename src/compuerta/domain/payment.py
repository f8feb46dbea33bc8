"""Payments: what somebody wants to buy, what was asked of a provider, and what a provider says it has.

An order is a wish to buy; it may have several attempts, of which more than one may be paid.
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


class Flow(Enum):
    """How the payer comes to pay; what `Attempt.payer` holds follows from it."""

    QR = "qr"  # they scan what we show
    WALLET = "wallet"  # inside the provider's own app; payer = their open id
    APP = "app"  # our app hands over to the provider's
    WEB = "web"  # a phone's browser goes to the provider; payer = its address
    DESKTOP = "desktop"  # a computer's browser goes to the provider
    CODE = "code"  # the till scans what their phone shows; payer = that code
    PROMPT = "prompt"  # their phone asks them; payer = its number
    CASH = "cash"  # over the counter
    BILLER = "biller"  # somebody else has taken the money and calls us; payer = their number of it


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentOrder:
    """What somebody wants to buy; attempts say how they go about paying it. Written once."""

    account_id: int
    order_id: UUID
    door: str  # "page", "till", "app" or "biller"
    amount_minor: int
    currency: str
    created_at: datetime
    caller: str = ""  # a cashier, or the name of a key; "" = a resident
    caller_reference: str = ""  # the caller's own number of it


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
    order_id: UUID | None = None  # the order that it is one attempt of
    flow: Flow = Flow.QR
    payer: str = ""  # see `Flow`; personal, and never logged


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentNotice:
    """A provider's verified word that it has money: from its notice, or from our asking."""

    provider: str
    transaction_no: str
    reference: str
    amount_minor: int
    currency: str
    paid_at: datetime
    payee: str = ""  # whom the payer named where there was no order of ours: a meter's number, or anything


class RefundState(Enum):
    """Where money on its way back to the payer stands."""

    WAITING = "waiting"  # not sent to the provider yet
    SENT = "sent"  # accepted, which is not refunded
    DONE = "done"
    ABNORMAL = "abnormal"  # it cannot reach the payer, such as a closed bank card: a person decides
    CLOSED = "closed"  # refused or undone: the money is still ours


@dataclass(frozen=True, slots=True, kw_only=True)
class Refund:
    """Money that goes back to the payer of a payment, under a reference of ours that every retry carries."""

    account_id: int
    refund_id: UUID
    correction_id: UUID | None  # None where the provider gave it back unasked
    payment_id: UUID
    provider: str
    reference: str
    amount_minor: int
    currency: str
    created_at: datetime
    state: RefundState = RefundState.WAITING
    asks: int = 0
    ask_at: datetime | None = None
    provider_no: str = ""
    last_answer: str = ""
    ended_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RefundNotice:
    """A provider's verified word that money went back, or did not; it is never a payment."""

    provider: str
    transaction_no: str  # of the payment; "" where only our references are told
    reference: str  # of the order
    refund_reference: str  # ours; "" where it was not asked for by us, or is not told
    refunded_minor: int
    is_total: bool  # all that was refunded of the payment so far, and not this refund alone
    currency: str
    state: RefundState
    at: datetime


class DisputeState(Enum):
    """Where a payment stands that the payer's bank takes back."""

    OPENED = "opened"
    WON = "won"  # the money stays, or comes back to us
    LOST = "lost"


@dataclass(frozen=True, slots=True, kw_only=True)
class DisputeNotice:
    """A provider's verified word that the payer's bank takes a payment back."""

    provider: str
    transaction_no: str
    dispute_no: str
    amount_minor: int
    currency: str
    state: DisputeState
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """Somebody's unsigned word about money: it is asked for at the provider before it is believed."""

    provider: str
    transaction_no: str
    reference: str  # of our order, "" where there was none
    amount_minor: int
    currency: str
    paid_at: datetime
    payee: str = ""


def reference_of(attempt_id: UUID) -> str:
    """Return the order number of an attempt: 32 letters and digits, as every provider takes them."""
    return attempt_id.hex


SHORT_LETTER = "R"  # no meter's number begins with a letter, so nobody takes one for the other
SHORT_TAIL_CHARS = 11  # 44 bits of an order's own chance


def short_reference(reference: str) -> str:
    """Return an order number in the 12 characters of which M-Pesa tells no more."""
    return SHORT_LETTER + reference[-SHORT_TAIL_CHARS:]


def payment_id(*, provider: str, transaction_no: str) -> UUID:
    """Name a payment by what the provider calls it, so that every repetition has the same name."""
    return named("payment", provider, transaction_no)
