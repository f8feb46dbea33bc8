"""Builders for both sides of a WeChat Pay: a merchant's provider, and the simulated world it talks to."""

from datetime import UTC, datetime, timedelta
from functools import cache
from random import Random
from uuid import UUID

from compuerta.adapters.payments.wechat import WechatPay
from compuerta.adapters.payments.wechat_account import WechatSettings
from compuerta.domain.payment import Attempt, Flow, Refund
from compuerta.services.payment_ports import Chance, RefundWish
from compuerta.virtual.wechat.keys import KeySet, cheap_keys, make_keys
from compuerta.virtual.wechat.orders import Terms
from compuerta.virtual.wechat.world import WechatWorld

NOON = datetime(2026, 11, 22, 4, 0, 0, tzinfo=UTC)
MCHID = "1900000001"
APPID = "wx0000000000000001"
NOTIFY_URL = "https://pay.example.org/notices/wechat"


@cache
def real_keys() -> KeySet:
    """RSA keys of both sides, made once per process."""
    return make_keys(now=NOON)


def a_chance(seed: int = 7) -> Chance:
    return Random(seed).randbytes


def a_world(*, seed: int = 1, keys: KeySet | None = None) -> WechatWorld:
    terms = Terms(mchid=MCHID, appid=APPID)
    return WechatWorld(keys=(keys or real_keys()).provider(), terms=terms, random=Random(seed))


def some_settings(*, keys: KeySet | None = None, notify_url: str = NOTIFY_URL) -> WechatSettings:
    keys = keys or real_keys()
    return WechatSettings(
        mchid=MCHID,
        appid=APPID,
        merchant_key_pem=keys.merchant_key_pem,
        merchant_serial=keys.merchant_serial,
        api_key=keys.api_key,
        platform_pems=keys.platform_pems,
        base_url="https://pay.example.org",
        notify_url=notify_url,
        flows=frozenset({Flow.QR, Flow.WALLET, Flow.APP, Flow.WEB, Flow.CODE}),
        site="https://pay.example.org",
    )


def a_provider() -> WechatPay:
    return WechatPay(some_settings())


TILL_AND_QR = frozenset({Flow.QR, Flow.CODE})


def a_cheap_pair(*, seed: int = 1, flows: frozenset[Flow] = TILL_AND_QR) -> tuple[WechatWorld, WechatPay]:
    """A world and a provider that sign by HMAC, for many runs in virtual time."""
    keys, ring = cheap_keys()
    world = WechatWorld(keys=keys, terms=Terms(mchid=MCHID, appid=APPID), random=Random(seed))
    settings = WechatSettings(
        mchid=MCHID,
        appid=APPID,
        merchant_key_pem=b"",
        merchant_serial=keys.merchant_serial,
        api_key=keys.api_key,
        platform_pems={},
        base_url="https://pay.example.org",
        notify_url=NOTIFY_URL,
        flows=flows,
    )
    return world, WechatPay(settings, keys=ring)


def an_attempt(
    *,
    reference: str = "R20261122000001",
    amount_minor: int = 5000,
    currency: str = "CNY",
    provider: str = "wechat",
    now: datetime = NOON,
    flow: Flow = Flow.QR,
    payer: str = "",
) -> Attempt:
    return Attempt(
        attempt_id=UUID(int=1),
        account_id=302,
        provider=provider,
        reference=reference,
        amount_minor=amount_minor,
        currency=currency,
        description="电费充值, flat 302",
        created_at=now,
        expires_at=now + timedelta(minutes=30),
        flow=flow,
        payer=payer,
    )


def a_wish(
    *,
    transaction_no: str,
    amount_minor: int = 1000,
    number: int = 1,
    total_minor: int = 5000,
    provider: str = "wechat",
) -> RefundWish:
    """A refund of a payment by `an_attempt`."""
    refund = Refund(
        account_id=302,
        refund_id=UUID(int=number),
        correction_id=UUID(int=2),
        payment_id=UUID(int=3),
        provider=provider,
        reference=f"RF{number:012d}",
        amount_minor=amount_minor,
        currency="CNY",
        created_at=NOON,
    )
    return RefundWish(
        refund=refund,
        transaction_no=transaction_no,
        order_reference="R20261122000001",
        total_minor=total_minor,
        paid_at=NOON,
        reason="moved out",
    )
