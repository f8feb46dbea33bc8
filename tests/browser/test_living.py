"""Who lives at a place, in a real browser: the sticker shows what it always did, a code shows the rest."""

import re
from collections.abc import Callable, Iterator
from itertools import count

import pytest
from playwright.sync_api import Page, expect
from tests.browser.building import Flat
from tests.browser.conftest import Console, a_console

from compuerta.adapters.postgres.store import PostgresStore

pytestmark = [pytest.mark.browser, pytest.mark.postgres, pytest.mark.slow]


@pytest.fixture(scope="module")
def console(postgres_server: str, worker_id: str) -> Iterator[Console]:
    """A console of this module's own: who lives where is moved by other tests."""
    with a_console(postgres_server, f"living_{worker_id}") as console:
        yield console


_phones: Iterator[int] = count(13_900_139_000)


def a_phone() -> str:
    return f"+86{next(_phones)}"


def prove(page: Page, console: Console, *, account_id: int) -> None:
    """Have a code sent to the account's only contact, and type it."""
    page.locator("[name=number]").click()
    page.locator("[name=code]").wait_for()
    ((code,),) = console.rows("select code from contact where account_id = %s and code <> ''", account_id)
    page.locator("[name=code]").fill(str(code))
    page.get_by_role("button", name="That is me").click()


def a_contact(console: Console, flat: Flat) -> str:
    """Staff has vouched for a phone of whoever lives there; all others are forgotten."""
    phone = a_phone()
    console.rows("update contact set opted_out_at = now() where account_id = %s", flat.account_id)
    console.rows(
        """insert into contact (contact_id, organisation_id, account_id, channel, address, language, wants,
            created_at, confirmed_at)
        select gen_random_uuid(), organisation_id, account_id, 'sms', %s, 'en', '{warning}', now(), now()
        from account where account_id = %s""",
        phone,
        flat.account_id,
    )
    return phone


def offer_emergency(store: PostgresStore, flat: Flat) -> None:
    with store.transaction() as tx:
        document = '{"emergency_minor": 1000, "emergency_below_minor": 100000000}'
        tx.put_policy(scope="account", scope_id=flat.account_id, document=document)


def test_use_by_the_hour_is_shown_after_a_code_and_fits_a_phone(
    visit: Callable[..., Page], console: Console
) -> None:
    page, flat = visit(phone=True), console.flats[0]
    phone = a_contact(console, flat)

    page.goto(f"{console.address}/p/{flat.pay_token}/use")
    expect(page.get_by_role("heading", name="Do you live here?")).to_be_visible()
    expect(page.locator("main")).not_to_contain_text(phone[-4:])
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    prove(page, console, account_id=flat.account_id)

    expect(page.get_by_role("heading", name="Use", exact=True)).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    (cookie,) = [each for each in page.context.cookies() if each["name"].startswith("lives_")]
    assert cookie["httpOnly"] and cookie["sameSite"] == "Lax"


def test_a_sticker_alone_shows_no_hour_no_contact_and_takes_nothing(
    visit: Callable[..., Page], console: Console, store: PostgresStore
) -> None:
    page, flat = visit(phone=True), console.flats[3]
    phone = a_contact(console, flat)
    offer_emergency(store, flat)

    for screen in ("use", "messages"):
        page.goto(f"{console.address}/p/{flat.pay_token}/{screen}")
        expect(page).to_have_url(re.compile("/prove"))
        expect(page.locator("main")).not_to_contain_text(phone[-4:])
    page.goto(f"{console.address}/p/{flat.pay_token}")
    page.locator("form[action$='/emergency'] button").click()
    expect(page).to_have_url(re.compile("/prove"))
    assert console.rows("select * from emergency_credit where account_id = %s", flat.account_id) == []

    prove(page, console, account_id=flat.account_id)
    page.get_by_role("button", name="Take it").click()
    page.wait_for_load_state()
    assert console.rows("select taken_by from emergency_credit where account_id = %s", flat.account_id) == [
        ("resident",)
    ]


def test_where_nobody_is_known_an_address_is_confirmed_before_emergency_credit(
    visit: Callable[..., Page], console: Console, store: PostgresStore
) -> None:
    page, flat, phone = visit(phone=True), console.flats[7], a_phone()
    console.rows("update contact set opted_out_at = now() where account_id = %s", flat.account_id)
    offer_emergency(store, flat)
    page.goto(f"{console.address}/p/{flat.pay_token}")

    expect(page.locator("form[action$='/emergency']")).to_contain_text("An address must be confirmed")
    page.get_by_role("button", name="Confirm an address").click()
    page.locator("[name=address]").fill(phone)
    page.get_by_role("button", name="Send me a code").click()
    page.locator("[name=code]").wait_for()
    (sent,) = console.rows("select code from contact where address = %s", phone)
    page.locator("[name=code]").fill(str(sent[0]))
    page.get_by_role("button", name="That is me").click()
    page.get_by_role("link", name="Back to the balance").click()

    expect(page.get_by_role("button", name="Take it")).to_be_visible()


def test_an_address_that_waits_for_its_code_is_no_way_in_once_somebody_lives_there(
    visit: Callable[..., Page], console: Console
) -> None:
    page, flat, phone = visit(phone=True), console.flats[8], a_phone()
    page.goto(f"{console.address}/p/{flat.pay_token}/messages")
    page.locator("[name=address]").fill(phone)
    page.get_by_role("button", name="Send me a code").click()
    page.locator("[name=code]").wait_for()
    a_contact(console, flat)
    (sent,) = console.rows("select code from contact where address = %s", phone)

    page.locator("[name=code]").fill(str(sent[0]))
    page.get_by_role("button", name="That is me").click()

    expect(page).to_have_url(re.compile("/prove"))
    assert console.rows("select confirmed_at from contact where address = %s", phone) == [(None,)]


def test_a_proof_is_worth_nothing_at_another_account_nor_when_its_contact_is_removed(
    visit: Callable[..., Page], console: Console
) -> None:
    page, flat, other = visit(phone=True), console.flats[5], console.flats[9]
    a_contact(console, flat)
    a_contact(console, other)
    use = f"{console.address}/p/{flat.pay_token}/use"
    page.goto(use)
    prove(page, console, account_id=flat.account_id)
    expect(page.get_by_role("heading", name="Use", exact=True)).to_be_visible()
    (cookie,) = [each for each in page.context.cookies() if each["name"].startswith("lives_")]

    forged = {"name": f"lives_{other.account_id}", "value": cookie["value"], "url": console.address}
    page.context.add_cookies([forged])  # type: ignore[list-item]
    page.goto(f"{console.address}/p/{other.pay_token}/use")
    expect(page).to_have_url(re.compile("/prove"))

    a_contact(console, flat)
    page.goto(use)
    expect(page).to_have_url(re.compile("/prove"))
