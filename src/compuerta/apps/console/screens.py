"""What all screens share: the frame around them, languages, and how a refusal is told."""

import traceback
from collections.abc import Mapping
from types import MappingProxyType

import structlog
from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views import defaults
from django.views.i18n import set_language

from compuerta.adapters.payments import till
from compuerta.apps.console import (
    bank_words,
    book_words,
    commissioning_words,
    correction_words,
    fields,
    invoice_words,
    mass_reads,
    month_words,
    move_words,
    past_words,
    paying,
    road_words,
    statement_words,
    tariff_acts,
    tariff_words,
    till_words,
)
from compuerta.apps.console.models import ConsoleUser
from compuerta.apps.console.people import Person
from compuerta.domain.errors import CompuertaError, Unreachable
from compuerta.domain.money import AmountMalformed
from compuerta.domain.tariff.checking import TariffFaulty
from compuerta.domain.tariff.urdb import UrdbMalformed
from compuerta.services import (
    acting,
    alarming,
    confirming,
    emergency,
    granting,
    holding,
    losses,
    masses,
    ordering,
    proving,
    quoting,
    subscribing,
    tariffing,
)
from compuerta.services.rollout import MetersMisfit
from compuerta.services.store_port import NameTaken

log = structlog.get_logger()

_TOLD: Mapping[type[CompuertaError], Promise] = MappingProxyType(
    {
        AmountMalformed: gettext_lazy("This is no amount of money. Write for example 50 or 50.00."),
        quoting.AmountOutOfBounds: gettext_lazy("This amount is too small or too large for one recharge."),
        quoting.TooMuchHeld: gettext_lazy(
            "The account would have more credit than is allowed: pay less, or later."
        ),
        ordering.OrderPaid: gettext_lazy("This order is paid already."),
        quoting.AccountNotRechargeable: gettext_lazy("This account cannot be recharged now."),
        ordering.CurrencyNotTaken: gettext_lazy("This currency is not taken here."),
        till.CurrencyNotTaken: gettext_lazy("This currency is not taken here."),
        ordering.ReferenceTaken: gettext_lazy(
            "This sale was made already, with another amount. Begin a new one."
        ),
        paying.TooManyOrders: gettext_lazy(
            "Many orders were opened here and none was paid. Please wait some minutes."
        ),
        tariffing.OwnRequest: gettext_lazy("A second person approves: never who wrote or proposed it."),
        tariffing.VersionDecided: gettext_lazy(
            "This version is decided, and cannot be changed. Draft another."
        ),
        tariffing.VersionNotProposed: gettext_lazy("Nobody has proposed this version."),
        tariffing.CurrencyDiffers: gettext_lazy("The tariff has another currency than its accounts."),
        tariffing.TariffUnknown: gettext_lazy("There is no such tariff."),
        tariffing.TariffNotApproved: gettext_lazy("This tariff has no approved version yet."),
        tariffing.AccountNotBilled: gettext_lazy("This account is closed, or buys nothing."),
        tariff_acts.FileUnreadable: gettext_lazy("This file is no JSON of one rate."),
        MetersMisfit: gettext_lazy("Some meters cannot deduct by it. Look at them, or set them by hand."),
        masses.KindNotForMany: gettext_lazy("This is never done for many at once. Go one by one."),
        masses.EndMissing: gettext_lazy("Say when the temporary supply ends."),
        masses.EndNotAhead: gettext_lazy("This end is over. Choose a later moment."),
        masses.EndTooLate: gettext_lazy("This end is too far ahead. Choose an earlier moment."),
        masses.AccountsNotChosen: gettext_lazy("Nobody fits this choice, or too many do."),
        masses.BoundFaulty: gettext_lazy("Write a whole number that is not too large."),
        masses.OperationNotReady: gettext_lazy("The operation has moved on meanwhile. Look at it again."),
        masses.UndoTooLate: gettext_lazy("The time to undo it is over. Propose the opposite instead."),
        masses.OperationDiffers: gettext_lazy("This form was sent already. Begin a new one."),
        fields.FieldOdd: gettext_lazy("Something in this field cannot be read."),
        mass_reads.RoomsUnknown: gettext_lazy("Some of these rooms are not at this site."),
        alarming.AlarmClosed: gettext_lazy("Somebody has closed this alarm already."),
        alarming.StillTold: gettext_lazy(
            "The meter still tells it: wait for its next reading, or choose another outcome."
        ),
        alarming.PhotoUnfit: gettext_lazy("This is no JPEG, PNG or WebP picture of at most 8 MB."),
        alarming.WindowUnfit: gettext_lazy(
            "The end must lie ahead, after the beginning, and at most 31 days after it."
        ),
        losses.FeedingUnfit: gettext_lazy("One of these meters cannot hang behind this feeder."),
        NameTaken: gettext_lazy("There is a tariff of this name already."),
        granting.RoleUnknown: gettext_lazy("There is no such role."),
        granting.ScopeForeign: gettext_lazy("This place is not yours to grant in."),
        granting.GrantOwn: gettext_lazy("Nobody grants to themselves. Ask another owner."),
        granting.RightBeyondOwn: gettext_lazy("You do not have all these rights there yourself."),
        granting.LastOwner: gettext_lazy("This is the last who may grant everywhere. Make another first."),
        granting.GrantUnknown: gettext_lazy("This was revoked already."),
        granting.RoleMalformed: gettext_lazy("A role needs a name and at least one right."),
        granting.RightNotForKeys: gettext_lazy("Only a person may approve, or grant."),
        granting.KeyOver: gettext_lazy("The key would have expired already."),
        holding.EndBeforeStart: gettext_lazy("This end is over. Choose a later moment."),
        holding.EndTooFar: gettext_lazy("This end is too far ahead. Choose an earlier moment."),
        holding.EndMissing: gettext_lazy("Say when it ends, or after how much energy."),
        holding.HoldsContradict: gettext_lazy("Another hold here contradicts it. Lift that one first."),
        holding.EnergyNotPositive: gettext_lazy("Only temporary supply is for so much energy."),
        holding.RegisterUnknown: gettext_lazy("Nobody has read this meter yet. Lend by time instead."),
        holding.AccountWithoutMeter: gettext_lazy("There is no meter to switch here."),
        emergency.NoneSettled: gettext_lazy("No emergency credit is settled here."),
        emergency.AlreadyTaken: gettext_lazy("It is taken already, and comes back when it is repaid."),
        emergency.NotOffered: gettext_lazy(
            "The balance is too high for emergency credit, or too far beyond it."
        ),
        subscribing.SubscriptionRefused: gettext_lazy(
            "Reports are sent there already, or to five addresses of yours."
        ),
        confirming.TooManyAsked: gettext_lazy(
            "Many codes were sent from here. Type the last one, or try again tomorrow."
        ),
        proving.CodeUnreachable: gettext_lazy("No code can be sent there. Choose another."),
        **bank_words.TOLD,
        **book_words.TOLD,
        **commissioning_words.TOLD,
        **invoice_words.TOLD,
        **month_words.TOLD,
        **move_words.TOLD,
        **correction_words.TOLD,
        **till_words.TOLD,
        **statement_words.TOLD,
        **past_words.TOLD,
        **road_words.TOLD,
        acting.ReasonMissing: gettext_lazy("Say why: whoever looks at this account later needs to know."),
    }
)


