"""The port to invoices: who sells and buys by law, what was earned in a month, and what was invoiced."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Protocol
from uuid import UUID

from compuerta.services.records import BillOpening, Charge
from compuerta.wire.ubl.writing import Kind, Party


@dataclass(frozen=True, slots=True, kw_only=True)
class Seller:
    """Who an organisation is by law, and under which series its documents are numbered."""

    organisation_id: int
    party: Party
    series: str = "A"


@dataclass(frozen=True, slots=True, kw_only=True)
class Buyer:
    """Who an account is by law, where its name alone is not enough."""

    account_id: int
    party: Party


@dataclass(frozen=True, slots=True, kw_only=True)
class Invoice:
    """An invoice, or the credit note that takes one back; never changed."""

    account_id: int
    invoice_id: UUID
    organisation_id: int
    series: str
    number: int  # without gaps, of the organisation's series
    kind: Kind
    month: date  # its first day
    issue: int  # of this account and month: the first, or one more than was taken back
    corrects: UUID | None  # the invoice that a credit note takes back
    currency: str
    net_minor: int
    tax_minor: int
    total_minor: int
    sheet: str  # all that the document says, as JSON
    digest: str  # SHA-256 of the document
    issued_on: date  # by the site's clock
    made_at: datetime
    made_by: str

    @property
    def name(self) -> str:
        """The number as it is printed."""
        return name_of(self.series, self.number)


@dataclass(frozen=True, slots=True, kw_only=True)
class Earned:
    """What an account's postings of a time have earned, in the state's name too."""

    by_code: Mapping[str, int]  # what was earned is positive; what others grant is below zero
    uses: Sequence["BilledUse"]


@dataclass(frozen=True, slots=True, kw_only=True)
class BilledUse:
    """A bill that charges of the time are of, with all its charges and when each was booked."""

    opening: BillOpening
    charges: Sequence[Charge]  # in order
    booked_at: Sequence[datetime | None]  # None = it moved no money


class Invoices(Protocol):
    """What a use case may ask about invoices."""

    def seller(self, organisation_id: int) -> Seller | None: ...
    def put_seller(self, seller: Seller) -> None:
        """Write who an organisation is by law, in place of what was there."""
        ...

    def buyer(self, account_id: int) -> Buyer | None: ...
    def put_buyer(self, buyer: Buyer) -> None: ...
    def next_number(self, organisation_id: int, series: str) -> int:
        """Return a series' next number, locked until the transaction ends: undone, it is given again."""
        ...

    def put(self, invoice: Invoice) -> None:
        """Write an invoice; raises `Conflict` where its number or its place is taken."""
        ...

    def invoice(self, account_id: int, invoice_id: UUID) -> Invoice | None: ...
    def of_month(self, account_id: int, month: date) -> list[Invoice]:
        """Return an account's invoices and credit notes of a month, by number."""
        ...

    def invoices(
        self, organisation_id: int, *, month: date, after: tuple[str, int], limit: int
    ) -> list[Invoice]:
        """Return an organisation's invoices and credit notes of a month, by series and number, after one."""
        ...

    def standing(self, organisation_id: int, *, month: date) -> set[int]:
        """Return the accounts with an invoice of a month that was not taken back."""
        ...

    def earning(self, organisation_id: int, *, since: datetime, until: datetime) -> list[int]:
        """Return the accounts that something was earned of in a time, by id."""
        ...

    def earned(self, account_id: int, *, since: datetime, until: datetime) -> Earned: ...


def name_of(series: str, number: int) -> str:
    """Return a number as it is printed."""
    return f"{series}-{number:06d}"
