"""What is said without a signature, from the door to the books: kept, asked about, and only then booked."""

import asyncio
import json
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import httpx
import psycopg
import pytest
from psycopg.rows import dict_row
from tests.unit.payments.mpesa_side import ADDRESS, Paybill, some_settings
from tests.unit.services.town import NOON, WECHAT, a_town

from compuerta.adapters.payments.mpesa import MpesaPay
from compuerta.adapters.postgres.store import PostgresStore
from compuerta.apps import wiring
from compuerta.apps.api.notices import NoticeDoor, NoticesFirst
from compuerta.apps.claimant import Claimant
from compuerta.apps.desk import Desk
from compuerta.services.payment_ports import HttpRequest
from compuerta.virtual.providers.worlds import Button

pytestmark = pytest.mark.postgres


@dataclass
class Place:
    """A door and a claimant before one database; the short code is the town's one provider account."""

    url: str
    meter_no: str
    paybill: Paybill = field(
        default_factory=lambda: Paybill(registered=f"http://door/notices/{WECHAT}/{ADDRESS}")
    )
    provider: MpesaPay = field(
        default_factory=lambda: MpesaPay(
            replace(some_settings(), name=WECHAT, notify_url=f"http://door/notices/{WECHAT}")
        )
    )
    now: datetime = NOON

    def knock(self, notice: HttpRequest) -> httpx.Response:
        async def knocking() -> httpx.Response:
            desk = Desk(self.url)
            app = NoticesFirst(lambda *_: None, door=NoticeDoor(desk, {WECHAT: self.provider}))  # type: ignore[arg-type]
            async with httpx.AsyncClient(
                transport=httpx.ASGITransport(app), base_url="http://door"
            ) as client:
                answer = await client.post(notice.path, content=notice.body)
            await desk.shut()
            return answer

        return asyncio.run(knocking())

    def ask(self) -> int:
        def road(request: httpx.Request) -> httpx.Response:
            asked = HttpRequest(
                method=request.method,
                path=request.url.raw_path.decode(),
                headers=dict(request.headers),
                body=request.content,
            )
            answer = self.paybill.world.answer(asked, self.now)
            return httpx.Response(answer.status, headers=dict(answer.headers), content=answer.body)

        async def asking() -> int:
            desk = Desk(self.url)
            async with httpx.AsyncClient(transport=httpx.MockTransport(road)) as client:
                asked = await Claimant(desk, {WECHAT: self.provider}).ask_round(client)
            await desk.shut()
            return asked

        return asyncio.run(asking())

    def sent(self, payee: str) -> list[HttpRequest]:
        self.paybill.world.press(Button.SEND, payee, self.now, amount_minor=5000)
        return [notice.request for notice in self.paybill.world.due(self.now)]

    def rows(self, query: str) -> list[dict[str, object]]:
        with closing(psycopg.connect(self.url, row_factory=dict_row)) as connection:
            return connection.execute(query.encode()).fetchall()


@pytest.fixture
def place(postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    store = PostgresStore(postgres_url)
    town = a_town(store)
    with store.transaction() as tx:
        [meter] = [each for each in tx.meters() if each.meter_id == town.homes[0].meter_id]
    store.shut()
    place = Place(url=postgres_url, meter_no=meter.meter_no)
    monkeypatch.setattr(wiring, "now", lambda: place.now)
    monkeypatch.setattr(wiring, "base_url", lambda name: "http://daraja")
    yield place


def test_money_that_a_payer_sent_is_claimed_then_booked(place: Place) -> None:
    [notice] = place.sent("a typo")

    answers = [place.knock(notice) for _ in range(2)]

    assert {answer.content for answer in answers} == {b'{"ResultCode":0,"ResultDesc":"Accepted"}'}
    assert place.rows("select * from payment") == []
    assert [row["state"] for row in place.rows("select state from payment_claim")] == ["waiting"]
    assert place.ask() == 1
    assert [row["state"] for row in place.rows("select state from payment_claim")] == ["confirmed"]
    [payment] = place.rows("select * from payment")
    assert (payment["amount_minor"], payment["verdict"]) == (5000, "suspended")
    assert place.ask() == 0


def test_a_forged_message_costs_questions_and_brings_nothing(place: Place) -> None:
    [notice] = place.sent("a typo")
    forged = replace(notice, body=notice.body.replace(b"SIM", b"XIM"))
    assert place.knock(forged).status_code == 200

    place.ask()
    waiting = place.rows("select asks, ask_at from payment_claim")
    place.now += timedelta(hours=3)
    place.ask()

    assert waiting == [{"asks": 1, "ask_at": NOON + timedelta(seconds=2)}]
    assert [row["state"] for row in place.rows("select state from payment_claim")] == ["denied"]
    assert place.rows("select * from payment") == []
    assert [row["kind"] for row in place.rows("select kind from alarm")] == ["claim_denied"]


def test_an_account_number_is_looked_up_before_money_moves(place: Place) -> None:
    place.paybill.world.behave({"validates": True})
    codes = []
    for payee in (place.meter_no, "a typo"):
        [asked] = place.sent(payee)
        codes.append(place.knock(asked).json()["ResultCode"])

    assert codes == [0, "C2B00012"]
    assert place.rows("select * from payment_claim") == []
    assert place.rows("select * from inbound_message") == []


def test_a_message_by_another_address_is_refused_and_kept_as_refused(place: Place) -> None:
    [notice] = place.sent("a typo")

    answer = place.knock(replace(notice, path=notice.path.replace(ADDRESS, "guess")))

    assert answer.status_code == 404
    assert place.rows("select * from payment_claim") == []
    assert [row["verdict"] for row in place.rows("select verdict from inbound_message")] == ["key_unknown"]


def test_what_says_nothing_and_anybody_could_say_is_counted_and_not_kept(place: Place) -> None:
    base = f"/notices/{WECHAT}/{ADDRESS}"

    answers = {
        place.knock(
            HttpRequest(method="POST", path=f"{base}/pulled", headers={}, body=b"x" * 16_000)
        ).status_code
        for _ in range(3)
    }

    assert answers == {200}
    assert place.rows("select count(*) as kept from inbound_message")[0]["kept"] == 0


def test_a_true_word_after_a_false_hour_is_booked(place: Place) -> None:
    [notice] = place.sent(place.meter_no)
    false = {**json.loads(notice.body), "TransTime": "20991231235959"}
    place.knock(replace(notice, body=json.dumps(false).encode()))
    place.ask()

    place.knock(notice)
    for _ in range(3):
        place.now += timedelta(minutes=10)
        place.ask()

    assert place.rows("select count(*) as there from payment")[0]["there"] == 1
