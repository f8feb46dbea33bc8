"""Suspense, and putting money right: one person proposes on a form, another decides on a list."""

from uuid import UUID, uuid4

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from compuerta.adapters.postgres.store import PostgresStore
from compuerta.apps import wiring
from compuerta.apps.console import (
    amounts,
    correction_reads,
    correction_words,
    histories,
    people,
    screens,
    till_reads,
    work,
)
from compuerta.apps.console.correction_reads import AccountRow, CorrectionRow, PaymentRow
from compuerta.apps.console.people import Person, for_people
from compuerta.apps.console.screens import show
from compuerta.apps.console.views import shifts as shift_views
from compuerta.apps.console.views.meters import act_id_of
from compuerta.domain.access import Place, Right
from compuerta.domain.correction import CorrectionKind, Way
from compuerta.domain.errors import Refused, Unreachable
from compuerta.services import correcting, indebting
from compuerta.services.acting import Actor
from compuerta.services.proposing import NotProposable, Proposal
from compuerta.services.shifts import ShiftMissing

MONEY = (Right.SEE_MONEY, Right.CORRECT, Right.APPROVE_CORRECTION)  # each of them sees money
WHY_MAX = 500
WORDS_MAX = 200
FOUND_MAX = 8
# What each verb of the list asks for.
RIGHTS = {
    "approve": Right.APPROVE_CORRECTION,
    "reject": Right.APPROVE_CORRECTION,
    "take_up": Right.CORRECT,
    "give_up": Right.CORRECT,
    "pay_out": Right.SELL,
}
_SUSPENDED = (CorrectionKind.PLACE, CorrectionKind.REFUND)
_GIVEN = (CorrectionKind.ADJUST, CorrectionKind.OPEN_DEBT, CorrectionKind.WRITE_OFF)
_CREDITED = (CorrectionKind.REFUND, CorrectionKind.MOVE)
_CAME_BACK = (CorrectionKind.PLACE, *_CREDITED)  # it was credited, and some of it waits in suspense


class AccountUnclear(Refused):
    """Words that fit no account, or several."""

    def __init__(self, words: str) -> None:
        super().__init__(f"{words!r} fits no account, or several")
        self.words = words


def require_money(person: Person) -> None:
    """Refuse who sees no money."""
    if not any(person.may(right) for right in MONEY):
        raise PermissionDenied


def require_all_money(person: Person) -> None:
    """Refuse who sees only a part: an account at a bank, or at a provider, is of all sites together."""
    if not any(person.may(right, Place(organisation_id=person.organisation_id)) for right in MONEY):
        raise PermissionDenied


@for_people
def suspense(request: HttpRequest, person: Person) -> HttpResponse:
    """List the money that is nobody's yet."""
    require_money(person)
    context = {
        "waiting": correction_reads.suspense(person.organisation_id),
        "may_correct": person.may(Right.CORRECT),
    }
    return show(request, person, "suspense", context, title=_("Suspense"))


@for_people
def listing(request: HttpRequest, person: Person) -> HttpResponse:
    """List what is put right, what waits for somebody, and what has ended."""
    require_money(person)
    found = correction_reads.corrections(person.organisation_id)
    context = {"corrections": [(each, _verbs(person, each), uuid4()) for each in found]}
    return show(request, person, "corrections", context, title=_("Corrections"))


@for_people
def propose(request: HttpRequest, person: Person, account_id: int, payment_id: UUID) -> HttpResponse:
    """Show the form to put a payment right; keep the proposal when it comes back."""
    payment = correction_reads.payment(person.organisation_id, account_id, payment_id)
    if payment is None:
        raise Http404
    if not person.may(Right.CORRECT, payment.within(person.organisation_id)):
        raise PermissionDenied
    if request.method != "POST":
        return _form(request, person, payment)
    try:
        wish = _wish(request, person, payment)
        provider = work.providers().get(payment.provider)
        able = None if provider is None else provider.capabilities
        actor = _actor(request, person)

        def proposed(store: PostgresStore) -> None:
            correcting.propose(store, wish, actor=actor, capabilities=able, now=wiring.now())

        work.run(proposed)
    except AccountUnclear:
        return _form(request, person, payment, error=_("Several accounts fit, or none: choose one."))
    except (Refused, Unreachable) as error:
        return _form(request, person, payment, error=screens.told(error))
    messages.success(request, _("Proposed. A second person decides."))
    return redirect("corrections")


