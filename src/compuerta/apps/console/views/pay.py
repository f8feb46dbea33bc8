"""The resident's page behind the QR sticker: no sign-in, phone first, nobody's history.

Who knows the token may see the place's balance, until when it lasts and what days have cost, and pay for it;
an unknown token is a friendly 404. Finer things are for who has proved to live there (`pay_prove`).
"""

from uuid import UUID, uuid4

import structlog
from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse, QueryDict
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache

from compuerta.apps import wiring
from compuerta.apps.console import (
    amounts,
    drawing,
    histories,
    living,
    pay_wallet,
    pay_ways,
    paying,
    receipts,
    road_reads,
    screens,
    use_reads,
)
from compuerta.apps.console.histories import AttemptRow, PayPlace
from compuerta.apps.console.pay_ways import Browser, Way
from compuerta.apps.console.paying import Followed, Progress, Wish
from compuerta.apps.console.templatetags.console import money
from compuerta.apps.console.views.meters import act_id_of
from compuerta.domain.address import AddressFaulty, require_address
from compuerta.domain.contact import Channel
from compuerta.domain.errors import CompuertaError, Refused, Unreachable
from compuerta.domain.money import AmountMalformed
from compuerta.domain.payment import Flow
from compuerta.services.ordering import OrderPaid
from compuerta.services.quoting import AmountOutOfBounds, TooMuchHeld

log = structlog.get_logger()

# Everything on these pages is ours; a stranger's script has no way in.
POLICY = (
    "default-src 'self'; img-src 'self' data:; frame-ancestors 'none'; base-uri 'none'; form-action 'self'"
)

_OPENING = frozenset({Flow.WEB.value, Flow.DESKTOP.value})
_ADDRESSES = ("https://", "http://")  # whatever else a provider might send, a link goes nowhere else


@never_cache
def page(request: HttpRequest, pay_token: UUID) -> HttpResponse:
    """Show the place and its balance; take an order when the form comes back."""
    place = _place(pay_token)
    if place is None:
        return unknown(request, str(pay_token))
    error = ""
    if request.method == "POST":
        try:
            return _ordered(request, place, pay_token)
        except (Refused, Unreachable) as refusal:
            error = told(refusal)
    now, ways = wiring.now(), pay_ways.ways(place, _browser(request))
    limits = paying.limits(place, now=now)
    context = {
        "place": place,
        "pay_token": pay_token,
        "ways": ways,
        "limits": limits,
        "quick": paying.suggested(place, limits),
        "lasting": use_reads.lasting(place.account_id, now=now),
        "reader": living.reader(request, place),
        "coming": road_reads.coming(place.account_id, zone=place.zone, now=now),
        "act_id": uuid4(),
        "error": error,
    }
    return shown(request, "pay", context, status=422 if error else 200, sends_to=pay_wallet.origins(ways))


@never_cache
def quote(request: HttpRequest, pay_token: UUID) -> HttpResponse:
    """Say what an amount comes to, line by line, before it is ordered; or why it would not be taken."""
    place = _place(pay_token)
    if place is None:
        return unknown(request, str(pay_token))
    context: dict[str, object] = {"place": place}
    try:
        context["quote"] = paying.quote(place, _amount(request.GET, place), now=wiring.now())
    except AmountMalformed:
        pass  # somebody is still typing
    except (Refused, Unreachable) as refusal:
        context["error"] = told(refusal)
    return render(request, "console/_pay_quote.html", context)


@never_cache
def wallet(request: HttpRequest, pay_token: UUID) -> HttpResponse:
    """Come back from the wallet that has told who pays, and order as that form wanted."""
    place = _place(pay_token)
    if place is None:
        return unknown(request, str(pay_token))
    try:
        back = pay_wallet.come_back(request)
        ways = {way.name: way for way in pay_ways.ways(place, _browser(request))}
        way = ways.get(back.provider)
        if way is None:
            raise Http404
        wish = Wish(
            attempt_id=back.attempt_id,
            way=way,
            amount_minor=back.amount_minor,
            payer=back.open_id,
            order_id=back.order_id,
        )
        paying.order(place, wish, now=wiring.now())
    except (Refused, Unreachable):
        return redirect("pay", pay_token)  # nothing was ordered: the page is there to begin again
    return redirect("pay_order", pay_token, back.attempt_id)


@never_cache
def order(request: HttpRequest, pay_token: UUID, attempt_id: UUID) -> HttpResponse:
    """Show one order: how it is paid, that it is waited for, and the power."""
    place = _place(pay_token)
    attempt = None if place is None else histories.attempt(place.account_id, attempt_id)
    if place is None or attempt is None:
        return unknown(request, str(pay_token))
    refusal = ""
    try:
        paying.place_at_provider(place, attempt_id, now=wiring.now())
        attempt = histories.attempt(place.account_id, attempt_id) or attempt
    except Refused as refused:
        # Why is between the provider and us; whoever stands in the dark wants another way.
        log.warning("pay.order.refused", provider=attempt.provider, error=str(refused))
        refusal = _("Choose another way to pay. If you paid just now, the recharge still arrives.")
    except Unreachable:
        pass  # the page says that the provider does not answer, and asks again by itself
    followed = paying.followed(attempt, now=wiring.now())
    others = [way for way in pay_ways.ways(place, _browser(request)) if way.name != attempt.provider]
    context = {
        "place": place,
        "pay_token": pay_token,
        "attempt": attempt,
        "followed": followed,
        "refusal": refusal,
        "opens": attempt.flow in _OPENING and (attempt.presented or "").startswith(_ADDRESSES),
        "qr": drawing.qr(attempt.presented) if attempt.presented and attempt.flow == Flow.QR.value else "",
        "on_phone": _browser(request) is not Browser.DESKTOP,
        "others": [(way, uuid4()) for way in others if way.flow is not Flow.PROMPT],
        "recharge_id": _recharge_id(place, attempt, followed),
        "coming": road_reads.coming(place.account_id, zone=place.zone, now=wiring.now(), is_awaited=False),
        "act_id": uuid4(),
        "expires_in_s": max(0, int((attempt.expires_at - wiring.now()).total_seconds())),
    }
    response = shown(request, "pay_order", context, sends_to=pay_wallet.origins(others))
    # A wallet's page on the web is opened only for the address that the merchant has registered.
    response["Referrer-Policy"] = "strict-origin-when-cross-origin"
    return response


