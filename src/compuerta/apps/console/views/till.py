"""The till: find the customer, take the money, see the power come on. Works by keyboard alone."""

from uuid import UUID, uuid4

from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from compuerta.apps import wiring
from compuerta.apps.console import (
    amounts,
    figures,
    histories,
    people,
    phones,
    road_reads,
    screens,
    till_reads,
    work,
)
from compuerta.apps.console import receipts as paper
from compuerta.apps.console.histories import Stopwatch
from compuerta.apps.console.people import Person, for_people
from compuerta.apps.console.reads import MeterRow
from compuerta.apps.console.road_reads import Coming
from compuerta.apps.console.screens import show
from compuerta.apps.console.till_reads import SaleRow
from compuerta.apps.console.views import shifts as shift_views
from compuerta.apps.console.views.meters import act_id_of, one
from compuerta.apps.console.views.shifts import require_cashier
from compuerta.domain.access import Right
from compuerta.domain.errors import Refused, Unreachable
from compuerta.services import quoting, tilling
from compuerta.services.quoting import Quote
from compuerta.services.shift_port import CASH, receipt_number
from compuerta.services.shifts import ShiftMissing
from compuerta.services.tilling import TENDERS, Sale, Undoing

FOUND_MAX = 12  # more are no choice: the cashier types another letter
WORDS_MAX = 200  # a sticker's address


@for_people
def find(request: HttpRequest, person: Person) -> HttpResponse:
    """Find a customer; one hit, or one room of that name, and Enter goes straight to the sale."""
    require_cashier(person)
    standing = shift_views.standing(person)
    if standing is None:
        return shift_views.own(request, person)
    words = request.GET.get("words", "").strip()[:WORDS_MAX]
    found = till_reads.customers(person.organisation_id, words, now=wiring.now()) if words else []
    sellable = [
        meter
        for meter in found
        if meter.account_id is not None and person.may(Right.SELL, meter.within(person.organisation_id))
    ]
    context = {
        "words": words,
        "meters": sellable[:FOUND_MAX],
        "more": len(sellable) > FOUND_MAX,
        "standing": standing,
    }
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
    require_cashier(person)
    meter = _customer(person, meter_id)
    if request.method != "POST":
        return _form(request, person, meter, act_id=uuid4())
    act_id = act_id_of(request)
    try:
        _sell(request, person, meter, act_id)
    except (Refused, Unreachable) as error:
        # A code that was refused may be paid yet; whatever is tried next is another sale.
        again = uuid4() if request.POST.get("code") else act_id
        return _form(request, person, meter, act_id=again, error=screens.told(error))
    return redirect("till_receipt", meter_id, act_id)


@for_people
def quote(request: HttpRequest, person: Person, meter_id: int) -> HttpResponse:
    """Say what an amount buys and what is given back, while the cashier types; nothing is sold."""
    require_cashier(person)
    meter = _customer(person, meter_id)
    return render(request, "console/_till_quote.html", {"meter": meter, **_quoted(request, meter)})


@for_people
def receipts(request: HttpRequest, person: Person) -> HttpResponse:
    """Go to the receipt of a number, or to the last one of the shift."""
    require_cashier(person)
    standing = shift_views.standing(person)
    till, _dash, text = request.GET.get("number", "").strip().rpartition("-")
    till = till or ("" if standing is None else standing.till.provider)
    receipt_no = int(text[:18]) if text.isascii() and text.isdigit() else 0
    if not text and standing is not None:
        receipt_no = standing.till.receipt_no_last
    found = till_reads.sale_of(person.organisation_id, till, receipt_no)
    if found is None or found.meter_id is None:
        raise Http404(_("There is no receipt of this number."))
    return redirect("till_receipt", found.meter_id, found.attempt_id)


@for_people
def receipt(request: HttpRequest, person: Person, meter_id: int, attempt_id: UUID) -> HttpResponse:
    """Show a sale's receipt and its way to the meter."""
    facts = _receipt(request, person, meter_id, attempt_id)
    return show(request, person, "till_receipt", facts, title=_("Receipt"))


