"""What the till's refusals, ways to pay and cash movements are called on screens."""

from collections.abc import Mapping
from types import MappingProxyType

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from compuerta.domain.errors import CompuertaError
from compuerta.services import shifts, taking_back, tilling
from compuerta.services.shift_port import MovementKind

TENDERS: Mapping[str, Promise] = MappingProxyType(
    {"cash": _("Cash"), "card": _("Card"), "transfer": _("Transfer"), "cheque": _("Cheque")}
)
MOVEMENTS: Mapping[MovementKind, Promise] = MappingProxyType(
    {
        MovementKind.FLOAT: _("Float"),
        MovementKind.DROP: _("To the safe"),
        MovementKind.PAYOUT: _("Paid out"),
        MovementKind.REFUND: _("Given back"),
        MovementKind.MOVE: _("Moves"),
        MovementKind.COUNT: _("Counted"),
    }
)
TOLD: Mapping[type[CompuertaError], Promise] = MappingProxyType(
    {
        tilling.SaleDiffers: _("This sale was made already, with another amount. Begin a new one."),
        tilling.CashTooLittle: _("What was handed over is less than the amount."),
        tilling.ChangeOnlyOfCash: _(
            "Only cash gives change: card, transfer and cheque pay no more than the rest."
        ),
        tilling.SaleRefused: _("Nothing is booked: give the money back, and look at this account."),
        tilling.DrawerFull: _(
            "The drawer is full. Take cash to the safe first, or let them pay another way."
        ),
        tilling.SiteNotServed: _("This till does not sell for this site."),
        tilling.CodeUnknown: _("This is no payment code of a phone that is taken here."),
        tilling.PaidElsewhere: _(
            "This was paid by phone: propose a refund, and the money goes back that way."
        ),
        taking_back.TakenByMeter: _("The meter has taken it, or may have: this sale cannot be undone here."),
        taking_back.CreditUsed: _("Some of it is used already: this sale cannot be undone here."),
        tilling.SaleVoided: _("This sale was undone already."),
        tilling.VoidOwn: _("A second person undoes a sale: never who sold it."),
        shifts.TillNameUnfit: _("This name is taken, or is none for a till."),
        shifts.TillUnknown: _("There is no such till."),
        shifts.TillBusy: _("Somebody's shift is open at this till. It is counted first."),
        shifts.ShiftOpen: _("Your shift at another till is open. Count it first."),
        shifts.ShiftMissing: _("No shift is open here. Open one first."),
        shifts.ShiftCounted: _("This shift is counted already."),
        shifts.ShiftNotCounted: _("This shift waits for no acceptance."),
        shifts.SalesWaiting: _("A payment by phone is not known yet. Wait a minute, then count."),
        shifts.OwnShift: _("A second person accepts a difference: never who counted it."),
        shifts.CashAmountUnfit: _("Write an amount that the drawer can give."),
    }
)
