"""Words from the outbox in PostgreSQL to carriers on real sockets, and what comes back to the door."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from io import StringIO
from pathlib import Path
from uuid import UUID, uuid4

import httpx
import pytest
from fastapi import FastAPI
from rich.console import Console
from tests.contract.carriers import APPID, KEY_ID, SECRET, Street, a_street, serving
from tests.contract.door import closing_store
from tests.unit.services.town import METER, NOON, a_town, an_id

from compuerta.adapters.notify.smtp import SmtpMail
from compuerta.adapters.postgres.store import PostgresStore
from compuerta.apps import config, postman, status, wiring
from compuerta.apps.channels import channels_in, opt_out_url_of, receipts_url_of
from compuerta.apps.config import Settings
from compuerta.apps.desk import Desk
from compuerta.apps.postman import Postman
from compuerta.apps.replies import add_replies
from compuerta.domain.contact import RESIDENTS_TOPICS, Channel, Language
from compuerta.services.circuits import FAILURES_MAX
from compuerta.services.message_port import Contact, Message, MessageState, message_id

pytestmark = [pytest.mark.postgres, pytest.mark.slow]

LOOK_S = 0.05
LOOKS_MAX = 200
TEMPLATES = {"warning": {"zh-hans": "SMS_1"}}


@dataclass(kw_only=True)
class Office:
    """A door and a postman on one database, and the street with the carriers."""

    store: PostgresStore
    street: Street
    client: httpx.AsyncClient
    given: Settings
    contacts: dict[Channel, Contact] = field(default_factory=dict)

    def says(self, channel: Channel, name: str = "low", *, urgent: bool = False) -> UUID:
        contact = self.contacts[channel]
        occasion = an_id(f"occasion {name}")
        message = Message(
            message_id=message_id(occasion, contact.contact_id),
            occasion=occasion,
            organisation_id=contact.organisation_id,
            account_id=contact.account_id,
            contact_id=contact.contact_id,
            channel=channel,
            template="warning",
            language=contact.language,
            fields={"balance": "19.99", "place": "302", "pay_link": "{address}/p", "zero_at": "21:00"},
            urgent=urgent,
            subject=name,
            body=f"{name}: {{address}}/p",
            created_at=NOON,
            due_at=NOON,
        )
        with self.store.transaction() as tx:
            tx.messages.put_messages([message])
        return message.message_id

    def one(self, message_id: UUID) -> Message:
        with self.store.transaction() as tx:
            return tx.messages.messages([message_id])[message_id]

    async def until(self, comes_true: Callable[[], bool]) -> None:
        for _ in range(LOOKS_MAX):
            if comes_true():
                return
            await asyncio.sleep(LOOK_S)
        raise AssertionError("it did not come true in time")

    def is_out(self, channel: Channel) -> bool:
        contact_id = self.contacts[channel].contact_id
        with self.store.transaction() as tx:
            return tx.messages.contacts([contact_id])[contact_id].opted_out_at is not None

    def rows(self, statement: str) -> list[dict[str, object]]:
        return self.store.query(statement, {})


@pytest.fixture(autouse=True)
def standing_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wiring, "now", lambda: NOON)


@pytest.fixture
def store(postgres_url: str) -> Iterator[PostgresStore]:
    with closing_store(postgres_url) as store:
        yield store


def write_channels(path: Path, street: Street) -> None:
    (path.parent / "one.key").write_text(SECRET)
    carriers: list[dict[str, object]] = [
        {
            "name": "texts",
            "kind": "aliyun_sms",
            "key_id": KEY_ID,
            "secret": "one.key",
            "sign_name": "小区",
            "templates": TEMPLATES,
            "base_url": f"{street.http_url}/aliyun",
        },
        {
            "name": "service",
            "kind": "wechat_template",
            "appid": APPID,
            "secret": "one.key",
            "templates": TEMPLATES,
            "base_url": f"{street.http_url}/wechat",
        },
        {"name": "app", "kind": "webhook", "url": f"{street.http_url}/app", "key": "one.key"},
        {
            "name": "mail",
            "kind": "smtp",
            "host": "127.0.0.1",
            "port": street.smtp_port,
            "security": "none",
            "user": "casa",
            "password": "one.key",
            "sender": "Casa <no-reply@casa.example>",
        },
    ]
    path.write_text(json.dumps(carriers))


@asynccontextmanager
async def an_office(store: PostgresStore, url: str, directory: Path) -> AsyncIterator[Office]:
    with socket.create_server(("127.0.0.1", 0)) as door:
        port = str(door.getsockname()[1])
        given = config.settings({"COMPUERTA_DATA": str(directory), "COMPUERTA_PORT": port})
        async with (
            a_street(receipts_url=receipts_url_of(given, "texts")) as street,
            httpx.AsyncClient(trust_env=False) as client,
        ):
            write_channels(directory / "channels.json", street)
            channels = channels_in(directory / "channels.json", client=client)
            desk, app = Desk(url), FastAPI()
            add_replies(app, desk, channels, given)
            office = Office(store=store, street=street, client=client, given=given)
            add_contacts(office)
            async with serving(app, door):
                carrying = asyncio.create_task(Postman(desk, channels, given).run())
                yield office
                carrying.cancel()
                await asyncio.wait([carrying])
                assert carrying.cancelled()
            await desk.shut()


def add_contacts(office: Office) -> None:
    town = a_town(office.store, authorities=[METER])
    for channel, address in (
        (Channel.SMS, "+8613800138000"),
        (Channel.EMAIL, "ana@example.org"),
        (Channel.WECHAT, "oAna_0123456789"),
        (Channel.WEBHOOK, "ana"),
    ):
        contact = Contact(
            contact_id=an_id(f"ana {channel.value}"),
            organisation_id=town.organisation_id,
            account_id=town.homes[0].account_id,
            user_name=None,
            channel=channel,
            address=address,
            language=Language.CHINESE,
            wants=RESIDENTS_TOPICS,
            created_at=NOON,
            confirmed_at=NOON,
        )
        office.contacts[channel] = contact
        with office.store.transaction() as tx:
            tx.messages.put_contact(contact)


@pytest.fixture
def in_office(store: PostgresStore, postgres_url: str, tmp_path: Path) -> Callable[..., None]:
    def run(act: Callable[[Office], object]) -> None:
        async def open_it() -> None:
            async with an_office(store, postgres_url, tmp_path) as office:
                await act(office)  # type: ignore[misc]

        asyncio.run(open_it())

    return run


def test_words_go_out_by_every_channel_and_a_texts_receipt_comes_back(in_office: Callable[..., None]) -> None:
    async def act(office: Office) -> None:
        ids = {channel: office.says(channel, channel.value) for channel in office.contacts}
        await office.until(lambda: len(office.street.world.received) == 4)
        await office.until(lambda: office.one(ids[Channel.SMS]).state.value == "delivered")
        others = [ids[channel] for channel in office.contacts if channel is not Channel.SMS]
        await office.until(lambda: {office.one(each).state.value for each in others} == {"sent"})

        assert all(office.one(each).provider_id for each in ids.values())
        assert office.one(ids[Channel.EMAIL]).body == f"email: {office.given.public_url}/p"

    in_office(act)


def test_a_letter_that_breaks_its_carrier_is_told_of_and_stops_no_other(
    in_office: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def breaks(*_: object, **__: object) -> None:
        raise IndexError

    monkeypatch.setattr(SmtpMail, "send", breaks)

    async def act(office: Office) -> None:
        broken = office.says(Channel.EMAIL)
        await office.until(lambda: office.one(broken).state is MessageState.FAILED)
        other = office.says(Channel.WEBHOOK, "another")
        await office.until(lambda: office.one(other).state is MessageState.SENT)
        assert office.one(broken).last_answer == "in doubt: broke: IndexError"

    in_office(act)


def test_the_status_shows_what_waits_and_what_failed_by_channel(
    in_office: Callable[..., None], postgres_url: str
) -> None:
    async def act(office: Office) -> None:
        office.street.world.behave("smtp", {"refuses_with": "550"})
        failed = office.says(Channel.EMAIL)
        await office.until(lambda: office.one(failed).state.value == "failed")

        shown = Console(file=StringIO(), width=200)
        status.report(shown, replace(office.given, database_url=postgres_url))

        assert isinstance(shown.file, StringIO)
        assert any("email" in line and "recipient: 550" in line for line in shown.file.getvalue().split("\n"))

    in_office(act)


def test_a_carrier_that_is_down_is_one_alarm_and_an_urgent_word_goes_elsewhere(
    in_office: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = [NOON]
    monkeypatch.setattr(wiring, "now", lambda: clock[0])
    monkeypatch.setattr(postman, "ROUND_S", 0.01)

    def passes() -> bool:
        clock[0] += timedelta(seconds=5)
        return True

    async def act(office: Office) -> None:
        office.street.world.behave("aliyun", {"refuses_with": "isp.SYSTEM_ERROR"})
        for number in range(FAILURES_MAX + 2):
            office.says(Channel.SMS, f"notice {number}")
        urgent = office.says(Channel.SMS, "cut", urgent=True)
        await office.until(lambda: bool(office.rows("select 1 from alarm where kind = 'channel_down'")))
        await office.until(lambda: passes() and office.one(urgent).state.value == "failed")
        await office.until(lambda: any(each.subject == "cut" for each in office.street.world.received))

        assert office.rows("select times from alarm where kind = 'channel_down'") == [{"times": 1}]

    in_office(act)


def test_a_link_asks_first_and_stops_when_its_button_is_pressed(in_office: Callable[..., None]) -> None:
    async def act(office: Office) -> None:
        url = opt_out_url_of(office.given)(office.contacts[Channel.EMAIL].contact_id)
        asked = await office.client.get(url)
        assert (asked.status_code, "退订" in asked.text) == (200, True)
        assert not office.is_out(Channel.EMAIL)

        done = await office.client.post(url)
        assert done.status_code == 200
        assert office.is_out(Channel.EMAIL)
        assert [row["what"] for row in office.rows("select what from audit where what = 'opt out'")] == [
            "opt out"
        ]

    in_office(act)


def test_a_strangers_link_or_receipt_changes_nothing(in_office: Callable[..., None]) -> None:
    async def act(office: Office) -> None:
        email = office.contacts[Channel.EMAIL].contact_id
        link = opt_out_url_of(office.given)(email)
        of_sms = opt_out_url_of(office.given)(office.contacts[Channel.SMS].contact_id)
        message = office.says(Channel.WEBHOOK)
        receipt = json.dumps([{"biz_id": "1", "out_id": str(message), "success": True}])
        forged = [
            f"{link[:-1]}{'0' if link[-1] != '0' else '1'}",
            f"{link.rpartition('/')[0]}/{of_sms.rpartition('/')[2]}",
            opt_out_url_of(office.given)(uuid4()),
            receipts_url_of(office.given, "nobody"),
            f"{office.given.public_url}/receipts/texts/{'0' * 32}",
        ]

        answers = [(await office.client.post(url, content=receipt)).status_code for url in forged]

        assert answers == [404] * 5
        assert not office.is_out(Channel.EMAIL)
        assert office.one(message).state.value != "delivered"

    in_office(act)


def test_who_writes_back_that_it_is_enough_is_opted_out(in_office: Callable[..., None]) -> None:
    async def act(office: Office) -> None:
        url = receipts_url_of(office.given, "texts")
        for words in ("thanks", " td "):
            said = [{"phone_number": "13800138000", "content": words}, {"phone_number": "x", "content": "T"}]
            answer = await office.client.post(url, content=json.dumps(said))
            assert answer.json()["code"] == 0
            assert office.is_out(Channel.SMS) == (words != "thanks")

    in_office(act)


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 200),
        (b"{{{", 200),
        (b"[" * 10_000, 200),
        (b"[1, null, {}]", 200),
        (b'[{"biz_id": "unknown", "success": true}]', 503),
        (b'[{"biz_id": "\\u0000\\ud800", "out_id": 7, "err_msg": "\\u0000"}]', 503),
        (b"x" * 300_000, 413),
    ],
)
def test_a_hostile_receipt_is_answered_and_never_an_error(
    in_office: Callable[..., None], body: bytes, status: int
) -> None:
    async def act(office: Office) -> None:
        answer = await office.client.post(receipts_url_of(office.given, "texts"), content=body)
        assert answer.status_code == status

    in_office(act)
