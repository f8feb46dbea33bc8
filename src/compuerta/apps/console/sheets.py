"""Sheets on screens: bars as coordinates, and which template shows them. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from compuerta.services.sheet import Cell, Chart, Column, Sheet, Table

WIDTH, HEIGHT = 720, 120
COLUMNS_NARROW_MAX = 3  # two such tables stand side by side on a desk
ROWS_OPEN_MAX = 25  # more stand behind a line that opens
_GAP = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """One bar of a drawing of `WIDTH` by `HEIGHT`."""

    left: int
    top: int
    width: int
    height: int
    middle: int  # where its label is
    label: str
    text: str  # what a reader who points at it learns
    is_known: bool
    is_marked: bool
    is_supposed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawing:
    """A chart as bars."""

    title: str
    highest: str  # how much the highest bar is
    bars: Sequence[Bar]
    width: int = WIDTH
    height: int = HEIGHT


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A row of a table, each cell with the head of its column."""

    cells: Sequence[tuple[Column, Cell]]
    is_sum: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """A table as it is shown; one that is long is folded away."""

    table: Table
    rows: Sequence[Row]
    is_long: bool
    is_wide: bool


def shown(sheet: Sheet) -> dict[str, object]:
    """Return what `_sheet.html` shows of a sheet; what would be empty is left out."""
    return {
        "sheet": sheet,
        "drawings": [_drawing(chart) for chart in sheet.charts if chart.is_known],
        "tables": [_rows(table) for table in sheet.tables if table.rows],
    }


def _rows(table: Table) -> Rows:
    first_sum = len(table.rows) - table.sums
    return Rows(
        table=table,
        rows=[
            Row(cells=list(zip(table.columns, row, strict=True)), is_sum=number >= first_sum)
            for number, row in enumerate(table.rows)
        ],
        is_long=len(table.rows) > ROWS_OPEN_MAX,
        is_wide=len(table.columns) > COLUMNS_NARROW_MAX,
    )


def _drawing(chart: Chart) -> Drawing:
    highest = max(chart.points, key=lambda point: point.amount or 0)
    most = max(highest.amount or 0, 1)
    bars = []
    for number, point in enumerate(chart.points):
        # Each bar ends where the next begins, so that no rounding is left over at the right.
        left, right = (WIDTH * at // len(chart.points) for at in (number, number + 1))
        height = HEIGHT if point.amount is None else -(-max(point.amount, 0) * HEIGHT // most)
        bars.append(
            Bar(
                left=left,
                top=HEIGHT - height,
                width=right - left - _GAP,
                height=height,
                middle=(left + right - _GAP) // 2,
                label=point.label,
                text=point.text,
                is_known=point.amount is not None,
                is_marked=point.is_marked,
                is_supposed=point.is_supposed,
            )
        )
    return Drawing(title=chart.title, highest=highest.text, bars=bars)
