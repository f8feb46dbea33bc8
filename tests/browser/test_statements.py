"""Providers' bills in a real browser: how they agree, what differs, and what somebody makes of it."""

from collections.abc import Callable, Iterator
from datetime import date, timedelta
from functools import partial

import pytest
from playwright.sync_api import Page, expect
from tests.browser.conftest import Console, a_console

from compuerta.adapters.postgres import bulk_statements
from compuerta.adapters.postgres.store import PostgresStore
from compuerta.apps import wiring
from compuerta.domain.payment import PaymentNotice
from compuerta.services import agreeing, statement_days, statement_sheet, vend
from compuerta.services.agreeing import Bill
from compuerta.services.payment_ports import StatementKind, StatementLine
from compuerta.services.statement_port import Statement

pytestmark = [pytest.mark.browser, pytest.mark.postgres, pytest.mark.slow]
AN_HOUR = timedelta(hours=1)


@pytest.fixture(scope="module")
def console(postgres_server: str, worker_id: str) -> Iterator[Console]:
    """A console of this module's own, without a bill."""
    with a_console(postgres_server, f"statements_{worker_id}") as console:
        yield console


def provider_of(console: Console) -> str:
    ((provider,),) = console.rows(
        "select provider from provider_account where kind = 'wechat' and organisation_id = 1"
    )
    return str(provider)


def a_bill_came(console: Console, store: PostgresStore, *, day: date, number: str) -> None:
    """Take a bill with one line of another amount than was paid, and one that only it has."""
    now, provider = wiring.now(), provider_of(console)
    notice = PaymentNotice(
        provider=provider,
        transaction_no=number,
        reference="nobody",
        amount_minor=6_600,
        currency="CNY",
        paid_at=now - AN_HOUR,
    )
    vend.accept_payments(store, [notice], now=now)
    begun = Statement(
        provider=provider, day=day, kind=StatementKind.TRADE, organisation_id=1, currency="CNY", ask_at=now
    )
    with store.transaction() as tx:
        tx.statements.put([begun])
    told = StatementLine(number, "nobody", "", 6_000, 360_600, "CNY", now - AN_HOUR, "SUCCESS")
    more = told._replace(transaction_no=f"{number}0", amount_minor=100, fee_micro=0)
    bill = Bill(
        statement=begun,
        sheet=statement_sheet.written([told, more]),
        scope=statement_days.scope_of(begun, zone="Asia/Shanghai"),
        payees=False,
    )
    agreeing.take(store, partial(bulk_statements.compare, store), bill, now=now)


def test_before_the_first_bill_the_screen_says_when_it_comes(signed_in: Callable[..., Page]) -> None:
    page = signed_in(name="accountant")
    page.goto("/statements/")
    if page.locator("tbody tr").count() == 0:
        expect(page.locator("body")).to_contain_text("the day after the first payment")


def test_a_difference_is_ended_with_its_outcome_and_reason(
    signed_in: Callable[..., Page], console: Console, store: PostgresStore
) -> None:
    a_bill_came(console, store, day=date(2026, 11, 20), number="4200001111")
    page = signed_in(name="manager")
    page.goto("/statements/")
    row = page.locator("tr", has_text="2026-11-20")
    expect(row).to_contain_text("1 difference open")
    expect(row).to_contain_text("0.3606")
    card = page.locator(".st-one", has_text="4200001111")
    expect(card).to_contain_text("66.00")
    expect(card).to_contain_text("Ask the provider which amount is right")

    card.locator("[name=outcome]").select_option("provider_wrong")
    card.locator("[name=why]").fill("they pay the rest on Monday")
    card.get_by_role("button", name="End it").click()

    expect(page.locator(".st-one", has_text="4200001111")).to_have_count(0)
    page.get_by_text("Ended lately").click()
    expect(page.locator("details")).to_contain_text("they pay the rest on Monday")
    assert console.rows("select outcome from statement_difference where transaction_no = '4200001111'") == [
        ("provider_wrong",)
    ]
    assert console.rows(
        "select count(*) from case_file where kind = 'statement_differs' and detail like '%%4200001111'"
        " and closed_at is null"
    ) == [(0,)]


def test_a_bill_is_fetched_again_when_somebody_asks(
    signed_in: Callable[..., Page], console: Console, store: PostgresStore
) -> None:
    a_bill_came(console, store, day=date(2026, 11, 19), number="4200002222")
    page = signed_in(name="manager")
    page.goto("/statements/")

    page.locator("tr", has_text="2026-11-19").get_by_role("button", name="Fetch again").click()

    expect(page.locator("body")).to_contain_text("It is fetched within a minute.")
    waiting = "select ask_at is not null from statement where day = '2026-11-19'"
    assert console.rows(waiting) == [(True,)]


@pytest.mark.parametrize(("language", "title"), [("es", "Extractos"), ("zh-hans", "对账单")])
def test_a_phone_shows_bills_in_every_language_without_scrolling_sideways(
    signed_in: Callable[..., Page], console: Console, store: PostgresStore, language: str, title: str
) -> None:
    a_bill_came(console, store, day=date(2026, 11, 18), number=f"42000033{len(language)}")
    page = signed_in(name="manager", language=language, phone=True)
    page.goto("/statements/")

    expect(page.locator("body")).to_contain_text(title)
    expect(page.locator(".st-one").first).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
