"""The port to payment providers, without I/O: a conversation yields what to send and is sent what came.

A provider's operation is a generator: it yields `HttpRequest`s, is sent `HttpResponse`s, and returns its
result. Whoever drives it owns the socket, the time-out and the retry: the worker with httpx, the simulator
with a function call. A road that fails is thrown into it as `Unreachable`.
"""

from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import Enum
from typing import Protocol

from compuerta.domain.payment import Attempt, PaymentNotice

Chance = Callable[[int], bytes]  # n -> n random bytes; an argument, so that a run can be repeated


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpRequest:
    """A request to send, or one that came in; header names are lower case."""

    method: str
    path: str  # as sent: path and query, no host
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpResponse:
    """An answer that came, or one to give; header names are lower case."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class Capabilities:
    """What a provider account can do; screens and services ask here and never for a name."""

    currencies: frozenset[str]
    notices: bool  # it tells us by itself when money came
    query: bool
    close: bool
    immediate: bool  # money is there when create returns, as at a till
    expiry_min: timedelta
    expiry_max: timedelta


class PresentationKind(Enum):
    """How the payer is asked to pay."""

    QR = "qr"  # `content` is the text of a QR
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
class Verified:
    """An inbound message that is genuine; `notice` is None where it tells nothing about money that came."""

    notice: PaymentNotice | None
    event: str  # the provider's own name of what happened


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

    def hear(self, inbound: HttpRequest, *, now: datetime) -> Verified | Rejected:
        """Verify an inbound message; pure: nothing is fetched because of a stranger's request."""
        ...

    def answer(self, *, accepted: bool) -> HttpResponse:
        """The exact answer that this provider wants once a genuine message is stored, or could not be."""
        ...
