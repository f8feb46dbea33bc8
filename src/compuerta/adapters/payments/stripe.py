"""One Stripe account as a payment provider: pages on which a card is paid, refunds, disputes and bills.

A payment is known by its PaymentIntent, which every event and answer about it names. The page is a Checkout
Session; its number is part of its address, which is all that an attempt keeps.
"""

import re
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

from compuerta.adapters.payments import stripe_bill, stripe_events
from compuerta.adapters.payments.answering import (
    AnswerUnusable,
    CurrencyNotTaken,
    ProviderBusy,
    RequestRefused,
)
from compuerta.domain.errors import Refused
from compuerta.domain.money import MINOR_DIGITS
from compuerta.domain.payment import Attempt, Claim, Flow, PaymentNotice, RefundState
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
    Rejected,
    StatementKind,
    StatementLine,
    Verified,
)
from compuerta.wire.stripe import amounts, objects, requests
from compuerta.wire.stripe.fields import BodyMalformed, JsonObject, read_object
from compuerta.wire.stripe.objects import Money, Session
from compuerta.wire.stripe.requests import Form

FLOWS = frozenset({Flow.WEB, Flow.DESKTOP})
# Stripe ends a page no earlier than 30 minutes after its making; ten more, since the making may be repeated.
EXPIRY_MIN = timedelta(minutes=40)
EXPIRY_MAX = timedelta(hours=23)  # Stripe: 24 hours
LIST_BYTES_MAX = 4 * 1024 * 1024  # a hundred objects with what they are about
PAGE_LENGTH = 100  # the most that Stripe gives
SESSION_PAGES_MAX = 3
# A page is made within this of its attempt, or the attempt has no page.
MADE_WITHIN = timedelta(minutes=15)
# The balance is filled by tomorrow's payments.
_REFUND_LATER = frozenset({"balance_insufficient", "insufficient_funds"})
_SESSIONS = "/v1/checkout/sessions"
_SESSION_ID = re.compile(r"cs_(?:test|live)_[A-Za-z0-9]{8,200}", re.ASCII)
_WITH_CHARGE: Form = (("expand[]", "payment_intent.latest_charge"),)


