"""The simulated Alipay over real HTTP, against our client and against an independent one.

The independent client is the package `python-alipay-sdk`: it signs and verifies with code that is not ours,
in key mode and in certificate mode. It reads the wall clock by itself, so this module lives in the present.
"""

import asyncio
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from random import Random
from typing import TypeVar
from urllib.parse import parse_qsl

import httpx
import pytest
import uvicorn
from alipay import AliPay, DCAliPay
from alipay.exceptions import AliPayException, AliPayValidationError
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from tests.unit.payments.alipay_side import (
    APP_ID,
    PAY_CODE,
    a_wish,
    an_attempt,
    real_keys,
    some_settings,
    some_terms,
)
from tests.unit.payments.wechat_side import a_chance

from compuerta.adapters.payments.alipay import Alipay
from compuerta.adapters.payments.http import Steps, converse
from compuerta.domain.payment import Attempt, Flow, RefundState
from compuerta.services.payment_ports import (
    HttpRequest,
    OrderState,
    PresentationKind,
    StatementKind,
    Verified,
)
from compuerta.virtual.alipay.keys import KeysIncomplete, keys_in
from compuerta.virtual.alipay.world import AlipayWorld
from compuerta.virtual.providers.server import app_for

pytestmark = [
    pytest.mark.slow,
    # The independent client reads certificates by calls that its own libraries advise against.
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]

PATIENCE_S = 10.0

Result = TypeVar("Result")


@dataclass
class Shop:
    """A merchant's door for notices: hears with our provider and keeps the raw messages."""

    provider: Alipay
    heard: list[bytes] = field(default_factory=list)
    verdicts: list[object] = field(default_factory=list)
    fail_next: int = 0
    news: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))

    async def notice(self, request: Request) -> Response:
        body = await request.body()
        verdict = self.provider.hear(HttpRequest(method="POST", path="/n", body=body), now=datetime.now(UTC))
        accepted = isinstance(verdict, Verified) and self.fail_next == 0
        self.fail_next = max(self.fail_next - 1, 0)
        self.heard.append(body)
        self.verdicts.append(verdict)
        self.news.release()
        answer = self.provider.answer(accepted=accepted)
        return Response(answer.body, status_code=answer.status, media_type="text/plain")

    def wait(self) -> Verified:
        assert self.news.acquire(timeout=PATIENCE_S), "no notice came"
        verdict = self.verdicts[-1]
        assert isinstance(verdict, Verified)
        return verdict


@dataclass(frozen=True, kw_only=True)
class Street:
    """All simulated providers' program with one of them, and a shop, each behind its own port."""

    root: str
    shop: Shop
    shop_url: str

    def press(self, button: str, **wish: object) -> httpx.Response:
        return httpx.post(f"{self.root}/sim/alipay/{button}", json=wish, trust_env=False)

    def talk(self, steps: Steps[Result]) -> Result:
        async def run() -> Result:
            async with httpx.AsyncClient(trust_env=False) as client:
                base_url = f"{self.root}/alipay"
                return await converse(steps, client=client, base_url=base_url, timeout_s=PATIENCE_S)

        return asyncio.run(run())

    def by_key(self) -> AliPay:
        keys = real_keys()
        client = AliPay(
            appid=APP_ID,
            app_notify_url=self.shop_url,
            app_private_key_string=keys.app_key.decode(),
            alipay_public_key_string=keys.alipay_public.decode(),
        )
        client._gateway = f"{self.root}/alipay/gateway.do"
        return client

    def by_certificate(self) -> DCAliPay:
        keys = real_keys()
        client = DCAliPay(
            appid=APP_ID,
            app_notify_url=self.shop_url,
            app_private_key_string=keys.app_key.decode(),
            app_public_key_cert_string=keys.app_certificate.decode(),
            alipay_public_key_cert_string=keys.alipay_certificate.decode(),
            alipay_root_cert_string=keys.root_certificates.decode(),
        )
        client._gateway = f"{self.root}/alipay/gateway.do"
        return client


