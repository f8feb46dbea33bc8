"""What every carrier of words promises, against a real server of its kind on a real socket."""

import asyncio
import json
import logging
import smtplib
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from tests.contract.carriers import (
    ADDRESSES,
    SECRET,
    USER,
    Street,
    a_letter,
    a_street,
    nobody_there,
    server_tls,
    with_other_key,
)
from tests.unit.services.town import NOON, an_id

from compuerta.adapters.notify.apprise import AppriseStaff
from compuerta.adapters.notify.smtp import Security
from compuerta.services.notifier_port import Sent, Verdict
from compuerta.virtual.notices.smtp import MailTerms

pytestmark = pytest.mark.slow

NAMES = ("smtp", "aliyun", "wechat", "webhook")
OVER_HTTP = ("aliyun", "wechat", "webhook")
every_carrier = pytest.mark.parametrize("name", NAMES)
every_one_over_http = pytest.mark.parametrize("name", OVER_HTTP)


def on_a_street(act: Callable[[Street], Awaitable[Sent]]) -> tuple[Street, Sent]:
    async def run() -> tuple[Street, Sent]:
        async with a_street() as street:
            return street, await act(street)

    return asyncio.run(run())


@every_carrier
def test_a_letter_is_taken_with_its_words_and_the_carriers_id(name: str) -> None:
    street, sent = on_a_street(lambda street: street.send(name, a_letter(name)))

    (received,) = street.world.received
    assert sent.verdict is Verdict.ACCEPTED
    assert sent.provider_id
    assert sent.provider_id in (received.provider_id, received.message_id)
    assert received.to == ADDRESSES[name].removeprefix("+86")
    if name in ("aliyun", "wechat"):
        assert received.template == "SMS_1"
        assert received.fields == {"balance": "19.99", "zero": "周四 21:00"}
    else:
        assert received.subject == "余额不足 — queda poco"
        assert received.body.replace("\r\n", "\n") == a_letter(name).body


@every_carrier
def test_a_letter_repeated_is_taken_once_where_the_carrier_promises_it(name: str) -> None:
    async def twice(street: Street) -> Sent:
        await street.send(name, a_letter(name))
        return await street.send(name, a_letter(name))

    street, sent = on_a_street(twice)

    promised = street.carriers[name].repeat_within > timedelta(0)
    assert sent.verdict is Verdict.ACCEPTED
    assert len(street.world.received) == (1 if promised else 2)
    assert promised == (name in ("wechat", "webhook"))


@every_carrier
def test_nobody_there_is_later_since_nothing_was_sent(name: str) -> None:
    async def knock(street: Street) -> Sent:
        nobody_there(street)
        return await street.send(name, a_letter(name))

    _, sent = on_a_street(knock)

    assert (sent.verdict, sent.healthy) == (Verdict.LATER, False)


@every_carrier
def test_silence_after_the_letter_was_handed_over_is_doubt(name: str) -> None:
    async def into_silence(street: Street) -> Sent:
        if name == "wechat":  # the token comes before the letter
            await street.send(name, a_letter(name, number=9))
        street.world.behave(name, {"silent": True})
        return await street.send(name, a_letter(name))

    street, sent = on_a_street(into_silence)

    assert (sent.verdict, sent.healthy) == (Verdict.UNKNOWN, False)
    assert street.world.tallies[name].taken == 1 + (name == "wechat")


@every_carrier
def test_nonsense_after_the_letter_was_handed_over_is_doubt_or_what_the_status_says(name: str) -> None:
    async def into_nonsense(street: Street) -> Sent:
        if name == "wechat":
            await street.send(name, a_letter(name, number=9))
        street.world.behave(name, {"nonsense": True})
        return await street.send(name, a_letter(name))

    _, sent = on_a_street(into_nonsense)

    # An app answers by its status alone.
    assert sent.verdict is (Verdict.ACCEPTED if name == "webhook" else Verdict.UNKNOWN)


