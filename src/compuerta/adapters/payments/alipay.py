"""Alipay as a payment provider: QR, browser, app and pay code, with Alipay's signed word for each.

Nothing is believed without a signature, and of a message only the part that was signed is read. Three things
that Alipay says are not what they seem: TRADE_NOT_EXIST means that nobody has scanned the QR yet, a partial
refund is told as TRADE_SUCCESS, and TRADE_FINISHED comes months after the money and brings none.
"""

import re
from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from types import MappingProxyType
from typing import ParamSpec, TypeVar
from urllib.parse import urlencode, urlsplit

from compuerta.adapters.payments.alipay_errors import (
    AnswerForged,
    AnswerUnusable,
    CurrencyNotTaken,
    OrderRefused,
    PayCodeMalformed,
    ProviderBusy,
)
from compuerta.domain.errors import Unreachable
from compuerta.domain.payment import Attempt, Claim, Flow, PaymentNotice, RefundNotice, RefundState
from compuerta.services.payment_ports import (
    Capabilities,
    Chance,
    Check,
    HttpRequest,
    HttpResponse,
    Move,
    NotOffered,
    NotReady,
    OrderAnswer,
    OrderState,
    Presentation,
    PresentationKind,
    RefundAnswer,
    RefundWish,
    Refusal,
    Rejected,
    StatementFaulty,
    StatementKind,
    StatementLine,
    Verified,
)
from compuerta.wire.alipay import bills, bodies, fields, signing
from compuerta.wire.alipay.bodies import Method, Order, Trade, TradeNotice, TradeStatus
from compuerta.wire.alipay.fields import BodyMalformed, JsonObject
from compuerta.wire.alipay.keys import KeyRing, RsaSigner, RsaVerifier, certificate_sn, root_sn
from compuerta.wire.alipay.signing import Unbelieved

BODY_BYTES_MAX = 65_536  # a notice is about 2 KiB; more is nobody's notice, and is not worth a hash
BILL_BYTES_MAX = 256 * 1024 * 1024  # zipped; a million lines are about 25 MiB
# An order that nobody has scanned cannot be closed; for so long after its end it is looked after.
SWEEP_FOR = timedelta(hours=24)
FLOWS = frozenset({Flow.QR, Flow.WEB, Flow.DESKTOP, Flow.APP, Flow.CODE})
GATEWAY = "/gateway.do"

_PAY_CODE = re.compile(r"(2[5-9]|30)[0-9]{14,22}", re.ASCII)
_BY_BROWSER = MappingProxyType({Flow.WEB: Method.WAP_PAY, Flow.DESKTOP: Method.PAGE_PAY})
_ORDER_STATES: Mapping[TradeStatus, OrderState] = MappingProxyType(
    {
        TradeStatus.WAIT_BUYER_PAY: OrderState.NOT_PAID,
        TradeStatus.SUCCESS: OrderState.PAID,
        TradeStatus.FINISHED: OrderState.PAID,
        TradeStatus.CLOSED: OrderState.CLOSED,
        TradeStatus.UNLISTED: OrderState.UNKNOWN,
    }
)
_PAID_ALREADY = frozenset({"ACQ.TRADE_HAS_SUCCESS"})
_NOT_REFUNDED = "not refunded"  # asked about a refund, it says so without a fault
# What may be otherwise tomorrow: the refund is sent again under the same reference.
_REFUND_LATER = frozenset({"ACQ.SYSTEM_ERROR", "ACQ.SELLER_BALANCE_NOT_ENOUGH"})
_BILLS = MappingProxyType(
    {StatementKind.TRADE: ("trade", bills.TRADE), StatementKind.FUND: ("signcustomer", bills.FUND)}
)
_MOVES = MappingProxyType(
    {
        "在线支付": Move.PAYMENT, "交易付款": Move.PAYMENT, "退款": Move.REFUND, "交易退款": Move.REFUND,
        "收费": Move.FEE, "退费": Move.FEE, "提现": Move.PAYOUT, "提现退票": Move.PAYOUT,
    }
)  # fmt: skip
_NO_BILL = frozenset({"isp.bill_not_exist", "isp.bill-not-exist", "BILL_NOT_EXIST"})
_MICRO_PER_FEN = 10_000