@pytest.fixture
def street(monkeypatch: pytest.MonkeyPatch) -> Iterator[Street]:
    monkeypatch.setenv("no_proxy", "*")  # the independent client asks the environment for a way out
    with socket.create_server(("127.0.0.1", 0)) as door, socket.create_server(("127.0.0.1", 0)) as till:
        shop_url, root = (f"http://127.0.0.1:{each.getsockname()[1]}" for each in (door, till))
        settings = replace(some_settings(), base_url=f"{root}/alipay", notify_url=f"{shop_url}/notices")
        shop = Shop(Alipay(settings))
        terms = replace(some_terms(), public_url=f"{root}/alipay", repeat_speedup=4000)
        world = AlipayWorld(keys=real_keys().gateway(), terms=terms, random=Random(1))
        shop_app = Starlette(routes=[Route("/notices", shop.notice, methods=["POST"])])
        providers = app_for([world], clock=partial(datetime.now, UTC))
        servers = [_serving(shop_app, door), _serving(providers, till)]
        yield Street(root=root, shop=shop, shop_url=f"{shop_url}/notices")
        for server, thread in servers:
            server.should_exit = True
            thread.join(PATIENCE_S)
            assert not thread.is_alive()


def _serving(app: Starlette, listener: socket.socket) -> tuple[uvicorn.Server, threading.Thread]:
    server = uvicorn.Server(uvicorn.Config(app, log_level="error", ws="none"))
    thread = threading.Thread(target=lambda: asyncio.run(server.serve(sockets=[listener])))
    thread.start()
    return server, thread


def an_order(number: str, *, flow: Flow = Flow.QR, payer: str = "") -> Attempt:
    now = datetime.now(UTC)
    attempt = an_attempt(reference=number, flow=flow, payer=payer)
    return replace(attempt, created_at=now, expires_at=now + timedelta(minutes=30))


def test_our_client_orders_asks_hears_closes_and_gives_back_over_http(street: Street) -> None:
    provider, now = street.shop.provider, datetime.now(UTC)
    args = {"now": now, "chance": a_chance()}
    paid, open_ = an_order("A-first_order"), an_order("A-second_order")

    shown = street.talk(provider.create(paid, **args))
    street.talk(provider.create(open_, **args))
    street.press("pay", reference=shown.content)
    verdict = street.shop.wait()
    asked = street.talk(provider.query(paid, **args))
    street.press("scan", reference=open_.reference)
    closed = street.talk(provider.close(open_, **args))
    assert verdict.notice is not None
    refunded = street.talk(
        provider.refund(a_wish(paid, verdict.notice.transaction_no, amount_minor=1_000), **args)
    )

    assert asked.state is OrderState.PAID
    assert asked.paid == verdict.notice
    assert closed.state is OrderState.CLOSED
    assert refunded.state is RefundState.DONE


def test_a_bill_comes_from_another_address_than_its_question(street: Street) -> None:
    provider, now = street.shop.provider, datetime.now(UTC)
    attempt = an_order("A20261122000001", flow=Flow.CODE, payer=PAY_CODE)
    args = {"now": now, "chance": a_chance()}
    paid = street.talk(provider.create(attempt, **args))
    street.press("behaviour", bill_at_once=True)
    day = (now + timedelta(hours=8)).date()

    bill = street.talk(provider.statement(day, StatementKind.TRADE, **args))

    (line,) = provider.lines(bill, StatementKind.TRADE)
    assert paid.kind is PresentationKind.PAID
    assert (line.reference, line.amount_minor) == (attempt.reference, attempt.amount_minor)


def test_a_browser_that_follows_our_address_comes_to_the_payers_page(street: Street) -> None:
    provider, now = street.shop.provider, datetime.now(UTC)
    shown = street.talk(
        provider.create(an_order("A20261122000001", flow=Flow.WEB), now=now, chance=a_chance())
    )

    page = httpx.get(shown.content, follow_redirects=True, trust_env=False)
    orders = httpx.get(f"{street.root}/sim/orders", trust_env=False).json()["orders"]

    assert (page.status_code, page.url.path) == (200, "/pay/")
    assert all(word in page.text for word in ("Pagar", "Pay", "支付", "viewport"))
    assert [(each["world"], each["reference"], each["state"]) for each in orders] == [
        ("alipay", "A20261122000001", "waiting")
    ]


def test_a_failed_notice_is_carried_again_until_it_reads_success(street: Street) -> None:
    street.shop.fail_next = 2
    street.by_key().api_alipay_trade_precreate("电费", "A20261122000001", "100.00")

    street.press("pay", reference="A20261122000001")
    for _ in range(3):
        street.shop.wait()

    assert len({dict(parse_qsl(body.decode()))["notify_id"] for body in street.shop.heard}) == 1


