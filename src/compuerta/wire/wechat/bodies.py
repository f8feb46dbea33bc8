"""Bodies of WeChat Pay v3: transactions, notices, refusals; read and written both ways.

Amounts are fen and instants are UTC inside; Beijing time appears only in what is written.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from enum import Enum

from compuerta.wire.wechat import fields
from compuerta.wire.wechat.fields import BodyMalformed, JsonObject
from compuerta.wire.wechat.resource import Resource, parse_resource, resource_fields

TOTAL_FEN_MAX = 10**12  # ten thousand million yuan: far above any payment, far below a bigint
CURRENCY = "CNY"  # the only one that domestic orders know
_BEIJING = timezone(timedelta(hours=8))


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
    trade_type: str = "NATIVE"


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
            "trade_type": transaction.trade_type,
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
        trade_type=fields.text_or_empty(trade, "trade_type", chars_max=16),
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
