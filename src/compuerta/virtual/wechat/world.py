"""The simulated provider without sockets: a request comes in with the time, and an answer goes out.

It verifies what the real one verifies, keeps orders through their states, and gives what falls due as
requests to send. All chance is drawn from the `Random` that it is given, so that a run can be repeated.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import Enum
from random import Random
from types import MappingProxyType
from urllib.parse import parse_qs, unquote

from compuerta.domain.errors import Refused
from compuerta.services.payment_ports import HttpRequest, HttpResponse
from compuerta.virtual.wechat.keys import ProviderKeys
from compuerta.virtual.wechat.notices import Behaviour, DueNotice, NoticeKind, Notices, Tally, changed
from compuerta.wire.wechat import bodies, fields, resource, signature
from compuerta.wire.wechat.bodies import Envelope, NativeOrder, ProviderRefusal, TradeState, Transaction
from compuerta.wire.wechat.fields import BodyMalformed
from compuerta.wire.wechat.signature import Stale, Unbelieved

ORDERS_MAX = 100_000  # a simulation or a demonstration stays far below; a runaway caller does not
CODE_URL_LIFE = timedelta(hours=2)
EXPIRY_MIN = timedelta(minutes=1)  # an earlier time_expire is moved to this
EXPIRY_DEFAULT = timedelta(days=7)
EXPIRY_MAX = timedelta(days=90)
_ROOT = "/v3/pay/transactions"
_TRADE_WORDS: Mapping[TradeState, str] = MappingProxyType(
    {
        TradeState.SUCCESS: "支付成功",
        TradeState.REFUND: "转入退款",
        TradeState.NOTPAY: "订单未支付",
        TradeState.CLOSED: "订单已关闭",
    }
)


class PayRefusal(Enum):
    """Why a payer's app will not pay."""

    ORDER_UNKNOWN = "order_unknown"
    CODE_VOID = "code_void"  # another QR replaced it, or two hours have passed
    EXPIRED = "expired"
    CLOSED = "closed"
    PAID_ALREADY = "paid_already"


class PaymentImpossible(Refused):
    """The payer's app shows a reason instead of asking for a fingerprint."""

    def __init__(self, reference: str, refusal: PayRefusal) -> None:
        super().__init__(f"{reference[:64]}: {refusal.value}")
        self.reference = reference
        self.refusal = refusal


