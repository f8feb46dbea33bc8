"""An Alipay account as providers.json names it.

    {"name": "alipay", "kind": "alipay", "app_id": "2021...", "seller_id": "2088...", "app_key": "app.pem",
     "alipay_keys": ["alipay.pem"], "base_url": "https://openapi.alipay.com",
     "notify_url": "https://.../notices/alipay", "return_url": "https://.../"}

In certificate mode `alipay_keys` are Alipay's certificates, and two fields are added: `"app_certificate"` and
`"root_certificates"`. A test account has `"live": false` and Alipay's sandbox as its address.
"""

from typing import Final

from compuerta.adapters.payments.alipay import FLOWS, Alipay, AlipaySettings
from compuerta.apps.entries import Entry
from compuerta.apps.provider_fields import flows_of, is_live

GATEWAY: Final = "https://openapi.alipay.com"
SANDBOX: Final = "https://openapi-sandbox.dl.alipaydev.com"


def alipay_of(entry: Entry) -> Alipay:
    """Return the account of an entry; refuses one that mixes test money and real money."""
    live, base_url = is_live(entry), entry.url("base_url").rstrip("/")
    if base_url == (SANDBOX if live else GATEWAY):
        raise entry.malformed("base_url", f"is not for an account that is {'' if live else 'not '}live")
    in_certificate_mode = "app_certificate" in entry.fields
    return Alipay(
        AlipaySettings(
            name=entry.name,
            app_id=entry.text("app_id"),
            seller_id=entry.text("seller_id"),
            app_key=_file(entry, "app_key"),
            alipay_keys=tuple(entry.file("alipay_keys", name) for name in entry.texts("alipay_keys")),
            base_url=base_url,
            notify_url=entry.url("notify_url"),
            app_certificate=_file(entry, "app_certificate") if in_certificate_mode else b"",
            root_certificates=_file(entry, "root_certificates") if in_certificate_mode else b"",
            return_url=entry.url("return_url") if "return_url" in entry.fields else "",
            live=live,
            flows=flows_of(entry, offered=FLOWS),
        )
    )


def _file(entry: Entry, field: str) -> bytes:
    return entry.file(field, entry.text(field))