@for_people
def give(request: HttpRequest, person: Person, account_id: int) -> HttpResponse:
    """Show the form for credit that nobody paid, a new debt, or the end of one; keep the proposal."""
    account = correction_reads.account(person.organisation_id, account_id)
    if account is None:
        raise Http404
    if not person.may(Right.CORRECT, account.within(person.organisation_id)):
        raise PermissionDenied
    error = ""
    if request.method == "POST":
        try:
            wish, actor = _given(request, account), _actor(request, person)
            work.run(lambda store: correcting.propose(store, wish, actor=actor, now=wiring.now()))
        except (Refused, Unreachable) as refused:
            error = screens.told(refused)
        else:
            messages.success(request, _("Proposed. A second person decides."))
            return redirect("corrections")
    debts = work.run(lambda store: indebting.owed(store, account_id))
    kinds = [each.value for each in _GIVEN if debts or each is not CorrectionKind.WRITE_OFF]
    context = {
        "account": account,
        "kinds": [(each, correction_words.KINDS[each], correction_words.EFFECTS[each]) for each in kinds],
        "kind": request.POST.get("kind", kinds[0]),
        "debts": debts,
        "act_id": request.POST.get("act_id") or uuid4(),
        "why": request.POST.get("why", ""),
        "amount": request.POST.get("amount", ""),
        "error": error,
    }
    return show(request, person, "correction_give", context, title=_("Credit or debt"))


def _given(request: HttpRequest, account: AccountRow) -> Proposal:
    kind = request.POST.get("kind", "")
    if kind not in {each.value for each in _GIVEN}:
        raise NotProposable("choose what to put right")
    debt_id = None
    if kind == CorrectionKind.WRITE_OFF.value:
        try:
            debt_id = UUID(request.POST.get("debt_id", ""))
        except ValueError:
            raise NotProposable("choose the debt") from None
    return Proposal(
        correction_id=act_id_of(request),
        kind=CorrectionKind(kind),
        account_id=account.account_id,
        amount_minor=amounts.typed(request.POST.get("amount", ""), currency=account.currency),
        debt_id=debt_id,
    )


@require_POST
@for_people
def act(
    request: HttpRequest, person: Person, account_id: int, correction_id: UUID, verb: str
) -> HttpResponse:
    """Approve or reject what another has proposed, or see to what is stuck or to be paid out."""
    found = correction_reads.correction(person.organisation_id, account_id, correction_id)
    if verb not in RIGHTS or found is None:
        raise Http404
    if not person.may(RIGHTS[verb], found.within(person.organisation_id)):
        raise PermissionDenied
    act_id, actor = act_id_of(request), _actor(request, person)
    try:
        if not histories.was_done(person.organisation_id, act_id):
            work.run(lambda store: _act(store, person, found, verb, actor, act_id))
    except (Refused, Unreachable) as error:
        if not histories.was_done(person.organisation_id, act_id):
            messages.error(request, screens.told(error))
    return redirect("corrections")


def _act(
    store: PostgresStore, person: Person, found: CorrectionRow, verb: str, actor: Actor, act_id: UUID
) -> None:
    key, now = (found.account_id, found.correction_id), wiring.now()
    match verb:
        case "approve":
            correcting.approve(store, *key, actor=actor, act_id=act_id, now=now)
        case "reject":
            correcting.reject(store, *key, actor=actor, act_id=act_id, now=now)
        case "take_up":
            correcting.take_up(store, *key, actor=actor, act_id=act_id, now=now)
        case "give_up":
            correcting.give_up(store, *key, actor=actor, act_id=act_id, now=now)
        case _:
            till = _till(person, found)
            correcting.pay_out(store, *key, till=till, actor=actor, act_id=act_id, now=now)