@every_one_over_http
def test_an_answer_without_end_is_cut_and_is_doubt(name: str) -> None:
    async def into_the_flood(street: Street) -> Sent:
        if name == "wechat":
            await street.send(name, a_letter(name, number=9))
        street.world.behave(name, {"endless": True})
        return await street.send(name, a_letter(name))

    _, sent = on_a_street(into_the_flood)

    assert sent.verdict is Verdict.UNKNOWN


@pytest.mark.parametrize(
    ("name", "code", "verdict", "healthy"),
    [
        ("smtp", "550 5.1.1", Verdict.REFUSED, True),
        ("smtp", "451 4.7.1", Verdict.LATER, True),
        ("smtp", "421", Verdict.LATER, False),
        ("aliyun", "isv.MOBILE_NUMBER_ILLEGAL", Verdict.REFUSED, True),
        ("aliyun", "isv.BUSINESS_LIMIT_CONTROL", Verdict.LATER, True),
        ("aliyun", "isv.AMOUNT_NOT_ENOUGH", Verdict.LATER, False),
        ("aliyun", "Throttling.User", Verdict.LATER, False),
        ("aliyun", "isp.SYSTEM_ERROR", Verdict.LATER, False),
        ("wechat", "40003", Verdict.REFUSED, True),
        ("wechat", "43101", Verdict.UNWANTED, True),
        ("wechat", "43004", Verdict.UNWANTED, True),
        ("wechat", "45009", Verdict.LATER, False),
        ("wechat", "-1", Verdict.LATER, False),
        ("webhook", "410", Verdict.REFUSED, True),
        ("webhook", "429", Verdict.LATER, False),
        ("webhook", "503", Verdict.LATER, False),
        ("webhook", "500", Verdict.UNKNOWN, False),
    ],
)
def test_a_refusal_is_for_this_letter_or_for_now(
    name: str, code: str, verdict: Verdict, healthy: bool
) -> None:
    async def refused(street: Street) -> Sent:
        street.world.behave(name, {"refuses_with": code})
        return await street.send(name, a_letter(name))

    street, sent = on_a_street(refused)

    assert (sent.verdict, sent.healthy) == (verdict, healthy)
    assert street.world.received == []


@every_one_over_http
def test_a_key_that_the_carrier_does_not_know_takes_nothing_and_is_our_trouble(name: str) -> None:
    async def forge(street: Street) -> Sent:
        with_other_key(street)
        return await street.send(name, a_letter(name))

    street, sent = on_a_street(forge)

    assert (sent.verdict, sent.healthy) == (Verdict.LATER, False)
    assert street.world.received == []


@pytest.mark.parametrize("name", ["aliyun", "wechat"])
def test_words_without_an_approved_template_are_refused_before_anybody_is_asked(name: str) -> None:
    letter = replace(a_letter(name), language="es")
    street, sent = on_a_street(lambda street: street.send(name, letter))

    assert sent.verdict is Verdict.REFUSED
    assert "no approved template for warning in es" in sent.detail
    assert street.world.tallies[name].asked == 0


@pytest.mark.parametrize("name", ["aliyun", "wechat"])
def test_an_organisations_own_template_goes_before_ours(name: str) -> None:
    letter = replace(a_letter(name), code="SMS_77")
    street, _ = on_a_street(lambda street: street.send(name, letter))

    assert [each.template for each in street.world.received] == ["SMS_77"]


def test_a_text_carries_no_link_and_no_field_that_is_too_long() -> None:
    fields = {"pay_link": "https://casa.example/p", "reason": "长" * 50}
    letter = replace(a_letter("aliyun"), fields=fields)
    street, sent = on_a_street(lambda street: street.send("aliyun", letter))

    assert sent.verdict is Verdict.ACCEPTED
    assert street.world.received[0].fields == {"reason": "长" * 35}


