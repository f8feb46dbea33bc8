"""What bank statements and their entries are called on screens, and how refusals read."""

from collections.abc import Mapping
from types import MappingProxyType

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from compuerta.domain.errors import CompuertaError
from compuerta.services import bank_sheet, banking, tying
from compuerta.services.bank_port import TargetKind
from compuerta.services.bank_sheet import Standing

STANDINGS: Mapping[Standing, Promise] = MappingProxyType(
    {
        Standing.NEW: _("new"),
        Standing.KNOWN: _("known already: nothing is taken"),
        Standing.LONGER: _("repeats what is known and goes on: only what is new is taken"),
    }
)
TARGETS: Mapping[str, Promise] = MappingProxyType(
    {
        TargetKind.PAYOUT.value: _("paid out by"),
        TargetKind.DEPOSIT.value: _("cash to the safe, from"),
    }
)
ORDERS: Mapping[str, Promise] = MappingProxyType(
    {"ymd": _("year, month, day"), "dmy": _("day, month, year"), "mdy": _("month, day, year")}
)
# What a file is refused for, where it can be said without a name or a figure of the file.
FAULTS: Mapping[str, Promise] = MappingProxyType(
    {
        "headings": _("headings"),
        "balance": _("balance"),
        "text": _("text"),
        "file": _("file"),
        "rows": _("rows"),
        "say which column has the day, and which the amount": _(
            "say which column has the day, and which the amount"
        ),
        "there is no row with a day": _("there is no row with a day"),
        "it has rows of several accounts": _("it has rows of several accounts"),
        "without a column of balances, type the first and the last": _(
            "without a column of balances, type the first and the last"
        ),
        "is not utf-8: choose the other encoding": _("is not utf-8: choose the other encoding"),
        "is not gb18030: choose the other encoding": _("is not gb18030: choose the other encoding"),
        "has signs that are none: this is no CSV": _("has signs that are none: this is no CSV"),
        "there is no balance": _("there is no balance"),
        "the balance before and the amount do not come to it": _(
            "the balance before and the amount do not come to it"
        ),
        "this is no camt.053.001 statement": _("this is no camt.053.001 statement"),
    }
)
TOLD: Mapping[type[CompuertaError], Promise] = MappingProxyType(
    {
        bank_sheet.FileUnreadable: _("This file cannot be read as it is. Nothing of it was taken."),
        bank_sheet.BalancesDiffer: _(
            "The first balance and the entries do not come to the last balance. Nothing was taken: "
            "fetch the statement from the bank again."
        ),
        bank_sheet.Overlaps: _(
            "It says something else of days that another statement told of. Nothing was taken: "
            "fetch one that begins after the last day that is known."
        ),
        banking.AccountUnknown: _("There is no such bank account."),
        banking.AccountExists: _("A bank account of this number is there already."),
        banking.AccountDiffers: _("This statement is of another account, or currency. Nothing was taken."),
        banking.StatementAhead: _(
            "It goes up to a day that lies ahead. Nothing was taken: look at its days."
        ),
        tying.EntryUnknown: _("Somebody has tied this entry, or made it a case, already."),
        tying.TargetUnknown: _("Choose what it answers: another entry may have answered it meanwhile."),
        tying.SumDiffers: _("What you chose does not come to the amount of the entry."),
        tying.OwnTie: _("You tied it yourself: somebody else has to agree."),
        tying.NoBooks: _("Set up a till or a payment provider first: cases are kept there."),
    }
)
