"""Where residents say how they want to be told: an address is theirs when its code was typed.

Whoever has the sticker adds the first; from then on a phone proves to be of whoever lives there.
"""

from uuid import UUID, uuid4

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache

from compuerta.apps import wiring
from compuerta.apps.console import histories, living, screens, use_reads, warning_reads, work
from compuerta.apps.console.histories import PayPlace
from compuerta.apps.console.views import pay, pay_prove
from compuerta.domain.contact import RESIDENTS_TOPICS, Channel
from compuerta.domain.errors import Refused, Unreachable
from compuerta.services import confirming, warning
from compuerta.services.confirming import Confirmed
from compuerta.services.contacting import ContactWish


@never_cache
def page(request: HttpRequest, pay_token: UUID) -> HttpResponse:
    """Show who is told, masked, and at which levels; send a code where somebody adds an address."""
    place = histories.pay_place(pay_token)
    if place is None:
        return pay.unknown(request, str(pay_token))
    if not living.reader(request, place).may_add:
        return pay_prove.first(pay_token, onward="pay_messages")
    if request.method == "POST":
        try:
            return redirect("pay_confirm", pay_token, _asked(request, place))
        except (Refused, Unreachable) as refusal:
            return _shown(request, place, pay_token, error=screens.told(refusal))
    return _shown(request, place, pay_token)


@never_cache
def confirm(request: HttpRequest, pay_token: UUID, contact_id: UUID) -> HttpResponse:
    """Take the code that was sent to an address."""
    place = histories.pay_place(pay_token)
    if place is None:
        return pay.unknown(request, str(pay_token))
    if not living.reader(request, place).may_add:
        return pay_prove.first(pay_token, onward="pay_messages")
    error = ""
    if request.method == "POST":
        code = request.POST.get("code", "")
        outcome = work.run(
            lambda store: confirming.confirm(
                store, contact_id, account_id=place.account_id, code=code, now=wiring.now()
            )
        )
        match outcome:
            case Confirmed.YES:
                response = redirect("pay_messages", pay_token)
                living.keep(response, place, pay_token, contact_id)
                return response
            case Confirmed.KNOWN:
                return pay_prove.first(pay_token, onward="pay_messages")
            case Confirmed.WRONG:
                error = _("That is not the code. Look again.")
            case Confirmed.TOO_OFTEN:
                error = _("Too many wrong codes. Please ask the manager to add this address.")
    context = {"place": place, "pay_token": pay_token, "error": error, "back": "pay_messages"}
    return pay.shown(request, "pay_confirm", context, status=422 if error else 200)


def _shown(request: HttpRequest, place: PayPlace, pay_token: UUID, *, error: str = "") -> HttpResponse:
    with work.store() as store, store.transaction() as tx:
        view = tx.look_at([place.account_id], now=wiring.now())[place.account_id]
    reader = living.reader(request, place)
    contacts = warning_reads.contacts_of(place.account_id) if reader.is_proved else []
    context = {
        "place": place,
        "pay_token": pay_token,
        "reader": reader,
        "contacts": [each for each in contacts if each.opted_out_at is None],
        "levels": [each.key for each in warning.levels(view)],
        "error": error,
        "typed": request.POST.get("address", ""),
    }
    return pay.shown(request, "pay_messages", context, status=422 if error else 200)


def _asked(request: HttpRequest, place: PayPlace) -> UUID:
    address = request.POST.get("address", "").strip()
    wish = ContactWish(
        contact_id=uuid4(),  # the service names it by its address
        account_id=place.account_id,
        channel=Channel.EMAIL if "@" in address else Channel.SMS,
        address=address,
        language=use_reads.reader(),
        wants=RESIDENTS_TOPICS,
    )
    code = living.a_code()
    return work.run(lambda store: confirming.ask(store, wish, code=code, now=wiring.now()))