def test_a_text_that_was_signed_too_long_ago_or_twice_is_not_taken() -> None:
    async def late(street: Street) -> Sent:
        carrier = street.carriers["aliyun"]
        ago = street.now - timedelta(minutes=16)
        old = await carrier.send(a_letter("aliyun"), now=ago, chance=street.chance)
        assert "Expired" in old.detail
        await carrier.send(a_letter("aliyun"), now=street.now, chance=bytes)
        return await carrier.send(a_letter("aliyun"), now=street.now, chance=bytes)

    street, sent = on_a_street(late)

    assert "SignatureNonceUsed" in sent.detail
    assert len(street.world.received) == 1


def test_a_wechat_token_is_asked_for_once_and_renewed_once_when_it_is_gone() -> None:
    async def three(street: Street) -> Sent:
        for number in (1, 2):
            await street.send("wechat", a_letter("wechat", number=number))
        assert street.world.tallies["wechat"].asked == 3
        street.wechat_side.end_token()
        return await street.send("wechat", a_letter("wechat", number=3))

    street, sent = on_a_street(three)

    assert sent.verdict is Verdict.ACCEPTED
    assert street.world.tallies["wechat"].asked == 6  # refused, a new token, taken


def test_a_wechat_token_is_renewed_before_its_end() -> None:
    async def much_later(street: Street) -> Sent:
        await street.send("wechat", a_letter("wechat"))
        street.now += timedelta(hours=2)
        return await street.send("wechat", a_letter("wechat", number=2))

    street, sent = on_a_street(much_later)

    assert sent.verdict is Verdict.ACCEPTED
    assert street.world.tallies["wechat"].asked == 4


def test_a_mail_says_who_it_is_for_how_to_stop_it_and_that_a_machine_wrote_it() -> None:
    street, sent = on_a_street(lambda street: street.send("smtp", a_letter("smtp")))

    headers = street.world.received[0].headers
    assert headers["message-id"] == sent.provider_id == f"<{an_id('letter 1')}@casa.example>"
    assert headers["list-unsubscribe"] == "<https://casa.example/no-more/1>"
    assert headers["auto-submitted"] == "auto-generated"
    assert headers["from"] == "Casa 物业 <no-reply@casa.example>"


@pytest.mark.parametrize(
    "subject", ["low\r\nBcc: all@example.org", "=?utf-8?q?low=0d=0aBcc:_all@example.org=0d=0a=0d=0apay_me?="]
)
def test_a_subject_with_line_breaks_makes_no_header(subject: str) -> None:
    letter = replace(a_letter("smtp"), subject=subject)
    street, sent = on_a_street(lambda street: street.send("smtp", letter))

    assert sent.verdict is Verdict.ACCEPTED
    assert [each.to for each in street.world.received] == ["ana@example.org"]
    assert "bcc" not in street.world.received[0].headers


def test_an_address_that_no_mail_can_be_made_for_is_refused_and_breaks_nothing() -> None:
    letter = replace(a_letter("smtp"), address="=?utf-8?q?a=0d=0aBcc=3a_b?=@example.org")
    street, sent = on_a_street(lambda street: street.send("smtp", letter))

    assert (sent.verdict, sent.healthy, street.world.received) == (Verdict.REFUSED, True, [])


@pytest.mark.parametrize("offered", [True, False])
def test_a_mail_goes_by_tls_or_not_at_all(offered: bool, tmp_path: Path) -> None:
    async def run() -> tuple[int, Sent]:
        terms = MailTerms(user=USER, password=SECRET, tls=server_tls(tmp_path) if offered else None)
        async with a_street(mail=terms, security=Security.STARTTLS) as street:
            sent = await street.send("smtp", a_letter("smtp"))
            return len(street.world.received), sent

    taken, sent = asyncio.run(run())

    assert (taken, sent.verdict) == ((1, Verdict.ACCEPTED) if offered else (0, Verdict.LATER))


def test_a_mail_server_that_does_not_know_our_password_is_our_trouble() -> None:
    async def run() -> Sent:
        async with a_street(mail=MailTerms(user=USER, password="another")) as street:
            return await street.send("smtp", a_letter("smtp"))

    sent = asyncio.run(run())

    assert (sent.verdict, sent.healthy) == (Verdict.LATER, False)


