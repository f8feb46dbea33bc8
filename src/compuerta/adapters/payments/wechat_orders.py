"""Orders of WeChat Pay: what each way to pay asks of an attempt, and what its payer is given.

An order is made of the attempt alone, so that placing it again is the same order to the provider.
"""

import ipaddress
import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from types import MappingProxyType

from compuerta.adapters.payments.wechat_account import NONCE_BYTES, WechatAccount
from compuerta.domain.errors import Refused
from compuerta.domain.payment import Attempt, Flow
from compuerta.services.payment_ports import Chance, NotOffered, Presentation, PresentationKind
from compuerta.wire.wechat import bodies, orders
from compuerta.wire.wechat.orders import Order, OrderKind

CODE_LIFE = timedelta(minutes=1)
# How long an order of each flow can be paid: the life of what its payer is given.
LIVES: Mapping[Flow, timedelta] = MappingProxyType(
    {
        Flow.QR: timedelta(hours=2),
        Flow.WALLET: timedelta(hours=2),
        Flow.APP: timedelta(hours=2),
        Flow.WEB: timedelta(minutes=5),
        Flow.CODE: CODE_LIFE,
    }
)
KINDS: Mapping[Flow, OrderKind] = MappingProxyType(
    {
        Flow.QR: OrderKind.NATIVE,
        Flow.WALLET: OrderKind.JSAPI,
        Flow.APP: OrderKind.APP,
        Flow.WEB: OrderKind.H5,
        Flow.CODE: OrderKind.CODE,
    }
)


class CurrencyNotTaken(Refused):
    """An attempt in a currency that this provider account does not take."""

    def __init__(self, currency: str) -> None:
        super().__init__(f"WeChat Pay takes {bodies.CURRENCY}, not {currency}")
        self.currency = currency


class PayerUnusable(Refused):
    """What is known of the payer does not suffice for this way to pay; their code is not repeated."""

    def __init__(self, flow: Flow, reason: str) -> None:
        super().__init__(f"{flow.value}: {reason}")
        self.flow = flow
        self.reason = reason


def order_of(attempt: Attempt, *, account: WechatAccount, now: datetime) -> Order:
    """Return the order of an attempt; refuses, before anything is sent, what the provider would."""
    settings, flow = account.settings, attempt.flow
    if flow not in settings.flows or flow not in KINDS:
        raise NotOffered(settings.name, f"payment by {flow.value}")
    if attempt.currency != bodies.CURRENCY:
        raise CurrencyNotTaken(attempt.currency)
    by_code = flow is Flow.CODE
    _check_payer(attempt, live=settings.live, now=now)
    return Order(
        kind=KINDS[flow],
        appid=account.appid_for(flow),
        mchid=settings.mchid,
        description=attempt.description[: orders.DESCRIPTION_CHARS_MAX],
        out_trade_no=attempt.reference,
        notify_url="" if by_code else settings.notify_url,
        total_fen=attempt.amount_minor,
        time_expire=None if by_code else min(attempt.expires_at, attempt.created_at + LIVES[flow]),
        openid=attempt.payer if flow is Flow.WALLET else "",
        client_ip=attempt.payer if flow is Flow.WEB else "",
        site=settings.site if flow is Flow.WEB else "",
        auth_code=attempt.payer if by_code else "",
        store=settings.name[: orders.STORE_CHARS_MAX] if by_code else "",
    )


def presentation_of(
    order: Order, body: bytes, *, account: WechatAccount, now: datetime, chance: Chance
) -> Presentation:
    """Return what the payer is given when an order is placed; the body is believed already."""
    started = orders.parse_started(order.kind, body)
    match order.kind:
        case OrderKind.JSAPI:
            content = _page_call(order, started, account=account, now=now, nonce=chance(NONCE_BYTES).hex())
            return Presentation(kind=PresentationKind.WALLET, content=content)
        case OrderKind.APP:
            content = _app_call(order, started, account=account, now=now, nonce=chance(NONCE_BYTES).hex())
            return Presentation(kind=PresentationKind.APP, content=content)
        case OrderKind.H5:
            return Presentation(kind=PresentationKind.REDIRECT, content=started)
    return Presentation(kind=PresentationKind.QR, content=started)


def _check_payer(attempt: Attempt, *, live: bool, now: datetime) -> None:
    flow, payer = attempt.flow, attempt.payer
    if flow is Flow.WALLET and not payer:
        raise PayerUnusable(flow, "the payer's open id is needed; open the page inside WeChat")
    # Who tries it out has the browser on the same machine, or in the same house.
    if flow is Flow.WEB and live and not _is_public(payer):
        raise PayerUnusable(flow, "the public address of the payer's browser is needed")
    if flow is Flow.CODE and not orders.is_pay_code(payer):
        raise PayerUnusable(flow, "a payment code has 18 digits and begins with 10 to 15; read it again")
    if flow is Flow.CODE and now >= attempt.created_at + CODE_LIFE:
        raise PayerUnusable(flow, "a payment code lives one minute; read a fresh one")


def _is_public(text: str) -> bool:
    try:
        # A proxy in front of us that hides the payer's address would put everybody at its own.
        return ipaddress.ip_address(text).is_global
    except ValueError:
        return False


def _page_call(order: Order, prepay_id: str, *, account: WechatAccount, now: datetime, nonce: str) -> str:
    at, package = str(int(now.timestamp())), f"prepay_id={prepay_id}"
    call = {
        "appId": order.appid,
        "timeStamp": at,
        "nonceStr": nonce,
        "package": package,
        "signType": "RSA",
        "paySign": account.hand_over(order.appid, at, nonce, package),
    }
    return json.dumps(call)


def _app_call(order: Order, prepay_id: str, *, account: WechatAccount, now: datetime, nonce: str) -> str:
    at = str(int(now.timestamp()))
    call = {
        "appid": order.appid,
        "partnerid": order.mchid,
        "prepayid": prepay_id,
        "package": "Sign=WXPay",
        "noncestr": nonce,
        "timestamp": at,
        # The bare id, where a page signs `prepay_id=...`: the commonest mistake on this road.
        "sign": account.hand_over(order.appid, at, nonce, prepay_id),
    }
    return json.dumps(call)
