"""Vouchers in rows: exact numbers, text that stays text, the same bytes each time."""

import io
from dataclasses import replace
from datetime import UTC, date, datetime

import pytest
from openpyxl import load_workbook
from tests.unit.books.every_kind import ANA, LATER, NOVEMBER, a_month

from compuerta.adapters.books.writers import writer_of
from compuerta.adapters.memory import MemoryStore
from compuerta.domain import chart, ledger, voucher
from compuerta.domain.chart import CHINA, CLASSES, INTERNATIONAL, PRESETS, ChartRow, ChartUnfit
from compuerta.domain.party import Site
from compuerta.domain.voucher import KINGDEE, LAYOUTS, Field, Layout, LayoutUnfit, Voucher, VoucherLine
from compuerta.services import bookkeeping, exporting
from compuerta.services.bookkeeping import Wish
from compuerta.services.export_port import Form, Part

FORMULA = "=cmd|' /C calc'!A0"  # the name of a customer


@pytest.fixture(scope="module")
def store() -> MemoryStore:
    built = MemoryStore()
    a_month(built)
    return built


def the_file(store: MemoryStore, form: Form, part: Part, *, layout: str | None = None) -> bytes:
    wish = Wish(
        organisation_id=1, form=form, month=NOVEMBER, part=part, layout=layout,
        currency="CNY" if part is Part.JOURNAL else None,
    )  # fmt: skip
    made = exporting.make(
        store, wish, writer=writer_of(form), actor=ANA, now=LATER, told=lambda done, of_all: None
    )
    return exporting.content(store, organisation_id=1, export_no=made.export.export_no)[1]


def cells_of(file: bytes) -> list[tuple[object, ...]]:
    sheet = load_workbook(io.BytesIO(file)).active
    assert sheet is not None
    return list(sheet.iter_rows(values_only=True))


def test_a_month_is_the_sites_own_also_where_the_clock_is_put_back() -> None:
    york = Site(site_id=1, organisation_id=1, name="York", zone="America/New_York", currency="USD")

    month = bookkeeping.site_month(york, NOVEMBER)

    assert month.starts_at == datetime(2026, 11, 1, 4, tzinfo=UTC)  # in summer time, and ends in winter time
    assert month.ends_at == datetime(2026, 12, 1, 5, tzinfo=UTC)


@pytest.mark.parametrize("form", Form)
def test_a_file_is_the_same_bytes_in_another_database_at_another_time(form: Form) -> None:
    files = []
    for _ in range(2):
        store = MemoryStore()
        a_month(store)
        files.append(the_file(store, form, Part.JOURNAL))

    assert files[0] == files[1]


def test_a_name_that_looks_like_a_formula_is_a_name(store: MemoryStore) -> None:
    told = the_file(store, Form.CSV, Part.CUSTOMERS).decode("utf-8-sig")
    book = load_workbook(io.BytesIO(the_file(store, Form.XLSX, Part.CUSTOMERS)))
    assert book.active is not None

    kinds = {cell.data_type for row in book.active.iter_rows() for cell in row if cell.value == FORMULA}

    assert kinds == {"s"}
    assert f",'{FORMULA}," in told
    assert f",{FORMULA}," not in told


@pytest.mark.parametrize("name", LAYOUTS)
def test_vouchers_balance_to_the_cent_in_every_layout(store: MemoryStore, name: str) -> None:
    titles, *rows = cells_of(the_file(store, Form.XLSX, Part.JOURNAL, layout=name))
    at = {field: n for n, (_, field) in enumerate(LAYOUTS[name].columns)}

    sides: dict[object, list[int]] = {}
    for row in rows:
        both = sides.setdefault(row[at[Field.VOUCHER_NO]], [0, 0])
        for n, field in enumerate((Field.DEBIT, Field.CREDIT)):
            both[n] += round(float(str(row[at[field]] or 0)) * 100)

    assert titles == tuple(title for title, _ in LAYOUTS[name].columns)
    assert sides
    assert all(debit == credit > 0 for debit, credit in sides.values())
    assert {row[at[Field.ACCOUNT_NUMBER]] for row in rows} <= {each.number for each in CHINA.values()}
    assert all(isinstance(row[at[Field.ACCOUNT_NUMBER]], str) for row in rows)


def test_an_amount_beyond_a_spreadsheets_digits_stays_text() -> None:
    line = VoucherLine(account_number="1002", account_name="bank", detail="")
    lines = (replace(line, debit_minor=12345678901234567), replace(line, credit_minor=12345678901234567))
    big = Voucher(voucher_no=1, day=date(2026, 11, 1), site="North", currency="CNY", lines=lines)

    from compuerta.adapters.books import sheets

    rows = voucher.cells(big, voucher.PLAIN)
    written = b"".join(sheets.Xlsx()._written(tuple(title for title, _ in voucher.PLAIN.columns), rows))

    assert cells_of(written)[1][8] == "123456789012345.67"


def test_a_voucher_with_two_different_sides_is_never_made() -> None:
    line = VoucherLine(account_number="1002", account_name="bank", detail="", debit_minor=1)

    with pytest.raises(voucher.VoucherUnbalanced):
        Voucher(voucher_no=1, day=date(2026, 11, 1), site="North", currency="CNY", lines=(line,))


def test_both_charts_have_an_account_for_every_code_of_the_ledger() -> None:
    providers = {"wechat": "wechat", "counter": "till"}
    codes = {*ledger._FIXED_CODES, "cash:wechat", "cash:counter", "cash:counter:card"}

    for name, each in PRESETS.items():
        chart.require_fit(each.values())
        missing = [code for code in codes if chart.account_of(code, chart=each, providers=providers) is None]
        assert missing == [], name
        assert each.keys() == CLASSES.keys()


@pytest.mark.parametrize(
    "row",
    [
        ChartRow(key="nobody", number="1", name="n"),
        ChartRow(key="cash:", number="1", name="n"),
        ChartRow(key=ledger.SAFE, number="1a", name="n"),
        ChartRow(key=ledger.SAFE, number="1", name=""),
        ChartRow(key=ledger.SAFE, number="1", name="two\nlines"),
        ChartRow(key=ledger.SAFE, number=INTERNATIONAL[chart.DRAWER].number, name="another name"),
        ChartRow(key=ledger.FEE, number=INTERNATIONAL[ledger.BANK].number, name="Bank"),
    ],
)
def test_a_row_that_other_books_would_not_take_is_refused(row: ChartRow) -> None:
    rows = {**INTERNATIONAL, row.key: row}

    with pytest.raises(ChartUnfit):
        chart.require_fit(rows.values())


@pytest.mark.parametrize(
    "layout",
    [
        replace(KINGDEE, columns=KINGDEE.columns[1:]),
        replace(KINGDEE, columns=KINGDEE.columns * 3),
        replace(KINGDEE, columns=(("", Field.EMPTY), *KINGDEE.columns)),
        replace(KINGDEE, summary="x" * 81),
    ],
)
def test_a_layout_that_makes_no_vouchers_is_refused(layout: Layout) -> None:
    with pytest.raises(LayoutUnfit):
        voucher.require_fit(layout)
