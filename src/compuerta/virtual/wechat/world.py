"""The simulated provider without sockets: a request comes in with the time, and an answer goes out.

It verifies what the real one verifies, keeps orders through their states, and gives what falls due as
requests to send. All chance is drawn from the `Random` that it is given, so that a run can be repeated.
"""

from collections.abc import Mapping
from dataclasses import asdict, replace
from datetime import datetime, timedelta
from random import Random
from types import MappingProxyType
from urllib.parse import parse_qs, unquote

from compuerta.services.payment_ports import HttpRequest, HttpResponse
from compuerta.virtual.providers.notices import DueNotice, NoticeKind, Notices, Tally, Written, changed
from compuerta.virtual.providers.worlds import Button, Fact, NotPressed, Shown, State
from compuerta.virtual.wechat.billing import Billing
from compuerta.virtual.wechat.identity import Identity
from compuerta.virtual.wechat.keys import ProviderKeys
from compuerta.virtual.wechat.notices import Behaviour, manner, signed, signed_by_a_stranger
from compuerta.virtual.wechat.orders import Orders, Terms
from compuerta.virtual.wechat.placed import (
    PAID_STATES,
    ApiError,
    PaymentImpossible,
    PlacedOrder,
    PlacedRefund,
    refund_of,
    transaction_of,
)
from compuerta.virtual.wechat.refunds import Refunds
from compuerta.wire.wechat import bills, bodies, fields, orders, refunds, resource, signature
from compuerta.wire.wechat.bodies import Envelope, ProviderRefusal, TradeState
from compuerta.wire.wechat.fields import BodyMalformed
from compuerta.wire.wechat.orders import OrderKind
from compuerta.wire.wechat.refunds import RefundStatus
from compuerta.wire.wechat.signature import Stale, Unbelieved

_DOWNLOAD = "/v3/billdownload/file"
_KINDS = {kind.value: kind for kind in OrderKind}
_TRADE_WORDS: Mapping[TradeState, str] = MappingProxyType(
    {
        TradeState.SUCCESS: "支付成功",
        TradeState.REFUND: "转入退款",
        TradeState.NOTPAY: "订单未支付",
        TradeState.CLOSED: "订单已关闭",
        TradeState.REVOKED: "订单已撤销",
        TradeState.USERPAYING: "用户支付中",
        TradeState.PAYERROR: "支付失败",
        TradeState.UNLISTED: "",
    }
)
_STATES: Mapping[TradeState, State] = MappingProxyType(
    {
        TradeState.SUCCESS: State.PAID,
        TradeState.REFUND: State.REFUNDED,
        TradeState.NOTPAY: State.WAITING,
        TradeState.CLOSED: State.CLOSED,
        TradeState.REVOKED: State.CLOSED,
        TradeState.USERPAYING: State.SCANNED,
        TradeState.PAYERROR: State.REFUSED,
        TradeState.UNLISTED: State.CLOSED,
    }
)
_AFTER_PAYING = (Button.REFUND, Button.REPEAT, Button.FORGE, Button.STRANGER, Button.PROBE)