@for_people
def receipt_live(request: HttpRequest, person: Person, meter_id: int, attempt_id: UUID) -> HttpResponse:
    """Show the way to the meter alone; while a phone is waited for, its provider is asked often."""
    facts = _receipt(request, person, meter_id, attempt_id)
    answer = render(request, "console/_till_progress.html", facts)
    if facts["number"] and request.GET.get("number", "") != facts["number"]:
        # It was not there when the page was shown: the page is shown anew, with its receipt.
        answer["HX-Refresh"] = "true"
    return answer


@require_POST
@for_people
def void(request: HttpRequest, person: Person, meter_id: int, attempt_id: UUID) -> HttpResponse:
    """Undo another's sale while the meter has not taken it."""
    meter = _customer(person, meter_id)
    assert meter.account_id is not None
    if not person.may(Right.SUPERVISE, meter.within(person.organisation_id)):
        raise PermissionDenied
    wish = Undoing(
        correction_id=act_id_of(request),
        organisation_id=person.organisation_id,
        account_id=meter.account_id,
        attempt_id=attempt_id,
    )
    actor = people.actor(request, person, why=request.POST.get("why", "").strip()[:WORDS_MAX])
    try:
        work.run(lambda store: tilling.void(store, wish, actor=actor, now=wiring.now()))
    except (Refused, Unreachable) as error:
        facts = {**_receipt(request, person, meter_id, attempt_id), "error": screens.told(error)}
        return show(request, person, "till_receipt", facts, title=_("Receipt"), status=422)
    return redirect("till_receipt", meter_id, attempt_id)


def _customer(person: Person, meter_id: int) -> MeterRow:
    meter = one(person, meter_id)
    if meter.account_id is None or meter.currency is None:
        raise Http404
    if not person.may(Right.SELL, meter.within(person.organisation_id)):
        raise PermissionDenied
    return meter


def _sell(request: HttpRequest, person: Person, meter: MeterRow, act_id: UUID) -> None:
    assert meter.currency is not None
    code = "".join(request.POST.get("code", "").split())
    amount_minor = amounts.typed(request.POST.get("amount", ""), currency=meter.currency)
    now = wiring.now()
    if code:
        actor = people.actor(request, person, why="by phone at the till")
        wanted = _sale(person, meter, act_id, amount_minor, {})
        phones.pay(
            wanted, code, ways=phones.ways(person.organisation_id, meter.currency), actor=actor, now=now
        )
        return
    tenders = _tenders(request, amount_minor, currency=meter.currency)
    wanted = _sale(person, meter, act_id, amount_minor, tenders, note=request.POST.get("note", "").strip())
    actor = people.actor(request, person, why="at the till")
    work.run(lambda store: tilling.sell(store, wanted, actor=actor, now=now))


def _sale(
    person: Person,
    meter: MeterRow,
    act_id: UUID,
    amount_minor: int,
    tenders: dict[str, int],
    *,
    note: str = "",
) -> Sale:
    assert meter.account_id is not None and meter.currency is not None
    return Sale(
        attempt_id=act_id,
        organisation_id=person.organisation_id,
        account_id=meter.account_id,
        currency=meter.currency,
        amount_minor=amount_minor,
        tenders=tenders,
        note=note,
    )


def _tenders(request: HttpRequest, amount_minor: int, *, currency: str) -> dict[str, int]:
    """Read what was handed over; where nothing is said of cash, it is the rest, to the cent."""
    given = {kind: request.POST.get(kind, "").strip() for kind in TENDERS}
    tenders = {kind: amounts.typed(text, currency=currency) for kind, text in given.items() if text}
    text = request.POST.get("tendered", "").strip()
    rest_minor = max(0, amount_minor - sum(tenders.values()))
    cash_minor = amounts.typed(text, currency=currency) if text else rest_minor
    return {CASH: cash_minor, **tenders} if cash_minor else tenders


