"""Where providers knock: what is genuine is credited once, what is not is kept, told, and changes nothing."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any
from uuid import uuid4

import httpx
import psycopg
import pytest
from tests.contract.door import Place, a_client, a_place, at_once
from tests.unit.payments.wechat_side import a_chance, an_attempt

from compuerta.adapters.payments.http import converse_with
from compuerta.apps.api import notices
from compuerta.services.payment_ports import HttpRequest
from compuerta.virtual.providers.notices import DueNotice, NoticeKind
from compuerta.virtual.wechat.world import WechatWorld

pytestmark = pytest.mark.postgres

NOWHERE = "host=/nowhere dbname=nothing"


@pytest.fixture(scope="module")
def town_place(postgres_url_of_module: str) -> Iterator[Place]:
    with a_place(postgres_url_of_module) as place:
        yield place


@pytest.fixture
def place(town_place: Place) -> Place:
    """The place in another minute, so that a flood of the last test is over."""
    town_place.clock.passes(seconds=61)
    return town_place


def an_order(place: Place, *, home: int = 0, amount_minor: int = 5_000) -> str:
    """Order at the provider and return the order's number."""
    answer = place.recharge(place.homes[home].account_id, attempt_id=uuid4(), amount_minor=amount_minor)
    assert answer.status_code == 200
    return str(answer.json()["reference"])


def a_strange_order(place: Place, reference: str) -> str:
    """Order at the provider in our name, without our books knowing."""
    attempt = an_attempt(reference=reference, now=place.clock.now)
    steps = place.providers["wechat"].create(attempt, now=place.clock.now, chance=a_chance())
    converse_with(steps, lambda request: place.street.world.answer(request, place.clock.now))
    return reference


def a_notice(place: Place, reference: str) -> HttpRequest:
    """Let somebody pay, and return what the provider then says."""
    place.street.world.pay(reference, place.clock.now)
    (due,) = all_due(place)
    return due.request


def all_due(place: Place) -> list[DueNotice]:
    world: WechatWorld = place.street.world
    found = world.due(place.clock.now)
    for notice in found:
        world.answered(notice, 204, place.clock.now)
    return found


def knock(place: Place, notice: HttpRequest, *, provider: str = "wechat") -> httpx.Response:
    place.clock.passes(seconds=0.001)
    return place.client.post(f"/notices/{provider}", headers=dict(notice.headers), content=notice.body)


def last_kept(place: Place) -> dict[str, Any]:
    return place.rows("select * from inbound_message order by heard_at desc, inbound_id limit 1")[0]


def alarm_times(place: Place, subject: str) -> int:
    found = place.rows("select times from alarm where kind = 'notice_refused' and subject = %s", subject)
    return int(found[0]["times"]) if found else 0


def money(place: Place) -> tuple[int, ...]:
    return tuple(
        place.count(table) for table in ("payment", "posting", "recharge", "instruction", "case_file")
    )


# what is genuine --------------------------------------------------------------------------------------------


def test_a_genuine_notice_is_credited_and_kept(place: Place) -> None:
    reference = an_order(place, home=0)
    notice = a_notice(place, reference)

    answer = knock(place, notice)

    assert (answer.status_code, answer.content) == (204, b"")
    assert place.credited_minor(place.homes[0].account_id) == 5_000
    shown = place.ask(f"/accounts/{place.homes[0].account_id}/recharges").json()[0]
    assert (shown["state"], shown["verdict"], shown["reference"]) == ("paid", "credited", reference)
    kept = last_kept(place)
    assert (kept["provider"], kept["verdict"], bytes(kept["body"])) == (
        "wechat",
        "TRANSACTION.SUCCESS",
        notice.body,
    )
    assert kept["headers"]["wechatpay-signature"] == notice.headers["wechatpay-signature"]


def test_a_repeated_notice_credits_once(place: Place) -> None:
    notice = a_notice(place, an_order(place, home=1))

    answers = [knock(place, notice) for _ in range(3)]

    assert [answer.status_code for answer in answers] == [204] * 3
    assert place.credited_minor(place.homes[1].account_id) == 5_000


def test_the_same_notice_many_times_at_once_credits_once(place: Place) -> None:
    notice = a_notice(place, an_order(place, home=2))

    answers = at_once(8, lambda: knock(place, notice))

    assert [answer.status_code for answer in answers] == [204] * 8
    assert place.credited_minor(place.homes[2].account_id) == 5_000


def test_many_payments_at_once_are_each_credited(place: Place) -> None:
    waiting = [a_notice(place, an_order(place, home=home)) for home in range(3, 9)]

    answers = at_once(len(waiting), lambda: knock(place, waiting.pop()))

    assert {answer.status_code for answer in answers} == {204}
    assert [place.credited_minor(place.homes[home].account_id) for home in range(3, 9)] == [5_000] * 6


