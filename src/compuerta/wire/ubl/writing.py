"""Writing invoices: parties, lines, taxes and totals, in the order that the schema wants.

What is invoiced was paid before it was used: nothing is left to pay, and the document says so.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from enum import Enum
from typing import Final

from compuerta.domain.errors import Broken
from compuerta.domain.money import format_minor
from compuerta.domain.xml_text import branch, document, leaf

CUSTOMIZATION: Final = "urn:cen.eu:en16931:2017"
_URN: Final = "urn:oasis:names:specification:ubl:schema:xsd"


class SheetUnequal(Broken):
    """An invoice whose lines, taxes and totals do not agree."""

    def __init__(self, number: str, base_minor: int, lines_minor: int) -> None:
        super().__init__(
            f"invoice {number}: taxes are reckoned on {base_minor}, and its lines are {lines_minor}"
        )
        self.number = number


class Kind(Enum):
    """Which document (UNTDID 1001)."""

    INVOICE = "380"
    CREDIT_NOTE = "381"


class Category(Enum):
    """How something is taxed (UNTDID 5305)."""

    STANDARD = "S"
    EXEMPT = "E"


@dataclass(frozen=True, slots=True, kw_only=True)
class Party:
    """Who sells or buys, by law."""

    name: str
    country: str  # ISO 3166-1 alpha-2
    tax_id: str = ""  # with its country in front
    company_no: str = ""  # in the register of companies
    street: str = ""
    city: str = ""
    postcode: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """What was supplied: quantity x price = amount, but for rounding."""

    name: str
    quantity: Decimal  # below nothing where something is taken off
    unit: str  # UN/ECE Recommendation 20
    price: Decimal  # never below nothing (BR-27)
    amount_minor: int  # without tax
    category: Category
    percent: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Tax:
    """What is owed to the state on all lines of one category and rate."""

    category: Category
    percent: Decimal
    base_minor: int
    tax_minor: int
    reason: str = ""  # of an exemption


@dataclass(frozen=True, slots=True, kw_only=True)
class Sheet:
    """All that an invoice, or a credit note, says."""

    kind: Kind
    number: str
    issued_on: date
    first_day: date
    last_day: date
    currency: str
    buyer_reference: str
    seller: Party
    buyer: Party
    lines: tuple[Line, ...]
    taxes: tuple[Tax, ...]
    note: str = ""
    corrects: str = ""  # the number of the invoice that a credit note takes back ...
    corrects_of: date | None = None  # ... and its day

    @property
    def net_minor(self) -> int:
        """What the lines come to."""
        return sum(each.amount_minor for each in self.lines)

    @property
    def tax_minor(self) -> int:
        """What the taxes come to."""
        return sum(each.tax_minor for each in self.taxes)

    @property
    def total_minor(self) -> int:
        """What was paid for it."""
        return self.net_minor + self.tax_minor


@dataclass(frozen=True, slots=True, kw_only=True)
class _Names:
    root: str
    sort: str
    line: str
    quantity: str


_NAMES: Final = {
    Kind.INVOICE: _Names(
        root="Invoice", sort="InvoiceTypeCode", line="InvoiceLine", quantity="InvoicedQuantity"
    ),
    Kind.CREDIT_NOTE: _Names(
        root="CreditNote", sort="CreditNoteTypeCode", line="CreditNoteLine", quantity="CreditedQuantity"
    ),
}


def invoice_document(sheet: Sheet) -> bytes:
    """Return the document; raises `SheetUnequal` where the taxes are not of its lines."""
    base_minor = sum(each.base_minor for each in sheet.taxes)
    if base_minor != sheet.net_minor:
        raise SheetUnequal(sheet.number, base_minor, sheet.net_minor)
    names = _NAMES[sheet.kind]
    attributes = {
        "xmlns": f"{_URN}:{names.root}-2",
        "xmlns:cac": f"{_URN}:CommonAggregateComponents-2",
        "xmlns:cbc": f"{_URN}:CommonBasicComponents-2",
    }
    parts = (
        leaf("cbc:CustomizationID", CUSTOMIZATION),
        leaf("cbc:ID", sheet.number),
        leaf("cbc:IssueDate", sheet.issued_on.isoformat()),
        leaf(f"cbc:{names.sort}", sheet.kind.value),
        leaf("cbc:Note", sheet.note),
        leaf("cbc:DocumentCurrencyCode", sheet.currency),
        leaf("cbc:BuyerReference", sheet.buyer_reference),
        branch(
            "cac:InvoicePeriod",
            leaf("cbc:StartDate", sheet.first_day.isoformat()),
            leaf("cbc:EndDate", sheet.last_day.isoformat()),
        ),
        _corrected(sheet),
        branch("cac:AccountingSupplierParty", _party(sheet.seller)),
        branch("cac:AccountingCustomerParty", _party(sheet.buyer)),
        _taxes(sheet),
        _totals(sheet),
        *(_line(number, each, sheet, names) for number, each in enumerate(sheet.lines, start=1)),
    )
    return document(branch(names.root, *parts, attributes=attributes))


def _corrected(sheet: Sheet) -> str:
    named = leaf("cbc:ID", sheet.corrects)
    day = "" if sheet.corrects_of is None else leaf("cbc:IssueDate", sheet.corrects_of.isoformat())
    return branch("cac:BillingReference", branch("cac:InvoiceDocumentReference", named, day)) if named else ""


def _party(party: Party) -> str:
    address = branch(
        "cac:PostalAddress",
        leaf("cbc:StreetName", party.street),
        leaf("cbc:CityName", party.city),
        leaf("cbc:PostalZone", party.postcode),
        branch("cac:Country", leaf("cbc:IdentificationCode", party.country)),
    )
    tax_id = leaf("cbc:CompanyID", party.tax_id)
    taxed = branch("cac:PartyTaxScheme", tax_id, _SCHEME) if tax_id else ""
    entity = branch(
        "cac:PartyLegalEntity",
        leaf("cbc:RegistrationName", party.name),
        leaf("cbc:CompanyID", party.company_no),
    )
    return branch("cac:Party", address, taxed, entity)


_SCHEME: Final = branch("cac:TaxScheme", leaf("cbc:ID", "VAT"))


def _taxes(sheet: Sheet) -> str:
    subtotals = [
        branch(
            "cac:TaxSubtotal",
            _amount("cbc:TaxableAmount", each.base_minor, sheet.currency),
            _amount("cbc:TaxAmount", each.tax_minor, sheet.currency),
            branch(
                "cac:TaxCategory",
                leaf("cbc:ID", each.category.value),
                leaf("cbc:Percent", decimal_text(each.percent)),
                leaf("cbc:TaxExemptionReason", each.reason),
                _SCHEME,
            ),
        )
        for each in sheet.taxes
    ]
    return branch("cac:TaxTotal", _amount("cbc:TaxAmount", sheet.tax_minor, sheet.currency), *subtotals)


def _totals(sheet: Sheet) -> str:
    amounts = (
        ("cbc:LineExtensionAmount", sheet.net_minor),
        ("cbc:TaxExclusiveAmount", sheet.net_minor),
        ("cbc:TaxInclusiveAmount", sheet.total_minor),
        ("cbc:PrepaidAmount", sheet.total_minor),
        ("cbc:PayableAmount", 0),
    )
    return branch(
        "cac:LegalMonetaryTotal", *(_amount(name, minor, sheet.currency) for name, minor in amounts)
    )


def _line(number: int, line: Line, sheet: Sheet, names: _Names) -> str:
    taxed = branch(
        "cac:ClassifiedTaxCategory",
        leaf("cbc:ID", line.category.value),
        leaf("cbc:Percent", decimal_text(line.percent)),
        _SCHEME,
    )
    price = leaf("cbc:PriceAmount", decimal_text(line.price), {"currencyID": sheet.currency})
    return branch(
        f"cac:{names.line}",
        leaf("cbc:ID", str(number)),
        leaf(f"cbc:{names.quantity}", decimal_text(line.quantity), {"unitCode": line.unit}),
        _amount("cbc:LineExtensionAmount", line.amount_minor, sheet.currency),
        branch("cac:Item", leaf("cbc:Name", line.name), taxed),
        branch("cac:Price", price),
    )


def _amount(name: str, amount_minor: int, currency: str) -> str:
    return leaf(name, format_minor(amount_minor, currency=currency), {"currencyID": currency})


def decimal_text(value: Decimal) -> str:
    """Return a decimal without an exponent, and without zeros that say nothing."""
    text = f"{value:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def totals_of(lines: Sequence[Line]) -> dict[tuple[Category, Decimal], int]:
    """Return what lines come to, by category and rate."""
    sums: dict[tuple[Category, Decimal], int] = {}
    for line in lines:
        key = line.category, line.percent
        sums[key] = sums.get(key, 0) + line.amount_minor
    return sums
