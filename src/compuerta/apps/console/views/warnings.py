"""Warnings: which levels speak, when and by which channels, with the message as residents will read it."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import uuid4

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _

from compuerta.apps import wiring
from compuerta.apps.console import scopes, screens, warning_forms, warning_reads
from compuerta.apps.console.people import Person, for_people
from compuerta.apps.console.warning_forms import WarningForm
from compuerta.apps.console.warning_reads import Scope
from compuerta.domain import quiet, wording
from compuerta.domain.access import Right
from compuerta.domain.contact import Language
from compuerta.domain.errors import Refused, Unreachable
from compuerta.domain.party import zone_of
from compuerta.domain.policy import CHANNELS, LevelKind, Policy, levels_of, policy_of
from compuerta.domain.wording import Told
from compuerta.services import telling
from compuerta.services.records import AccountView

KINDS: Final = tuple(kind.value for kind in LevelKind)


@dataclass(frozen=True, slots=True, kw_only=True)
class Spoken:
    """What a message says in a language."""

    language: str
    subject: str
    body: str


@for_people
def page(request: HttpRequest, person: Person) -> HttpResponse:
    """Show what a scope has settled about warnings; settle it when the form comes back."""
    scope = scopes.named(request, person)
    may = person.may(Right.WARN, scopes.place_of(person, scope))
    if request.method != "POST":
        form = warning_forms.shown(warning_reads.document(scope), currency=scope.currency)
        return _page(request, person, scope, form, may=may)
    if not may:
        raise PermissionDenied
    form = warning_forms.typed(request.POST)
    try:
        document = warning_forms.document_of(form, currency=scope.currency)
        scopes.settle(request, person, scope, document, fields=warning_forms.FIELDS)
    except (Refused, Unreachable) as error:
        return _page(request, person, scope, form, may=may, error=screens.told(error))
    messages.success(request, _("Settled. Levels that were passed already stay silent."))
    return redirect(f"{reverse('warnings')}?scope={scope.scope}&id={scope.scope_id}")


@for_people
def preview(request: HttpRequest, person: Person) -> HttpResponse:
    """Show a warning as it would be told by what the form says, in each language."""
    scope, now = scopes.named(request, person), wiring.now()
    form = warning_forms.typed(request.GET)
    view = warning_reads.example(scope, now=now)
    error, spoken, due_at, level = "", list[Spoken](), now, ""
    try:
        own = policy_of(warning_forms.document_of(form, currency=scope.currency))
        if view is not None:
            policy = _over(view.policy, own, form)
            known = levels_of(policy, currency=view.account.currency)
            money = [each.value for each in known if each.kind is LevelKind.MONEY]
            level = max(known, key=lambda each: each.value).key if known else ""
            balance_minor = max(money) if money else view.balance_minor
            spoken = _spoken(request, person, view, balance_minor=balance_minor, now=now)
            due_at = quiet.told_at(policy.quiet, zone=zone_of(view.account.zone), now=now)
    except Refused as refusal:
        error = screens.told(refusal)
    context = {
        "spoken": spoken,
        "view": view,
        "zone": view.account.zone if view else "UTC",
        "due_at": due_at,
        "at_once": due_at == now,
        "level": level,
        "error": error,
    }
    return render(request, "console/_warning_preview.html", context)


def _page(
    request: HttpRequest, person: Person, scope: Scope, form: WarningForm, *, may: bool, error: str = ""
) -> HttpResponse:
    values = {
        "scope": scope,
        "scopes": warning_reads.scopes(person.organisation_id),
        "form": form,
        "kinds": KINDS,
        "channels": CHANNELS,
        "may": may,
        "error": error,
        "act_id": uuid4(),
        "why": request.POST.get("why", ""),
    }
    status = 422 if error else 200
    return screens.show(request, person, "warnings", values, title=_("Warnings"), status=status)


def _over(policy: Policy, own: Policy, form: WarningForm) -> Policy:
    """Return a policy as it would be with what the form says."""
    return Policy(
        levels=own.levels if form.own_levels else policy.levels,
        quiet=own.quiet if form.quiet else policy.quiet,
        channels=own.channels or policy.channels,
    )


def _spoken(
    request: HttpRequest, person: Person, view: AccountView, *, balance_minor: int, now: datetime
) -> list[Spoken]:
    zero_at = warning_reads.zero_of(view, balance_minor=balance_minor, now=now)
    facts = telling.Facts(account=view.account, balance_minor=balance_minor, zero_at=zero_at)
    own = warning_reads.words_of(person.organisation_id)
    spoken = []
    for language in Language:
        subject, body = own.get((Told.WARNING.value, language)) or wording.ours(Told.WARNING, language)
        fields = telling.fields_of(facts, language=language, now=now)
        spoken.append(
            Spoken(
                language=language.value,
                subject=wording.filled(subject, fields),
                body=warning_reads.with_address(wording.filled(body, fields), request),
            )
        )
    return spoken
