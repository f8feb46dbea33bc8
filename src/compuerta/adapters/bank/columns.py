"""Reads a bank's statement from CSV, by a map of its columns: no two banks have the same.

A file is read whole or not at all, with the reasons row by row. What it says must tie: it has a column of
balances, or somebody types the first and the last one.
"""

import csv
import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from enum import Enum
from typing import Final

from compuerta.domain.money import AmountMalformed, parse_minor
from compuerta.services.bank_sheet import FAULTS_TOLD_MAX, BankSheet, Fault, FileUnreadable, SheetEntry

FILE_BYTES_MAX: Final = 16 * 1024 * 1024
ROWS_MAX: Final = 20_000
LEAD_ROWS_MAX: Final = 30  # what banks write above the headings
TEXT_CHARS_MAX: Final = 500
ENCODINGS: Final = ("utf-8", "gb18030")
_BLANK = str.maketrans("", "", " \t\u00a0\u202f'¥￥$€")


class DayOrder(Enum):
    """In which order a bank writes a day; whatever stands between."""

    YEAR_FIRST = "ymd"
    DAY_FIRST = "dmy"
    MONTH_FIRST = "mdy"


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnMap:
    """Which column of a bank's CSV has what, by its heading; "" where there is none."""

    day: str
    amount: str = ""  # with its sign; or instead the two columns after it
    credit: str = ""
    debit: str = ""
    balance: str = ""  # after the movement
    reference: str = ""
    text: str = ""
    number: str = ""  # of the account
    delimiter: str = ","
    encoding: str = "utf-8"
    order: DayOrder = DayOrder.YEAR_FIRST
    decimal: str = "."

    @property
    def headings(self) -> tuple[str, ...]:
        """Return the headings that a file must have."""
        named = (self.day, self.amount, self.credit, self.debit, self.balance, self.reference, self.text,
                 self.number)  # fmt: skip
        return tuple(dict.fromkeys(each for each in named if each))


@dataclass(frozen=True, slots=True, kw_only=True)
class Typed:
    """What somebody types beside a file without a column of balances."""

    opening_minor: int | None = None
    closing_minor: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Row:
    row_no: int
    entry: SheetEntry
    balance_minor: int | None
    number: str


def read(file: bytes, columns: ColumnMap, *, currency: str, typed: Typed) -> tuple[BankSheet, ...]:
    """Read a file; raises `FileUnreadable` with every fault, and then nothing of it is to be used."""
    if not columns.day or not (columns.amount or columns.credit or columns.debit):
        raise FileUnreadable([Fault(0, "headings", "say which column has the day, and which the amount")])
    faults: list[Fault] = []
    rows = list(_rows(_lines(file, columns), columns, currency=currency, faults=faults))
    if faults:
        raise FileUnreadable(faults)
    if not rows:
        raise FileUnreadable([Fault(0, columns.day, "there is no row with a day")])
    if len({row.number for row in rows}) > 1:
        raise FileUnreadable([Fault(0, columns.number, "it has rows of several accounts")])
    if columns.balance:
        rows, opening_minor, closing_minor = _chained(rows, columns)
    elif typed.opening_minor is None or typed.closing_minor is None:
        raise FileUnreadable(
            [Fault(0, "balance", "without a column of balances, type the first and the last")]
        )
    else:
        opening_minor, closing_minor = typed.opening_minor, typed.closing_minor
    days = [row.entry.booked_on for row in rows]
    sheet = BankSheet(
        number=rows[0].number,
        currency="",
        starts_on=min(days),
        ends_on=max(days),
        opening_minor=opening_minor,
        closing_minor=closing_minor,
        entries=tuple(row.entry for row in rows if row.entry.amount_minor),
    )
    return (sheet,)


def too_large(bytes_max: int) -> Fault:
    """Return what is told of a file of more bytes than are read."""
    return Fault(0, "file", f"more than {bytes_max} bytes")


def _lines(file: bytes, columns: ColumnMap) -> list[list[str]]:
    if len(file) > FILE_BYTES_MAX:
        raise FileUnreadable([too_large(FILE_BYTES_MAX)])
    try:
        text = file.decode("utf-8-sig" if columns.encoding == "utf-8" else columns.encoding)
    except UnicodeDecodeError as error:
        row_no = file[: error.start].count(b"\n") + 1
        reason = f"is not {columns.encoding}: choose the other encoding"
        raise FileUnreadable([Fault(row_no, "text", reason)]) from error
    if "\0" in text:
        row_no = text[: text.index("\0")].count("\n") + 1
        raise FileUnreadable([Fault(row_no, "text", "has signs that are none: this is no CSV")])
    try:
        return list(csv.reader(io.StringIO(text.removeprefix("\ufeff")), delimiter=columns.delimiter))
    except csv.Error as error:
        raise FileUnreadable([Fault(0, "CSV", str(error))]) from error


