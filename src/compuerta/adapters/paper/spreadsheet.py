"""Spreadsheets: a sheet becomes an XLSX in which text stays text, and numbers are exactly those of the books.

A name that looks like a formula is a name: nothing that somebody typed is ever reckoned with.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from io import BytesIO
from typing import Any, Final

import xlsxwriter  # type: ignore[import-untyped]

from compuerta.domain.money import minor_digits
from compuerta.services.sheet import Cell, Chart, Sheet, Table, Unit

_WH_DIGITS: Final = 3  # kilowatt-hours are told to the watt-hour
_NAME_CHARS_MAX: Final = 31  # of a tab, as Excel says
_NOT_IN_NAMES: Final = str.maketrans("[]:*?/\\'", "        ")
_WIDTH_MAX: Final = 48
# Excel keeps fifteen digits of a number; what is longer is told as text, and not rounded.
_NUMBER_MAX: Final = 10**15
_PLAIN: Final = {"strings_to_formulas": False, "strings_to_urls": False, "strings_to_numbers": False}
# The same sheet gives the same bytes, whenever it is made.
_MADE: Final = datetime(2000, 1, 1, tzinfo=UTC)


def xlsx(sheet: Sheet) -> bytes:
    """Write a sheet as a workbook: figures and charts first, then a tab for each table."""
    held = BytesIO()
    book = xlsxwriter.Workbook(held, {"in_memory": True, **_PLAIN})
    book.set_properties({"title": sheet.title, "created": _MADE.replace(tzinfo=None)})
    pen = _Pen(book, currency=sheet.currency)
    _first(pen, sheet)
    for number, table in enumerate(sheet.tables, start=2):
        tab = pen.tab(f"{number} {table.title}")
        tab.write_string(0, 0, table.title, pen.strong)
        tab.write_string(1, 0, table.note, pen.faint)
        _table(pen, tab, table, top=2)
    book.close()
    return held.getvalue()


class _Pen:
    """The formats of a workbook, and how each kind of cell is written."""

    def __init__(self, book: Any, *, currency: str) -> None:
        self.book = book
        self._digits = {
            Unit.MONEY: minor_digits(currency),
            Unit.ENERGY: _WH_DIGITS,
            Unit.COUNT: 0,
        }
        self.strong = book.add_format({"bold": True})
        self.faint = book.add_format({"font_color": "#64748b"})
        self._alert = book.add_format({"font_color": "#b91c1c"})
        shown = {
            unit: f"#,##0.{'0' * digits}" if digits else "#,##0" for unit, digits in self._digits.items()
        }
        self._numbers = {unit: book.add_format({"num_format": each}) for unit, each in shown.items()}
        self._sums = {
            unit: book.add_format({"num_format": each, "bold": True}) for unit, each in shown.items()
        }

    def tab(self, name: str) -> Any:
        """Begin a tab."""
        return self.book.add_worksheet(name.translate(_NOT_IN_NAMES)[:_NAME_CHARS_MAX].strip())

    def cell(self, tab: Any, at: tuple[int, int], cell: Cell, *, is_sum: bool = False) -> None:
        """Write a cell: numbers as numbers, and everything else as text."""
        if cell.unit is Unit.TEXT or cell.amount is None or abs(cell.amount) >= _NUMBER_MAX:
            tab.write_string(
                *at, cell.text, self.strong if is_sum else self._alert if cell.is_alert else None
            )
        else:
            formats = self._sums if is_sum else self._numbers
            tab.write_number(*at, self.number(cell.amount, unit=cell.unit), formats[cell.unit])

    def number(self, amount: int, *, unit: Unit) -> Decimal:
        """Return an amount in its large unit, exactly."""
        return Decimal(amount).scaleb(-self._digits[unit])


def _first(pen: _Pen, sheet: Sheet) -> None:
    tab = pen.tab(f"1 {sheet.title}")
    tab.set_column(0, 0, _WIDTH_MAX)
    tab.set_column(1, 2, 20)
    for number, words in enumerate((sheet.title, sheet.subtitle, sheet.owner, *sheet.notes)):
        tab.write_string(number, 0, words, pen.faint if number else pen.strong)
    top = 4 + len(sheet.notes)
    for number, figure in enumerate(sheet.figures, start=top):
        tab.write_string(number, 0, figure.label)
        pen.cell(tab, (number, 1), figure.cell)
        tab.write_string(number, 2, figure.note, pen.faint)
    top += len(sheet.figures) + 1
    for chart in sheet.charts:
        if chart.is_known:
            top = _chart(pen, tab, chart, top=top)


def _chart(pen: _Pen, tab: Any, chart: Chart, *, top: int) -> int:
    """Write a chart's numbers, and the chart beside them; returns the row below."""
    tab.write_string(top, 0, chart.title, pen.strong)
    for number, point in enumerate(chart.points, start=top + 1):
        tab.write_string(number, 0, point.label)
        pen.cell(tab, (number, 1), Cell(text=point.text, unit=chart.unit, amount=point.amount))
    last = top + len(chart.points)
    drawn = pen.book.add_chart({"type": "column"})
    drawn.add_series(
        {
            "name": chart.title,
            "categories": [tab.get_name(), top + 1, 0, last, 0],
            "values": [tab.get_name(), top + 1, 1, last, 1],
            "fill": {"color": "#0d9488"},
            "gap": 30,
        }
    )
    drawn.set_title({"name": chart.title, "name_font": {"size": 11}})
    drawn.set_legend({"none": True})
    tab.insert_chart(top, 4, drawn, {"x_scale": 1.4})
    return max(last, top + 16) + 2


def _table(pen: _Pen, tab: Any, table: Table, *, top: int) -> None:
    for across, column in enumerate(table.columns):
        tab.write_string(top, across, column.label, pen.strong)
        told = [column.label, *(row[across].text for row in table.rows)]
        tab.set_column(across, across, _width(told))
    for down, row in enumerate(table.rows, start=1):
        is_sum = down > len(table.rows) - table.sums
        for across, cell in enumerate(row):
            pen.cell(tab, (top + down, across), cell, is_sum=is_sum)
    tab.freeze_panes(top + 1, 0)


def _width(told: Sequence[str]) -> int:
    """Return how wide a column is; a letter of Chinese takes two places."""
    widest = max(sum(2 if ord(letter) > 0x2E7F else 1 for letter in each) for each in told)
    return min(widest + 2, _WIDTH_MAX)
