"""Contacts of an account: who is told, by which channel, what was told and whether it came."""

from uuid import UUID, uuid4

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from compuerta.apps import wiring
from compuerta.apps.console import people, screens, supply_reads, warning_reads, work
from compuerta.apps.console.people import Person, for_people
from compuerta.apps.console.reads import MeterRow
from compuerta.apps.console.views.meters import act_id_of, one
from compuerta.domain.access import Right
from compuerta.domain.contact import RESIDENTS_TOPICS, Channel, Language, Topic
from compuerta.domain.errors import Refused, Unreachable
from compuerta.services import contacting
from compuerta.services.contacting import ContactWish

_CHANNELS = tuple(each.value for each in Channel if each is not Channel.APPRISE)


@for_people
def page(request: HttpRequest, person: Person, meter_id: int) -> HttpResponse:
    """Show who is told of a place, and what was; add a contact when the form comes back."""
    meter = one(person, meter_id)
    may = _may(person, meter)
    error = ""
    if request.method == "POST":
        if not may:
            raise PermissionDenied
        try:
            wish, actor = _wish(request, meter), people.actor(request, person, why=_("added by hand"))
            work.run(lambda store: contacting.add(store, wish, actor, now=wiring.now()))
            messages.success(request, _("Added."))
            return redirect("contacts", meter_id)
        except (Refused, Unreachable) as refusal:
            error = screens.told(refusal)
    assert meter.account_id is not None
    values = {
        "meter": meter,
        "may": may,
        "error": error,
        "typed": request.POST,
        "contacts": warning_reads.contacts_of(meter.account_id),
        "told": [
            (each, warning_reads.with_address(each.body, request))
            for each in warning_reads.messages_of(meter.account_id)
        ],
        "warnings": warning_reads.warnings_of(meter.account_id),
        "channels": _CHANNELS,
        "all_languages": [each.value for each in Language],
        "topics": sorted(each.value for each in RESIDENTS_TOPICS),
        "act_id": uuid4(),
    }
    status = 422 if error else 200
    return screens.show(request, person, "contacts", values, title=_("Contacts"), status=status)


@require_POST
@for_people
def remove(request: HttpRequest, person: Person, meter_id: int, contact_id: UUID) -> HttpResponse:
    """Send a contact nothing more."""
    meter = one(person, meter_id)
    if not _may(person, meter):
        raise PermissionDenied
    assert meter.account_id is not None
    if contact_id not in {each.contact_id for each in warning_reads.contacts_of(meter.account_id)}:
        raise Http404
    actor, act_id = people.actor(request, person, why=_("removed by hand")), act_id_of(request)
    try:
        work.run(lambda store: contacting.remove(store, contact_id, actor, act_id=act_id, now=wiring.now()))
    except (Refused, Unreachable) as refusal:
        messages.error(request, screens.told(refusal))
    return redirect("contacts", meter_id)


def _may(person: Person, meter: MeterRow) -> bool:
    if meter.account_id is None:
        raise Http404
    with work.store() as store, store.transaction() as tx:
        view = tx.look_at([meter.account_id], now=wiring.now())[meter.account_id]
    return person.may(Right.WARN, supply_reads.place_of(view))


def _wish(request: HttpRequest, meter: MeterRow) -> ContactWish:
    post = request.POST
    topics = {each.value for each in RESIDENTS_TOPICS}
    try:
        channel, language = Channel(post.get("channel", "")), Language(post.get("language", ""))
    except ValueError:
        raise Http404 from None
    assert meter.account_id is not None
    return ContactWish(
        contact_id=act_id_of(request),
        account_id=meter.account_id,
        channel=channel,
        address=post.get("address", ""),
        language=language,
        wants=frozenset(Topic(each) for each in post.getlist("wants") if each in topics),
    )
