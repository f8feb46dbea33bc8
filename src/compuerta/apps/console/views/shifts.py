"""Shifts: open one, see how it stands, take cash out, count blind, and have a difference accepted."""

from decimal import Decimal
from uuid import UUID, uuid4

from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from compuerta.apps import wiring
from compuerta.apps.console import amounts, people, screens, till_reads, till_words, work
from compuerta.apps.console.people import Person, for_people
from compuerta.apps.console.screens import show
from compuerta.apps.console.templatetags.console import tendername
from compuerta.apps.console.till_reads import ShiftRow, TillRow
from compuerta.apps.console.views.meters import act_id_of
from compuerta.domain.access import Place, Right
from compuerta.domain.errors import Refused, Unreachable
from compuerta.domain.money import minor_digits
from compuerta.services import shifts
from compuerta.services.shift_port import MovementKind
from compuerta.services.shift_report import Report
from compuerta.services.shifts import Count, Opening, Standing, Taking

# Of every currency the usual notes and coins, in its major unit.
DENOMINATIONS = ("100", "50", "20", "10", "5", "1", "0.5", "0.1")
PIECES_MAX = 100_000
REASON_MAX = 200
_TAKEN = {"drop": MovementKind.DROP, "payout": MovementKind.PAYOUT}


@for_people
def mine(request: HttpRequest, person: Person) -> HttpResponse:
    """Show one's own shift, or the way to open one."""
    require_cashier(person)
    return own(request, person)


@require_POST
@for_people
def act(request: HttpRequest, person: Person, verb: str) -> HttpResponse:
    """Open a shift, take cash out of its drawer, or count it."""
    require_cashier(person)
    acts = {"open": _open, "drop": _take, "payout": _take, "count": _count}
    if verb not in acts:
        raise Http404
    try:
        return acts[verb](request, person, verb)
    except (Refused, Unreachable) as error:
        return own(request, person, error=screens.told(error))


@for_people
def listing(request: HttpRequest, person: Person) -> HttpResponse:
    """List one's own shifts; a supervisor sees everybody's."""
    if not person.may(Right.SELL) and not person.may(Right.SUPERVISE):
        raise PermissionDenied
    cashier = None if person.may(Right.SUPERVISE) else person.name
    found = [
        each
        for each in till_reads.shifts(person.organisation_id, cashier=cashier)
        if each.cashier == person.name or person.may(Right.SUPERVISE, _place(person, each))
    ]
    return show(request, person, "shifts", {"shifts": found, "all": cashier is None}, title=_("Shifts"))


@for_people
def page(request: HttpRequest, person: Person, shift_id: UUID) -> HttpResponse:
    """Show a shift's report: X while it is open, Z once it is closed."""
    return _report(request, person, shift_id)


@require_POST
@for_people
def decide(request: HttpRequest, person: Person, shift_id: UUID, verb: str) -> HttpResponse:
    """Explain one's own difference, or accept another's."""
    row = _shift(person, shift_id)
    why = request.POST.get("why", "").strip()[:REASON_MAX]
    actor = people.actor(request, person, why=why)
    act_id, now = act_id_of(request), wiring.now()
    if verb not in ("explain", "accept"):
        raise Http404
    if verb == "accept" and not person.may(Right.SUPERVISE, _place(person, row)):
        raise PermissionDenied
    step = shifts.explain if verb == "explain" else shifts.accept
    try:
        work.run(
            lambda store: step(
                store, shift_id, organisation_id=person.organisation_id, actor=actor, act_id=act_id, now=now
            )
        )
    except (Refused, Unreachable) as error:
        return _report(request, person, shift_id, error=screens.told(error))
    return redirect("shift_report", shift_id)


def require_cashier(person: Person) -> None:
    """Refuse who sells nowhere."""
    if not person.may_sell:
        raise PermissionDenied


def standing(person: Person) -> Standing | None:
    """Return somebody's open shift."""
    return work.run(
        lambda store: shifts.standing(store, organisation_id=person.organisation_id, cashier=person.name)
    )


def own(request: HttpRequest, person: Person, *, error: str = "") -> HttpResponse:
    """Show one's own shift: a form to open one, or the one that is open with all that may be done in it."""
    current = standing(person)
    status = 422 if error else 200
    if current is None:
        values = {
            "tills": [each for each in till_reads.tills(person.organisation_id) if _sells_at(person, each)],
            "may_add": person.may(Right.SUPERVISE),
            "act_id": uuid4(),
            "error": error,
        }
        return show(request, person, "shift_open", values, title=_("Open a shift"), status=status)
    _shift_row, figures, sales = work.run(
        lambda store: shifts.figures(store, current.shift.shift_id, organisation_id=person.organisation_id)
    )
    values = {
        "standing": current,
        "currency": current.till.currency,
        "figures": figures,
        "lines": _lines(figures, is_blind=True),
        "sales": till_reads.sales(person.organisation_id, current.shift.shift_id),
        "waiting": len(sales) - figures.sales,
        "denominations": DENOMINATIONS,
        "act_ids": {name: uuid4() for name in ("drop", "payout", "count")},
        "error": error,
    }
    return show(request, person, "shift", values, title=_("My shift"), status=status)


