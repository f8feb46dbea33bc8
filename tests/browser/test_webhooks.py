"""Webhooks in a real browser: added with a secret that is shown, changed, told again, ended."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect
from tests.browser.conftest import Console, a_window

pytestmark = [pytest.mark.browser, pytest.mark.postgres, pytest.mark.slow]


def test_a_webhook_lives_from_its_secret_to_its_end(signed_in: Callable[..., Page], console: Console) -> None:
    page = signed_in(name="owner")
    page.goto(f"{console.address}/webhooks/")
    expect(page.get_by_text("No partner is told anything.")).to_be_visible()

    page.get_by_label("Address").fill("https://partner.example/hooks")
    page.get_by_role("button", name="Tell this partner").click()
    secret = page.locator(".w-secret").text_content()
    assert secret is not None
    assert secret.startswith("whsec_")

    page.get_by_role("button", name="Change the secret").click()
    page.get_by_role("button", name="Change", exact=True).click()
    expect(page.locator(".w-secret")).not_to_have_text(secret)

    page.get_by_role("button", name="End").click()
    page.locator("dialog[open]").get_by_role("button", name="End", exact=True).click()
    expect(page.get_by_text("No partner is told anything.")).to_be_visible()
    (acts,) = console.rows("select count(*) from audit where subject ^@ 'webhook '")
    assert acts[0] == 3


def test_an_address_that_is_refused_is_kept_in_its_field(
    signed_in: Callable[..., Page], console: Console
) -> None:
    page = signed_in(name="owner", phone=True)
    page.goto(f"{console.address}/webhooks/")

    page.get_by_label("Address").fill("http://partner.example/hooks")
    page.get_by_role("button", name="Tell this partner").click()

    expect(page.get_by_role("alert")).to_contain_text("https://")
    expect(page.get_by_label("Address")).to_have_value("http://partner.example/hooks")
    width = page.evaluate("document.documentElement.scrollWidth")
    assert width <= 390


def test_who_gives_keys_at_one_site_tells_no_partner_of_all(console: Console) -> None:
    window = a_window(console, "cashier")
    console.rows(
        """insert into role_grant
        (grant_id, organisation_id, site_id, user_name, role, granted_by, granted_at)
        select gen_random_uuid(), organisation_id, min(site_id), 'cashier', 'owner', 'the test', now()
        from site where organisation_id = 1 group by organisation_id"""
    )
    try:
        people, hooks = window.get("/people/").status_code, window.get("/webhooks/").status_code
    finally:
        console.rows("delete from role_grant where granted_by = 'the test'")
        window.close()

    assert (people, hooks) == (200, 403)
