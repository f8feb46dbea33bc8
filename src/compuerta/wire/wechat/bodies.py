"""Bodies of WeChat Pay v3: orders, transactions, notices, refusals; read and written both ways.

Amounts are fen and instants are UTC inside; Beijing time appears only in what is written.
"""

import re
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from enum import Enum

from compuerta.wire.wechat import fields
from compuerta.wire.wechat.fields import BodyMalformed, JsonObject
from compuerta.wire.wechat.resource import Resource, parse_resource, resource_fields

DESCRIPTION_CHARS_MAX = 127
ATTACH_CHARS_MAX = 128
URL_CHARS_MAX = 255
TOTAL_FEN_MAX = 10**12  # ten thousand million yuan: far above any payment, far below a bigint
CURRENCY = "CNY"  # the only one that domestic orders know
_BEIJING = timezone(timedelta(hours=8))

_OUT_TRADE_NO = re.compile(r"[0-9A-Za-z_\-|*]{6,32}", re.ASCII)
_ORDER_FIELDS = frozenset(
    {"appid", "mchid", "description", "out_trade_no", "notify_url", "amount", "time_expire", "attach"}
)


class TradeState(Enum):
    """What the provider says of a trade; UNLISTED is every word that its documentation does not have."""

    SUCCESS = "SUCCESS"
    REFUND = "REFUND"  # was paid; some or all of it has gone back
    NOTPAY = "NOTPAY"
    CLOSED = "CLOSED"
    REVOKED = "REVOKED"
    USERPAYING = "USERPAYING"
    PAYERROR = "PAYERROR"
    UNLISTED = ""


_STATES = {state.value: state for state in TradeState}


@dataclass(frozen=True, slots=True, kw_only=True)
class NativeOrder:
    """An order that is paid by scanning a QR."""

    appid: str
    mchid: str
    description: str
    out_trade_no: str
    notify_url: str
    total_fen: int
    currency: str = CURRENCY
    time_expire: datetime | None = None
    attach: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Transaction:
    """What the provider says of one order; the three optional fields are there once it was paid."""

    appid: str
    mchid: str
    out_trade_no: str
    state: TradeState
    total_fen: int
    currency: str
    payer_total_fen: int | None = None  # less than total where the provider gives a discount
    transaction_id: str | None = None
    success_at: datetime | None = None
    payer: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """A notice around its sealed resource."""

    notice_id: str
    event_type: str
    created_at: datetime
    resource: Resource


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderRefusal:
    """Why the provider did not do what it was asked; `code` is its own word."""

    code: str
    message: str


def build_order(order: NativeOrder) -> bytes:
    """Write an order; the same order gives the same bytes, which is what makes placing it again harmless."""
    body: dict[str, object] = {
        "appid": order.appid,
        "mchid": order.mchid,
        "description": order.description,
        "out_trade_no": order.out_trade_no,
        "notify_url": order.notify_url,
        "amount": {"total": order.total_fen, "currency": order.currency},
    }
    # What is absent is left out: a null is refused (270924358).
    if order.time_expire is not None:
        body["time_expire"] = write_instant(order.time_expire)
    if order.attach:
        body["attach"] = order.attach
    return fields.write_object(body)


def parse_order(body: bytes) -> NativeOrder:
    """Read an order as the provider does: fields it does not know, and null, are refused."""
    order = fields.read_object(body)
    if unknown := sorted(set(order) - _ORDER_FIELDS):
        raise BodyMalformed(ascii(unknown[0])[:32], "is no field of an order")
    amount = fields.child(order, "amount")
    if unknown := sorted(set(amount) - {"total", "currency"}):
        raise BodyMalformed(ascii(unknown[0])[:32], "is no field of an amount")
    out_trade_no = fields.text(order, "out_trade_no", chars_max=32)
    if not _OUT_TRADE_NO.fullmatch(out_trade_no):
        raise BodyMalformed("out_trade_no", "must be 6 to 32 of [0-9A-Za-z_-|*]")
    return NativeOrder(
        appid=fields.text(order, "appid", chars_max=32),
        mchid=fields.text(order, "mchid", chars_max=32),
        description=fields.text(order, "description", chars_max=DESCRIPTION_CHARS_MAX),
        out_trade_no=out_trade_no,
        notify_url=fields.text(order, "notify_url", chars_max=URL_CHARS_MAX),
        total_fen=fields.whole(amount, "total", least=1, most=TOTAL_FEN_MAX),
        currency=fields.text(amount, "currency", chars_max=3) if "currency" in amount else CURRENCY,
        time_expire=fields.instant(order, "time_expire") if "time_expire" in order else None,
        attach=fields.text_or_empty(order, "attach", chars_max=ATTACH_CHARS_MAX),
    )


