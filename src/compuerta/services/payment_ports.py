"""The port to payment providers, without I/O: a conversation yields what to send and is sent what came.

A provider's operation is a generator: it yields `HttpRequest`s, is sent `HttpResponse`s, and returns its
result. Whoever drives it owns the socket, the time-out and the retry: the worker with httpx, the simulator
with a function call. A road that fails is thrown into it as `Unreachable`.
"""

from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from enum import Enum
from typing import NamedTuple, Protocol

from compuerta.domain.errors import Refused
from compuerta.domain.payment import (
    Attempt,
    Claim,
    DisputeNotice,
    Flow,
    PaymentNotice,
    Refund,
    RefundNotice,
    RefundState,
)

ANSWER_BYTES_MAX = 65_536  # answers are about 1 KiB; whoever asks for a bill says how much it may be
Chance = Callable[[int], bytes]  # n -> n random bytes; an argument, so that a run can be repeated


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpRequest:
    """A request to send, or one that came in; header names are lower case."""

    method: str
    path: str  # as sent: path and query, no host
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    base_url: str = ""  # another host than the provider's own, such as a bill's; "" = the provider's own
    answer_bytes_max: int = ANSWER_BYTES_MAX
    peer: str = ""  # the address that a message came in from; "" = not known, or not told by a proxy


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpResponse:
    """An answer that came, or one to give; header names are lower case."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


class StatementKind(Enum):
    """What a provider's bill is of."""

    TRADE = "trade"  # payments and refunds of a day
    FUND = "fund"  # what moved in the account: fees and withdrawals too


@dataclass(frozen=True, slots=True, kw_only=True)
class Capabilities:
    """What a provider account can do; screens and services ask here and never for a name."""

    currencies: frozenset[str]
    flows: frozenset[Flow] = frozenset({Flow.QR})
    live: bool = True  # False: a test account, whose money does not exist
    notices: bool  # it tells us by itself when money came
    query: bool
    close: bool
    immediate: bool  # money is there when create returns, as at a till
    expiry_min: timedelta
    expiry_max: timedelta
    notices_signed: bool = True  # False: what it tells is a claim, and asked for before it is believed
    payees: bool = False  # payers may name whom the money is for, where there is no order
    refunds: bool = False
    refund_partial: bool = False
    refund_age_max: timedelta = timedelta(days=365)
    refunds_apart: timedelta = timedelta(0)  # between two refunds of one payment
    statements: frozenset[StatementKind] = frozenset()
    statement_ready: time | None = None  # in the provider's zone: from when on yesterday's bill is there
    statement_zone: str = "UTC"  # whose days its bills are of


class PresentationKind(Enum):
    """How the payer is asked to pay; `Attempt.presented` keeps the content."""

    QR = "qr"  # `content` is the text of a QR
    WALLET = "wallet"  # ... JSON of what the provider's own app is given
    APP = "app"  # ... what our app hands to the provider's
    REDIRECT = "redirect"  # ... an address that the payer's browser goes to
    PROMPT = "prompt"  # the payer's phone asks them; `content` is the provider's name of the question
    WAIT = "wait"  # the payer types a password now: ask until it is known, and close if it is not
    PAID = "paid"  # nothing to show: the money is here


@dataclass(frozen=True, slots=True, kw_only=True)
class Presentation:
    """What the payer sees, or, where the money is there at once, the notice."""

    kind: PresentationKind
    content: str = ""
    paid: PaymentNotice | None = None


class OrderState(Enum):
    """What a provider says of an order; UNKNOWN is a legal answer and never means failed."""

    NOT_PAID = "not_paid"
    PAID = "paid"
    CLOSED = "closed"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderAnswer:
    """The answer to a query or a close; `paid` is there exactly when the state is PAID."""

    state: OrderState
    paid: PaymentNotice | None = None
    reason: str = ""  # the provider's own word, for people


@dataclass(frozen=True, slots=True, kw_only=True)
class RefundWish:
    """A refund with what providers ask about its payment; the refund's reference makes it once."""

    refund: Refund
    transaction_no: str
    order_reference: str
    total_minor: int
    paid_at: datetime
    reason: str = ""
    payer: str = ""  # as the attempt knows them, where the money cannot go back by itself


@dataclass(frozen=True, slots=True, kw_only=True)
class RefundAnswer:
    """What a provider says of a refund; None = not known, which never means failed."""

    state: RefundState | None
    provider_no: str = ""
    reason: str = ""


class Move(Enum):
    """What a line of a fund bill is of."""

    PAYMENT = "payment"
    REFUND = "refund"  # what left the account: where a fee is given back with it, less than was refunded
    FEE = "fee"
    PAYOUT = "payout"  # to the merchant's bank, or back from it
    OTHER = "other"  # the provider's own word is in `state`


