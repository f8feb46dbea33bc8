"""Banks in a real browser: a statement is looked at before it is taken, and an entry tied by hand."""

import os
from collections.abc import Callable, Iterator
from datetime import timedelta
from uuid import uuid4

import pytest
from playwright.sync_api import Page, expect
from tests.browser.conftest import Console, a_console

from compuerta.adapters.postgres.store import PostgresStore
from compuerta.apps import wiring
from compuerta.services.bank_port import Payout

pytestmark = [pytest.mark.browser, pytest.mark.postgres, pytest.mark.slow]
COLUMNS = {"day": "Date", "amount": "Amount", "balance": "Balance", "text": "Text"}


@pytest.fixture(scope="module")
def console(postgres_server: str, worker_id: str) -> Iterator[Console]:
    """A console of this module's own, without a bank account."""
    with a_console(postgres_server, f"bank_{worker_id}") as console:
        yield console


def a_payout(console: Console, store: PostgresStore, *, number: str, amount_minor: int) -> None:
    """Let a provider pay out, on a day far enough that nothing is tied by itself."""
    ((provider,),) = console.rows(
        "select provider from provider_account where kind = 'wechat' and organisation_id = 1"
    )
    now = wiring.now() - timedelta(days=40)
    payout = Payout(
        provider=str(provider),
        payout_no=number,
        organisation_id=1,
        day=now.date(),
        amount_minor=amount_minor,
        currency="CNY",
        at=now,
        posting_id=uuid4(),
    )
    with store.transaction() as tx:
        tx.bank.put_payouts([payout])


def a_file(*rows: tuple[int, str, str]) -> str:
    """Write a bank's CSV: so many days ago, an amount, and what is left."""
    today = wiring.now().date()
    lines = [f"{today - timedelta(days=ago)},{amount},{left},from afar" for ago, amount, left in rows]
    return "\n".join(["Date,Amount,Balance,Text", *lines, ""])


def looked_at(page: Page, file: str) -> None:
    """Choose a file, say its columns, and have a look."""
    page.goto("/bank/import")
    buffer = {"name": "bank.csv", "mimeType": "text/csv", "buffer": file.encode()}
    page.locator("[name=file]").set_input_files(buffer)  # type: ignore[arg-type]
    if not page.locator("[name=day]").is_visible():
        page.get_by_text("Columns of a CSV").click()
    for name, heading in COLUMNS.items():
        page.locator(f"[name={name}]").fill(heading)
    page.get_by_role("button", name="Look at it first").click()


def pictured(page: Page, name: str) -> None:
    folder = os.environ.get("PICTURES")
    if folder:
        page.screenshot(path=f"{folder}/{name}.png", full_page=True)


def test_a_statement_is_looked_at_taken_once_and_its_entry_tied_by_hand(
    signed_in: Callable[..., Page], console: Console, store: PostgresStore
) -> None:
    a_payout(console, store, number="P20261101000001", amount_minor=4_970)
    page = signed_in(name="accountant")
    page.goto("/bank/")
    pictured(page, "empty")
    page.locator("[name=name]").fill("Main")
    page.locator("[name=number]").fill("GB33 BUKB 2020")
    page.get_by_role("button", name="Add", exact=True).click()
    expect(page.locator("body")).to_contain_text("GB33BUKB2020")

    file = a_file((3, "49.70", "149.70"), (2, "-9.70", "140.00"))
    looked_at(page, file)
    expect(page.locator("body")).to_contain_text("Nothing was written yet")
    pictured(page, "preview")
    assert console.rows("select count(*) from bank_statement") == [(0,)]
    page.get_by_role("button", name="Take it in").click()
    expect(page.locator("body")).to_contain_text("2 entries were taken in")
    looked_at(page, file)
    expect(page.locator("body")).to_contain_text("known already")
    looked_at(page, file.replace("49.70,", "48.70,"))
    expect(page.get_by_role("alert")).to_contain_text("Row 3")
    pictured(page, "refused")

    page.goto("/bank/")
    pictured(page, "bank")
    page.locator("tr", has_text="49.70").get_by_role("link", name="Look").click()
    pictured(page, "entry")
    expect(page.locator(".bn-targets")).to_contain_text("P20261101000001")
    page.locator("[name=why]").first.fill("the holidays")
    page.get_by_role("button", name="Tie it").click()

    expect(page.locator("tr", has_text="9.70").first).to_be_visible()
    assert console.rows("select number, tied_by, agreed_by from bank_tie") == [
        ("P20261101000001", "accountant", "accountant")
    ]
    page.get_by_text("Entries that are answered").click()
    page.locator("details tr", has_text="49.70").get_by_role("link", name="Look").click()
    expect(page.locator("body")).to_contain_text("P20261101000001")


def test_a_csv_of_which_no_column_is_said_asks_for_them_in_the_readers_words(
    signed_in: Callable[..., Page], console: Console
) -> None:
    console.furnish(
        """insert into bank_account (bank_account_id, organisation_id, name, number, currency)
        values (gen_random_uuid(), 1, 'Other', %(number)s, 'CNY') returning number""",
        {"number": 4711},
    )
    page = signed_in(name="accountant", language="es")
    page.goto("/bank/import")
    buffer = {"name": "bank.csv", "mimeType": "text/csv", "buffer": b"Fecha,Importe"}
    page.locator("[name=file]").set_input_files(buffer)  # type: ignore[arg-type]
    page.locator("form .c-actions .c-button").click()

    expect(page.get_by_role("alert")).to_contain_text("indique qué columna tiene el día")
    expect(page.locator("[name=day]")).to_be_visible()


@pytest.mark.parametrize("language", ["es", "zh-hans"])
def test_a_phone_shows_the_bank_without_scrolling_sideways(
    signed_in: Callable[..., Page], console: Console, store: PostgresStore, language: str
) -> None:
    a_payout(console, store, number=f"P2026110100000{len(language)}", amount_minor=7_000)
    page = signed_in(name="accountant", language=language, phone=True)
    for address in ("/bank/", "/bank/import"):
        page.goto(address)
        expect(page.locator(".c-card").first).to_be_visible()
        pictured(page, f"phone_{language}_{address.strip('/').replace('/', '_')}")
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
