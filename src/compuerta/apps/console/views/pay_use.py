"""What is for whoever lives at a place: use by the hour, and emergency credit where it is offered."""

from contextlib import suppress
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST

from compuerta.apps import wiring
from compuerta.apps.console import histories, living, use_reads, work
from compuerta.apps.console.views import pay, pay_prove
from compuerta.domain.errors import Refused, Unreachable
from compuerta.services import emergency
from compuerta.services.acting import Actor


@never_cache
def page(request: HttpRequest, pay_token: UUID) -> HttpResponse:
    """Show the last day by the hour, two weeks by the day, and how long the balance lasts."""
    place = histories.pay_place(pay_token)
    if place is None:
        return pay.unknown(request, str(pay_token))
    if not living.reader(request, place).is_proved:
        return pay_prove.first(pay_token, onward="pay_use")
    now = wiring.now()
    context = {
        "place": place,
        "pay_token": pay_token,
        "used": use_reads.used(place, now=now),
        "lasting": use_reads.lasting(place.account_id, now=now),
    }
    return pay.shown(request, "pay_use", context)


@require_POST
def take_emergency(request: HttpRequest, pay_token: UUID) -> HttpResponse:
    """Take the emergency credit that a place is offered; what was taken already stays as it is."""
    place = histories.pay_place(pay_token)
    if place is None:
        return pay.unknown(request, str(pay_token))
    if not living.reader(request, place).is_proved:
        return pay_prove.first(pay_token, onward="pay")
    origin = f"pay page {request.META.get('REMOTE_ADDR', '')}".strip()
    actor = Actor(who="resident", why="taken at the place", origin=origin)
    with suppress(Refused, Unreachable):  # the page shows what is so: not offered any more, or taken
        work.run(lambda store: emergency.take(store, place.account_id, actor=actor, now=wiring.now()))
    return redirect("pay", pay_token)
