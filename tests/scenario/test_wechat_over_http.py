"""The simulated WeChat Pay over real HTTP, against our client and against an independent one.

The independent client is the package `wechatpayv3`: it signs, verifies and opens with code that is not ours.
It reads the wall clock by itself, so this one module lives in the present.
"""

import asyncio
import gzip
import hashlib
import json
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from zoneinfo import ZoneInfo

import httpx
import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from tests.unit.payments.wechat_side import APPID, MCHID, a_chance, an_attempt, real_keys, some_settings
from wechatpayv3 import WeChatPay as IndependentClient
from wechatpayv3 import WeChatPayType

from compuerta.adapters.payments.http import converse
from compuerta.adapters.payments.wechat import WechatPay
from compuerta.services.payment_ports import (
    Check,
    HttpRequest,
    OrderState,
    PresentationKind,
    StatementKind,
    StatementLine,
    Verified,
)
from compuerta.virtual.providers.server import app_for
from compuerta.virtual.wechat.keys import KeysIncomplete, keys_in
from compuerta.virtual.wechat.orders import Terms
from compuerta.virtual.wechat.world import WechatWorld

pytestmark = pytest.mark.slow

PATIENCE_S = 10.0


@dataclass
class Shop:
    """A merchant's door for notices: hears with our provider and keeps the raw messages."""

    provider: WechatPay
    heard: list[HttpRequest] = field(default_factory=list)
    verdicts: list[object] = field(default_factory=list)
    fail_next: int = 0
    news: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))

    async def notice(self, request: Request) -> Response:
        headers = {name.lower(): value for name, value in request.headers.items()}
        inbound = HttpRequest(method="POST", path="/notices", headers=headers, body=await request.body())
        verdict = self.provider.hear(inbound, now=datetime.now(UTC))
        accepted = isinstance(verdict, Verified) and self.fail_next == 0
        self.fail_next = max(self.fail_next - 1, 0)
        self.heard.append(inbound)
        self.verdicts.append(verdict)
        self.news.release()
        answer = self.provider.answer(accepted=accepted)
        return Response(answer.body, status_code=answer.status)

    def wait(self) -> None:
        assert self.news.acquire(timeout=PATIENCE_S), "no notice came"


@dataclass
class Clock:
    """The wall clock, which a test may set back for the provider."""

    back: timedelta = timedelta(0)

    def now(self) -> datetime:
        return datetime.now(UTC) - self.back


@dataclass(frozen=True, kw_only=True)
class Street:
    """A provider and a shop, each behind its own port."""

    clock: Clock

    base_url: str
    notify_url: str
    shop: Shop

    def press(self, verb: str, **wish: object) -> httpx.Response:
        return httpx.post(f"{self.buttons_url}/{verb}", content=json.dumps(wish), trust_env=False)

    @property
    def buttons_url(self) -> str:
        return f"{self.base_url.removesuffix('/wechat')}/sim/wechat"

    def independent(self) -> IndependentClient:
        keys = real_keys()
        client = IndependentClient(
            wechatpay_type=WeChatPayType.NATIVE,
            mchid=MCHID,
            private_key=keys.merchant_key_pem.decode(),
            cert_serial_no=keys.merchant_serial,
            appid=APPID,
            apiv3_key=keys.api_key.decode(),
            notify_url=self.notify_url,
            public_key=keys.platform_public_key_pem.decode(),
            public_key_id=keys.public_key_id,
        )
        client._core._gate_way = self.base_url
        return client


@pytest.fixture
def street() -> Iterator[Street]:
    clock = Clock()
    with socket.create_server(("127.0.0.1", 0)) as door, socket.create_server(("127.0.0.1", 0)) as till:
        shop_url, root = (f"http://127.0.0.1:{each.getsockname()[1]}" for each in (door, till))
        base_url = f"{root}/wechat"
        notify_url = f"{shop_url}/notices"
        settings = replace(some_settings(notify_url=notify_url), base_url=base_url)
        shop = Shop(WechatPay(settings))
        world = WechatWorld(
            keys=real_keys().provider(),
            terms=Terms(mchid=MCHID, appid=APPID, repeat_speedup=1000, public_url=base_url),
            random=Random(1),
        )
        shop_app = Starlette(routes=[Route("/notices", shop.notice, methods=["POST"])])
        servers = [_serving(shop_app, door), _serving(app_for([world], clock=clock.now), till)]
        yield Street(clock=clock, base_url=base_url, notify_url=notify_url, shop=shop)
        for server, thread in servers:
            server.should_exit = True
            thread.join(PATIENCE_S)
            assert not thread.is_alive()


