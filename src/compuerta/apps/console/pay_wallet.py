"""The detour to a wallet that tells who pays: what the form wanted goes along, signed, and comes back.

The browser that comes back is the one that went: a cookie names the order, so that nobody finishes another's.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import Final
from urllib.parse import urlsplit
from uuid import UUID

from django.conf import settings
from django.core import signing
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse

from compuerta.apps.console import work
from compuerta.apps.console.pay_ways import Way
from compuerta.apps.console.paying import Wish
from compuerta.domain.errors import Refused
from compuerta.domain.payment import Flow

DETOUR_MAX: Final = timedelta(minutes=10)
_SALT: Final = "who pays in a wallet"
_COOKIE: Final = "wallet"


class DetourLost(Refused):
    """Whoever came back is not who went, or was away for too long."""

    def __init__(self) -> None:
        super().__init__("this did not come back from the wallet; open the page again")


@dataclass(frozen=True, slots=True, kw_only=True)
class Back:
    """What a form wanted, and who pays."""

    attempt_id: UUID
    order_id: UUID | None
    provider: str
    amount_minor: int
    open_id: str


def origins(ways: Iterable[Way]) -> str:
    """Return where forms lead that go through a wallet: browsers hold redirects to the page's policy, too."""
    known = (work.identity(way.name) for way in ways if way.flow is Flow.WALLET)
    addresses = sorted({each.authorise_url for each in known if each is not None})
    return " ".join(f"{urlsplit(each).scheme}://{urlsplit(each).netloc}" for each in addresses)


def go(request: HttpRequest, pay_token: UUID, wish: Wish) -> HttpResponse:
    """Send the browser to the wallet's page that tells who it is."""
    identity = work.identity(wish.way.name)
    assert identity is not None, "a way through a wallet is offered only with who tells"
    wanted = {
        "attempt_id": wish.attempt_id.hex,
        "order_id": "" if wish.order_id is None else wish.order_id.hex,
        "provider": wish.way.name,
        "amount_minor": wish.amount_minor,
    }
    base = settings.PUBLIC_ADDRESS or request.build_absolute_uri("/").rstrip("/")
    back_to = f"{base}{reverse('pay_wallet', args=[pay_token])}"
    # The state has few characters: what it stands for lies in the cookie, and it is the order's id.
    response = redirect(identity.authorise_at(back_to=back_to, state=wish.attempt_id.hex))
    response.set_cookie(
        _COOKIE,
        signing.dumps(wanted, salt=_SALT),
        max_age=int(DETOUR_MAX.total_seconds()),
        path=reverse("pay", args=[pay_token]),
        secure=settings.SESSION_COOKIE_SECURE,
        httponly=True,
        samesite="Lax",
    )
    return response


def come_back(request: HttpRequest) -> Back:
    """Return what the form wanted with who pays; raises `DetourLost`, or what the wallet refuses."""
    try:
        wanted = signing.loads(request.COOKIES.get(_COOKIE, ""), salt=_SALT, max_age=DETOUR_MAX)
    except signing.BadSignature:
        raise DetourLost from None
    code = request.GET.get("code", "")
    if not code or request.GET.get("state", "") != wanted["attempt_id"]:
        raise DetourLost
    provider = str(wanted["provider"])
    if work.identity(provider) is None:
        raise DetourLost
    return Back(
        attempt_id=UUID(wanted["attempt_id"]),
        order_id=UUID(wanted["order_id"]) if wanted["order_id"] else None,
        provider=provider,
        amount_minor=int(wanted["amount_minor"]),
        open_id=work.identify(provider, code),
    )
