"""Daily reports as files: PDF for people, XLSX for reckoning, JSON for programs."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from types import MappingProxyType
from typing import Final, assert_never

from compuerta.adapters.paper import sheet_press, spreadsheet
from compuerta.apps.monthly_cli import Form
from compuerta.domain.contact import Language
from compuerta.services import daily_report, report_sheet
from compuerta.services.daily_report import DailyReport
from compuerta.services.report_sheet import Word

CONTENT_TYPES: Final[Mapping[Form, str]] = MappingProxyType(
    {
        Form.PDF: "application/pdf",
        Form.XLSX: "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        Form.JSON: "application/json",
    }
)


def written(
    report: DailyReport, before: Sequence[DailyReport], *, form: Form, language: Language, word: Word
) -> bytes:
    """Write a report as a file; `before` are the days up to it. The same report gives the same bytes."""
    if form is Form.JSON:
        return _json(report)
    sheet = report_sheet.sheet_of(report, before, language=language, word=word)
    match form:
        case Form.PDF:
            return sheet_press.pdf(sheet)
        case Form.XLSX:
            return spreadsheet.xlsx(sheet)
        case _:
            assert_never(form)


def name_of(report: DailyReport, form: Form) -> str:
    """Return a file's name: letters that every system takes."""
    return f"report-{report.site_id}-{report.day}-v{report.version}.{form.value}"


def _json(report: DailyReport) -> bytes:
    ties = [{**asdict(each), "differs_minor": each.differs_minor} for each in daily_report.ties(report)]
    return json.dumps({**asdict(report), "ties": ties}, ensure_ascii=False, indent=2).encode() + b"\n"
