"""What is refused about invoices, in words for whoever works with them."""

from collections.abc import Mapping
from types import MappingProxyType

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from compuerta.domain.errors import CompuertaError
from compuerta.services import invoicing

TOLD: Mapping[type[CompuertaError], Promise] = MappingProxyType(
    {
        invoicing.SellerMissing: _("Nobody has said who sells: name, country and tax number are needed."),
        invoicing.MonthNotOver: _("This month goes on. Invoice it when it is over."),
        invoicing.InvoiceUnknown: _("There is no such invoice."),
        invoicing.InvoiceTakenBack: _("It is taken back already, or is a credit note itself."),
        invoicing.AccountNotInvoiced: _("This account buys nothing: there is nothing to invoice."),
    }
)
