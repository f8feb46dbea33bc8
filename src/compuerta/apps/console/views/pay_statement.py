"""A resident's months, since they live there: for a phone that has proved to be of whoever does."""

from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.views.decorators.cache import never_cache

from compuerta.apps.console import histories, living, sheets, statement_pages, use_reads
from compuerta.apps.console.views import pay, pay_prove
from compuerta.services.resident_sheet import Paths, resident_sheet


@never_cache
def page(request: HttpRequest, pay_token: UUID) -> HttpResponse:
    """Show a month, or hand it out as a file; the sticker's link alone tells no history.

    The account is the one that is open behind the sticker: what was before it is another's.
    """
    place = histories.pay_place(pay_token)
    if place is None:
        return pay.unknown(request, str(pay_token))
    if not living.reader(request, place).is_proved:
        return pay_prove.first(pay_token, onward="pay_statement")
    stated = statement_pages.stated(request, place.account_id)
    told_days = {each.day for each in histories.days(place.account_id)}
    paths = Paths(
        day=lambda day: reverse("pay_day", args=[pay_token, day.isoformat()]) if day in told_days else "",
        recharge=lambda recharge_id: reverse("pay_receipt", args=[pay_token, recharge_id]),
    )
    sheet = resident_sheet(stated, language=use_reads.reader(), paths=paths)
    if (file := statement_pages.file(request, sheet)) is not None:
        return file
    context = {
        **sheets.shown(sheet),
        **statement_pages.months(stated),
        "place": place,
        "pay_token": pay_token,
    }
    return pay.shown(request, "pay_statement", context)
