"""Invoices in a real browser: who sells, a month's documents, one of them, and its credit note."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from uuid import uuid4

import pytest
from playwright.sync_api import Page, expect
from tests.browser.conftest import Console, a_console

from compuerta.adapters.postgres.store import PostgresStore
from compuerta.apps import wiring
from compuerta.domain.ledger import DELIVERED, REVENUE_ENERGY, Posting, PostingKind, transfer

pytestmark = [pytest.mark.browser, pytest.mark.postgres, pytest.mark.slow]


@pytest.fixture(scope="module")
def console(postgres_server: str, worker_id: str) -> Iterator[Console]:
    """A console of this module's own, two of whose flats have used something last month."""
    with a_console(postgres_server, f"invoices_{worker_id}") as console:
        in_last_month = wiring.now().replace(day=1) - timedelta(days=5)
        used = [
            Posting(
                account_id=flat.account_id,
                posting_id=uuid4(),
                kind=PostingKind.CHARGE,
                currency="CNY",
                lines=transfer(debit=DELIVERED, credit=REVENUE_ENERGY, amount_minor=4_321),
                booked_at=in_last_month,
                cause_id=uuid4(),
            )
            for flat in console.flats[:2]
        ]
        store = PostgresStore(console.database_url)
        with store.transaction() as tx:
            tx.book(used)
        store.shut()
        yield console


def test_a_month_is_invoiced_and_one_invoice_taken_back(
    signed_in: Callable[..., Page], console: Console
) -> None:
    page = signed_in(name="accountant")
    page.goto("/books/invoices/")
    expect(page.get_by_text("Nothing can be issued before that")).to_be_visible()
    page.get_by_label("Name by law").fill("Residencia Río S.L.")
    page.get_by_label("Country, two letters").fill("es")
    page.get_by_label("Tax number").fill("12345674")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("begins with the country's two letters")).to_be_visible()

    page.get_by_label("Name by law").fill("Residencia Río S.L.")
    page.get_by_label("Country, two letters").fill("es")
    page.get_by_label("Tax number").fill("ESB12345674")
    page.get_by_role("button", name="Save").click()
    page.get_by_role("button", name="Issue what is missing").click()
    expect(page.get_by_text("Invoices issued: 2. Accounts left: 0.")).to_be_visible()

    page.get_by_role("link", name="A-000001").click()
    expect(page.get_by_text("¥43.21").first).to_be_visible()
    with page.expect_download() as download:
        page.get_by_role("link", name="Download UBL").click()
    page.get_by_label("Why it is taken back").fill("the name was wrong")
    page.get_by_role("button", name="Take back by a credit note").click()

    expect(page.get_by_text("Taken back by")).to_be_visible()
    assert b"ESB12345674" in download.value.path().read_bytes()
    kinds = console.rows("select number, kind from invoice order by number")
    assert kinds == [(1, "380"), (2, "380"), (3, "381")]
