"""The port to the chart of accounts, and numbered exports to other books."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import Enum
from typing import NamedTuple, Protocol

from compuerta.domain.chart import BookAccount, ChartRow
from compuerta.domain.party import Site
from compuerta.domain.voucher import Layout


class Part(Enum):
    """Which of the books an export holds."""

    JOURNAL = "journal"  # a total for each day, site and code: for the general ledger
    CUSTOMERS = "customers"  # the sub-ledger: each account's day, tied to its control account


class Form(Enum):
    """In which form."""

    HLEDGER = "hledger"
    BEANCOUNT = "beancount"
    XLSX = "xlsx"
    CSV = "csv"


class SiteMonth(NamedTuple):
    """A month of a site: from its first midnight to the one that ends it, by the site's own clock."""

    site: Site
    month: date  # its first day
    starts_at: datetime
    ends_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Total:
    """What was booked under a code in a time; of one account, or of all (None)."""

    account_id: int | None = None
    currency: str
    code: str
    debit_minor: int
    credit_minor: int

    @property
    def amount_minor(self) -> int:
        """By how much it changed; debit is positive."""
        return self.debit_minor - self.credit_minor


@dataclass(frozen=True, slots=True, kw_only=True)
class BookLine:
    """What a day has brought an account of other books."""

    account: BookAccount
    debit_minor: int
    credit_minor: int

    @property
    def amount_minor(self) -> int:
        """By how much it changed; debit is positive."""
        return self.debit_minor - self.credit_minor


@dataclass(frozen=True, slots=True, kw_only=True)
class BookDay:
    """A day of a site in one currency; its lines sum to zero."""

    day: date
    site: Site
    currency: str
    lines: tuple[BookLine, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Opening:
    """What an account of other books had before a month began."""

    account: BookAccount
    currency: str
    amount_minor: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Journal:
    """A month of the books, ready to be written in any form."""

    organisation: str
    month: date
    currencies: tuple[str, ...]
    accounts: tuple[BookAccount, ...]
    openings: tuple[Opening, ...]
    days: tuple[BookDay, ...]  # by day, then site, then currency
    layout: Layout


@dataclass(frozen=True, slots=True, kw_only=True)
class CustomerLine:
    """What a day has brought one customer, under one control account."""

    account_id: int
    name: str
    control: BookAccount
    currency: str
    debit_minor: int
    credit_minor: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Control:
    """What a control account has at the end of a day of a site: the sum of its customers, by both roads."""

    account: BookAccount
    currency: str
    balance_minor: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CustomerDay:
    """A site's customers on a day, in order, and what each control account has in the end."""

    day: date
    site: Site
    is_opening: bool  # what they had before the month began
    lines: tuple[CustomerLine, ...]
    controls: tuple[Control, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class CustomerBook:
    """The sub-ledger of a month; days are read as they are asked for, so that one at a time is in memory."""

    organisation: str
    month: date
    currencies: tuple[str, ...]
    controls: tuple[BookAccount, ...]
    days: Iterator[CustomerDay]


class BookWriter(Protocol):
    """A form that books are written in: the same books are always the same bytes."""

    def journal(self, journal: Journal) -> Iterator[bytes]: ...
    def customers(self, book: CustomerBook) -> Iterator[bytes]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class BookExport:
    """An export under its number; `seal` hashes it together with the one before, back to number 1."""

    organisation_id: int
    export_no: int
    form: Form
    part: Part
    month: date
    site_id: int | None = None  # None = all
    currency: str | None = None  # None = all
    layout: str = ""
    vouchers: int
    size: int  # of the file, in bytes
    digest: str  # SHA-256 of the file
    previous: str  # the seal of the number before; of the first, zeros
    seal: str
    replaces: int | None = None  # the number that told the same month before the books went on
    made_by: str
    made_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What the other books say of a voucher: its number there, or why it was not taken."""

    voucher_no: int
    their_no: str
    ok: bool
    note: str = ""
    booked_on: date | None = None  # the day it stands under there, where they say it


class Exports(Protocol):
    """What a use case may ask about the chart of accounts, and numbered exports to other books."""

    def organisation_name(self, organisation_id: int) -> str: ...
    def sites(self, organisation_id: int) -> list[Site]:
        """Return the sites of an organisation by number."""
        ...

    def providers(self, organisation_id: int) -> dict[str, str]:
        """Return the kind of each provider account, by name."""
        ...

    def chart(self, organisation_id: int) -> list[ChartRow]:
        """Return the chart that an organisation has made its own; nothing before it did."""
        ...

    def save_chart(self, organisation_id: int, rows: Sequence[ChartRow]) -> None: ...
    def layout(self, organisation_id: int) -> Layout | None: ...
    def save_layout(self, organisation_id: int, layout: Layout) -> None: ...
    def before(self, month: SiteMonth) -> list[Total]:
        """Return what was booked at a site before a month, by currency and code."""
        ...

    def days(self, month: SiteMonth) -> list[tuple[date, Total]]:
        """Return what was booked at a site in a month, by its own days, currency and code."""
        ...

    def customers(
        self, month: SiteMonth, codes: Sequence[str], *, since: datetime | None, until: datetime
    ) -> list[Total]:
        """Return what was booked in [since, until) by currency, code and account.

        Beside each account's totals stand those of the code (`account_id` None), made by the same statement.
        """
        ...

    def account_names(self, account_ids: Sequence[int]) -> dict[int, str]: ...
    def last(self, organisation_id: int) -> BookExport | None: ...
    def put(self, export: BookExport, packed: bytes) -> None:
        """Write an export and its file; raises `Conflict` where its number was taken meanwhile."""
        ...

    def export(self, organisation_id: int, export_no: int) -> BookExport | None: ...
    def exports(self, organisation_id: int) -> list[BookExport]:
        """Return all exports by number."""
        ...

    def packed(self, organisation_id: int, export_no: int) -> bytes:
        """Return the file of an export, as it was put."""
        ...

    def answers(self, organisation_id: int, export_no: int) -> dict[int, Answer]:
        """Return the last answer to each voucher, by its number."""
        ...

    def put_answers(
        self, export: BookExport, answers: Sequence[Answer], *, by: str, at: datetime
    ) -> None: ...
    def answered(self, organisation_id: int) -> Mapping[int, tuple[int, int]]:
        """Return, for each export with answers, how many vouchers were taken, and how many were not."""
        ...
