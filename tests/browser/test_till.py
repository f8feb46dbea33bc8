"""A cashier's whole day at a till, in a console of its own: shift, sales, undoing, count, Z report."""

import re
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime
from uuid import UUID

import pytest
from playwright.sync_api import Page, expect
from tests.browser.conftest import Console, a_console, a_window

from compuerta.adapters.postgres.store import PostgresStore
from compuerta.domain.payment import PaymentNotice
from compuerta.services import vend

Opens = Callable[..., Page]
TILL = "counter 2"


@pytest.fixture(scope="module")
def console(postgres_server: str, worker_id: str) -> Iterator[Console]:
    """A console whose shifts and numbers are these tests' own."""
    with a_console(postgres_server, f"till_{worker_id}") as console:
        yield console


def choose(page: Page, words: str) -> None:
    """Find a customer as a cashier does: type, Enter."""
    page.goto("/till/")
    page.keyboard.type(words)
    page.keyboard.press("Enter")
    page.wait_for_url("**/till/*/")


def sell(page: Page, words: str, **typed: str) -> str:
    """Sell to a customer and return the receipt's number."""
    choose(page, words)
    if typed.keys() & {"card", "cheque"}:
        page.locator("details summary").first.click()
    for name, text in typed.items():
        page.fill(f"input[name={name}]", text)
    page.keyboard.press("Enter")
    page.wait_for_url("**/receipts/**")
    return page.locator(".t-number").inner_text()


def fill_and_send(page: Page, form: str, **typed: str) -> None:
    for name, text in typed.items():
        page.fill(f"{form} [name='{name}']", text)
    page.locator(f"{form} button:not([type=button])").click()
    page.wait_for_load_state()


@pytest.mark.slow
def test_a_cashiers_whole_day(signed_in: Opens, console: Console) -> None:
    page, boss = signed_in(name="cashier"), signed_in(name="manager")

    # the shift begins, and sells by four ways
    page.goto("/till/")
    page.select_option("select[name=till]", TILL)
    fill_and_send(page, "form.c-sale", float="200")
    cash = sell(page, "gutiérrez", amount="45", tendered="50")
    expect(page.locator(".c-change").first).to_contain_text("5.00")
    card = sell(page, "王小明", amount="80", card="80", note="slip 77")
    mixed = sell(page, "赵磊", amount="100", card="60", tendered="50")
    phone = sell(page, "John", amount="30", code="134567890123456789")

    assert [cash, card, mixed, phone] == [f"{TILL}-00000{n}" for n in (1, 2, 3, 4)]

    # a reprint is a copy, and no sale
    page.goto("/till/receipts/?number=1")
    receipt = page.url
    papers = [page.request.get(page.locator("a[href*='/80']").get_attribute("href") or "") for _ in range(2)]
    assert [each.status for each in papers] == [200, 200]
    page.reload()
    expect(page.locator(".t-number")).to_have_text(cash)

    # a supervisor undoes the first: its cash leaves the drawer, under a number of its own
    boss.goto(receipt)
    boss.locator("[data-opens=void]").click()
    boss.fill("#void textarea", "wrong room")
    boss.locator("#void button.c-danger").click()
    boss.wait_for_load_state()
    expect(boss.locator(".t-mark").first).to_contain_text("5")
    assert not page.locator("[data-opens=void]").count()

    # a blind X report, a drop, a count that is short, a reason
    page.goto("/till/shift/")
    expect(page.locator(".c-receipt")).to_contain_text("140.00")  # cards
    assert "240.00" not in page.locator("main, .c-screen").first.inner_text()  # what should be there
    fill_and_send(page, "#drop", amount="100", why="bag 12")
    expect(page.locator(".c-receipt").first).to_contain_text("−¥100.00")
    page.locator("#count summary").click()
    page.fill("[name='pieces-100']", "1")
    page.fill("[name='pieces-20']", "1")
    page.fill("[name='pieces-10']", "1")
    page.fill("[name='pieces-1']", "5")
    expect(page.locator("#counted")).to_have_value("135.00")
    page.locator("#count button").click()
    page.wait_for_url("**/till/shifts/*/")
    expect(page.locator(".c-receipt")).to_contain_text("140.00")
    expect(page.locator(".c-receipt")).to_contain_text("−¥5.00")
    fill_and_send(page, "form.c-sale", why="gave too much change")
    report = page.url

    # only somebody else accepts it
    assert not page.locator("form[action$='accept']").count()
    boss.goto(report)
    boss.locator("form[action$='accept'] button").click()
    boss.wait_for_load_state()
    page.goto(report)
    expect(page.locator(".t-mark").first).to_have_text("Z report 1")
    expect(page.locator(".c-receipt")).to_contain_text("Accepted by manager")
    expect(page.locator(".c-receipt")).to_contain_text("4 · ¥210.00")
    expect(page.locator(".c-receipt")).to_contain_text("1–5")

    # it is over: nothing is sold, and another cashier sees nothing of it
    page.goto(f"/till/{console.flats[0].meter_id}/")
    expect(page.locator("form[action$='/open']")).to_be_visible()
    with closing(a_window(console, "ana")) as other:
        assert other.get(report).status_code == 403
        assert report.removeprefix(console.address) not in other.get("/till/shifts/").text
    assert_the_books_agree(console)


