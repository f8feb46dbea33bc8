"""The tills of an organisation, and a form to add one."""

from uuid import uuid4

from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _

from compuerta.apps import wiring
from compuerta.apps.console import amounts, people, screens, till_reads, work
from compuerta.apps.console.people import Person, for_people
from compuerta.apps.console.screens import show
from compuerta.apps.console.views.meters import act_id_of
from compuerta.domain.access import Place, Right
from compuerta.domain.errors import Refused, Unreachable
from compuerta.services import shifts
from compuerta.services.shifts import TillNameUnfit, TillWish
from compuerta.services.store_port import Conflict


@for_people
def page(request: HttpRequest, person: Person) -> HttpResponse:
    """List the tills; add one when the form comes back."""
    if not person.may(Right.SUPERVISE):
        raise PermissionDenied
    if request.method != "POST":
        return _page(request, person)
    try:
        _add(request, person)
    except (Refused, Unreachable) as error:
        return _page(request, person, error=screens.told(error))
    return redirect("tills")


def _add(request: HttpRequest, person: Person) -> None:
    sites = {str(each.site_id): each for each in _sites(person)}
    site = sites.get(request.POST.get("site", ""))
    if site is None:
        raise Http404
    most = request.POST.get("drawer_max", "").strip()
    wish = TillWish(
        name=request.POST.get("name", "").strip(),
        organisation_id=person.organisation_id,
        site_id=site.site_id,
        for_all=request.POST.get("for_all") == "on",
        drawer_max_minor=amounts.typed(most, currency=site.currency) or None if most else None,
        live=site.live,
        suspense_token=uuid4(),
    )
    actor = people.actor(request, person, why="a new till")
    act_id, now = act_id_of(request), wiring.now()
    try:
        work.run(lambda store: shifts.found_till(store, wish, actor=actor, act_id=act_id, now=now))
    except Conflict:
        # Names are of the whole installation: another organisation's is not seen, and taken all the same.
        raise TillNameUnfit(wish.name) from None


def _sites(person: Person) -> list[till_reads.SiteRow]:
    return [
        each
        for each in till_reads.sites(person.organisation_id)
        if person.may(Right.SUPERVISE, Place(organisation_id=person.organisation_id, site_id=each.site_id))
    ]


def _page(request: HttpRequest, person: Person, *, error: str = "") -> HttpResponse:
    values = {
        "tills": till_reads.tills(person.organisation_id),
        "sites": _sites(person),
        "typed": {name: request.POST.get(name, "") for name in ("name", "drawer_max")},
        "act_id": uuid4(),
        "error": error,
    }
    return show(request, person, "tills", values, title=_("Tills"), status=422 if error else 200)