@pytest.mark.parametrize("mode", ["by_key", "by_certificate"])
def test_the_independent_client_orders_asks_gives_back_and_closes_here(street: Street, mode: str) -> None:
    client = getattr(street, mode)()

    placed = client.api_alipay_trade_precreate("电费 302", "A20261122000001", "100.00")
    with_nobody = client.api_alipay_trade_query(out_trade_no="A20261122000001")
    street.press("pay", reference=placed["qr_code"])
    asked = client.api_alipay_trade_query(out_trade_no="A20261122000001")
    back = client.api_alipay_trade_refund("10.00", out_trade_no="A20261122000001", out_request_no="RF1")
    again = client.api_alipay_trade_refund("10.00", out_trade_no="A20261122000001", out_request_no="RF1")
    told = client.api_alipay_trade_fastpay_refund_query("RF1", out_trade_no="A20261122000001")
    by_code = client.api_alipay_trade_pay(
        "A20261122000002", "bar_code", PAY_CODE, "电费", total_amount="8.00"
    )
    closed = client.api_alipay_trade_close(out_trade_no="A20261122000001")

    assert with_nobody["sub_code"] == "ACQ.TRADE_NOT_EXIST"
    assert (asked["trade_status"], asked["total_amount"]) == ("TRADE_SUCCESS", "100.00")
    assert (back["fund_change"], again["fund_change"]) == ("Y", "N")
    assert (told["refund_status"], told["refund_amount"]) == ("REFUND_SUCCESS", "10.00")
    assert (by_code["code"], by_code["total_amount"]) == ("10000", "8.00")
    assert closed["sub_code"] == "ACQ.TRADE_STATUS_ERROR"


@pytest.mark.parametrize("mode", ["by_key", "by_certificate"])
def test_the_independent_client_believes_what_we_sign_for_alipay(street: Street, mode: str) -> None:
    client = getattr(street, mode)()
    client.api_alipay_trade_precreate("电费", "A20261122000001", "100.00")
    street.press("pay", reference="A20261122000001")
    street.shop.wait()
    told = dict(parse_qsl(street.shop.heard[-1].decode(), keep_blank_values=True))
    signature = told.pop("sign")

    assert client.verify(dict(told), signature)
    assert not client.verify({**told, "total_amount": "1.00"}, signature)


def test_the_independent_client_of_a_stranger_is_refused_here(street: Street) -> None:
    client = street.by_key()
    client._appid = "2021000000000009"

    with pytest.raises(AliPayException, match="invalid-app-id"):
        client.api_alipay_trade_query(out_trade_no="A20261122000001")


def test_the_independent_client_finds_our_forged_answers_forged(street: Street) -> None:
    client = street.by_key()
    client.api_alipay_trade_precreate("电费", "A20261122000001", "100.00")
    client._alipay_public_key = client._app_private_key.publickey()

    with pytest.raises(AliPayValidationError):
        client.api_alipay_trade_query(out_trade_no="A20261122000001")


@pytest.mark.parametrize("mode", ["by_key", "by_certificate"])
def test_we_and_the_independent_client_sign_a_request_alike(street: Street, mode: str) -> None:
    theirs = dict(parse_qsl(getattr(street, mode)().api_alipay_trade_app_pay("电费", "A1", "1.00")))
    ours = Alipay(some_settings(by_certificate=mode == "by_certificate"))
    steps = ours.create(an_order("A1", flow=Flow.APP), now=datetime.now(UTC), chance=a_chance())
    sent = dict(parse_qsl(street.talk(steps).content))

    same = ("app_id", "sign_type", "charset", "version", "app_cert_sn", "alipay_root_cert_sn")
    assert {name: sent.get(name) for name in same} == {name: theirs.get(name) for name in same}


def test_what_a_button_cannot_do_is_told(street: Street) -> None:
    unknown = street.press("pay", reference="A-none")
    no_button = street.press("explode", reference="A-none")
    no_amount = street.press("refund", reference="A-none", amount_minor="all")
    wrong = street.press("behaviour", lost_ppm="all")
    nobody = httpx.get(f"{street.root}/sim/nobody/orders", trust_env=False)
    large = httpx.post(f"{street.root}/alipay/gateway.do", content=b"x" * 70_000, trust_env=False)

    assert (unknown.status_code, unknown.json()["reason"]) == (400, "order_unknown")
    assert {each.status_code for each in (no_button, no_amount, wrong, nobody, large)} == {400}


def test_a_key_set_is_kept_in_a_directory_and_read_again(tmp_path: Path) -> None:
    now = datetime.now(UTC)
    directory = tmp_path / "keys"

    made = keys_in(directory, now=now)

    assert keys_in(directory, now=now + timedelta(days=1)) == made
    assert all(path.stat().st_mode & 0o077 == 0 for path in directory.iterdir())
    (directory / "app_key.pem").unlink()
    with pytest.raises(KeysIncomplete):
        keys_in(directory, now=now)