def test_money_that_went_back_unasked_is_no_payment_and_becomes_a_case(place: Place) -> None:
    reference = an_order(place, home=9)
    knock(place, a_notice(place, reference))
    before = money(place)
    credited_minor = place.credited_minor(place.homes[9].account_id)
    place.street.world.refund(reference, place.clock.now)
    (refund,) = all_due(place)

    answers = [knock(place, refund.request), knock(place, refund.request)]

    assert [each.status_code for each in answers] == [204, 204]
    assert last_kept(place)["verdict"].startswith("REFUND")
    booked = tuple(after - before for after, before in zip(money(place), before, strict=True))
    assert (booked[1], sum(booked)) == (1, 2), "one posting and one case, and nothing else"
    assert place.credited_minor(place.homes[9].account_id) == credited_minor
    cases = place.rows("select kind from case_file where account_id = %s", place.homes[9].account_id)
    assert [case["kind"] for case in cases] == ["refund_unasked"]


def test_a_payment_of_another_amount_is_kept_in_suspense_and_becomes_a_case(place: Place) -> None:
    reference = an_order(place, home=10)
    with psycopg.connect(place.url) as connection:
        connection.execute("update attempt set amount_minor = 4_999 where reference = %s", (reference,))

    answer = knock(place, a_notice(place, reference))

    assert answer.status_code == 204
    assert place.credited_minor(place.homes[10].account_id) == 0
    (case,) = place.rows("select kind from case_file where account_id = %s", place.homes[10].account_id)
    assert case["kind"] == "amount_differs"
    (payment,) = place.rows("select verdict from payment where reference = %s", reference)
    assert payment["verdict"] == "suspended"


def test_a_payment_of_an_order_that_we_do_not_know_becomes_a_case(place: Place) -> None:
    recharges = place.count("recharge")

    answer = knock(place, a_notice(place, a_strange_order(place, "R20261122000011")))

    assert answer.status_code == 204
    assert place.count("recharge") == recharges
    cases = place.rows("select detail from case_file where kind = 'reference_unknown'")
    assert sum("R20261122000011" in case["detail"] for case in cases) == 1


# what is not ------------------------------------------------------------------------------------------------


def forged(notice: HttpRequest) -> HttpRequest:
    return replace(notice, headers={**notice.headers, "wechatpay-signature": "AAAA"})


def altered(notice: HttpRequest) -> HttpRequest:
    return replace(notice, body=notice.body.replace(b"TRANSACTION", b"TRANSACTIOM"))


def garbled(notice: HttpRequest) -> HttpRequest:
    return replace(notice, body=b"\x00\xff" + notice.body)


def unsigned(notice: HttpRequest) -> HttpRequest:
    return replace(notice, headers={"content-type": "application/json"})


def of_an_unknown_key(notice: HttpRequest) -> HttpRequest:
    return replace(notice, headers={**notice.headers, "wechatpay-serial": "PUB_KEY_ID_9"})


