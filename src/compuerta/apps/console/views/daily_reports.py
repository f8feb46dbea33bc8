"""Daily reports: the days of each site, a day's report as page and as files, and who is sent them."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from uuid import UUID, uuid4

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from compuerta.apps import report_files, wiring
from compuerta.apps.console import alarm_reads, histories, labels, people, screens, sheets, use_reads, work
from compuerta.apps.console.alarm_reads import SiteRow
from compuerta.apps.console.people import Person, for_people
from compuerta.apps.console.screens import show
from compuerta.apps.console.views.meters import act_id_of
from compuerta.apps.monthly_cli import Form
from compuerta.domain.access import Place, Right
from compuerta.domain.address import AddressFaulty
from compuerta.domain.contact import Channel, Language
from compuerta.domain.errors import Refused, Unreachable
from compuerta.domain.party import zone_of
from compuerta.services import report_sheet, reporting, subscribing
from compuerta.services.daily_report import DailyReport
from compuerta.services.freeze_port import DayKey
from compuerta.services.message_port import Contact
from compuerta.services.reporting import ReportUnknown
from compuerta.services.subscribing import Subscription

DAYS_LISTED = 31
SITES_LISTED = 30
VERSION_MAX = 10**6
# A text has room for a day's figures; an app of residents and a service account are not where staff look.
CHANNELS = (Channel.EMAIL, Channel.SMS, Channel.APPRISE)


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteDays:
    """A site with the reports of its last days, the latest first."""

    site: SiteRow
    reports: Sequence[DailyReport]


@for_people
def listing(request: HttpRequest, person: Person) -> HttpResponse:
    """List the last days of each site that somebody may see the money of, or go to the day that is chosen."""
    _require_money(person)
    site, day = request.GET.get("site", ""), request.GET.get("day", "")
    if re.fullmatch(r"[0-9]{1,9} [0-9]{4}-[0-9]{2}-[0-9]{2}", f"{site} {day}"):
        return redirect("daily_report", site, day)
    return _listing(request, person)


@for_people
def page(request: HttpRequest, person: Person, site_id: int, day: str) -> HttpResponse:
    """Show a day's report."""
    key = _key(person, site_id, day)
    version = _version(request)
    try:
        report = work.run(lambda store: reporting.report(store, key, version=version))
    except ReportUnknown as unknown:
        nothing = {"day": key.day, "known": unknown.known, "site_id": site_id}
        return show(request, person, "daily_report_none", nothing, title=_("Daily report"), status=404)
    sheet = report_sheet.sheet_of(report, _before(key), language=use_reads.reader(), word=labels.word)
    last = work.run(lambda store: reporting.report(store, key)).version
    context = {
        **sheets.shown(sheet),
        "report": report,
        "versions": range(1, last + 1),
        "forms": [each.value for each in Form],
        "day_before": report.date - timedelta(days=1),
        "day_after": report.date + timedelta(days=1),
        "is_last": report.date >= wiring.now().astimezone(zone_of(report.zone)).date() - timedelta(days=1),
    }
    return show(request, person, "daily_report", context, title=_("Daily report"))


@for_people
def file(request: HttpRequest, person: Person, site_id: int, day: str, form: str) -> HttpResponse:
    """Give a day's report as a file, in the reader's language."""
    key, version = _key(person, site_id, day), _version(request)
    try:
        wanted = Form(form)
        report = work.run(lambda store: reporting.report(store, key, version=version))
    except (ValueError, ReportUnknown):
        raise Http404 from None
    written = report_files.written(
        report, _before(key), form=wanted, language=use_reads.reader(), word=labels.word
    )
    response = HttpResponse(written, content_type=report_files.CONTENT_TYPES[wanted])
    response["Content-Disposition"] = f'attachment; filename="{report_files.name_of(report, wanted)}"'
    return response


