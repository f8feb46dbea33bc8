"""A WeChat Pay account as providers.json names it.

    {"name": "wechat", "kind": "wechat", "mchid": "...", "appid": "wx...", "merchant_key": "api_key.pem",
     "merchant_serial": "...", "api_key": "api_v3.key", "platform_keys": {"PUB_KEY_ID_...": "wechat_pub.pem"},
     "base_url": "https://api.mch.weixin.qq.com", "notify_url": "https://.../notices/wechat",
     "flows": ["qr", "wallet", "web", "code"], "appids": {"app": "wx..."}, "h5_domain": "pay.example.org"}

`flows` are the products that the account has signed up for; without it there is the QR alone. `appids` are
those of an app or a mini program, where they differ. `h5_domain` is the pay page's, as it is registered for
browsers outside WeChat. In `platform_keys` a hexadecimal serial number names a platform certificate.
"""

import re

from compuerta.adapters.payments.wechat import WechatPay
from compuerta.adapters.payments.wechat_account import WechatSettings
from compuerta.adapters.payments.wechat_orders import KINDS
from compuerta.apps.entries import Entry
from compuerta.apps.provider_fields import flows_of, is_live
from compuerta.domain.payment import Flow

_DOMAIN = re.compile(r"[a-z0-9-]+(\.[a-z0-9-]+)+", re.ASCII)


def wechat_of(entry: Entry) -> WechatPay:
    """Return the account of an entry; refuses keys and flows that cannot be used."""
    flows = flows_of(entry, offered=frozenset(KINDS)) if "flows" in entry.fields else frozenset({Flow.QR})
    return WechatPay(
        WechatSettings(
            name=entry.name,
            mchid=entry.text("mchid"),
            appid=entry.text("appid"),
            merchant_key_pem=entry.file("merchant_key", entry.text("merchant_key")),
            merchant_serial=entry.text("merchant_serial"),
            api_key=entry.file("api_key", entry.text("api_key")).strip(),
            platform_pems={
                serial: entry.file("platform_keys", file)
                for serial, file in _texts(entry, "platform_keys", 'such as {"PUB_KEY_ID_...": "pub.pem"}')
            },
            base_url=entry.url("base_url"),
            notify_url=entry.url("notify_url"),
            flows=flows,
            appids=_appids(entry, flows),
            site=_site(entry, flows),
            live=is_live(entry),
        )
    )


def _appids(entry: Entry, flows: frozenset[Flow]) -> dict[Flow, str]:
    if "appids" not in entry.fields:
        return {}
    named = {flow.value: flow for flow in flows}
    found = dict(_texts(entry, "appids", 'such as {"app": "wx..."}'))
    if unknown := sorted(set(found) - set(named)):
        raise entry.malformed("appids", f"{unknown[0]!r} is not one of the account's flows")
    return {named[flow]: appid for flow, appid in found.items()}


def _site(entry: Entry, flows: frozenset[Flow]) -> str:
    if Flow.WEB not in flows:
        return ""
    domain = entry.text("h5_domain")
    if not _DOMAIN.fullmatch(domain):
        raise entry.malformed("h5_domain", "has to be a domain alone, such as pay.example.org")
    return f"https://{domain}"


def _texts(entry: Entry, field: str, example: str) -> list[tuple[str, str]]:
    found = entry.fields.get(field)
    if not isinstance(found, dict) or not found or not all(isinstance(text, str) for text in found.values()):
        raise entry.malformed(field, f"has to name at least one text, {example}")
    return list(found.items())
