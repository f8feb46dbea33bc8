"""An M-Pesa short code as providers.json names it.

    {"name": "paybill", "kind": "mpesa", "shortcode": "600638", "passkey": "passkey.key",
     "consumer_key": "consumer.key", "consumer_secret": "consumer.secret", "secret": "address.secret",
     "nominated_phone": "254722000000", "base_url": "https://api.safaricom.co.ke",
     "notify_url": "https://.../notices/paybill", "live": true, "addresses": ["safaricom"]}

`passkey`, `consumer_key`, `consumer_secret` and `secret` name files. `addresses` may be absent, and has to be
where a proxy stands before the door. The name must not hold `mpesa`: Daraja takes no address with it.
"""

from compuerta.adapters.payments.mpesa import SAFARICOM, MpesaPay, MpesaSettings
from compuerta.apps.entries import Entry
from compuerta.apps.provider_fields import is_live


def mpesa_of(entry: Entry) -> MpesaPay:
    """Return the short code that an entry describes; refuses addresses and secrets that cannot be used."""
    addresses = entry.texts("addresses") if "addresses" in entry.fields else ()
    return MpesaPay(
        MpesaSettings(
            name=entry.name,
            shortcode=entry.text("shortcode"),
            passkey=_key(entry, "passkey"),
            consumer_key=_key(entry, "consumer_key"),
            consumer_secret=_key(entry, "consumer_secret"),
            secret=_key(entry, "secret"),
            notify_url=entry.url("notify_url"),
            nominated_phone=entry.text("nominated_phone"),
            live=is_live(entry),
            addresses=SAFARICOM if tuple(addresses) == ("safaricom",) else tuple(addresses),
        )
    )


def _key(entry: Entry, field: str) -> str:
    return entry.file(field, entry.text(field)).decode("utf-8", "replace").strip()
