"""The audit: who did what, why, from where, before and after; to read, to narrow, and to take away."""

import csv
import io
from datetime import UTC, datetime, timedelta

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.utils.http import urlencode
from django.utils.translation import gettext as _

from compuerta.apps.console import access_reads
from compuerta.apps.console.access_reads import AuditRow, AuditWish
from compuerta.apps.console.people import Person, for_people
from compuerta.apps.console.screens import show
from compuerta.domain.access import Right

WORDS_MAX = 100
COLUMNS = ("at", "who", "what", "subject", "place", "why", "origin", "before", "after")


@for_people
def page(request: HttpRequest, person: Person) -> HttpResponse:
    """Show the latest acts that match."""
    _require_auditor(person)
    found = access_reads.audit(person.organisation_id, _wish(request))
    choices = access_reads.audit_choices(person.organisation_id)
    values = {
        "acts": found,
        "full": len(found) == access_reads.AUDIT_SHOWN_MAX,
        "people": [each.value for each in choices if each.kind == "who"],
        "kinds": [each.value for each in choices if each.kind == "what"],
        "wish": {name: request.GET.get(name, "") for name in ("who", "what", "subject", "since", "until")},
        "query": urlencode(request.GET),
    }
    return show(request, person, "audit", values, title=_("Audit"))


@for_people
def file(request: HttpRequest, person: Person) -> HttpResponse:
    """Return the acts that match as CSV, for a spreadsheet or an archive."""
    _require_auditor(person)
    found = access_reads.audit(person.organisation_id, _wish(request), limit=access_reads.AUDIT_FILE_MAX)
    written = io.StringIO()
    table = csv.writer(written)
    table.writerow(COLUMNS)
    table.writerows([_cells(row) for row in found])
    # With a mark, so that spreadsheets read it as UTF-8.
    answer = HttpResponse("\ufeff" + written.getvalue(), content_type="text/csv; charset=utf-8")
    answer["Content-Disposition"] = 'attachment; filename="audit.csv"'
    return answer


def _cells(row: AuditRow) -> list[str]:
    told = [row.at.isoformat(), *(str(getattr(row, name) or "") for name in COLUMNS[1:])]
    # A cell that a spreadsheet would reckon with is shown to it as text.
    return [f"'{cell}" if cell[:1] in ("=", "+", "-", "@", "\t", "\r") else cell for cell in told]


def _require_auditor(person: Person) -> None:
    if not person.may(Right.AUDIT):
        raise PermissionDenied


def _wish(request: HttpRequest) -> AuditWish:
    words = {
        name: request.GET.get(name, "").replace("\x00", "").strip()[:WORDS_MAX]
        for name in ("who", "what", "subject")
    }
    until = _day(request.GET.get("until", ""))
    return AuditWish(
        **words,
        since=_day(request.GET.get("since", "")),
        until=None if until is None else until + timedelta(days=1),
    )


def _day(text: str) -> datetime | None:
    try:
        day = datetime.strptime(text[:10], "%Y-%m-%d").replace(tzinfo=UTC)
    except ValueError:
        return None
    return day if 1970 <= day.year < 9999 else None
