"""Warnings in a real browser: levels with their preview, own words, contacts, and the resident's settings."""

from collections.abc import Callable, Iterator
from contextlib import closing
from itertools import count

import pytest
from playwright.sync_api import Page, expect
from tests.browser.conftest import Console, a_window

pytestmark = [pytest.mark.browser, pytest.mark.postgres, pytest.mark.slow]

_phones: Iterator[int] = count(13_800_138_000)


def a_phone() -> str:
    return f"+86{next(_phones)}"


def test_levels_are_settled_and_the_preview_shows_what_will_be_told(
    signed_in: Callable[..., Page], console: Console
) -> None:
    page = signed_in(name="manager")
    page.goto(f"{console.address}/warnings/")
    expect(page.locator(".w-message")).to_have_count(3)

    page.get_by_label("own levels").check()
    page.locator("[name=value]").nth(0).fill("12.50")
    page.locator("[name=value]").nth(1).fill("3")
    page.locator("[name=kind]").nth(1).select_option("days")
    page.locator("[name=quiet]").select_option("hours")
    expect(page.locator(".w-preview")).to_contain_text("¥12.50")
    page.locator("[name=why]").fill("as the owners wished")
    page.get_by_role("button", name="Settle").click()

    expect(page.locator("[name=value]").nth(1)).to_have_value("3")
    (settled,) = console.rows("select policy from organisation where policy ? 'levels'")
    assert settled[0] == {
        "levels": [{"kind": "money", "value": 1_250}, {"kind": "days", "value": 72}],
        "quiet": "22:00-07:00",
    }


def test_a_level_that_is_no_number_is_refused_at_the_form(
    signed_in: Callable[..., Page], console: Console
) -> None:
    page = signed_in(name="manager")
    page.goto(f"{console.address}/warnings/")

    page.get_by_label("own levels").check()
    page.locator("[name=value]").nth(0).fill("much")

    expect(page.locator(".w-preview [role=alert]")).to_contain_text("levels")


def test_own_words_with_a_field_that_nobody_fills_are_refused_by_name(
    signed_in: Callable[..., Page], console: Console
) -> None:
    page = signed_in(name="manager")
    page.goto(f"{console.address}/words/payment/en/")

    page.locator("[name=body]").fill("Thanks for {amonut}")
    page.get_by_role("button", name="Use these words").click()
    expect(page.get_by_role("alert")).to_contain_text("{amonut} is not one of")
    page.locator("[name=body]").fill("Thanks for {amount}")
    page.get_by_role("button", name="Use these words").click()

    expect(page.locator(".w-all")).to_contain_text("Thanks for {amount}")
    assert console.rows("select body from message_template where name = 'payment'") == [
        ("Thanks for {amount}",)
    ]


def test_a_contact_is_added_by_staff_and_shown_masked(
    signed_in: Callable[..., Page], console: Console
) -> None:
    page, flat, phone = signed_in(name="manager"), console.flats[1], a_phone()
    page.goto(f"{console.address}/meters/{flat.meter_id}/contacts/")

    page.locator("[name=address]").fill("call me")
    page.get_by_role("button", name="Add").click()
    expect(page.get_by_role("alert")).to_contain_text("address")
    page.locator("[name=address]").fill(phone)
    page.get_by_role("button", name="Add").click()

    expect(page.locator(".c-rows")).not_to_contain_text(phone)
    assert (phone,) in console.rows("select address from contact where account_id = %s", flat.account_id)


def test_a_resident_is_told_after_the_code_was_typed(visit: Callable[..., Page], console: Console) -> None:
    page, flat, phone = visit(phone=True), console.flats[2], a_phone()
    page.goto(f"{console.address}/p/{flat.pay_token}/messages")

    page.locator("[name=address]").fill(phone)
    page.get_by_role("button", name="Send me a code").click()
    (sent,) = console.rows("select code from contact where address = %s", phone)
    page.locator("[name=code]").fill("000000" if sent[0] != "000000" else "111111")
    page.get_by_role("button", name="That is me").click()
    expect(page.get_by_role("alert")).to_be_visible()
    page.locator("[name=code]").fill(str(sent[0]))
    page.get_by_role("button", name="That is me").click()

    expect(page.locator(".told")).not_to_contain_text(phone)
    assert console.rows("select confirmed_at is not null from contact where address = %s", phone) == [(True,)]


@pytest.mark.parametrize("kind", ["energy", "days", "money"])
def test_a_level_of_a_million_digits_keeps_nobody_waiting(console: Console, kind: str) -> None:
    with closing(a_window(console, "cashier")) as window:
        asked = {"own_levels": "on", "kind": kind, "value": "1e999990"}
        answer = window.get("/warnings/preview", params=asked, timeout=5)

    assert (answer.status_code, "levels" in answer.text or "1e999990" in answer.text) == (200, True)
