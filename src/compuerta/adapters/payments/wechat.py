"""WeChat Pay v3 Native as a payment provider: a QR on a screen, and the provider's signed word.

Nothing is believed without a signature: neither a notice nor an answer. An error answer is unsigned
and therefore never evidence: after one, the order is asked for. What is credited is the order's total;
the payer may have paid less, where the provider gave a discount.
"""

from collections.abc import Generator, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from types import MappingProxyType
from urllib.parse import quote

from compuerta.domain.errors import Refused, Unreachable
from compuerta.domain.payment import Attempt, Claim, PaymentNotice
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
from compuerta.wire.wechat import bodies, resource, signature
from compuerta.wire.wechat.bodies import NativeOrder, ProviderRefusal, TradeState, Transaction
from compuerta.wire.wechat.fields import BodyMalformed
from compuerta.wire.wechat.keys import KeyRing, RsaSigner, RsaVerifier
from compuerta.wire.wechat.signature import Merchant, Unbelieved

BODY_BYTES_MAX = 65_536  # a notice is about 1 KiB; more is nobody's notice, and is not worth a hash
NONCE_BYTES = 16
ORDERS_PATH = "/v3/pay/transactions"
PAID_EVENT = "TRANSACTION.SUCCESS"

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


class CurrencyNotTaken(Refused):
    """An attempt in a currency that this provider account does not take."""

    def __init__(self, currency: str) -> None:
        super().__init__(f"WeChat Pay takes {bodies.CURRENCY}, not {currency}")
        self.currency = currency


class OrderRefused(Refused):
    """The provider will not do what was asked, and will not do it later either."""

    def __init__(self, status: int, refusal: ProviderRefusal) -> None:
        super().__init__(f"WeChat Pay refuses with {status} {refusal.code}: {refusal.message}")
        self.status = status
        self.refusal = refusal


class ProviderBusy(Unreachable):
    """The provider is overloaded, limits us, or is broken; ask again later."""

    def __init__(self, status: int, code: str) -> None:
        super().__init__(f"WeChat Pay answers {status} {code}")
        self.status = status
        self.code = code


class AnswerForged(Unreachable):
    """A good answer that the provider did not sign, or that is about another order; not believed."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"an answer is not believed: {reason}")
        self.reason = reason


class AnswerUnusable(Unreachable):
    """A genuine answer that is not what the protocol says."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"an answer cannot be used: {reason}")
        self.reason = reason


@dataclass(frozen=True, slots=True, kw_only=True)
class WechatSettings:
    """One merchant account; whoever holds this can sign for it, so it is never logged or shown."""

    mchid: str
    appid: str
    merchant_key_pem: bytes  # apiclient_key.pem
    merchant_serial: str  # serial number of the merchant's API certificate
    api_key: bytes  # the APIv3 key, 32 bytes
    platform_pems: Mapping[str, bytes]  # PUB_KEY_ID_... -> public key, hex serial -> certificate
    base_url: str
    notify_url: str
    name: str = "wechat"

    def __repr__(self) -> str:
        return f"WechatSettings(name={self.name!r}, mchid={self.mchid!r})"


