"""Putting money right in a real browser: one proposes, another decides, and both see what becomes of it."""

from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
from playwright.sync_api import Page, expect
from tests.browser.building import pay
from tests.browser.conftest import Console, a_console

from compuerta.adapters.postgres.store import PostgresStore
from compuerta.apps import wiring
from compuerta.domain.payment import DisputeNotice, DisputeState, PaymentNotice
from compuerta.services import correcting, disputing, vend

pytestmark = [pytest.mark.browser, pytest.mark.postgres, pytest.mark.slow]


@pytest.fixture(scope="module")
def console(postgres_server: str, worker_id: str) -> Iterator[Console]:
    """A console of this module's own, to which money came that nobody ordered."""
    with a_console(postgres_server, f"corrections_{worker_id}") as console:
        store = PostgresStore(console.database_url)
        ((provider,),) = console.rows(
            "select provider from provider_account where kind = 'wechat' and organisation_id = 1"
        )
        notice = PaymentNotice(
            provider=str(provider),
            transaction_no="4200009999",
            reference="nobody",
            amount_minor=6_600,
            currency="CNY",
            paid_at=wiring.now(),
            payee="flat three oh three",
        )
        vend.accept_payments(store, [notice], now=wiring.now())
        store.shut()
        yield console


def test_money_in_suspense_finds_its_account_by_two_people(
    signed_in: Callable[..., Page], console: Console, store: PostgresStore
) -> None:
    manager = signed_in(name="manager")
    manager.goto("/suspense/")
    row = manager.locator("tr", has_text="flat three oh three")
    expect(row).to_contain_text("66.00")
    row.get_by_role("link", name="Place").click()
    expect(manager.locator("[name=way]")).to_be_hidden()
    manager.fill("[name=words]", "303")
    manager.fill("[name=why]", "they have shown the slip")
    manager.get_by_role("button", name="Propose").click()
    card = manager.locator(".k-correction", has_text="they have shown the slip")
    expect(card).to_contain_text("waits for a second person")
    expect(card.get_by_role("button", name="Approve")).to_have_count(0)

    accountant = signed_in(name="accountant")
    accountant.goto("/corrections/")
    card = accountant.locator(".k-correction", has_text="they have shown the slip")
    expect(card).to_contain_text("recharges that account")
    card.locator("[name=why]").fill("seen")
    card.get_by_role("button", name="Approve").click()

    card = accountant.locator(".k-correction", has_text="they have shown the slip")
    expect(card.locator(".k-done")).to_have_text("done")
    accountant.goto("/suspense/")
    expect(accountant.locator("tr", has_text="flat three oh three")).to_have_count(0)
    ((credit,),) = console.rows("select amount_minor from adjustment where kind = 'placed'")
    assert credit == 6_600