class StatementLine(NamedTuple):
    """One line of a bill; a tuple, since a bill may have a million."""

    transaction_no: str
    reference: str  # of our order
    refund_reference: str  # "" for a payment
    amount_minor: int  # what came in; a refund, and what went out, is negative
    fee_micro: int  # millionths of the major unit that the provider keeps; negative where it is given back
    currency: str
    at: datetime
    state: str  # the provider's own word
    move: Move | None = None  # of a fund bill's lines alone
    balance_minor: int | None = None  # what the account had after it, where a fund bill says so


class StatementFaulty(Refused):
    """A bill that cannot be read, or whose lines do not add up to its own totals; says where."""

    def __init__(self, line_no: int, reason: str) -> None:
        super().__init__(f"line {line_no} of the bill: {reason}; fetch it again, and use nothing of this one")
        self.line_no = line_no
        self.reason = reason


class NotReady(Refused):
    """The bill is not made yet; ask again later."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"the bill is not there yet: {reason}")


class NotOffered(Refused):
    """This provider account cannot do that; its capabilities say so."""

    def __init__(self, provider: str, what: str) -> None:
        super().__init__(f"{provider} offers no {what}")
        self.provider = provider


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One line of a connection test, for the person who set the account up."""

    name: str
    ok: bool
    detail: str = ""


class Refusal(Enum):
    """Why an inbound message is not believed."""

    HEADER_MISSING = "header_missing"
    STALE = "stale"
    KEY_UNKNOWN = "key_unknown"
    SIGNATURE_WRONG = "signature_wrong"
    PROBE = "probe"  # the provider tests whether we verify: refuse, and do not alarm
    BODY_MALFORMED = "body_malformed"
    MERCHANT_WRONG = "merchant_wrong"
    TOO_LARGE = "too_large"


@dataclass(frozen=True, slots=True, kw_only=True)
class PayeeQuestion:
    """Somebody is about to pay a payee: the provider asks, before money moves, whether there is one."""

    payee: str
    known: HttpResponse
    unknown: HttpResponse


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """An inbound message that is genuine; `notice` is None where it tells nothing about money that came."""

    notice: PaymentNotice | None
    event: str  # the provider's own name of what happened
    refund: RefundNotice | None = None
    dispute: DisputeNotice | None = None
    claim: Claim | None = None  # not signed, though it came the right way: asked for before it is believed
    expired: str = ""  # the reference of an order that the provider has ended
    question: PayeeQuestion | None = None  # answered by one of its own two answers, and by no other


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejected:
    """An inbound message that is not believed, with the answer that the provider is owed."""

    refusal: Refusal
    detail: str
    answer: HttpResponse


class PaymentProvider(Protocol):
    """One account at one payment provider."""

    @property
    def name(self) -> str: ...

    @property
    def capabilities(self) -> Capabilities: ...

    def create(
        self, attempt: Attempt, *, now: datetime, chance: Chance
    ) -> Generator[HttpRequest, HttpResponse, Presentation]:
        """Place the order; doing it again for the same attempt is harmless."""
        ...

    def query(
        self, attempt: Attempt, *, now: datetime, chance: Chance
    ) -> Generator[HttpRequest, HttpResponse, OrderAnswer]:
        """Ask what became of the order."""
        ...

    def close(
        self, attempt: Attempt, *, now: datetime, chance: Chance
    ) -> Generator[HttpRequest, HttpResponse, OrderAnswer]:
        """Make the order unpayable; answers PAID with the notice if the payer was faster."""
        ...

    def refund(
        self, wish: RefundWish, *, now: datetime, chance: Chance
    ) -> Generator[HttpRequest, HttpResponse, RefundAnswer]:
        """Give money back; doing it again with the same reference is harmless."""
        ...

    def query_refund(
        self, wish: RefundWish, *, now: datetime, chance: Chance
    ) -> Generator[HttpRequest, HttpResponse, RefundAnswer]:
        """Ask what became of a refund."""
        ...

    def confirm(
        self, claim: Claim, *, now: datetime, chance: Chance
    ) -> Generator[HttpRequest, HttpResponse, OrderAnswer]:
        """Ask whether a claim is true."""
        ...

    def statement(
        self, day: date, kind: StatementKind, *, now: datetime, chance: Chance
    ) -> Generator[HttpRequest, HttpResponse, bytes]:
        """Fetch the bill of a day; raises `NotReady`, and `StatementFaulty` where its hash is wrong."""
        ...

    def lines(self, bill: bytes, kind: StatementKind) -> Iterator[StatementLine]:
        """Read a bill; raises `StatementFaulty`, at the end too, where its totals do not agree."""
        ...

    def self_test(
        self, *, now: datetime, chance: Chance
    ) -> Generator[HttpRequest, HttpResponse, list[Check]]:
        """Try the account's keys and addresses without moving money."""
        ...

    def hear(self, inbound: HttpRequest, *, now: datetime) -> Verified | Rejected:
        """Verify an inbound message; pure: nothing is fetched because of a stranger's request."""
        ...

    def answer(self, *, accepted: bool) -> HttpResponse:
        """The exact answer that this provider wants once a genuine message is stored, or could not be."""
        ...
