"""A simulated provider as its program, the payer's page and tests see it: no sockets, time is an argument."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Protocol

from compuerta.domain.errors import Refused
from compuerta.services.payment_ports import HttpRequest, HttpResponse
from compuerta.virtual.providers.notices import DueNotice, Tally


class Button(Enum):
    """What a payer, a shopkeeper in the provider's console, or a tester can do with an order."""

    # the payer's
    SCAN = "scan"  # look at the order; some providers know it only from then on
    PAY = "pay"
    PAY_LATE = "pay_late"  # the money comes although the order is over
    CANCEL = "cancel"  # look and leave; nothing is told
    REFUSE = "refuse"  # the bank says no
    # the others'
    REFUND = "refund"  # by hand in the provider's console; wish: amount_minor, all of it where absent
    REPEAT = "repeat"  # the notice once more, as another notification of the same event
    FORGE = "forge"  # a notice with a good signature and another amount; wish: amount_minor
    STRANGER = "stranger"  # a notice that somebody else signed
    PROBE = "probe"  # a wrong signature on purpose
    FINISH = "finish"  # the time for refunds is over
    DISPUTE = "dispute"  # the payer's bank wants the payment back
    DISPUTE_WON = "dispute_won"  # the money stays
    DISPUTE_LOST = "dispute_lost"
    SEND = "send"  # money without an order: `reference` is what the payer typed; wish: amount_minor


class State(Enum):
    """Where an order stands, in the words of the payer's page."""

    WAITING = "waiting"
    SCANNED = "scanned"
    PAID = "paid"
    REFUSED = "refused"
    EXPIRED = "expired"
    CLOSED = "closed"
    REFUNDED = "refunded"  # some or all of it


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """An order as the payer's page shows it."""

    reference: str  # the merchant's number of it; `press` takes it
    description: str
    amount_minor: int
    currency: str
    content: str  # what the payer was presented: the QR's text, a telephone number, an address
    state: State
    placed_at: datetime
    expires_at: datetime
    paid_at: datetime | None = None
    transaction_no: str = ""
    buttons: tuple[Button, ...] = ()  # what can be pressed now


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """Money that the provider truly has: what every promise is measured by."""

    transaction_no: str
    reference: str
    amount_minor: int
    refunded_minor: int
    currency: str
    paid_at: datetime


class NotPressed(Refused):
    """The payer's app shows a reason instead of doing it, or this provider has no such button."""

    def __init__(self, reference: str, reason: str) -> None:
        super().__init__(f"{reference[:64]}: {reason}")
        self.reference = reference
        self.reason = reason


class World(Protocol):
    """One simulated provider with one merchant account; the one owner of its orders."""

    @property
    def name(self) -> str:
        """Return below which path it is served: the merchant's base_url ends with it."""
        ...

    @property
    def answer_delay_ms(self) -> int:
        """Return how long its server waits before each answer."""
        ...

    @property
    def tally(self) -> Tally:
        """Return how notices ended so far."""
        ...

    def answer(self, request: HttpRequest, now: datetime) -> HttpResponse:
        """Answer a merchant's request, or a payer's browser; `request.path` is without the world's name."""
        ...

    def due(self, now: datetime) -> list[DueNotice]:
        """Return the notices to send now; tell `answered` what became of each."""
        ...

    def answered(self, notice: DueNotice, status: int, now: datetime, *, body: bytes = b"") -> None:
        """Take the merchant's answer to a notice; the status 0 says that none came."""
        ...

    def wake_at(self) -> datetime | None:
        """Return when `due` will have something to do next, or None."""
        ...

    def shown(self, now: datetime, *, limit: int) -> Sequence[Shown]:
        """Return the newest orders, the newest first."""
        ...

    def press(self, button: Button, reference: str, now: datetime, *, amount_minor: int = 0) -> None:
        """Do what a button does with one order, or refuse with `NotPressed`; 0 = the order's amount.

        `reference` is the merchant's number, or what the payer was presented.
        """
        ...

    def behave(self, wishes: Mapping[str, object]) -> Mapping[str, object]:
        """Change how it misbehaves, and return all of it; refuses what does not exist."""
        ...

    def facts(self) -> list[Fact]:
        """Return all money that it has or had, oldest first."""
        ...
