"""The Python client against the real door: ordering, following, collecting, retries, and webhooks."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import TypeVar
from uuid import uuid4

import httpx
import pytest
from tests.contract.door import Place
from tests.contract.partnership import a_biller
from tests.contract.test_api_following import arrive

from compuerta.wire.webhook import signature
from compuerta_client import Compuerta, Refused, Unknown, told_by

pytestmark = [pytest.mark.postgres, pytest.mark.slow]

Result = TypeVar("Result")
NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)


class Road(httpx.AsyncBaseTransport):
    """The road to the door; loses answers, or whole requests, as a test says."""

    def __init__(self, place: Place, *, lose: list[str] | None = None) -> None:
        self._inner = httpx.ASGITransport(place.client.app, client=("10.0.0.7", 4711))
        self._lose = lose or []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        lost = self._lose.pop(0) if self._lose else ""
        if lost == "request":
            raise httpx.ConnectError("lost")
        answer = await self._inner.handle_async_request(request)
        if lost == "answer":
            raise httpx.ReadTimeout("lost")
        return httpx.Response(503, json={"detail": "later"}) if lost == "503" else answer


def asked(
    place: Place,
    work: Callable[[Compuerta], Awaitable[Result]],
    *,
    key: str | None = None,
    lose: list[str] | None = None,
) -> Result:
    """Do something with a client, in the loop that serves the door."""

    async def done() -> Result:
        transport = Road(place, lose=lose)
        async with Compuerta("http://door", key or place.key, transport=transport, wait=no_wait) as client:
            return await work(client)

    return place.client.wait(done())


async def no_wait(_: float) -> None:
    await asyncio.sleep(0)


def test_a_recharge_is_looked_up_quoted_and_ordered(place: Place) -> None:
    meter_no = place.home.meter_no

    found = asked(place, lambda client: client.look_up(meter_no))
    quote = asked(place, lambda client: client.quote(meter_no, 5_000))
    made = asked(
        place,
        lambda client: client.order(
            meter_no, amount_minor=5_000, provider=found.ways[0].provider, key=uuid4().hex, reference="a1"
        ),
    )

    assert sum(line.amount_minor for line in quote.lines) == 5_000
    assert (made.state, made.reference) == ("presented", "a1")
    assert asked(place, lambda client: client.read(made.order_id)) == made
    assert [way.provider for way in asked(place, lambda client: client.ways_to_pay())] == ["wechat"]


@pytest.mark.parametrize("lose", [["request"], ["answer"], ["503"], ["answer", "503", "request", "answer"]])
def test_what_is_lost_on_the_road_is_asked_again_and_done_once(place: Place, lose: list[str]) -> None:
    before = place.count("payment_order")

    made = asked(
        place,
        lambda client: client.order(
            place.home.meter_no, amount_minor=5_000, provider="wechat", key=uuid4().hex
        ),
        lose=lose,
    )

    assert made.state == "presented"
    assert place.count("payment_order") == before + 1


def test_what_is_never_answered_is_unknown_and_not_refused(place: Place) -> None:
    with pytest.raises(Unknown):
        asked(place, lambda client: client.look_up(place.home.meter_no), lose=["request"] * 9)


def test_what_is_refused_is_told_with_the_reason_and_not_asked_again(place: Place) -> None:
    with pytest.raises(Refused) as refused:
        asked(place, lambda client: client.quote(place.home.meter_no, 1))

    assert refused.value.status == 422
    assert "between" in refused.value.detail


def test_an_order_is_tried_in_another_way_and_cancelled(place: Place) -> None:
    made = asked(
        place,
        lambda client: client.order(
            place.home.meter_no, amount_minor=5_000, provider="wechat", key=uuid4().hex
        ),
    )

    two = asked(place, lambda client: client.try_again(made.order_id, provider="wechat", key=uuid4().hex))
    one = asked(place, lambda client: client.cancel(made.attempts[0].attempt_id, key=uuid4().hex))

    assert len(two.attempts) == 2
    assert sorted(attempt.state for attempt in one.attempts) == ["closed", "presented"]


def test_an_order_is_followed_to_the_light_and_has_a_receipt(place: Place) -> None:
    made = asked(
        place,
        lambda client: client.order(
            place.home.meter_no, amount_minor=5_000, provider="wechat", key=uuid4().hex
        ),
    )
    attempt_id = made.attempts[0].attempt_id
    place.street.world.pay(attempt_id.replace("-", ""), now=place.clock.now)
    asked(place, lambda client: client.cancel(attempt_id, key=uuid4().hex))
    arrive(place, made.order_id, "credited")
    arrive(place, made.order_id, "closed")

    async def follow(client: Compuerta) -> list[str]:
        return [told.state async for told in client.follow(made.order_id)]

    assert asked(place, follow, lose=["request"]) == ["power"]
    assert asked(place, lambda client: client.receipt(made.order_id)).startswith("/r/")


def test_a_biller_collects_asks_and_takes_back(place: Place) -> None:
    key, reference = a_biller(place), uuid4().hex
    meter_no = place.home.meter_no

    found = asked(place, lambda client: client.validate(meter_no), key=key)
    paid = asked(
        place,
        lambda client: client.pay(meter_no, amount_minor=2_500, currency="CNY", reference=reference),
        key=key,
        lose=["answer"],
    )
    known = asked(place, lambda client: client.payment(reference), key=key)
    back = asked(place, lambda client: client.reverse(reference, why="typed twice"), key=key)
    day = asked(place, lambda client: client.day(place.clock.now.date()), key=key)

    assert found.currency == "CNY"
    assert (paid.state, paid.amount_minor) == ("paid", 2_500)
    assert known == paid
    assert back.state == "reversed"
    assert day.net_minor == day.paid_minor - day.reversed_minor
    assert asked(place, lambda client: client.payment("never"), key=key) is None


def test_what_compuerta_tells_is_believed() -> None:
    body = a_telling()
    headers = {"Compuerta-Signature": signature.header_of(body, key=b"new", before=b"old", now=NOON)}

    for secret in ("new", "old"):
        told = told_by(body, headers, secret=secret, now=NOON)
        assert told is not None
        assert (told.event, told.at) == ("order.paid", NOON)


@pytest.mark.parametrize(
    ("change", "secret", "after"),
    [
        (b" ", "new", timedelta(0)),
        (b"", "other", timedelta(0)),
        (b"", "new", timedelta(minutes=6)),
        (b"", "new", timedelta(minutes=-6)),
    ],
)
def test_what_others_tell_or_repeat_is_not_believed(change: bytes, secret: str, after: timedelta) -> None:
    body = a_telling()
    headers = {"compuerta-signature": signature.header_of(body, key=b"new", now=NOON)}

    assert told_by(body + change, headers, secret=secret, now=NOON + after) is None
    assert told_by(body, {}, secret=secret, now=NOON) is None


def a_telling() -> bytes:
    told = {
        "id": "1", "event": "order.paid", "at": "2026-11-22T12:00:00Z", "account_id": 1, "order_id": None,
        "attempt_id": None, "recharge_id": None, "reference": "", "amount_minor": 1, "currency": "CNY",
        "added_later": True,
    }  # fmt: skip
    return json.dumps(told).encode()
