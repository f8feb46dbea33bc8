"""Supply policies in a real browser: settled for a site, held by an account, refused at the field."""

from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Page, expect
from tests.browser.conftest import Console, a_console

pytestmark = [pytest.mark.browser, pytest.mark.postgres, pytest.mark.slow]


@pytest.fixture(scope="module")
def console(postgres_server: str, worker_id: str) -> Iterator[Console]:
    """A console of this module's own: what a site settles reaches all flats of the other tests."""
    with a_console(postgres_server, f"policies_{worker_id}") as console:
        yield console


@pytest.fixture
def page(signed_in: Callable[..., Page], console: Console) -> Page:
    """The policies of the site that all flats are in."""
    page = signed_in(name="manager")
    page.goto(f"{console.address}/policies/")
    page.locator(".w-scopes").get_by_role("link", name="Torre 3").click()
    return page


def settle(page: Page) -> None:
    page.locator("[name=why]").fill("as the owners wished")
    page.get_by_role("button", name="Settle").click()


def test_friendly_hours_of_a_site_hold_for_its_accounts(page: Page, console: Console) -> None:
    (before,) = console.rows("select policy from site where name = 'Torre 3'")

    page.get_by_label("Hours of each day").fill("22:00 - 08:00, 12:00-14:00")
    page.get_by_label("Last chance").fill("30")
    settle(page)

    expect(page.get_by_text("Settled. It reaches")).to_be_visible()
    (after,) = console.rows("select policy from site where name = 'Torre 3'")
    assert isinstance(before[0], dict)
    settled = {"friendly_slots": ["22:00-08:00", "12:00-14:00"], "last_chance_min": 30}
    assert after[0] == {**before[0], **settled}
    page.goto(f"{console.address}/meters/{console.flats[3].meter_id}/")
    page.get_by_role("link", name="Policy").click()
    expect(page.get_by_label("Last chance")).to_have_value("")
    expect(page.locator(".w-row", has_text="Hours of each day")).to_contain_text(
        "22:00-08:00, 12:00-14:00 (Torre 3)"
    )


def test_what_cannot_be_is_refused_at_its_field_and_nothing_is_settled(page: Page, console: Console) -> None:
    before = console.rows("select policy from site where name = 'Torre 3'")

    page.get_by_label("Hours of each day").fill("22:00-25:00")
    page.get_by_label("Load limit").fill("3 kW")
    settle(page)

    slots, power = (page.locator(".w-row", has_text=label) for label in ("Hours of each day", "Load limit"))
    expect(slots.get_by_role("alert")).to_contain_text("22:00-25:00: Write")
    expect(page.get_by_label("Hours of each day")).to_have_value("22:00-25:00")
    expect(power.get_by_role("alert")).to_contain_text("from 0 to 1000000")
    assert console.rows("select policy from site where name = 'Torre 3'") == before


def test_an_account_may_have_none_of_its_sites_emergency_credit(page: Page, console: Console) -> None:
    page.get_by_label("Amount").fill("20")
    page.get_by_label("By itself at zero").select_option("yes")
    settle(page)
    expect(page.get_by_text("Settled. It reaches")).to_be_visible()

    page.goto(f"{console.address}/policies/?scope=account&id={console.flats[4].account_id}")
    page.get_by_label("Amount").fill("0")
    settle(page)

    expect(page.get_by_text("Settled. It reaches 1 account.")).to_be_visible()
    page.goto(f"{console.address}/meters/{console.flats[4].meter_id}/")
    expect(page.locator(".s-card")).not_to_contain_text("Emergency credit")


def test_what_a_recharge_meets_is_settled_in_percent_and_money(page: Page, console: Console) -> None:
    page.get_by_label("Fee of each recharge").fill("1,5")
    page.get_by_label("Of each recharge to debts").fill("100")
    page.get_by_label("Monthly fee since").fill("2026-12")
    page.get_by_label("A second payment of one order").select_option("suspend")
    settle(page)

    expect(page.get_by_text("Settled. It reaches")).to_be_visible()
    (after,) = console.rows("select policy from site where name = 'Torre 3'")
    settled = {
        "recharge_fee_ppm": 15_000,
        "debt_share_ppm": 1_000_000,
        "monthly_fee_since": "2026-12",
        "paid_twice": "suspend",
    }
    assert isinstance(after[0], dict)
    assert settled.items() <= after[0].items()
    expect(page.get_by_label("Fee of each recharge")).to_have_value("1.5")
    page.goto(f"{console.address}/policies/?scope=account&id={console.flats[4].account_id}")
    expect(page.locator(".w-row", has_text="A second payment")).to_contain_text(
        "is kept for a refund (Torre 3)"
    )
    expect(page.locator(".w-row", has_text="Fee of each recharge")).to_contain_text("1.5 % (Torre 3)")


@pytest.mark.parametrize(
    ("label", "text", "told"),
    [
        ("Fee of each recharge", "51", "from 0 to 50"),
        ("Of each recharge to debts", "a half", "from 0 to 100"),
        ("Tax on these fees", "1.00001", "from 0 to 100"),
        ("Monthly fee since", "2026-13", "such as 2026-11"),
    ],
)
def test_a_percentage_or_a_month_that_is_none_is_refused_at_its_field(
    page: Page, label: str, text: str, told: str
) -> None:
    page.get_by_label(label).fill(text)
    settle(page)

    expect(page.locator(".w-row", has_text=label).get_by_role("alert")).to_contain_text(told)
