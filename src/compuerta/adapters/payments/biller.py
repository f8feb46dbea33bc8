"""A biller as a payment provider: a shop, a bank or an aggregator that takes our money and calls us.

Nothing is asked of it: what it says at `apps/api/billers` is the payment, and what it owes us is its account
`cash:<name>`. An API key of the biller has the name of this provider account.
"""

from collections.abc import Generator, Iterator
from datetime import date, datetime, timedelta

from compuerta.domain.payment import Attempt, AttemptState, Claim, Flow
from compuerta.services.payment_ports import (
    Capabilities,
    Chance,
    Check,
    HttpRequest,
    HttpResponse,
    NotOffered,
    OrderAnswer,
    OrderState,
    Presentation,
    RefundAnswer,
    RefundWish,
    Refusal,
    Rejected,
    StatementKind,
    StatementLine,
    Verified,
)


class Biller:
    """One biller; satisfies `PaymentProvider` and keeps no state."""

    def __init__(
        self, name: str, currencies: frozenset[str], *, live: bool = True, reverse_within: timedelta
    ) -> None:
        self._name = name
        self._currencies = currencies
        self._live = live
        self.reverse_within = reverse_within

    @property
    def name(self) -> str:
        return self._name

    @property
    def capabilities(self) -> Capabilities:
        return Capabilities(
            currencies=self._currencies,
            flows=frozenset({Flow.BILLER}),
            live=self._live,
            notices=False,
            query=True,
            close=True,
            immediate=True,
            expiry_min=timedelta(minutes=1),
            expiry_max=timedelta(days=1),
        )

    def create(
        self, attempt: Attempt, *, now: datetime, chance: Chance
    ) -> Generator[HttpRequest, HttpResponse, Presentation]:
        """Refuse: the biller calls us, and nobody can order at it."""
        yield from ()
        raise NotOffered(self._name, "orders: it calls us when it has the money")

    def query(
        self, attempt: Attempt, *, now: datetime, chance: Chance
    ) -> Generator[HttpRequest, HttpResponse, OrderAnswer]:
        """Tell what the attempt knows: it is written with its payment, or not at all."""
        yield from ()
        paid = attempt.state is AttemptState.PAID
        return OrderAnswer(state=OrderState.UNKNOWN if paid else OrderState.CLOSED)

    def close(
        self, attempt: Attempt, *, now: datetime, chance: Chance
    ) -> Generator[HttpRequest, HttpResponse, OrderAnswer]:
        """Tell the same as `query`."""
        return (yield from self.query(attempt, now=now, chance=chance))

    def refund(
        self, wish: RefundWish, *, now: datetime, chance: Chance
    ) -> Generator[HttpRequest, HttpResponse, RefundAnswer]:
        """Refuse: a biller takes back by its own call; after its time, the money goes back in cash, by us."""
        yield from ()
        raise NotOffered(self._name, "refunds: pay it out in cash")

    def query_refund(
        self, wish: RefundWish, *, now: datetime, chance: Chance
    ) -> Generator[HttpRequest, HttpResponse, RefundAnswer]:
        """Refuse: see `refund`."""
        yield from ()
        raise NotOffered(self._name, "refunds")

    def confirm(
        self, claim: Claim, *, now: datetime, chance: Chance
    ) -> Generator[HttpRequest, HttpResponse, OrderAnswer]:
        """Refuse: a biller's word comes with its key."""
        yield from ()
        raise NotOffered(self._name, "claims")

    def statement(
        self, day: date, kind: StatementKind, *, now: datetime, chance: Chance
    ) -> Generator[HttpRequest, HttpResponse, bytes]:
        """Refuse: the biller asks us for the total of its day."""
        yield from ()
        raise NotOffered(self._name, "bills")

    def lines(self, bill: bytes, kind: StatementKind) -> Iterator[StatementLine]:
        """Refuse, as `statement`."""
        raise NotOffered(self._name, "bills")

    def self_test(
        self, *, now: datetime, chance: Chance
    ) -> Generator[HttpRequest, HttpResponse, list[Check]]:
        """Tell that there is nothing to test."""
        yield from ()
        return [Check(name="biller", ok=True)]

    def hear(self, inbound: HttpRequest, *, now: datetime) -> Verified | Rejected:
        """Refuse every message: a biller comes with a key, by the door for machines."""
        return Rejected(
            refusal=Refusal.SIGNATURE_WRONG,
            detail="a biller sends no notices",
            answer=HttpResponse(status=404),
        )

    def answer(self, *, accepted: bool) -> HttpResponse:
        """Answer what a biller never sends."""
        return HttpResponse(status=204 if accepted else 503)