def _serving(app: Starlette, listener: socket.socket) -> tuple[uvicorn.Server, threading.Thread]:
    server = uvicorn.Server(uvicorn.Config(app, log_level="error", ws="none"))
    thread = threading.Thread(target=lambda: asyncio.run(server.serve(sockets=[listener])))
    thread.start()
    return server, thread


def test_our_client_orders_asks_hears_and_closes_over_http(street: Street) -> None:
    provider = street.shop.provider
    now = datetime.now(UTC)
    first = an_attempt(reference="R-first-order|*", now=now)
    second = an_attempt(reference="R-second-order", now=now)

    async def run() -> None:
        async with httpx.AsyncClient(trust_env=False) as client:
            road = {"client": client, "base_url": street.base_url, "timeout_s": PATIENCE_S}
            args = {"now": now, "chance": a_chance()}
            shown = await converse(provider.create(first, **args), **road)
            await converse(provider.create(second, **args), **road)
            assert shown.kind is PresentationKind.QR
            pressed = await client.post(
                f"{street.buttons_url}/pay", content=json.dumps({"reference": shown.content})
            )
            assert pressed.status_code == 200
            asked = await converse(provider.query(first, **args), **road)
            closed = await converse(provider.close(second, **args), **road)
            faster = await converse(provider.close(first, **args), **road)
            states = (asked.state, closed.state, faster.state)
            assert states == (OrderState.PAID, OrderState.CLOSED, OrderState.PAID)

    asyncio.run(run())
    street.shop.wait()
    (verdict,) = street.shop.verdicts
    assert isinstance(verdict, Verified) and verdict.notice is not None
    assert verdict.notice.reference == first.reference


def test_a_failed_notice_is_carried_again_until_it_is_stored(street: Street) -> None:
    street.shop.fail_next = 2
    order(street, "R20261122000001")

    assert street.press("pay", reference="R20261122000001").status_code == 200
    for _ in range(3):
        street.shop.wait()

    assert len({inbound.body for inbound in street.shop.heard}) == 1
    assert all(isinstance(verdict, Verified) for verdict in street.shop.verdicts)


def test_the_independent_client_orders_asks_and_closes_here(street: Street) -> None:
    client = street.independent()

    def placed(number: str, total_fen: int) -> tuple[int, dict[str, str]]:
        status, text = client.pay(description="电费", out_trade_no=number, amount={"total": total_fen})
        return status, json.loads(text)

    first, again = placed("R20261122000001", 5000), placed("R20261122000001", 5000)
    different = placed("R20261122000001", 6000)
    asked_before = json.loads(client.query(out_trade_no="R20261122000001")[1])
    street.press("pay", reference=again[1]["code_url"])
    asked_after = json.loads(client.query(out_trade_no="R20261122000001")[1])
    by_transaction = json.loads(client.query(transaction_id=asked_after["transaction_id"])[1])
    close_paid = client.close("R20261122000001")
    placed("R20261122000002", 100)
    closed = client.close("R20261122000002")

    assert (first[0], again[0]) == (200, 200)
    assert first[1]["code_url"] != again[1]["code_url"]
    assert (different[0], different[1]["code"]) == (400, "INVALID_REQUEST")
    assert (asked_before["trade_state"], asked_after["trade_state"]) == ("NOTPAY", "SUCCESS")
    assert by_transaction["amount"]["total"] == 5000
    assert (close_paid[0], json.loads(close_paid[1])["code"]) == (400, "ORDERPAID")
    assert closed[0] == 204


