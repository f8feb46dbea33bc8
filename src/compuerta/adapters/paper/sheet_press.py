"""The press of sheets: figures, charts and tables become a PDF on A4, in letters that are brought along."""

import json
from functools import lru_cache
from pathlib import Path
from threading import Lock
from typing import Final

import typst

from compuerta.adapters.paper.press import FONTS, TYPESETTING
from compuerta.services.sheet import Cell, Chart, Figure, Point, Sheet, Table, Unit

_ROOM: Final = Path(__file__).parent
_MILLE: Final = 1_000


def pdf(sheet: Sheet) -> bytes:
    """Print a sheet; the same sheet gives the same bytes."""
    with _ONE_AT_A_TIME:
        pressed = _press().compile(format="pdf", sys_inputs={"sheet": json.dumps(_told(sheet))})
    assert isinstance(pressed, bytes), "a PDF holds all pages"
    return pressed


def _told(sheet: Sheet) -> dict[str, object]:
    return {
        "language": TYPESETTING[sheet.language],
        "owner": sheet.owner,
        "title": sheet.title,
        "subtitle": sheet.subtitle,
        "notes": sheet.notes,
        "figures": [_figure(each) for each in sheet.figures],
        "charts": [_chart(each) for each in sheet.charts if each.is_known],
        "tables": [_table(each) for each in sheet.tables],
        "foot": sheet.foot,
    }


def _figure(figure: Figure) -> dict[str, object]:
    return {"label": figure.label, "note": figure.note, **_cell(figure.cell)}


def _cell(cell: Cell) -> dict[str, object]:
    return {"text": cell.text, "is_alert": cell.is_alert}


def _chart(chart: Chart) -> dict[str, object]:
    highest = max(chart.points, key=lambda point: point.amount or 0)
    bars = [
        {
            "label": point.label,
            "is_marked": point.is_marked,
            "is_supposed": point.is_supposed,
            "permille": _permille(point, highest=highest),
        }
        for point in chart.points
    ]
    return {"title": chart.title, "bars": bars, "highest": f"↑ {highest.text}"}


def _permille(point: Point, *, highest: Point) -> int | None:
    if point.amount is None:
        return None
    return max(point.amount, 0) * _MILLE // max(highest.amount or 0, 1)


def _table(table: Table) -> dict[str, object]:
    columns = [{"label": each.label, "is_number": each.unit is not Unit.TEXT} for each in table.columns]
    rows = [[_cell(cell) for cell in row] for row in table.rows]
    return {"title": table.title, "note": table.note, "columns": columns, "rows": rows, "sums": table.sums}


# A press keeps fonts and templates read; it sets one sheet at a time.
_ONE_AT_A_TIME: Final = Lock()


@lru_cache(maxsize=1)
def _press() -> typst.Compiler:
    return typst.Compiler(
        input=str(_ROOM / "sheet.typ"), root=str(_ROOM), font_paths=[str(FONTS)], ignore_system_fonts=True
    )
