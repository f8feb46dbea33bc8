"""The books in a real browser: a chart of one's own, a month's export, and what the other books answer."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect
from tests.browser.conftest import Console, a_console

from compuerta.apps import wiring

pytestmark = [pytest.mark.browser, pytest.mark.postgres, pytest.mark.slow]


@pytest.fixture(scope="module")
def console(postgres_server: str, worker_id: str) -> Iterator[Console]:
    """A console of this module's own, without an export."""
    with a_console(postgres_server, f"books_{worker_id}") as console:
        yield console


def test_a_month_goes_out_by_an_own_chart_and_its_answers_come_back(
    signed_in: Callable[..., Page], console: Console, tmp_path: Path
) -> None:
    page = signed_in(name="accountant")
    page.goto("/books/chart/")
    page.get_by_label("Revenue: energy: Number").fill("6001.99")
    page.get_by_role("button", name="Save the chart").click()
    expect(page.get_by_text("Saved. The next export tells the new accounts")).to_be_visible()

    page.goto("/books/exports/")
    page.get_by_label("Form").select_option("csv")
    page.get_by_label("Month").fill(f"{wiring.now():%Y-%m}")
    page.get_by_role("button", name="Export").click()
    expect(page.get_by_label("Form")).to_have_value("csv")  # for the next one of the same month
    expect(page.get_by_label("Month")).to_have_value(f"{wiring.now():%Y-%m}")
    with page.expect_download() as download:
        page.get_by_role("link", name="Download").click()
    answers = tmp_path / "answers.csv"
    answers.write_text("voucher_no;their_no;ok\n1;记-17;是\n", encoding="utf-8")
    page.get_by_text("Answers", exact=True).click()
    page.get_by_label("CSV with").set_input_files(answers)
    page.get_by_role("button", name="Take them").click()

    expect(page.get_by_text("1 taken")).to_be_visible()
    file = download.value.path().read_text(encoding="utf-8-sig")
    assert file.startswith("Date,Voucher,")
    assert ",6001.99," in file
    assert console.rows("select their_no, ok from book_answer") == [("记-17", True)]


def test_columns_that_make_no_voucher_are_refused_and_kept_on_the_screen(
    signed_in: Callable[..., Page], console: Console
) -> None:
    page = signed_in(name="accountant", phone=True)
    page.goto("/books/chart/?layout=kingdee")

    page.get_by_label("Title of the column").first.fill("")
    page.get_by_role("button", name="Save the columns").click()

    expect(page.get_by_role("alert")).to_contain_text("These columns make no vouchers")
    expect(page.get_by_label("Title of the column").first).to_have_value("凭证字")
    assert console.rows("select count(*) from voucher_layout") == [(0,)]
