"""Cases: doubts that somebody takes upon themselves, and closes with what came of them."""

from uuid import UUID, uuid4

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from compuerta.apps import wiring
from compuerta.apps.console import correction_reads, histories, people, screens, work
from compuerta.apps.console.people import Person, for_people
from compuerta.apps.console.screens import show
from compuerta.apps.console.views.corrections import WHY_MAX, require_money
from compuerta.apps.console.views.meters import act_id_of
from compuerta.domain.access import Right
from compuerta.domain.errors import Refused, Unreachable
from compuerta.services import casework


@for_people
def listing(request: HttpRequest, person: Person) -> HttpResponse:
    """List what waits for somebody, or what was closed last."""
    require_money(person)
    closed = request.GET.get("state") == "closed"
    context = {
        "cases": [(each, uuid4()) for each in correction_reads.cases(person.organisation_id, closed=closed)],
        "closed": closed,
        "may_act": person.may(Right.CORRECT),
    }
    return show(request, person, "cases", context, title=_("Cases"))


@require_POST
@for_people
def act(request: HttpRequest, person: Person, account_id: int, case_id: UUID, verb: str) -> HttpResponse:
    """Take a case, or close it with what came of it."""
    if verb not in ("take", "close"):
        raise Http404
    if not person.may(Right.CORRECT):
        raise PermissionDenied
    act_id = act_id_of(request)
    actor = people.actor(request, person, why=request.POST.get("why", "").strip()[:WHY_MAX])
    done = casework.take if verb == "take" else casework.close
    try:
        if not histories.was_done(person.organisation_id, act_id):
            work.run(
                lambda store: done(store, account_id, case_id, actor=actor, act_id=act_id, now=wiring.now())
            )
    except (Refused, Unreachable) as error:
        messages.error(request, screens.told(error))
    return redirect("cases")
