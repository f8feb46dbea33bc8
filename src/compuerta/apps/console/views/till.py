"""The till: find the customer, take the cash, see the power come on. Works by keyboard alone."""

from uuid import UUID, uuid4

from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import urlencode
from django.utils.translation import gettext as _

from compuerta.apps import wiring
from compuerta.apps.console import amounts, figures, histories, people, pricing, reads, screens, work
from compuerta.apps.console.histories import AttemptRow
from compuerta.apps.console.people import Person, for_people
from compuerta.apps.console.reads import MeterRow
from compuerta.apps.console.screens import show
from compuerta.apps.console.selling import Sale, sell
from compuerta.apps.console.views.meters import act_id_of, one
from compuerta.domain.access import Right
from compuerta.domain.errors import Refused, Unreachable
from compuerta.domain.money import format_minor

FOUND_MAX = 12  # more are no choice: the cashier types another letter


@for_people
def find(request: HttpRequest, person: Person) -> HttpResponse:
    """Find a customer; one hit, or one room of that name, and Enter goes straight to the sale."""
    _require_cashier(person)
    words = request.GET.get("words", "").strip()[:64]
    found = reads.meters(person.organisation_id, now=wiring.now(), words=words) if words else []
    sellable = [
        meter
        for meter in found
        if meter.account_id is not None and person.may(Right.SELL, meter.within(person.organisation_id))
    ]
    context = {"words": words, "meters": sellable[:FOUND_MAX], "more": len(sellable) > FOUND_MAX}
    if request.headers.get("HX-Request"):
        return render(request, "console/_till_found.html", context)
    named = [meter for meter in sellable if meter.place == words]
    for only in (named, sellable):
        if len(only) == 1:
            return redirect("till_sale", only[0].meter_id)
    return show(request, person, "till", context, title=_("Till"))


@for_people
def sale(request: HttpRequest, person: Person, meter_id: int) -> HttpResponse:
    """Show the sale to one customer; make it when the form comes back."""
    _require_cashier(person)
    meter = _customer(person, meter_id)
    if request.method != "POST":
        return _form(request, person, meter, act_id=uuid4())
    act_id = act_id_of(request)
    try:
        sold = _sale(request, person, meter, act_id)
        actor = people.actor(request, person, why="cash at the till")
        work.run(lambda store: sell(store, sold, actor=actor, now=wiring.now()))
    except (Refused, Unreachable) as error:
        return _form(request, person, meter, act_id=act_id, error=screens.told(error))
    tendered = format_minor(sold.tendered_minor, currency=sold.currency)
    return redirect(f"{reverse('till_receipt', args=(meter_id, act_id))}?{urlencode({'tendered': tendered})}")


@for_people
def quote(request: HttpRequest, person: Person, meter_id: int) -> HttpResponse:
    """Say what an amount buys and what is given back, while the cashier types."""
    _require_cashier(person)
    meter = _customer(person, meter_id)
    return render(request, "console/_till_quote.html", {"meter": meter, **_quoted(request, meter)})


@for_people
def receipt(request: HttpRequest, person: Person, meter_id: int, attempt_id: UUID) -> HttpResponse:
    """Show a sale's receipt and its way to the meter."""
    facts = _receipt(request, person, meter_id, attempt_id)
    return show(request, person, "till_receipt", facts, title=_("Receipt"))


@for_people
def receipt_live(request: HttpRequest, person: Person, meter_id: int, attempt_id: UUID) -> HttpResponse:
    """Show the way to the meter alone."""
    return render(request, "console/_till_progress.html", _receipt(request, person, meter_id, attempt_id))


def _require_cashier(person: Person) -> None:
    if not person.may_sell:
        raise PermissionDenied


def _customer(person: Person, meter_id: int) -> MeterRow:
    meter = one(person, meter_id)
    if meter.account_id is None or meter.currency is None:
        raise Http404
    if not person.may(Right.SELL, meter.within(person.organisation_id)):
        raise PermissionDenied
    return meter


def _till(person: Person) -> str:
    tills = [
        row.provider for row in histories.provider_accounts(person.organisation_id) if row.kind == "till"
    ]
    if not tills:
        raise Http404(_("This organisation has no till yet."))
    return tills[0]


def _sale(request: HttpRequest, person: Person, meter: MeterRow, act_id: UUID) -> Sale:
    assert meter.account_id is not None and meter.currency is not None
    amount_minor = amounts.typed(request.POST.get("amount", ""), currency=meter.currency)
    tendered = request.POST.get("tendered", "").strip()
    return Sale(
        attempt_id=act_id,
        account_id=meter.account_id,
        till=_till(person),
        currency=meter.currency,
        amount_minor=amount_minor,
        tendered_minor=amounts.typed(tendered, currency=meter.currency) if tendered else amount_minor,
    )


def _form(
    request: HttpRequest, person: Person, meter: MeterRow, *, act_id: UUID, error: str = ""
) -> HttpResponse:
    assert meter.account_id is not None and meter.currency is not None
    values = {
        "meter": meter,
        "act_id": act_id,
        "error": error,
        "amount": request.POST.get("amount", ""),
        "tendered": request.POST.get("tendered", ""),
        "quick": amounts.quick_minor(meter.currency),
        "last": next(iter(histories.stopwatches(meter.account_id)), None),
    }
    return show(
        request, person, "till_sale", values, title=_("Sell a recharge"), status=422 if error else 200
    )


def _quoted(request: HttpRequest, meter: MeterRow) -> dict[str, object]:
    assert meter.currency is not None and meter.account_id is not None
    try:
        amount_minor = amounts.typed(request.GET.get("amount", ""), currency=meter.currency)
    except Refused:
        return {}
    if amount_minor < 0:
        return {}
    priced = pricing.priced(meter.account_id, amount_minor, now=wiring.now())
    try:
        tendered_minor = amounts.typed(request.GET.get("tendered", ""), currency=meter.currency)
    except Refused:
        return {"amount_minor": amount_minor, "priced": priced}
    return {
        "amount_minor": amount_minor,
        "priced": priced,
        "change_minor": tendered_minor - amount_minor,
        "missing_minor": amount_minor - tendered_minor,
    }


def _receipt(request: HttpRequest, person: Person, meter_id: int, attempt_id: UUID) -> dict[str, object]:
    _require_cashier(person)
    meter = _customer(person, meter_id)
    assert meter.account_id is not None and meter.currency is not None
    attempt = histories.attempt(meter.account_id, attempt_id)
    if attempt is None:
        raise Http404
    watch = histories.stopwatch_of(meter.account_id, provider=attempt.provider, reference=attempt.reference)
    act = histories.act(person.organisation_id, attempt_id)
    tendered_minor = _tendered_minor(request, attempt)
    return {
        "meter": meter,
        "attempt": attempt,
        "watch": watch,
        "bar": figures.bar(watch, now=wiring.now()) if watch else None,
        "cashier": act.who if act else "",
        "tendered_minor": tendered_minor,
        "change_minor": None if tendered_minor is None else tendered_minor - attempt.amount_minor,
        "priced": pricing.priced(meter.account_id, attempt.amount_minor, now=wiring.now()),
    }


def _tendered_minor(request: HttpRequest, attempt: AttemptRow) -> int | None:
    """Return the cash that the cashier took; the books know only what was paid with it."""
    try:
        tendered_minor = amounts.typed(request.GET.get("tendered", ""), currency=attempt.currency)
    except Refused:
        return None
    return tendered_minor if tendered_minor >= attempt.amount_minor else None
