"""Following orders by Server-Sent Events: each event is the whole order, and nobody follows for ever."""

import asyncio
import json
import queue
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from tests.contract.door import PATIENCE_S, Place, at_once, bearer
from tests.contract.partnership import again, cancel, change, order

from compuerta.apps.api import following

pytestmark = [pytest.mark.postgres, pytest.mark.slow]


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look every hundredth of a second, so that no test waits for a second to pass."""
    monkeypatch.setattr(following, "ROUND_S", 0.01)


class Stream:
    """An open stream: events as they come; None where it has ended."""

    def __init__(self) -> None:
        self.status = 0
        self.pieces: queue.Queue[str | None] = queue.Queue()

    async def send(self, message: dict[str, Any]) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
        else:
            for piece in message.get("body", b"").decode().split("\n\n"):
                if piece:
                    self.pieces.put(piece)
            if not message.get("more_body", False):
                self.pieces.put(None)

    def piece(self) -> str | None:
        return self.pieces.get(timeout=PATIENCE_S)

    def event(self) -> dict[str, str] | None:
        """Return the next event by its fields, past what only keeps the stream open."""
        while (piece := self.piece()) is not None:
            if piece.startswith("id: "):
                return dict(line.split(": ", maxsplit=1) for line in piece.split("\n"))
        return None


@contextmanager
def followed(place: Place, order_id: str, *, seen: str = "", key: str | None = None) -> Iterator[Stream]:
    """Open a stream as a server does, and hang up at the end."""
    stream, gone = Stream(), asyncio.Event()
    headers = {**bearer(key or place.key), "last-event-id": seen}
    scope = {
        "type": "http", "asgi": {"version": "3.0", "spec_version": "2.3"}, "http_version": "1.1",
        "method": "GET", "scheme": "http", "path": f"/api/v1/orders/{order_id}/events", "query_string": b"",
        "raw_path": b"", "root_path": "", "client": ("10.0.0.7", 1), "server": ("door", 80),
        "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
    }  # fmt: skip
    asked = iter([{"type": "http.request", "body": b"", "more_body": False}])

    async def receive() -> dict[str, Any]:
        for message in asked:
            return message
        await gone.wait()
        return {"type": "http.disconnect"}

    loop = place.client.loop
    serving = asyncio.run_coroutine_threadsafe(
        place.client.app(scope, receive, stream.send),  # type: ignore[arg-type]
        loop,
    )
    try:
        yield stream
    finally:
        loop.call_soon_threadsafe(gone.set)
        serving.result(PATIENCE_S)


def test_an_order_is_followed_to_the_light(place: Place) -> None:
    made = order(place).json()
    with followed(place, made["order_id"]) as stream:
        presented = stream.event()
        pay(place, made)
        paid = stream.event()
        arrive(place, made["order_id"], "credited")
        credited = stream.event()
        arrive(place, made["order_id"], "closed")
        power = stream.event()
        end = stream.piece()

    told = [each and each["event"] for each in (presented, paid, credited, power)]
    assert told == ["presented", "paid", "credited", "power"]
    assert end is None
    assert power is not None
    assert json.loads(power["data"])["power_at"] is not None


def test_who_comes_again_hears_only_what_they_have_not(place: Place) -> None:
    made = order(place).json()
    with followed(place, made["order_id"]) as stream:
        first = stream.event()
    assert first is not None

    with followed(place, made["order_id"], seen=first["id"]) as stream:
        again(place, made["order_id"])
        second = stream.event()

    assert second is not None
    assert len(json.loads(second["data"])["attempts"]) == 2


def test_an_order_that_has_come_to_its_end_is_followed_no_longer(place: Place) -> None:
    made = order(place).json()
    pay(place, made)
    arrive(place, made["order_id"], "credited")
    arrive(place, made["order_id"], "closed")
    with followed(place, made["order_id"]) as stream:
        last, end = stream.event(), stream.piece()
    assert last is not None

    with followed(place, made["order_id"], seen=last["id"]) as stream:
        assert stream.piece() is None

    assert end is None
    assert stream.status == 204


def test_a_silent_stream_is_kept_open(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(following, "KEEP_ALIVE_S", 0.01)
    made = order(place).json()

    with followed(place, made["order_id"]) as stream:
        pieces = [stream.piece() for _ in range(3)]

    assert ": still here" in pieces


def test_nobody_follows_for_ever(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(following, "KEEP_ALIVE_S", 0.01)
    monkeypatch.setattr(following, "LIFE_S_MAX", 0.02)
    made = order(place).json()

    with followed(place, made["order_id"]) as stream:
        while stream.piece() is not None:
            pass

    assert stream.status == 200


def test_too_many_followers_are_told_to_ask_instead(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(following, "FOLLOWERS_MAX", 1)
    made = order(place).json()

    with followed(place, made["order_id"]) as stream:
        stream.event()
        answer = place.ask(f"/orders/{made['order_id']}/events")

    assert answer.status_code == 503
    assert answer.headers["retry-after"] == "5"


def test_many_followers_of_many_orders_are_one_query(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    made = [order(place).json() for _ in range(3)]
    looked: list[int] = []
    look = following.orders_now

    def counted(store: Any, *, order_ids: Any) -> Any:
        looked.append(len(order_ids))
        return look(store, order_ids=order_ids)

    monkeypatch.setattr(following, "orders_now", counted)
    with (
        followed(place, made[0]["order_id"]) as one,
        followed(place, made[1]["order_id"]) as two,
        followed(place, made[2]["order_id"]) as three,
        followed(place, made[2]["order_id"]) as four,
    ):
        for stream in (one, two, three, four):
            stream.event()
        cancel(place, made[2]["attempts"][0]["attempt_id"])
        told = [stream.event() for stream in (three, four)]

    assert [each and each["event"] for each in told] == ["failed", "failed"]
    assert max(looked) == 3


def test_followers_leave_nothing_behind(place: Place) -> None:
    made = order(place).json()

    def follow() -> str:
        with followed(place, made["order_id"]) as stream:
            event = stream.event()
        assert event is not None
        return event["event"]

    assert at_once(5, follow) == ["presented"] * 5
    with followed(place, made["order_id"]) as stream:
        assert stream.event() is not None


def pay(place: Place, made: dict[str, Any]) -> None:
    """Let the payer pay, and the provider be asked."""
    attempt_id = made["attempts"][0]["attempt_id"]
    place.street.world.pay(attempt_id.replace("-", ""), now=place.clock.now)
    cancel(place, attempt_id)


def arrive(place: Place, order_id: str, instant: str) -> None:
    """Write an instant as the gateway would."""
    change(
        place,
        """insert into recharge_instant (account_id, recharge_id, instant, at)
        select r.account_id, r.recharge_id, %s, %s from attempt t
        join payment p on (p.account_id, p.provider, p.reference) = (t.account_id, t.provider, t.reference)
        join recharge r on r.account_id = p.account_id and r.payment_id = p.payment_id
        where t.order_id = %s on conflict do nothing""",
        instant,
        place.clock.now,
        order_id,
    )
