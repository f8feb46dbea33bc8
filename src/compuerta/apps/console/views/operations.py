"""Operations on many supplies: choose, try dry, propose; a second person approves; watch, stop, undo."""

from collections import Counter
from collections.abc import Mapping
from itertools import groupby
from uuid import UUID, uuid4

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from compuerta.apps import wiring
from compuerta.apps.console import board_reads, mass_reads, people, screens, work
from compuerta.apps.console.board_reads import SiteRow, Unit
from compuerta.apps.console.mass_reads import OperationRow
from compuerta.apps.console.people import Person, for_people
from compuerta.apps.console.screens import show
from compuerta.domain.access import RIGHT_FOR_HOLD, Right, may_in_all
from compuerta.domain.errors import Refused, Unreachable
from compuerta.domain.supply import HoldKind
from compuerta.services import masses
from compuerta.services.mass_port import Wish
from compuerta.services.masses import Proposal, Prospect
from compuerta.services.store_port import Store

UNDO_MIN = 60  # offered; a person may say otherwise
ERRORS_MAX = 5
PROSPECTS_SHOWN_MAX = 200

# What people do with an operation: the right that it takes, and the use case.
_ACTS = {
    "approve": (Right.APPROVE_MASS, masses.approve),
    "withdraw": (Right.PROPOSE_MASS, masses.withdraw),
    "pause": (Right.PROPOSE_MASS, masses.pause),
    "resume": (Right.APPROVE_MASS, masses.resume),
    "undo": (Right.PROPOSE_MASS, masses.undo),
}


@for_people
def listing(request: HttpRequest, person: Person) -> HttpResponse:
    """Show all operations, and what waits for a second person."""
    _require(person)
    context = {
        "operations": mass_reads.operations(person.organisation_id),
        "may_propose": person.may(Right.PROPOSE_MASS),
    }
    return show(request, person, "operations", context, title=_("Operations"))


@for_people
def new(request: HttpRequest, person: Person) -> HttpResponse:
    """Choose supplies and what becomes of them, try it dry, and propose it."""
    if not person.may(Right.PROPOSE_MASS):
        raise PermissionDenied
    sites = board_reads.sites(person.organisation_id)
    asked = {name: value for name, value in request.POST.items() if isinstance(value, str)}
    site = next(
        (each for each in sites if str(each.site_id) == asked.get("site")), sites[0] if sites else None
    )
    context: dict[str, object] = {"sites": sites, "site": site, "orders": mass_reads.ORDERS.items()}
    status = 200
    if request.method == "POST" and site is not None:
        try:
            if (made := _tried(request, person, site, asked)).get("proposed"):
                return redirect("operation", asked["operation_id"])
            context |= made
        except (Refused, Unreachable) as error:
            context |= {"told": screens.told(error), "field": getattr(error, "field", "")}
            status = 422
    context |= _offered(asked)
    units = [] if site is None else _units(person, site, Right.PROPOSE_MASS)
    context["buildings"] = sorted({each.building for each in units if each.building})
    context["states"] = board_reads.STATES.items()
    return show(request, person, "operation_new", context, title=_("New operation"), status=status)


@for_people
def page(request: HttpRequest, person: Person, operation_id: UUID) -> HttpResponse:
    """Show how far an operation is."""
    asks = {
        "approve": _("Approve"),
        "withdraw": _("Withdraw"),
        "pause": _("Stop"),
        "resume": _("Go on"),
        "undo": _("Undo"),
    }
    context = {**_facts(person, _one(person, operation_id)), "asks": asks.items()}
    return show(request, person, "operation", context, title=_("Operation"))


@for_people
def live(request: HttpRequest, person: Person, operation_id: UUID) -> HttpResponse:
    """Show what changes on an operation's page."""
    return render(request, "console/_operation.html", _facts(person, _one(person, operation_id)))


@require_POST
@for_people
def act(request: HttpRequest, person: Person, operation_id: UUID, verb: str) -> HttpResponse:
    """Approve, withdraw, stop, go on with, or undo an operation."""
    operation = _one(person, operation_id)
    if verb not in _ACTS:
        raise Http404
    right, use_case = _ACTS[verb]
    if not _may(person, operation, right):
        raise PermissionDenied
    actor = people.actor(request, person, why=request.POST.get("why", "").strip()[:500])
    try:
        work.run(lambda store: use_case(store, operation_id, actor=actor, now=wiring.now()))
    except (Refused, Unreachable) as error:
        messages.error(request, screens.told(error))
    return redirect("operation", operation_id)


