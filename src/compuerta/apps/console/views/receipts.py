"""Receipts: for staff, for whoever paid, and a page that tells anybody whether one is genuine."""

from uuid import UUID

from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache

from compuerta.adapters.paper.press import Paper
from compuerta.apps import wiring
from compuerta.apps.console import histories, living, receipts, work
from compuerta.apps.console.people import Person, for_people
from compuerta.apps.console.screens import show
from compuerta.apps.console.views import pay
from compuerta.domain.access import Right
from compuerta.services import receipting
from compuerta.services.receipting import Receipt, ReceiptUnknown, Standing


@for_people
def page(request: HttpRequest, person: Person, account_id: int, recharge_id: UUID) -> HttpResponse:
    """Show a receipt to staff, with what it can be printed on."""
    _require_seen(person, account_id)
    try:
        receipt = receipts.handed_out(account_id, recharge_id)
    except ReceiptUnknown:
        raise Http404 from None
    context = {**receipts.shown(request, receipt, masked=False), "papers": [each.value for each in Paper]}
    return show(request, person, "receipt", context, title=_("Receipt"))


@never_cache
@for_people
def pdf(request: HttpRequest, person: Person, account_id: int, recharge_id: UUID, paper: str) -> HttpResponse:
    """Print a receipt: from the second time on it says that it is a copy."""
    _require_seen(person, account_id)
    wanted = _paper(paper)
    try:
        receipt = receipts.printed(account_id, recharge_id)
    except ReceiptUnknown:
        raise Http404 from None
    return receipts.file(request, receipt, paper=wanted, masked=False)


@never_cache
def paid(request: HttpRequest, pay_token: UUID, recharge_id: UUID) -> HttpResponse:
    """Show a resident a receipt of theirs; it says the name to whoever has proved to live there only."""
    found = _of_resident(pay_token, recharge_id)
    if found is None:
        return pay.unknown(request, str(pay_token))
    place, receipt = found
    masked = not living.reader(request, place).is_proved
    context = {
        **receipts.shown(request, receipt, masked=masked),
        "place": place,
        "pay_token": pay_token,
        "recharge_id": recharge_id,
    }
    return pay.shown(request, "pay_receipt", context)


@never_cache
def paid_pdf(request: HttpRequest, pay_token: UUID, recharge_id: UUID) -> HttpResponse:
    """Give a resident a receipt of theirs as a file; only what is printed at a counter is counted."""
    found = _of_resident(pay_token, recharge_id)
    if found is None:
        return pay.unknown(request, str(pay_token))
    place, receipt = found
    masked = not living.reader(request, place).is_proved
    return receipts.file(request, receipt, paper=Paper.A4, masked=masked)


@never_cache
def genuine(request: HttpRequest, token: str) -> HttpResponse:
    """Tell anybody whether a receipt is ours: what it was for, and no name and no balance."""
    receipt = None
    try:
        known = UUID(token)
        receipt = work.run(lambda store: receipting.genuine(store, known, now=wiring.now()))
    except ValueError:
        pass  # what is no token is as unknown as a token that nobody gave out
    context: dict[str, object] = {
        "receipt": receipt,
        "is_whole": receipt is not None and receipt.standing in (Standing.CREDITED, Standing.ON_ITS_WAY),
    }
    return pay.shown(request, "genuine", context, status=200 if receipt else 404)


def _require_seen(person: Person, account_id: int) -> None:
    place = receipts.place_of(person.organisation_id, account_id)
    if place is None:
        raise Http404
    if not person.may(Right.SEE, place):
        raise PermissionDenied


def _paper(name: str) -> Paper:
    try:
        return Paper(name)
    except ValueError:
        raise Http404 from None


def _of_resident(pay_token: UUID, recharge_id: UUID) -> tuple[histories.PayPlace, Receipt] | None:
    """Return a receipt of the account that is open at a place; who lived there before is not told of."""
    place = histories.pay_place(pay_token)
    if place is None:
        return None
    try:
        return place, receipts.handed_out(place.account_id, recharge_id)
    except ReceiptUnknown:
        return None
