"""Moving screens: in, out, rooms exchanged, a meter swapped; each rehearsed while somebody types."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from uuid import UUID, uuid4

from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _

from compuerta.adapters.postgres.store import PostgresStore
from compuerta.apps import wiring
from compuerta.apps.console import fields, move_forms, move_reads, people, screens, tariff_fits, work
from compuerta.apps.console.move_reads import KINDS, Subject
from compuerta.apps.console.people import Person, for_people
from compuerta.apps.console.screens import show
from compuerta.apps.console.views.meters import act_id_of
from compuerta.domain.access import Right, may_in_all
from compuerta.domain.errors import Refused, Unreachable
from compuerta.services import exchanging, moving_in, moving_out, swapping
from compuerta.services.acting import Actor
from compuerta.services.occupancy_port import Move

WHY_MAX = 500
Moves = tuple[Move, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Wish:
    """What a form asks for: how to try it, and how to do it."""

    rehearse: Callable[[PostgresStore], Moves]
    act: Callable[[PostgresStore], Moves]


@for_people
def page(request: HttpRequest, person: Person, meter_id: int, kind: str) -> HttpResponse:
    """Show a move's one screen; say what it would come to while somebody types; do it."""
    at = _subject(person, meter_id, kind)
    if request.method != "POST":
        return _form(request, person, at, kind, {"act_id": str(uuid4())})
    asked = {name: value for name, value in request.POST.items() if isinstance(value, str)}
    found: dict[str, object] = {}
    try:
        wish = _wish(request, person, at, kind, asked)
        if "do" in asked and not request.headers.get("HX-Request"):
            (first, *_others) = work.run(wish.act)
            return redirect("move", first.move_id)
        moves = work.run(wish.rehearse)
        found = {"sums": _sums(kind, at, moves), "asks": "look" in asked}
    except (Refused, Unreachable) as error:
        found = {"told": screens.told(error), "field": getattr(error, "field", "")}
    if request.headers.get("HX-Request"):
        return render(request, "console/_move_totals.html", {"at": at, "kind": kind, **found})
    return _form(request, person, at, kind, asked, found)


@for_people
def receipt(request: HttpRequest, person: Person, move_id: UUID) -> HttpResponse:
    """Show a move's receipt, to print and sign."""
    found = move_reads.receipt(person.organisation_id, move_id)
    if found is None:
        raise Http404
    place = move_reads.place_of(found, person.organisation_id)
    if not any(person.may(right, place) for right in (Right.MOVE, Right.EXCHANGE, Right.SEE_MONEY)):
        raise PermissionDenied
    context = {
        "receipt": found,
        "kind_name": KINDS[found.kind],
        **move_reads.lines(found.kind, found.settled),
    }
    return show(request, person, "move_receipt", context, title=_("Receipt"))


def _subject(person: Person, meter_id: int, kind: str) -> Subject:
    if kind not in KINDS:
        raise Http404
    at = move_reads.subject(person.organisation_id, meter_id)
    if at is None:
        raise Http404
    if not person.may(move_reads.RIGHT_OF[kind], at.within(person.organisation_id)):
        raise PermissionDenied
    return at


def _wish(request: HttpRequest, person: Person, at: Subject, kind: str, asked: Mapping[str, str]) -> _Wish:
    """Return what a form asks for; refuses what cannot be read, by its field."""
    actor = people.actor(request, person, why=_why(asked))
    move_id, now, models = act_id_of(request), wiring.now(), tariff_fits.models()
    told = partial(_named, actor=actor, move_id=move_id)
    match kind:
        case "in":
            coming = move_forms.move_in(asked, at)
            return told(
                lambda store, **by: (moving_in.rehearse_in(store, coming, models=models, now=now, **by),),
                lambda store, **by: (moving_in.move_in(store, coming, models=models, now=now, **by),),
            )
        case "out":
            leaving = move_forms.move_out(asked, at)
            return told(
                lambda store, **by: (moving_out.rehearse_out(store, leaving, now=now, **by),),
                lambda store, **by: (moving_out.move_out(store, leaving, now=now, **by),),
            )
        case "exchange":
            exchange = move_forms.exchange(asked, at)
            _require_room(person, at, exchange.other_account_id)
            return told(
                lambda store, **by: exchanging.rehearse_exchange(store, exchange, now=now, **by),
                lambda store, **by: exchanging.exchange_rooms(store, exchange, now=now, **by),
            )
        case _:
            swap = move_forms.swap(asked, at, organisation_id=person.organisation_id)
            if swap.new_meter.model not in models:
                raise fields.FieldOdd("model")
            return told(
                lambda store, **by: (swapping.rehearse_swap(store, swap, models=models, now=now, **by),),
                lambda store, **by: (swapping.swap_meter(store, swap, models=models, now=now, **by),),
            )


def _named(
    rehearse: Callable[..., Moves], act: Callable[..., Moves], *, actor: Actor, move_id: UUID
) -> _Wish:
    return _Wish(
        rehearse=partial(rehearse, actor=actor, move_id=move_id),
        act=partial(act, actor=actor, move_id=move_id),
    )


def _require_room(person: Person, at: Subject, account_id: int) -> None:
    """Refuse a room that is none of the site's, or that lies where somebody may not move people."""
    room = next((each for each in move_reads.rooms(at) if each.account_id == account_id), None)
    if room is None:
        raise fields.FieldOdd("other")
    other = move_reads.subject(person.organisation_id, room.meter_id)
    if other is None:
        raise PermissionDenied
    both = [each.within(person.organisation_id) for each in (at, other)]
    if not may_in_all(person.may, {Right.MOVE}, both):
        raise PermissionDenied


def _why(asked: Mapping[str, str]) -> str:
    """Return the reason; while somebody types it is not missed yet."""
    why = asked.get("why", "").strip()[:WHY_MAX]
    return why or ("" if "do" in asked else "being typed")


def _sums(kind: str, at: Subject, moves: Moves) -> list[dict[str, object]]:
    titles = [at.account_name if kind != "swap" else at.place, _("The other tenant")]
    return [
        {"title": title, **move_reads.lines(kind, move.settled)}
        for title, move in zip(titles, moves, strict=False)
    ]


def _form(
    request: HttpRequest,
    person: Person,
    at: Subject,
    kind: str,
    asked: Mapping[str, str],
    found: Mapping[str, object] | None = None,
) -> HttpResponse:
    found = found or {}
    context = {
        "at": at,
        "kind": kind,
        "asked": asked,
        "rates": range(1, at.rates + 1),
        "rooms": move_reads.rooms(at) if kind == "exchange" else (),
        "models": sorted(tariff_fits.models()) if kind == "swap" else (),
        "is_4g": at.road == "4g",
        **found,
    }
    status = 422 if found.get("told") else 200
    return show(request, person, "move", context, title=str(KINDS[kind]), status=status)
