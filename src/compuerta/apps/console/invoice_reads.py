"""What the screens of invoices read: the months that have something to invoice, and a month's documents."""

from dataclasses import dataclass
from datetime import date
from uuid import UUID

from compuerta.apps.console.reads import rows

INVOICES_SHOWN_MAX = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class InvoiceRow:
    """One document of a month."""

    account_id: int
    invoice_id: UUID
    number: str
    is_credit: bool
    corrects: str | None  # the number of the invoice that it takes back
    is_taken_back: bool
    place: str
    name: str
    currency: str
    total_minor: int
    issued_on: date


@dataclass(frozen=True, slots=True, kw_only=True)
class MonthRow:
    """A month, and how many documents it has."""

    month: date
    documents: int


def months(organisation_id: int) -> list[MonthRow]:
    """Return the months that have documents, the last first."""
    return rows(
        MonthRow,
        """select month, count(*) as documents from invoice where organisation_id = %(organisation_id)s
        group by month order by month desc""",
        {"organisation_id": organisation_id},
    )


def invoices(organisation_id: int, month: date) -> list[InvoiceRow]:
    """Return a month's documents, the last number first."""
    return rows(
        InvoiceRow,
        """select i.account_id, i.invoice_id, i.series || '-' || lpad(i.number::text, 6, '0') as number,
            i.kind = '381' as is_credit, o.series || '-' || lpad(o.number::text, 6, '0') as corrects,
            exists (select from invoice b where b.account_id = i.account_id and b.corrects = i.invoice_id)
                as is_taken_back,
            p.name as place, a.name, i.currency, i.total_minor, i.issued_on
        from invoice i
        join account a on a.account_id = i.account_id
        join supply_point p using (supply_point_id)
        left join invoice o on o.account_id = i.account_id and o.invoice_id = i.corrects
        where i.organisation_id = %(organisation_id)s and i.month = %(month)s
        order by i.series, i.number desc limit %(limit)s""",
        {"organisation_id": organisation_id, "month": month, "limit": INVOICES_SHOWN_MAX},
    )
