"""Invoices: a month's documents, one of them, and who sells and buys by law."""

from collections.abc import Callable
from datetime import date, timedelta
from functools import partial
from uuid import UUID, uuid4

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from compuerta.adapters.postgres.store import PostgresStore
from compuerta.apps import wiring
from compuerta.apps.console import invoice_reads, people, screens, work
from compuerta.apps.console.people import Person, for_people
from compuerta.apps.console.screens import show
from compuerta.apps.console.views.chart import keeps_books
from compuerta.apps.console.views.corrections import WHY_MAX
from compuerta.apps.console.views.meters import act_id_of
from compuerta.domain.access import Place, Right
from compuerta.domain.errors import Refused, Unreachable
from compuerta.services import invoice_sheets, invoicing, statement_months
from compuerta.services.acting import Actor, ReasonMissing
from compuerta.services.invoice_port import Buyer, Invoice, Seller
from compuerta.services.invoicing import PartyFaulty, Taking
from compuerta.wire.ubl.writing import Kind, Party

# Issued while somebody waits; the command line issues a whole month.
ISSUED_AT_ONCE_MAX = 50
_FIELDS = ("name", "country", "tax_id", "company_no", "street", "city", "postcode")


@for_people
def listing(request: HttpRequest, person: Person) -> HttpResponse:
    """List a month's documents, and issue those that are not there yet when the form comes back."""
    _require_all(person)
    if request.method == "POST":
        return _issue(request, person)
    month = _month(request.GET.get("month", "")) or _last_month()
    seller = work.run(partial(_seller, organisation_id=person.organisation_id))
    context = {
        "month": month,
        "months": invoice_reads.months(person.organisation_id),
        "rows": invoice_reads.invoices(person.organisation_id, month),
        "seller": seller,
        "party": None if seller is None else seller.party,
        "may_act": keeps_books(person),
        "act_id": uuid4(),
    }
    return show(request, person, "invoices", context, title=_("Invoices"))


@for_people
def page(request: HttpRequest, person: Person, account_id: int, invoice_id: UUID) -> HttpResponse:
    """Show one document as it was issued."""
    _require_all(person)
    invoice, buyer, of_month = work.run(partial(_found, account_id=account_id, invoice_id=invoice_id))
    if invoice is None or invoice.organisation_id != person.organisation_id:
        raise Http404
    back = next((each for each in of_month if each.corrects == invoice.invoice_id), None)
    context = {
        "invoice": invoice,
        "sheet": invoice_sheets.sheet_of(invoice.sheet),
        "is_credit": invoice.kind is Kind.CREDIT_NOTE,
        "corrects": next((each for each in of_month if each.invoice_id == invoice.corrects), None),
        "back": back,
        "party": None if buyer is None else buyer.party,
        "may_act": keeps_books(person) and back is None and invoice.corrects is None,
        "may_name": keeps_books(person),
        "act_id": uuid4(),
        "buyer_act_id": uuid4(),
    }
    return show(request, person, "invoice", context, title=invoice.name)


@for_people
def file(request: HttpRequest, person: Person, account_id: int, invoice_id: UUID) -> HttpResponse:
    """Give a document as UBL 2.1, to the byte as it was issued."""
    _require_all(person)
    invoice, _buyer, _of_month = work.run(partial(_found, account_id=account_id, invoice_id=invoice_id))
    if invoice is None or invoice.organisation_id != person.organisation_id:
        raise Http404
    answer = HttpResponse(invoicing.document_of(invoice), content_type="application/xml")
    answer["Content-Disposition"] = f'attachment; filename="{invoice.name}.xml"'
    return answer


@require_POST
@for_people
def seller(request: HttpRequest, person: Person) -> HttpResponse:
    """Say who the organisation is by law."""
    _require_keeper(person)
    told = Seller(
        organisation_id=person.organisation_id,
        party=_party(request),
        series=request.POST.get("series", "").strip().upper(),
    )
    act_id, actor = act_id_of(request), people.actor(request, person, why="who sells")
    done = partial(invoicing.set_seller, seller=told, actor=actor, act_id=act_id, now=wiring.now())
    if _try(request, done):
        messages.success(request, _("The next invoices name this seller."))
    return redirect("invoices")


@require_POST
@for_people
def buyer(request: HttpRequest, person: Person, account_id: int, invoice_id: UUID) -> HttpResponse:
    """Say who an account is by law."""
    _require_keeper(person)
    told = Buyer(account_id=account_id, party=_party(request))
    act_id, actor = act_id_of(request), people.actor(request, person, why="who buys")
    done = partial(invoicing.set_buyer, buyer=told, actor=actor, act_id=act_id, now=wiring.now())
    if _try(request, done):
        messages.success(request, _("The next invoices of this account name this buyer."))
    return redirect("invoice", account_id, invoice_id)


