"""The console works on few requests at once; who waits too long, or sends too much, is told so."""

import asyncio
from collections.abc import Sequence

import pytest
from starlette.types import Message, Receive, Scope, Send

from compuerta.apps.console.turns import BODY_BYTES_MAX, PHOTOS_AT_ONCE_MAX, Turns
from compuerta.services.alarming import PHOTO_BYTES_MAX

STEPS = 20  # of the event loop, until everybody who can go on has gone on
CALL = {"type": "http", "method": "POST", "path": "/"}
WHOLE: Message = {"type": "http.request", "body": b"", "more_body": False}


class Screen:
    """A screen that is shown as soon as a test lets it be."""

    def __init__(self, *, is_ready: bool = True) -> None:
        self.ready = asyncio.Event()
        if is_ready:
            self.ready.set()
        self.inside = 0
        self.inside_most = 0
        self.bodies: list[bytes] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.inside += 1
        self.inside_most = max(self.inside, self.inside_most)
        self.bodies.append((await receive())["body"])
        await self.ready.wait()
        self.inside -= 1
        await send({"type": "http.response.start", "status": 200})


async def called(
    turns: Turns, messages: Sequence[Message] = (WHOLE,), *, path: str = "/", query: bytes = b""
) -> int:
    """Call once and return the status of the answer; a caller that has no more to say stays silent."""
    statuses: list[int] = []
    waiting = list(messages)

    async def receive() -> Message:
        if not waiting:
            await asyncio.Event().wait()
        return waiting.pop(0)

    async def send(message: Message) -> None:
        if "status" in message:
            statuses.append(message["status"])

    await turns({**CALL, "path": path, "query_string": query}, receive, send)
    return statuses[0]


async def settled() -> None:
    """Let everybody go on as far as they can."""
    for _ in range(STEPS):
        await asyncio.sleep(0)


def test_no_more_than_so_many_are_worked_on_at_once() -> None:
    async def story() -> tuple[list[int], int]:
        screen = Screen(is_ready=False)
        turns = Turns(screen, at_once=2)
        calls = [asyncio.create_task(called(turns)) for _ in range(5)]
        await settled()
        screen.ready.set()
        return await asyncio.gather(*calls), screen.inside_most

    assert asyncio.run(story()) == ([200] * 5, 2)


def test_who_waits_too_long_for_a_turn_is_told_to_come_back() -> None:
    async def story() -> int:
        screen = Screen(is_ready=False)
        turns = Turns(screen, at_once=1, turn_s=0)
        first = asyncio.create_task(called(turns))
        await settled()
        refused = await called(turns)
        screen.ready.set()
        assert await first == 200
        return refused

    assert asyncio.run(story()) == 503


def test_who_sends_slowly_takes_no_turn_from_others() -> None:
    async def story() -> int:
        turns = Turns(Screen(), at_once=1)
        slow = asyncio.create_task(called(turns, [{**WHOLE, "more_body": True}]))
        await settled()
        answered = await called(turns)
        slow.cancel()
        return answered

    assert asyncio.run(story()) == 200


def test_a_body_arrives_whole_however_it_was_cut() -> None:
    screen = Screen()
    parts: list[Message] = [{**WHOLE, "body": b"amount=", "more_body": True}, {**WHOLE, "body": b"50"}]

    status = asyncio.run(called(Turns(screen), parts))

    assert (status, screen.bodies) == (200, [b"amount=50"])


@pytest.mark.parametrize("more_comes", [True, False])
def test_a_body_that_is_too_large_is_refused(more_comes: bool) -> None:
    screen = Screen()
    too_large: Message = {**WHOLE, "body": bytes(BODY_BYTES_MAX + 1), "more_body": more_comes}

    assert asyncio.run(called(Turns(screen), [too_large])) == 413
    assert screen.bodies == []


PHOTOS = "/alarms/00000000-0000-4000-8000-000000000000/photos"


@pytest.mark.parametrize(
    ("path", "bytes_sent", "status"),
    [
        (PHOTOS, PHOTO_BYTES_MAX, 200),
        (PHOTOS, PHOTO_BYTES_MAX + BODY_BYTES_MAX + 1, 413),
        (f"{PHOTOS}/", BODY_BYTES_MAX + 1, 413),
    ],
)
def test_a_photo_may_be_as_large_as_phones_take_it_and_nothing_else(
    path: str, bytes_sent: int, status: int
) -> None:
    photo: Message = {**WHOLE, "body": bytes(bytes_sent)}

    assert asyncio.run(called(Turns(Screen()), [photo], path=path)) == status


def test_no_more_than_so_many_photos_are_read_at_once() -> None:
    async def story() -> tuple[bool, int]:
        turns, unfinished = Turns(Screen()), {**WHOLE, "more_body": True}
        slow = [
            asyncio.create_task(called(turns, [unfinished], path=PHOTOS)) for _ in range(PHOTOS_AT_ONCE_MAX)
        ]
        await settled()
        late = asyncio.create_task(called(turns, path=PHOTOS))
        await settled()
        waited = not late.done()
        for each in slow:
            each.cancel()
        return waited, await late

    assert asyncio.run(story()) == (True, 200)


@pytest.mark.parametrize(
    ("path", "query", "body", "status"),
    [
        ("/meters/", b"words=%00", b"", 400),
        ("/words/\0/en/", b"", b"", 400),
        ("/people/new", b"", b"name=a%00b", 400),
        ("/people/new", b"words=%2500", b"name=a%2500b", 200),
        (PHOTOS, b"", b"\x89PNG %00 \0", 200),
    ],
)
def test_no_screen_is_sent_a_nul(path: str, query: bytes, body: bytes, status: int) -> None:
    screen = Screen()

    sent = called(Turns(screen), [{**WHOLE, "body": body}], path=path, query=query)

    assert asyncio.run(sent) == status
    assert screen.bodies == ([body] if status == 200 else [])
