"""How the refusals of moving are told in the reader's language."""

from collections.abc import Mapping
from types import MappingProxyType

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from compuerta.domain.address import AddressFaulty
from compuerta.domain.errors import CompuertaError
from compuerta.domain.party import MeterNoMalformed
from compuerta.services import exchanging, moving, moving_in, moving_out, swapping
from compuerta.services.contacting import ContactKnown, ContactRefused

TOLD: Mapping[type[CompuertaError], Promise] = MappingProxyType(
    {
        moving.AccountClosed: _("Somebody was faster. Look again at who lives here."),
        moving.AccountUnknown: _("Nobody has an account at this meter."),
        moving.BillingHeld: _("A reading is in doubt. Settle its case first."),
        moving.BilledByIntervals: _("This account is billed by intervals, once a cycle."),
        moving.ReadingMissing: _("The meter was not read lately. Type what its register shows."),
        moving.ReadingBackwards: _("This register is less than what is billed already. Look again."),
        moving.ReadingTooFar: _("This register cannot be, since it was read last. Look again."),
        moving.RatesDiffer: _("The rates do not add up to the total. Look again."),
        moving.AmountNegative: _("This amount is below zero."),
        moving.TillUnknown: _("There is no till for cash here."),
        moving_in.SomebodyLivesThere: _("Somebody lives here. Move them out first."),
        moving_in.StepsAreTheMeters: _(
            "This meter deducts by itself: its steps go on, and cannot begin anew."
        ),
        moving_in.NameOdd: _("Write the tenant's name, in at most 100 letters."),
        moving_in.TariffOdd: _("This tariff cannot bill this place."),
        moving_out.NobodyToMoveOut: _("Nobody lives here."),
        moving_out.RechargeOnItsWay: _("Money is on its way to the meter. Wait until it has arrived."),
        moving_out.DepositTooSmall: _("More is withheld than the deposit is."),
        moving_out.PowerCannotStay: _("A hold keeps supply off. Lift it first, or let supply go off."),
        exchanging.SameRoom: _("Choose two different rooms of one site."),
        swapping.SendingNow: _("A recharge is being sent to the old meter. Try in a minute."),
        swapping.DisplayUnknown: _(
            "Type the money that the old meter shows, or say that its display is dark."
        ),
        swapping.PurchasesUnknown: _(
            "A recharge was tried and not confirmed: type how many purchases the old meter counts."
        ),
        swapping.PurchasesOdd: _("The old meter cannot count so many purchases. Look again."),
        swapping.MeterTaken: _("This meter is in use, or was taken out of use. Enter another one."),
        swapping.MeterDiffers: _("A meter of this number is known, and it is another kind of meter."),
        MeterNoMalformed: _("Write the twelve digits on the plate, zeros included."),
        ContactKnown: _("This number or address is on the list already, or wants no more messages."),
        ContactRefused: _("This number or address cannot be reached. Look again."),
        AddressFaulty: _("This number or address cannot be reached. Look again."),
    }
)