REFUSED: dict[str, tuple[Callable[[HttpRequest], HttpRequest], int, str]] = {
    "forged": (forged, 401, "signature_wrong"),
    "altered": (altered, 401, "signature_wrong"),
    "garbled": (garbled, 401, "signature_wrong"),
    "unsigned": (unsigned, 401, "header_missing"),
    "unknown key": (of_an_unknown_key, 401, "key_unknown"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_not_genuine_is_refused_kept_and_told_and_credits_nothing(place: Place, name: str) -> None:
    spoil, code, verdict = REFUSED[name]
    notice = spoil(a_notice(place, an_order(place, home=12)))
    before, alarms, asked = money(place), alarm_times(place, f"wechat: {verdict}"), len(place.street.asked)

    answer = knock(place, notice)

    assert answer.status_code == code
    assert money(place) == before
    assert len(place.street.asked) == asked, "a stranger makes us call nobody"
    kept = last_kept(place)
    assert (kept["verdict"], bytes(kept["body"])) == (verdict, notice.body)
    assert alarm_times(place, f"wechat: {verdict}") == alarms + 1


def test_an_old_notice_is_refused_and_what_comes_anew_is_credited(place: Place) -> None:
    notice = a_notice(place, an_order(place, home=13))
    place.clock.passes(seconds=301)

    stale = knock(place, notice)

    assert (stale.status_code, last_kept(place)["verdict"]) == (401, "stale")
    assert place.credited_minor(place.homes[13].account_id) == 0


def test_a_probe_is_refused_kept_and_alarms_nobody(place: Place) -> None:
    place.street.world.behave({"probe_ppm": 1_000_000})
    place.street.world.pay(an_order(place, home=14), place.clock.now)
    found = all_due(place) + all_due(place)
    place.street.world.behave({"probe_ppm": 0})
    probe = next(due for due in found if due.kind is NoticeKind.PROBE)
    alarms = place.rows("select sum(times) as times from alarm")

    answer = knock(place, probe.request)

    assert answer.status_code == 401
    assert last_kept(place)["verdict"] == "probe"
    assert place.rows("select sum(times) as times from alarm") == alarms
    assert place.credited_minor(place.homes[14].account_id) == 0


@pytest.mark.parametrize("provider", ["alipay", "x" * 5_000, "%00", "wechat%20", "微信", "..%5c"])
def test_a_provider_that_we_do_not_have_is_not_found_but_kept(place: Place, provider: str) -> None:
    notice, before = a_notice(place, an_order(place, home=12)), money(place)
    alarms = alarm_times(place, "unknown: provider_unknown")

    answer = knock(place, notice, provider=provider)

    assert answer.status_code == 404
    assert money(place) == before
    assert (last_kept(place)["provider"], bytes(last_kept(place)["body"])) == ("unknown", notice.body)
    assert alarm_times(place, "unknown: provider_unknown") == alarms + 1


def test_a_till_sends_no_notices(place: Place) -> None:
    before = money(place)

    assert knock(place, a_notice(place, an_order(place, home=12)), provider="till").status_code == 404
    assert money(place) == before


def test_a_door_of_notices_is_not_for_looking(place: Place) -> None:
    assert place.client.get("/notices/wechat").status_code == 405


def test_a_body_that_is_too_large_is_refused_and_its_beginning_kept(place: Place) -> None:
    sent: list[int] = []

    async def endless() -> AsyncIterator[bytes]:
        for number in range(10_000):
            sent.append(number)
            yield b"x" * 1_024

    answer = place.client.post("/notices/wechat", content=endless())

    assert answer.status_code == 413
    assert len(sent) < 100
    kept = last_kept(place)
    assert (kept["verdict"], bytes(kept["body"])) == ("too_large", b"x" * notices.REJECTED_BYTES_MAX)
    assert alarm_times(place, "wechat: too_large") == 1


def test_of_a_strangers_headers_no_more_is_kept_than_of_the_body(place: Place) -> None:
    flood = {f"x-{number}": "y" * 1_000 for number in range(60)}

    answer = place.client.post("/notices/wechat", content=b"{}", headers=flood)

    assert answer.status_code == 401
    headers = last_kept(place)["headers"]
    assert sum(len(name) + len(value) for name, value in headers.items()) <= notices.REJECTED_BYTES_MAX


def test_a_body_that_does_not_end_is_refused_in_time(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notices, "BODY_S_MAX", 0.01)

    async def slow() -> AsyncIterator[bytes]:
        yield b"{"
        await asyncio.Event().wait()

    answer = place.client.post("/notices/wechat", content=slow())

    assert answer.status_code == 408
    assert (last_kept(place)["verdict"], bytes(last_kept(place)["body"])) == ("too_slow", b"{")


def test_a_flood_is_refused_whole_and_kept_in_part_and_money_still_gets_through(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(notices, "REJECTED_KEPT_MAX", 5)
    notice = a_notice(place, an_order(place, home=15))
    before = place.count("inbound_message")

    answers = [knock(place, forged(notice)) for _ in range(20)]
    genuine = knock(place, notice)

    assert {answer.status_code for answer in answers} == {401}
    assert genuine.status_code == 204
    assert place.count("inbound_message") == before + 5 + 1
    assert place.credited_minor(place.homes[15].account_id) == 5_000
    place.clock.passes(seconds=60)
    knock(place, forged(notice))
    assert place.count("inbound_message") == before + 7, "the next minute has room again"


def test_strangers_take_no_room_from_what_a_provider_is_refused_for(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(notices, "REJECTED_KEPT_MAX", 5)
    notice = a_notice(place, an_order(place, home=15))
    before = place.count("inbound_message")

    for number in range(20):
        place.client.post(f"/notices/stranger-{number}", content=b"{}")
    knock(place, forged(notice))

    assert place.count("inbound_message") == before + 5 + 1
    assert last_kept(place)["provider"] == "wechat"


# when we cannot ---------------------------------------------------------------------------------------------


def test_while_the_database_is_away_a_notice_is_refused_so_that_it_comes_again(place: Place) -> None:
    notice = a_notice(place, an_order(place, home=16))
    with a_client(NOWHERE, place.providers, place.street) as away:
        missed = away.post("/notices/wechat", headers=dict(notice.headers), content=notice.body)
        stranger = away.post("/notices/wechat", content=b"{}")

    again = knock(place, notice)

    assert (missed.status_code, stranger.status_code) == (503, 401)
    assert json.loads(missed.content)["code"] == "FAIL"
    assert again.status_code == 204
    assert place.credited_minor(place.homes[16].account_id) == 5_000


def test_money_at_an_account_that_nobody_here_has_is_not_acknowledged(place: Place) -> None:
    notice = a_notice(place, a_strange_order(place, "R20261122000012"))
    before = money(place)
    with provider_account_away(place):
        answer = knock(place, notice)
        told = place.rows("select 1 from alarm where kind = 'provider_unknown' and subject = 'wechat'")
        unchanged = money(place)

    again = knock(place, notice)

    assert (answer.status_code, unchanged, len(told)) == (503, before, 1)
    assert again.status_code == 204
    assert money(place) != before


@contextmanager
def provider_account_away(place: Place) -> Iterator[None]:
    rename = "update provider_account set provider = %s where provider = %s"
    with psycopg.connect(place.url) as connection:
        connection.execute(rename, ("elsewhere", "wechat"))
    yield
    with psycopg.connect(place.url) as connection:
        connection.execute(rename, ("wechat", "elsewhere"))