@require_POST
@for_people
def subscribe(request: HttpRequest, person: Person) -> HttpResponse:
    """Send daily reports to somebody who asks for them."""
    _require_money(person)
    post = request.POST
    try:
        wish = Subscription(
            contact_id=act_id_of(request),
            organisation_id=person.organisation_id,
            user_name=person.name,
            channel=Channel(post.get("channel", "")),
            address=post.get("address", ""),
            language=Language(post.get("language", "")),
        )
    except ValueError:
        raise Http404 from None
    if wish.channel not in CHANNELS:
        raise Http404
    actor = people.actor(request, person, why="wants daily reports")
    try:
        work.run(lambda store: subscribing.subscribe(store, wish, actor=actor, now=wiring.now()))
    except AddressFaulty:
        reason = _("Reports cannot be sent to this address. Look at how it is written.")
        return _listing(request, person, error=reason)
    except (Refused, Unreachable) as error:
        return _listing(request, person, error=screens.told(error))
    messages.success(request, _("Written down. The next report comes at the settled hour."))
    return redirect("daily_reports")


@require_POST
@for_people
def end(request: HttpRequest, person: Person, contact_id: UUID) -> HttpResponse:
    """Send somebody no more reports there."""
    _require_money(person)
    own = {each.contact_id: each for each in _subscriptions(person)}
    act_id = act_id_of(request)
    if contact_id not in own and not histories.was_done(person.organisation_id, act_id):
        raise Http404
    actor = people.actor(request, person, why="wants no more daily reports")
    if contact_id in own:
        contact = own[contact_id]
        work.run(lambda store: subscribing.end(store, contact, actor=actor, act_id=act_id, now=wiring.now()))
    return redirect("daily_reports")


def _listing(request: HttpRequest, person: Person, *, error: str = "") -> HttpResponse:
    sites = [each for each in alarm_reads.sites(person.organisation_id) if _may(person, each.site_id)]
    listed = [_site_days(each) for each in sites[:SITES_LISTED]]
    context = {
        "sites": [each for each in listed if each.reports],
        "subscriptions": [(each, uuid4()) for each in _subscriptions(person)],
        "channels": [each.value for each in CHANNELS],
        "all_languages": [each.value for each in Language],
        "language": use_reads.reader().value,
        "typed": request.POST,
        "act_id": uuid4(),
        "error": error,
    }
    return show(
        request, person, "daily_reports", context, title=_("Daily reports"), status=422 if error else 200
    )


def _site_days(site: SiteRow) -> SiteDays:
    today = wiring.now().astimezone(zone_of(site.zone)).date()
    known = work.run(
        lambda store: reporting.days_before(store, DayKey(site.site_id, today), days=DAYS_LISTED)
    )
    return SiteDays(site=site, reports=known[::-1])


def _subscriptions(person: Person) -> list[Contact]:
    return work.run(
        lambda store: subscribing.subscriptions(
            store, organisation_id=person.organisation_id, user_name=person.name
        )
    )


def _before(key: DayKey) -> list[DailyReport]:
    return work.run(lambda store: reporting.days_before(store, key, days=report_sheet.DAYS_DRAWN))


def _require_money(person: Person) -> None:
    if not person.may(Right.SEE_MONEY):
        raise PermissionDenied


def _may(person: Person, site_id: int) -> bool:
    return person.may(Right.SEE_MONEY, Place(organisation_id=person.organisation_id, site_id=site_id))


def _key(person: Person, site_id: int, day: str) -> DayKey:
    """Name a day of a site of this person's own house; another's is not there."""
    _require_money(person)
    if site_id not in {each.site_id for each in alarm_reads.sites(person.organisation_id)}:
        raise Http404
    if not _may(person, site_id):
        raise PermissionDenied
    try:
        return DayKey(site_id, date.fromisoformat(day))
    except ValueError:
        raise Http404 from None


def _version(request: HttpRequest) -> int | None:
    text = request.GET.get("version", "")
    if not text:
        return None
    if not text.isascii() or not text.isdigit() or len(text) > 9 or not 0 < int(text) <= VERSION_MAX:
        raise Http404
    return int(text)
