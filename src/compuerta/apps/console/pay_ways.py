"""Ways to pay from a browser: which flows each kind of browser can take, of those that a provider offers.

Inside a wallet's own browser its own way comes first, and the other wallet's cannot be opened. A phone cannot
scan the code that it shows: where there is a way into an app or a prompt, the QR comes after it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from types import MappingProxyType
from typing import Final

from compuerta.apps.console import histories, work
from compuerta.apps.console.histories import PayPlace, ProviderRow
from compuerta.domain.payment import Flow
from compuerta.services.payment_ports import PaymentProvider


class Browser(Enum):
    """What somebody looks at the page with."""

    WECHAT = "wechat"
    ALIPAY = "alipay"
    PHONE = "phone"
    DESKTOP = "desktop"


_FLOWS: Final[Mapping[Browser, tuple[Flow, ...]]] = MappingProxyType(
    {
        Browser.WECHAT: (Flow.WALLET, Flow.PROMPT, Flow.WEB, Flow.QR),
        Browser.ALIPAY: (Flow.WEB, Flow.PROMPT, Flow.QR),
        Browser.PHONE: (Flow.WEB, Flow.PROMPT, Flow.QR),
        Browser.DESKTOP: (Flow.QR, Flow.DESKTOP, Flow.PROMPT),
    }
)
# The words by which browsers name themselves, the most telling first.
_SIGNS: Final[Sequence[tuple[str, Browser]]] = (
    ("micromessenger", Browser.WECHAT),
    ("alipayclient", Browser.ALIPAY),
    ("android", Browser.PHONE),
    ("iphone", Browser.PHONE),
    ("ipad", Browser.PHONE),
    ("mobile", Browser.PHONE),
)
# Wallets that do not open each other.
_WALLETS: Final = frozenset({Browser.WECHAT.value, Browser.ALIPAY.value})


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """A provider, and how it is paid from this browser."""

    provider: PaymentProvider
    flow: Flow

    @property
    def name(self) -> str:
        """What the form sends."""
        return self.provider.name


def browser_of(user_agent: str) -> Browser:
    """Return what kind of browser names itself so; whoever is not known sits at a computer."""
    lower = user_agent.lower()
    return next((browser for sign, browser in _SIGNS if sign in lower), Browser.DESKTOP)


def ways(place: PayPlace, browser: Browser) -> list[Way]:
    """Return how a place's organisation is paid from a browser, the best way first."""
    ours = {row.provider: row for row in histories.provider_accounts(place.organisation_id)}
    found = [
        Way(provider=provider, flow=flow)
        for name, provider in sorted(work.providers().items())
        if name in ours
        and place.currency in provider.capabilities.currencies
        and not provider.capabilities.immediate
        and not _is_shut_out(ours[name], browser)
        and (flow := flow_of(provider, browser)) is not None
    ]
    return sorted(found, key=lambda way: ours[way.name].kind != browser.value)


def flow_of(provider: PaymentProvider, browser: Browser) -> Flow | None:
    """Return the first flow of a browser that a provider offers; None where there is none."""
    offered = provider.capabilities.flows
    for flow in _FLOWS[browser]:
        if flow in offered and (flow is not Flow.WALLET or work.identity(provider.name) is not None):
            return flow
    return None


def _is_shut_out(row: ProviderRow, browser: Browser) -> bool:
    return row.kind in _WALLETS and browser.value in _WALLETS and row.kind != browser.value
