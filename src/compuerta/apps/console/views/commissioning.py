"""Commissioning on a phone: search a line, claim a meter, try its relay, hand it over; tables for many."""

from collections.abc import Callable, Mapping
from datetime import datetime
from decimal import Decimal
from uuid import UUID, uuid4

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from compuerta.apps import wiring
from compuerta.apps.config import settings
from compuerta.apps.console import board_reads, commissioning_forms, people, screens, work
from compuerta.apps.console import commissioning_reads as reads
from compuerta.apps.console.commissioning_reads import CommissionRow
from compuerta.apps.console.people import Person, for_people
from compuerta.apps.console.screens import show
from compuerta.domain.access import Place, Right
from compuerta.domain.errors import Refused, Unreachable
from compuerta.services import commissioning, surveying
from compuerta.services.acting import Actor
from compuerta.services.commission_port import FoundBy, Step
from compuerta.services.commissioning import RelayTest
from compuerta.services.founding import PlacesWish, RowsFaulty
from compuerta.services.store_port import Store

WHY_CHARACTERS_MAX = 500
Acting = Callable[[Store, UUID, Actor, datetime], object]


def _begin(step: Step) -> Acting:
    def act(store: Store, commission_id: UUID, actor: Actor, now: datetime) -> None:
        test = RelayTest(commission_id=commission_id, step=step)
        commissioning.begin_test(store, test, actor=actor, now=now)

    return act


def _confirm(step: Step, *, seen: bool) -> Acting:
    def act(store: Store, commission_id: UUID, actor: Actor, now: datetime) -> None:
        test = RelayTest(commission_id=commission_id, step=step)
        commissioning.confirm(store, test, seen=seen, actor=actor, now=now)

    return act


_ACTS: Mapping[str, Acting] = {
    "dark": _begin(Step.DARK),
    "dark_yes": _confirm(Step.DARK, seen=True),
    "dark_no": _confirm(Step.DARK, seen=False),
    "light": _begin(Step.LIGHT),
    "light_yes": _confirm(Step.LIGHT, seen=True),
    "light_no": _confirm(Step.LIGHT, seen=False),
    "hand_over": lambda store, of, actor, now: commissioning.hand_over(store, of, actor=actor, now=now),
    "give_up": lambda store, of, actor, now: commissioning.give_up(store, of, actor=actor, now=now),
}


@for_people
def listing(request: HttpRequest, person: Person) -> HttpResponse:
    """Show the meters under way, and where new ones are found."""
    _require(person)
    ours = person.organisation_id
    context = {
        "commissions": reads.commissions(ours),
        "lines": reads.lines(ours),
        "surveys": reads.surveys(ours),
        "survey_id": uuid4(),
    }
    return show(request, person, "commissioning", context, title=_("Commissioning"))


# Searching.


@require_POST
@for_people
def search(request: HttpRequest, person: Person) -> HttpResponse:
    """Ask who is on a line; or give its only meter another number."""
    _require(person)
    form = _form(request)
    try:
        wish = commissioning_forms.survey(form, organisation_id=person.organisation_id)
        actor = people.actor(request, person, why=_("commissioning"))
        work.run(lambda store: surveying.ask(store, wish, actor=actor, now=wiring.now()))
    except (Refused, Unreachable) as error:
        messages.error(request, screens.told(error))
        return redirect("commissioning")
    return redirect("survey", wish.survey_id)


@for_people
def survey(request: HttpRequest, person: Person, survey_id: UUID) -> HttpResponse:
    """Show what a search finds, while it finds it."""
    return show(request, person, "survey", _survey(person, survey_id), title=_("Search"))


@for_people
def survey_live(request: HttpRequest, person: Person, survey_id: UUID) -> HttpResponse:
    """Show what changes on a search's page."""
    return render(request, "console/_survey.html", _survey(person, survey_id))


def _survey(person: Person, survey_id: UUID) -> dict[str, object]:
    _require(person)
    found = reads.survey(person.organisation_id, survey_id)
    if found is None:
        raise Http404
    return {"survey": found, "findings": reads.findings(person.organisation_id, survey_id)}


# Claiming.


@for_people
def claim(request: HttpRequest, person: Person) -> HttpResponse:
    """Claim one meter: by its label, or because a search has found it."""
    _require(person)
    form = _form(request)
    context: dict[str, object] = {"asked": {"act_id": str(uuid4()), **_found(request), **form}, "odd": set()}
    status = 200
    if request.method == "POST":
        try:
            wish = commissioning_forms.claim(
                form,
                organisation_id=person.organisation_id,
                models=wiring.models(settings()),
                roads={each.endpoint_id: each.road for each in reads.lines(person.organisation_id)},
            )
            _require_places(person, wish)
            return redirect("commission", _claimed(request, person, wish, FoundBy.LABEL)[0])
        except RowsFaulty as error:
            context |= {"faults": reads.faults(error.faults), "odd": {each.field for each in error.faults}}
            status = 422
        except (Refused, Unreachable) as error:
            context |= {"told": screens.told(error), "odd": {getattr(error, "field", "")}}
            status = 422
    context |= _choices(person)
    return show(request, person, "commission_new", context, title=_("Claim a meter"), status=status)


