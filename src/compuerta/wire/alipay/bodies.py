"""Bodies of Alipay's trades: what is asked, what is answered, and what a notice says; both ways.

Amounts are fen and instants are UTC inside; yuan and Beijing's time appear only in what is written.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import Enum

from compuerta.wire.alipay import fields
from compuerta.wire.alipay.fields import BodyMalformed, JsonObject

SUBJECT_CHARS_MAX = 256
CURRENCY = "CNY"

SUCCESS = "10000"
PAYING = "10003"  # the payer types a password
BUSY = ("20000", "40005")  # out of order, or too many requests
REFUSED = "40004"
TRADE_NOT_EXIST = "ACQ.TRADE_NOT_EXIST"

_URL_CHARS_MAX = 2048


class TradeStatus(Enum):
    """What Alipay says of a trade; UNLISTED is every word that its documentation does not have."""

    WAIT_BUYER_PAY = "WAIT_BUYER_PAY"
    SUCCESS = "TRADE_SUCCESS"
    FINISHED = "TRADE_FINISHED"  # paid, and too late for refunds
    CLOSED = "TRADE_CLOSED"  # never paid, or given back whole
    UNLISTED = ""


_STATUSES = {status.value: status for status in TradeStatus}


class Method(Enum):
    """What the gateway is asked."""

    PRECREATE = "alipay.trade.precreate"
    WAP_PAY = "alipay.trade.wap.pay"
    PAGE_PAY = "alipay.trade.page.pay"
    APP_PAY = "alipay.trade.app.pay"
    PAY = "alipay.trade.pay"
    QUERY = "alipay.trade.query"
    CLOSE = "alipay.trade.close"
    CANCEL = "alipay.trade.cancel"
    REFUND = "alipay.trade.refund"
    REFUND_QUERY = "alipay.trade.fastpay.refund.query"
    BILL = "alipay.data.dataservice.bill.downloadurl.query"

    @property
    def answer_name(self) -> str:
        """What its answer is called."""
        return f"{self.value.replace('.', '_')}_response"


PRODUCTS: Mapping[Method, str] = {
    Method.PRECREATE: "FACE_TO_FACE_PAYMENT",
    Method.PAY: "FACE_TO_FACE_PAYMENT",
    Method.WAP_PAY: "QUICK_WAP_WAY",
    Method.PAGE_PAY: "FAST_INSTANT_TRADE_PAY",
    Method.APP_PAY: "QUICK_MSECURITY_PAY",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What somebody is to pay, in whichever way."""

    out_trade_no: str
    subject: str
    total_fen: int
    expires_at: datetime
    placed_at: datetime  # of the wish, not of the request: the same order is the same bytes
    auth_code: str = ""  # what the till scanned


@dataclass(frozen=True, slots=True, kw_only=True)
class Trade:
    """What Alipay says of one trade."""

    trade_no: str
    out_trade_no: str
    status: TradeStatus
    total_fen: int
    paid_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TradeNotice:
    """A notice of a trade; `refunded_fen` is all that went back so far, and 0 says that nothing did."""

    notify_id: str
    app_id: str
    seller_id: str
    trade: Trade
    refunded_fen: int = 0
    refunded_at: datetime | None = None
    out_request_no: str = ""


def order_content(method: Method, order: Order) -> dict[str, object]:
    """Return what an order says to the method by which it is paid."""
    content: dict[str, object] = {
        "out_trade_no": order.out_trade_no,
        "total_amount": fields.yuan(order.total_fen),
        "subject": order.subject,
        "product_code": PRODUCTS[method],
        "time_expire": fields.write_instant(order.expires_at),
    }
    if method is Method.PRECREATE:
        life_s = int((order.expires_at - order.placed_at).total_seconds())
        # The QR dies with the order: one that nobody scanned cannot be closed.
        content["qr_code_timeout_express"] = f"{max(-(-life_s // 60), 1)}m"
    if method is Method.PAY:
        content |= {"scene": "bar_code", "auth_code": order.auth_code}
    return content


