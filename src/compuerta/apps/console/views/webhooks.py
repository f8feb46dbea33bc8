"""Webhooks: where partners are told, what they heard, and the secrets that they know us by.

Who gives a partner a webhook lets facts of accounts leave the house: it takes the right that keys take.
"""

from collections.abc import Callable
from uuid import UUID, uuid4

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST

from compuerta.adapters.postgres.store import PostgresStore
from compuerta.apps import config, herald, wiring
from compuerta.apps.console import people as house
from compuerta.apps.console import screens, webhook_reads, work
from compuerta.apps.console.people import Person, for_people
from compuerta.apps.console.screens import show
from compuerta.domain.access import Place, Right
from compuerta.domain.errors import Refused, Unreachable
from compuerta.services import partnering
from compuerta.services.acting import Actor
from compuerta.services.partner_port import Event, Webhook


@never_cache
@for_people
def page(request: HttpRequest, person: Person) -> HttpResponse:
    """Show where partners are told, and what became of it."""
    _require_granter(person)
    return _shown(request, person)


@never_cache
@require_POST
@for_people
def add(request: HttpRequest, person: Person) -> HttpResponse:
    """Tell a partner from now on; the secret is shown."""
    _require_granter(person)
    given, now = config.settings(), wiring.now()
    webhook = Webhook(
        webhook_id=uuid4(),
        organisation_id=person.organisation_id,
        url=request.POST.get("url", "").strip(),
        events=frozenset(each for each in Event if each.value in request.POST.getlist("event")),
        made_by=person.name,
        made_at=now,
    )
    fault = _act(
        request,
        person,
        lambda store, actor: partnering.add_webhook(
            store, webhook, actor=actor, audit_id=uuid4(), inside=given.webhooks_inside, now=now
        ),
    )
    told = None if fault else (webhook.url, herald.secret_of(given, webhook.webhook_id, 1))
    return _shown(request, person, fault=fault, told=told)


@never_cache
@require_POST
@for_people
def act(request: HttpRequest, person: Person, webhook_id: UUID, verb: str) -> HttpResponse:
    """Show a webhook's secret, change it, or end the webhook."""
    _require_granter(person)
    given = config.settings()
    deeds = {"rotate": partnering.rotate, "end": partnering.end_webhook}
    fault = ""
    if verb in deeds:
        fault = _act(
            request,
            person,
            lambda store, actor: deeds[verb](
                store,
                webhook_id,
                organisation_id=person.organisation_id,
                actor=actor,
                audit_id=uuid4(),
                now=wiring.now(),
            ),
        )
    if verb == "end" and not fault:
        messages.success(request, _("Nothing is told there any more."))
        return redirect("webhooks")
    mine = [each for each in webhook_reads.webhooks(person.organisation_id) if each.webhook_id == webhook_id]
    shown = [(each.url, herald.secret_of(given, each.webhook_id, each.generation)) for each in mine]
    return _shown(request, person, fault=fault, told=shown[0] if shown and not fault else None)


@require_POST
@for_people
def again(request: HttpRequest, person: Person, webhook_id: UUID, delivery_id: UUID) -> HttpResponse:
    """Tell something once more."""
    _require_granter(person)
    fault = _act(
        request,
        person,
        lambda store, _actor: partnering.tell_again(
            store, webhook_id, delivery_id, organisation_id=person.organisation_id, now=wiring.now()
        ),
    )
    return _shown(request, person, fault=fault) if fault else redirect("webhooks")


def _require_granter(person: Person) -> None:
    # A webhook is told of every site: who gives keys at one of them only would reach beyond it.
    if not person.may(Right.GRANT, Place(organisation_id=person.organisation_id)):
        raise PermissionDenied


def _act(request: HttpRequest, person: Person, deed: Callable[[PostgresStore, Actor], None]) -> str:
    """Do something, and return what was refused in the reader's words; "" where nothing was."""
    actor = house.actor(request, person, why=request.POST.get("why", "").strip()[:500])
    try:
        work.run(lambda store: deed(store, actor))
    except (Refused, Unreachable) as error:
        return screens.told(error)
    return ""


def _shown(
    request: HttpRequest, person: Person, *, fault: str = "", told: tuple[str, str] | None = None
) -> HttpResponse:
    values = {
        "fault": fault,
        "told": told,
        "webhooks": webhook_reads.webhooks(person.organisation_id),
        "deliveries": webhook_reads.deliveries(person.organisation_id),
        "events": [event.value for event in Event],
        "typed": request.POST.get("url", "") if fault else "",
    }
    return show(request, person, "webhooks", values, title=_("Webhooks"), status=422 if fault else 200)