@require_POST
@for_people
def take_back(request: HttpRequest, person: Person, account_id: int, invoice_id: UUID) -> HttpResponse:
    """Take an invoice back by a credit note."""
    _require_keeper(person)
    taking = Taking(
        organisation_id=person.organisation_id,
        account_id=account_id,
        invoice_id=invoice_id,
        act_id=act_id_of(request),
    )
    actor = people.actor(request, person, why=request.POST.get("why", "").strip()[:WHY_MAX])
    if _try(request, partial(invoicing.take_back, taking=taking, actor=actor, now=wiring.now())):
        messages.success(request, _("The invoice is taken back; its month may be invoiced once more."))
    return redirect("invoice", account_id, invoice_id)


def _issue(request: HttpRequest, person: Person) -> HttpResponse:
    _require_keeper(person)
    month = _month(request.POST.get("month", ""))
    if month is None:
        raise Http404
    actor = people.actor(request, person, why="invoices of a month")
    try:
        left, made = work.run(
            partial(_issued, organisation_id=person.organisation_id, month=month, actor=actor)
        )
    except (Refused, Unreachable) as error:
        messages.error(request, screens.told(error))
    else:
        told = {"made": made, "left": left}
        messages.success(request, _("Invoices issued: %(made)s. Accounts left: %(left)s.") % told)
    answer = redirect("invoices")
    answer["Location"] += f"?month={month:%Y-%m}"
    return answer


def _issued(store: PostgresStore, *, organisation_id: int, month: date, actor: Actor) -> tuple[int, int]:
    """Issue what is missing of a month, up to a bound; returns how many are left, and made."""
    with store.transaction() as tx:
        standing = tx.invoices.standing(organisation_id, month=month)
    wanted = [each for each in invoicing.to_invoice(store, organisation_id, month) if each not in standing]
    now = wiring.now()
    made = [
        invoicing.issue(store, account_id, month, actor=actor, now=now)
        for account_id in wanted[:ISSUED_AT_ONCE_MAX]
    ]
    return len(wanted[ISSUED_AT_ONCE_MAX:]), sum(each is not None for each in made)


def _try(request: HttpRequest, work_of: Callable[[PostgresStore], object]) -> bool:
    """Run a use case, and say what was refused."""
    try:
        work.run(work_of)
    except PartyFaulty as error:
        words = {
            "name": _("An invoice names the party."),
            "country": _("The country is two letters, such as MX."),
            "tax_id": _("The tax number begins with the country's two letters, such as ESB12345674."),
            "series": _("The series is up to ten letters and digits."),
        }
        messages.error(request, words.get(error.field, _("This is longer than an invoice can say.")))
    except ReasonMissing:
        messages.error(request, _("Say why: whoever looks at this later needs to know."))
    except (Refused, Unreachable) as error:
        messages.error(request, screens.told(error))
    else:
        return True
    return False


def _seller(store: PostgresStore, *, organisation_id: int) -> Seller | None:
    with store.transaction() as tx:
        return tx.invoices.seller(organisation_id)


def _found(
    store: PostgresStore, *, account_id: int, invoice_id: UUID
) -> tuple[Invoice | None, Buyer | None, list[Invoice]]:
    with store.transaction() as tx:
        invoice = tx.invoices.invoice(account_id, invoice_id)
        of_month = [] if invoice is None else tx.invoices.of_month(account_id, invoice.month)
        return invoice, tx.invoices.buyer(account_id), of_month


def _party(request: HttpRequest) -> Party:
    typed = {name: " ".join(request.POST.get(name, "").split()) for name in _FIELDS}
    capitals = {name: typed[name].replace(" ", "").upper() for name in ("country", "tax_id")}
    return Party(**{**typed, **capitals})


def _month(text: str) -> date | None:
    try:
        return statement_months.parsed(text).first
    except statement_months.MonthMalformed:
        return None


def _last_month() -> date:
    return (wiring.now().date().replace(day=1) - timedelta(days=1)).replace(day=1)


def _require_all(person: Person) -> None:
    """Refuse who sees only a part: numbers run through all sites."""
    if not person.may(Right.SEE_MONEY, Place(organisation_id=person.organisation_id)):
        raise PermissionDenied


def _require_keeper(person: Person) -> None:
    if not keeps_books(person):
        raise PermissionDenied
