"""The alarms board, an alarm's page with its photos, and maintenance windows."""

from collections.abc import Callable
from datetime import datetime
from uuid import UUID, uuid4

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from compuerta.adapters.postgres.store import PostgresStore
from compuerta.apps import walls, wiring
from compuerta.apps.console import alarm_reads, fields, histories, people, screens, work
from compuerta.apps.console.alarm_reads import MeterAlarmRow
from compuerta.apps.console.fields import FieldOdd
from compuerta.apps.console.people import Person, for_people
from compuerta.apps.console.screens import show
from compuerta.apps.console.views.meters import act_id_of, one
from compuerta.domain.access import Place, Right
from compuerta.domain.alarms import AlarmKind, AlarmOutcome
from compuerta.domain.errors import Refused, Unreachable
from compuerta.domain.policy import DEFAULT
from compuerta.services import alarming
from compuerta.services.acting import Actor
from compuerta.services.alarm_port import MaintenanceWindow
from compuerta.services.alarming import PHOTO_BYTES_MAX, Closing

WHY_CHARACTERS_MAX = 500


@for_people
def listing(request: HttpRequest, person: Person) -> HttpResponse:
    """Show the board, or its rows alone where the page refreshes itself."""
    state, kind, site = (request.GET.get(name, "").strip()[:64] for name in ("state", "kind", "site"))
    site_id = int(site) if site.isascii() and site.isdigit() and len(site) < 18 else None
    alarms = alarm_reads.board(person.organisation_id, state=state, kind=kind, site_id=site_id)
    context = {
        "alarms": [(alarm, _may(person, alarm)) for alarm in alarms],
        "person": person,
        "state": state or "open",
        "states": tuple(alarm_reads.STATES),
        "kind": kind,
        "kinds": [each.value for each in AlarmKind],
        "site_id": site_id,
        "sites": alarm_reads.sites(person.organisation_id),
        "full": len(alarms) == alarm_reads.ALARMS_SHOWN_MAX,
    }
    if request.headers.get("HX-Request"):
        return render(request, "console/_alarms.html", context)
    return show(request, person, "alarms", context, title=_("Alarms"))


@for_people
def page(request: HttpRequest, person: Person, alarm_id: UUID) -> HttpResponse:
    """Show one alarm: what was told, the relay's story, who did what, and photos."""
    alarm = _alarm(person, alarm_id)
    now, ours = wiring.now(), person.organisation_id
    facts = {
        "alarm": alarm,
        "may_act": _may(person, alarm),
        "photos": alarm_reads.photos(ours, alarm_id),
        "story": alarm_reads.story(ours, alarm.meter_id),
        "overloads": alarm_reads.overloads(ours, alarm.meter_id, now=now),
        "rests_max": _rests_max(alarm.account_id, now=now),
        "outcomes": [each.value for each in AlarmOutcome],
        "act_id": uuid4(),
        "photo_id": uuid4(),
    }
    return show(request, person, "alarm", facts, title=_("Alarm"))


@require_POST
@for_people
def acknowledge(request: HttpRequest, person: Person, alarm_id: UUID) -> HttpResponse:
    """Note with one tap who looks after an alarm."""

    def act(store: PostgresStore, actor: Actor) -> None:
        alarming.acknowledge(
            store,
            alarm_id,
            organisation_id=person.organisation_id,
            actor=actor,
            audit_id=uuid4(),
            now=wiring.now(),
        )

    _require(person, alarm_id)
    return _acted(request, person, act, why="", back=redirect(_back(request, alarm_id)))


