"""The list of meters, and one meter's page with its history and its switch."""

from uuid import UUID, uuid4

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _

from compuerta.apps import wiring
from compuerta.apps.console import (
    debt_reads,
    figures,
    histories,
    move_reads,
    reads,
    supply_reads,
    tariff_moves,
)
from compuerta.apps.console.people import Person, for_people
from compuerta.apps.console.reads import MeterRow
from compuerta.apps.console.screens import show
from compuerta.domain.access import Right


@for_people
def listing(request: HttpRequest, person: Person) -> HttpResponse:
    """Show the list, or its rows alone where the page asks for them while somebody types."""
    words, state, road = (request.GET.get(name, "").strip()[:64] for name in ("words", "state", "road"))
    found = reads.meters(person.organisation_id, now=wiring.now(), words=words, state=state, road=road)
    context = {
        "meters": found,
        "words": words,
        "state": state,
        "road": road,
        "states": reads.STATES,
        "roads": reads.ROADS,
        "full": len(found) == reads.METERS_SHOWN_MAX,
    }
    if request.headers.get("HX-Request"):
        return render(request, "console/_meters.html", context)
    return show(request, person, "meters", context, title=_("Meters"))


@for_people
def page(request: HttpRequest, person: Person, meter_id: int) -> HttpResponse:
    """Show one meter."""
    meter = one(person, meter_id)
    facts = {
        **_facts(person, meter),
        "act_id": uuid4(),
        "moves": move_reads.offered(person, meter_id),
        "sees_money": person.may(Right.SEE_MONEY, meter.within(person.organisation_id)),
    }
    return show(request, person, "meter", facts, title=meter.place or meter.meter_no)


@for_people
def live(request: HttpRequest, person: Person, meter_id: int) -> HttpResponse:
    """Show what changes on a meter's page."""
    facts = _facts(person, one(person, meter_id))
    return render(request, "console/_meter.html", {"person": person, **facts})


def one(person: Person, meter_id: int) -> MeterRow:
    """Return a meter of the person's organisation; any other is not there."""
    meter = reads.meter(person.organisation_id, meter_id, now=wiring.now())
    if meter is None:
        raise Http404
    return meter


def act_id_of(request: HttpRequest) -> UUID:
    """Return the id that the form was shown with: the same form twice is one act."""
    try:
        return UUID(request.POST.get("act_id", ""))
    except ValueError:
        raise Http404 from None


def _facts(person: Person, meter: MeterRow) -> dict[str, object]:
    now, account_id = wiring.now(), meter.account_id
    if account_id is None or meter.opened_at is None:
        return {"meter": meter}
    rows = histories.readings(meter.meter_id, since=meter.opened_at)
    return {
        "meter": meter,
        "supply": supply_reads.card(person, account_id, now=now),
        "debts": debt_reads.card(person, account_id, now=now),
        "watches": [(watch, figures.bar(watch, now=now)) for watch in histories.stopwatches(account_id)],
        "sparkline": figures.sparkline(rows),
        "readings_from": rows[0].at if rows else None,
        "charges": histories.charges(account_id),
        "reigns": tariff_moves.of_account(account_id, now=now),
        "instructions": reads.instructions_of(person.organisation_id, account_id=account_id),
        "audit": histories.audit(person.organisation_id, account_id=account_id),
    }