def _tried(
    request: HttpRequest, person: Person, site: SiteRow, asked: Mapping[str, str]
) -> dict[str, object]:
    """Return what an order would do to the chosen supplies; proposes it where the form says so."""
    wish = mass_reads.wish(asked, zone=site.zone)
    right = RIGHT_FOR_HOLD[wish.hold]
    units = [
        each
        for each in _units(person, site, Right.PROPOSE_MASS)
        if person.may(right, board_reads.place_of(each, person.organisation_id))
    ]
    found = {each.account_id: each for each in mass_reads.chosen(units, asked) if each.account_id is not None}
    if "propose" in asked:
        proposal = Proposal(
            operation_id=_id_of(asked),
            organisation_id=person.organisation_id,
            wish=wish,
            account_ids=frozenset(found),
            errors_max=mass_reads.number(asked, "errors_max"),
            undo_min=mass_reads.number(asked, "undo_min"),
        )
        actor = people.actor(request, person, why=asked.get("why", "").strip()[:500])
        work.run(lambda store: masses.propose(store, proposal, actor=actor, now=wiring.now()))
        return {"proposed": True}
    return _prospects(found, wish)


def _prospects(found: Mapping[int, Unit], wish: Wish) -> dict[str, object]:
    def tried(store: Store) -> list[Prospect]:
        return masses.dry_run(store, found, wish=wish, now=wiring.now())

    prospects = work.run(tried)
    counts = Counter(each.effect.value for each in prospects)
    order = list(mass_reads.EFFECTS)
    prospects.sort(key=lambda each: order.index(each.effect.value))
    return {
        "effects": [(name, told, counts[name]) for name, told in mass_reads.EFFECTS.items() if counts[name]],
        "prospects": [
            (found[each.account_id], each, mass_reads.EFFECTS[each.effect.value])
            for each in prospects[:PROSPECTS_SHOWN_MAX]
        ],
        "silent": sum(each.is_silent for each in prospects if each.effect in masses.CHANGES),
        "changed": sum(each.effect in masses.CHANGES for each in prospects),
        "tried": True,
        "full": len(prospects) > PROSPECTS_SHOWN_MAX,
    }


def _offered(asked: Mapping[str, str]) -> dict[str, object]:
    """Return what the form's fields hold; a refused form keeps what was typed, and its id."""
    offered: dict[str, object] = {
        "building": "", "state": "", "rooms": "", "why": "", "until": "", "order": "hold administrator",
        "errors_max": ERRORS_MAX, "undo_min": UNDO_MIN, "operation_id": uuid4(),
    }  # fmt: skip
    return {"asked": {**offered, **asked}}


def _units(person: Person, site: SiteRow, right: Right) -> list[Unit]:
    organisation_id = person.organisation_id
    return [
        unit
        for unit in board_reads.units(organisation_id, site.site_id, now=wiring.now())
        if person.may(right, board_reads.place_of(unit, organisation_id))
    ]


def _id_of(asked: Mapping[str, str]) -> UUID:
    try:
        return UUID(asked.get("operation_id", ""))
    except ValueError:
        raise Http404 from None


def _require(person: Person) -> None:
    if not (person.may(Right.PROPOSE_MASS) or person.may(Right.APPROVE_MASS) or person.may(Right.AUDIT)):
        raise PermissionDenied


def _one(person: Person, operation_id: UUID) -> OperationRow:
    _require(person)
    found = mass_reads.operation(person.organisation_id, operation_id)
    if found is None:
        raise Http404
    return found


def _may(person: Person, operation: OperationRow, right: Right) -> bool:
    """Tell whether somebody has a right, and that for the hold, in every building of an operation."""
    needed = {right, RIGHT_FOR_HOLD[HoldKind(operation.hold)]}
    return may_in_all(person.may, needed, mass_reads.places(person.organisation_id, operation.operation_id))


def _facts(person: Person, operation: OperationRow) -> dict[str, object]:
    now = wiring.now()
    by_wave = groupby(mass_reads.waves(operation.operation_id), key=lambda row: row.wave)
    may_propose = _may(person, operation, Right.PROPOSE_MASS)
    may_approve = _may(person, operation, Right.APPROVE_MASS)
    undo_left = operation.undo_until is None or now < operation.undo_until
    begun = operation.state in ("running", "paused", "stopped", "done")
    return {
        "operation": operation,
        "waves": [(wave, list(found)) for wave, found in by_wave],
        "legend": mass_reads.ITEM_STATES.items(),
        "items": mass_reads.items(operation.operation_id),
        "may_approve": may_approve and operation.state == "proposed" and operation.proposed_by != person.name,
        "own": operation.state == "proposed" and operation.proposed_by == person.name,
        "may_withdraw": may_propose and operation.state == "proposed",
        "may_pause": may_propose and operation.state == "running",
        "may_resume": may_approve and operation.state == "paused",
        "may_undo": may_propose and begun and undo_left,
        "undo_min_left": (
            None
            if operation.undo_until is None
            else max(0, int((operation.undo_until - now).total_seconds()) // 60)
        ),
    }
