"""Orders of WeChat Pay v3: five ways to start one, each at an address of its own, and how one is ended.

What is absent is left out of a body: a null is refused (270924358).
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from types import MappingProxyType

from compuerta.wire.wechat import fields
from compuerta.wire.wechat.bodies import CURRENCY, TOTAL_FEN_MAX, write_instant
from compuerta.wire.wechat.fields import BodyMalformed, JsonObject

DESCRIPTION_CHARS_MAX = 127
ATTACH_CHARS_MAX = 128
URL_CHARS_MAX = 255
STORE_CHARS_MAX = 32

_OUT_TRADE_NO = re.compile(r"[0-9A-Za-z_\-|*]{6,32}", re.ASCII)
# What a payer's telephone shows at a till: 18 digits, of which the first two are 10 to 15.
_PAY_CODE = re.compile(r"1[0-5][0-9]{16}", re.ASCII)


class OrderKind(Enum):
    """How an order is paid; the value is the last step of its address."""

    NATIVE = "native"  # a QR that we show
    JSAPI = "jsapi"  # inside WeChat: an account's page, or a mini program
    APP = "app"  # our app hands over to WeChat
    H5 = "h5"  # a telephone's browser outside WeChat
    CODE = "codepay"  # the till reads what the payer's telephone shows


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """An order as it is placed."""

    kind: OrderKind = OrderKind.NATIVE
    appid: str
    mchid: str
    description: str
    out_trade_no: str
    notify_url: str = ""  # a till's order has none: it is never told of
    total_fen: int
    currency: str = CURRENCY
    time_expire: datetime | None = None
    attach: str = ""
    openid: str = ""  # JSAPI: who pays
    client_ip: str = ""  # H5: where the payer's browser is
    site: str = ""  # H5: the address of the page that it comes from
    auth_code: str = ""  # CODE: what the payer's telephone shows
    store: str = ""  # CODE: our own name of the place


_COMMON = frozenset(
    {"appid", "mchid", "description", "out_trade_no", "notify_url", "amount", "time_expire", "attach"}
)
_FIELDS: Mapping[OrderKind, frozenset[str]] = MappingProxyType(
    {
        OrderKind.NATIVE: _COMMON,
        OrderKind.JSAPI: _COMMON | {"payer"},
        OrderKind.APP: _COMMON,
        OrderKind.H5: _COMMON | {"scene_info"},
        OrderKind.CODE: _COMMON - {"time_expire"} | {"payer", "scene_info"},
    }
)


def is_pay_code(text: str) -> bool:
    """Return whether a text is what a payer's telephone shows at a till."""
    return _PAY_CODE.fullmatch(text) is not None


def build_order(order: Order) -> bytes:
    """Write an order; the same order gives the same bytes, which is what makes placing it again harmless."""
    body: dict[str, object] = {
        "appid": order.appid,
        "mchid": order.mchid,
        "description": order.description,
        "out_trade_no": order.out_trade_no,
        "amount": {"total": order.total_fen, "currency": order.currency},
    }
    if order.notify_url:
        body["notify_url"] = order.notify_url
    if order.time_expire is not None:
        body["time_expire"] = write_instant(order.time_expire)
    if order.attach:
        body["attach"] = order.attach
    match order.kind:
        case OrderKind.JSAPI:
            body["payer"] = {"openid": order.openid}
        case OrderKind.H5:
            page = {"type": "Wap"} | ({"app_url": order.site} if order.site else {})
            body["scene_info"] = {"payer_client_ip": order.client_ip, "h5_info": page}
        case OrderKind.CODE:
            body["payer"] = {"auth_code": order.auth_code}
            body["scene_info"] = {"store_info": {"out_id": order.store}}
    return fields.write_object(body)


