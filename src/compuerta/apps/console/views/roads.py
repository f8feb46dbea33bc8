"""The roads board: how the ends of roads stand and serve, worst first; a page per end; ways and keys."""

from dataclasses import replace
from typing import Final
from uuid import uuid4

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from compuerta.adapters.postgres.store import PostgresStore
from compuerta.apps import walls, wiring
from compuerta.apps.config import settings
from compuerta.apps.console import (
    board_reads,
    drift_reads,
    figures,
    histories,
    people,
    reads,
    road_pictures,
    road_reads,
    road_words,
    screens,
    work,
)
from compuerta.apps.console.people import Person, for_people
from compuerta.apps.console.road_reads import Asked, EndTold
from compuerta.apps.console.screens import show
from compuerta.apps.console.views.corrections import MONEY
from compuerta.apps.console.views.meters import act_id_of
from compuerta.domain.access import Place, Right
from compuerta.domain.drift import AtRisk
from compuerta.domain.errors import Refused, Unreachable
from compuerta.domain.party import Bearer, RoadKind
from compuerta.services import bus_planning, rerouting, revoking, road_keys
from compuerta.services.bus_planning import LinePlan
from compuerta.services.expecting import Standing
from compuerta.services.rerouting import WAYS_MAX, WaysUnfit, WaysWish

ENDS_SHOWN_MAX: Final = 100
ENDS_NAMED_MAX: Final = 500  # in the list that a form for ways offers
WHY_CHARACTERS_MAX: Final = 500


@for_people
def listing(request: HttpRequest, person: Person) -> HttpResponse:
    """Show the ends of roads, or the ends alone where the page asks for them anew."""
    asked = _asked(request, person)
    context = {**_ends(person, asked), "asked": asked}
    if request.headers.get("HX-Request"):
        return render(request, "console/_roads.html", context)
    ours, now = person.organisation_id, wiring.now()
    context |= {
        "sites": board_reads.sites(ours),
        "roads": [road.value for road in RoadKind],
        "buses": _buses(person),
        "outposts": road_reads.outposts(ours),
        "knocks": road_reads.knocks() if person.operates else [],
        "paces": reads.paces(ours, now=now),
        "chart": figures.pace_chart(reads.lit(ours, now=now), now=now),
    }
    return show(request, person, "roads", context, title=_("Roads board"))


def _asked(request: HttpRequest, person: Person) -> Asked:
    road, site = request.GET.get("road", ""), request.GET.get("site", "")
    return Asked(
        organisation_id=person.organisation_id,
        bare=_sees_all(person),
        road=road if road in {each.value for each in RoadKind} else "",
        site_id=int(site) if site.isascii() and site.isdecimal() and len(site) < 18 else None,
    )


def _ends(person: Person, asked: Asked) -> dict[str, object]:
    now = wiring.now()
    found = road_reads.ends(asked, now=now)
    risks = _risks(person)
    shown = road_reads.served(found[:ENDS_SHOWN_MAX], person.organisation_id, now=now)
    counts = {each.value: sum(end.state == each.value for end in found) for each in Standing}
    return {
        "ends": [replace(each, risk=risks.get(each.row.endpoint_id)) for each in shown],
        "full": len(found) > ENDS_SHOWN_MAX,
        "counts": counts,
        "ports": _ports(found),
    }


def _ports(found: list[EndTold]) -> list[dict[str, object]]:
    """Return by what the ends are carried: how many of them are there, and at which gateways."""
    ports: list[dict[str, object]] = []
    for bearer in Bearer:
        ends = [each for each in found if each.row.bearer == bearer.value]
        alive = [each for each in ends if each.state == Standing.ALIVE.value]
        if ends:
            contacts = [each.row.contact_at for each in ends if each.row.contact_at is not None]
            ports.append(
                {
                    "name": road_words.BEARERS[bearer.value],
                    "ends": len(ends),
                    "alive": len(alive),
                    "asleep": sum(each.state == Standing.ASLEEP.value for each in ends),
                    "gateways": sorted({each.row.gateway or "" for each in alive} - {""}),
                    "contact_at": max(contacts, default=None),
                }
            )
    return ports


def _risks(person: Person) -> dict[str, AtRisk]:
    """Return the money at risk by end, for who may see money."""
    if not any(person.may(right) for right in MONEY):
        return {}
    with walls.held(person.wall_of(*MONEY)):
        found = drift_reads.money_at_risk(person.organisation_id, now=wiring.now())
    return {each.endpoint_id: each for each in found}


def _buses(person: Person) -> list[tuple[str, LinePlan, list[object]]]:
    """Return what the entered lines are like, the fullest first."""

    def planned(store: PostgresStore) -> dict[str, LinePlan]:
        with store.transaction() as tx:
            ours = person.organisation_id
            ends = [end for end in tx.endpoints() if end.organisation_id == ours]
            meters = [meter for meter in tx.meters() if meter.organisation_id == ours]
        given = settings()
        return bus_planning.plan_entered(ends, meters, models=wiring.models(given), poll_s=given.poll_s)

    plans = work.run(planned)
    ordered = sorted(plans.items(), key=lambda each: (-each[1].load_percent, each[0]))
    return [(end, plan, [road_words.DOUBTS[doubt] for doubt in plan.doubts]) for end, plan in ordered]