def build_code_url(code_url: str) -> bytes:
    """Write the answer to an order."""
    return fields.write_object({"code_url": code_url})


def parse_code_url(body: bytes) -> str:
    """Read the answer to an order: the text of the QR."""
    return fields.text(fields.read_object(body), "code_url", chars_max=512)


def build_close(mchid: str) -> bytes:
    """Write the request that closes an order."""
    return fields.write_object({"mchid": mchid})


def parse_close(body: bytes) -> str:
    """Read the request that closes an order: the merchant number."""
    return fields.text(fields.read_object(body), "mchid", chars_max=32)


def build_transaction(transaction: Transaction) -> bytes:
    """Write a transaction, as in the answer to a query and inside a payment notice."""
    amount: dict[str, object] = {"total": transaction.total_fen, "currency": transaction.currency}
    body: dict[str, object] = {
        "appid": transaction.appid,
        "mchid": transaction.mchid,
        "out_trade_no": transaction.out_trade_no,
        "trade_state": transaction.state.value,
        "amount": amount,
    }
    if transaction.transaction_id is not None and transaction.success_at is not None:
        amount["payer_total"] = transaction.payer_total_fen
        amount["payer_currency"] = transaction.currency
        body |= {
            "transaction_id": transaction.transaction_id,
            "trade_type": "NATIVE",
            "bank_type": "OTHERS",
            "success_time": write_instant(transaction.success_at),
            "payer": {"openid": transaction.payer},
        }
    return fields.write_object(body)


def parse_transaction(body: bytes) -> Transaction:
    """Read a transaction; in the states SUCCESS and REFUND, what tells of the money must be there."""
    trade = fields.read_object(body)
    word = fields.text(trade, "trade_state", chars_max=32)
    state = _STATES.get(word, TradeState.UNLISTED)
    paid = state in (TradeState.SUCCESS, TradeState.REFUND)
    amount: JsonObject = fields.child(trade, "amount") if paid or "amount" in trade else {}
    payer: JsonObject = fields.child(trade, "payer") if "payer" in trade else {}
    return Transaction(
        appid=fields.text(trade, "appid", chars_max=32),
        mchid=fields.text(trade, "mchid", chars_max=32),
        out_trade_no=fields.text(trade, "out_trade_no", chars_max=32),
        state=state,
        total_fen=fields.whole(amount, "total", least=1, most=TOTAL_FEN_MAX) if paid else 0,
        currency=fields.text(amount, "currency", chars_max=3) if paid else CURRENCY,
        payer_total_fen=(
            fields.whole(amount, "payer_total", least=0, most=TOTAL_FEN_MAX)
            if paid and "payer_total" in amount
            else None
        ),
        transaction_id=fields.text(trade, "transaction_id", chars_max=32) if paid else None,
        success_at=fields.instant(trade, "success_time") if paid else None,
        payer=fields.text_or_empty(payer, "openid", chars_max=128),
    )


def build_envelope(envelope: Envelope) -> bytes:
    """Write a notice."""
    return fields.write_object(
        {
            "id": envelope.notice_id,
            "create_time": write_instant(envelope.created_at),
            "resource_type": "encrypt-resource",
            "event_type": envelope.event_type,
            "summary": envelope.event_type,
            "resource": resource_fields(envelope.resource),
        }
    )


def parse_envelope(body: bytes) -> Envelope:
    """Read a notice; its resource stays sealed."""
    notice = fields.read_object(body)
    if fields.text(notice, "resource_type", chars_max=32) != "encrypt-resource":
        raise BodyMalformed("resource_type", "must be encrypt-resource")
    return Envelope(
        notice_id=fields.text(notice, "id", chars_max=64),
        event_type=fields.text(notice, "event_type", chars_max=64),
        created_at=fields.instant(notice, "create_time"),
        resource=parse_resource(fields.child(notice, "resource")),
    )


def build_refusal(refusal: ProviderRefusal) -> bytes:
    """Write a refusal, as the provider and the merchant both do."""
    return fields.write_object({"code": refusal.code, "message": refusal.message})


def parse_refusal(body: bytes) -> ProviderRefusal:
    """Read a refusal; one that cannot be read has the code "", for it is unsigned and comes from anywhere."""
    try:
        refusal = fields.read_object(body)
        return ProviderRefusal(
            code=fields.text(refusal, "code", chars_max=64),
            message=fields.text_or_empty(refusal, "message", chars_max=512),
        )
    except BodyMalformed:
        return ProviderRefusal(code="", message="")


def write_instant(at: datetime) -> str:
    """Write an instant in Beijing time, to the second."""
    return at.astimezone(_BEIJING).isoformat(timespec="seconds")
