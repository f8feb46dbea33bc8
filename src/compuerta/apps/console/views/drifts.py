"""Drifts: where books, meters and tariffs do not agree, and what silence costs."""

from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _

from compuerta.apps import walls, wiring
from compuerta.apps.console import drift_reads
from compuerta.apps.console.people import Person, for_people
from compuerta.apps.console.screens import show
from compuerta.apps.console.views.corrections import MONEY, require_money


@for_people
def listing(request: HttpRequest, person: Person) -> HttpResponse:
    """List the open differences with their figures, and the money at risk behind silent ends of roads."""
    require_money(person)
    with walls.held(person.wall_of(*MONEY)):
        context = {
            "drifts": drift_reads.drifts(person.organisation_id),
            "risks": drift_reads.money_at_risk(person.organisation_id, now=wiring.now()),
        }
    return show(request, person, "drifts", context, title=_("Drift"))
