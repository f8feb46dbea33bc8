"""The page on which a person pays at simulated providers: by thumb, in three languages, never too wide."""

import asyncio
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial

import pytest
import uvicorn
from playwright.sync_api import Browser, Page, expect
from tests.unit.payments.alipay_side import Street, a_street, an_attempt

from compuerta.domain.payment import Attempt
from compuerta.services.payment_ports import OrderState
from compuerta.virtual.providers.server import app_for

pytestmark = pytest.mark.browser

PATIENCE_S = 10.0
PHONE = {"width": 390, "height": 844}


@dataclass(frozen=True, slots=True, kw_only=True)
class Wallet:
    """A page, the gateway behind it, and an order that waits there."""

    page: Page
    street: Street
    attempt: Attempt
    complaints: list[str]


@pytest.fixture(params=["en", "es", "zh"])
def wallet(browser: Browser, request: pytest.FixtureRequest) -> Iterator[Wallet]:
    street, now = a_street(), datetime.now(UTC)
    street.now = now
    attempt = replace(an_attempt(), created_at=now, expires_at=now + timedelta(minutes=30))
    other = replace(attempt, reference="A20261122000002")
    code = street.create(attempt).content.removeprefix("https://qr.alipay.com/bax")
    street.create(other)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        app = app_for([street.world], clock=partial(datetime.now, UTC))
        server = uvicorn.Server(uvicorn.Config(app, log_level="error", ws="none"))
        thread = threading.Thread(target=lambda: asyncio.run(server.serve(sockets=[listener])))
        thread.start()
        page = browser.new_page(viewport=PHONE)
        complaints: list[str] = []
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto(f"http://127.0.0.1:{listener.getsockname()[1]}/?alipay={code}&lang={request.param}")
        yield Wallet(page=page, street=street, attempt=attempt, complaints=complaints)
        page.close()
        server.should_exit = True
        thread.join(PATIENCE_S)
        assert not thread.is_alive()
    assert not complaints


def test_the_scanned_order_comes_first_and_is_paid_by_one_thumb(wallet: Wallet) -> None:
    cards = wallet.page.locator("article")
    expect(cards).to_have_count(2)
    first = cards.first
    expect(first).to_contain_text(wallet.attempt.reference)
    too_wide = wallet.page.evaluate("document.documentElement.scrollWidth > innerWidth")

    first.locator("button.pay").click()

    expect(wallet.page.get_by_role("status")).to_contain_text("100")
    expect(cards.nth(1)).to_contain_text(wallet.attempt.reference)
    expect(cards.nth(1).locator("button")).to_have_count(0)
    assert not too_wide
    assert wallet.street.query(wallet.attempt).state is OrderState.PAID