class KeyUnusable(Refused):
    """A key, or a secret, that is not what Stripe gives out, or is of the other kind of account."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"the key cannot be used: {reason}")
        self.reason = reason


@dataclass(frozen=True, slots=True, kw_only=True)
class StripeSettings:
    """One account; whoever holds its key can move its money, so it is never logged or shown."""

    key: str  # sk_live_..., or better a restricted rk_live_...; sk_test_ for a test account
    secrets: tuple[bytes, ...]  # whsec_...: all that are in force, two while one is being changed
    return_url: str  # where the payer's browser comes back to; {reference} becomes the order's number
    notify_url: str
    currencies: frozenset[str]
    name: str = "stripe"
    live: bool = True
    account: str = ""  # acct_... of a connected account; "" = the key's own

    def __repr__(self) -> str:
        return f"StripeSettings(name={self.name!r}, live={self.live!r})"


class StripePay:
    """One Stripe account; satisfies `PaymentProvider` and keeps no state."""

    def __init__(self, settings: StripeSettings) -> None:
        """Refuses keys that cannot be used, and a live key in a test account."""
        mode = "live" if settings.live else "test"
        if not re.fullmatch(rf"[sr]k_{mode}_[A-Za-z0-9_]{{8,250}}", settings.key, re.ASCII):
            raise KeyUnusable(f"write sk_{mode}_... or rk_{mode}_... for a {mode} account")
        if not settings.secrets or not all(each.startswith(b"whsec_") for each in settings.secrets):
            raise KeyUnusable("the secret of each endpoint begins with whsec_")
        for currency in settings.currencies - set(MINOR_DIGITS):
            raise CurrencyNotTaken(settings.name, currency)
        self._settings = settings
        self._endpoint = stripe_events.Endpoint(
            provider=settings.name, secrets=settings.secrets, live=settings.live, account=settings.account
        )

    @property
    def name(self) -> str:
        return self._settings.name

    @property
    def capabilities(self) -> Capabilities:
        return Capabilities(
            currencies=self._settings.currencies,
            flows=FLOWS,
            live=self._settings.live,
            notices=True,
            query=True,
            close=True,
            immediate=False,
            expiry_min=EXPIRY_MIN,
            expiry_max=EXPIRY_MAX,
            refunds=True,
            refund_partial=True,
            refund_age_max=timedelta(days=180),  # many issuers take nothing back that is older
            statements=frozenset(StatementKind),
            statement_ready=time(1),
        )

    def create(
        self, attempt: Attempt, *, now: datetime, chance: Chance
    ) -> Generator[HttpRequest, HttpResponse, Presentation]:
        """Open a page for the order, or return the one it has, or the notice if it was paid there.

        The form is made of the attempt alone and carries its number as Idempotency-Key: Stripe answers a
        repetition with what it answered first.
        """
        if attempt.flow not in FLOWS:
            raise NotOffered(self.name, f"payment by {attempt.flow.value}")
        if attempt.currency not in self._settings.currencies:
            raise CurrencyNotTaken(self.name, attempt.currency)
        if attempt.presented:
            asked = yield from self.query(attempt, now=now, chance=chance)
            if asked.paid is not None:
                return Presentation(kind=PresentationKind.PAID, paid=asked.paid)
            return Presentation(kind=PresentationKind.REDIRECT, content=attempt.presented)
        form = requests.session_form(self._order(attempt))
        answer = yield self._post(_SESSIONS, form, once=attempt.reference)
        session = self._session(self._object(answer), attempt)
        if _SESSION_ID.search(session.url) is None:
            raise AnswerUnusable(self.name, "the page's address does not name the page")
        return Presentation(kind=PresentationKind.REDIRECT, content=session.url)

    def query(
        self, attempt: Attempt, *, now: datetime, chance: Chance
    ) -> Generator[HttpRequest, HttpResponse, OrderAnswer]:
        """Ask what became of the order; where its page's address was lost, look for it among all pages."""
        found = _SESSION_ID.search(attempt.presented or "")
        if found is None:
            session = yield from self._search(attempt)
            if session is None:
                return OrderAnswer(state=OrderState.UNKNOWN)
        else:
            answer = yield self._get(f"{_SESSIONS}/{found[0]}", _WITH_CHARGE)
            session = self._session(self._object(answer), attempt)
        return self._told(session)

    def close(
        self, attempt: Attempt, *, now: datetime, chance: Chance
    ) -> Generator[HttpRequest, HttpResponse, OrderAnswer]:
        """End the page; where Stripe will not, ask it why: the payer may have been faster."""
        found = _SESSION_ID.search(attempt.presented or "")
        if found is None:
            asked = yield from self.query(attempt, now=now, chance=chance)
            # Nobody was shown the page, and it ends by itself when the attempt does.
            is_over = asked.state is OrderState.UNKNOWN and now >= attempt.expires_at + MADE_WITHIN
            return OrderAnswer(state=OrderState.CLOSED) if is_over else asked
        answer = yield self._post(f"{_SESSIONS}/{found[0]}/expire", (), once="")
        try:
            self._session(self._object(answer), attempt)
        except RequestRefused:
            return (yield from self.query(attempt, now=now, chance=chance))
        return OrderAnswer(state=OrderState.CLOSED)

    def refund(
        self, wish: RefundWish, *, now: datetime, chance: Chance
    ) -> Generator[HttpRequest, HttpResponse, RefundAnswer]:
        """Give money back, once per reference.

        Stripe forgets an Idempotency-Key after a day, and a repetition would then give the money twice: the
        payment's refunds are looked through first, and the key guards the moment between.
        """
        there = yield from self.query_refund(wish, now=now, chance=chance)
        if there.state is not None:
            return there
        form = requests.refund_form(
            intent_id=wish.transaction_no,
            units=amounts.to_units(wish.refund.amount_minor, currency=wish.refund.currency),
            order=wish.order_reference,
            refund=wish.refund.reference,
        )
        answer = yield self._post("/v1/refunds", form, once=wish.refund.reference)
        try:
            return self._refund_told(self._object(answer))
        except RequestRefused as refused:
            if refused.status in (401, 403):
                raise  # it is our key that is refused, and not the refund
            # Without money in the account it has only to wait, and is sent again; otherwise it is over.
            state = None if refused.code in _REFUND_LATER else RefundState.CLOSED
            return RefundAnswer(state=state, reason=str(refused))

    def query_refund(
        self, wish: RefundWish, *, now: datetime, chance: Chance
    ) -> Generator[HttpRequest, HttpResponse, RefundAnswer]:
        """Ask what became of a refund; one that Stripe does not know is not known, and not failed."""
        form: Form = (("payment_intent", wish.transaction_no), ("limit", str(PAGE_LENGTH)))
        answer = yield self._get("/v1/refunds", form, bytes_max=LIST_BYTES_MAX)
        for found in self._page(answer)[0]:
            try:
                if objects.parse_refund(found).refund == wish.refund.reference:
                    return self._refund_told(found)
            except BodyMalformed as malformed:
                raise AnswerUnusable(self.name, str(malformed)) from malformed
        return RefundAnswer(state=None)

    def confirm(
        self, claim: Claim, *, now: datetime, chance: Chance
    ) -> Generator[HttpRequest, HttpResponse, OrderAnswer]:
        """Refuse: its notices are signed, and nothing is claimed."""
        yield from ()
        raise NotOffered(self.name, "claims")

    def statement(
        self, day: date, kind: StatementKind, *, now: datetime, chance: Chance
    ) -> Generator[HttpRequest, HttpResponse, bytes]:
        """Fetch all that moved the balance on a day, page by page; the day is of UTC."""
        bill = stripe_bill.Bill(day, now=now)
        try:
            while bill.wants_more:
                path, question = "/v1/balance_transactions", bill.question()
                bill.take(*self._page((yield self._get(path, question, bytes_max=LIST_BYTES_MAX))))
            return bill.written()
        except BodyMalformed as malformed:
            raise AnswerUnusable(self.name, str(malformed)) from malformed

    def lines(self, bill: bytes, kind: StatementKind) -> Iterator[StatementLine]:
        """Read a bill; refuses one that was cut off."""
        return stripe_bill.lines(bill, kind)

    def self_test(
        self, *, now: datetime, chance: Chance
    ) -> Generator[HttpRequest, HttpResponse, list[Check]]:
        """Try the key, and look whether Stripe will send us what we listen for."""
        try:
            balance = self._object((yield self._get("/v1/balance", ())))
        except Refused as refused:
            return [Check(name="key", ok=False, detail=str(refused))]
        agrees = balance.get("livemode") is self._settings.live
        checks = [Check(name="key", ok=agrees, detail="" if agrees else "is of the other kind of account")]
        form: Form = (("limit", str(PAGE_LENGTH)),)
        try:
            answer = yield self._get("/v1/webhook_endpoints", form, bytes_max=LIST_BYTES_MAX)
            endpoints = self._page(answer)[0]
        except Refused as refused:
            return [*checks, Check(name="notices", ok=False, detail=str(refused))]
        missing = stripe_events.missing(endpoints, url=self._settings.notify_url)
        return [*checks, Check(name="notices", ok=not missing, detail=missing)]

    def hear(self, inbound: HttpRequest, *, now: datetime) -> Verified | Rejected:
        """Verify a notice: size, signature, then whose it is; only then what it says."""
        return stripe_events.hear(self._endpoint, inbound, now=now)

    def answer(self, *, accepted: bool) -> HttpResponse:
        """Answer a genuine notice: 200 once it is stored; otherwise Stripe repeats it for three days."""
        return HttpResponse(status=200) if accepted else HttpResponse(status=503)

    def _order(self, attempt: Attempt) -> requests.Order:
        return_url = self._settings.return_url.replace("{reference}", attempt.reference)
        return requests.Order(
            reference=attempt.reference,
            description=attempt.description,
            asked=Money(
                units=amounts.to_units(attempt.amount_minor, currency=attempt.currency),
                currency=attempt.currency,
            ),
            expires_at=attempt.expires_at,
            success_url=return_url,
            cancel_url=return_url,
        )

    def _search(self, attempt: Attempt) -> Generator[HttpRequest, HttpResponse, Session | None]:
        made_at = int(attempt.created_at.timestamp())
        form: Form = (
            ("created[gte]", str(made_at - 60)),
            ("created[lte]", str(made_at + int(MADE_WITHIN.total_seconds()))),
            ("limit", str(PAGE_LENGTH)),
            ("expand[]", "data.payment_intent.latest_charge"),
        )
        after = ""
        for _ in range(SESSION_PAGES_MAX):
            further: Form = (("starting_after", after),) if after else ()
            answer = yield self._get(_SESSIONS, (*form, *further), bytes_max=LIST_BYTES_MAX)
            page, has_more = self._page(answer)
            for found in page:
                if found.get("client_reference_id") == attempt.reference:
                    return self._session(found, attempt)
            if not has_more or not page:
                return None
            after = str(page[-1].get("id"))
        raise AnswerUnusable(self.name, "more pages of sessions than are looked through")

    def _session(self, found: JsonObject, attempt: Attempt) -> Session:
        try:
            session = objects.parse_session(found)
        except BodyMalformed as malformed:
            raise AnswerUnusable(self.name, str(malformed)) from malformed
        if session.order != attempt.reference or session.is_live != self._settings.live:
            raise AnswerUnusable(self.name, "it is about another order")
        return session

    def _told(self, session: Session) -> OrderAnswer:
        if session.status == "expired":
            return OrderAnswer(state=OrderState.CLOSED)
        if session.payment_status != "paid":
            return OrderAnswer(state=OrderState.NOT_PAID, reason=session.status)
        intent = session.intent
        if intent is None or intent.charge is None:
            raise AnswerUnusable(self.name, "it is paid, and does not say by what")
        if intent.charge.refunded_units or intent.charge.is_disputed:
            # Some or all of the money has gone back, so crediting it needs a person.
            return OrderAnswer(state=OrderState.UNKNOWN, reason="refunded or disputed")
        try:
            amount_minor = amounts.from_units(intent.received.units, currency=intent.received.currency)
        except Refused as refused:
            raise AnswerUnusable(self.name, str(refused)) from refused
        notice = PaymentNotice(
            provider=self.name,
            transaction_no=intent.intent_id,
            reference=session.order,
            amount_minor=amount_minor,
            currency=intent.received.currency,
            paid_at=intent.charge.created_at,
        )
        return OrderAnswer(state=OrderState.PAID, paid=notice)

    def _refund_told(self, found: JsonObject) -> RefundAnswer:
        try:
            refund = objects.parse_refund(found)
        except BodyMalformed as malformed:
            raise AnswerUnusable(self.name, str(malformed)) from malformed
        state = stripe_events.REFUND_STATES.get(refund.status)
        return RefundAnswer(state=state, provider_no=refund.refund_id, reason=refund.reason or refund.status)

    def _get(self, path: str, form: Form, *, bytes_max: int = 65_536) -> HttpRequest:
        query = f"?{requests.write_query(form)}" if form else ""
        return HttpRequest(
            method="GET", path=path + query, headers=self._headers(), answer_bytes_max=bytes_max
        )

    def _post(self, path: str, form: Form, *, once: str) -> HttpRequest:
        headers = self._headers() | {"content-type": "application/x-www-form-urlencoded"}
        if once:
            headers["idempotency-key"] = once
        return HttpRequest(method="POST", path=path, headers=headers, body=requests.write_form(form))

    def _headers(self) -> dict[str, str]:
        headers = {
            "authorization": f"Bearer {self._settings.key}",
            "stripe-version": requests.API_VERSION,
            "user-agent": "compuerta",
        }
        if self._settings.account:
            headers["stripe-account"] = self._settings.account
        return headers

    def _page(self, response: HttpResponse) -> tuple[list[JsonObject], bool]:
        self._object(response)
        try:
            return objects.parse_page(response.body)
        except BodyMalformed as malformed:
            raise AnswerUnusable(self.name, str(malformed)) from malformed

    def _object(self, response: HttpResponse) -> JsonObject:
        """Return what a good answer holds; raise for every other."""
        if not 200 <= response.status < 300:
            refusal = objects.parse_refusal(response.body)
            code = refusal.code or refusal.kind
            # 409: the same request is under way.
            if response.status in (409, 429) or not 400 <= response.status < 500:
                raise ProviderBusy(self.name, response.status, code=code)
            raise RequestRefused(self.name, response.status, code=code, message=refusal.message)
        try:
            return read_object(response.body)
        except BodyMalformed as malformed:
            raise AnswerUnusable(self.name, str(malformed)) from malformed