@require_POST
@for_people
def close(request: HttpRequest, person: Person, alarm_id: UUID) -> HttpResponse:
    """Close an alarm with what was found."""
    _require(person, alarm_id)
    audit_id, found = act_id_of(request), request.POST.get("outcome", "")
    if found not in {each.value for each in AlarmOutcome}:
        messages.error(request, _("Choose what was found."))
        return redirect("alarm", alarm_id)
    closing = Closing(
        organisation_id=person.organisation_id,
        alarm_id=alarm_id,
        outcome=AlarmOutcome(found),
        audit_id=audit_id,
    )

    def act(store: PostgresStore, actor: Actor) -> None:
        if not histories.was_done(person.organisation_id, audit_id):
            alarming.close(store, closing, actor=actor, now=wiring.now())

    why = request.POST.get("why", "").strip()[:WHY_CHARACTERS_MAX]
    return _acted(request, person, act, why=why, back=redirect("alarm", alarm_id))


@require_POST
@for_people
def add_photo(request: HttpRequest, person: Person, alarm_id: UUID) -> HttpResponse:
    """Keep a photo, as a phone takes it."""
    _require(person, alarm_id)
    photo_id, sent = act_id_of(request), request.FILES.get("photo")
    # One byte more than may be kept: the refusal is the use case's, and nobody fills memory before it.
    content = b"" if sent is None or isinstance(sent, list) else sent.read(PHOTO_BYTES_MAX + 1)

    def act(store: PostgresStore, actor: Actor) -> None:
        if not histories.was_done(person.organisation_id, photo_id):
            alarming.add_photo(
                store,
                alarm_id,
                organisation_id=person.organisation_id,
                photo_id=photo_id,
                content=content,
                actor=actor,
                now=wiring.now(),
            )

    return _acted(request, person, act, why="", back=redirect("alarm", alarm_id))


@for_people
def photo(request: HttpRequest, person: Person, alarm_id: UUID, photo_id: UUID) -> HttpResponse:
    """Serve a photo as the picture that it is, and as nothing else."""
    found = alarm_reads.picture(person.organisation_id, alarm_id, photo_id)
    if found is None:
        raise Http404
    return HttpResponse(
        bytes(found.content),
        content_type=found.content_type,
        headers={
            "X-Content-Type-Options": "nosniff",
            "Content-Security-Policy": "default-src 'none'; sandbox",
            "Cache-Control": "private, max-age=86400, immutable",
        },
    )


@for_people
def maintenance(request: HttpRequest, person: Person) -> HttpResponse:
    """Show maintenance windows and the form of a new one; announce it when the form comes back."""
    if request.method != "POST":
        return _maintenance(request, person)
    if not person.may(Right.ALARMS):
        raise PermissionDenied
    try:
        window = _window(request, person)
        place = _place(person, site_id=window.site_id, meter_id=window.meter_id)
        if not person.may(Right.ALARMS, place):
            raise PermissionDenied
        actor = people.actor(request, person, why=window.why)
        if not histories.was_done(person.organisation_id, window.window_id):
            work.run(
                lambda store: alarming.announce_maintenance(store, window, actor=actor, now=wiring.now())
            )
    except (Refused, Unreachable) as error:
        return _maintenance(request, person, error=screens.told(error))
    messages.success(request, _("Announced. Alarms inside are listed, and call nobody."))
    return redirect("maintenance")


@require_POST
@for_people
def cancel_maintenance(request: HttpRequest, person: Person, window_id: UUID) -> HttpResponse:
    """Take a maintenance window back."""
    if not person.may(Right.ALARMS):
        raise PermissionDenied
    found = [
        each
        for each in alarm_reads.windows(person.organisation_id, now=wiring.now())
        if each.window_id == window_id
    ]
    if not found:
        raise Http404
    if not person.may(Right.ALARMS, _place(person, site_id=found[0].site_id, meter_id=found[0].meter_id)):
        raise PermissionDenied

    def act(store: PostgresStore, actor: Actor) -> None:
        alarming.cancel_maintenance(
            store,
            window_id,
            organisation_id=person.organisation_id,
            actor=actor,
            audit_id=uuid4(),
            now=wiring.now(),
        )

    why = request.POST.get("why", "").strip()[:WHY_CHARACTERS_MAX]
    return _acted(request, person, act, why=why, back=redirect("maintenance"))


