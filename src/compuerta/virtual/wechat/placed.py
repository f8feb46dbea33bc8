"""What the simulated provider holds: orders and refunds as they stand, and how it words a refusal."""

import json
from dataclasses import dataclass
from datetime import datetime
from enum import Enum

from compuerta.domain.errors import Refused
from compuerta.wire.wechat.bodies import ProviderRefusal, TradeState, Transaction
from compuerta.wire.wechat.orders import Order, OrderKind
from compuerta.wire.wechat.refunds import RefundOrder, RefundStatus, RefundTold

TRADE_TYPES = {
    OrderKind.NATIVE: "NATIVE",
    OrderKind.JSAPI: "JSAPI",
    OrderKind.APP: "APP",
    OrderKind.H5: "MWEB",
    OrderKind.CODE: "MICROPAY",
}
PAID_STATES = (TradeState.SUCCESS, TradeState.REFUND)


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


class ApiError(Refused):
    """A refusal as the provider words it."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(f"{status} {code}: {message}")
        self.status = status
        self.refusal = ProviderRefusal(code=code, message=message)


@dataclass(frozen=True, slots=True, kw_only=True)
class PlacedOrder:
    """An order as the provider holds it."""

    order: Order
    placed_at: datetime
    expires_at: datetime
    code_url: str  # what its payer's side starts with: a QR's text, a prepay id, an address
    code_until: datetime
    state: TradeState = TradeState.NOTPAY
    transaction_id: str | None = None
    paid_at: datetime | None = None
    ended_at: datetime | None = None  # when it was undone after it was paid
    payer: str = ""
    payer_total_fen: int = 0
    refunded_fen: int = 0  # asked for and not closed
    cancels: int = 0  # how often a payer looked at it and left


@dataclass(frozen=True, slots=True, kw_only=True)
class PlacedRefund:
    """A refund as the provider holds it."""

    order: RefundOrder
    refund_id: str
    out_trade_no: str
    transaction_id: str
    asked_at: datetime
    ends_at: datetime
    end: RefundStatus  # what becomes of it at `ends_at`
    status: RefundStatus = RefundStatus.PROCESSING
    ended_at: datetime | None = None


def transaction_of(placed: PlacedOrder) -> Transaction:
    """Return what the provider tells of an order."""
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
        trade_type=TRADE_TYPES[placed.order.kind],
    )


def refund_of(placed: PlacedRefund) -> RefundTold:
    """Return what the provider tells of a refund."""
    return RefundTold(
        refund_id=placed.refund_id,
        out_refund_no=placed.order.out_refund_no,
        transaction_id=placed.transaction_id,
        out_trade_no=placed.out_trade_no,
        status=placed.status,
        refund_fen=placed.order.refund_fen,
        total_fen=placed.order.total_fen,
        ended_at=placed.ended_at if placed.status is RefundStatus.SUCCESS else None,
    )


def started_by(presented: str) -> str:
    """Return what an order was started with, out of what a payer's page or app was given."""
    if not presented.startswith("{"):
        return presented
    try:
        call = json.loads(presented)
    except ValueError:
        return presented
    return str(call.get("prepayid", "")) or str(call.get("package", "")).removeprefix("prepay_id=")
