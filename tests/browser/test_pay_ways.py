"""Ways to pay by the browser that looks, the quote before the order, receipts, and what proves them."""

import re
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect
from tests.browser import pay_fakes
from tests.browser.building import Flat, deliver_all
from tests.browser.conftest import PHONE, Console, a_console, a_window
from tests.unit.services.town import CAPABILITIES

from compuerta.adapters.postgres.store import PostgresStore
from compuerta.apps import wiring
from compuerta.domain.payment import Flow, PaymentNotice
from compuerta.services import ordering, vend
from compuerta.services.acting import Actor
from compuerta.services.ordering import Order

pytestmark = [pytest.mark.browser, pytest.mark.postgres, pytest.mark.slow]

AGENTS = {
    "wechat": "Mozilla/5.0 (iPhone) AppleWebKit/605.1 Mobile/15E148 MicroMessenger/8.0.50 Language/zh_CN",
    "alipay": "Mozilla/5.0 (Linux; Android 14) Mobile Safari/537.36 AlipayClient/10.5.66",
    "phone": "Mozilla/5.0 (Linux; Android 14; Pixel 8) AppleWebKit/537.36 Mobile Safari/537.36",
    "desktop": "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Safari/537.36",
}
WAY = re.compile(r'name="provider" value="(\w+)" data-flow="(\w+)"')
ATTEMPT = "select provider, flow, payer, presented, order_id from attempt where attempt_id = %s"


@pytest.fixture(scope="module")
def town(postgres_server: str, worker_id: str) -> Iterator[Console]:
    """A console whose organisation is paid in three ways."""
    with a_console(postgres_server, f"ways_{worker_id}", "ways") as console:
        yield console


@pytest.fixture
def books(town: Console) -> Iterator[PostgresStore]:
    store = PostgresStore(town.database_url)
    yield store
    store.shut()


def a_phone(town: Console, agent: str) -> httpx.Client:
    return httpx.Client(base_url=town.address, timeout=20, headers={"User-Agent": AGENTS[agent]})


def ordered(window: httpx.Client, flat: Flat, **form: str) -> httpx.Response:
    """Send the form of a flat's page."""
    window.get(f"/p/{flat.pay_token}")
    sent = {"csrfmiddlewaretoken": window.cookies["csrftoken"], "act_id": str(uuid4()), "amount": "50"}
    return window.post(f"/p/{flat.pay_token}", data={**sent, **form})


def attempt_of(answer: httpx.Response) -> str:
    assert answer.status_code == 302, answer.text
    return answer.headers["location"].rpartition("/")[2]


