"""Cash at a counter as a payment provider: whoever takes it has the money before the order exists.

Cashiers sell by `services/tilling`, in shifts; by this, machines of a till that has none.
"""

from collections.abc import Generator, Iterator
from datetime import date, datetime

from compuerta.domain.errors import Refused
from compuerta.domain.payment import Attempt, AttemptState, Claim
from compuerta.services import tilling
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
    PresentationKind,
    RefundAnswer,
    RefundWish,
    Refusal,
    Rejected,
    StatementKind,
    StatementLine,
    Verified,
)


class CurrencyNotTaken(Refused):
    """An attempt in a currency that this till does not take."""

    def __init__(self, currency: str, taken: frozenset[str]) -> None:
        super().__init__(f"this till takes {', '.join(sorted(taken))}, not {currency}")
        self.currency = currency


class CashTill:
    """One till; satisfies `PaymentProvider` and keeps no state: the attempt's own row is the evidence."""

    def __init__(self, name: str, currencies: frozenset[str]) -> None:
        self._name = name
        self._currencies = currencies

    @property
    def name(self) -> str:
        return self._name

    @property
    def capabilities(self) -> Capabilities:
        return tilling.capabilities_of(self._currencies)

    def create(
        self, attempt: Attempt, *, now: datetime, chance: Chance
    ) -> Generator[HttpRequest, HttpResponse, Presentation]:
        """Take the cash: the money is here at once, under a number that the attempt alone decides."""
        yield from ()
        if attempt.currency not in self._currencies:
            raise CurrencyNotTaken(attempt.currency, self._currencies)
        return Presentation(kind=PresentationKind.PAID, paid=tilling.notice_of(attempt))

    def query(
        self, attempt: Attempt, *, now: datetime, chance: Chance
    ) -> Generator[HttpRequest, HttpResponse, OrderAnswer]:
        """Tell what the attempt itself knows: cash leaves no other trace than the row of its taking."""
        yield from ()
        if attempt.state in (AttemptState.PRESENTED, AttemptState.PAID):
            return OrderAnswer(state=OrderState.PAID, paid=tilling.notice_of(attempt))
        if attempt.state is AttemptState.CREATED:
            return OrderAnswer(state=OrderState.NOT_PAID)
        return OrderAnswer(state=OrderState.CLOSED)

    def close(
        self, attempt: Attempt, *, now: datetime, chance: Chance
    ) -> Generator[HttpRequest, HttpResponse, OrderAnswer]:
        """Close an attempt for which no cash was taken; otherwise answer PAID with the notice."""
        answer = yield from self.query(attempt, now=now, chance=chance)
        return answer if answer.state is OrderState.PAID else OrderAnswer(state=OrderState.CLOSED)

    def refund(
        self, wish: RefundWish, *, now: datetime, chance: Chance
    ) -> Generator[HttpRequest, HttpResponse, RefundAnswer]:
        """Refuse: a person pays cash out at a till, and books it there."""
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
        """Refuse: nobody claims anything of a till."""
        yield from ()
        raise NotOffered(self._name, "claims")

    def statement(
        self, day: date, kind: StatementKind, *, now: datetime, chance: Chance
    ) -> Generator[HttpRequest, HttpResponse, bytes]:
        """Refuse: a till's bill is its shift's count."""
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
        return [Check(name="till", ok=True)]

    def hear(self, inbound: HttpRequest, *, now: datetime) -> Verified | Rejected:
        """Refuse every message: a till sends none."""
        return Rejected(
            refusal=Refusal.SIGNATURE_WRONG, detail="a till sends no notices", answer=HttpResponse(status=404)
        )

    def answer(self, *, accepted: bool) -> HttpResponse:
        """Answer what a till never sends."""
        return HttpResponse(status=204 if accepted else 503)