def _sells_at(person: Person, till: TillRow) -> bool:
    return person.may(Right.SELL, Place(organisation_id=person.organisation_id, site_id=till.site_id)) or (
        till.site_id is None and person.may_sell
    )


def _open(request: HttpRequest, person: Person, verb: str) -> HttpResponse:
    tills = {each.provider: each for each in till_reads.tills(person.organisation_id)}
    till = tills.get(request.POST.get("till", ""))
    if till is None or not _sells_at(person, till):
        raise Http404
    opening = Opening(
        shift_id=act_id_of(request),
        organisation_id=person.organisation_id,
        till=till.provider,
        float_minor=amounts.typed(request.POST.get("float", ""), currency=till.currency),
    )
    actor = people.actor(request, person, why="float")
    work.run(lambda store: shifts.open_shift(store, opening, actor=actor, now=wiring.now()))
    return redirect("till")


def _take(request: HttpRequest, person: Person, verb: str) -> HttpResponse:
    taking = Taking(
        movement_id=act_id_of(request),
        organisation_id=person.organisation_id,
        kind=_TAKEN[verb],
        amount_minor=amounts.typed(request.POST.get("amount", ""), currency=_currency(person)),
    )
    why = request.POST.get("why", "").strip()[:REASON_MAX]
    actor = people.actor(request, person, why=why)
    work.run(lambda store: shifts.take_out(store, taking, actor=actor, now=wiring.now()))
    return redirect("shift")


def _count(request: HttpRequest, person: Person, verb: str) -> HttpResponse:
    currency = _currency(person)
    pieces = _pieces(request)
    text = request.POST.get("counted", "").strip()
    counted_minor = amounts.typed(text, currency=currency) if text else _worth_minor(pieces, currency)
    counted = Count(
        act_id=act_id_of(request),
        organisation_id=person.organisation_id,
        counted_minor=counted_minor,
        denominations=pieces,
    )
    actor = people.actor(request, person, why="count")
    shift = work.run(lambda store: shifts.count(store, counted, actor=actor, now=wiring.now()))
    return redirect("shift_report", shift.shift_id)


def _currency(person: Person) -> str:
    current = standing(person)
    if current is None:
        raise shifts.ShiftMissing
    return current.till.currency


def _pieces(request: HttpRequest) -> dict[str, int]:
    found = {}
    for name in DENOMINATIONS:
        text = request.POST.get(f"pieces-{name}", "").strip()
        if text.isascii() and text.isdigit() and 0 < int(text[:9]) <= PIECES_MAX:
            found[name] = int(text)
    return found


def _worth_minor(pieces: dict[str, int], currency: str) -> int:
    worth = sum((Decimal(name) * number for name, number in pieces.items()), Decimal(0))
    return int(worth.scaleb(minor_digits(currency)))


def _shift(person: Person, shift_id: UUID) -> ShiftRow:
    """Return a shift that is one's own, or that one may supervise."""
    row = till_reads.shift(person.organisation_id, shift_id)
    if row is None:
        raise Http404
    if row.cashier != person.name and not person.may(Right.SUPERVISE, _place(person, row)):
        raise PermissionDenied
    return row


def _place(person: Person, row: ShiftRow) -> Place:
    return Place(organisation_id=person.organisation_id, site_id=row.site_id)


def _report(request: HttpRequest, person: Person, shift_id: UUID, *, error: str = "") -> HttpResponse:
    row = _shift(person, shift_id)
    shift, figures, _all = work.run(
        lambda store: shifts.figures(store, shift_id, organisation_id=person.organisation_id)
    )
    supervises = person.may(Right.SUPERVISE, _place(person, row)) and row.cashier != person.name
    # Blind: who counts does not see what should be there before it is counted.
    is_blind = row.counted_at is None and not supervises
    values = {
        "shift": row,
        "figures": figures,
        "lines": _lines(figures, is_blind=is_blind),
        "is_blind": is_blind,
        "pieces": sorted(shift.denominations.items(), key=lambda each: -Decimal(each[0])),
        "sales": till_reads.sales(person.organisation_id, shift_id),
        "may_explain": row.cashier == person.name and row.counted_at and not row.closed_at,
        "may_accept": supervises and row.counted_at and not row.closed_at,
        "act_id": uuid4(),
        "printed_at": wiring.now(),
        "error": error,
    }
    title = _("Z report") if row.closed_at else _("X report")
    return show(request, person, "shift_report", values, title=title, status=422 if error else 200)


def _lines(figures: Report, *, is_blind: bool) -> list[tuple[str, int]]:
    """Return the report's lines; those that tell the drawer's content are left out of a blind one."""
    lines = [
        (tendername(kind), amount_minor)
        for kind, amount_minor in figures.tenders.items()
        if kind != "cash" or not is_blind
    ]
    shown = frozenset(_TAKEN.values()) if is_blind else frozenset(MovementKind) - {MovementKind.COUNT}
    moved = {kind: minor for kind, minor in figures.moved.items() if kind in shown}
    return lines + [(str(till_words.MOVEMENTS[kind]), minor) for kind, minor in moved.items()]