def show(
    request: HttpRequest,
    person: Person,
    template: str,
    values: Mapping[str, object],
    *,
    title: str,
    status: int = 200,
) -> HttpResponse:
    """Render a screen inside the console's frame."""
    context = {**admin.site.each_context(request), "title": title, "person": person, **values}
    return render(request, f"console/{template}.html", context, status=status)


def told(error: CompuertaError) -> str:
    """Say in the reader's language what went wrong and what to do."""
    if isinstance(error, Unreachable):
        return _("The system does not answer just now. Nothing was changed. Try again.")
    if isinstance(error, TariffFaulty):
        return "; ".join(tariff_words.fault_told(fault.reason) for fault in error.faults)
    if isinstance(error, UrdbMalformed):
        return f"{error.field}: {tariff_words.fault_told(error.reason)}"
    found = _TOLD.get(type(error))
    return str(error) if found is None else str(found)


def sign_in(request: HttpRequest) -> HttpResponse:
    """Show the sign-in page; whoever signs in is spoken to in their own language."""
    if request.user.is_authenticated:
        return redirect("dashboard")
    response = admin.site.login(request, extra_context={"app_path": request.get_full_path()})
    work = ConsoleUser.objects.filter(user_id=request.user.pk).first()
    if work is not None:
        response.set_cookie("django_language", work.language, samesite="Lax")
    return response


def speak(request: HttpRequest) -> HttpResponse:
    """Change the language of the pages, and of the person if signed in."""
    response = set_language(request)
    language = request.POST.get("language", "")
    if request.user.is_authenticated and "django_language" in response.cookies:
        ConsoleUser.objects.filter(user_id=request.user.pk).update(language=language)
    return response


def broken(request: HttpRequest) -> HttpResponse:
    """Tell the log which screen broke and why, and whoever looks at it that nothing is lost."""
    # The screen's name, not its address: a pay page's address is its key.
    screen = request.resolver_match and request.resolver_match.view_name
    log.error("console.screen.broken", screen=screen, error=traceback.format_exc())
    return defaults.server_error(request)
