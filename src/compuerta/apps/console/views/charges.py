"""Charges opened into their lines: for whoever manages, and for whoever pays."""

from uuid import UUID

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache

from compuerta.apps import wiring
from compuerta.apps.console import explaining, histories
from compuerta.apps.console.people import Person, for_people
from compuerta.apps.console.screens import show
from compuerta.apps.console.views import pay
from compuerta.apps.console.views.meters import one
from compuerta.domain.party import zone_of


@for_people
def page(request: HttpRequest, person: Person, meter_id: int, charge_id: UUID) -> HttpResponse:
    """Show one charge of a meter's account, line by line."""
    meter = one(person, meter_id)
    found = None
    if meter.account_id is not None:
        found = explaining.explained(meter.account_id, charge_id, now=wiring.now())
    if found is None:
        raise Http404
    title = f"{meter.place} · {_('Charge')}"
    return show(request, person, "charge", {"meter": meter, "explained": found}, title=title)


@never_cache
def cost(request: HttpRequest, pay_token: UUID) -> HttpResponse:
    """Show a resident what is left, what the days have cost, and the open bill line by line."""
    place = histories.pay_place(pay_token)
    if place is None:
        return pay.unknown(request, str(pay_token))
    now = wiring.now()
    opened = explaining.open_bill(place.account_id, now=now)
    context: dict[str, object] = {
        "place": place,
        "pay_token": pay_token,
        "days": histories.days(place.account_id),
        "today": now.astimezone(zone_of(place.zone)).date(),
    }
    if opened is not None:
        bill, view = opened
        schedule = view.schedule
        assert schedule is not None, "a bill is made by a schedule"
        context |= {
            "lines": bill.lines,
            "total_minor": bill.total_minor,
            "since": bill.start.astimezone(schedule.zone).date(),
            "many_periods": any(len(each.tariff.energy.periods) > 1 for each in schedule.by_key.values()),
        }
    return _shown(request, "pay_cost", context)


@never_cache
def paid(request: HttpRequest, pay_token: UUID, day: str) -> HttpResponse:
    """Show a resident what one day has cost, line by line, and at no hour."""
    place = histories.pay_place(pay_token)
    shown = [] if place is None else histories.days(place.account_id)
    on = next((each.day for each in shown if each.day.isoformat() == day), None)
    bills = explaining.day(place.account_id, on, zone=place.zone, now=wiring.now()) if place and on else []
    if not bills:
        return pay.unknown(request, str(pay_token))
    return _shown(request, "pay_day", {"place": place, "pay_token": pay_token, "day": on, "bills": bills})


def _shown(request: HttpRequest, template: str, context: dict[str, object]) -> HttpResponse:
    response = render(request, f"console/{template}.html", context)
    response["Content-Security-Policy"] = pay.POLICY
    return response
