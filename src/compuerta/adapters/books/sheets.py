"""Vouchers and sub-ledgers in rows: as a spreadsheet, and as CSV.

Whatever is text stays text: names that begin like a formula are none, and numbers of accounts keep their
zeros. Amounts are exact decimals. The same books are the same bytes: no clock goes into a file.
"""

import csv
import io
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from decimal import Decimal
from itertools import chain

import xlsxwriter  # type: ignore[import-untyped]

from compuerta.domain import voucher
from compuerta.domain.money import format_minor
from compuerta.domain.voucher import Cell
from compuerta.services.bookkeeping import BooksTooLarge, vouchers_of
from compuerta.services.export_port import CustomerBook, CustomerDay, Journal

ROWS_MAX = 1_048_575  # of a sheet, below its titles
_DECIMALS_MAX = 4  # of any currency
_DIGITS_MAX = 15  # a spreadsheet's numbers are exact up to here; longer ones stay text
_NEVER = datetime(2000, 1, 1, tzinfo=UTC)  # a file's date of making, so that it is always the same
_BYTES_AT_ONCE = 1 << 16
_RISKY = ("=", "+", "-", "@", "\t", "\r")  # what a spreadsheet takes for the beginning of a formula
_CUSTOMER_TITLES = (
    "Date", "Kind", "Site", "Account", "Name", "Control account", "Control name", "Currency", "Debit",
    "Credit", "Control balance",
)  # fmt: skip
Rows = Iterable[tuple[Cell, ...]]


class Csv:
    """See `export_port.BookWriter`; UTF-8 with a mark, as spreadsheet programs want it."""

    def journal(self, journal: Journal) -> Iterator[bytes]:
        """Write vouchers in the layout's columns."""
        return self._written(*_vouchers(journal))

    def customers(self, book: CustomerBook) -> Iterator[bytes]:
        """Write the sub-ledger."""
        return self._written(_CUSTOMER_TITLES, _customers(book))

    def _written(self, titles: tuple[str, ...], rows: Rows) -> Iterator[bytes]:
        yield b"\xef\xbb\xbf"
        for row in chain([tuple((title, False) for title in titles)], rows):
            line = io.StringIO()
            csv.writer(line, lineterminator="\r\n").writerow([_harmless(cell) for cell in row])
            yield line.getvalue().encode()


class Xlsx:
    """See `export_port.BookWriter`."""

    def journal(self, journal: Journal) -> Iterator[bytes]:
        """Write vouchers in the layout's columns."""
        return self._written(*_vouchers(journal))

    def customers(self, book: CustomerBook) -> Iterator[bytes]:
        """Write the sub-ledger."""
        return self._written(_CUSTOMER_TITLES, _customers(book))

    def _written(self, titles: tuple[str, ...], rows: Rows) -> Iterator[bytes]:
        file = io.BytesIO()
        # Rows go to disk as they come; a sheet of a million lines needs no memory of its own.
        workbook = xlsxwriter.Workbook(file, {"constant_memory": True})
        workbook.set_properties({"created": _NEVER})
        sheet = workbook.add_worksheet("Books")
        bold = workbook.add_format({"bold": True})
        money = {
            digits: workbook.add_format({"num_format": "#,##0" + (f".{'0' * digits}" if digits else "")})
            for digits in range(_DECIMALS_MAX + 1)
        }
        sheet.freeze_panes(1, 0)
        for column, title in enumerate(titles):
            sheet.set_column(column, column, 16)
            sheet.write_string(0, column, title, bold)
        for number, row in enumerate(rows, start=1):
            if number > ROWS_MAX:
                raise BooksTooLarge("rows", ROWS_MAX)
            for column, (text, is_amount) in enumerate(row):
                if is_amount and text and sum(each.isdigit() for each in text) <= _DIGITS_MAX:
                    sheet.write_number(number, column, Decimal(text), money[len(text.partition(".")[2])])
                elif text:
                    sheet.write_string(number, column, text)
        workbook.close()
        file.seek(0)
        while part := file.read(_BYTES_AT_ONCE):
            yield part


def _vouchers(journal: Journal) -> tuple[tuple[str, ...], Rows]:
    layout = journal.layout
    titles = tuple(title for title, _ in layout.columns)
    return titles, chain.from_iterable(voucher.cells(each, layout) for each in vouchers_of(journal))


def _customers(book: CustomerBook) -> Rows:
    for day in book.days:
        yield from _of_day(day)


def _of_day(day: CustomerDay) -> Rows:
    when, site = (day.day.isoformat(), False), (day.site.name, False)
    kind = ("opening" if day.is_opening else "day", False)
    for line in day.lines:
        told = (str(line.account_id), line.name, line.control.number, line.control.name, line.currency)
        minors = (line.debit_minor, line.credit_minor)
        amounts = (format_minor(each, currency=line.currency) if each else "" for each in minors)
        yield (when, kind, site, *_texts(told), *((each, True) for each in amounts), ("", True))
    for control in day.controls:
        told = ("", "", control.account.number, control.account.name, control.currency)
        balance = format_minor(control.balance_minor, currency=control.currency)
        yield (when, ("control", False), site, *_texts(told), ("", True), ("", True), (balance, True))


def _texts(told: Iterable[str]) -> Iterator[Cell]:
    return ((each, False) for each in told)


def _harmless(cell: Cell) -> str:
    text, is_amount = cell
    return f"'{text}" if not is_amount and text.startswith(_RISKY) else text