def parse_order(body: bytes, kind: OrderKind = OrderKind.NATIVE) -> Order:
    """Read an order as the provider does: fields it does not know, and null, are refused."""
    order = fields.read_object(body)
    _only(order, _FIELDS[kind], "an order")
    amount = fields.child(order, "amount")
    _only(amount, {"total", "currency"}, "an amount")
    out_trade_no = fields.text(order, "out_trade_no", chars_max=32)
    if not _OUT_TRADE_NO.fullmatch(out_trade_no):
        raise BodyMalformed("out_trade_no", "must be 6 to 32 of [0-9A-Za-z_-|*]")
    notify_url = fields.text_or_empty(order, "notify_url", chars_max=URL_CHARS_MAX)
    if not notify_url and kind is not OrderKind.CODE:
        raise BodyMalformed("notify_url", "is missing")
    return Order(
        kind=kind,
        appid=fields.text(order, "appid", chars_max=32),
        mchid=fields.text(order, "mchid", chars_max=32),
        description=fields.text(order, "description", chars_max=DESCRIPTION_CHARS_MAX),
        out_trade_no=out_trade_no,
        notify_url=notify_url,
        total_fen=fields.whole(amount, "total", least=1, most=TOTAL_FEN_MAX),
        currency=fields.text(amount, "currency", chars_max=3) if "currency" in amount else CURRENCY,
        time_expire=fields.instant(order, "time_expire") if "time_expire" in order else None,
        attach=fields.text_or_empty(order, "attach", chars_max=ATTACH_CHARS_MAX),
        **_scene(order, kind),
    )


def build_started(kind: OrderKind, text: str) -> bytes:
    """Write the answer to an order: the one text that its payer's side starts with."""
    return fields.write_object({_ANSWERS[kind]: text})


def parse_started(kind: OrderKind, body: bytes) -> str:
    """Read the answer to an order: a QR's text, a prepay id, or an address."""
    return fields.text(fields.read_object(body), _ANSWERS[kind], chars_max=512)


_ANSWERS: Mapping[OrderKind, str] = MappingProxyType(
    {
        OrderKind.NATIVE: "code_url",
        OrderKind.JSAPI: "prepay_id",
        OrderKind.APP: "prepay_id",
        OrderKind.H5: "h5_url",
    }
)


def build_close(mchid: str) -> bytes:
    """Write the request that closes an order."""
    return fields.write_object({"mchid": mchid})


def build_reverse(*, mchid: str, appid: str) -> bytes:
    """Write the request that undoes a till's order, paid or not."""
    return fields.write_object({"appid": appid, "mchid": mchid})


def parse_close(body: bytes) -> str:
    """Read the request that closes or undoes an order: the merchant number."""
    return fields.text(fields.read_object(body), "mchid", chars_max=32)


def _only(part: JsonObject, known: frozenset[str] | set[str], what: str) -> None:
    if unknown := sorted(set(part) - known):
        raise BodyMalformed(ascii(unknown[0])[:32], f"is no field of {what}")


def _scene(order: JsonObject, kind: OrderKind) -> dict[str, str]:
    match kind:
        case OrderKind.JSAPI:
            return {"openid": fields.text(fields.child(order, "payer"), "openid", chars_max=128)}
        case OrderKind.H5:
            scene = fields.child(order, "scene_info")
            page = fields.child(scene, "h5_info")
            fields.text(page, "type", chars_max=32)
            return {
                "client_ip": fields.text(scene, "payer_client_ip", chars_max=45),
                "site": fields.text_or_empty(page, "app_url", chars_max=URL_CHARS_MAX),
            }
        case OrderKind.CODE:
            auth_code = fields.text(fields.child(order, "payer"), "auth_code", chars_max=32)
            if not is_pay_code(auth_code):
                raise BodyMalformed("auth_code", "must be 18 digits that begin with 10 to 15")
            place = fields.child(fields.child(order, "scene_info"), "store_info")
            return {
                "auth_code": auth_code,
                "store": fields.text_or_empty(place, "out_id", chars_max=STORE_CHARS_MAX),
            }
    return {}
