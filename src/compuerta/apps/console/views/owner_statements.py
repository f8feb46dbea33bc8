"""Owners' statements: a month of a site, or of all sites, as a page and as files."""

from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache

from compuerta.apps import wiring
from compuerta.apps.console import account_reads, screens, sheets, statement_pages, use_reads, work
from compuerta.apps.console.account_reads import SiteRow
from compuerta.apps.console.people import Person, for_people
from compuerta.apps.console.screens import show
from compuerta.domain.access import Place, Right
from compuerta.domain.errors import Refused
from compuerta.services import owner_statements, statement_months
from compuerta.services.owner_sheet import AccountPath, owner_sheet
from compuerta.services.owner_statements import OwnerStatement
from compuerta.services.statement_months import Month


@never_cache
@for_people
def page(request: HttpRequest, person: Person) -> HttpResponse:
    """Show the month of a site that is asked for; without a site, that of all who have one currency."""
    if not person.may(Right.SEE_MONEY):
        raise PermissionDenied
    sites = [each for each in account_reads.sites(person.organisation_id) if _may(person, each)]
    chosen = _chosen(request, person, sites)
    zone = (chosen or sites[0]).zone if sites else "UTC"
    month = statement_pages.month_asked(request, zone=zone)
    context: dict[str, object] = {
        "sites": sites,
        "chosen": chosen,
        "may_all": _may_all(person, sites),
        "month": month,
        "month_before": month.before,
        "month_after": month.after if month < statement_months.running(wiring.now(), zone=zone) else None,
    }
    try:
        stated = _stated(person, chosen, month) if sites else None
    except Refused as refusal:
        context["error"] = screens.told(refusal)
        stated = None
    if stated is not None:
        sheet = owner_sheet(stated, language=use_reads.reader(), account_path=_path_of(month))
        if (file := statement_pages.file(request, sheet)) is not None:
            return file
        context |= sheets.shown(sheet)
    return show(request, person, "owner_statement", context, title=f"{_('Owner statement')} {month}")


def _may(person: Person, site: SiteRow) -> bool:
    return person.may(Right.SEE_MONEY, Place(organisation_id=person.organisation_id, site_id=site.site_id))


def _may_all(person: Person, sites: list[SiteRow]) -> bool:
    """Tell whether all sites can be stated together, for this person."""
    is_one = len({each.currency for each in sites}) == 1
    return (
        len(sites) > 1
        and is_one
        and person.may(Right.SEE_MONEY, Place(organisation_id=person.organisation_id))
    )


def _chosen(request: HttpRequest, person: Person, sites: list[SiteRow]) -> SiteRow | None:
    """Return the site that is asked for; None = all, for who may see all of them."""
    named = request.GET.get("site", "")
    if named:
        found = next((each for each in sites if str(each.site_id) == named), None)
        if found is None:
            raise Http404
        return found
    return None if not sites or _may_all(person, sites) else sites[0]


def _stated(person: Person, chosen: SiteRow | None, month: Month) -> OwnerStatement:
    now = wiring.now()
    if chosen is not None:
        site_id = chosen.site_id
        return work.run(lambda store: owner_statements.site_statement(store, site_id, month=month, now=now))
    return work.run(
        lambda store: owner_statements.organisation_statement(
            store, person.organisation_id, month=month, now=now
        )
    )


def _path_of(month: Month) -> AccountPath:
    return lambda account_id: f"{reverse('account_statement', args=[account_id])}?month={month}"
