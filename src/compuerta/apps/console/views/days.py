"""Days: how whole the days of each site are, and who is missing of one, and why."""

from collections import defaultdict
from datetime import date
from itertools import groupby

from django.http import Http404, HttpRequest, HttpResponse
from django.utils.translation import gettext as _

from compuerta.apps.console import day_reads
from compuerta.apps.console.day_reads import VersionRow
from compuerta.apps.console.people import Person, for_people
from compuerta.apps.console.screens import show
from compuerta.domain.access import Place, Right
from compuerta.services.freeze_port import DayKey, DayStep


@for_people
def listing(request: HttpRequest, person: Person) -> HttpResponse:
    """List the last days of each site."""
    found = groupby(day_reads.days(person.organisation_id), key=lambda each: (each.site_id, each.site))
    sites = [(site, list(days)) for (_site_id, site), days in found]
    return show(request, person, "days", {"sites": sites}, title=_("Days"))


@for_people
def page(request: HttpRequest, person: Person, site_id: int, day: str) -> HttpResponse:
    """Show a day of a site: who is held, missing or supposed, and what was known before."""
    try:
        key = DayKey(site_id, date.fromisoformat(day))
    except ValueError:
        raise Http404 from None
    found = day_reads.one(person.organisation_id, key)
    if found is None:
        raise Http404
    freezes = day_reads.freezes(person.organisation_id, key)
    before: dict[int, list[VersionRow]] = defaultdict(list)
    for each in day_reads.versions(person.organisation_id, key):
        before[each.meter_id].append(each)
    place = Place(organisation_id=person.organisation_id, site_id=site_id)
    context = {
        "day": found,
        "is_closed": found.step == DayStep.DONE.value,
        "lacking": [(each, before[each.meter_id]) for each in freezes if not each.is_valid],
        "known": [(each, before[each.meter_id]) for each in freezes if each.is_valid],
        "more": max(found.meters - len(freezes), 0),
        "sees_money": person.may(Right.SEE_MONEY, place),
    }
    return show(request, person, "day", context, title=_("Days"))
