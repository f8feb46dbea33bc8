"""Moving accounts to another tariff: one from its meter's page, a whole house from the tariff's."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from uuid import uuid4

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from compuerta.apps import wiring
from compuerta.apps.console import people, tariff_fits, tariff_moves, tariff_reads
from compuerta.apps.console.people import Person, for_people
from compuerta.apps.console.screens import show
from compuerta.apps.console.tariff_moves import Choice, FieldMalformed, Line, Told
from compuerta.apps.console.tariff_reads import BilledRow
from compuerta.apps.console.views.meters import act_id_of, one
from compuerta.domain.errors import Refused, Unreachable
from compuerta.domain.tariff.components import Terms
from compuerta.services import acting
from compuerta.services.acting import Actor
from compuerta.services.records import AccountView
from compuerta.services.rollout import Fitter
from compuerta.services.tariffing import SINCE_EVER

MOVED_AT_ONCE_MAX = 200  # each is a transaction of its own; a larger house is moved in two goes


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """An account that could move here: whether its meter could, and why it did not."""

    account: BilledRow
    choice: Choice
    moves_at: datetime | None  # where it is written down already
    is_chosen: bool
    persons: str
    contracted_kw: str
    told: Told | None = None


@for_people
def of_meter(request: HttpRequest, person: Person, meter_id: int) -> HttpResponse:
    """Show by what an account is billed, now and next, and change it."""
    meter, now = one(person, meter_id), wiring.now()
    account_id = meter.account_id or 0
    view = tariff_moves.views([account_id], now=now).get(account_id)
    if view is None or view.schedule is None:
        raise Http404
    lines, told = tariff_moves.lines(person.organisation_id, now=now), None
    if request.method == "POST":
        told = _moved_one(request, person, view, lines)
        if told is None:
            messages.success(request, _("Written down. The account is billed so from that moment on."))
            return redirect("meter_tariff", meter_id)
    starts_at = tariff_moves.next_bill(view, now=now)
    at = tariff_moves.instant(starts_at, zone=view.account.zone)
    choices = tariff_moves.choices(view, lines, at=at, fitter=Fitter(tariff_fits.models()))
    context = {
        "meter": meter,
        "account_id": account_id,
        "reigns": tariff_moves.reigns(view, now=now),
        "choices": choices,
        "some_misfit": any(each.reasons for each in choices),
        "chosen": request.POST.get("tariff", ""),
        "asking": {str(line.tariff_id): [line.asks_persons, line.asks_power] for line in lines},
        "persons": _persons(request, account_id, view.terms_at(now)),
        "contracted_kw": _contracted_kw(request, account_id, view.terms_at(now)),
        "told": told,
        **_asked(request, starts_at, now=now.astimezone(view.schedule.zone)),
    }
    title = f"{meter.place or meter.meter_no} · {_('Tariff')}"
    return show(request, person, "meter_tariff", context, title=title, status=422 if told else 200)


@for_people
def of_tariff(request: HttpRequest, person: Person, tariff_id: int) -> HttpResponse:
    """Show who could move to a tariff, and move those who are chosen."""
    now = wiring.now()
    lines = tariff_moves.lines(person.organisation_id, now=now)
    line = next((each for each in lines if each.tariff_id == tariff_id), None)
    if line is None:
        raise Http404
    if not person.may_assign:
        raise PermissionDenied
    billed = tariff_reads.metered(person.organisation_id, now=now)
    accounts = [each for each in billed if each.tariff_id != tariff_id and each.currency == line.currency]
    views = _views(accounts, now=now)
    refused: dict[int, Told] = {}
    if request.method == "POST":
        refused = _moved_many(request, person, line, list(views.values()))
        if not refused:
            return redirect("tariff_move", tariff_id)
    starts_at = min((tariff_moves.next_bill(view, now=now) for view in views.values()), default=SINCE_EVER)
    candidates = [
        replace(each, told=refused.get(each.account.account_id))
        for each in _candidates(request, line, accounts, starts_at)
    ]
    context = {
        "line": line,
        "candidates": candidates,
        "some_misfit": any(each.choice.reasons for each in candidates),
        "told": refused.get(0),
        **_asked(request, starts_at, now=now),
    }
    return show(request, person, "tariff_move", context, title=line.name, status=422 if refused else 200)


def _moved_one(request: HttpRequest, person: Person, view: AccountView, lines: Sequence[Line]) -> Told | None:
    """Move one account; returns what was refused, or None where it is done."""
    line = next((each for each in lines if str(each.tariff_id) == request.POST.get("tariff")), None)
    actor, form_id = _actor(request, person), act_id_of(request)
    try:
        if line is None:
            raise FieldMalformed("tariff")
        wish = tariff_moves.wish(request.POST)
        tariff_moves.move(view, line, wish, actor=actor, form_id=form_id)
    except (Refused, Unreachable) as error:
        return tariff_moves.told(error, zone=view.account.zone)
    return None


def _moved_many(
    request: HttpRequest, person: Person, line: Line, views: Sequence[AccountView]
) -> dict[int, Told]:
    """Move the chosen accounts, each by itself; returns what was refused, by account, 0 for all of them."""
    chosen = set(request.POST.getlist("account"))
    actor, form_id = _actor(request, person), act_id_of(request)
    try:
        wish = tariff_moves.wish(request.POST)
        acting.require_reason(actor)
        if not chosen:
            raise FieldMalformed("account")
    except Refused as error:
        return {0: tariff_moves.told(error, zone="UTC")}
    refused: dict[int, Told] = {}
    asked = [view for view in views if str(view.account.account_id) in chosen][:MOVED_AT_ONCE_MAX]
    for view in asked:
        try:
            tariff_moves.move(view, line, wish, actor=actor, form_id=form_id)
        except (Refused, Unreachable) as error:
            refused[view.account.account_id] = tariff_moves.told(error, zone=view.account.zone)
    if moved := len(asked) - len(refused):
        text = ngettext("%(n)s account moves.", "%(n)s accounts move.", moved)
        messages.success(request, text % {"n": moved})
    return refused


def _actor(request: HttpRequest, person: Person) -> Actor:
    if not person.may_assign:
        raise PermissionDenied
    return people.actor(request, person, why=request.POST.get("why", "").strip()[:500])


def _candidates(
    request: HttpRequest, line: Line, accounts: Sequence[BilledRow], starts_at: datetime
) -> list[Candidate]:
    """Return who could move here, with what was chosen and typed so far."""
    now, chosen = wiring.now(), set(request.POST.getlist("account"))
    fitter, views = Fitter(tariff_fits.models()), _views(accounts, now=now)
    made = []
    for account in accounts:
        view = views[account.account_id]
        at = tariff_moves.instant(starts_at, zone=account.zone)
        (choice,) = tariff_moves.choices(view, [line], at=at, fitter=fitter)
        coming = [each for each in tariff_moves.reigns(view, now=now) if not each.is_now]
        here = [each.since for each in coming if each.version.tariff_id == line.tariff_id]
        made.append(
            Candidate(
                account=account,
                choice=choice,
                moves_at=here[0] if here else None,
                is_chosen=str(account.account_id) in chosen,
                persons=_persons(request, account.account_id, account.terms),
                contracted_kw=_contracted_kw(request, account.account_id, account.terms),
            )
        )
    return made


def _views(accounts: Sequence[BilledRow], *, now: datetime) -> Mapping[int, AccountView]:
    return tariff_moves.views([each.account_id for each in accounts], now=now)


def _persons(request: HttpRequest, account_id: int, terms: Terms) -> str:
    return request.POST.get(f"persons_{account_id}", str(terms.persons or ""))


def _contracted_kw(request: HttpRequest, account_id: int, terms: Terms) -> str:
    kept = "" if terms.contracted_w is None else f"{Decimal(terms.contracted_w).scaleb(-3).normalize():f}"
    return request.POST.get(f"contracted_kw_{account_id}", kept)


def _asked(request: HttpRequest, starts_at: datetime, *, now: datetime) -> dict[str, object]:
    """Return what every form of a move begins with: from when, why, and its own id."""
    given = request.POST
    # A refused form is the same act again: what of it was done already is not done twice.
    return {
        "starts_at": given.get("starts_at", f"{starts_at:%Y-%m-%dT%H:%M}"),
        "earliest": f"{now:%Y-%m-%dT%H:%M}",
        "why": given.get("why", ""),
        "by_hand": "by_hand" in given,
        "act_id": given.get("act_id", uuid4()),
    }