def test_an_independent_client_finds_the_mail_server_to_be_one() -> None:
    async def run() -> list[str]:
        async with a_street(mail=MailTerms()) as street:

            def post() -> None:
                with smtplib.SMTP("127.0.0.1", street.smtp_port, timeout=5) as client:
                    client.sendmail("a@x.org", ["b@x.org", "c@x.org"], "Subject: s\r\n\r\n..dot\r\n")

            await asyncio.to_thread(post)
            return [f"{each.to}: {each.body.strip()}" for each in street.world.received]

    assert asyncio.run(run()) == ["b@x.org: ..dot", "c@x.org: ..dot"]


@pytest.mark.parametrize("name", [*NAMES, "apprise"])
def test_neither_keys_nor_addresses_nor_words_are_logged_or_told(
    name: str, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    letter = a_letter("webhook" if name == "apprise" else name)
    if name == "apprise":
        letter = replace(letter, address="night-shift")

    async def well_and_badly(street: Street) -> Sent:
        await street.send(name, letter)
        with_other_key(street)
        return await street.send(name, replace(letter, message_id=an_id("second")))

    _, sent = on_a_street(well_and_badly)

    written = caplog.text + sent.detail + repr(sent) + "".join(capfd.readouterr())
    hidden = [SECRET, "access_token=", "token-1", "13800138000", "尊敬的住户", "ana@example.org"]
    assert [word for word in hidden if word in written] == []


def test_staff_is_told_by_the_name_of_a_target_and_never_by_an_address() -> None:
    letter = replace(a_letter("webhook"), address="http://127.0.0.1/")
    _, sent = on_a_street(lambda street: street.send("apprise", letter))

    assert sent.verdict is Verdict.REFUSED


def test_a_chat_room_that_takes_it_is_told_and_one_that_does_not_is_tried_later() -> None:
    taken: list[bytes] = []

    async def chat(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
        taken.append(await reader.readexactly(length))
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
        await writer.drain()
        writer.close()

    async def run() -> list[Sent]:
        server = await asyncio.start_server(chat, "127.0.0.1", 0)
        async with server:
            port = server.sockets[0].getsockname()[1]
            staff = AppriseStaff({"room": f"json://127.0.0.1:{port}/", "none": "json://127.0.0.1:1/"})
            letters = [replace(a_letter("webhook"), address=name) for name in ("room", "none")]
            return [await staff.send(each, now=NOON, chance=bytes) for each in letters]

    good, bad = asyncio.run(run())

    assert good.verdict is Verdict.ACCEPTED
    assert [json.loads(each)["title"] for each in taken] == ["余额不足 — queda poco"]
    assert (bad.verdict, bad.healthy) == (Verdict.LATER, False)


@pytest.mark.parametrize(
    ("carrier", "wish"),
    [
        ("pigeon", b"{}"),
        ("aliyun", b"{{{"),
        ("aliyun", b"[]"),
        ("aliyun", b'{"silent": 1}'),
        ("aliyun", b'{"tired": true}'),
        ("wechat", b'{"refuses_with": "x"}'),
        ("webhook", b'{"refuses_with": "\xc2\xb2"}'),
    ],
)
def test_a_behaviour_that_no_carrier_has_is_refused(carrier: str, wish: bytes) -> None:
    async def run() -> tuple[int, dict[str, str]]:
        async with a_street() as street:
            url = f"{street.http_url}/sim/behaviour/{carrier}"
            answer = await street.client.post(url, content=wish)
            return answer.status_code, answer.json()

    status, said = asyncio.run(run())

    assert (status, list(said)) == (400, ["refused"])


def test_what_came_can_be_looked_at_over_http() -> None:
    async def run() -> dict[str, list[dict[str, str]]]:
        async with a_street() as street:
            await street.send("webhook", a_letter("webhook"))
            shown = (await street.client.get(f"{street.http_url}/sim/received")).json()
            assert isinstance(shown, dict)
            return shown

    (received,) = asyncio.run(run())["received"]

    assert (received["carrier"], received["to"]) == ("webhook", "ana")
