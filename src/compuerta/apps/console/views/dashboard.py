"""The overview: who is off and why, how fast money becomes power, what waits for a person."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _

from compuerta.apps import wiring
from compuerta.apps.console import figures, reads, road_reads
from compuerta.apps.console.people import Person, for_people
from compuerta.apps.console.road_reads import Asked
from compuerta.apps.console.screens import show
from compuerta.domain.access import Right


@for_people
def page(request: HttpRequest, person: Person) -> HttpResponse:
    """Show the overview."""
    return show(request, person, "dashboard", _panels(person), title=_("Overview"))


@for_people
def live(request: HttpRequest, person: Person) -> HttpResponse:
    """Show the panels alone: the page asks for them every few seconds."""
    return render(request, "console/_dashboard.html", {"person": person, **_panels(person)})


def _panels(person: Person) -> dict[str, object]:
    now, organisation_id = wiring.now(), person.organisation_id
    ends = road_reads.ends(Asked(organisation_id=organisation_id, bare=True), now=now)
    cases = reads.cases_open(organisation_id)
    alarms = reads.alarms_open() if person.operates else []
    return {
        "totals": reads.totals(organisation_id, now=now),
        "off": reads.meters_off(organisation_id, now=now),
        "low": reads.meters_low(organisation_id, now=now),
        "paces": reads.paces(organisation_id, now=now),
        "chart": figures.pace_chart(reads.lit(organisation_id, now=now), now=now),
        "ends": ends[: reads.PANEL_ROWS_MAX],
        "ends_alive": sum(1 for end in ends if end.is_well),
        "ends_all": len(ends),
        "instructions": reads.instructions_open(organisation_id),
        "cases": cases,
        "alarms": alarms,
        "waiting": len(cases) + len(alarms),
        "sees_money": person.may(Right.SEE_MONEY),  # sums of all; what one account has is everybody's work
    }