def test_the_independent_client_opens_what_we_sign_and_seal(street: Street, tmp_path: Path) -> None:
    certificate = tmp_path / "platform.pem"
    certificate.write_bytes(real_keys().platform_certificate_pem)
    by_public_key = street.independent()
    by_certificate = IndependentClient(
        wechatpay_type=WeChatPayType.NATIVE,
        mchid=MCHID,
        private_key=real_keys().merchant_key_pem.decode(),
        cert_serial_no=real_keys().merchant_serial,
        appid=APPID,
        apiv3_key=real_keys().api_key.decode(),
        cert_dir=str(tmp_path),
    )
    for number, share_ppm, client in (
        ("R20261122000001", 0, by_public_key),
        ("R20261122000002", 1_000_000, by_certificate),
    ):
        street.press("behaviour", certificate_ppm=share_ppm)
        order(street, number)
        street.press("pay", reference=number)
        street.shop.wait()
        inbound = street.shop.heard[-1]

        opened = client.callback(inbound.headers, inbound.body)

        assert opened["event_type"] == "TRANSACTION.SUCCESS"
        assert opened["resource"]["out_trade_no"] == number
        assert opened["resource"]["amount"]["total"] == 5000


def test_the_independent_client_starts_every_kind_of_order_here(street: Street) -> None:
    client = street.independent()

    def placed(kind: WeChatPayType, number: int, **more: object) -> dict[str, str]:
        status, text = client.pay(
            description="电费", out_trade_no=f"R2026112200000{number}", amount={"total": 5000},
            pay_type=kind, **more,
        )  # fmt: skip
        assert status == 200, text
        told = json.loads(text)
        assert isinstance(told, dict)
        return told

    page = {"payer_client_ip": "203.0.114.9", "h5_info": {"type": "Wap"}}
    store = {"store_info": {"out_id": "1"}}
    assert placed(WeChatPayType.JSAPI, 1, payer={"openid": "oPayer"})["prepay_id"]
    assert placed(WeChatPayType.APP, 2)["prepay_id"]
    assert placed(WeChatPayType.H5, 3, scene_info=page)["h5_url"]
    code = {"auth_code": "134567890123456789"}
    assert placed(WeChatPayType.CODEPAY, 4, payer=code, scene_info=store)["trade_state"] == "SUCCESS"

    assert client.codepay_reverse("R20261122000004")[0] == 200
    assert json.loads(client.query(out_trade_no="R20261122000004")[1])["trade_state"] == "REVOKED"


def test_the_independent_client_refunds_here_and_hears_the_end(street: Street) -> None:
    client = street.independent()
    street.press("behaviour", refund_ms=0)
    order(street, "R20261122000001")
    street.press("pay", reference="R20261122000001")
    street.shop.wait()
    paid = json.loads(client.query(out_trade_no="R20261122000001")[1])["transaction_id"]
    wish = {"transaction_id": paid, "amount": {"refund": 1000, "total": 5000, "currency": "CNY"}}

    first = client.refund(out_refund_no="RF1", reason="退租", **wish)
    again = client.refund(out_refund_no="RF1", reason="退租", **wish)
    too_soon = client.refund(out_refund_no="RF2", **wish)
    street.shop.wait()
    ended = json.loads(client.query_refund("RF1")[1])

    assert (first[0], json.loads(first[1])["status"]) == (200, "PROCESSING")
    assert json.loads(again[1])["refund_id"] == json.loads(first[1])["refund_id"]
    assert (too_soon[0], json.loads(too_soon[1])["code"]) == (403, "FREQUENCY_LIMITED")
    assert (ended["status"], ended["amount"]["refund"]) == ("SUCCESS", 1000)
    opened = client.callback(street.shop.heard[-1].headers, street.shop.heard[-1].body)
    assert (opened["event_type"], opened["resource"]["refund_status"]) == ("REFUND.SUCCESS", "SUCCESS")
    verdict = street.shop.verdicts[-1]
    assert isinstance(verdict, Verified) and verdict.refund is not None
    assert (verdict.notice, verdict.refund.refunded_minor) == (None, 1000)