def provider_pays(town: Console, books: PostgresStore, attempt_id: str) -> None:
    ((provider, reference, amount_minor),) = town.rows(
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
    vend.accept_payments(books, [notice], now=datetime.now(UTC))


def a_paid_order(town: Console, books: PostgresStore, flat: Flat) -> tuple[str, str]:
    """Order and pay; return the order's and the recharge's ids."""
    with a_phone(town, "desktop") as window:
        attempt_id = attempt_of(ordered(window, flat, provider="wechat"))
    provider_pays(town, books, attempt_id)
    ((recharge_id,),) = town.rows(
        """select recharge_id from recharge join payment using (account_id, payment_id)
        where reference = %s""",
        attempt_id.replace("-", ""),
    )
    return attempt_id, str(recharge_id)


@pytest.mark.parametrize(
    ("agent", "ways"),
    [
        ("wechat", [("wechat", "wallet"), ("paybill", "prompt")]),
        ("alipay", [("alipay", "web"), ("paybill", "prompt")]),
        ("phone", [("alipay", "web"), ("paybill", "prompt"), ("wechat", "web")]),
        ("desktop", [("alipay", "qr"), ("paybill", "prompt"), ("wechat", "qr")]),
    ],
)
def test_each_browser_is_offered_what_it_can_open(
    town: Console, agent: str, ways: list[tuple[str, str]]
) -> None:
    with a_phone(town, agent) as window:
        page = window.get(f"/p/{town.flats[0].pay_token}").text

    assert WAY.findall(page) == ways


def test_inside_wechat_the_wallet_tells_who_pays_first(town: Console) -> None:
    flat = town.flats[1]
    with a_phone(town, "wechat") as window:
        away = ordered(window, flat, provider="wechat")
        where = httpx.URL(away.headers["location"])
        back = where.params["redirect_uri"]
        come = window.get(back, params={"code": "right", "state": where.params["state"]})
        shown = window.get(come.headers["location"]).text

    assert str(where).startswith(pay_fakes.AUTHORISE_URL) and where.params["scope"] == "snsapi_base"
    attempt = town.rows(ATTEMPT, attempt_of(come))
    assert attempt[0][:3] == ("wechat", "wallet", pay_fakes.OPEN_ID)
    assert "data-wallet=" in shown and "prepay_id=wx2" in shown
    assert pay_fakes.OPEN_ID not in shown


@pytest.mark.parametrize(
    ("code", "state"), [("wrong", None), ("right", "00000000000040008000000000000000"), ("", None)]
)
def test_who_comes_back_with_something_else_orders_nothing(
    town: Console, code: str, state: str | None
) -> None:
    flat = town.flats[1]
    count = "select count(*) from attempt where account_id = %s"
    before = town.rows(count, flat.account_id)
    with a_phone(town, "wechat") as window:
        where = httpx.URL(ordered(window, flat, provider="wechat").headers["location"])
        told = {"code": code, "state": state or where.params["state"]}
        come = window.get(where.params["redirect_uri"], params=told)

    assert come.headers["location"] == f"/p/{flat.pay_token}"
    assert town.rows(count, flat.account_id) == before


def test_a_stranger_does_not_finish_somebodys_detour(town: Console) -> None:
    flat = town.flats[1]
    with a_phone(town, "wechat") as window, a_phone(town, "wechat") as stranger:
        where = httpx.URL(ordered(window, flat, provider="wechat").headers["location"])
        told = {"code": "right", "state": where.params["state"]}
        come = stranger.get(where.params["redirect_uri"], params=told)

    assert come.headers["location"] == f"/p/{flat.pay_token}"


def test_a_phone_goes_to_the_app_by_a_link_that_says_where_it_comes_from(town: Console) -> None:
    flat = town.flats[2]
    with a_phone(town, "phone") as window:
        answer = ordered(window, flat, provider="alipay")
        page = window.get(answer.headers["location"])

    assert town.rows(ATTEMPT, attempt_of(answer))[0][:3] == ("alipay", "web", "127.0.0.1")
    assert 'href="https://wallet.example/pay/h5"' in page.text
    assert page.headers["referrer-policy"] == "strict-origin-when-cross-origin"


def test_who_comes_back_from_a_provider_s_page_finds_the_order(town: Console) -> None:
    flat = town.flats[2]
    with a_phone(town, "phone") as window:
        attempt_id = attempt_of(ordered(window, flat, provider="alipay", amount="21"))
        back = window.get(f"/paid/{attempt_id.replace('-', '')}")
        unknown = [window.get(f"/paid/{each}").status_code for each in (uuid4().hex, "nothing")]

    assert back.headers["location"] == f"/p/{flat.pay_token}/orders/{attempt_id}"
    assert unknown == [404, 404]


@pytest.mark.parametrize(
    ("door", "flow"), [("app", "web"), ("biller", "biller"), ("page", "qr"), ("till", "cash")]
)
def test_an_order_of_another_door_leads_to_nobody_s_sticker(
    town: Console, books: PostgresStore, door: str, flow: str
) -> None:
    attempt_id = uuid4()
    order = Order(
        attempt_id=attempt_id,
        account_id=town.flats[2].account_id,
        provider="alipay",
        reference=attempt_id.hex,
        amount_minor=2_200,
        actor=Actor(who="somebody", why="", origin="test"),
        door=door,
        flow=Flow(flow),
    )
    able = replace(CAPABILITIES, flows=frozenset(Flow))
    ordering.open_attempt(books, order, capabilities=able, expires_in=timedelta(hours=1), now=wiring.now())
    with a_phone(town, "phone") as window:
        back = window.get(f"/paid/{attempt_id.hex}")
        guessed = window.get(f"/paid/{uuid4().hex}")

    assert back.status_code == guessed.status_code == 404
    assert "Go back to where you ordered" in back.text and "Go back to where you ordered" in guessed.text
    assert str(town.flats[2].pay_token) not in back.text


def test_a_phone_is_asked_where_it_pays_by_a_prompt(town: Console) -> None:
    flat = town.flats[3]
    with a_phone(town, "phone") as window:
        answer = ordered(window, flat, provider="paybill", phone="+254 712 345 678")
        page = window.get(answer.headers["location"]).text

    assert town.rows(ATTEMPT, attempt_of(answer))[0][:3] == ("paybill", "prompt", "+254712345678")
    assert "It asks for your PIN now" in page
    assert "254712345678" not in page


def test_a_number_that_is_none_is_told_what_to_write(town: Console) -> None:
    with a_phone(town, "phone") as window:
        answer = ordered(window, town.flats[3], provider="paybill", phone="0712")

    assert answer.status_code == 422
    assert "Write the phone number with its country" in answer.text


def test_another_way_is_another_attempt_of_the_same_order(town: Console) -> None:
    flat = town.flats[4]
    with a_phone(town, "desktop") as window:
        first = attempt_of(ordered(window, flat, provider="wechat"))
        ((*_rest, order_id),) = town.rows(ATTEMPT, first)
        second = attempt_of(ordered(window, flat, provider="alipay", order_id=str(order_id)))
        page = window.get(f"/p/{flat.pay_token}/orders/{second}").text

    assert town.rows(ATTEMPT, second)[0][4] == order_id
    assert "Pay by WeChat Pay instead" in page


def test_an_order_that_is_paid_is_not_paid_another_way(town: Console, books: PostgresStore) -> None:
    flat = town.flats[5]
    attempt_id, _recharge_id = a_paid_order(town, books, flat)
    ((*_rest, order_id),) = town.rows(ATTEMPT, attempt_id)

    with a_phone(town, "desktop") as window:
        answer = ordered(window, flat, provider="alipay", order_id=str(order_id))

    assert answer.status_code == 422
    assert "This order is paid already" in answer.text


def test_what_an_amount_comes_to_is_told_before_it_is_ordered(town: Console) -> None:
    with a_phone(town, "phone") as window:
        told = window.get(f"/p/{town.flats[6].pay_token}/quote", params={"amount": "50"}).text
        typing = window.get(f"/p/{town.flats[6].pay_token}/quote", params={"amount": "", "other": "5,"}).text
        small = window.get(f"/p/{town.flats[6].pay_token}/quote", params={"other": "0.01"}).text

    assert "Balance afterwards" in told and "kWh" in told
    assert "alert" not in typing
    assert "Choose an amount from ¥1.00 to ¥10,000.00." in small


def test_a_payer_gets_a_receipt_and_everybody_can_prove_it(town: Console, books: PostgresStore) -> None:
    flat = town.flats[7]
    attempt_id, recharge_id = a_paid_order(town, books, flat)
    with a_phone(town, "phone") as window:
        page = window.get(f"/p/{flat.pay_token}/orders/{attempt_id}").text
        receipt = window.get(f"/p/{flat.pay_token}/receipts/{recharge_id}").text
        file = window.get(f"/p/{flat.pay_token}/receipts/{recharge_id}.pdf")
        ((token, number, prints),) = town.rows(
            "select token, number, prints from receipt where recharge_id = %s", recharge_id
        )
        proof = window.get(f"/r/{token}")

    assert f"/p/{flat.pay_token}/receipts/{recharge_id}" in page
    assert str(number) in receipt and "¥50.00" in receipt
    assert file.headers["content-type"] == "application/pdf" and file.content.startswith(b"%PDF-")
    assert prints == 0
    assert proof.status_code == 200 and "This receipt is genuine" in proof.text
    assert str(number) in proof.text and "¥50.00" in proof.text


def test_the_proof_names_nobody_and_no_balance(town: Console, books: PostgresStore) -> None:
    flat = town.flats[9]
    _attempt_id, recharge_id = a_paid_order(town, books, flat)
    with a_phone(town, "phone") as window:
        own = window.get(f"/p/{flat.pay_token}/receipts/{recharge_id}").text
        ((token,),) = town.rows("select token from receipt where recharge_id = %s", recharge_id)
        proof = window.get(f"/r/{token}").text
    ((name,),) = town.rows("select name from account where account_id = %s", flat.account_id)

    assert str(name) not in proof and str(name) not in own
    assert "Balance" not in proof
    assert str(flat.pay_token) not in proof and recharge_id not in proof


@pytest.mark.parametrize("token", ["00000000-0000-4000-8000-000000000000", "not-a-token", "' or 1=1"])
def test_an_unknown_receipt_is_told_alike_whatever_it_is(town: Console, token: str) -> None:
    with a_phone(town, "phone") as window:
        answer = window.get(f"/r/{token}")
        other = window.get(f"/r/{uuid4()}")

    assert (answer.status_code, other.status_code) == (404, 404)
    assert "No such receipt is known here" in answer.text
    assert "default-src 'self'" in answer.headers["content-security-policy"]


def test_a_receipt_of_another_place_is_not_shown(town: Console, books: PostgresStore) -> None:
    _attempt_id, recharge_id = a_paid_order(town, books, town.flats[8])

    with a_phone(town, "phone") as window:
        answers = [
            window.get(f"/p/{town.flats[0].pay_token}/receipts/{recharge_id}").status_code,
            window.get(f"/p/{town.flats[0].pay_token}/receipts/{recharge_id}.pdf").status_code,
            window.get(f"/p/{town.other.pay_token}/receipts/{recharge_id}").status_code,
        ]

    assert answers == [404, 404, 404]


def test_staff_print_it_and_the_second_print_is_a_copy(town: Console, books: PostgresStore) -> None:
    flat = town.flats[8]
    _attempt_id, recharge_id = a_paid_order(town, books, flat)
    with closing(a_window(town, "ana")) as ana, closing(a_window(town, "olga")) as olga:
        url = f"/recharges/{flat.account_id}/{recharge_id}/"
        papers = [ana.get(f"{url}{paper}.pdf") for paper in ("58", "80", "a4")]
        page = ana.get(url).text
        odd = ana.get(f"{url}napkin.pdf").status_code
        foreign = [olga.get(url).status_code, olga.get(f"{url}58.pdf").status_code]

    assert all(each.content.startswith(b"%PDF-") for each in papers)
    assert "COPY 2" in page or "COPIA 2" in page
    assert town.rows("select prints from receipt where recharge_id = %s", recharge_id) == [(3,)]
    assert odd == 404 and foreign == [404, 404]


def a_page(browser: Browser, town: Console, *, agent: str, language: str) -> Page:
    context = browser.new_context(
        viewport=PHONE, locale=language, base_url=town.address, user_agent=AGENTS[agent]
    )
    return context.new_page()


def test_a_browser_follows_the_form_to_the_wallet(browser: Browser, town: Console) -> None:
    page = a_page(browser, town, agent="wechat", language="zh-CN")
    page.route(f"{pay_fakes.AUTHORISE_URL}*", lambda route: route.fulfill(body="who are you?"))
    page.goto(f"/p/{town.flats[1].pay_token}")

    page.locator("button.go").last.click()

    expect(page.get_by_text("who are you?")).to_be_visible()
    page.context.close()


def test_inside_wechat_the_page_hands_the_order_to_the_wallet(browser: Browser, town: Console) -> None:
    flat = town.flats[1]
    with a_phone(town, "wechat") as window:
        where = httpx.URL(ordered(window, flat, provider="wechat").headers["location"])
        told = {"code": "right", "state": where.params["state"]}
        order = window.get(where.params["redirect_uri"], params=told).headers["location"]
    page = a_page(browser, town, agent="wechat", language="zh-CN")
    page.add_init_script("window.WeixinJSBridge = { invoke: (...told) => { window.handed = told; } };")

    page.goto(order)

    assert page.evaluate("window.handed.slice(0, 2)") == [
        "getBrandWCPayRequest",
        {"appId": "wx1", "package": "prepay_id=wx2"},
    ]
    page.context.close()


def test_a_phone_shows_a_qr_only_when_it_is_asked_to(browser: Browser, town: Console) -> None:
    flat = town.flats[6]
    with a_phone(town, "desktop") as window:
        order = ordered(window, flat, provider="wechat", amount="22").headers["location"]
    page = a_page(browser, town, agent="phone", language="en-GB")

    page.goto(order)
    expect(page.locator(".code svg")).to_be_hidden()
    page.get_by_text("Show the QR code").click()

    expect(page.locator(".code svg")).to_be_visible()
    page.context.close()


@pytest.mark.parametrize("language", ["en-GB", "es-ES", "zh-CN"])
def test_the_pages_of_a_payment_fit_a_phone(
    browser: Browser, town: Console, books: PostgresStore, language: str
) -> None:
    page, flat = a_page(browser, town, agent="phone", language=language), town.flats[0]
    wide = "document.documentElement.scrollWidth > document.documentElement.clientWidth"
    page.goto(f"/p/{flat.pay_token}")
    expect(page.locator(".quote .sum")).to_be_visible()
    assert not page.evaluate(wide)
    page.locator("label:has(input[value=paybill])").click()
    expect(page.locator("input[name=phone]")).to_be_visible()
    page.locator("label:has(input[value=wechat])").click()
    expect(page.locator("input[name=phone]")).to_be_hidden()
    page.locator("button.go").last.click()
    expect(page.locator("[data-opens]")).to_be_visible()
    assert not page.evaluate(wide)
    attempt_id = page.url.rpartition("/")[2]

    provider_pays(town, books, attempt_id)
    deliver_all(books, flat, balance_minor=3000, energy_wh=110_000, at=datetime.now(UTC))
    page.locator("[data-step=power].done").wait_for(timeout=8000)
    page.locator("a[href*='/receipts/']").click()

    expect(page.locator(".slip-proof svg")).to_be_visible()
    assert not page.evaluate(wide)
    page.context.close()