def _rows(
    lines: Sequence[list[str]], columns: ColumnMap, *, currency: str, faults: list[Fault]
) -> Iterator[_Row]:
    head, places = _headings(lines, columns)
    if len(lines) - head > ROWS_MAX:
        faults.append(Fault(ROWS_MAX, "rows", f"more than {ROWS_MAX}"))
        return
    for row_no, cells in enumerate(lines[head + 1 :], start=head + 2):
        told = {name: cells[place].strip() if place < len(cells) else "" for name, place in places.items()}
        money = [told[name] for name in (columns.amount, columns.credit, columns.debit) if name]
        if not told[columns.day] and not any(money):
            continue  # empty, or a bank's own word between
        try:
            yield _row(row_no, told, columns, currency=currency)
        except (ValueError, AmountMalformed) as error:
            faults.append(Fault(row_no, columns.day, str(error)))
            if len(faults) >= FAULTS_TOLD_MAX:
                return


def _headings(lines: Sequence[list[str]], columns: ColumnMap) -> tuple[int, dict[str, int]]:
    wanted = columns.headings
    for head, cells in enumerate(lines[:LEAD_ROWS_MAX]):
        names = [cell.strip() for cell in cells]
        if all(names.count(name) == 1 for name in wanted):
            return head, {name: names.index(name) for name in wanted}
    reason = f"no row has each of these headings once: {', '.join(wanted)}"
    raise FileUnreadable([Fault(1, "headings", reason)])


def _row(row_no: int, told: dict[str, str], columns: ColumnMap, *, currency: str) -> _Row:
    def minor(name: str) -> int:
        return _minor(told[name], columns, currency=currency) if name and told[name] else 0

    if columns.amount:
        amount_minor = minor(columns.amount)
    else:
        # Banks write what went out with a sign, or without one.
        amount_minor = minor(columns.credit) - abs(minor(columns.debit))
    day = _day(told[columns.day], columns.order)
    reference = told.get(columns.reference, "")[:TEXT_CHARS_MAX]
    entry = SheetEntry(day, amount_minor, reference, told.get(columns.text, "")[:TEXT_CHARS_MAX])
    balance_minor = minor(columns.balance) if columns.balance and told[columns.balance] else None
    return _Row(row_no=row_no, entry=entry, balance_minor=balance_minor, number=told.get(columns.number, ""))


def _minor(text: str, columns: ColumnMap, *, currency: str) -> int:
    plain = text.translate(_BLANK).removeprefix("+")
    thousands = "," if columns.decimal == "." else "."
    plain = plain.replace(thousands, "").replace(columns.decimal, ".")
    if plain.startswith("(") and plain.endswith(")"):
        plain = f"-{plain[1:-1]}"
    return parse_minor(plain, currency=currency)


def _day(text: str, order: DayOrder) -> date:
    """Read a day, alone or before a time; "20261121" too."""
    if re.fullmatch(r"[0-9]{8}", text, re.ASCII) and order is DayOrder.YEAR_FIRST:
        return date(int(text[:4]), int(text[4:6]), int(text[6:]))
    found = re.match(r"([0-9]{1,4})[-/.年]([0-9]{1,2})[-/.月]([0-9]{1,4})日?(?![0-9])", text, re.ASCII)
    if found is None:
        raise ValueError(f"{text[:32]!r} is no day")
    parts = dict(zip(order.value, map(int, found.groups()), strict=True))
    return date(parts["y"], parts["m"], parts["d"])


def _chained(rows: list[_Row], columns: ColumnMap) -> tuple[list[_Row], int, int]:
    """Return the rows from the oldest on, with the balances around them; banks write both ways."""
    gaps: list[Fault] = []
    for some in (rows, rows[::-1]):
        gap = _gap(some, columns)
        if gap is None:
            first, last = some[0], some[-1]
            assert first.balance_minor is not None and last.balance_minor is not None
            return some, first.balance_minor - first.entry.amount_minor, last.balance_minor
        gaps.append(gap)
    raise FileUnreadable(gaps[:1])


def _gap(rows: Sequence[_Row], columns: ColumnMap) -> Fault | None:
    before: int | None = None
    for row in rows:
        if row.balance_minor is None:
            return Fault(row.row_no, columns.balance, "there is no balance")
        if before is not None and before + row.entry.amount_minor != row.balance_minor:
            return Fault(row.row_no, columns.balance, "the balance before and the amount do not come to it")
        before = row.balance_minor
    return None