def test_a_refund_is_proposed_from_the_page_of_its_meter(
    signed_in: Callable[..., Page], console: Console, store: PostgresStore
) -> None:
    flat = next(each for each in console.flats if each.platform)
    page = signed_in(name="manager", phone=True)
    page.goto(f"/meters/{flat.meter_id}/")
    page.get_by_role("link", name="Put right").first.click()
    expect(page.locator("[name=words]")).to_be_hidden()
    page.locator("[name=way]").select_option("cash")
    page.fill("[name=amount]", "5")
    page.fill("[name=why]", "paid for the wrong room")
    page.get_by_role("button", name="Propose").click()
    expect(page.locator(".k-correction", has_text="paid for the wrong room")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390

    owner = signed_in(name="owner")
    owner.goto("/corrections/")
    card = owner.locator(".k-correction", has_text="paid for the wrong room")
    card.locator("[name=why]").fill("agreed")
    card.get_by_role("button", name="Approve").click()
    card = owner.locator(".k-correction", has_text="paid for the wrong room")
    expect(card).to_contain_text("credit is back")

    correcting.sweep(store, after=0, now=wiring.now())
    ((state,),) = console.rows("select state from correction where why = 'paid for the wrong room'")
    assert state == "paying", "it waits for whoever hands the cash over"


def test_money_that_a_won_dispute_brings_back_is_put_right_from_suspense(
    signed_in: Callable[..., Page], console: Console, store: PostgresStore
) -> None:
    *_, flat = (each for each in console.flats if each.platform)
    ((account_id, provider, number, amount_minor),) = console.rows(
        f"""select p.account_id, p.provider, p.transaction_no, p.amount_minor
        from payment p join account a using (account_id) join installation i using (account_id)
        where p.verdict = 'credited' and i.meter_id = {flat.meter_id} order by p.paid_at limit 1"""
    )
    opened = DisputeNotice(
        provider=str(provider),
        transaction_no=str(number),
        dispute_no="d1",
        amount_minor=int(str(amount_minor)),
        currency="CNY",
        state=DisputeState.OPENED,
        at=wiring.now(),
    )
    disputing.hear(store, [opened], now=wiring.now())
    pay(store, flat, amount_minor=1_000, at=wiring.now(), provider=str(provider))
    disputing.hear(store, [replace(opened, state=DisputeState.WON)], now=wiring.now())
    waiting = "select -sum(amount_minor) from posting_line where code = 'suspense' and account_id = {}"
    ((waits_minor,),) = console.rows(waiting.format(account_id))

    page = signed_in(name="manager")
    page.goto("/suspense/")
    row = page.locator("tr", has_text=str(number))
    expect(row).to_contain_text(f"{int(str(waits_minor)) / 100:.2f}")
    row.get_by_role("link", name="Place").click()

    expect(page.locator("[name=amount]")).to_have_value(f"{int(str(waits_minor)) / 100:g}")
    expect(page.locator("[name=kind][value=place]")).to_be_checked()


def test_goodwill_and_a_debt_are_proposed_from_the_page_of_a_meter(
    signed_in: Callable[..., Page], console: Console
) -> None:
    flat = next(each for each in console.flats if each.platform)
    page = signed_in(name="manager", phone=True)
    page.goto(f"/meters/{flat.meter_id}/")
    page.get_by_role("link", name="Credit or debt").click()
    page.locator("[name=kind][value=open_debt]").check()
    page.fill("[name=amount]", "12.50")
    page.fill("[name=why]", "the lost key")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.get_by_role("button", name="Propose").click()

    expect(page.locator(".k-correction", has_text="the lost key")).to_contain_text("12.50")
    found = console.rows("select kind, amount_minor from correction where why = 'the lost key'")
    assert found == [("open_debt", 1_250)]


def test_a_case_is_taken_and_closed_with_what_came_of_it(
    signed_in: Callable[..., Page], console: Console
) -> None:
    page = signed_in(name="accountant")
    page.goto("/cases/")
    card = page.locator(".k-correction").first
    detail = card.locator(".k-head p").first.inner_text()
    card.get_by_role("button", name="Take it").click()
    card = page.locator(".k-correction").first
    expect(card).to_contain_text("Looked after by accountant")
    card.locator("[name=why]").fill("the payer was called")
    card.get_by_role("button", name="Close it").click()

    page.goto("/cases/?state=closed")
    expect(page.locator("body")).to_contain_text("the payer was called")
    assert console.rows(
        "select 1 from case_file where outcome = 'the payer was called' and owner is not null"
    )
    assert detail


@pytest.mark.parametrize("language", ["en", "es", "zh-hans"])
def test_the_pages_fit_a_phone_in_every_language(
    signed_in: Callable[..., Page], console: Console, language: str
) -> None:
    page = signed_in(name="owner", phone=True, language=language)
    for address in ("/suspense/", "/corrections/", "/cases/"):
        page.goto(address)

        assert page.evaluate("document.documentElement.scrollWidth") <= 390, address


def test_who_sees_no_money_sees_neither(signed_in: Callable[..., Page]) -> None:
    page = signed_in(name="technician")

    answers = [page.goto(address) for address in ("/suspense/", "/corrections/", "/cases/")]

    assert [answer.status for answer in answers if answer is not None] == [403, 403, 403]