_STATUSES: Mapping[Refusal, int] = MappingProxyType(
    {
        Refusal.SIGNATURE_WRONG: 401,
        Refusal.BODY_MALFORMED: 400,
        Refusal.MERCHANT_WRONG: 400,
        Refusal.TOO_LARGE: 413,
    }
)

Read = ParamSpec("Read")
Result = TypeVar("Result")
Steps = Generator[HttpRequest, HttpResponse, JsonObject]


@dataclass(frozen=True, slots=True, kw_only=True)
class AlipaySettings:
    """One app of one merchant; whoever holds this can sign for it, so it is never logged or shown."""

    app_id: str
    seller_id: str  # the merchant's number, 2088...: whose money it is
    app_key: bytes  # the app's private key, in PEM or bare base64
    alipay_keys: tuple[bytes, ...]  # Alipay's public key; in certificate mode its certificates, new and old
    base_url: str
    notify_url: str
    app_certificate: bytes = b""  # certificate mode where it is there, with Alipay's roots
    root_certificates: bytes = b""
    return_url: str = ""  # where a browser goes after paying
    live: bool = True
    flows: frozenset[Flow] = FLOWS
    name: str = "alipay"

    def __repr__(self) -> str:
        return f"AlipaySettings(name={self.name!r}, app_id={self.app_id!r})"


