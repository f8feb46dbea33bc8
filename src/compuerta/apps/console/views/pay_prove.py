"""Where a phone proves that it is of whoever lives at a place: once, by a code to a confirmed contact."""

from dataclasses import dataclass
from uuid import UUID

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache

from compuerta.apps import wiring
from compuerta.apps.console import histories, living, screens, work
from compuerta.apps.console.views import pay
from compuerta.domain.contact import Channel
from compuerta.domain.errors import Refused, Unreachable
from compuerta.services import proving
from compuerta.services.confirming import CHANNELS, Confirmed
from compuerta.services.message_port import Contact

_ONWARD = ("pay", "pay_use", "pay_statement", "pay_messages")  # where somebody may have wanted to go
_SHOWN = 2  # digits of a phone: who has it knows which it is, and nobody else learns it


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """A contact that a code can go to, as a stranger may see it: by its place in the list."""

    number: int
    channel: str
    hint: str


def first(pay_token: UUID, *, onward: str) -> HttpResponse:
    """Send somebody to prove that they live there before they go on."""
    return redirect(f"{reverse('pay_prove', args=[pay_token])}?to={onward}")


@never_cache
def page(request: HttpRequest, pay_token: UUID) -> HttpResponse:
    """Offer to send a code to a contact of the account; where it has none, its first is asked for."""
    place = histories.pay_place(pay_token)
    if place is None:
        return pay.unknown(request, str(pay_token))
    reader, onward, error = living.reader(request, place), _onward(request), ""
    if reader.is_proved:
        return redirect(onward, pay_token)
    if not reader.contacts:
        return redirect("pay_messages", pay_token)
    ways = [_way(number, each) for number, each in enumerate(reader.contacts) if each.channel in CHANNELS]
    if request.method == "POST":
        number = request.POST.get("number", "")
        if number not in {str(each.number) for each in ways}:
            raise Http404
        contact_id, code, now = reader.contacts[int(number)].contact_id, living.a_code(), wiring.now()
        try:
            work.run(
                lambda store: proving.ask(store, contact_id, account_id=place.account_id, code=code, now=now)
            )
        except (Refused, Unreachable) as refusal:
            error = screens.told(refusal)
        else:
            return redirect(f"{reverse('pay_proof', args=[pay_token, number])}?to={onward}")
    context = {"place": place, "pay_token": pay_token, "ways": ways, "error": error}
    return pay.shown(request, "pay_prove", context, status=422 if error else 200)


@never_cache
def proof(request: HttpRequest, pay_token: UUID, number: int) -> HttpResponse:
    """Take the code that was sent to a contact of the account."""
    place = histories.pay_place(pay_token)
    contacts = [] if place is None else living.reader(request, place).contacts
    if place is None or number >= len(contacts):
        return pay.unknown(request, str(pay_token))
    error, contact_id, code = "", contacts[number].contact_id, request.POST.get("code", "")
    if request.method == "POST":
        outcome = work.run(
            lambda store: proving.prove(store, contact_id, account_id=place.account_id, code=code)
        )
        match outcome:
            case Confirmed.YES:
                response = redirect(_onward(request), pay_token)
                living.keep(response, place, pay_token, contact_id)
                return response
            case Confirmed.TOO_OFTEN:
                error = _("Too many wrong codes. Go back, and have another one sent.")
            case _wrong:
                error = _("That is not the code. Look again.")
    context = {"place": place, "pay_token": pay_token, "error": error, "back": "pay_prove"}
    return pay.shown(request, "pay_confirm", context, status=422 if error else 200)


def _way(number: int, contact: Contact) -> Way:
    is_phone = contact.channel is Channel.SMS
    hint = f"…{contact.address[-_SHOWN:]}" if is_phone else f"{contact.address[:1]}…"
    return Way(number=number, channel=contact.channel.value, hint=hint)


def _onward(request: HttpRequest) -> str:
    wanted = request.GET.get("to", "")
    return wanted if wanted in _ONWARD else "pay"