def _form(
    request: HttpRequest, person: Person, meter: MeterRow, *, act_id: UUID, error: str = ""
) -> HttpResponse:
    assert meter.account_id is not None and meter.currency is not None
    account_id = meter.account_id
    standing = shift_views.standing(person)
    if standing is None:
        return shift_views.own(request, person, error=error and screens.told(ShiftMissing()))
    kept = ("amount", "tendered", *TENDERS, "note")
    values = {
        "meter": meter,
        "standing": standing,
        "act_id": act_id,
        "error": error,
        "typed": {name: request.POST.get(name, "") for name in kept},
        "quick": amounts.quick_minor(meter.currency),
        "last": next(iter(histories.stopwatches(meter.account_id)), None),
        "customer": work.run(lambda store: tilling.customer(store, account_id, now=wiring.now())),
        "ways": phones.ways(person.organisation_id, meter.currency),
    }
    return show(
        request, person, "till_sale", values, title=_("Sell a recharge"), status=422 if error else 200
    )


def _quoted(request: HttpRequest, meter: MeterRow) -> dict[str, object]:
    assert meter.currency is not None and meter.account_id is not None
    account_id = meter.account_id
    try:
        amount_minor = amounts.typed(request.GET.get("amount", ""), currency=meter.currency)
    except Refused:
        return {}
    try:
        bought: Quote = work.run(
            lambda store: quoting.quote(store, account_id, amount_minor, now=wiring.now())
        )
    except (Refused, Unreachable) as error:
        return {"refused": screens.told(error)}
    handed = 0
    for name in ("tendered", *TENDERS):
        try:
            handed += amounts.typed(request.GET.get(name, "") or "0", currency=meter.currency)
        except Refused:
            return {"quote": bought}
    rest_minor = handed - amount_minor if request.GET.get("tendered") else 0
    return {"quote": bought, "change_minor": rest_minor, "missing_minor": -rest_minor}


def _receipt(request: HttpRequest, person: Person, meter_id: int, attempt_id: UUID) -> dict[str, object]:
    require_cashier(person)
    meter = _customer(person, meter_id)
    assert meter.account_id is not None and meter.currency is not None
    attempt = histories.attempt(meter.account_id, attempt_id)
    sold = till_reads.sale(person.organisation_id, meter.account_id, attempt_id)
    if attempt is None:
        raise Http404
    if sold is not None and sold.receipt_no is None and sold.counted_at is None:
        phones.follow(sold, organisation_id=person.organisation_id, now=wiring.now())
        attempt = histories.attempt(meter.account_id, attempt_id) or attempt
        sold = till_reads.sale(person.organisation_id, meter.account_id, attempt_id)
    watch = histories.stopwatch_of(meter.account_id, provider=attempt.provider, reference=attempt.reference)
    return {
        "meter": meter,
        "attempt": attempt,
        "sold": sold,
        "number": receipt_number(sold.provider, sold.receipt_no) if sold and sold.receipt_no else "",
        **_slip(request, meter.account_id, watch),
        "watch": watch,
        "coming": _coming(meter, watch),
        "bar": figures.bar(watch, now=wiring.now()) if watch else None,
        "is_waiting": attempt.state not in ("paid", "closed") and wiring.now() < attempt.expires_at,
        "may_void": _may_void(person, meter, sold),
        "act_id": uuid4(),
    }


def _coming(meter: MeterRow, watch: Stopwatch | None) -> Coming | None:
    if watch is None or watch.closed_at is not None or meter.account_id is None:
        return None
    return road_reads.coming(meter.account_id, zone=meter.zone, now=wiring.now())


def _slip(request: HttpRequest, account_id: int, watch: Stopwatch | None) -> dict[str, object]:
    """Return what the receipt says, once there is a recharge."""
    if watch is None:
        return {}
    return paper.shown(request, paper.handed_out(account_id, watch.recharge_id), masked=False)


def _may_void(person: Person, meter: MeterRow, sold: SaleRow | None) -> bool:
    if sold is None or sold.receipt_no is None or sold.voided_at or sold.counted_at:
        return False
    place = meter.within(person.organisation_id)
    return sold.sold_by != person.name and person.may(Right.SUPERVISE, place)