class Alipay:
    """One Alipay account; satisfies `PaymentProvider`."""

    def __init__(self, settings: AlipaySettings, *, keys: KeyRing | None = None) -> None:
        """Read the keys once; refuses those that cannot be used.

        `keys` replaces the RSA keys of the settings where virtual time needs something cheaper.
        """
        self._settings = settings
        self._keys = keys or _rsa_keys(settings)

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
            expiry_min=timedelta(seconds=30),  # a pay code is given so long
            expiry_max=timedelta(hours=2),  # the life of a QR
            refunds=True,
            refund_partial=True,
            refunds_apart=timedelta(seconds=3),
            statements=frozenset(StatementKind),
            statement_ready=time(10),
            statement_zone="Asia/Shanghai",
        )

    def create(
        self, attempt: Attempt, *, now: datetime, chance: Chance
    ) -> Generator[HttpRequest, HttpResponse, Presentation]:
        """Place the order in the way of its flow, or return the notice if it was paid already.

        A browser and an app place it themselves, by what we have signed: then nothing is sent here.
        """
        if attempt.currency != bodies.CURRENCY:
            raise CurrencyNotTaken(attempt.currency)
        if attempt.flow not in self._settings.flows:
            raise NotOffered(self.name, f"flow {attempt.flow.value}")
        if method := _BY_BROWSER.get(attempt.flow):
            params = self._order_params(method, attempt, now=now)
            address = f"{self._settings.base_url.rstrip('/')}{GATEWAY}?{urlencode(params)}"
            return Presentation(kind=PresentationKind.REDIRECT, content=address)
        if attempt.flow is Flow.APP:
            params = self._order_params(Method.APP_PAY, attempt, now=now)
            return Presentation(kind=PresentationKind.APP, content=urlencode(params))
        by_code = attempt.flow is Flow.CODE
        try:
            if by_code:
                return (yield from self._pay_by_code(attempt, now=now))
            answer = yield from self._ask(self._order_params(Method.PRECREATE, attempt, now=now))
        except (OrderRefused, ProviderBusy) as refused:
            # Out of order says nothing of a payment by code: it may have been taken.
            asks = refused.sub_code in _PAID_ALREADY if isinstance(refused, OrderRefused) else by_code
            paid = (yield from self.query(attempt, now=now, chance=chance)).paid if asks else None
            if paid is not None:
                return Presentation(kind=PresentationKind.PAID, paid=paid)
            if by_code and asks:
                return Presentation(kind=PresentationKind.WAIT)
            raise
        return Presentation(kind=PresentationKind.QR, content=_read(bodies.parse_url, answer, "qr_code"))

    def query(
        self, attempt: Attempt, *, now: datetime, chance: Chance
    ) -> Generator[HttpRequest, HttpResponse, OrderAnswer]:
        """Ask what became of the order; one that Alipay does not know has not been scanned yet."""
        try:
            answer = yield from self._ask_about(Method.QUERY, attempt, now=now)
        except OrderRefused as refused:
            if _is_unscanned(refused):
                return OrderAnswer(state=OrderState.NOT_PAID, reason=refused.sub_code)
            raise
        trade = _read(bodies.parse_trade, answer)
        if trade.out_trade_no != attempt.reference:
            raise AnswerForged("it is about another order")
        state = _ORDER_STATES[trade.status]
        paid = self._notice(trade) if state is OrderState.PAID else None
        return OrderAnswer(state=state, paid=paid, reason=trade.status.value)

    def close(
        self, attempt: Attempt, *, now: datetime, chance: Chance
    ) -> Generator[HttpRequest, HttpResponse, OrderAnswer]:
        """Close the order; where Alipay will not, ask it why: the payer may have been faster.

        An order that nobody scanned cannot be closed, and is NOT_PAID until `SWEEP_FOR` after its end.
        """
        if attempt.flow is Flow.CODE:
            return (yield from self._cancel(attempt, now=now, chance=chance))
        try:
            yield from self._ask_about(Method.CLOSE, attempt, now=now)
        except OrderRefused as refused:
            if not _is_unscanned(refused):
                return (yield from self.query(attempt, now=now, chance=chance))
            over = now >= attempt.expires_at + SWEEP_FOR
            return OrderAnswer(
                state=OrderState.CLOSED if over else OrderState.NOT_PAID, reason="not_closable: not scanned"
            )
        return OrderAnswer(state=OrderState.CLOSED)

    def refund(
        self, wish: RefundWish, *, now: datetime, chance: Chance
    ) -> Generator[HttpRequest, HttpResponse, RefundAnswer]:
        """Give money back; done is what moved money, and neither a good answer nor a bad one alone."""
        content = {
            "trade_no": wish.transaction_no,
            "refund_amount": fields.yuan(wish.refund.amount_minor),
            "out_request_no": wish.refund.reference,
        }
        if wish.reason:
            content["refund_reason"] = wish.reason[: bodies.SUBJECT_CHARS_MAX]
        try:
            answer = yield from self._ask(self._params(Method.REFUND, content, now=now))
        except OrderRefused as refused:
            if refused.sub_code in _REFUND_LATER or not refused.is_signed:
                return RefundAnswer(state=None, reason=str(refused))
            # Refused now may be because it was done before: only the refund itself can tell.
            asked = yield from self.query_refund(wish, now=now, chance=chance)
            if asked.state is None and asked.reason == _NOT_REFUNDED:
                return RefundAnswer(state=RefundState.CLOSED, reason=refused.sub_code)
            return asked
        if answer.get("fund_change") == "Y":
            return RefundAnswer(state=RefundState.DONE, provider_no=wish.transaction_no)
        asked = yield from self.query_refund(wish, now=now, chance=chance)
        return asked if asked.state else RefundAnswer(state=RefundState.SENT, reason="no fund_change yet")

    def query_refund(
        self, wish: RefundWish, *, now: datetime, chance: Chance
    ) -> Generator[HttpRequest, HttpResponse, RefundAnswer]:
        """Ask what became of a refund; one that Alipay does not know is not known here either."""
        content = {"trade_no": wish.transaction_no, "out_request_no": wish.refund.reference}
        try:
            answer = yield from self._ask(self._params(Method.REFUND_QUERY, content, now=now))
        except OrderRefused as refused:
            return RefundAnswer(state=None, reason=refused.sub_code)
        if answer.get("refund_status") != "REFUND_SUCCESS":
            return RefundAnswer(state=None, reason=_NOT_REFUNDED)
        told = (answer.get("out_request_no"), _read(fields.fen, answer, "refund_amount"))
        if told != (wish.refund.reference, wish.refund.amount_minor):
            raise AnswerForged("it is about another refund")
        return RefundAnswer(state=RefundState.DONE, provider_no=wish.transaction_no)

    def confirm(
        self, claim: Claim, *, now: datetime, chance: Chance
    ) -> Generator[HttpRequest, HttpResponse, OrderAnswer]:
        """Refuse: its notices are signed, and nothing is claimed."""
        yield from ()
        raise NotOffered(self.name, "claims")

    def statement(
        self, day: date, kind: StatementKind, *, now: datetime, chance: Chance
    ) -> Generator[HttpRequest, HttpResponse, bytes]:
        """Fetch the bill of a day in Beijing: its address lives for 30 seconds, so it is fetched at once."""
        content = {"bill_type": _BILLS[kind][0], "bill_date": day.isoformat()}
        try:
            answer = yield from self._ask(self._params(Method.BILL, content, now=now))
        except OrderRefused as refused:
            if refused.is_signed and refused.sub_code in _NO_BILL:
                raise NotReady(refused.sub_code) from refused
            raise
        address = urlsplit(_read(bodies.parse_url, answer, "bill_download_url"))
        response = yield HttpRequest(
            method="GET",
            path=f"{address.path or '/'}?{address.query}" if address.query else address.path or "/",
            headers={"user-agent": "compuerta"},
            base_url=f"{address.scheme}://{address.netloc}",
            answer_bytes_max=BILL_BYTES_MAX,
        )
        if response.status != 200:
            raise ProviderBusy(f"{response.status} for a bill")
        return response.body

    def lines(self, bill: bytes, kind: StatementKind) -> Iterator[StatementLine]:
        """Read a bill; an order's value is its amount, whatever coupons made of it."""
        try:
            for line in bills.lines_of(bill, _BILLS[kind][1]):
                if line.amount_micro % _MICRO_PER_FEN:
                    raise StatementFaulty(0, f"part of a fen for {line.trade_no}")
                yield StatementLine(
                    line.trade_no,
                    line.out_trade_no,
                    line.out_request_no,
                    line.amount_micro // _MICRO_PER_FEN,
                    line.kept_micro,
                    bodies.CURRENCY,
                    line.at,
                    line.kind,
                    _MOVES.get(line.kind, Move.OTHER) if kind is StatementKind.FUND else None,
                )
        except bills.BillFaulty as faulty:
            raise StatementFaulty(faulty.line_no, faulty.reason) from faulty

    def self_test(
        self, *, now: datetime, chance: Chance
    ) -> Generator[HttpRequest, HttpResponse, list[Check]]:
        """Ask for an order that does not exist: a good setup is told so, in a signed answer."""
        content = {"out_trade_no": "compuerta_self_test"}
        try:
            yield from self._ask(self._params(Method.QUERY, content, now=now))
        except OrderRefused as refused:
            known = _is_unscanned(refused)
            return [
                Check(name="gateway", ok=True),
                Check(name="app", ok=known, detail="" if known else str(refused)),
                Check(
                    name="alipay_key",
                    ok=refused.is_signed,
                    detail="" if refused.is_signed else "the answer is not signed",
                ),
            ]
        except AnswerForged as forged:
            return [Check(name="gateway", ok=True), Check(name="alipay_key", ok=False, detail=forged.reason)]
        except Unreachable as error:
            return [Check(name="gateway", ok=False, detail=str(error))]
        return [Check(name=name, ok=True) for name in ("gateway", "app", "alipay_key")]

    def hear(self, inbound: HttpRequest, *, now: datetime) -> Verified | Rejected:
        """Verify a notice: size, signature, whose it is; then what it is of, before what it says of money."""
        if len(inbound.body) > BODY_BYTES_MAX:
            return _rejected(Refusal.TOO_LARGE, f"more than {BODY_BYTES_MAX} bytes")
        try:
            told = signing.believed_notice(inbound.body, verifiers=self._keys.verifiers.values())
            if told.get("app_id") != self._settings.app_id:
                return _rejected(Refusal.MERCHANT_WRONG, "app_id is not ours")
            if told.get("notify_type") != "trade_status_sync":
                return Verified(notice=None, event=told.get("notify_type", "")[:64])
            notice = bodies.parse_notice(told)
        except Unbelieved as unbelieved:
            return _rejected(Refusal.SIGNATURE_WRONG, str(unbelieved))
        except BodyMalformed as malformed:
            return _rejected(Refusal.BODY_MALFORMED, str(malformed))
        if notice.seller_id != self._settings.seller_id:
            return _rejected(Refusal.MERCHANT_WRONG, "seller_id is not ours")
        return self._classified(notice)

    def answer(self, *, accepted: bool) -> HttpResponse:
        """Answer a genuine notice: exactly `success` once it is stored; anything else has it sent again."""
        return _plain(200, "success") if accepted else _plain(503, "failure")

    def _classified(self, notice: TradeNotice) -> Verified:
        trade = notice.trade
        event = trade.status.value or "UNLISTED"
        if notice.refunded_fen and notice.refunded_at is not None:
            # Told at the order's own address, and as TRADE_SUCCESS while some money is left.
            refund = RefundNotice(
                provider=self.name,
                transaction_no=trade.trade_no,
                reference=trade.out_trade_no,
                refund_reference=notice.out_request_no,
                refunded_minor=notice.refunded_fen,
                is_total=True,
                currency=bodies.CURRENCY,
                state=RefundState.DONE,
                at=notice.refunded_at,
            )
            return Verified(notice=None, event=f"{event} refund", refund=refund)
        if trade.status is TradeStatus.SUCCESS:
            return Verified(notice=self._notice(trade), event=event)
        expired = trade.out_trade_no if trade.status is TradeStatus.CLOSED else ""
        return Verified(notice=None, event=event, expired=expired)

    def _pay_by_code(
        self, attempt: Attempt, *, now: datetime
    ) -> Generator[HttpRequest, HttpResponse, Presentation]:
        if not _PAY_CODE.fullmatch(attempt.payer):
            raise PayCodeMalformed
        answer = yield from self._ask(self._order_params(Method.PAY, attempt, now=now))
        if answer["code"] == bodies.PAYING:
            return Presentation(kind=PresentationKind.WAIT)
        trade = _read(bodies.parse_paid, answer)
        if trade.out_trade_no != attempt.reference:
            raise AnswerForged("it is about another order")
        return Presentation(kind=PresentationKind.PAID, paid=self._notice(trade))

    def _cancel(
        self, attempt: Attempt, *, now: datetime, chance: Chance
    ) -> Generator[HttpRequest, HttpResponse, OrderAnswer]:
        # A cancel gives back what was paid, so it is asked for first.
        asked = yield from self.query(attempt, now=now, chance=chance)
        if asked.state in (OrderState.PAID, OrderState.CLOSED):
            return asked
        try:
            answer = yield from self._ask_about(Method.CANCEL, attempt, now=now)
        except OrderRefused as refused:
            if _is_unscanned(refused):
                return OrderAnswer(state=OrderState.CLOSED, reason=refused.sub_code)
            raise
        if answer.get("retry_flag") == "Y":
            return OrderAnswer(state=OrderState.UNKNOWN, reason="retry_flag")
        return OrderAnswer(state=OrderState.CLOSED, reason=_read(fields.text_or_empty, answer, "action"))

    def _ask_about(self, method: Method, attempt: Attempt, *, now: datetime) -> Steps:
        return (yield from self._ask(self._params(method, {"out_trade_no": attempt.reference}, now=now)))

    def _ask(self, params: dict[str, str]) -> Steps:
        """Ask, and return the signed answer where it is a success; raise for every other."""
        # The gateway reads the charset out of the address before it decodes the form.
        content = params.pop("biz_content")
        response = yield HttpRequest(
            method="POST",
            path=f"{GATEWAY}?{urlencode(params)}",
            headers={
                "content-type": "application/x-www-form-urlencoded;charset=utf-8",
                "user-agent": "compuerta",
            },
            body=urlencode({"biz_content": content}).encode("ascii"),
        )
        if response.status != 200:
            raise ProviderBusy(str(response.status))
        envelope = _read(signing.parse_envelope, response.body)
        answer = _read(fields.read_object, envelope.inner)
        code, sub_code = _read(bodies.parse_code, answer)
        if envelope.signature:
            try:
                signing.verify_envelope(envelope, verifiers=self._keys.verifiers)
            except Unbelieved as unbelieved:
                raise AnswerForged(str(unbelieved)) from unbelieved
        if code in bodies.BUSY:
            raise ProviderBusy(f"{code} {sub_code}")
        good = code in (bodies.SUCCESS, bodies.PAYING)
        if good and (not envelope.signature or envelope.name != Method(params["method"]).answer_name):
            raise AnswerForged("it is not signed, or it answers something else")
        if not good:
            words = _read(fields.text_or_empty, answer, "sub_msg") or _read(
                fields.text_or_empty, answer, "msg"
            )
            raise OrderRefused(code, sub_code, words, is_signed=bool(envelope.signature))
        return answer

    def _order_params(self, method: Method, attempt: Attempt, *, now: datetime) -> dict[str, str]:
        order = Order(
            out_trade_no=attempt.reference,
            subject=attempt.description[: bodies.SUBJECT_CHARS_MAX],
            total_fen=attempt.amount_minor,
            expires_at=attempt.expires_at,
            placed_at=attempt.created_at,
            auth_code=attempt.payer if method is Method.PAY else "",
        )
        return self._params(method, bodies.order_content(method, order), now=now, is_order=True)

    def _params(
        self, method: Method, content: JsonObject, *, now: datetime, is_order: bool = False
    ) -> dict[str, str]:
        by_browser = method in _BY_BROWSER.values()
        params = {
            "app_id": self._settings.app_id,
            "method": method.value,
            "format": "JSON",
            "charset": "utf-8",
            "sign_type": signing.SIGN_TYPE,
            "timestamp": fields.write_instant(now),
            "version": "1.0",
            "notify_url": self._settings.notify_url if is_order else "",
            "return_url": self._settings.return_url if by_browser else "",
            "app_cert_sn": self._keys.app_cert_sn,
            "alipay_root_cert_sn": self._keys.root_cert_sn,
            "biz_content": fields.write_object(content),
        }
        return signing.signed(params, signer=self._keys.signer)

    def _notice(self, trade: Trade) -> PaymentNotice:
        assert trade.paid_at is not None
        return PaymentNotice(
            provider=self.name,
            transaction_no=trade.trade_no,
            reference=trade.out_trade_no,
            amount_minor=trade.total_fen,
            currency=bodies.CURRENCY,
            paid_at=trade.paid_at,
        )