def _till(person: Person, found: CorrectionRow) -> str:
    """Return the till that somebody stands at; else one that has no shifts and holds this money."""
    standing = shift_views.standing(person)
    if standing is not None:
        return str(standing.till.provider)
    tills = correction_reads.tills_without_shifts(person.organisation_id, currency=found.currency)
    if not tills:
        raise ShiftMissing
    return tills[0]


def _verbs(person: Person, row: CorrectionRow) -> list[str]:
    """Return what somebody may do to a correction as it stands; never decide on their own."""
    wanted = {
        "proposed": [] if row.proposed_by == person.name else ["approve", "reject"],
        "stuck": ["take_up", "give_up"],
        "paying": ["pay_out"] if row.way == Way.CASH.value else [],
    }
    place = row.within(person.organisation_id)
    return [verb for verb in wanted.get(row.state, []) if person.may(RIGHTS[verb], place)]


def _wish(request: HttpRequest, person: Person, payment: PaymentRow) -> Proposal:
    kind = request.POST.get("kind", "")
    if kind not in {each.value for each in _kinds(payment)}:
        raise NotProposable("choose what to put right")
    is_refund = kind == CorrectionKind.REFUND.value
    to_account_id = None
    if not is_refund:
        to_account_id = _target(request, person)
    return Proposal(
        correction_id=act_id_of(request),
        kind=CorrectionKind(kind),
        account_id=payment.account_id,
        amount_minor=amounts.typed(request.POST.get("amount", ""), currency=payment.currency),
        payment_id=payment.payment_id,
        to_account_id=to_account_id,
        way=Way(request.POST.get("way", "provider")) if is_refund else None,
    )


def _target(request: HttpRequest, person: Person) -> int:
    words = request.POST.get("words", "").strip()[:WORDS_MAX]
    found = till_reads.customers(person.organisation_id, words, now=wiring.now()) if words else []
    named = [each for each in found if each.place == words] or found
    chosen = request.POST.get("to_account_id", "")
    ids = [each.account_id for each in found if each.account_id is not None]
    if chosen.isdigit() and int(chosen) in ids:
        return int(chosen)
    if len(named) == 1 and named[0].account_id is not None:
        return named[0].account_id
    raise AccountUnclear(words)


def _kinds(payment: PaymentRow) -> tuple[CorrectionKind, ...]:
    if payment.verdict == "suspended":
        return _SUSPENDED
    return _CAME_BACK if payment.waiting_minor > 0 else _CREDITED


def _form(request: HttpRequest, person: Person, payment: PaymentRow, *, error: str = "") -> HttpResponse:
    words = request.POST.get("words", request.GET.get("words", "")).strip()[:WORDS_MAX]
    found = till_reads.customers(person.organisation_id, words, now=wiring.now()) if words else []
    kinds = [each.value for each in _kinds(payment)]
    is_suspense = payment.verdict == "suspended" or payment.waiting_minor > 0
    asked = request.POST.get("kind", request.GET.get("kind", ""))
    provider = work.providers().get(payment.provider)
    context = {
        "payment": payment,
        "by_provider": provider is not None and provider.capabilities.refunds,
        "kinds": [
            (each, correction_words.KINDS[each], correction_reads.effect(each, is_suspense=is_suspense))
            for each in kinds
        ],
        "kind": asked if asked in kinds else kinds[0],
        "words": words,
        "found": [each for each in found if each.account_id is not None][:FOUND_MAX],
        "act_id": request.POST.get("act_id") or uuid4(),
        "why": request.POST.get("why", ""),
        "amount": request.POST.get("amount", ""),
        "error": error,
    }
    return show(request, person, "correction_new", context, title=_("Put a payment right"))


def _actor(request: HttpRequest, person: Person) -> Actor:
    return people.actor(request, person, why=request.POST.get("why", "").strip()[:WHY_MAX])
