"""Provider accounts as providers.json names them: which kind is built by what, and where it is reached.

Every kind is one row of `KINDS`. What all entries share: `"live": false` makes a test account, whose money
does not exist, and `"flows"` names those ways of paying that the account has signed up for.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from types import MappingProxyType

from compuerta.adapters.payments.biller import Biller
from compuerta.adapters.payments.till import CashTill
from compuerta.apps.alipay_entry import alipay_of
from compuerta.apps.entries import Entry, EntryMalformed
from compuerta.apps.mpesa_entry import mpesa_of
from compuerta.apps.provider_fields import is_live
from compuerta.apps.stripe_entry import stripe_of
from compuerta.apps.wechat_entry import wechat_of
from compuerta.domain.errors import Refused
from compuerta.domain.money import minor_digits
from compuerta.services.payment_ports import PaymentProvider


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """One kind of provider account."""

    build: Callable[[Entry], PaymentProvider]
    is_reached: bool = True  # False: it is asked nothing over the network, and has no base_url


def provider_of(entry: Entry) -> PaymentProvider:
    """Return the account that an entry describes; refuses what cannot be used, by entry and field."""
    build = _kind(entry).build
    try:
        return build(entry)
    except EntryMalformed:
        raise
    except Refused as refused:
        # The keys know what is wrong with them, but not which entry they are of.
        raise EntryMalformed(entry.path, f"{entry.label}: {refused}") from refused


def base_url_of(entry: Entry) -> str:
    """Return where an account is reached; "" = nowhere."""
    return entry.url("base_url") if _kind(entry).is_reached else ""


def _kind(entry: Entry) -> Kind:
    kind = KINDS.get(entry.kind)
    if kind is None:
        raise entry.malformed("kind", f"{entry.kind!r} is not one of {', '.join(KINDS)}")
    return kind


def _till(entry: Entry) -> CashTill:
    return CashTill(entry.name, _currencies(entry))


def _biller(entry: Entry) -> Biller:
    minutes = entry.number("reverse_within_min", least=0, most=1_440)
    reverse_within = timedelta(minutes=minutes)
    return Biller(entry.name, _currencies(entry), live=is_live(entry), reverse_within=reverse_within)


def _currencies(entry: Entry) -> frozenset[str]:
    found = frozenset(entry.texts("currencies"))
    for currency in found:
        try:
            minor_digits(currency)
        except Refused as refused:
            raise entry.malformed("currencies", str(refused)) from refused
    return found


KINDS: Mapping[str, Kind] = MappingProxyType(
    {
        "biller": Kind(build=_biller, is_reached=False),
        "till": Kind(build=_till, is_reached=False),
        "wechat": Kind(build=wechat_of),
        "alipay": Kind(build=alipay_of),
        "stripe": Kind(build=stripe_of),
        "mpesa": Kind(build=mpesa_of),
    }
)