def _rsa_keys(settings: AlipaySettings) -> KeyRing:
    signer = RsaSigner(settings.app_key)
    if not settings.app_certificate:
        return KeyRing(signer=signer, verifiers={"": RsaVerifier(settings.alipay_keys[0])})
    return KeyRing(
        signer=signer,
        verifiers={certificate_sn(pem): RsaVerifier(pem) for pem in settings.alipay_keys},
        app_cert_sn=certificate_sn(settings.app_certificate),
        root_cert_sn=root_sn(settings.root_certificates),
    )


def _is_unscanned(refused: OrderRefused) -> bool:
    return refused.is_signed and refused.sub_code == bodies.TRADE_NOT_EXIST


def _read(reader: Callable[Read, Result], *args: Read.args, **kwargs: Read.kwargs) -> Result:
    """Read part of an answer; what cannot be read is a genuine answer that cannot be used."""
    try:
        return reader(*args, **kwargs)
    except BodyMalformed as malformed:
        raise AnswerUnusable(str(malformed)) from malformed


def _rejected(refusal: Refusal, detail: str) -> Rejected:
    return Rejected(refusal=refusal, detail=detail, answer=_plain(_STATUSES[refusal], "failure"))


def _plain(status: int, word: str) -> HttpResponse:
    return HttpResponse(status=status, headers={"content-type": "text/plain"}, body=word.encode("ascii"))
