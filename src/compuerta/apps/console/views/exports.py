"""Exports: the books of a month for other programs, under numbers, and what these say of them."""

from dataclasses import dataclass
from datetime import date, timedelta
from urllib.parse import urlencode
from uuid import uuid4

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST

from compuerta.adapters.books.writers import writer_of
from compuerta.adapters.postgres.store import PostgresStore
from compuerta.apps import wiring
from compuerta.apps.console import book_words, people, till_reads, work
from compuerta.apps.console.people import Person, for_people
from compuerta.apps.console.screens import show
from compuerta.apps.console.views.chart import keeps_books, told
from compuerta.apps.console.views.corrections import require_money
from compuerta.apps.console.views.meters import act_id_of
from compuerta.domain.access import Place, Right
from compuerta.domain.errors import Refused, Unreachable
from compuerta.services import acknowledging, exporting, statement_months
from compuerta.services.acknowledging import Acknowledgement, AnswerUnfit
from compuerta.services.bookkeeping import Wish
from compuerta.services.export_port import Answer, BookExport, Form, Part

SHOWN_MAX = 100
ANSWERS_BYTES_MAX = 5_000_000
_CHOSEN = ("month", "form", "part", "site", "currency")
_TYPES = {
    Form.XLSX: "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    Form.CSV: "text/csv; charset=utf-8",
    Form.HLEDGER: "text/plain; charset=utf-8",
    Form.BEANCOUNT: "text/plain; charset=utf-8",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Row:
    export: BookExport
    part: Promise
    form: Promise | str
    site: str
    taken: int
    refused: int
    may_answer: bool
    act_id: object

    @property
    def waiting(self) -> int:
        """How many vouchers the other books have said nothing of."""
        return self.export.vouchers - self.taken - self.refused


@for_people
def page(request: HttpRequest, person: Person) -> HttpResponse:
    """List the exports; make one when the form comes back."""
    require_money(person)
    if request.method != "POST":
        return _page(request, person)
    try:
        made = _make(request, person)
    except (Refused, Unreachable) as error:
        return _page(request, person, error=told(error))
    number = {"number": made.export.export_no}
    if made.is_new:
        messages.success(request, _("This is export %(number)s.") % number)
    else:
        messages.info(request, _("Nothing is other than before: it is export %(number)s already.") % number)
    # Whoever makes one makes the next of the same month: what was chosen stays chosen.
    chosen = urlencode({name: request.POST.get(name, "") for name in _CHOSEN})
    return redirect(f"{reverse('exports')}?{chosen}")


@never_cache
@for_people
def file(request: HttpRequest, person: Person, export_no: int) -> HttpResponse:
    """Give the file of an export, to the byte as it was made."""
    require_money(person)

    def read(store: PostgresStore) -> tuple[BookExport, bytes]:
        return exporting.content(store, organisation_id=person.organisation_id, export_no=export_no)

    try:
        export, content = work.run(read)
    except exporting.ExportUnknown:
        raise Http404 from None
    if not _may_see(person, export):
        raise PermissionDenied
    answer = HttpResponse(content, content_type=_TYPES[export.form])
    answer["Content-Disposition"] = f'attachment; filename="{exporting.name_of(export)}"'
    return answer


@require_POST
@for_people
def answers(request: HttpRequest, person: Person, export_no: int) -> HttpResponse:
    """Take back what the other books say of an export's vouchers."""
    if not keeps_books(person):
        raise PermissionDenied
    act_id, now = act_id_of(request), wiring.now()
    actor = people.actor(request, person, why="what the other books say")
    try:
        said = Acknowledgement(
            organisation_id=person.organisation_id, export_no=export_no, answers=_answers(request)
        )
        new = work.run(
            lambda store: acknowledging.acknowledge(store, said, actor=actor, act_id=act_id, now=now)
        )
    except (Refused, Unreachable) as error:
        return _page(request, person, error=told(error))
    messages.success(request, _("New answers: %(count)s.") % {"count": new})
    return redirect("exports")


def _make(request: HttpRequest, person: Person) -> exporting.Made:
    wish = _wish(request, person)
    actor = people.actor(request, person, why="from the screen")
    now = wiring.now()
    return work.run(
        lambda store: exporting.make(
            store, wish, writer=writer_of(wish.form), actor=actor, now=now, told=lambda done, of_all: None
        )
    )


def _wish(request: HttpRequest, person: Person) -> Wish:
    site = request.POST.get("site", "")
    sites = {str(each.site_id): each.site_id for each in till_reads.sites(person.organisation_id)}
    if site and site not in sites:
        raise Http404
    site_id = sites.get(site)
    if not keeps_books(person, site_id):
        raise PermissionDenied
    try:
        form, part = Form(request.POST.get("form", "")), Part(request.POST.get("part", ""))
        month = statement_months.parsed(request.POST.get("month", "")).first
    except (ValueError, statement_months.MonthMalformed):
        raise Http404 from None
    return Wish(
        organisation_id=person.organisation_id,
        form=form,
        part=part,
        month=month,
        site_id=site_id,
        currency=request.POST.get("currency", "") or None,
    )


def _answers(request: HttpRequest) -> tuple[Answer, ...]:
    upload = request.FILES.get("file")
    if upload is None or (upload.size or 0) > ANSWERS_BYTES_MAX:
        raise AnswerUnfit("the file", f"choose one of up to {ANSWERS_BYTES_MAX // 10**6} MB")
    try:
        return acknowledging.answers_in(upload.read().decode("utf-8-sig"))
    except UnicodeDecodeError:
        raise AnswerUnfit(upload.name or "", "it is not UTF-8") from None


def _may_see(person: Person, export: BookExport) -> bool:
    place = Place(organisation_id=person.organisation_id, site_id=export.site_id)
    return person.may(Right.SEE_MONEY, place) or person.may(Right.KEEP_BOOKS, place)


def _page(request: HttpRequest, person: Person, *, error: str = "") -> HttpResponse:
    def read(store: PostgresStore) -> tuple[list[BookExport], dict[int, tuple[int, int]]]:
        with store.transaction() as tx:
            house = person.organisation_id
            return tx.exports.exports(house), dict(tx.exports.answered(house))

    exports, answered = work.run(read)
    sites = till_reads.sites(person.organisation_id)
    names = {each.site_id: each.name for each in sites}
    now, chosen = wiring.now(), request.POST or request.GET
    values = {
        "rows": [
            _row(person, each, names, answered.get(each.export_no, (0, 0)))
            for each in reversed(exports[-SHOWN_MAX:])
            if _may_see(person, each)
        ],
        "broken": exporting.broken_at(exports),
        "sites": [each for each in sites if keeps_books(person, each.site_id)],
        "keeps_all": keeps_books(person),
        "may_act": person.may(Right.KEEP_BOOKS),
        "currencies": sorted({each.currency for each in sites}),
        "forms": [(form.value, word) for form, word in book_words.FORMS.items()],
        "parts": [(part.value, word) for part, word in book_words.PARTS.items()],
        "typed": {name: chosen.get(name, "") for name in _CHOSEN},
        "month": chosen.get("month", "") or f"{date(now.year, now.month, 1) - timedelta(days=1):%Y-%m}",
        "error": error,
    }
    return show(request, person, "exports", values, title=_("Exports"), status=422 if error else 200)


def _row(person: Person, export: BookExport, names: dict[int, str], answered: tuple[int, int]) -> _Row:
    return _Row(
        export=export,
        part=book_words.PARTS[export.part],
        form=book_words.FORMS[export.form],
        site=names.get(export.site_id or 0, ""),
        taken=answered[0],
        refused=answered[1],
        may_answer=bool(export.vouchers) and keeps_books(person),
        act_id=uuid4(),
    )