def _sees_all(person: Person) -> bool:
    return person.may(Right.SEE, Place(organisation_id=person.organisation_id))


# One end.


@for_people
def page(request: HttpRequest, person: Person, endpoint_id: str) -> HttpResponse:
    """Show an end with its last hours as pictures, and the meters behind it with their ways."""
    return _show_end(request, person, _one(person, endpoint_id), {})


@require_POST
@for_people
def renew_key(request: HttpRequest, person: Person, endpoint_id: str) -> HttpResponse:
    """Take an end's key away, and show the next one, once."""
    end = _one(person, endpoint_id)
    if not _may_fit(person, end):
        raise PermissionDenied
    if not end.row.has_key or request.POST.get("generation") != str(end.row.key_generation):
        messages.error(request, _("Its key was renewed already, or it has none."))
        return redirect("road", endpoint_id)
    actor = people.actor(request, person, why=_why(request))
    bearer, address = Bearer(end.row.bearer), end.row.address
    try:
        renewed = work.run(lambda store: revoking.revoke(store, bearer, address, actor, now=wiring.now()))
    except (Refused, Unreachable) as error:
        messages.error(request, screens.told(error))
        return redirect("road", endpoint_id)
    key = road_keys.key_of(renewed, secret=settings().secret("roads")).hex()
    answer = _show_end(request, person, _one(person, endpoint_id), {"key": key})
    answer["Cache-Control"] = "no-store"
    return answer


@require_POST
@for_people
def settle_ways(request: HttpRequest, person: Person, meter_id: int) -> HttpResponse:
    """Put the ways of a meter in another order."""
    if not person.may(Right.COMMISSION):
        raise PermissionDenied
    meter = road_reads.meter(person.organisation_id, meter_id)
    if meter is None:
        raise Http404
    place = Place(
        organisation_id=person.organisation_id, site_id=meter.site_id, building=meter.building or None
    )
    if not person.may(Right.COMMISSION, place):
        raise PermissionDenied
    wish = WaysWish(
        organisation_id=person.organisation_id,
        meter_id=meter_id,
        endpoint_ids=tuple(way.strip() for way in request.POST.getlist("way")[: WAYS_MAX + 1] if way.strip()),
        act_id=act_id_of(request),
    )
    back = redirect("road", request.POST.get("endpoint_id") or "-")
    if histories.was_done(person.organisation_id, wish.act_id):
        return back
    actor, models = people.actor(request, person, why=_why(request)), wiring.models(settings())
    try:
        work.run(
            lambda store: rerouting.settle_ways(store, wish, models=models, actor=actor, now=wiring.now())
        )
        told = _("The ways to meter %(meter_no)s are settled.") % {"meter_no": meter.meter_no}
        messages.success(request, told)
    except WaysUnfit as unfit:
        messages.error(request, road_words.unfit_told(unfit))
    except (Refused, Unreachable) as error:
        messages.error(request, screens.told(error))
    return back


def _show_end(request: HttpRequest, person: Person, end: EndTold, more: dict[str, object]) -> HttpResponse:
    ours, now = person.organisation_id, wiring.now()
    endpoint_id = end.row.endpoint_id
    hours = road_reads.hours(ours, [endpoint_id], now=now)
    (served,) = road_reads.served([end], ours, now=now)
    asked = Asked(organisation_id=ours, bare=_sees_all(person))
    may_fit = _may_fit(person, end)
    context = {
        "end": replace(served, risk=_risks(person).get(endpoint_id)),
        "latency": road_pictures.latency(hours, now=now),
        "columns": road_pictures.conversations(hours, now=now),
        "meters": [(each, uuid4()) for each in road_reads.behind(ours, endpoint_id, now=now)],
        "may_fit": may_fit,
        "named": [each.row for each in road_reads.ends(asked, now=now)[:ENDS_NAMED_MAX]] if may_fit else [],
        **more,
    }
    return show(request, person, "road", context, title=endpoint_id)


def _one(person: Person, endpoint_id: str) -> EndTold:
    asked = Asked(
        organisation_id=person.organisation_id, bare=_sees_all(person), endpoint_id=endpoint_id[:200]
    )
    found = road_reads.ends(asked, now=wiring.now())
    if not found:
        raise Http404
    return found[0]


def _may_fit(person: Person, end: EndTold) -> bool:
    """Tell whether somebody may change what is at an end: in each of its sites, or everywhere.

    Sites are asked for past the wall: what an end brings elsewhere is changed with it.
    """
    ours = person.organisation_id
    asked = Asked(organisation_id=ours, bare=True, endpoint_id=end.row.endpoint_id)
    with walls.held(None):
        (whole,) = road_reads.ends(asked, now=wiring.now())
    places = [Place(organisation_id=ours, site_id=site_id) for site_id in whole.row.site_ids]
    return all(person.may(Right.COMMISSION, place) for place in places or [Place(organisation_id=ours)])


def _why(request: HttpRequest) -> str:
    return request.POST.get("why", "").strip()[:WHY_CHARACTERS_MAX]
