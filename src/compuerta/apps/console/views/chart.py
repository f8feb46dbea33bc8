"""The chart of accounts, and the columns of vouchers: an accountant's own, for the whole organisation."""

from dataclasses import dataclass, replace
from uuid import uuid4

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from compuerta.adapters.postgres.store import PostgresStore
from compuerta.apps import wiring
from compuerta.apps.console import book_words, people, screens, work
from compuerta.apps.console.people import Person, for_people
from compuerta.apps.console.screens import show
from compuerta.apps.console.views.corrections import require_money
from compuerta.apps.console.views.meters import act_id_of
from compuerta.domain import ledger
from compuerta.domain.access import Place, Right
from compuerta.domain.chart import CLASSES, PRESETS, Chart, ChartRow, class_of
from compuerta.domain.errors import Refused, Unreachable
from compuerta.domain.voucher import COLUMNS_MAX, LAYOUTS, SUMMARY_MAX, TITLE_MAX, Field, Layout
from compuerta.services import charting

COLUMNS_SPARE = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class _Row:
    key: str
    word: Promise | str
    kind: Promise
    number: str
    name: str


@for_people
def page(request: HttpRequest, person: Person) -> HttpResponse:
    """Show the chart and the columns; make a chart the organisation's own when the form comes back."""
    require_money(person)
    if request.method != "POST":
        return _page(request, person)
    _require_keeper(person)
    act_id, now = act_id_of(request), wiring.now()
    actor = people.actor(request, person, why="the chart of accounts")

    def save(store: PostgresStore) -> int:
        with store.transaction() as tx:
            keys = _keys(
                tx.exports.providers(person.organisation_id), charting.chart_of(tx, person.organisation_id)
            )
        rows = [_typed(request, key) for key in keys if f"number {key}" in request.POST]
        another = request.POST.get("another", "").strip()
        if another:
            rows.append(replace(_typed(request, ""), key=another))
        return charting.save_chart(
            store, rows, organisation_id=person.organisation_id, actor=actor, act_id=act_id, now=now
        )

    try:
        changed = work.run(save)
    except (Refused, Unreachable) as error:
        return _page(request, person, error=told(error))
    messages.success(
        request, _("Saved. The next export tells the new accounts: %(count)s.") % {"count": changed}
    )
    return redirect("chart")


@require_POST
@for_people
def columns(request: HttpRequest, person: Person) -> HttpResponse:
    """Make columns the organisation's own."""
    _require_keeper(person)
    act_id, now = act_id_of(request), wiring.now()
    actor = people.actor(request, person, why="the columns of vouchers")
    try:
        layout = _layout(request)
        work.run(
            lambda store: charting.save_layout(
                store, layout, organisation_id=person.organisation_id, actor=actor, act_id=act_id, now=now
            )
        )
    except (Refused, Unreachable) as error:
        return _page(request, person, error=told(error))
    messages.success(request, _("Saved. The next vouchers have these columns."))
    return redirect("chart")


def told(error: Refused | Unreachable) -> str:
    """Say what was refused, and what it is about."""
    return f"{screens.told(error)} {book_words.facts_of(error)}".rstrip()


def keeps_books(person: Person, site_id: int | None = None) -> bool:
    """Tell whether somebody keeps the books of a site, or of all."""
    return person.may(Right.KEEP_BOOKS, Place(organisation_id=person.organisation_id, site_id=site_id))


def _require_keeper(person: Person) -> None:
    if not keeps_books(person):
        raise PermissionDenied


def _keys(providers: dict[str, str], chart: Chart) -> list[str]:
    own = [ledger.cash(each) for each in providers]
    return [*CLASSES, *own, *sorted(chart.keys() - CLASSES.keys() - set(own))]


def _typed(request: HttpRequest, key: str) -> ChartRow:
    number, name = (request.POST.get(f"{what} {key}", "").strip() for what in ("number", "name"))
    return ChartRow(key=key, number=number, name=name if number else "")


def _layout(request: HttpRequest) -> Layout:
    titles, fields = request.POST.getlist("title")[:COLUMNS_MAX], request.POST.getlist("field")
    known = {each.value: each for each in Field}
    return Layout(
        name=charting.OWN,
        columns=tuple(
            (title.strip(), known.get(field, Field.EMPTY))
            for title, field in zip(titles, fields, strict=False)
            if title.strip()
        ),
        summary=request.POST.get("summary", "").strip()[:SUMMARY_MAX],
        word=request.POST.get("word", "").strip()[:TITLE_MAX],
    )


def _page(request: HttpRequest, person: Person, *, error: str = "") -> HttpResponse:
    def read(store: PostgresStore) -> tuple[Chart, Layout, dict[str, str]]:
        with store.transaction() as tx:
            house = person.organisation_id
            return (
                charting.chart_of(tx, house),
                charting.layout_of(tx, house, None),
                tx.exports.providers(house),
            )

    chart, layout, providers = work.run(read)
    shown = PRESETS.get(request.GET.get("preset", ""), chart)
    layout = LAYOUTS.get(request.GET.get("layout", ""), layout)
    is_typed = bool(error) and "title" not in request.POST
    if error and not is_typed:
        layout = replace(_layout(request), name=layout.name)
    rows = [_row(request, key, shown, is_typed=is_typed) for key in _keys(providers, chart)]
    values = {
        "rows": rows[: len(CLASSES)],
        "provider_rows": rows[len(CLASSES) :],
        "presets": [("china", _("China")), ("international", _("International"))],
        "layouts": LAYOUTS,
        "layout": layout,
        "columns": [*layout.columns, *[("", Field.EMPTY)] * COLUMNS_SPARE],
        "fields": book_words.FIELDS.items(),
        "may_act": keeps_books(person),
        "is_preset": "preset" in request.GET,
        "another": request.POST.get("another", ""),
        "act_ids": [uuid4(), uuid4()],
        "error": error,
    }
    return show(request, person, "chart", values, title=_("Chart of accounts"), status=422 if error else 200)


def _row(request: HttpRequest, key: str, chart: Chart, *, is_typed: bool) -> _Row:
    row = _typed(request, key) if is_typed else chart.get(key, ChartRow(key=key, number="", name=""))
    return _Row(
        key=key,
        word=book_words.CODES.get(key, key.removeprefix(ledger.cash(""))),
        kind=book_words.CLASSES[class_of(key)],
        number=row.number,
        name=row.name,
    )
