"""The sheet of QR stickers: one for each supply point, to print and to put beside the meter."""

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.translation import gettext as _

from compuerta.apps import wiring
from compuerta.apps.console import drawing, reads
from compuerta.apps.console.people import Person, for_people
from compuerta.apps.console.screens import show


@for_people
def sheet(request: HttpRequest, person: Person) -> HttpResponse:
    """Show the stickers of an organisation's supply points."""
    base = settings.PUBLIC_ADDRESS or request.build_absolute_uri("/").rstrip("/")
    meters = reads.meters(person.organisation_id, now=wiring.now())
    stickers = [
        (meter, drawing.qr(f"{base}{reverse('pay', args=[meter.pay_token])}"))
        for meter in meters
        if meter.pay_token is not None
    ]
    return show(request, person, "stickers", {"stickers": stickers}, title=_("QR stickers"))