class WechatPay:
    """One WeChat Pay merchant account; satisfies `PaymentProvider`."""

    def __init__(self, settings: WechatSettings, *, keys: KeyRing | None = None) -> None:
        """Read the keys once; refuses PEM texts and an APIv3 key that cannot be used.

        `keys` replaces the RSA keys of the settings where virtual time needs something cheaper.
        """
        if len(settings.api_key) != resource.KEY_BYTES:
            raise resource.ApiKeyMalformed(len(settings.api_key))
        self._settings = settings
        self._keys = keys or _rsa_keys(settings)
        self._merchant = Merchant(mchid=settings.mchid, serial=settings.merchant_serial)
        # Answers follow the key that the request names; public keys do not expire, so they go first.
        serials = sorted(self._keys.verifiers, key=lambda serial: not serial.startswith("PUB_KEY_ID_"))
        self._answer_serial = serials[0] if serials else ""

    @property
    def name(self) -> str:
        return self._settings.name

    @property
    def capabilities(self) -> Capabilities:
        return Capabilities(
            currencies=frozenset({bodies.CURRENCY}),
            notices=True,
            query=True,
            close=True,
            immediate=False,
            expiry_min=timedelta(minutes=1),
            expiry_max=timedelta(hours=2),  # the life of a code_url; the order itself could live longer
        )

    def create(
        self, attempt: Attempt, *, now: datetime, chance: Chance
    ) -> Generator[HttpRequest, HttpResponse, Presentation]:
        """Place the order and return its QR, or the notice if it was paid already.

        The order is made of the attempt alone, so that placing it again is the same order to the provider.
        """
        if attempt.currency != bodies.CURRENCY:
            raise CurrencyNotTaken(attempt.currency)
        body = bodies.build_order(self._order(attempt))
        request = self._request("POST", f"{ORDERS_PATH}/native", body, now=now, chance=chance)
        try:
            answer = self._believed((yield request), now=now)
        except OrderRefused as refused:
            if refused.refusal.code != "ORDERPAID":
                raise
            asked = yield from self.query(attempt, now=now, chance=chance)
            if asked.paid is None:
                raise
            return Presentation(kind=PresentationKind.PAID, paid=asked.paid)
        try:
            return Presentation(kind=PresentationKind.QR, content=bodies.parse_code_url(answer.body))
        except BodyMalformed as malformed:
            raise AnswerUnusable(str(malformed)) from malformed

    def query(
        self, attempt: Attempt, *, now: datetime, chance: Chance
    ) -> Generator[HttpRequest, HttpResponse, OrderAnswer]:
        """Ask what became of the order; an order that the provider does not know is UNKNOWN."""
        path = f"{_order_path(attempt)}?mchid={quote(self._settings.mchid, safe='')}"
        response = yield self._request("GET", path, b"", now=now, chance=chance)
        try:
            answer = self._believed(response, now=now)
        except OrderRefused as refused:
            if refused.status == 404:
                return OrderAnswer(state=OrderState.UNKNOWN)
            raise
        try:
            transaction = bodies.parse_transaction(answer.body)
        except BodyMalformed as malformed:
            raise AnswerUnusable(str(malformed)) from malformed
        if (stranger := self._stranger(transaction)) or transaction.out_trade_no != attempt.reference:
            raise AnswerForged(stranger or "it is about another order")
        state = _ORDER_STATES[transaction.state]
        paid = self._notice(transaction) if state is OrderState.PAID else None
        return OrderAnswer(state=state, paid=paid)

    def close(
        self, attempt: Attempt, *, now: datetime, chance: Chance
    ) -> Generator[HttpRequest, HttpResponse, OrderAnswer]:
        """Close the order; where the provider will not, ask it why: the payer may have been faster."""
        body = bodies.build_close(self._settings.mchid)
        request = self._request("POST", f"{_order_path(attempt)}/close", body, now=now, chance=chance)
        try:
            self._believed((yield request), now=now)
        except OrderRefused:
            return (yield from self.query(attempt, now=now, chance=chance))
        return OrderAnswer(state=OrderState.CLOSED)

    def refund(
        self, wish: RefundWish, *, now: datetime, chance: Chance
    ) -> Generator[HttpRequest, HttpResponse, RefundAnswer]:
        """Give money back; the refund's reference makes it once."""
        yield from ()
        raise NotOffered(self.name, "refunds")

    def query_refund(
        self, wish: RefundWish, *, now: datetime, chance: Chance
    ) -> Generator[HttpRequest, HttpResponse, RefundAnswer]:
        """Ask what became of a refund."""
        yield from ()
        raise NotOffered(self.name, "refunds")

    def confirm(
        self, claim: Claim, *, now: datetime, chance: Chance
    ) -> Generator[HttpRequest, HttpResponse, OrderAnswer]:
        """Refuse: its notices are signed, and nothing is claimed."""
        yield from ()
        raise NotOffered(self.name, "claims")

    def statement(
        self, day: date, kind: StatementKind, *, now: datetime, chance: Chance
    ) -> Generator[HttpRequest, HttpResponse, bytes]:
        """Fetch the bill of a day."""
        yield from ()
        raise NotOffered(self.name, "bills")

    def lines(self, bill: bytes, kind: StatementKind) -> Iterator[StatementLine]:
        """Read a bill."""
        raise NotOffered(self.name, "bills")

    def self_test(
        self, *, now: datetime, chance: Chance
    ) -> Generator[HttpRequest, HttpResponse, list[Check]]:
        """Try the account's keys without moving money."""
        yield from ()
        raise NotOffered(self.name, "self test")

    def hear(self, inbound: HttpRequest, *, now: datetime) -> Verified | Rejected:
        """Verify a notice: size, signature, then body; only a payment of this merchant tells of money."""
        if len(inbound.body) > BODY_BYTES_MAX:
            return _rejected(Refusal.TOO_LARGE, f"more than {BODY_BYTES_MAX} bytes")
        try:
            signature.verify(inbound.headers, inbound.body, verifiers=self._keys.verifiers, now=now)
        except Unbelieved as unbelieved:
            return _rejected(_REFUSALS[type(unbelieved)], str(unbelieved))
        try:
            envelope = bodies.parse_envelope(inbound.body)
            if envelope.event_type != PAID_EVENT:
                return Verified(notice=None, event=envelope.event_type)
            plain = resource.unseal(envelope.resource, key=self._settings.api_key)
            transaction = bodies.parse_transaction(plain)
        except (BodyMalformed, resource.ResourceUnreadable) as malformed:
            return _rejected(Refusal.BODY_MALFORMED, str(malformed))
        if transaction.state is not TradeState.SUCCESS:
            return _rejected(Refusal.BODY_MALFORMED, f"a payment in the state {transaction.state.name}")
        if stranger := self._stranger(transaction):
            return _rejected(Refusal.MERCHANT_WRONG, stranger)
        return Verified(notice=self._notice(transaction), event=envelope.event_type)

    def answer(self, *, accepted: bool) -> HttpResponse:
        """Answer a genuine notice: 204 once it is stored, 503 if it could not be; then it is repeated."""
        return HttpResponse(status=204) if accepted else _failure(503, "not stored, send it again")

    def _order(self, attempt: Attempt) -> NativeOrder:
        return NativeOrder(
            appid=self._settings.appid,
            mchid=self._settings.mchid,
            description=attempt.description[: bodies.DESCRIPTION_CHARS_MAX],
            out_trade_no=attempt.reference,
            notify_url=self._settings.notify_url,
            total_fen=attempt.amount_minor,
            time_expire=attempt.expires_at,
        )

    def _request(self, method: str, path: str, body: bytes, *, now: datetime, chance: Chance) -> HttpRequest:
        stamp = signature.stamp(now=now, chance=chance(NONCE_BYTES))
        message = signature.request_message(method=method, path=path, stamp=stamp, body=body)
        headers = {
            "accept": "application/json",
            "user-agent": "compuerta",
            "authorization": signature.authorization(
                self._merchant, stamp=stamp, message=message, signer=self._keys.signer
            ),
            signature.SERIAL: self._answer_serial,
        }
        if body:
            headers["content-type"] = "application/json"
        return HttpRequest(method=method, path=path, headers=headers, body=body)

    def _believed(self, response: HttpResponse, *, now: datetime) -> HttpResponse:
        """Return a good answer that the provider signed; raise for every other."""
        if not 200 <= response.status < 300:
            refusal = bodies.parse_refusal(response.body)
            # Redirects are not followed: the signature is for the host that was asked.
            if response.status == 429 or not 400 <= response.status < 500:
                raise ProviderBusy(response.status, refusal.code)
            raise OrderRefused(response.status, refusal)
        try:
            signature.verify(response.headers, response.body, verifiers=self._keys.verifiers, now=now)
        except Unbelieved as unbelieved:
            raise AnswerForged(str(unbelieved)) from unbelieved
        return response

    def _stranger(self, transaction: Transaction) -> str:
        """Return why a transaction is not this merchant's, or ""."""
        if transaction.mchid != self._settings.mchid:
            return f"mchid {transaction.mchid} is not ours"
        if transaction.appid != self._settings.appid:
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


def _rsa_keys(settings: WechatSettings) -> KeyRing:
    return KeyRing(
        signer=RsaSigner(settings.merchant_key_pem),
        verifiers={serial: RsaVerifier(pem) for serial, pem in settings.platform_pems.items()},
    )


def _order_path(attempt: Attempt) -> str:
    return f"{ORDERS_PATH}/out-trade-no/{quote(attempt.reference, safe='')}"


def _rejected(refusal: Refusal, detail: str) -> Rejected:
    return Rejected(refusal=refusal, detail=detail, answer=_failure(_STATUSES[refusal], refusal.value))


def _failure(status: int, message: str) -> HttpResponse:
    body = bodies.build_refusal(ProviderRefusal(code="FAIL", message=message))
    return HttpResponse(status=status, headers={"content-type": "application/json"}, body=body)