def assert_the_books_agree(console: Console) -> None:
    """What the ledger has of the till is nothing any more, and every number is a sale or its undoing."""
    booked = """select coalesce(sum(amount_minor) filter (where code = %s), 0),
        coalesce(sum(amount_minor) filter (where code = %s), 0),
        coalesce(sum(amount_minor) filter (where code = 'over_short'), 0)
        from posting, unnest(codes, amounts_minor) as line (code, amount_minor)"""
    assert console.rows(booked, f"cash:{TILL}", f"cash:{TILL}:card") == [(0, 14_000, 500)]
    numbers = "select unnest(array[receipt_no, void_receipt_no]) from till_sale where provider = %s"
    assert sorted(number for (number,) in console.rows(numbers, TILL) if number) == [1, 2, 3, 4, 5]


def test_a_sale_without_a_shift_is_refused(signed_in: Opens, console: Console) -> None:
    act_id = "22222222-2222-4222-8222-222222222222"
    with closing(a_window(console, "owner")) as window:
        form = {"csrfmiddlewaretoken": window.cookies["csrftoken"], "act_id": act_id, "amount": "20"}

        answer = window.post(f"/till/{console.flats[0].meter_id}/", data=form)

    assert answer.status_code == 422
    assert not console.rows("select 1 from attempt where attempt_id = %s", act_id)


def test_a_stickers_address_and_a_phones_number_find_their_customer(
    signed_in: Opens, console: Console
) -> None:
    page, flat = signed_in(), console.flats[2]
    console.furnish(
        """insert into contact
        (contact_id, organisation_id, account_id, channel, address, language, wants, created_at)
        values (gen_random_uuid(), 1, %(account_id)s, 'sms', '+8613800138222', 'en', '{warning}', now())
        returning 1""",
        {"account_id": flat.account_id},
    )

    for words in (f"https://pay.example/p/{flat.pay_token}", "138 0013 8222"):
        choose(page, words)

        assert re.search(rf"/till/{flat.meter_id}/$", page.url), words


def test_a_code_that_is_none_sells_nothing(signed_in: Opens, console: Console) -> None:
    page, flat = signed_in(), console.flats[7]
    page.goto(f"/till/{flat.meter_id}/")
    page.fill("#amount", "20")
    page.fill("#code", "9912345678")

    page.keyboard.press("Enter")

    expect(page.locator("[role=alert]")).to_contain_text("no payment code")
    assert not console.rows("select 1 from till_sale where account_id = %s", flat.account_id)


def test_a_supervisor_adds_a_till_and_a_cashier_does_not(signed_in: Opens, console: Console) -> None:
    boss = signed_in(name="manager")
    boss.goto("/till/tills/")
    fill_and_send(boss, "form.c-sale", name="counter 3", drawer_max="500")

    expect(boss.locator(".c-table")).to_contain_text("counter 3")
    with closing(a_window(console, "cashier")) as window:
        assert window.get("/till/tills/").status_code == 403


def test_somebody_elses_till_of_that_name_is_told_as_taken(signed_in: Opens, console: Console) -> None:
    boss = signed_in(name="manager")
    boss.goto("/till/tills/")

    fill_and_send(boss, "form.c-sale", name="till-9")

    expect(boss.locator("[role=alert]")).to_contain_text("taken")


def test_a_phone_that_asks_for_a_password_is_waited_for(
    signed_in: Opens, console: Console, store: PostgresStore
) -> None:
    page, flat = signed_in(), console.flats[8]
    page.goto(f"/till/{flat.meter_id}/")
    page.fill("#amount", "1200")
    page.fill("#code", "134567890123456791")
    page.keyboard.press("Enter")
    page.wait_for_url("**/receipts/**")
    expect(page.locator(".c-progress")).to_contain_text("Waiting for the customer's phone")
    assert not page.locator(".t-number").count()
    find = "select attempt_id, receipt_no from till_sale where account_id = %s"
    ((attempt_id, before),) = console.rows(find, flat.account_id)

    notice = PaymentNotice(
        provider="wechat",
        transaction_no="4200001234",
        reference=UUID(str(attempt_id)).hex,
        amount_minor=120_000,
        currency="CNY",
        paid_at=datetime.now(UTC),
    )
    vend.accept_payments(store, [notice], now=datetime.now(UTC))

    assert before is None
    expect(page.locator(".t-number")).to_contain_text("till-0000", timeout=8000)