class _ApiError(Refused):
    """A refusal as the provider words it."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(f"{status} {code}: {message}")
        self.status = status
        self.refusal = ProviderRefusal(code=code, message=message)


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """The one merchant account that this provider knows, and the pace of its clockwork."""

    mchid: str
    appid: str
    repeat_speedup: int = 1  # the documented waits between repeats are divided by this
    # A demonstration puts the address of its pay page here, so that a telephone can follow the QR.
    code_url_prefix: str = "weixin://wxpay/bizpayurl?pr="


@dataclass(frozen=True, slots=True, kw_only=True)
class PlacedOrder:
    """An order as the provider holds it."""

    order: NativeOrder
    placed_at: datetime
    expires_at: datetime
    code_url: str
    code_until: datetime
    state: TradeState = TradeState.NOTPAY
    transaction_id: str | None = None
    paid_at: datetime | None = None
    payer: str = ""
    payer_total_fen: int = 0
    cancels: int = 0  # how often a payer looked at it and left


class WechatWorld:
    """One simulated provider with one merchant account; the one owner of its orders."""

    def __init__(self, *, keys: ProviderKeys, terms: Terms, random: Random) -> None:
        self._keys = keys
        self._terms = terms
        self._random = random
        self._orders: dict[str, PlacedOrder] = {}
        self._by_code: dict[str, str] = {}
        self._by_transaction: dict[str, str] = {}
        self._notices = Notices(keys=keys, random=random, speedup=terms.repeat_speedup)
        self.behaviour = Behaviour()

    # The merchant's side

    def request(self, request: HttpRequest, now: datetime) -> HttpResponse:
        """Answer a merchant's request."""
        try:
            self._misbehave()
            self._authenticate(request, now=now)
        except _ApiError as error:
            return _unsigned(error)
        try:
            status, body = self._route(request, now=now)
        except _ApiError as error:
            status, body = error.status, bodies.build_refusal(error.refusal)
        except BodyMalformed as error:
            status, body = 400, bodies.build_refusal(ProviderRefusal(code="PARAM_ERROR", message=str(error)))
        return self._answer(request, status=status, body=body, now=now)

    def due(self, now: datetime) -> list[DueNotice]:
        """Return the notices to send now; tell `answered` what became of each."""
        return self._notices.due(now, behaviour=self.behaviour)

    def answered(self, notice: DueNotice, status: int, now: datetime) -> None:
        """Take the merchant's answer to a notice; the status 0 says that none came."""
        self._notices.answered(notice, status, now=now)

    def wake_at(self) -> datetime | None:
        """Return when `due` will have something to do next, or None."""
        return self._notices.wake_at()

    @property
    def tally(self) -> Tally:
        """How notices and probes ended so far."""
        return self._notices.tally

    def orders(self) -> list[PlacedOrder]:
        """Return all orders, the newest first."""
        return list(reversed(self._orders.values()))

    # The payer's side; an order is named by its code_url or by the merchant's number

    def pay(
        self, reference: str, now: datetime, *, payer: str = "oSimulatedPayer", discount_fen: int = 0
    ) -> PlacedOrder:
        """Pay an order, or refuse with `PaymentImpossible`; a discount is at the provider's expense."""
        placed = self._payable(reference, now=now)
        total_fen = placed.order.total_fen
        sequence = len(self._by_transaction) + 1
        paid = replace(
            placed,
            state=TradeState.SUCCESS,
            transaction_id=f"4200{now:%Y%m%d}{sequence:06d}{self._random.randrange(10**10):010d}",
            paid_at=now.replace(microsecond=0),
            payer=payer,
            payer_total_fen=max(total_fen - discount_fen, 0),
        )
        self._put(paid)
        late_ms = self._random.randrange(self.behaviour.late_ms_max + 1) if self.behaviour.late_ms_max else 0
        self._notify(paid, due_at=now + timedelta(milliseconds=late_ms), now=now)
        return paid

    def cancel(self, reference: str, now: datetime) -> None:
        """Look at an order and leave: nothing changes for the merchant, and nothing is told."""
        placed = self._payable(reference, now=now)
        self._put(replace(placed, cancels=placed.cancels + 1))

    # On demand, what a good day does not bring

    def behave(self, wishes: Mapping[str, object]) -> Behaviour:
        """Change how the provider misbehaves; refuses what does not exist."""
        self.behaviour = changed(self.behaviour, wishes)
        return self.behaviour

    def refund(self, reference: str, now: datetime) -> None:
        """Send a paid order's money back, as a merchant does by hand in the provider's console."""
        placed = self._paid(reference)
        refunded = replace(placed, state=TradeState.REFUND)
        self._put(refunded)
        self._notify(refunded, due_at=now, now=now, event_type="REFUND.SUCCESS")

    def repeat(self, reference: str, now: datetime) -> None:
        """Send a paid order's notice once more, as another notification of the same payment."""
        self._notify(self._paid(reference), due_at=now, now=now)

    def probe(self, reference: str, now: datetime) -> None:
        """Test by a wrong signature whether the merchant verifies."""
        placed = self._paid(reference)
        body = self._notice_body(placed, now=now, event_type="TRANSACTION.SUCCESS")
        self._notices.add(url=placed.order.notify_url, body=body, due_at=now, kind=NoticeKind.PROBE)

    def forge(self, reference: str, now: datetime, *, total_fen: int) -> None:
        """Send a notice with another amount and a good signature: the real provider never would."""
        placed = self._paid(reference)
        self._notify(replace(placed, order=replace(placed.order, total_fen=total_fen)), due_at=now, now=now)

    # Requests

    def _misbehave(self) -> None:
        behaviour = self.behaviour
        if behaviour.refuse_next > 0:
            self.behaviour = replace(behaviour, refuse_next=behaviour.refuse_next - 1)
            raise _ApiError(429, "FREQUENCY_LIMITED", "频率超限")
        if behaviour.fail_next > 0:
            self.behaviour = replace(behaviour, fail_next=behaviour.fail_next - 1)
            raise _ApiError(500, "SYSTEM_ERROR", "系统错误")

    def _authenticate(self, request: HttpRequest, *, now: datetime) -> None:
        if not request.headers.get("user-agent") or not request.headers.get("accept"):
            raise _ApiError(400, "PARAM_ERROR", "headers Accept and User-Agent are needed")
        try:
            claim = signature.parse_authorization(request.headers.get("authorization", ""))
            if claim.merchant.mchid != self._terms.mchid:
                raise _ApiError(401, "SIGN_ERROR", "商户号不存在")
            if claim.merchant.serial != self._keys.merchant_serial:
                raise _ApiError(401, "SIGN_ERROR", "商户证书序列号有误")
            signature.verify_fresh(claim.stamp, now=now)
            message = signature.request_message(
                method=request.method, path=request.path, stamp=claim.stamp, body=request.body
            )
            signature.verify_signature(claim.signature, message=message, verifier=self._keys.merchant)
        except Stale as error:
            raise _ApiError(
                401, "SIGN_ERROR", "Http头Authorization中的timestamp与发起请求的时间不得超过5分钟"
            ) from error
        except Unbelieved as error:
            raise _ApiError(401, "SIGN_ERROR", "签名错误") from error

    def _route(self, request: HttpRequest, *, now: datetime) -> tuple[int, bytes]:
        path, _, query = request.path.partition("?")
        match request.method, path.removeprefix(_ROOT + "/").split("/"):
            case "POST", ["native"]:
                return 200, bodies.build_code_url(self._place(request.body, now=now))
            case "GET", ["out-trade-no", number]:
                self._is_ours(parse_qs(query).get("mchid", [""])[0])
                return 200, self._told(self._known(unquote(number)))
            case "GET", ["id", transaction_id]:
                self._is_ours(parse_qs(query).get("mchid", [""])[0])
                return 200, self._told(self._known(self._by_transaction.get(unquote(transaction_id), "")))
            case "POST", ["out-trade-no", number, "close"]:
                self._is_ours(bodies.parse_close(request.body))
                self._close(self._known(unquote(number)), now=now)
                return 204, b""
        raise _ApiError(404, "RESOURCE_NOT_EXISTS", "请求的资源不存在")

    def _place(self, body: bytes, *, now: datetime) -> str:
        order = bodies.parse_order(body)
        self._is_ours(order.mchid)
        if order.appid != self._terms.appid:
            raise _ApiError(400, "APPID_MCHID_NOT_MATCH", "appid和mchid不匹配")
        if order.currency != bodies.CURRENCY:
            raise _ApiError(400, "PARAM_ERROR", "amount.currency must be CNY")
        if not order.notify_url.startswith(("https://", "http://")) or "?" in order.notify_url:
            raise _ApiError(400, "PARAM_ERROR", "notify_url must be a URL without a query")
        earlier = self._orders.get(order.out_trade_no)
        if earlier is None:
            return self._first(order, now=now)
        if earlier.order != order:
            raise _ApiError(400, "INVALID_REQUEST", "请求重入时，参数与首次请求时不一致")
        if earlier.state in (TradeState.SUCCESS, TradeState.REFUND):
            raise _ApiError(400, "ORDERPAID", "该订单已支付")
        if earlier.state is TradeState.CLOSED or now >= earlier.expires_at:
            raise _ApiError(400, "ORDER_CLOSED", "该订单已关闭")
        self._by_code.pop(earlier.code_url, None)
        again = replace(earlier, code_url=self._code_url(), code_until=now + CODE_URL_LIFE)
        self._put(again)
        return again.code_url

    def _first(self, order: NativeOrder, *, now: datetime) -> str:
        if len(self._orders) >= ORDERS_MAX:
            raise _ApiError(429, "FREQUENCY_LIMITED", "频率超限")
        wished = order.time_expire or now + EXPIRY_DEFAULT
        placed = PlacedOrder(
            order=order,
            placed_at=now,
            expires_at=min(max(wished, now + EXPIRY_MIN), now + EXPIRY_MAX),
            code_url=self._code_url(),
            code_until=now + CODE_URL_LIFE,
        )
        self._put(placed)
        return placed.code_url

    def _close(self, placed: PlacedOrder, *, now: datetime) -> None:
        if self.behaviour.race_on_close and placed.state is TradeState.NOTPAY and now < placed.expires_at:
            placed = self.pay(placed.order.out_trade_no, now)
        if placed.state in (TradeState.SUCCESS, TradeState.REFUND):
            raise _ApiError(400, "ORDERPAID", "该订单已支付")
        self._put(replace(placed, state=TradeState.CLOSED))

    def _told(self, placed: PlacedOrder) -> bytes:
        told = fields.read_object(bodies.build_transaction(_transaction(placed)))
        return fields.write_object({**told, "trade_state_desc": _TRADE_WORDS[placed.state]})

    def _answer(self, request: HttpRequest, *, status: int, body: bytes, now: datetime) -> HttpResponse:
        headers = {"content-type": "application/json; charset=utf-8"} if body else {}
        if not self.behaviour.unsigned_answers:
            wished = request.headers.get(signature.SERIAL, "")
            serial = wished if wished in self._keys.signers else self._keys.public_key_id
            headers |= signature.signed_headers(
                serial=serial,
                stamp=signature.stamp(now=now, chance=self._random.randbytes(16)),
                body=body,
                signer=self._keys.signers[serial],
            )
        return HttpResponse(status=status, headers=headers, body=body)

    def _is_ours(self, mchid: str) -> None:
        if mchid != self._terms.mchid:
            raise _ApiError(400, "PARAM_ERROR", "mchid is missing or not the one that signed")

    def _known(self, out_trade_no: str) -> PlacedOrder:
        placed = self._orders.get(out_trade_no)
        if placed is None:
            raise _ApiError(404, "ORDER_NOT_EXIST", "订单不存在")
        return placed

    # Orders

    def _payable(self, reference: str, *, now: datetime) -> PlacedOrder:
        by_code = reference in self._by_code
        placed = self._orders.get(self._by_code.get(reference, reference))
        if placed is None:
            is_code = reference.startswith(self._terms.code_url_prefix)
            raise PaymentImpossible(reference, PayRefusal.CODE_VOID if is_code else PayRefusal.ORDER_UNKNOWN)
        if placed.state in (TradeState.SUCCESS, TradeState.REFUND):
            raise PaymentImpossible(reference, PayRefusal.PAID_ALREADY)
        if placed.state is TradeState.CLOSED:
            raise PaymentImpossible(reference, PayRefusal.CLOSED)
        if now >= placed.expires_at:
            raise PaymentImpossible(reference, PayRefusal.EXPIRED)
        if by_code and now >= placed.code_until:
            raise PaymentImpossible(reference, PayRefusal.CODE_VOID)
        return placed

    def _paid(self, reference: str) -> PlacedOrder:
        placed = self._orders.get(self._by_code.get(reference, reference))
        if placed is None or placed.transaction_id is None:
            raise PaymentImpossible(reference, PayRefusal.ORDER_UNKNOWN)
        return placed

    def _put(self, placed: PlacedOrder) -> None:
        number = placed.order.out_trade_no
        self._orders[number] = placed
        self._by_code[placed.code_url] = number
        if placed.transaction_id is not None:
            self._by_transaction[placed.transaction_id] = number

    def _code_url(self) -> str:
        return f"{self._terms.code_url_prefix}{self._random.randbytes(8).hex()}"

    def _notify(
        self,
        placed: PlacedOrder,
        *,
        due_at: datetime,
        now: datetime,
        event_type: str = "TRANSACTION.SUCCESS",
    ) -> None:
        body = self._notice_body(placed, now=now, event_type=event_type)
        self._notices.add(url=placed.order.notify_url, body=body, due_at=due_at)

    def _notice_body(self, placed: PlacedOrder, *, now: datetime, event_type: str) -> bytes:
        sealed = resource.seal(
            bodies.build_transaction(_transaction(placed)),
            key=self._keys.api_key,
            nonce=self._random.randbytes(6).hex(),
            original_type="transaction" if event_type.startswith("TRANSACTION") else "refund",
        )
        return bodies.build_envelope(
            Envelope(
                notice_id=self._random.randbytes(16).hex(),
                event_type=event_type,
                created_at=now,
                resource=sealed,
            )
        )


def _transaction(placed: PlacedOrder) -> Transaction:
    return Transaction(
        appid=placed.order.appid,
        mchid=placed.order.mchid,
        out_trade_no=placed.order.out_trade_no,
        state=placed.state,
        total_fen=placed.order.total_fen,
        currency=placed.order.currency,
        payer_total_fen=placed.payer_total_fen,
        transaction_id=placed.transaction_id,
        success_at=placed.paid_at,
        payer=placed.payer,
    )


def _unsigned(error: _ApiError) -> HttpResponse:
    return HttpResponse(
        status=error.status,
        headers={"content-type": "application/json; charset=utf-8"},
        body=bodies.build_refusal(error.refusal),
    )
