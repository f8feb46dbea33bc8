"""Scopes of a policy on screens: which one a page speaks of, what holds above it, and how it is settled."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from django.http import Http404, HttpRequest, QueryDict

from compuerta.apps import wiring
from compuerta.apps.config import settings
from compuerta.apps.console import histories, people, warning_reads, work
from compuerta.apps.console.people import Person
from compuerta.apps.console.views.meters import act_id_of
from compuerta.apps.console.warning_reads import Scope
from compuerta.domain.access import Place
from compuerta.domain.policy import Json
from compuerta.services import settling


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """What one scope has settled, by its name."""

    name: str
    document: Mapping[str, Json]


def named(request: HttpRequest, person: Person) -> Scope:
    """Return the scope that a request names; one of another organisation is not there."""
    asked: QueryDict = request.POST if request.method == "POST" else request.GET
    kind, text = asked.get("scope", "organisation"), asked.get("id", "")
    if kind == "account":
        account = warning_reads.account_scope(person.organisation_id, int(text)) if text.isdecimal() else None
        if account is None:
            raise Http404
        return account
    for each in warning_reads.scopes(person.organisation_id):
        if each.scope == kind and (text == str(each.scope_id) or (kind == "organisation" and not text)):
            return each
    raise Http404


def place_of(person: Person, scope: Scope) -> Place:
    """Return where a scope's rights are asked for."""
    return Place(organisation_id=person.organisation_id, site_id=scope.site_id, building=scope.building)


def above(person: Person, scope: Scope) -> list[Layer]:
    """Return what lies under a scope's document: the organisation's first, then the site's."""
    if scope.scope == "organisation":
        return []
    known = warning_reads.scopes(person.organisation_id)
    under = [
        each
        for each in known
        if each.scope == "organisation" or (scope.scope == "account" and each.scope_id == scope.site_id)
    ]
    return [Layer(name=each.name, document=warning_reads.document(each)) for each in under]


def settle(
    request: HttpRequest,
    person: Person,
    scope: Scope,
    document: Mapping[str, Json],
    *,
    fields: Collection[str],
) -> int | None:
    """Settle these fields of a scope, and keep its others; returns how many accounts it reaches.

    None where this form was done before.
    """
    act_id = act_id_of(request)
    actor = people.actor(request, person, why=request.POST.get("why", "").strip()[:500])
    if histories.was_done(person.organisation_id, act_id):
        return None
    known = warning_reads.document(scope)
    kept = {field: value for field, value in known.items() if field not in fields}
    wish = settling.Settlement(
        scope=scope.scope, scope_id=scope.scope_id, document={**kept, **document}, act_id=act_id
    )
    models = wiring.models(settings())
    return work.run(lambda store: settling.settle(store, wish, actor=actor, models=models, now=wiring.now()))
