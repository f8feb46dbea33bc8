"""Sheets on paper and as spreadsheets: what was typed stays text, and numbers are those of the books."""

from decimal import Decimal
from io import BytesIO

import openpyxl
import pypdf
import pytest
from tests.unit.services.test_report_sheet import a_report, the_sheet

from compuerta.adapters.paper import sheet_press, spreadsheet
from compuerta.domain.contact import Language

EVIL = "=cmd|' /C calc'!A0"
WORDS = {Language.ENGLISH: "Daily report", Language.SPANISH: "Informe diario", Language.CHINESE: "日报"}


def the_book(*, name: str = "Ana") -> openpyxl.Workbook:
    return openpyxl.load_workbook(BytesIO(spreadsheet.xlsx(the_sheet(a_report(name=name)))))


def cells(book: openpyxl.Workbook) -> list[openpyxl.cell.cell.Cell]:
    return [
        cell for tab in book.worksheets for row in tab.iter_rows() for cell in row if cell.value is not None
    ]


@pytest.mark.parametrize("name", [EVIL, "+1", "-1", "@sum(1)", "\t=1", "https://example.org", "0012", "=1+1"])
def test_a_name_that_looks_like_a_formula_stays_a_name(name: str) -> None:
    found = [cell for cell in cells(the_book(name=name)) if cell.value == name]

    assert len(found) == 3
    assert all(cell.data_type == "s" and cell.hyperlink is None for cell in found)


def test_no_cell_of_a_spreadsheet_is_a_formula() -> None:
    assert [cell.value for cell in cells(the_book(name=EVIL)) if cell.data_type == "f"] == []


def test_numbers_in_a_spreadsheet_are_those_of_the_books() -> None:
    money = the_book().worksheets[1]

    amounts = [Decimal(str(row[1].value)) for row in money.iter_rows(min_row=4)]
    assert amounts == [Decimal("1000"), Decimal("110"), Decimal("-5"), Decimal("-10.6"), Decimal("1094.4")]


def test_a_long_number_is_text_to_its_last_digit() -> None:
    assert [cell.data_type for cell in cells(the_book()) if cell.value == "4200000123456789012345"] == ["s"]


def test_a_spreadsheet_has_the_pictures_as_charts_of_its_own() -> None:
    first = the_book().worksheets[0]

    assert len(first._charts) == 3


def test_the_same_sheet_gives_the_same_bytes() -> None:
    sheet = the_sheet(a_report())

    assert spreadsheet.xlsx(sheet) == spreadsheet.xlsx(sheet)
    assert sheet_press.pdf(sheet) == sheet_press.pdf(sheet)


@pytest.mark.parametrize("language", list(Language))
def test_a_report_is_printed_in_letters_that_it_brings(language: Language) -> None:
    printed = pypdf.PdfReader(BytesIO(sheet_press.pdf(the_sheet(a_report(name=EVIL), language=language))))

    text = "".join(page.extract_text() for page in printed.pages)
    fonts = {
        str(font.get_object()["/BaseFont"])
        for page in printed.pages
        for font in page["/Resources"]["/Font"].values()  # type: ignore[index]
    }
    assert WORDS[language] in text and EVIL in text
    assert fonts and all("CompuertaReceiptSC" in font for font in fonts)
