"""A Stripe account as providers.json names it.

    {"name": "cards", "kind": "stripe", "key": "stripe.key", "secrets": ["endpoint.secret"],
     "currencies": ["EUR"], "base_url": "https://api.stripe.com", "notify_url": "https://.../notices/cards",
     "return_url": "https://.../paid/{reference}", "live": true, "account": "acct_..."}

`key` and `secrets` name files; `live` and `account` may be absent.
"""

from compuerta.adapters.payments.stripe import StripePay, StripeSettings
from compuerta.apps.entries import Entry
from compuerta.apps.provider_fields import is_live


def stripe_of(entry: Entry) -> StripePay:
    """Return the account that an entry describes; refuses keys that cannot be used."""
    return StripePay(
        StripeSettings(
            name=entry.name,
            key=entry.file("key", entry.text("key")).decode("ascii", "replace").strip(),
            secrets=tuple(entry.file("secrets", name).strip() for name in entry.texts("secrets")),
            return_url=entry.url("return_url"),
            notify_url=entry.url("notify_url"),
            currencies=frozenset(entry.texts("currencies")),
            live=is_live(entry),
            account=entry.text("account") if "account" in entry.fields else "",
        )
    )
