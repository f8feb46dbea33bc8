"""Statements: providers' bills, how they agree with our books, and what somebody makes of what does not."""

from datetime import date
from uuid import uuid4

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from compuerta.adapters.postgres.store import PostgresStore
from compuerta.apps import wiring
from compuerta.apps.console import histories, people, screens, statement_reads, statement_words, work
from compuerta.apps.console.people import Person, for_people
from compuerta.apps.console.screens import show
from compuerta.apps.console.views.corrections import WHY_MAX, require_all_money
from compuerta.apps.console.views.meters import act_id_of
from compuerta.domain.access import Place, Right
from compuerta.domain.errors import Refused, Unreachable
from compuerta.services import agreeing, statement_days
from compuerta.services.agreeing import Outcome
from compuerta.services.payment_ports import StatementKind
from compuerta.services.statement_port import StatementKey


@for_people
def listing(request: HttpRequest, person: Person) -> HttpResponse:
    """List the bills of the last days, and what of them is open."""
    require_all_money(person)
    context = {
        "bills": [(each, uuid4()) for each in statement_reads.bills(person.organisation_id)],
        "open": [
            (each, uuid4()) for each in statement_reads.differences(person.organisation_id, ended=False)
        ],
        "ended": statement_reads.differences(person.organisation_id, ended=True),
        "choices": statement_words.CHOICES.items(),
        "may_act": _may_act(person),
    }
    return show(request, person, "statements", context, title=_("Statements"))


@require_POST
@for_people
def fetch(request: HttpRequest, person: Person, provider: str, day: str) -> HttpResponse:
    """Let a bill be fetched again."""
    key = _key(request, person, provider, day)
    actor = people.actor(request, person, why=_("fetched again from the screen"))
    act_id = act_id_of(request)

    def again(store: PostgresStore) -> None:
        statement_days.fetch_again(store, key, actor=actor, act_id=act_id, now=wiring.now())

    try:
        if not histories.was_done(person.organisation_id, act_id):
            work.run(again)
    except (Refused, Unreachable) as error:
        messages.error(request, screens.told(error))
        return redirect("statements")
    messages.success(request, _("It is fetched within a minute."))
    return redirect("statements")


@require_POST
@for_people
def end(request: HttpRequest, person: Person, provider: str, day: str, difference_no: int) -> HttpResponse:
    """End a difference with what came of it, and why."""
    key = _key(request, person, provider, day)
    try:
        outcome = Outcome(request.POST.get("outcome", ""))
    except ValueError:
        raise Http404 from None
    actor = people.actor(request, person, why=request.POST.get("why", "").strip()[:WHY_MAX])
    act_id = act_id_of(request)

    def ended(store: PostgresStore) -> None:
        agreeing.end(store, key, difference_no, outcome, actor=actor, act_id=act_id, now=wiring.now())

    try:
        if not histories.was_done(person.organisation_id, act_id):
            work.run(ended)
    except (Refused, Unreachable) as error:
        messages.error(request, screens.told(error))
    return redirect("statements")


def _key(request: HttpRequest, person: Person, provider: str, day: str) -> StatementKey:
    """Name a bill of this person's own house; another's is not there."""
    if not _may_act(person):
        raise PermissionDenied
    try:
        key = StatementKey(provider, date.fromisoformat(day), StatementKind(request.POST.get("kind", "")))
    except ValueError:
        raise Http404 from None
    if not statement_reads.is_theirs(person.organisation_id, provider):
        raise Http404
    return key


def _may_act(person: Person) -> bool:
    return person.may(Right.CORRECT, Place(organisation_id=person.organisation_id))
