"""What people do to a meter's supply: place and lift holds, lend supply, take emergency credit."""

from collections.abc import Callable
from typing import Final
from uuid import UUID

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from compuerta.adapters.postgres.store import PostgresStore
from compuerta.apps import wiring
from compuerta.apps.console import fields, histories, people, screens, supply_reads, work
from compuerta.apps.console.fields import FieldOdd
from compuerta.apps.console.people import Person, for_people
from compuerta.apps.console.reads import MeterRow
from compuerta.apps.console.views.meters import act_id_of, one
from compuerta.domain.access import RIGHT_FOR_HOLD, Right
from compuerta.domain.errors import Refused, Unreachable
from compuerta.domain.supply import HoldKind
from compuerta.services import emergency, holding
from compuerta.services.acting import Actor

LENT_WH_MAX: Final = 10_000_000
_Act = Callable[[PostgresStore, int, Actor, UUID], object]


@require_POST
@for_people
def place(request: HttpRequest, person: Person, meter_id: int) -> HttpResponse:
    """Place a hold, with a reason, and an end where somebody names one."""
    kind, meter = _kind(request), one(person, meter_id)

    def placed(store: PostgresStore, account_id: int, actor: Actor, act_id: UUID) -> None:
        holding.place_hold(
            store,
            account_id,
            kind=kind,
            actor=actor,
            hold_id=act_id,
            end=fields.instant(request.POST, "end", zone=meter.zone),
            energy_wh=_energy_wh(request),
            now=wiring.now(),
        )

    return _act(request, person, meter, RIGHT_FOR_HOLD[kind], placed)


@require_POST
@for_people
def lift(request: HttpRequest, person: Person, meter_id: int) -> HttpResponse:
    """Lift the holds of a kind, with a reason."""
    kind = _kind(request)

    def lifted(store: PostgresStore, account_id: int, actor: Actor, act_id: UUID) -> None:
        holding.lift_holds(store, account_id, kind=kind, actor=actor, audit_id=act_id, now=wiring.now())

    return _act(request, person, one(person, meter_id), RIGHT_FOR_HOLD[kind], lifted)


@require_POST
@for_people
def take_emergency(request: HttpRequest, person: Person, meter_id: int) -> HttpResponse:
    """Take the emergency credit that an account is offered."""

    def taken(store: PostgresStore, account_id: int, actor: Actor, act_id: UUID) -> None:
        emergency.take(store, account_id, actor=actor, now=wiring.now())

    return _act(request, person, one(person, meter_id), Right.SWITCH, taken)


def _act(request: HttpRequest, person: Person, meter: MeterRow, right: Right, act: _Act) -> HttpResponse:
    account_id, act_id = meter.account_id, act_id_of(request)
    if account_id is None:
        raise Http404
    with work.store() as store, store.transaction() as tx:
        view = tx.look_at([account_id], now=wiring.now())[account_id]
    if not person.may(right, supply_reads.place_of(view)):
        raise PermissionDenied
    actor = people.actor(request, person, why=request.POST.get("why", "").strip()[:500])
    try:
        if not histories.was_done(person.organisation_id, act_id):
            work.run(lambda lent: act(lent, account_id, actor, act_id))
    except (Refused, Unreachable) as error:
        # The same form twice at once: the slower finds that it is done.
        if not histories.was_done(person.organisation_id, act_id):
            messages.error(request, screens.told(error))
            return redirect("meter", meter.meter_id)
    messages.success(request, _("Written down. The meter follows as soon as its road allows."))
    return redirect("meter", meter.meter_id)


def _kind(request: HttpRequest) -> HoldKind:
    try:
        return HoldKind(request.POST.get("kind", HoldKind.ADMINISTRATOR.value))
    except ValueError:
        raise Http404 from None


def _energy_wh(request: HttpRequest) -> int | None:
    energy_wh = fields.energy_wh(request.POST, "kwh")
    if energy_wh is not None and not 0 < energy_wh <= LENT_WH_MAX:
        raise FieldOdd("kwh")
    return energy_wh