@never_cache
def returned(request: HttpRequest, reference: str) -> HttpResponse:
    """Come back from a provider's own page, which knows an order by our reference: to that order's page.

    Whether it was paid is asked of the provider, whatever the browser says. Who ordered elsewhere is sent
    back there, and so is who guesses: both are told the same.
    """
    try:
        attempt_id = UUID(reference)
    except ValueError:
        return shown(request, "pay_elsewhere", {}, status=404)
    pay_token = histories.pay_token_of(attempt_id)
    if pay_token is None:
        return shown(request, "pay_elsewhere", {}, status=404)
    return redirect("pay_order", pay_token, attempt_id)


@never_cache
def status(request: HttpRequest, pay_token: UUID, attempt_id: UUID) -> JsonResponse:
    """Tell where an order stands; asked every two seconds, which keeps the provider asked too."""
    place = _place(pay_token)
    if place is None or histories.attempt(place.account_id, attempt_id) is None:
        return JsonResponse({"error": "unknown"}, status=404)
    paying.watch(place, attempt_id, now=wiring.now())
    attempt = histories.attempt(place.account_id, attempt_id)
    assert attempt is not None, "orders are never deleted"
    followed = paying.followed(attempt, now=wiring.now())
    return JsonResponse(
        {
            "state": followed.progress.value,
            "waited_ms": followed.waited_ms,
            "balance_minor": place.balance_minor,
            "currency": place.currency,
            "expires_in_s": max(0, int((attempt.expires_at - wiring.now()).total_seconds())),
        }
    )


def unknown(request: HttpRequest, pay_token: str) -> HttpResponse:
    """Say kindly that nobody pays here."""
    return shown(request, "pay_unknown", {"pay_token": pay_token}, status=404)


def _place(pay_token: UUID) -> PayPlace | None:
    return histories.pay_place(pay_token)


def told(refusal: CompuertaError) -> str:
    """Tell a resident what to do about a refusal."""
    match refusal:
        case AmountOutOfBounds():
            return _("Choose an amount from %(least)s to %(most)s.") % {
                "least": money(refusal.least_minor, refusal.currency),
                "most": money(refusal.most_minor, refusal.currency),
            }
        case TooMuchHeld():
            return _("This account may have %(room)s more now. Pay less, or later.") % {
                "room": money(max(refusal.room_minor, 0), refusal.currency)
            }
        case AddressFaulty():
            return _("Write the phone number with its country, such as +254 712 345 678.")
        case OrderPaid():
            return _("This order is paid already. Nothing more was taken.")
        case _:
            return screens.told(refusal)


def _ordered(request: HttpRequest, place: PayPlace, pay_token: UUID) -> HttpResponse:
    """Write the order that a form wants; where the wallet has to tell who pays first, go and ask it."""
    ways = {way.name: way for way in pay_ways.ways(place, _browser(request))}
    way = ways.get(request.POST.get("provider", ""))
    if way is None:
        raise Http404
    wish = Wish(
        attempt_id=act_id_of(request),
        way=way,
        amount_minor=_amount(request.POST, place),
        payer=_payer(request, way),
        order_id=_order_id(request),
    )
    if way.flow is Flow.WALLET:
        paying.quote(place, wish.amount_minor, now=wiring.now())  # refused here, and not after the detour
        return pay_wallet.go(request, pay_token, wish)
    paying.order(place, wish, now=wiring.now())
    return redirect("pay_order", pay_token, wish.attempt_id)


def _browser(request: HttpRequest) -> Browser:
    return pay_ways.browser_of(request.headers.get("User-Agent", ""))


def _amount(form: QueryDict, place: PayPlace) -> int:
    text = form.get("other", "").strip() or form.get("amount", "")
    return amounts.typed(text, currency=place.currency)


def _payer(request: HttpRequest, way: Way) -> str:
    match way.flow:
        case Flow.PROMPT:
            return require_address(Channel.SMS, request.POST.get("phone", ""))
        case Flow.WEB | Flow.DESKTOP:
            return str(request.META.get("REMOTE_ADDR", ""))
        case _:
            return ""


def _order_id(request: HttpRequest) -> UUID | None:
    try:
        return UUID(request.POST.get("order_id", ""))
    except ValueError:
        return None  # a new order


def _recharge_id(place: PayPlace, attempt: AttemptRow, followed: Followed) -> UUID | None:
    if followed.progress not in (Progress.PAID, Progress.CREDITED, Progress.POWER):
        return None
    return receipts.of_order(place.account_id, provider=attempt.provider, reference=attempt.reference)


def shown(
    request: HttpRequest, template: str, context: dict[str, object], *, status: int = 200, sends_to: str = ""
) -> HttpResponse:
    """Render a resident's page, on which nothing runs but what is ours.

    A browser follows a form to our own addresses alone, and where `sends_to` says.
    """
    context["languages"] = settings.LANGUAGES
    response = render(request, f"console/{template}.html", context, status=status)
    response["Content-Security-Policy"] = f"{POLICY} {sends_to}".rstrip()
    return response