@for_people
def table(request: HttpRequest, person: Person) -> HttpResponse:
    """Claim many meters by a table: tried dry, then all of them or none."""
    _require(person)
    form = _form(request)
    context: dict[str, object] = {"asked": {"act_id": str(uuid4()), **form}}
    status = 200
    if request.method == "POST":
        try:
            text = commissioning_forms.text_of(form, request.FILES.get("file"))
            context["asked"] = {**form, "table": text}
            lines = {each.endpoint_id for each in reads.lines(person.organisation_id)}
            wish = commissioning_forms.table(form, text, organisation_id=person.organisation_id, lines=lines)
            _require_places(person, wish)
            if "claim" in form:
                claimed = _claimed(request, person, wish, FoundBy.TABLE)
                messages.success(request, _("%(count)d meters are under way.") % {"count": len(claimed)})
                return redirect("commissioning")
            context["sure"] = _rehearsed(request, person, wish)
        except RowsFaulty as error:
            context["faults"] = reads.faults(error.faults)
            status = 422
        except (Refused, Unreachable) as error:
            context["told"] = screens.told(error)
            status = 422
    context |= {
        "sites": board_reads.sites(person.organisation_id),
        "columns": commissioning_forms.COLUMNS,
        "more_columns": commissioning_forms.MORE_COLUMNS,
    }
    return show(request, person, "commission_table", context, title=_("Claim a table"), status=status)


def _claimed(request: HttpRequest, person: Person, wish: PlacesWish, found_by: FoundBy) -> list[UUID]:
    """Claim a table's meters, once; returns their commissions."""
    ids = [commissioning.commission_id_of(wish.founding_id, row.meter_no) for row in wish.rows]
    if ids and reads.commission(person.organisation_id, ids[0]) is not None:
        return ids  # the same form, sent twice
    actor = people.actor(request, person, why=_("commissioning"))
    models = wiring.models(settings())
    work.run(
        lambda store: commissioning.claim(
            store, wish, found_by=found_by, models=models, actor=actor, now=wiring.now()
        )
    )
    return ids


def _rehearsed(request: HttpRequest, person: Person, wish: PlacesWish) -> list[tuple[object, bool]]:
    actor = people.actor(request, person, why=_("commissioning"))
    models = wiring.models(settings())
    sure = work.run(
        lambda store: commissioning.rehearse(store, wish, models=models, actor=actor, now=wiring.now())
    )
    return [(row, sure[number] == "heard") for number, row in enumerate(wish.rows, start=1)]


def _found(request: HttpRequest) -> dict[str, str]:
    """Return what a search has found out, for a form that is still empty."""
    found = {
        name: request.GET.get(name, "")[:200] for name in ("endpoint_id", "meter_no", "unit_no", "model")
    }
    shows = request.GET.get("shows", "")
    if shows.isascii() and shows.isdigit() and len(shows) < 15:
        found["register_kwh"] = str(Decimal(int(shows)) / 1000)
    return found


def _choices(person: Person) -> dict[str, object]:
    models = wiring.models(settings())
    ours = person.organisation_id
    return {
        "sites": board_reads.sites(ours),
        "lines": reads.lines(ours),
        "tariffs": reads.tariffs(ours),
        "models": sorted(models),
        "roads": commissioning_forms.ROADS.items(),
    }


# Step by step.


@for_people
def page(request: HttpRequest, person: Person, commission_id: UUID) -> HttpResponse:
    """Show how far a meter is, and what is next."""
    return show(request, person, "commission", _facts(person, commission_id), title=_("Commissioning"))


@for_people
def live(request: HttpRequest, person: Person, commission_id: UUID) -> HttpResponse:
    """Show what changes on a meter's page."""
    return render(request, "console/_commission.html", _facts(person, commission_id))


@require_POST
@for_people
def act(request: HttpRequest, person: Person, commission_id: UUID, verb: str) -> HttpResponse:
    """Try the relay, say what is seen, hand over, or give up."""
    commission = _one(person, commission_id)
    if verb not in _ACTS:
        raise Http404
    if not person.may(Right.COMMISSION, commission.place_in(person.organisation_id)):
        raise PermissionDenied
    why = request.POST.get("why", "").strip()[:WHY_CHARACTERS_MAX]
    actor = people.actor(request, person, why=why or ("" if verb == "give_up" else _("commissioning")))
    try:
        work.run(lambda store: _ACTS[verb](store, commission_id, actor, wiring.now()))
    except (Refused, Unreachable) as error:
        messages.error(request, screens.told(error))
    return redirect("commission", commission_id)


def _facts(person: Person, commission_id: UUID) -> dict[str, object]:
    commission = _one(person, commission_id)
    steps = reads.steps_of(commission_id)
    by_name = {each.name: each for each in steps}
    open_steps = [each.name for each in steps if each.outcome != "done"]
    return {
        "commission": commission,
        "steps": steps,
        "dark": by_name["dark"],
        "light": by_name["light"],
        "is_ready": reads.is_ready(steps) and commission.ended_at is None,
        "next": open_steps[0] if open_steps else "",
        "may_act": commission.ended_at is None
        and person.may(Right.COMMISSION, commission.place_in(person.organisation_id)),
        "may_move": person.may(Right.MOVE, commission.place_in(person.organisation_id)),
    }


def _one(person: Person, commission_id: UUID) -> CommissionRow:
    _require(person)
    found = reads.commission(person.organisation_id, commission_id)
    if found is None:
        raise Http404
    return found


def _require(person: Person) -> None:
    if not person.may(Right.COMMISSION):
        raise PermissionDenied


def _require_places(person: Person, wish: PlacesWish) -> None:
    """Refuse whoever would claim in a building where they may not."""
    places = {
        Place(organisation_id=person.organisation_id, site_id=wish.site_id, building=row.building)
        for row in wish.rows
    }
    if not all(person.may(Right.COMMISSION, each) for each in places):
        raise PermissionDenied


def _form(request: HttpRequest) -> dict[str, str]:
    return {name: value for name, value in request.POST.items() if isinstance(value, str)}
