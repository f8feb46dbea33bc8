"""Cash at a counter as a payment provider: the cashier has the money before the order exists."""

from collections.abc import Generator
from datetime import datetime, timedelta

from compuerta.domain.errors import Refused
from compuerta.domain.payment import Attempt, AttemptState, PaymentNotice
from compuerta.services.payment_ports import (
    Capabilities,
    Chance,
    HttpRequest,
    HttpResponse,
    OrderAnswer,
    OrderState,
    Presentation,
    PresentationKind,
    Refusal,
    Rejected,
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
        return Capabilities(
            currencies=self._currencies,
            notices=False,
            query=True,
            close=True,
            immediate=True,
            expiry_min=timedelta(0),
            expiry_max=timedelta(days=1),
        )

    def create(
        self, attempt: Attempt, *, now: datetime, chance: Chance
    ) -> Generator[HttpRequest, HttpResponse, Presentation]:
        """Take the cash: the money is here at once, under a number that the attempt alone decides."""
        yield from ()
        if attempt.currency not in self._currencies:
            raise CurrencyNotTaken(attempt.currency, self._currencies)
        return Presentation(kind=PresentationKind.PAID, paid=self._notice(attempt))

    def query(
        self, attempt: Attempt, *, now: datetime, chance: Chance
    ) -> Generator[HttpRequest, HttpResponse, OrderAnswer]:
        """Tell what the attempt itself knows: cash leaves no other trace than the row of its taking."""
        yield from ()
        if attempt.state in (AttemptState.PRESENTED, AttemptState.PAID):
            return OrderAnswer(state=OrderState.PAID, paid=self._notice(attempt))
        if attempt.state is AttemptState.CREATED:
            return OrderAnswer(state=OrderState.NOT_PAID)
        return OrderAnswer(state=OrderState.CLOSED)

    def close(
        self, attempt: Attempt, *, now: datetime, chance: Chance
    ) -> Generator[HttpRequest, HttpResponse, OrderAnswer]:
        """Close an attempt for which no cash was taken; otherwise answer PAID with the notice."""
        answer = yield from self.query(attempt, now=now, chance=chance)
        return answer if answer.state is OrderState.PAID else OrderAnswer(state=OrderState.CLOSED)

    def hear(self, inbound: HttpRequest, *, now: datetime) -> Verified | Rejected:
        """Refuse every message: a till sends none."""
        return Rejected(
            refusal=Refusal.SIGNATURE_WRONG, detail="a till sends no notices", answer=HttpResponse(status=404)
        )

    def answer(self, *, accepted: bool) -> HttpResponse:
        """Answer what a till never sends."""
        return HttpResponse(status=204 if accepted else 503)

    def _notice(self, attempt: Attempt) -> PaymentNotice:
        # Everything is taken from the attempt, so that every repetition is the same notice.
        return PaymentNotice(
            provider=self._name,
            transaction_no=f"till:{attempt.reference}",
            reference=attempt.reference,
            amount_minor=attempt.amount_minor,
            currency=attempt.currency,
            paid_at=attempt.created_at,
        )
