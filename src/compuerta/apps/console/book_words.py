"""Words of the books: codes of the ledger, columns of vouchers, and what is told of refusals."""

from collections.abc import Mapping
from types import MappingProxyType

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from compuerta.domain import chart, ledger, voucher
from compuerta.domain.chart import AccountClass
from compuerta.domain.errors import CompuertaError
from compuerta.domain.voucher import Field
from compuerta.services import acknowledging, bookkeeping, exporting
from compuerta.services.export_port import Form, Part

CODES: Mapping[str, Promise] = MappingProxyType(
    {
        chart.DRAWER: _("Cash in a till's drawer"),
        ledger.SAFE: _("Cash in the safe"),
        ledger.BANK: _("Bank"),
        chart.PROVIDER: _("Money at a payment provider"),
        chart.SLIPS: _("Cards, transfers and cheques of a till"),
        ledger.DEBT: _("Debts of customers"),
        ledger.OWED: _("Debts of former tenants"),
        ledger.SUBSIDY: _("Subsidies owed to us"),
        ledger.UNDELIVERED: _("Customers' credit, on its way"),
        ledger.DELIVERED: _("Customers' credit, in force"),
        ledger.SUSPENSE: _("Suspense"),
        ledger.REFUNDING: _("Refunds on their way"),
        ledger.DEPOSIT: _("Securities of tenants"),
        ledger.MOVED: _("Credit between accounts"),
        ledger.TAX: _("Tax collected"),
        ledger.LEVY: _("Levies collected"),
        ledger.HOUSE: _("The landlord's own"),
        ledger.REVENUE_ENERGY: _("Revenue: energy"),
        ledger.REVENUE_FIXED: _("Revenue: standing charges"),
        ledger.REVENUE_DEMAND: _("Revenue: demand"),
        ledger.REVENUE_MINIMUM: _("Revenue: minimum"),
        ledger.FEE: _("Revenue: service fees"),
        ledger.PROVIDER_FEE: _("Fees of payment providers"),
        ledger.OVER_SHORT: _("Cash over and short"),
        ledger.WRITTEN_OFF: _("Debts written off"),
        ledger.GOODWILL: _("Credit given"),
    }
)
CLASSES: Mapping[AccountClass, Promise] = MappingProxyType(
    {
        AccountClass.ASSET: _("Assets"),
        AccountClass.LIABILITY: _("Liabilities"),
        AccountClass.EQUITY: _("Equity"),
        AccountClass.INCOME: _("Income"),
        AccountClass.EXPENSE: _("Expenses"),
    }
)
FIELDS: Mapping[Field, Promise] = MappingProxyType(
    {
        Field.DATE: _("day of the voucher"),
        Field.WORD: _("kind of voucher"),
        Field.VOUCHER_NO: _("voucher number"),
        Field.LINE_NO: _("line number"),
        Field.ATTACHMENTS: _("attachments (0)"),
        Field.SUMMARY: _("text"),
        Field.ACCOUNT_NUMBER: _("account number"),
        Field.ACCOUNT_NAME: _("account name"),
        Field.DETAIL: _("auxiliary item"),
        Field.DEBIT: _("debit"),
        Field.CREDIT: _("credit"),
        Field.ORIGINAL: _("amount in its currency"),
        Field.CURRENCY: _("currency"),
        Field.RATE: _("rate (1)"),
        Field.SITE: _("site"),
        Field.MAKER: _("made by"),
        Field.EMPTY: _("nothing"),
    }
)
FORMS: Mapping[Form, Promise | str] = MappingProxyType(
    {
        Form.XLSX: _("Vouchers (XLSX)"),
        Form.CSV: _("Vouchers (CSV)"),
        Form.HLEDGER: "hledger",
        Form.BEANCOUNT: "beancount",
    }
)
PARTS: Mapping[Part, Promise] = MappingProxyType(
    {Part.JOURNAL: _("Daily totals"), Part.CUSTOMERS: _("Customers behind them")}
)
TOLD: Mapping[type[CompuertaError], Promise] = MappingProxyType(
    {
        chart.CodeUnmapped: _("The chart has no account for some money. Give each of these one:"),
        chart.ChartUnfit: _("This account does not fit. A number is digits, with dots between groups:"),
        voucher.LayoutUnfit: _(
            "These columns make no vouchers. Day, voucher and account number, debit and credit are needed."
        ),
        bookkeeping.SiteUnknown: _("There is no such site, or none yet."),
        bookkeeping.MonthAhead: _("This month has not begun."),
        bookkeeping.CurrenciesMany: _("Vouchers hold one currency. Choose one of these:"),
        bookkeeping.BooksTooLarge: _("This is more than one file should hold. Export each site by itself."),
        exporting.ExportUnknown: _("There is no export of this number."),
        acknowledging.AnswerUnfit: _("This answer cannot be kept, and nothing of the file was:"),
        acknowledging.AnswerContradicts: _(
            "This voucher stands in the other books under another number already. Nothing was taken:"
        ),
        acknowledging.MonthElsewhere: _(
            "This voucher was booked into another month there. Book it in its own; nothing was taken:"
        ),
    }
)


def facts_of(error: CompuertaError) -> str:
    """Return what a refusal is about: codes, currencies, a voucher; "" where it says all by itself."""
    match error:
        case chart.CodeUnmapped():
            return ", ".join(error.codes)
        case chart.ChartUnfit():
            return f"{CODES.get(error.key, error.key)} ({error.key})"
        case bookkeeping.CurrenciesMany():
            return ", ".join(error.currencies)
        case acknowledging.AnswerUnfit():
            return f"{error.where}: {error.reason}"
        case acknowledging.AnswerContradicts():
            return f"{error.voucher_no} ({error.before})"
        case acknowledging.MonthElsewhere():
            return str(error.voucher_no)
        case _:
            return ""
