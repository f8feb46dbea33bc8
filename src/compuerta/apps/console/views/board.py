"""The floor board: a site in one look, tile by tile."""

from collections import Counter

from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _

from compuerta.apps import wiring
from compuerta.apps.console import board_reads
from compuerta.apps.console.board_reads import STATES, SiteRow
from compuerta.apps.console.people import Person, for_people
from compuerta.apps.console.screens import show
from compuerta.domain.access import Place, Right


@for_people
def page(request: HttpRequest, person: Person) -> HttpResponse:
    """Show a site's units with their supply, or the tiles alone where the page asks for them anew."""
    sites = _sites(person)
    site = _chosen(sites, request.GET.get("site", ""))
    context = {"sites": sites, "site": site, **_tiles(request, person, site)}
    if request.headers.get("HX-Request"):
        return render(request, "console/_board.html", context)
    return show(request, person, "board", context, title=_("Floor board"))


def _sites(person: Person) -> list[SiteRow]:
    """Return the sites in which somebody may see anything."""
    if not person.may(Right.SEE):
        raise PermissionDenied
    return [
        site
        for site in board_reads.sites(person.organisation_id)
        if any(Right.SEE in held and scope.site_id in (None, site.site_id) for scope, held in person.rights)
    ]


def _chosen(sites: list[SiteRow], asked: str) -> SiteRow | None:
    if not asked:
        return sites[0] if sites else None
    found = [site for site in sites if str(site.site_id) == asked]
    if not found:
        raise Http404
    return found[0]


def _tiles(request: HttpRequest, person: Person, site: SiteRow | None) -> dict[str, object]:
    if site is None:
        return {}
    organisation_id = person.organisation_id
    seen = [
        unit
        for unit in board_reads.units(organisation_id, site.site_id, now=wiring.now())
        if person.may(Right.SEE, board_reads.place_of(unit, organisation_id))
    ]
    counts = Counter(unit.state for unit in seen)
    shown = request.GET.get("state", "")
    return {
        "buildings": board_reads.buildings(seen),
        "legend": [(state, name, counts[state]) for state, name in STATES.items()],
        "alarms": sum(unit.alarm is not None for unit in seen),
        "state": shown if shown in STATES or shown == "alarm" else "",
        "all": len(seen),
        "full": len(seen) == board_reads.UNITS_SHOWN_MAX,
        "may_act": person.may(Right.PROPOSE_MASS, Place(organisation_id=organisation_id)),
    }