class WechatWorld:
    """One simulated provider with one merchant account; satisfies `World`."""

    name = "wechat"

    def __init__(self, *, keys: ProviderKeys, terms: Terms, random: Random) -> None:
        self._keys = keys
        self._terms = terms
        self._random = random
        self.behaviour = Behaviour()
        self._orders = Orders(terms, random=random, behaviour=self._behaviour)
        self._refunds = Refunds(self._orders, random=random, behaviour=self._behaviour)
        self._billing = Billing(
            terms, orders=self._orders, refunds=self._refunds, random=random, behaviour=self._behaviour
        )
        self._identity = Identity(appid=terms.appid, secret=terms.app_secret, random=random)
        self._notices = Notices(manner=manner(speedup=terms.repeat_speedup), random=random)

    # The merchant's side

    def answer(self, request: HttpRequest, now: datetime) -> HttpResponse:
        """Answer a merchant's request, or a payer's browser that is asked who it is."""
        if (identified := self._identity.answer(request, now)) is not None:
            return identified
        try:
            self._misbehave()
            self._authenticate(request, now=now)
        except ApiError as error:
            return _unsigned(error)
        self._settle(now)
        path, _, query = request.path.partition("?")
        if (request.method, path) == ("GET", _DOWNLOAD):
            return self._download(parse_qs(query).get("token", [""])[0], now=now)
        try:
            status, body = self._route(request, now=now)
        except ApiError as error:
            status, body = error.status, bodies.build_refusal(error.refusal)
        except BodyMalformed as error:
            status, body = 400, bodies.build_refusal(ProviderRefusal(code="PARAM_ERROR", message=str(error)))
        return self._signed(request, status=status, body=body, now=now)

    def due(self, now: datetime) -> list[DueNotice]:
        """Return the notices to send now; tell `answered` what became of each."""
        self._settle(now)
        return self._notices.due(now, behaviour=self.behaviour)

    def answered(self, notice: DueNotice, status: int, now: datetime, *, body: bytes = b"") -> None:
        """Take the merchant's answer to a notice; the status 0 says that none came."""
        self._notices.answered(notice, status, body=body, now=now)

    def wake_at(self) -> datetime | None:
        """Return when `due` will have something to do next, or None."""
        wakes = (self._notices.wake_at(), self._refunds.wake_at())
        return min((at for at in wakes if at is not None), default=None)

    @property
    def tally(self) -> Tally:
        """How notices and probes ended so far."""
        return self._notices.tally

    @property
    def answer_delay_ms(self) -> int:
        """How long the server waits before each answer."""
        return self.behaviour.answer_delay_ms

    def orders(self) -> list[PlacedOrder]:
        """Return all orders, the newest first."""
        return self._orders.all()

    def refunds(self) -> list[PlacedRefund]:
        """Return all refunds, the oldest first."""
        return self._refunds.all()

    def facts(self) -> list[Fact]:
        """Return all money that it has or had, oldest first."""
        return [
            Fact(
                transaction_no=placed.transaction_id,
                reference=placed.order.out_trade_no,
                amount_minor=placed.order.total_fen,
                refunded_minor=placed.order.total_fen if placed.ended_at else placed.refunded_fen,
                currency=placed.order.currency,
                paid_at=placed.paid_at,
            )
            for placed in reversed(self._orders.all())
            if placed.transaction_id is not None and placed.paid_at is not None
        ]

    def withdraw(self, now: datetime, *, amount_fen: int | None = None) -> tuple[str, int]:
        """Send what the account has, or some of it, to the merchant's bank: its number, and how much."""
        return self._billing.withdraw(amount_fen, now=now)

    # The payer's side; an order is named by what the payer was given or by the merchant's number

    def pay(
        self, reference: str, now: datetime, *, payer: str = "oSimulatedPayer", discount_fen: int = 0
    ) -> PlacedOrder:
        """Pay an order, or refuse with `PaymentImpossible`; a discount is at the provider's expense."""
        paid = self._orders.pay(reference, now, payer=payer, discount_fen=discount_fen)
        self._tell_paid(paid, now)
        return paid

    def pay_late(self, reference: str, now: datetime) -> PlacedOrder:
        """Pay an order though it is over, as money that was on its way when it was closed."""
        paid = self._orders.pay(reference, now, late=True)
        self._tell_paid(paid, now)
        return paid

    def cancel(self, reference: str, now: datetime) -> None:
        """Look at an order and leave: nothing changes for the merchant, and nothing is told."""
        placed = self._orders.payable(reference, now=now)
        self._orders.put(replace(placed, cancels=placed.cancels + 1))

    def refuse(self, reference: str, now: datetime) -> None:
        """Say no where a password is asked for; the payment has failed then."""
        placed = self._orders.payable(reference, now=now)
        if placed.state is TradeState.USERPAYING:
            self._orders.put(replace(placed, state=TradeState.PAYERROR))

    # On demand, what a good day does not bring

    def behave(self, wishes: Mapping[str, object]) -> Mapping[str, object]:
        """Change how the provider misbehaves, and return all of it; refuses what does not exist."""
        self.behaviour = changed(self.behaviour, wishes)
        return asdict(self.behaviour)

    def refund(self, reference: str, now: datetime, *, refund_fen: int = 0) -> None:
        """Send a paid order's money back, as a merchant does by hand in the provider's console."""
        self._refunds.by_hand(self._orders.paid(reference), refund_fen=refund_fen, now=now)

    def repeat(self, reference: str, now: datetime) -> None:
        """Send a paid order's notice once more, as another notification of the same payment."""
        self._notify(self._orders.paid(reference), due_at=now, now=now)

    def probe(self, reference: str, now: datetime) -> None:
        """Test by a wrong signature whether the merchant verifies."""
        placed = self._orders.paid(reference)
        written = self._written(self._payment_body(placed, now=now))
        self._notices.add(url=placed.order.notify_url, written=written, due_at=now, kind=NoticeKind.PROBE)

    def stranger(self, reference: str, now: datetime) -> None:
        """Let somebody without a key send a paid order's notice."""
        placed = self._orders.paid(reference)
        body = self._payment_body(placed, now=now)
        written = signed_by_a_stranger(body, keys=self._keys, random=self._random)
        self._notices.add(url=placed.order.notify_url, written=written, due_at=now, kind=NoticeKind.PROBE)

    def forge(self, reference: str, now: datetime, *, total_fen: int) -> None:
        """Send a notice with another amount and a good signature: the real provider never would."""
        placed = self._orders.paid(reference)
        self._notify(replace(placed, order=replace(placed.order, total_fen=total_fen)), due_at=now, now=now)

    # What a person sees and presses

    def shown(self, now: datetime, *, limit: int) -> list[Shown]:
        """Return the newest orders, the newest first."""
        self._settle(now)
        return [_shown(placed, now=now) for placed in self._orders.all()[:limit]]

    def press(self, button: Button, reference: str, now: datetime, *, amount_minor: int = 0) -> None:
        """Do what a button does with one order, or refuse with `NotPressed`."""
        try:
            match button:
                case Button.SCAN:
                    self._orders.payable(reference, now=now)
                case Button.PAY:
                    self.pay(reference, now)
                case Button.PAY_LATE:
                    self.pay_late(reference, now)
                case Button.CANCEL:
                    self.cancel(reference, now)
                case Button.REFUSE:
                    self.refuse(reference, now)
                case Button.REFUND:
                    self.refund(reference, now, refund_fen=amount_minor)
                case Button.REPEAT:
                    self.repeat(reference, now)
                case Button.FORGE:
                    self.forge(reference, now, total_fen=amount_minor or 1)
                case Button.STRANGER:
                    self.stranger(reference, now)
                case Button.PROBE:
                    self.probe(reference, now)
                case Button.FINISH | Button.DISPUTE:
                    raise NotPressed(reference, "this provider has no such button")
        except PaymentImpossible as impossible:
            raise NotPressed(reference, impossible.refusal.value) from impossible
        except ApiError as refused:
            raise NotPressed(reference, refused.refusal.message) from refused

    # Requests

    def _behaviour(self) -> Behaviour:
        return self.behaviour

    def _misbehave(self) -> None:
        behaviour = self.behaviour
        if behaviour.refuse_next > 0:
            self.behaviour = replace(behaviour, refuse_next=behaviour.refuse_next - 1)
            raise ApiError(429, "FREQUENCY_LIMITED", "频率超限")
        if behaviour.fail_next > 0:
            self.behaviour = replace(behaviour, fail_next=behaviour.fail_next - 1)
            raise ApiError(500, "SYSTEM_ERROR", "系统错误")

    def _authenticate(self, request: HttpRequest, *, now: datetime) -> None:
        if not request.headers.get("user-agent") or not request.headers.get("accept"):
            raise ApiError(400, "PARAM_ERROR", "headers Accept and User-Agent are needed")
        try:
            claim = signature.parse_authorization(request.headers.get("authorization", ""))
            if claim.merchant.mchid != self._terms.mchid:
                raise ApiError(401, "SIGN_ERROR", "商户号不存在")
            if claim.merchant.serial != self._keys.merchant_serial:
                raise ApiError(401, "SIGN_ERROR", "商户证书序列号有误")
            signature.verify_fresh(claim.stamp, now=now)
            message = signature.request_message(
                method=request.method, path=request.path, stamp=claim.stamp, body=request.body
            )
            signature.verify_signature(claim.signature, message=message, verifier=self._keys.merchant)
        except Stale as error:
            raise ApiError(
                401, "SIGN_ERROR", "Http头Authorization中的timestamp与发起请求的时间不得超过5分钟"
            ) from error
        except Unbelieved as error:
            raise ApiError(401, "SIGN_ERROR", "签名错误") from error

    def _route(self, request: HttpRequest, *, now: datetime) -> tuple[int, bytes]:
        path, _, query = request.path.partition("?")
        wish = parse_qs(query)
        match request.method, path.removeprefix("/v3/").split("/"):
            case "POST", ["pay", "transactions", kind] if kind in _KINDS:
                return self._start(request.body, _KINDS[kind], now=now)
            case "GET", ["pay", "transactions", "out-trade-no", number]:
                self._is_ours(wish.get("mchid", [""])[0])
                return 200, _told(self._orders.known(unquote(number)))
            case "GET", ["pay", "transactions", "id", transaction_id]:
                self._is_ours(wish.get("mchid", [""])[0])
                return 200, _told(self._orders.by_transaction(unquote(transaction_id)))
            case "POST", ["pay", "transactions", "out-trade-no", number, "close" | "reverse" as how]:
                self._is_ours(orders.parse_close(request.body))
                return self._end(self._orders.known(unquote(number)), how, now=now)
            case "POST", ["refund", "domestic", "refunds"]:
                asked = self._refunds.ask(refunds.parse_refund_order(request.body), now=now)
                return 200, refunds.build_refund(refund_of(asked))
            case "GET", ["refund", "domestic", "refunds", number]:
                return 200, refunds.build_refund(refund_of(self._refunds.known(unquote(number))))
            case "GET", ["bill", "tradebill" | "fundflowbill" as kind]:
                return 200, bills.build_grant(self._billing.grant(kind, wish, now=now))
            case "POST", ["security", "echo"]:
                return self._echo(fields.read_object(request.body), now=now)
        raise ApiError(404, "RESOURCE_NOT_EXISTS", "请求的资源不存在")

    def _start(self, body: bytes, kind: OrderKind, *, now: datetime) -> tuple[int, bytes]:
        order = orders.parse_order(body, kind)
        if kind is not OrderKind.CODE:
            return 200, orders.build_started(kind, self._orders.place(order, now=now).code_url)
        placed = self._orders.take(order, now=now)
        if placed.state is TradeState.USERPAYING:
            raise ApiError(400, "USERPAYING", "用户支付中，需要输入密码")
        if placed.state in PAID_STATES:
            return 200, _told(placed)
        raise ApiError(400, "ORDER_CLOSED", "该订单已关闭")

    def _end(self, placed: PlacedOrder, how: str, *, now: datetime) -> tuple[int, bytes]:
        races = self.behaviour.race_on_close and placed.state is TradeState.NOTPAY
        if races and now < placed.expires_at:
            placed = self.pay(placed.order.out_trade_no, now)
        if how == "close":
            self._orders.close(placed)
            return 204, b""
        self._orders.reverse(placed, now=now)
        return 200, fields.write_object({"out_trade_no": placed.order.out_trade_no})

    def _echo(self, wish: fields.JsonObject, *, now: datetime) -> tuple[int, bytes]:
        message = fields.text(wish, "echo_message", chars_max=128)
        url = fields.text_or_empty(wish, "notify_url", chars_max=255)
        if url:
            plain = fields.write_object({"echo_message": message})
            body = self._sealed(plain, now=now, event_type="SECURITY_ECHO.SUCCESS", original_type="echo")
            self._notices.add(url=url, written=self._written(body), due_at=now)
        return 200, fields.write_object({"echo_message": message})

    def _download(self, token: str, *, now: datetime) -> HttpResponse:
        try:
            packed = self._billing.fetch(token, now=now)
        except ApiError as error:
            return _unsigned(error)
        # The one good answer that the provider does not sign: its hash was announced before.
        return HttpResponse(status=200, headers={"content-type": "application/octet-stream"}, body=packed)

    def _signed(self, request: HttpRequest, *, status: int, body: bytes, now: datetime) -> HttpResponse:
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
            raise ApiError(400, "PARAM_ERROR", "mchid is missing or not the one that signed")

    # Notices

    def _settle(self, now: datetime) -> None:
        self._orders.lapse(now)
        for ended in self._refunds.settle(now):
            if ended.order.notify_url:
                self._notify_refund(ended, now=now)

    def _tell_paid(self, paid: PlacedOrder, now: datetime) -> None:
        late_ms = self._random.randrange(self.behaviour.late_ms_max + 1) if self.behaviour.late_ms_max else 0
        if paid.order.notify_url:
            self._notify(paid, due_at=now + timedelta(milliseconds=late_ms), now=now)

    def _notify(self, placed: PlacedOrder, *, due_at: datetime, now: datetime) -> None:
        written = self._written(self._payment_body(placed, now=now))
        self._notices.add(url=placed.order.notify_url, written=written, due_at=due_at)

    def _notify_refund(self, placed: PlacedRefund, *, now: datetime) -> None:
        assert placed.status is not RefundStatus.PROCESSING
        plain = refunds.build_refund_notice(refund_of(placed), mchid=self._terms.mchid)
        event_type = f"REFUND.{placed.status.value}"
        body = self._sealed(plain, now=now, event_type=event_type, original_type="refund")
        self._notices.add(url=placed.order.notify_url, written=self._written(body), due_at=now)

    def _payment_body(self, placed: PlacedOrder, *, now: datetime) -> bytes:
        # A notice of success tells of the success, whatever has become of the money since.
        told = replace(transaction_of(placed), state=TradeState.SUCCESS)
        plain = bodies.build_transaction(told)
        return self._sealed(plain, now=now, event_type="TRANSACTION.SUCCESS", original_type="transaction")

    def _sealed(self, plain: bytes, *, now: datetime, event_type: str, original_type: str) -> bytes:
        sealed = resource.seal(
            plain,
            key=self._keys.api_key,
            nonce=self._random.randbytes(6).hex(),
            original_type=original_type,
        )
        notice_id = self._random.randbytes(16).hex()
        return bodies.build_envelope(
            Envelope(notice_id=notice_id, event_type=event_type, created_at=now, resource=sealed)
        )

    def _written(self, body: bytes) -> Written:
        return signed(body, keys=self._keys, random=self._random, behaviour=self._behaviour)


