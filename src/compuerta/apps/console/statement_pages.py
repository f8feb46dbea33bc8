"""What pages of statements share: which month is asked for, and statements as files."""

from django.http import Http404, HttpRequest, HttpResponse
from django.utils.http import content_disposition_header

from compuerta.adapters.paper import sheet_press, spreadsheet
from compuerta.apps import wiring
from compuerta.apps.console import work
from compuerta.domain.errors import Refused
from compuerta.services import resident_statements, statement_months
from compuerta.services.resident_statements import ResidentStatement
from compuerta.services.sheet import Sheet
from compuerta.services.statement_months import Month

_XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
_NOT_IN_NAMES = str.maketrans('/\\:*?"<>|', "---------")


def month_asked(request: HttpRequest, *, zone: str) -> Month:
    """Return the month that a page is asked for; the running one, where it is asked for none."""
    text = request.GET.get("month", "")
    if not text:
        return statement_months.running(wiring.now(), zone=zone)
    try:
        return statement_months.parsed(text)
    except Refused:
        raise Http404 from None


def stated(request: HttpRequest, account_id: int) -> ResidentStatement:
    """Return the month of an account that is asked for; one that it has not is not there."""
    with work.store() as store:
        with store.transaction() as tx:
            tenancy = tx.histories.tenancy(account_id)
        if tenancy is None:
            raise Http404
        month = month_asked(request, zone=tenancy.zone)
        try:
            return resident_statements.resident_statement(store, account_id, month=month, now=wiring.now())
        except Refused:
            raise Http404 from None


def months(statement: ResidentStatement) -> dict[str, object]:
    """Return the months beside the one that is shown, where the account has them."""
    month = statement.month
    first, last = resident_statements.months_of(statement.tenancy, now=wiring.now())
    return {
        "month": month,
        "month_before": month.before if first < month else None,
        "month_after": month.after if month < last else None,
    }


def file(request: HttpRequest, sheet: Sheet) -> HttpResponse | None:
    """Return a sheet as the file that is asked for; None where a page is."""
    match form := request.GET.get("form", ""):
        case "pdf":
            answer = HttpResponse(sheet_press.pdf(sheet), content_type="application/pdf")
        case "xlsx":
            answer = HttpResponse(spreadsheet.xlsx(sheet), content_type=_XLSX)
        case _:
            return None
    name = f"{sheet.subtitle} {sheet.title}.{form}".translate(_NOT_IN_NAMES)
    shown = content_disposition_header(as_attachment=form == "xlsx", filename=name)
    answer["Content-Disposition"] = shown or "inline"
    return answer