def test_a_bill_goes_over_http_to_both_clients(street: Street) -> None:
    yesterday = (street.clock.now() - timedelta(days=1)).astimezone(ZoneInfo("Asia/Shanghai")).date()
    street.clock.back = timedelta(days=2)
    order(street, "R20261122000001", now=street.clock.now())
    street.press("pay", reference="R20261122000001")
    day = street.clock.now().astimezone(ZoneInfo("Asia/Shanghai")).date()
    street.clock.back = timedelta(0)
    assert day < yesterday
    provider, client = street.shop.provider, street.independent()

    async def ours() -> list[StatementLine]:
        async with httpx.AsyncClient(trust_env=False) as road:
            steps = provider.statement(day, StatementKind.TRADE, now=street.clock.now(), chance=a_chance())
            bill = await converse(steps, client=road, base_url=street.base_url, timeout_s=PATIENCE_S)
        return list(provider.lines(bill, StatementKind.TRADE))

    (line,) = asyncio.run(ours())
    grant = json.loads(client.trade_bill(day.isoformat())[1])
    theirs = gzip.decompress(client.download_bill(grant["download_url"])[1])

    assert (line.reference, line.amount_minor, line.fee_micro) == ("R20261122000001", 5000, 300_000)
    assert hashlib.sha1(theirs).hexdigest() == grant["hash_value"]
    assert "flat 302" in theirs.decode("utf-8-sig")


def test_a_connection_test_is_good_here_and_its_echo_is_heard(street: Street) -> None:
    provider = street.shop.provider

    async def run() -> list[Check]:
        async with httpx.AsyncClient(trust_env=False) as client:
            steps = provider.self_test(now=datetime.now(UTC), chance=a_chance())
            return await converse(steps, client=client, base_url=street.base_url, timeout_s=PATIENCE_S)

    checks = asyncio.run(run())
    street.shop.wait()

    assert [(check.name, check.ok) for check in checks] == [("merchant key", True), ("provider key", True)]
    assert street.shop.verdicts == [Verified(notice=None, event="SECURITY_ECHO.SUCCESS")]


def test_whoever_cannot_pay_is_told_why(street: Street) -> None:
    order(street, "R20261122000001")

    shown = httpx.get(f"{street.buttons_url}/orders", trust_env=False).json()
    unknown = street.press("pay", reference="R20261122000009")
    cancelled = street.press("cancel", reference="R20261122000001")
    nothing = street.press("explode", reference="R20261122000001")
    wrong = street.press("behaviour", lost_ppm="all")

    assert [(each["reference"], each["state"]) for each in shown["orders"]] == [
        ("R20261122000001", "waiting")
    ]
    assert (unknown.status_code, "order_unknown" in unknown.text) == (400, True)
    assert (cancelled.status_code, nothing.status_code, wrong.status_code) == (200, 400, 400)


def test_a_request_of_more_bytes_than_any_order_is_refused(street: Street) -> None:
    response = httpx.post(f"{street.base_url}/v3/x", content=b"x" * 70_000, trust_env=False)

    assert response.status_code == 400


def test_a_key_set_is_kept_in_a_directory_and_read_again(tmp_path: Path) -> None:
    now = datetime.now(UTC)
    directory = tmp_path / "keys"

    made = keys_in(directory, now=now)

    assert keys_in(directory, now=now + timedelta(days=1)) == made
    assert all(path.stat().st_mode & 0o077 == 0 for path in directory.iterdir())
    (directory / "merchant_key.pem").unlink()
    with pytest.raises(KeysIncomplete):
        keys_in(directory, now=now)


def order(street: Street, number: str, *, now: datetime | None = None) -> None:
    now = now or datetime.now(UTC)

    async def run() -> None:
        async with httpx.AsyncClient(trust_env=False) as client:
            steps = street.shop.provider.create(
                an_attempt(reference=number, now=now), now=now, chance=a_chance()
            )
            await converse(steps, client=client, base_url=street.base_url, timeout_s=PATIENCE_S)

    asyncio.run(run())