def _told(placed: PlacedOrder) -> bytes:
    told = fields.read_object(bodies.build_transaction(transaction_of(placed)))
    return fields.write_object({**told, "trade_state_desc": _TRADE_WORDS[placed.state]})


def _shown(placed: PlacedOrder, *, now: datetime) -> Shown:
    is_over = placed.state is TradeState.NOTPAY and now >= placed.expires_at
    state = State.EXPIRED if is_over else _STATES[placed.state]
    return Shown(
        reference=placed.order.out_trade_no,
        description=placed.order.description,
        amount_minor=placed.order.total_fen,
        currency=placed.order.currency,
        content=placed.code_url,
        state=state,
        placed_at=placed.placed_at,
        expires_at=placed.expires_at,
        paid_at=placed.paid_at,
        transaction_no=placed.transaction_id or "",
        buttons=_buttons(placed, state),
    )


def _buttons(placed: PlacedOrder, state: State) -> tuple[Button, ...]:
    match state:
        case State.WAITING:
            return (Button.SCAN, Button.PAY, Button.CANCEL)
        case State.SCANNED:
            return (Button.PAY, Button.REFUSE)
        case State.EXPIRED | State.CLOSED if placed.transaction_id is None:
            return (Button.PAY_LATE,)
        case State.PAID | State.REFUNDED:
            return _AFTER_PAYING if placed.order.notify_url else (Button.REFUND,)
    return ()


def _unsigned(error: ApiError) -> HttpResponse:
    return HttpResponse(
        status=error.status,
        headers={"content-type": "application/json; charset=utf-8"},
        body=bodies.build_refusal(error.refusal),
    )
