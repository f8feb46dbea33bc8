"""Months of the books: what has to be finished in each, closing it for good; and the sealed journal."""

from dataclasses import dataclass
from datetime import date
from itertools import groupby
from uuid import uuid4

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from compuerta.adapters.postgres.store import PostgresStore
from compuerta.apps import wiring
from compuerta.apps.console import book_words, month_reads, month_words, people, screens, work
from compuerta.apps.console.month_words import CheckWords
from compuerta.apps.console.people import Person, for_people
from compuerta.apps.console.screens import show
from compuerta.apps.console.templatetags.console import provider
from compuerta.apps.console.views.corrections import WHY_MAX, require_money
from compuerta.apps.console.views.meters import act_id_of
from compuerta.domain.access import Place, Right
from compuerta.domain.errors import Refused, Unreachable
from compuerta.services import month_close, statement_months
from compuerta.services.acting import Act, ReasonMissing
from compuerta.services.month_close import BLOCKING, Checklist, Closing
from compuerta.services.period_port import Check, MonthClose


@dataclass(frozen=True, slots=True, kw_only=True)
class _Row:
    month: date
    close: MonthClose | None
    is_next: bool  # it is the one that can be closed, when it is over


@dataclass(frozen=True, slots=True, kw_only=True)
class _Item:
    words: CheckWords
    number: int
    blocks: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class _Total:
    name: str
    currency: str
    debit_minor: int
    credit_minor: int


@for_people
def listing(request: HttpRequest, person: Person) -> HttpResponse:
    """List the months, closed and open."""
    _require_all_books(person)
    months, closes = _months(person)
    context = {
        "rows": [
            _Row(
                month=each,
                close=month_close.taken_in_by(each, closes.values()),
                is_next=each == _next(months, closes),
            )
            for each in months
        ],
    }
    return show(request, person, "months", context, title=_("Months"))


@for_people
def page(request: HttpRequest, person: Person, month: str) -> HttpResponse:
    """Show a month: what has to be finished, or what it was closed with."""
    _require_all_books(person)
    asked, months, closes = _month(person, month)
    taken = month_close.taken_in_by(asked, closes.values())
    if taken is not None and taken.month != asked:
        return redirect("month", f"{taken.month:%Y-%m}")
    looked = None if asked in closes else _looked(person, asked)
    # The first close may be of any month: it takes in all before it.
    is_next = not closes or asked == _next(months, closes)
    closable = looked is not None and looked.closable_at is not None and looked.closable_at <= wiring.now()
    context = {
        "month": asked,
        "close": closes.get(asked),
        "named": _named(closes.get(asked)),
        "totals": _totals(closes.get(asked)),
        "items": _items(looked),
        "closable_at": None if looked is None else looked.closable_at,
        "is_over": closable,
        "is_next": is_next,
        "may_close": _may_close(person),
        "can_close": is_next and closable and looked is not None and not looked.blocking,
        "needs_word": looked is not None and bool(looked.to_name),
        "act_id": uuid4(),
    }
    return show(request, person, "month", context, title=f"{asked:%Y-%m}")


@require_POST
@for_people
def close(request: HttpRequest, person: Person, month: str) -> HttpResponse:
    """Close a month for good."""
    if not _may_close(person):
        raise PermissionDenied
    asked, _all, _closes = _month(person, month)
    if not request.POST.get("sure"):
        messages.error(request, _("Say that you are sure: a closed month is never opened again."))
        return redirect("month", month)
    actor = people.actor(request, person, why=request.POST.get("why", "").strip()[:WHY_MAX])
    closing = Closing(organisation_id=person.organisation_id, month=asked)
    act = Act(act_id=act_id_of(request), what="close a month")

    def closed(store: PostgresStore) -> MonthClose:
        return month_close.close_month(store, closing, actor=actor, act=act, now=wiring.now())

    try:
        work.run(closed)
    except ReasonMissing:
        messages.error(request, _("Say why the month is closed though something is not as it should be."))
    except (Refused, Unreachable) as error:
        messages.error(request, screens.told(error))
    else:
        messages.success(request, _("The month is closed."))
    return redirect("month", month)


@for_people
def journal(request: HttpRequest, person: Person) -> HttpResponse:
    """Show the anchors of each site's journal, and when it was verified."""
    require_money(person)
    checks = month_reads.checks(person.organisation_id)
    every = sorted(
        month_reads.anchors(person.organisation_id),
        key=lambda each: (each.site_name, each.site_id, -each.anchor_no),
    )
    sites = [
        (site_id, name, checks.get(site_id), list(anchors))
        for (site_id, name), anchors in groupby(every, key=lambda each: (each.site_id, each.site_name))
    ]
    return show(request, person, "anchors", {"sites": sites}, title=_("Sealed journal"))


def _require_all_books(person: Person) -> None:
    """Refuse who sees only a part: a month is closed for all sites together."""
    if not person.may(Right.SEE_MONEY, Place(organisation_id=person.organisation_id)):
        raise PermissionDenied


def _may_close(person: Person) -> bool:
    return person.may(Right.CLOSE_MONTH, Place(organisation_id=person.organisation_id))


def _months(person: Person) -> tuple[list[date], dict[date, MonthClose]]:
    def read(store: PostgresStore) -> tuple[list[date], list[MonthClose]]:
        with store.transaction() as tx:
            months = month_close.months(tx, person.organisation_id, now=wiring.now())
            return months, tx.periods.closes(person.organisation_id)

    months, closes = work.run(read)
    return months, {each.month: each for each in closes}


def _month(person: Person, month: str) -> tuple[date, list[date], dict[date, MonthClose]]:
    months, closes = _months(person)
    try:
        asked = statement_months.parsed(month).first
    except statement_months.MonthMalformed:
        raise Http404 from None
    if asked not in months:
        raise Http404
    return asked, months, closes


def _next(months: list[date], closes: dict[date, MonthClose]) -> date | None:
    """Return the month that is closed next: any before the first close, which takes in all before it."""
    still = [each for each in months if not closes or each > max(closes)]
    return min(still, default=None)


def _looked(person: Person, month: date) -> Checklist:
    def read(store: PostgresStore) -> Checklist:
        with store.transaction() as tx:
            return month_close.checklist(tx, person.organisation_id, month)

    return work.run(read)


def _items(looked: Checklist | None) -> list[_Item]:
    counted = {} if looked is None else looked.counted
    return [
        _Item(words=month_words.CHECKS[check], number=number, blocks=check in BLOCKING)
        for check, number in counted.items()
    ]


def _totals(close: MonthClose | None) -> list[_Total]:
    return [
        _Total(
            name=str(book_words.CODES.get(each.code) or _cash(each.code)),
            currency=each.currency,
            debit_minor=max(each.amount_minor, 0),
            credit_minor=max(-each.amount_minor, 0),
        )
        for each in (() if close is None else close.totals)
        if each.amount_minor
    ]


def _cash(code: str) -> str:
    return provider(code.partition(":")[2] or code)


def _named(close: MonthClose | None) -> list[tuple[CheckWords, int]]:
    named = {} if close is None else close.named
    return [(month_words.CHECKS[Check(name)], number) for name, number in named.items()]
