"""Refunds by WeChat Pay: accepted is not refunded, and a refund that waits for money has not failed."""

from collections.abc import Generator, Mapping
from datetime import datetime
from types import MappingProxyType
from urllib.parse import quote

from compuerta.adapters.payments.wechat_account import (
    AnswerForged,
    AnswerUnusable,
    OrderRefused,
    WechatAccount,
)
from compuerta.domain.payment import RefundNotice, RefundState
from compuerta.services.payment_ports import Chance, HttpRequest, HttpResponse, RefundAnswer, RefundWish
from compuerta.wire.wechat import bodies, refunds
from compuerta.wire.wechat.fields import BodyMalformed
from compuerta.wire.wechat.refunds import RefundOrder, RefundStatus, RefundTold

REFUNDS_PATH = "/v3/refund/domestic/refunds"
# The merchant's balance is filled by tomorrow's payments, and a limit passes: neither says no.
_AGAIN = frozenset({"NOT_ENOUGH", "FREQUENCY_LIMITED", "SYSTEM_ERROR"})
# The payer's account is gone; the money has to reach them another way, which is a person's decision.
_UNREACHED = frozenset({"USER_ACCOUNT_ABNORMAL"})

_STATES: Mapping[RefundStatus, RefundState | None] = MappingProxyType(
    {
        RefundStatus.PROCESSING: RefundState.SENT,
        RefundStatus.SUCCESS: RefundState.DONE,
        RefundStatus.CLOSED: RefundState.CLOSED,
        RefundStatus.ABNORMAL: RefundState.ABNORMAL,
        RefundStatus.UNLISTED: None,
    }
)
Talk = Generator[HttpRequest, HttpResponse, RefundAnswer]


def refund(wish: RefundWish, *, account: WechatAccount, now: datetime, chance: Chance) -> Talk:
    """Ask for a refund; every retry carries the same number, so that it is one refund."""
    body = refunds.build_refund_order(
        RefundOrder(
            out_refund_no=wish.refund.reference,
            transaction_id=wish.transaction_no,
            refund_fen=wish.refund.amount_minor,
            total_fen=wish.total_minor,
            currency=wish.refund.currency,
            reason=wish.reason[: refunds.REASON_CHARS_MAX],
            notify_url=account.settings.notify_url,
        )
    )
    response = yield account.post(REFUNDS_PATH, body, now=now, chance=chance)
    try:
        answer = account.believed(response, now=now)
    except OrderRefused as refused:
        code = refused.refusal.code
        if code in _AGAIN:
            return RefundAnswer(state=None, reason=code)
        if code in _UNREACHED:
            return RefundAnswer(state=RefundState.ABNORMAL, reason=code)
        raise
    return _answer(answer.body, wish)


def query_refund(wish: RefundWish, *, account: WechatAccount, now: datetime, chance: Chance) -> Talk:
    """Ask what became of a refund; one that the provider does not know is not known, and not failed."""
    path = f"{REFUNDS_PATH}/{quote(wish.refund.reference, safe='')}"
    response = yield account.get(path, now=now, chance=chance)
    try:
        answer = account.believed(response, now=now)
    except OrderRefused as refused:
        if refused.status == 404:
            return RefundAnswer(state=None, reason=refused.refusal.code)
        raise
    return _answer(answer.body, wish)


def notice_of(told: RefundTold, *, provider: str, at: datetime) -> RefundNotice:
    """Return what a refund's notice tells; `at` is when it was written, for those that never ended well."""
    state = _STATES[told.status]
    if state is None:
        raise BodyMalformed("refund_status", "is no word that is known")
    return RefundNotice(
        provider=provider,
        transaction_no=told.transaction_id,
        reference=told.out_trade_no,
        refund_reference=told.out_refund_no,
        refunded_minor=told.refund_fen,
        is_total=False,
        currency=bodies.CURRENCY,
        state=state,
        at=told.ended_at or at,
    )


def _answer(body: bytes, wish: RefundWish) -> RefundAnswer:
    try:
        told = refunds.parse_refund(body)
    except BodyMalformed as malformed:
        raise AnswerUnusable(str(malformed)) from malformed
    asked = (wish.refund.reference, wish.transaction_no, wish.refund.amount_minor)
    if (told.out_refund_no, told.transaction_id, told.refund_fen) != asked:
        raise AnswerForged("it is about another refund")
    return RefundAnswer(state=_STATES[told.status], provider_no=told.refund_id, reason=told.status.value)