def _maintenance(request: HttpRequest, person: Person, *, error: str = "") -> HttpResponse:
    meter_id = request.GET.get("meter", "")
    context = {
        "windows": alarm_reads.windows(person.organisation_id, now=wiring.now()),
        "sites": alarm_reads.sites(person.organisation_id),
        "may_act": person.may(Right.ALARMS),
        "meter": one(person, int(meter_id)) if meter_id.isascii() and meter_id.isdigit() else None,
        "typed": request.POST,
        "error": error,
        "act_id": uuid4(),
    }
    return show(request, person, "maintenance", context, title=_("Maintenance"), status=422 if error else 200)


def _window(request: HttpRequest, person: Person) -> MaintenanceWindow:
    """Read the form; instants are of the chosen site's clock."""
    typed = {name: request.POST.get(name, "").strip() for name in ("site", "why")}
    sites = {str(each.site_id): each for each in alarm_reads.sites(person.organisation_id)}
    if typed["site"] and typed["site"] not in sites:
        raise Http404
    meter_id = fields.whole(request.POST, "meter")
    meter = None if meter_id is None else one(person, meter_id)
    zones = [sites[typed["site"]].zone] if typed["site"] else [each.zone for each in sites.values()]
    zone = meter.zone if meter is not None else (zones or ["UTC"])[0]
    return MaintenanceWindow(
        window_id=act_id_of(request),
        organisation_id=person.organisation_id,
        site_id=int(typed["site"]) if typed["site"] and meter is None else None,
        meter_id=None if meter is None else meter.meter_id,
        starts_at=_instant(request, "starts", zone=zone),
        ends_at=_instant(request, "ends", zone=zone),
        who=person.name,
        why=typed["why"][:WHY_CHARACTERS_MAX],
    )


def _place(person: Person, *, site_id: int | None, meter_id: int | None) -> Place:
    """Return where a window holds; that of a meter is asked for at its site."""
    rows = alarm_reads.place_of_meter(person.organisation_id, meter_id) if meter_id else []
    site_id = rows[0].site_id if rows else site_id
    building = rows[0].building if rows else None
    return Place(organisation_id=person.organisation_id, site_id=site_id, building=building)


def _instant(request: HttpRequest, field: str, *, zone: str) -> datetime:
    found = fields.instant(request.POST, field, zone=zone)
    if found is None:
        raise FieldOdd(field)
    return found


def unseen(request: HttpRequest) -> str:
    """Return how many alarms nobody looks after yet, for the menu."""
    person = people.person_of(request)
    with walls.held(person.wall):
        return str(alarm_reads.unseen(person.organisation_id))


def _rests_max(account_id: int | None, *, now: datetime) -> int:
    """Return after how many closings within an hour a meter is locked."""
    if account_id is None:
        return DEFAULT.overload_closings_max
    with work.store() as store, store.transaction() as tx:
        views = tx.look_at([account_id], now=now)
    return views[account_id].policy.overload_closings_max if views else DEFAULT.overload_closings_max


def _alarm(person: Person, alarm_id: UUID) -> MeterAlarmRow:
    found = alarm_reads.one(person.organisation_id, alarm_id)
    if found is None:
        raise Http404
    return found


def _may(person: Person, alarm: MeterAlarmRow) -> bool:
    return person.may(Right.ALARMS, alarm.where(person.organisation_id))


def _require(person: Person, alarm_id: UUID) -> None:
    if not person.may(Right.ALARMS) or not _may(person, _alarm(person, alarm_id)):
        raise PermissionDenied


def _back(request: HttpRequest, alarm_id: UUID) -> str:
    return "alarms" if request.POST.get("board") else f"/alarms/{alarm_id}/"


def _acted(
    request: HttpRequest,
    person: Person,
    act: Callable[[PostgresStore, Actor], None],
    *,
    why: str,
    back: HttpResponse,
) -> HttpResponse:
    actor = people.actor(request, person, why=why)
    try:
        work.run(lambda store: act(store, actor))
    except (Refused, Unreachable) as error:
        messages.error(request, screens.told(error))
    else:
        messages.success(request, _("Written down."))
    return back
