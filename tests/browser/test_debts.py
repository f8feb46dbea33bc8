"""The debts card in a real browser: what is owed from before, and putting it off."""

from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Page, expect
from tests.browser.conftest import Console, a_console
from tests.unit.services.town import an_id
from tests.unit.services.vending import in_debt

from compuerta.adapters.postgres.store import PostgresStore
from compuerta.apps import wiring
from compuerta.domain.division import DebtKind
from compuerta.services.indebting import DebtOpening

pytestmark = [pytest.mark.browser, pytest.mark.postgres, pytest.mark.slow]


@pytest.fixture(scope="module")
def console(postgres_server: str, worker_id: str) -> Iterator[Console]:
    """A console of this module's own, in which one flat owes something from before."""
    with a_console(postgres_server, f"debts_{worker_id}") as console:
        store = PostgresStore(console.database_url)
        opening = DebtOpening(
            account_id=console.flats[0].account_id,
            debt_id=an_id("debt"),
            kind=DebtKind.ARREARS,
            name="Rent of August",
            amount_minor=12_000,
            share_ppm=250_000,
        )
        in_debt(store, opening, now=wiring.now())
        store.shut()
        yield console


def test_a_debt_is_put_off_until_a_day_with_a_reason(
    signed_in: Callable[..., Page], console: Console
) -> None:
    page = signed_in(name="manager")
    page.goto(f"{console.address}/meters/{console.flats[0].meter_id}/")
    card = page.locator(".c-card", has=page.get_by_role("heading", name="Debts"))
    expect(card).to_contain_text("Rent of August")
    expect(card).to_contain_text("25 % of each recharge")
    expect(card).to_contain_text("120.00")

    card.get_by_role("button", name="Put off").click()
    page.locator("dialog[open] [name=until]").fill("2099-01-31T08:00")
    page.locator("dialog[open] [name=why]").fill("lost their work")
    page.locator("dialog[open]").get_by_role("button", name="Settle").click()

    expect(page.locator("dialog[open]")).to_have_count(0)
    expect(card).to_contain_text("not before 2099-01-31 08:00")
    ((told, why),) = console.rows("select after, why from audit where what = 'change debt'")
    assert (why, "not before 2099-01-31" in str(told)) == ("lost their work", True)


def test_who_may_not_put_money_right_sees_the_debt_and_no_button(
    signed_in: Callable[..., Page], console: Console
) -> None:
    page = signed_in(name="technician")
    page.goto(f"{console.address}/meters/{console.flats[0].meter_id}/")

    card = page.locator(".c-card", has=page.get_by_role("heading", name="Debts"))
    expect(card).to_contain_text("Rent of August")
    expect(card.get_by_role("button", name="Put off")).to_have_count(0)


def test_a_flat_that_owes_nothing_has_no_card(signed_in: Callable[..., Page], console: Console) -> None:
    page = signed_in(name="manager")
    page.goto(f"{console.address}/meters/{console.flats[1].meter_id}/")

    expect(page.get_by_role("heading", name="Recharges")).to_be_visible()
    expect(page.get_by_role("heading", name="Debts")).to_have_count(0)
