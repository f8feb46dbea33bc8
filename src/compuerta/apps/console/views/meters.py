"""The list of meters, and one meter's page with its history and its switch."""

from collections.abc import Callable
from uuid import UUID, uuid4

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from compuerta.adapters.postgres.store import PostgresStore
from compuerta.apps import wiring
from compuerta.apps.console import figures, histories, people, reads, screens, tariff_moves, work
from compuerta.apps.console.people import Person, for_people
from compuerta.apps.console.reads import MeterRow
from compuerta.apps.console.screens import show
from compuerta.domain.errors import Refused, Unreachable
from compuerta.domain.supply import HoldKind
from compuerta.services import holding
from compuerta.services.acting import Actor


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
    facts = {**_facts(person, meter), "act_id": uuid4()}
    return show(request, person, "meter", facts, title=meter.place or meter.meter_no)


@for_people
def live(request: HttpRequest, person: Person, meter_id: int) -> HttpResponse:
    """Show what changes on a meter's page."""
    facts = _facts(person, one(person, meter_id))
    return render(request, "console/_meter.html", {"person": person, **facts})


@require_POST
@for_people
def hold(request: HttpRequest, person: Person, meter_id: int) -> HttpResponse:
    """Switch supply off by hand, with a reason."""

    def place(store: PostgresStore, account_id: int, actor: Actor, act_id: UUID) -> None:
        holding.place_hold(
            store, account_id, kind=HoldKind.ADMINISTRATOR, actor=actor, hold_id=act_id, now=wiring.now()
        )

    return _act(request, person, meter_id, place)


@require_POST
@for_people
def lift(request: HttpRequest, person: Person, meter_id: int) -> HttpResponse:
    """Lift what was switched off by hand, with a reason."""

    def end(store: PostgresStore, account_id: int, actor: Actor, act_id: UUID) -> None:
        holding.lift_holds(
            store, account_id, kind=HoldKind.ADMINISTRATOR, actor=actor, audit_id=act_id, now=wiring.now()
        )

    return _act(request, person, meter_id, end)


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


def _act(
    request: HttpRequest,
    person: Person,
    meter_id: int,
    act: Callable[[PostgresStore, int, Actor, UUID], None],
) -> HttpResponse:
    if not person.may_switch:
        raise PermissionDenied
    meter, act_id = one(person, meter_id), act_id_of(request)
    if meter.account_id is None:
        raise Http404
    account_id = meter.account_id
    actor = people.actor(request, person, why=request.POST.get("why", "").strip()[:500])
    try:
        if not histories.was_done(person.organisation_id, act_id):
            work.run(lambda store: act(store, account_id, actor, act_id))
    except (Refused, Unreachable) as error:
        # The same form twice at once: the slower finds that it is done.
        if not histories.was_done(person.organisation_id, act_id):
            messages.error(request, screens.told(error))
            return redirect("meter", meter_id)
    messages.success(request, _("Written down. The meter follows as soon as its road allows."))
    return redirect("meter", meter_id)


def _facts(person: Person, meter: MeterRow) -> dict[str, object]:
    now, account_id = wiring.now(), meter.account_id
    if account_id is None or meter.opened_at is None:
        return {"meter": meter}
    rows = histories.readings(meter.meter_id, since=meter.opened_at)
    return {
        "meter": meter,
        "watches": [(watch, figures.bar(watch, now=now)) for watch in histories.stopwatches(account_id)],
        "sparkline": figures.sparkline(rows),
        "readings_from": rows[0].at if rows else None,
        "charges": histories.charges(account_id),
        "reigns": tariff_moves.of_account(account_id, now=now),
        "instructions": reads.instructions_of(person.organisation_id, account_id=account_id),
        "audit": histories.audit(person.organisation_id, account_id=account_id),
    }
