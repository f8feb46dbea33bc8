"""Refunds of WeChat Pay v3: the request, the answer, and the notice, which has other names for the same."""

import re
from dataclasses import dataclass
from datetime import datetime
from enum import Enum

from compuerta.wire.wechat import fields
from compuerta.wire.wechat.bodies import CURRENCY, TOTAL_FEN_MAX, write_instant
from compuerta.wire.wechat.fields import BodyMalformed

REASON_CHARS_MAX = 80
URL_CHARS_MAX = 255
_OUT_REFUND_NO = re.compile(r"[0-9A-Za-z_\-|*@]{1,64}", re.ASCII)


class RefundStatus(Enum):
    """What the provider says of a refund; UNLISTED is every word that its documentation does not have."""

    PROCESSING = "PROCESSING"
    SUCCESS = "SUCCESS"
    CLOSED = "CLOSED"
    ABNORMAL = "ABNORMAL"  # the payer's bank card does not take it
    UNLISTED = ""


_STATUSES = {status.value: status for status in RefundStatus}


@dataclass(frozen=True, slots=True, kw_only=True)
class RefundOrder:
    """A refund as it is asked for; the payment is named by one of its two numbers."""

    out_refund_no: str
    refund_fen: int
    total_fen: int
    transaction_id: str = ""
    out_trade_no: str = ""
    currency: str = CURRENCY
    reason: str = ""
    notify_url: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RefundTold:
    """What the provider says of one refund."""

    refund_id: str
    out_refund_no: str
    transaction_id: str
    out_trade_no: str
    status: RefundStatus
    refund_fen: int
    total_fen: int
    ended_at: datetime | None = None


def build_refund_order(refund: RefundOrder) -> bytes:
    """Write a refund; the same refund gives the same bytes, so that asking again is harmless."""
    body: dict[str, object] = {
        "out_refund_no": refund.out_refund_no,
        "amount": {
            "refund": refund.refund_fen,
            "total": refund.total_fen,
            "currency": refund.currency,
        },
    }
    optional = {
        "transaction_id": refund.transaction_id,
        "out_trade_no": refund.out_trade_no,
        "reason": refund.reason,
        "notify_url": refund.notify_url,
    }
    return fields.write_object(body | {name: text for name, text in optional.items() if text})


def parse_refund_order(body: bytes) -> RefundOrder:
    """Read a refund as the provider does."""
    wish = fields.read_object(body)
    amount = fields.child(wish, "amount")
    out_refund_no = fields.text(wish, "out_refund_no", chars_max=64)
    if not _OUT_REFUND_NO.fullmatch(out_refund_no):
        raise BodyMalformed("out_refund_no", "must be 1 to 64 of [0-9A-Za-z_-|*@]")
    transaction_id = fields.text_or_empty(wish, "transaction_id", chars_max=32)
    out_trade_no = fields.text_or_empty(wish, "out_trade_no", chars_max=32)
    if not transaction_id and not out_trade_no:
        raise BodyMalformed("transaction_id", "is missing, and so is out_trade_no")
    return RefundOrder(
        out_refund_no=out_refund_no,
        transaction_id=transaction_id,
        out_trade_no=out_trade_no,
        refund_fen=fields.whole(amount, "refund", least=1, most=TOTAL_FEN_MAX),
        total_fen=fields.whole(amount, "total", least=1, most=TOTAL_FEN_MAX),
        currency=fields.text(amount, "currency", chars_max=3),
        reason=fields.text_or_empty(wish, "reason", chars_max=REASON_CHARS_MAX),
        notify_url=fields.text_or_empty(wish, "notify_url", chars_max=URL_CHARS_MAX),
    )


def build_refund(refund: RefundTold) -> bytes:
    """Write the answer to a refund, or to a question about one."""
    return fields.write_object(
        _told(refund) | {"status": refund.status.value, "amount": _amounts(refund) | {"currency": CURRENCY}}
    )


def build_refund_notice(refund: RefundTold, *, mchid: str) -> bytes:
    """Write what a refund's notice seals: without a currency, and with another name of the status."""
    return fields.write_object(
        _told(refund) | {"mchid": mchid, "refund_status": refund.status.value, "amount": _amounts(refund)}
    )


def parse_refund(body: bytes) -> RefundTold:
    """Read the answer to a refund, or to a question about one."""
    return _read(body, "status")


def parse_refund_notice(body: bytes) -> tuple[str, RefundTold]:
    """Read what a refund's notice seals: the merchant number, and the refund."""
    return fields.text(fields.read_object(body), "mchid", chars_max=32), _read(body, "refund_status")


def _read(body: bytes, status: str) -> RefundTold:
    told = fields.read_object(body)
    amount = fields.child(told, "amount")
    if fields.text_or_empty(amount, "currency", chars_max=3) not in ("", CURRENCY):
        raise BodyMalformed("currency", f"must be {CURRENCY}")
    return RefundTold(
        refund_id=fields.text(told, "refund_id", chars_max=32),
        out_refund_no=fields.text(told, "out_refund_no", chars_max=64),
        transaction_id=fields.text(told, "transaction_id", chars_max=32),
        out_trade_no=fields.text(told, "out_trade_no", chars_max=32),
        status=_STATUSES.get(fields.text(told, status, chars_max=32), RefundStatus.UNLISTED),
        refund_fen=fields.whole(amount, "refund", least=1, most=TOTAL_FEN_MAX),
        total_fen=fields.whole(amount, "total", least=1, most=TOTAL_FEN_MAX),
        ended_at=fields.instant(told, "success_time") if "success_time" in told else None,
    )


def _told(refund: RefundTold) -> dict[str, object]:
    told: dict[str, object] = {
        "refund_id": refund.refund_id,
        "out_refund_no": refund.out_refund_no,
        "transaction_id": refund.transaction_id,
        "out_trade_no": refund.out_trade_no,
        "user_received_account": "支付用户零钱",
    }
    if refund.ended_at is not None:
        told["success_time"] = write_instant(refund.ended_at)
    return told


def _amounts(refund: RefundTold) -> dict[str, object]:
    return {
        "total": refund.total_fen,
        "refund": refund.refund_fen,
        "payer_total": refund.total_fen,
        "payer_refund": refund.refund_fen,
    }
