"""The resident's page: an order, its QR, the wait, the power; and everything that can go wrong on the way."""

import re
from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from playwright.sync_api import Page, expect
from tests.browser.building import Flat, deliver_all
from tests.browser.conftest import Console

from compuerta.adapters.postgres.store import PostgresStore
from compuerta.apps.console import drawing
from compuerta.domain.payment import PaymentNotice
from compuerta.services import vend

pytestmark = [pytest.mark.browser, pytest.mark.postgres, pytest.mark.slow]

Opens = Callable[..., Page]
ORDER = re.compile(r"/orders/([0-9a-f-]{36})$")


def ordered(page: Page, flat: Flat, *, amount: str) -> str:
    """Order an amount on the flat's page and return the order's id."""
    page.goto(f"/p/{flat.pay_token}")
    page.fill("input[name=other]", amount)
    page.locator("button.go").click()
    page.wait_for_url(ORDER)
    found = ORDER.search(page.url)
    assert found
    return found[1]


def provider_pays(console: Console, store: PostgresStore, attempt_id: str) -> None:
    ((provider, reference, amount_minor),) = console.rows(
        "select provider, reference, amount_minor from attempt where attempt_id = %s", attempt_id
    )
    notice = PaymentNotice(
        provider=str(provider),
        transaction_no=f"4200{reference}",
        reference=str(reference),
        amount_minor=int(str(amount_minor)),
        currency="CNY",
        paid_at=datetime.now(UTC),
    )
    vend.accept_payments(store, [notice], now=datetime.now(UTC))


def test_a_payment_is_followed_from_the_qr_to_the_power(
    visit: Opens, console: Console, store: PostgresStore
) -> None:
    page, flat = visit(phone=True), console.flats[9]
    attempt_id = ordered(page, flat, amount="25,50")
    ((shown, amount_minor),) = console.rows(
        "select presented, amount_minor from attempt where attempt_id = %s", attempt_id
    )
    assert str(shown).startswith("weixin://") and amount_minor == 2550
    modules = re.findall(r' d="([^"]+)"', drawing.qr(str(shown)))[-1]
    expect(page.locator(".code svg path").last).to_have_attribute("d", modules)
    expect(page.locator("[data-countdown]")).to_have_text(re.compile(r"[45]:\d\d"))

    provider_pays(console, store, attempt_id)
    expect(page.get_by_text("Paid. On the way to the meter")).to_be_visible(timeout=6000)
    deliver_all(store, flat, balance_minor=3000, energy_wh=110_000, at=datetime.now(UTC))

    expect(page.get_by_role("heading", name="Power is on")).to_be_visible(timeout=6000)
    expect(page.locator("[data-clock]")).to_have_text(re.compile(r"\d+\.\d\ss"))
    assert len(console.rows("select 1 from payment where reference = %s", attempt_id.replace("-", ""))) == 1


def test_the_page_being_open_has_the_provider_asked_often(visit: Opens, console: Console) -> None:
    page, flat = visit(phone=True), console.flats[2]
    attempt_id = ordered(page, flat, amount="11")
    asked = page.request.get(f"/p/{flat.pay_token}/attempts/{attempt_id}").json()

    ((soon,),) = console.rows(
        "select ask_at <= now() + interval '2 s' from attempt where attempt_id = %s", attempt_id
    )

    assert soon is True
    assert asked["state"] == "waiting"


def test_a_provider_that_is_away_costs_nobody_anything(visit: Opens, console: Console) -> None:
    page, flat = visit(phone=True), console.flats[2]

    attempt_id = ordered(page, flat, amount="66.66")

    expect(page.get_by_text("Nothing was charged.")).to_be_visible()
    assert console.rows("select state, presented from attempt where attempt_id = %s", attempt_id) == [
        ("created", None)
    ]


def test_a_qr_that_is_over_is_replaced_by_a_new_one(visit: Opens, console: Console) -> None:
    page, flat = visit(phone=True), console.flats[4]
    attempt_id = ordered(page, flat, amount="13")
    console.rows(
        """update attempt set created_at = created_at - interval '1 h', expires_at = now() - interval '1 s'
        where attempt_id = %s""",
        attempt_id,
    )
    page.reload()
    expect(page.get_by_text("This QR code is over")).to_be_visible()

    page.get_by_role("button", name="New QR code").click()

    expect(page.locator(".code svg")).to_be_visible()
    assert attempt_id not in page.url


def test_many_unpaid_orders_are_refused_kindly(visit: Opens, console: Console) -> None:
    page, flat = visit(phone=True), console.flats[5]
    for number in range(6):
        ordered(page, flat, amount=str(21 + number))

    page.goto(f"/p/{flat.pay_token}")
    page.locator("button.go").click()

    expect(page.get_by_role("alert")).to_contain_text("Please wait some minutes")
    orders = console.rows("select 1 from attempt where account_id = %s and state <> 'paid'", flat.account_id)
    assert len(orders) == 6


@pytest.mark.parametrize("amount", ["0.5", "99999999", "ten", "1.001"])
def test_an_amount_that_is_none_is_refused_and_nothing_is_ordered(
    visit: Opens, console: Console, amount: str
) -> None:
    page, flat = visit(phone=True), console.flats[7]
    counted = "select count(*) from attempt where account_id = %s"
    before = console.rows(counted, flat.account_id)
    page.goto(f"/p/{flat.pay_token}")
    page.fill("input[name=other]", amount)

    page.locator("button.go").click()

    expect(page.get_by_role("alert").first).to_be_visible()  # the quote says so, too
    assert console.rows(counted, flat.account_id) == before


@pytest.mark.parametrize("token", ["00000000-0000-4000-8000-000000000000", "not-a-token"])
def test_an_unknown_sticker_is_told_kindly(visit: Opens, token: str) -> None:
    page = visit(phone=True)

    answer = page.goto(f"/p/{token}")

    assert answer is not None and answer.status == 404
    expect(page.get_by_text("Nobody pays here now")).to_be_visible()


def test_the_page_shows_the_place_but_nobodys_name_or_history(visit: Opens, console: Console) -> None:
    page = visit(phone=True)
    page.goto(f"/p/{console.flats[1].pay_token}")

    text = page.locator("body").inner_text()

    assert "302" in text
    assert "Mercedes" not in text and "202600000302" not in text
    assert not re.search(r"20\d\d-\d\d-\d\d", text)


def test_an_order_of_another_account_is_not_there(visit: Opens, console: Console) -> None:
    page = visit(phone=True)
    attempt_id = ordered(page, console.flats[3], amount="12")
    stranger = console.other.pay_token

    answers = [
        page.request.get(f"/p/{stranger}/attempts/{attempt_id}").status,
        page.request.get(f"/p/{stranger}/orders/{attempt_id}").status,
    ]

    assert answers == [404, 404]


def test_the_pages_forbid_strangers_scripts(visit: Opens, console: Console) -> None:
    answer = visit().goto(f"/p/{console.flats[0].pay_token}")

    assert answer is not None
    assert "default-src 'self'" in answer.headers["content-security-policy"]
