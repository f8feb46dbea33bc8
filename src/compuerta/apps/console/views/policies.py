"""Supply policies: what an organisation, a site or an account settles, and what holds from above."""

from collections.abc import Mapping
from dataclasses import dataclass
from uuid import uuid4

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from compuerta.apps.console import policy_forms, scopes, screens, warning_reads
from compuerta.apps.console.people import Person, for_people
from compuerta.apps.console.policy_forms import Typed
from compuerta.apps.console.warning_reads import Scope
from compuerta.domain.access import Right
from compuerta.domain.errors import Refused, Unreachable


@dataclass(frozen=True, slots=True, kw_only=True)
class Filled:
    """A form with what is wrong in it: by field, or as a whole."""

    form: Mapping[str, Typed]
    faults: Mapping[str, str]
    error: str = ""


@for_people
def page(request: HttpRequest, person: Person) -> HttpResponse:
    """Show what a scope has settled about supply; settle it when the form comes back."""
    scope = scopes.named(request, person)
    may = person.may(Right.SETTLE, scopes.place_of(person, scope))
    if request.method != "POST":
        form = policy_forms.shown(warning_reads.document(scope), currency=scope.currency)
        return _page(request, person, scope, Filled(form=form, faults={}), may=may)
    if not may:
        raise PermissionDenied
    form = policy_forms.typed(request.POST)
    document, faults = policy_forms.document_of(form, currency=scope.currency)
    if faults:
        error = _("Nothing is settled yet: look at the fields that are marked.")
        return _page(request, person, scope, Filled(form=form, faults=faults, error=error), may=may)
    try:
        reached = scopes.settle(request, person, scope, document, fields=policy_forms.FIELDS)
    except (Refused, Unreachable) as error:
        filled = Filled(form=form, faults={}, error=screens.told(error))
        return _page(request, person, scope, filled, may=may)
    if reached is not None:
        told = ngettext("Settled. It reaches %(n)s account.", "Settled. It reaches %(n)s accounts.", reached)
        messages.success(request, told % {"n": reached})
    return redirect(f"{reverse('policies')}?scope={scope.scope}&id={scope.scope_id}")


def _page(request: HttpRequest, person: Person, scope: Scope, filled: Filled, *, may: bool) -> HttpResponse:
    layers = scopes.above(person, scope)
    values = {
        "scope": scope,
        "scopes": warning_reads.scopes(person.organisation_id),
        "groups": policy_forms.rows(filled.form, filled.faults, layers, currency=scope.currency),
        "may": may,
        "error": filled.error,
        "act_id": uuid4(),
        "why": request.POST.get("why", ""),
    }
    status = 422 if filled.error else 200
    return screens.show(request, person, "policies", values, title=_("Supply policies"), status=status)
