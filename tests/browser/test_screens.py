"""The console as people see it: sign-in, overview, meters, switch, till, languages, a phone's width."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import httpx
import pytest
from playwright.sync_api import Page, expect
from tests.browser.building import deliver_all, pay
from tests.browser.conftest import LOCALES, Console, sign_in
from tests.browser.test_catalogues import untranslated_in

from compuerta.adapters.postgres.store import PostgresStore

pytestmark = [pytest.mark.browser, pytest.mark.postgres, pytest.mark.slow]

Opens = Callable[..., Page]
SCREENS = (
    "/",
    "/meters/",
    "/meters/{meter}/",
    "/till/",
    "/till/{meter}/",
    "/till/shift/",
    "/till/shifts/",
    "/stickers/",
    "/p/{token}",
    "/p/x",
)


def screens(console: Console) -> list[str]:
    flat = console.flats[3]
    return [screen.format(meter=flat.meter_id, token=flat.pay_token) for screen in SCREENS]


@pytest.mark.parametrize("path", ["/", "/live", "/meters/", "/meters/1/", "/till/", "/stickers/", "/admin/"])
def test_a_stranger_is_sent_to_the_sign_in_page(visit: Opens, path: str) -> None:
    page = visit()

    page.goto(path)

    expect(page.locator("#id_password")).to_be_visible()


def test_after_five_wrong_passwords_even_the_right_one_waits(visit: Opens) -> None:
    page = visit()
    page.goto("/sign-in")
    for number in range(5):
        sign_in(page, name="guessed", password=f"wrong {number}")
        expect(page.locator("#login-form")).to_be_visible()

    sign_in(page, name="guessed")

    expect(page.get_by_text("Too many attempts")).to_be_visible()
    page.goto("/")
    expect(page.locator("#id_password")).to_be_visible()


def test_many_guesses_at_once_are_counted_like_one_after_the_other(console: Console) -> None:
    with httpx.Client(base_url=console.address, timeout=30) as client:
        client.get("/sign-in")
        token = client.cookies["csrftoken"]

        def guessed(number: int) -> bool:
            form = {"csrfmiddlewaretoken": token, "username": "rushed", "password": f"wrong {number}"}
            return "Too many attempts" not in client.post("/sign-in", data=form).text

        with ThreadPoolExecutor(max_workers=10) as guessers:
            looked_at = sum(guessers.map(guessed, range(10)))

    assert looked_at <= 5


def test_the_overview_tells_who_is_off_why_and_how_fast_power_came(signed_in: Opens) -> None:
    page = signed_in()

    off = page.locator(".c-card", has_text="Without power")
    expect(off.locator("li", has_text="307")).to_contain_text("out of credit")
    expect(off.locator("li", has_text="308")).to_contain_text("not heard for")
    pace = page.locator(".c-card", has_text="From payment to power")
    expect(pace.locator(".c-road-4g dd").first).to_contain_text("s")
    assert page.locator(".c-chart circle").count() >= 40
    expect(page.locator(".c-card", has_text="For a person to look at")).to_contain_text("paid amount differs")
    expect(page.get_by_text("866000000000777")).to_have_count(0)  # an alarm belongs to whoever operates all


def test_the_overview_refreshes_itself(signed_in: Opens, console: Console, store: PostgresStore) -> None:
    page = signed_in()
    flat = console.flats[7]
    tile = page.locator(".c-tile", has_text="Recharges today").locator("strong")
    before = tile.inner_text()

    pay(store, flat, amount_minor=1100, at=datetime.now(UTC), provider="wechat")

    expect(tile).not_to_have_text(before, timeout=9000)


@pytest.mark.parametrize(
    ("words", "room"), [("306", "306"), ("okafor", "306"), ("202600000302", "302"), ("王小", "303")]
)
def test_a_meter_is_found_by_room_name_and_number(signed_in: Opens, words: str, room: str) -> None:
    page = signed_in()
    page.goto("/meters/")

    page.get_by_role("searchbox").fill(words)

    expect(page.locator("#found tbody tr")).to_have_count(1)
    expect(page.locator("#found tbody tr")).to_contain_text(room)


def test_the_list_filters_by_state_and_says_when_nothing_fits(signed_in: Opens) -> None:
    page = signed_in()
    page.goto("/meters/?state=silent")

    expect(page.locator("#found tbody tr")).to_have_count(1)
    page.get_by_text("RS-485", exact=True).first.click()

    expect(page.get_by_text("No meter fits.")).to_be_visible()


@pytest.mark.parametrize("path", ["/meters/{}/", "/meters/{}/live", "/till/{}/", "/till/{}/quote?amount=5"])
def test_another_organisations_meter_is_not_there(signed_in: Opens, console: Console, path: str) -> None:
    page = signed_in()

    answer = page.goto(path.format(console.other.meter_id))

    assert answer is not None and answer.status == 404
    expect(page.get_by_text("There is no such page")).to_be_visible()
    expect(page.get_by_text("901")).to_have_count(0)


def test_supply_is_cut_by_hand_with_a_reason_and_given_back(signed_in: Opens, console: Console) -> None:
    page, flat = signed_in(), console.flats[5]
    page.goto(f"/meters/{flat.meter_id}/")

    page.get_by_role("button", name="Switch off…").click()
    page.locator("dialog[open]").get_by_role("button", name="Switch off").click()
    expect(page.locator("dialog[open]")).to_be_visible()  # without a reason nothing happens
    page.locator("dialog[open] textarea").fill("burnt socket, electrician comes at 5")
    page.locator("dialog[open]").get_by_role("button", name="Switch off").click()

    expect(page.locator(".c-heldby")).to_contain_text("ana: “burnt socket")
    expect(page.locator(".c-card", has_text="Who did what")).to_contain_text("switched off by hand")
    wanted = "select wanted_closed, wanted_reason from meter_state where meter_id = %s"
    assert console.rows(wanted, flat.meter_id) == [(False, "administrator_hold")]

    page.get_by_role("button", name="Lift the switch-off").click()
    page.locator("dialog[open] textarea").fill("repaired")
    page.locator("dialog[open]").get_by_role("button", name="Lift the switch-off").click()

    expect(page.get_by_role("button", name="Switch off…")).to_be_visible()
    acts = console.rows(
        "select who, why from audit where subject = %s order by at", f"account {flat.account_id}"
    )
    assert [why for _, why in acts] == ["burnt socket, electrician comes at 5", "repaired"]


def test_who_may_not_switch_or_sell_sees_no_way_to(signed_in: Opens, console: Console) -> None:
    page = signed_in(name="guest")
    meter_id = console.flats[0].meter_id

    page.goto(f"/meters/{meter_id}/")
    expect(page.get_by_role("button", name="Switch off…")).to_have_count(0)
    token = page.locator("input[name=csrfmiddlewaretoken]").first.input_value()
    form = {"csrfmiddlewaretoken": token, "act_id": "6c7c2f1e-5a4b-4d0e-9a57-0c0f6b1d2e3a", "why": "no"}
    answer = page.request.post(f"/meters/{meter_id}/hold", form=form, headers={"Referer": page.url})

    assert answer.status == 403
    assert page.request.get("/till/").status == 403
    assert not console.rows("select 1 from supply_hold where meter_id = %s", meter_id)


def test_a_sale_by_keyboard_alone_sells_once_however_often_it_is_sent(
    signed_in: Opens, console: Console, store: PostgresStore
) -> None:
    page, flat = signed_in(), console.flats[1]
    page.goto("/till/")
    expect(page.locator("#words")).to_be_focused()
    page.keyboard.type("gutiérrez")
    page.keyboard.press("Enter")
    page.wait_for_url("**/till/*/")
    expect(page.locator("#amount")).to_be_focused()
    page.keyboard.type("50")
    page.keyboard.press("Tab")
    page.keyboard.type("100")
    expect(page.locator("#quote")).to_contain_text("94.33")
    expect(page.locator(".c-change")).to_contain_text("50.00")

    clicks = page.evaluate(
        """() => Promise.all([1, 2, 3, 4].map(() => fetch(location.href, {
            method: "POST", body: new FormData(document.querySelector("form.c-sale")),
        }).then((answer) => answer.status)))"""
    )
    page.keyboard.press("Enter")
    page.wait_for_url("**/receipts/**")

    expect(page.locator(".c-receipt")).to_contain_text("100.00")  # cash received
    assert clicks == [200] * 4
    taken = "select amount_minor from payment where account_id = %s and provider = 'till'"
    assert console.rows(taken, flat.account_id) == [(5000,)]
    expect(page.locator(".c-progress")).to_contain_text("on the way to the meter")
    deliver_all(store, flat, balance_minor=11341, energy_wh=90_000, at=datetime.now(UTC))
    expect(page.locator(".c-progress")).to_contain_text("Power is on", timeout=5000)


def test_what_is_owed_is_settled_before_money_buys_energy(signed_in: Opens, console: Console) -> None:
    page, flat = signed_in(), console.flats[6]  # its meter is 1.50 below zero

    page.goto(f"/till/{flat.meter_id}/quote?amount=5")

    expect(page.locator(".t-parts")).to_contain_text("¥1.50")
    expect(page.locator("body")).to_contain_text("buys 6.60 kWh")  # 3.50 at 0.5300
    below_zero = page.goto(f"/till/{flat.meter_id}/quote?amount=-5")
    assert below_zero is not None and below_zero.status == 200


def test_the_same_form_with_another_amount_and_too_little_cash_are_refused(
    signed_in: Opens, console: Console
) -> None:
    page, flat = signed_in(), console.flats[8]
    page.goto(f"/till/{flat.meter_id}/")
    token = page.locator("input[name=csrfmiddlewaretoken]").first.input_value()
    form = {"csrfmiddlewaretoken": token, "act_id": "11111111-1111-4111-8111-111111111111"}

    def sold(amount: str, tendered: str) -> int:
        sent = {**form, "amount": amount, "tendered": tendered}
        return page.request.post(f"/till/{flat.meter_id}/", form=sent, headers={"Referer": page.url}).status

    statuses = [sold("20", "10"), sold("20", "20"), sold("30", "30"), sold("abc", "")]

    assert statuses == [422, 200, 422, 422]
    taken = "select amount_minor from payment where account_id = %s and provider = 'till'"
    assert console.rows(taken, flat.account_id) == [(2000,)]


@pytest.mark.parametrize("language", ["es", "zh-hans"])
def test_no_word_of_english_is_left(signed_in: Opens, console: Console, language: str) -> None:
    page = signed_in(language=language)

    for path in screens(console):
        page.goto(path)
        text = page.locator("body").inner_text()
        assert not untranslated_in(text, language=language), path
        assert page.locator("html").get_attribute("lang") == language


# The hints of empty fields that do not fit into them: measured as text of the same letters.
CUT_HINTS = """() => [...document.querySelectorAll("input[placeholder]")].filter(field => {
    const style = getComputedStyle(field), pen = document.createElement("canvas").getContext("2d");
    pen.font = `${style.fontWeight} ${style.fontSize} ${style.fontFamily}`;
    const room = field.clientWidth - parseFloat(style.paddingLeft) - parseFloat(style.paddingRight);
    return field.clientWidth > 0 && pen.measureText(field.placeholder).width > room;
}).map(field => field.placeholder)"""


@pytest.mark.parametrize("language", sorted(LOCALES))
def test_nothing_is_wider_than_a_phone(signed_in: Opens, console: Console, language: str) -> None:
    page = signed_in(language=language, phone=True)

    for path in screens(console):
        page.goto(path)
        wide, shown = page.evaluate(
            "[document.documentElement.scrollWidth, document.documentElement.clientWidth]"
        )
        assert wide <= shown, path
        assert not page.evaluate(CUT_HINTS), path