def parse_code(answer: JsonObject) -> tuple[str, str]:
    """Return an answer's code and, where it has one, its sub code."""
    return fields.text(answer, "code", chars_max=16), fields.text_or_empty(answer, "sub_code", chars_max=64)


def parse_trade(answer: JsonObject) -> Trade:
    """Read the answer to a query."""
    word = fields.text(answer, "trade_status", chars_max=32)
    paid_at = fields.instant(answer, "send_pay_date") if answer.get("send_pay_date") else None
    status = _STATUSES.get(word, TradeStatus.UNLISTED)
    if status in (TradeStatus.SUCCESS, TradeStatus.FINISHED) and paid_at is None:
        raise BodyMalformed("send_pay_date", "must be there for a trade that is paid")
    return Trade(
        trade_no=fields.text(answer, "trade_no", chars_max=64),
        out_trade_no=fields.text(answer, "out_trade_no", chars_max=64),
        status=status,
        total_fen=fields.fen(answer, "total_amount"),
        paid_at=paid_at,
    )


def parse_paid(answer: JsonObject) -> Trade:
    """Read the answer of a payment by code that succeeded at once."""
    return Trade(
        trade_no=fields.text(answer, "trade_no", chars_max=64),
        out_trade_no=fields.text(answer, "out_trade_no", chars_max=64),
        status=TradeStatus.SUCCESS,
        total_fen=fields.fen(answer, "total_amount"),
        paid_at=fields.instant(answer, "gmt_payment"),
    )


def parse_url(answer: JsonObject, name: str) -> str:
    """Read an address out of an answer: a QR's text, or where a bill lies."""
    found = fields.text(answer, name, chars_max=_URL_CHARS_MAX)
    if not found.startswith(("https://", "http://")):
        raise BodyMalformed(name, "must be an address")
    return found


def notice_fields(notice: TradeNotice, *, now: datetime) -> dict[str, str]:
    """Return a notice's fields as Alipay sends them at an instant; the charset is the sender's matter."""
    trade = notice.trade
    told = {
        "notify_time": fields.write_instant(now),
        "notify_type": "trade_status_sync",
        "notify_id": notice.notify_id,
        "version": "1.0",
        "app_id": notice.app_id,
        "auth_app_id": notice.app_id,
        "trade_no": trade.trade_no,
        "out_trade_no": trade.out_trade_no,
        "seller_id": notice.seller_id,
        "trade_status": trade.status.value,
        "total_amount": fields.yuan(trade.total_fen),
    }
    if trade.paid_at is not None:
        told["gmt_payment"] = fields.write_instant(trade.paid_at)
    if notice.refunded_at is not None:
        told |= {
            "refund_fee": fields.yuan(notice.refunded_fen),
            "gmt_refund": f"{fields.write_instant(notice.refunded_at)}.000",
            "out_biz_no": notice.out_request_no,
        }
    return told


def parse_notice(told: Mapping[str, str]) -> TradeNotice:
    """Read a notice of a trade; what tells of the money must be there where money is told of."""
    status = _STATUSES.get(fields.text(told, "trade_status", chars_max=32), TradeStatus.UNLISTED)
    refunded_fen = fields.fen(told, "refund_fee", least=0) if told.get("refund_fee") else 0
    if told.get("gmt_refund") and not refunded_fen:
        raise BodyMalformed("refund_fee", "must be there for a refund")
    paid = status in (TradeStatus.SUCCESS, TradeStatus.FINISHED) or refunded_fen > 0
    return TradeNotice(
        notify_id=fields.text_or_empty(told, "notify_id"),
        app_id=fields.text_or_empty(told, "app_id"),
        seller_id=fields.text_or_empty(told, "seller_id"),
        trade=Trade(
            trade_no=fields.text(told, "trade_no", chars_max=64),
            out_trade_no=fields.text(told, "out_trade_no", chars_max=64),
            status=status,
            total_fen=fields.fen(told, "total_amount"),
            paid_at=fields.instant(told, "gmt_payment") if paid else None,
        ),
        refunded_fen=refunded_fen,
        refunded_at=fields.instant(told, "gmt_refund") if refunded_fen else None,
        out_request_no=fields.text_or_empty(told, "out_biz_no"),
    )
