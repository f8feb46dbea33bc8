"""The simulated provider's orders: placed, looked at, paid, closed and undone; the one owner of them."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from random import Random

from compuerta.virtual.providers.notices import PPM
from compuerta.virtual.wechat.notices import Behaviour
from compuerta.virtual.wechat.placed import (
    PAID_STATES,
    ApiError,
    PaymentImpossible,
    PayRefusal,
    PlacedOrder,
    started_by,
)
from compuerta.wire.wechat import bodies
from compuerta.wire.wechat.bodies import TradeState
from compuerta.wire.wechat.orders import Order, OrderKind

ORDERS_MAX = 100_000  # a simulation or a demonstration stays far below; a runaway caller does not
CODE_URL_LIFE = timedelta(hours=2)
H5_LIFE = timedelta(minutes=5)
PASSWORD_LIFE = timedelta(minutes=1)
PASSWORD_FROM_FEN = 100_000  # a larger amount by code asks the payer for a password
EXPIRY_MIN = timedelta(minutes=1)  # an earlier time_expire is moved to this
EXPIRY_DEFAULT = timedelta(days=7)
EXPIRY_MAX = timedelta(days=90)
_OPEN = (TradeState.NOTPAY, TradeState.USERPAYING)


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """The one merchant account that this provider knows, and the pace of its clockwork."""

    mchid: str
    appid: str
    repeat_speedup: int = 1  # the documented waits between repeats are divided by this
    # A demonstration puts the address of its pay page here, so that a telephone can follow the QR.
    code_url_prefix: str = "weixin://wxpay/bizpayurl?pr="
    h5_url_prefix: str = "https://wx.tenpay.com/cgi-bin/mmpayweb-bin/checkmweb?prepay_id="
    public_url: str = "https://api.mch.weixin.qq.com"  # where bills are fetched
    app_secret: str = "simulated-app-secret"  # with which the service account asks who opens its page


class Orders:
    """All orders of one merchant account, by every name that they have."""

    def __init__(self, terms: Terms, *, random: Random, behaviour: Callable[[], Behaviour]) -> None:
        self._terms = terms
        self._random = random
        self._behaviour = behaviour
        self._orders: dict[str, PlacedOrder] = {}
        self._by_code: dict[str, str] = {}
        self._by_transaction: dict[str, str] = {}
        self._pay_codes: dict[str, str] = {}
        self._typing: set[str] = set()

    def all(self) -> list[PlacedOrder]:
        """Return all orders, the newest first."""
        return list(reversed(self._orders.values()))

    def known(self, out_trade_no: str) -> PlacedOrder:
        """Return an order by the merchant's number."""
        placed = self._orders.get(out_trade_no)
        if placed is None:
            raise ApiError(404, "ORDER_NOT_EXIST", "订单不存在")
        return placed

    def by_transaction(self, transaction_id: str) -> PlacedOrder:
        """Return an order by the provider's number."""
        return self.known(self._by_transaction.get(transaction_id, ""))

    def put(self, placed: PlacedOrder) -> None:
        """Keep an order as it stands now."""
        number = placed.order.out_trade_no
        self._orders[number] = placed
        self._by_code[placed.code_url] = number
        if placed.transaction_id is not None:
            self._by_transaction[placed.transaction_id] = number

    # The merchant's side

    def place(self, order: Order, *, now: datetime) -> PlacedOrder:
        """Place an order, or the same once more; the earlier QR is void then."""
        self._check(order)
        earlier = self._orders.get(order.out_trade_no)
        if earlier is None:
            return self._first(order, now=now)
        if earlier.order != order:
            raise ApiError(400, "INVALID_REQUEST", "请求重入时，参数与首次请求时不一致")
        if earlier.state in PAID_STATES:
            raise ApiError(400, "ORDERPAID", "该订单已支付")
        if earlier.state is TradeState.CLOSED or now >= earlier.expires_at:
            raise ApiError(400, "ORDER_CLOSED", "该订单已关闭")
        self._by_code.pop(earlier.code_url, None)
        again = replace(earlier, code_url=self._started(order.kind), code_until=now + _life(order.kind))
        self.put(again)
        return again

    def take(self, order: Order, *, now: datetime) -> PlacedOrder:
        """Take money by the code that a till has read, or ask its owner for a password."""
        self._check(order)
        earlier = self._orders.get(order.out_trade_no)
        if earlier is not None and earlier.order != order:
            raise ApiError(400, "INVALID_REQUEST", "请求重入时，参数与首次请求时不一致")
        if earlier is not None:
            return earlier
        if self._pay_codes.setdefault(order.auth_code, order.out_trade_no) != order.out_trade_no:
            raise ApiError(400, "AUTH_CODE_INVALID", "付款码已使用")
        placed = self._first(order, now=now)
        share_ppm = self._behaviour().password_ppm
        asked = share_ppm > 0 and self._random.randrange(PPM) < share_ppm
        if asked or order.total_fen > PASSWORD_FROM_FEN:
            placed = replace(placed, state=TradeState.USERPAYING)
            self.put(placed)
            self._typing.add(order.out_trade_no)
            return placed
        return self.pay(order.out_trade_no, now)

    def close(self, placed: PlacedOrder) -> None:
        """Make an order unpayable; refuses one that is paid."""
        if placed.state in PAID_STATES:
            raise ApiError(400, "ORDERPAID", "该订单已支付")
        self.put(replace(placed, state=TradeState.CLOSED))

    def reverse(self, placed: PlacedOrder, *, now: datetime) -> None:
        """Undo a till's order: one that was paid sends its money back."""
        if placed.order.kind is not OrderKind.CODE:
            raise ApiError(400, "INVALID_REQUEST", "只有付款码订单可以撤销")
        if placed.state is TradeState.REVOKED:
            return
        self.put(replace(placed, state=TradeState.REVOKED, ended_at=now))

    def lapse(self, now: datetime) -> None:
        """End the payments whose payer never typed the password."""
        for number in sorted(self._typing):
            placed = self._orders[number]
            if placed.state is not TradeState.USERPAYING:
                self._typing.discard(number)
            elif now >= placed.expires_at:
                self.put(replace(placed, state=TradeState.PAYERROR))

    # The payer's side

    def payable(self, reference: str, *, now: datetime) -> PlacedOrder:
        """Return an order that can be paid now, by the merchant's number or by what the payer was given."""
        by_code = started_by(reference) in self._by_code
        placed = self.named(reference)
        if placed.state in PAID_STATES:
            raise PaymentImpossible(reference, PayRefusal.PAID_ALREADY)
        if placed.state not in _OPEN:
            raise PaymentImpossible(reference, PayRefusal.CLOSED)
        if now >= placed.expires_at:
            raise PaymentImpossible(reference, PayRefusal.EXPIRED)
        if by_code and now >= placed.code_until:
            raise PaymentImpossible(reference, PayRefusal.CODE_VOID)
        return placed

    def named(self, reference: str) -> PlacedOrder:
        """Return an order by the merchant's number, or by what the payer was given."""
        started = started_by(reference)
        placed = self._orders.get(self._by_code.get(started, reference))
        if placed is None:
            is_code = started.startswith(self._terms.code_url_prefix)
            raise PaymentImpossible(reference, PayRefusal.CODE_VOID if is_code else PayRefusal.ORDER_UNKNOWN)
        return placed

    def paid(self, reference: str) -> PlacedOrder:
        """Return an order that was paid."""
        placed = self.named(reference)
        if placed.transaction_id is None:
            raise PaymentImpossible(reference, PayRefusal.ORDER_UNKNOWN)
        return placed

    def pay(
        self,
        reference: str,
        now: datetime,
        *,
        payer: str = "oSimulatedPayer",
        discount_fen: int = 0,
        late: bool = False,
    ) -> PlacedOrder:
        """Pay an order; a discount is at the provider's expense. `late` pays one that is over, too."""
        placed = self.named(reference) if late else self.payable(reference, now=now)
        if placed.state in PAID_STATES:
            raise PaymentImpossible(reference, PayRefusal.PAID_ALREADY)
        sequence = len(self._by_transaction) + 1
        paid = replace(
            placed,
            state=TradeState.SUCCESS,
            transaction_id=f"4200{now:%Y%m%d}{sequence:06d}{self._random.randrange(10**10):010d}",
            paid_at=now.replace(microsecond=0),
            payer=placed.order.openid or payer,
            payer_total_fen=max(placed.order.total_fen - discount_fen, 0),
        )
        self.put(paid)
        return paid

    def _check(self, order: Order) -> None:
        if order.mchid != self._terms.mchid:
            raise ApiError(400, "PARAM_ERROR", "mchid is missing or not the one that signed")
        if order.appid != self._terms.appid:
            raise ApiError(400, "APPID_MCHID_NOT_MATCH", "appid和mchid不匹配")
        if order.currency != bodies.CURRENCY:
            raise ApiError(400, "PARAM_ERROR", "amount.currency must be CNY")
        is_told = order.kind is not OrderKind.CODE
        if is_told and (not order.notify_url.startswith(("https://", "http://")) or "?" in order.notify_url):
            raise ApiError(400, "PARAM_ERROR", "notify_url must be a URL without a query")

    def _first(self, order: Order, *, now: datetime) -> PlacedOrder:
        if len(self._orders) >= ORDERS_MAX:
            raise ApiError(429, "FREQUENCY_LIMITED", "频率超限")
        expires_at = now + PASSWORD_LIFE
        if order.kind is not OrderKind.CODE:
            wished = order.time_expire or now + EXPIRY_DEFAULT
            expires_at = min(max(wished, now + EXPIRY_MIN), now + EXPIRY_MAX)
        placed = PlacedOrder(
            order=order,
            placed_at=now,
            expires_at=expires_at,
            code_url=self._started(order.kind),
            code_until=now + _life(order.kind),
        )
        self.put(placed)
        return placed

    def _started(self, kind: OrderKind) -> str:
        name = self._random.randbytes(8).hex()
        match kind:
            case OrderKind.NATIVE:
                return f"{self._terms.code_url_prefix}{name}"
            case OrderKind.H5:
                return f"{self._terms.h5_url_prefix}{name}"
        return f"wx{name}"


def _life(kind: OrderKind) -> timedelta:
    return H5_LIFE if kind is OrderKind.H5 else CODE_URL_LIFE
