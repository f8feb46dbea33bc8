"""The resident's page behind the QR sticker: no sign-in, phone first, nobody's history.

Who knows the token may see the place's balance, until when it lasts and what days have cost, and pay for it;
an unknown token is a friendly 404. Finer things are for who has proved to live there (`pay_prove`).
"""

from uuid import UUID, uuid4

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache

from compuerta.apps import wiring
from compuerta.apps.console import amounts, drawing, histories, living, paying, screens, use_reads
from compuerta.apps.console.histories import PayPlace
from compuerta.apps.console.paying import Progress
from compuerta.apps.console.views.meters import act_id_of
from compuerta.domain.errors import Refused, Unreachable

# Everything on these pages is ours; a stranger's script has no way in.
POLICY = (
    "default-src 'self'; img-src 'self' data:; frame-ancestors 'none'; base-uri 'none'; form-action 'self'"
)


@never_cache
def page(request: HttpRequest, pay_token: UUID) -> HttpResponse:
    """Show the place and its balance; take an order when the form comes back."""
    place = _place(pay_token)
    if place is None:
        return unknown(request, str(pay_token))
    error = ""
    if request.method == "POST":
        act_id = act_id_of(request)
        try:
            _order(request, place, act_id)
            return redirect("pay_order", pay_token, act_id)
        except (Refused, Unreachable) as refusal:
            error = screens.told(refusal)
    context = {
        "place": place,
        "pay_token": pay_token,
        "ways": paying.ways(place),
        "quick": amounts.quick_minor(place.currency),
        "lasting": use_reads.lasting(place.account_id, now=wiring.now()),
        "reader": living.reader(request, place),
        "act_id": uuid4(),
        "error": error,
    }
    return shown(request, "pay", context, status=422 if error else 200)


@never_cache
def order(request: HttpRequest, pay_token: UUID, attempt_id: UUID) -> HttpResponse:
    """Show one order: its QR, that it is waited for, and the power."""
    place = _place(pay_token)
    attempt = None if place is None else histories.attempt(place.account_id, attempt_id)
    if place is None or attempt is None:
        return unknown(request, str(pay_token))
    try:
        paying.place_at_provider(place, attempt_id, now=wiring.now())
        attempt = histories.attempt(place.account_id, attempt_id) or attempt
    except (Refused, Unreachable):
        pass  # the page says that the provider does not answer, and asks again by itself
    followed = paying.followed(attempt, now=wiring.now())
    context = {
        "place": place,
        "pay_token": pay_token,
        "attempt": attempt,
        "followed": followed,
        "qr": drawing.qr(attempt.presented) if attempt.presented else "",
        "states": [state.value for state in Progress],
        "act_id": uuid4(),
        "expires_in_s": max(0, int((attempt.expires_at - wiring.now()).total_seconds())),
    }
    return shown(request, "pay_order", context)


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


def _order(request: HttpRequest, place: PayPlace, act_id: UUID) -> None:
    ways = {provider.name: provider for provider in paying.ways(place)}
    provider = ways.get(request.POST.get("provider", ""))
    if provider is None:
        raise Http404
    text = request.POST.get("other", "").strip() or request.POST.get("amount", "")
    paying.order(
        place,
        attempt_id=act_id,
        provider=provider,
        amount_minor=amounts.typed(text, currency=place.currency),
        now=wiring.now(),
    )


def shown(
    request: HttpRequest, template: str, context: dict[str, object], *, status: int = 200
) -> HttpResponse:
    """Render a resident's page, on which nothing runs but what is ours."""
    context["languages"] = settings.LANGUAGES
    response = render(request, f"console/{template}.html", context, status=status)
    response["Content-Security-Policy"] = POLICY
    return response
