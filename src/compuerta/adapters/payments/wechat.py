"""WeChat Pay v3 as a payment provider: a QR, a page inside WeChat, an app, a browser, or a code at the till.

Nothing is believed without a signature: neither a notice nor an answer. An error answer is never evidence:
after one, the order is asked for. What is credited is the order's total; the payer may have paid less,
where the provider gave a discount.
"""

from collections.abc import Generator, Iterator, Mapping
from datetime import date, datetime, time, timedelta
from types import MappingProxyType
from urllib.parse import quote

from compuerta.adapters.payments import (
    wechat_bill_lines,
    wechat_bills,
    wechat_orders,
    wechat_refunds,
    wechat_trial,
)
from compuerta.adapters.payments.http import RoadShut
from compuerta.adapters.payments.wechat_account import (
    AnswerForged,
    AnswerUnusable,
    OrderRefused,
    ProviderBusy,
    WechatAccount,
    WechatSettings,
)
from compuerta.domain.errors import Unreachable
from compuerta.domain.payment import Attempt, Claim, Flow, PaymentNotice
from compuerta.services.payment_ports import (
    Capabilities,
    Chance,
    Check,
    HttpRequest,
    HttpResponse,
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
from compuerta.wire.wechat import bodies, orders, refunds, resource, signature
from compuerta.wire.wechat.bodies import Envelope, ProviderRefusal, TradeState, Transaction
from compuerta.wire.wechat.fields import BodyMalformed
from compuerta.wire.wechat.keys import KeyRing
from compuerta.wire.wechat.orders import Order
from compuerta.wire.wechat.signature import Unbelieved

BODY_BYTES_MAX = 65_536  # a notice is about 1 KiB; more is nobody's notice, and is not worth a hash
ORDERS_PATH = "/v3/pay/transactions"
PAID_EVENT = "TRANSACTION.SUCCESS"
REFUND_EVENTS = "REFUND."
ECHO_EVENTS = "SECURITY_ECHO."
# The payer types a password, or nobody knows: the order is asked for until its end is known.
_UNDECIDED = frozenset({"USERPAYING", "SYSTEM_ERROR", "SYSTEMERROR", "BANKERROR", "BANK_ERROR"})

_REFUSALS: Mapping[type[Unbelieved], Refusal] = MappingProxyType(
    {
        signature.HeaderUnusable: Refusal.HEADER_MISSING,
        signature.Probe: Refusal.PROBE,
        signature.Stale: Refusal.STALE,
        signature.KeyUnknown: Refusal.KEY_UNKNOWN,
        signature.SignatureWrong: Refusal.SIGNATURE_WRONG,
    }
)
_STATUSES: Mapping[Refusal, int] = MappingProxyType(
    {
        Refusal.HEADER_MISSING: 401,
        Refusal.PROBE: 401,
        Refusal.STALE: 401,
        Refusal.KEY_UNKNOWN: 401,
        Refusal.SIGNATURE_WRONG: 401,
        Refusal.BODY_MALFORMED: 400,
        Refusal.MERCHANT_WRONG: 400,
        Refusal.TOO_LARGE: 413,
    }
)
# REFUND is UNKNOWN on purpose: some or all of the money has gone back, so crediting it needs a person.
_ORDER_STATES: Mapping[TradeState, OrderState] = MappingProxyType(
    {
        TradeState.SUCCESS: OrderState.PAID,
        TradeState.NOTPAY: OrderState.NOT_PAID,
        TradeState.USERPAYING: OrderState.NOT_PAID,
        TradeState.CLOSED: OrderState.CLOSED,
        TradeState.REVOKED: OrderState.CLOSED,
        TradeState.REFUND: OrderState.UNKNOWN,
        TradeState.PAYERROR: OrderState.UNKNOWN,
        TradeState.UNLISTED: OrderState.UNKNOWN,
    }
)


class WechatPay:
    """One WeChat Pay merchant account; satisfies `PaymentProvider`."""

    def __init__(self, settings: WechatSettings, *, keys: KeyRing | None = None) -> None:
        """Read the keys once; refuses those that cannot be used.

        `keys` replaces the RSA keys of the settings where virtual time needs something cheaper.
        """
        self._account = WechatAccount(settings, keys=keys)
        self._settings = settings

    @property
    def name(self) -> str:
        return self._settings.name

    @property
    def capabilities(self) -> Capabilities:
        return Capabilities(
            currencies=frozenset({bodies.CURRENCY}),
            flows=self._settings.flows,
            live=self._settings.live,
            notices=True,
            query=True,
            close=True,
            immediate=False,
            expiry_min=timedelta(seconds=30),  # a code at the till is given up after that
            expiry_max=timedelta(hours=2),  # the life of a code_url; each flow's own is in LIVES
            refunds=True,
            refund_partial=True,
            refunds_apart=timedelta(minutes=1),
            statements=frozenset(StatementKind),
            statement_ready=time(10),
            statement_zone="Asia/Shanghai",
        )

    def create(
        self, attempt: Attempt, *, now: datetime, chance: Chance
    ) -> Generator[HttpRequest, HttpResponse, Presentation]:
        """Place the order and return what its payer is given, or the notice if it was paid already."""
        order = wechat_orders.order_of(attempt, account=self._account, now=now)
        if attempt.flow is Flow.CODE:
            return (yield from self._take(order, attempt, now=now, chance=chance))
        path = f"{ORDERS_PATH}/{order.kind.value}"
        request = self._account.post(path, orders.build_order(order), now=now, chance=chance)
        try:
            answer = self._account.believed((yield request), now=now)
        except OrderRefused as refused:
            return (yield from self._paid_before(attempt, refused, now=now, chance=chance))
        try:
            return wechat_orders.presentation_of(
                order, answer.body, account=self._account, now=now, chance=chance
            )
        except BodyMalformed as malformed:
            raise AnswerUnusable(str(malformed)) from malformed

    def query(
        self, attempt: Attempt, *, now: datetime, chance: Chance
    ) -> Generator[HttpRequest, HttpResponse, OrderAnswer]:
        """Ask what became of the order; an order that the provider does not know is UNKNOWN."""
        return (yield from self._ask(_order_path(attempt), attempt.reference, now=now, chance=chance))

    def close(
        self, attempt: Attempt, *, now: datetime, chance: Chance
    ) -> Generator[HttpRequest, HttpResponse, OrderAnswer]:
        """Close the order; where the provider will not, ask it why: the payer may have been faster."""
        if attempt.flow is Flow.CODE:
            return (yield from self._reverse(attempt, now=now, chance=chance))
        body = orders.build_close(self._settings.mchid)
        request = self._account.post(f"{_order_path(attempt)}/close", body, now=now, chance=chance)
        try:
            self._account.believed((yield request), now=now)
        except OrderRefused:
            return (yield from self.query(attempt, now=now, chance=chance))
        return OrderAnswer(state=OrderState.CLOSED)

    def refund(
        self, wish: RefundWish, *, now: datetime, chance: Chance
    ) -> Generator[HttpRequest, HttpResponse, RefundAnswer]:
        """Give money back; the refund's reference makes it once."""
        return (yield from wechat_refunds.refund(wish, account=self._account, now=now, chance=chance))

    def query_refund(
        self, wish: RefundWish, *, now: datetime, chance: Chance
    ) -> Generator[HttpRequest, HttpResponse, RefundAnswer]:
        """Ask what became of a refund."""
        return (yield from wechat_refunds.query_refund(wish, account=self._account, now=now, chance=chance))

    def confirm(
        self, claim: Claim, *, now: datetime, chance: Chance
    ) -> Generator[HttpRequest, HttpResponse, OrderAnswer]:
        """Ask by the provider's own number whether money came, whatever order it was for."""
        path = f"{ORDERS_PATH}/id/{quote(claim.transaction_no, safe='')}"
        return (yield from self._ask(path, claim.reference, now=now, chance=chance))

    def statement(
        self, day: date, kind: StatementKind, *, now: datetime, chance: Chance
    ) -> Generator[HttpRequest, HttpResponse, bytes]:
        """Fetch the bill of a day in Beijing, packed as it came; b"" is a day without any movement."""
        return (yield from wechat_bills.statement(day, kind, account=self._account, now=now, chance=chance))

    def lines(self, bill: bytes, kind: StatementKind) -> Iterator[StatementLine]:
        """Read a bill, and compare its sums at the end."""
        return wechat_bill_lines.lines(bill, kind, mchid=self._settings.mchid)

    def self_test(
        self, *, now: datetime, chance: Chance
    ) -> Generator[HttpRequest, HttpResponse, list[Check]]:
        """Try both sides' keys without moving money; says what each answer proves."""
        return (yield from wechat_trial.self_test(self._account, now=now, chance=chance))

    def hear(self, inbound: HttpRequest, *, now: datetime) -> Verified | Rejected:
        """Verify a notice: size, signature, then body; only one of this merchant tells of money."""
        if len(inbound.body) > BODY_BYTES_MAX:
            return _rejected(Refusal.TOO_LARGE, f"more than {BODY_BYTES_MAX} bytes")
        try:
            signature.verify(inbound.headers, inbound.body, verifiers=self._account.keys.verifiers, now=now)
        except Unbelieved as unbelieved:
            return _rejected(_REFUSALS[type(unbelieved)], str(unbelieved))
        try:
            envelope = bodies.parse_envelope(inbound.body)
            if envelope.event_type == PAID_EVENT:
                return self._hear_payment(envelope)
            if envelope.event_type.startswith(REFUND_EVENTS):
                return self._hear_refund(envelope)
            if envelope.event_type.startswith(ECHO_EVENTS):
                self._unseal(envelope)  # it opens, or the APIv3 key is wrong
            return Verified(notice=None, event=envelope.event_type)
        except (BodyMalformed, resource.ResourceUnreadable) as malformed:
            return _rejected(Refusal.BODY_MALFORMED, str(malformed))

    def answer(self, *, accepted: bool) -> HttpResponse:
        """Answer a genuine notice: 204 once it is stored, 503 if it could not be; then it is repeated."""
        return HttpResponse(status=204) if accepted else _failure(503, "not stored, send it again")

    def _take(
        self, order: Order, attempt: Attempt, *, now: datetime, chance: Chance
    ) -> Generator[HttpRequest, HttpResponse, Presentation]:
        """Take money by a code that the till has read; whatever is not known is asked for, never repeated."""
        path = f"{ORDERS_PATH}/{order.kind.value}"
        request = self._account.post(path, orders.build_order(order), now=now, chance=chance)
        try:
            answer = self._account.believed((yield request), now=now)
            told = self._told(answer, attempt.reference)
        except RoadShut:
            raise  # nothing was sent, so nobody was asked for money
        except OrderRefused as refused:
            if refused.refusal.code in _UNDECIDED:
                return Presentation(kind=PresentationKind.WAIT)
            return (yield from self._paid_before(attempt, refused, now=now, chance=chance))
        except Unreachable as away:
            if isinstance(away, ProviderBusy) and away.status == 429:
                raise
            return Presentation(kind=PresentationKind.WAIT)
        if told.paid is not None:
            return Presentation(kind=PresentationKind.PAID, paid=told.paid)
        return Presentation(kind=PresentationKind.WAIT)

    def _paid_before(
        self, attempt: Attempt, refused: OrderRefused, *, now: datetime, chance: Chance
    ) -> Generator[HttpRequest, HttpResponse, Presentation]:
        """Return the notice of an order that is refused because it was paid; refuse with every other."""
        if refused.refusal.code != "ORDERPAID":
            raise refused
        asked = yield from self.query(attempt, now=now, chance=chance)
        if asked.paid is None:
            raise refused
        return Presentation(kind=PresentationKind.PAID, paid=asked.paid)

    def _reverse(
        self, attempt: Attempt, *, now: datetime, chance: Chance
    ) -> Generator[HttpRequest, HttpResponse, OrderAnswer]:
        """End a till's order. It is asked for first, since undoing a paid one sends the money back."""
        asked = yield from self.query(attempt, now=now, chance=chance)
        if asked.state in (OrderState.PAID, OrderState.CLOSED):
            return asked
        body = orders.build_reverse(mchid=self._settings.mchid, appid=self._account.appid_for(Flow.CODE))
        request = self._account.post(f"{_order_path(attempt)}/reverse", body, now=now, chance=chance)
        try:
            self._account.believed((yield request), now=now)
        except OrderRefused:
            return (yield from self.query(attempt, now=now, chance=chance))
        return OrderAnswer(state=OrderState.CLOSED)

    def _ask(
        self, path: str, reference: str, *, now: datetime, chance: Chance
    ) -> Generator[HttpRequest, HttpResponse, OrderAnswer]:
        mchid = quote(self._settings.mchid, safe="")
        response = yield self._account.get(f"{path}?mchid={mchid}", now=now, chance=chance)
        try:
            answer = self._account.believed(response, now=now)
        except OrderRefused as refused:
            if refused.status == 404:
                return OrderAnswer(state=OrderState.UNKNOWN, reason=refused.refusal.code)
            raise
        return self._told(answer, reference)

    def _told(self, answer: HttpResponse, reference: str) -> OrderAnswer:
        """Return what a believed answer says of an order; "" is any order of this merchant."""
        try:
            transaction = bodies.parse_transaction(answer.body)
        except BodyMalformed as malformed:
            raise AnswerUnusable(str(malformed)) from malformed
        stranger = self._stranger(transaction)
        if stranger or reference not in ("", transaction.out_trade_no):
            raise AnswerForged(stranger or "it is about another order")
        state = _ORDER_STATES[transaction.state]
        paid = self._notice(transaction) if state is OrderState.PAID else None
        return OrderAnswer(state=state, paid=paid)

    def _hear_payment(self, envelope: Envelope) -> Verified | Rejected:
        transaction = bodies.parse_transaction(self._unseal(envelope))
        if transaction.state is not TradeState.SUCCESS:
            raise BodyMalformed("trade_state", f"is {transaction.state.name} in a notice of success")
        if stranger := self._stranger(transaction):
            return _rejected(Refusal.MERCHANT_WRONG, stranger)
        return Verified(notice=self._notice(transaction), event=envelope.event_type)

    def _hear_refund(self, envelope: Envelope) -> Verified | Rejected:
        mchid, told = refunds.parse_refund_notice(self._unseal(envelope))
        if envelope.event_type != f"{REFUND_EVENTS}{told.status.value}":
            raise BodyMalformed("refund_status", f"is {told.status.name} in a notice of another end")
        if mchid != self._settings.mchid:
            return _rejected(Refusal.MERCHANT_WRONG, f"mchid {mchid} is not ours")
        notice = wechat_refunds.notice_of(told, provider=self.name, at=envelope.created_at)
        return Verified(notice=None, event=envelope.event_type, refund=notice)

    def _unseal(self, envelope: Envelope) -> bytes:
        return resource.unseal(envelope.resource, key=self._settings.api_key)

    def _stranger(self, transaction: Transaction) -> str:
        """Return why a transaction is not this merchant's, or ""."""
        if transaction.mchid != self._settings.mchid:
            return f"mchid {transaction.mchid} is not ours"
        if transaction.appid not in self._account.appids:
            return f"appid {transaction.appid} is not ours"
        if transaction.currency != bodies.CURRENCY:
            return f"currency {transaction.currency} is not {bodies.CURRENCY}"
        return ""

    def _notice(self, transaction: Transaction) -> PaymentNotice:
        assert transaction.transaction_id is not None and transaction.success_at is not None
        return PaymentNotice(
            provider=self.name,
            transaction_no=transaction.transaction_id,
            reference=transaction.out_trade_no,
            amount_minor=transaction.total_fen,
            currency=transaction.currency,
            paid_at=transaction.success_at,
        )


def _order_path(attempt: Attempt) -> str:
    return f"{ORDERS_PATH}/out-trade-no/{quote(attempt.reference, safe='')}"


def _rejected(refusal: Refusal, detail: str) -> Rejected:
    return Rejected(refusal=refusal, detail=detail, answer=_failure(_STATUSES[refusal], refusal.value))


def _failure(status: int, message: str) -> HttpResponse:
    body = bodies.build_refusal(ProviderRefusal(code="FAIL", message=message))
    return HttpResponse(status=status, headers={"content-type": "application/json"}, body=body)
