"""A role that is broken ends, loudly, so that the crew starts it again: it never hangs in silence."""

import asyncio
import signal
from collections.abc import Callable, Iterator
from typing import cast

import pytest

from compuerta.adapters.payments.http import Steps
from compuerta.adapters.postgres.store import PostgresStore
from compuerta.apps import cli
from compuerta.apps.desk import Desk
from compuerta.apps.door import machines_door
from compuerta.domain.errors import Broken
from compuerta.services.payment_ports import Presentation


class WheelLost(Broken):
    """What breaks in these tests."""


class BrokenDesk:
    """A desk whose every use case is a bug."""

    async def run(self, work: Callable[[PostgresStore], object]) -> object:
        raise WheelLost("a wheel")

    async def shut(self) -> None:
        pass


def fail_with(error: Exception) -> None:
    raise error


@pytest.fixture
def ended() -> Iterator[asyncio.Event]:
    """Set when this process is asked to end."""
    event = asyncio.Event()
    former = signal.signal(signal.SIGTERM, lambda *_: event.set())
    yield event
    signal.signal(signal.SIGTERM, former)


def test_a_callback_that_fails_ends_its_role_with_its_error() -> None:
    async def role() -> None:
        asyncio.get_running_loop().call_soon(fail_with, WheelLost("a wheel"))
        await asyncio.Event().wait()

    with pytest.raises(WheelLost):
        cli._run_until_ended(role())


def test_a_want_of_the_system_ends_no_role() -> None:
    steps = []

    async def role() -> None:
        asyncio.get_running_loop().call_soon(fail_with, OSError("too many open files"))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        steps.append("still here")

    cli._run_until_ended(role())

    assert steps == ["still here"]


def test_a_door_that_can_beat_no_more_ends(ended: asyncio.Event) -> None:
    async def nobody() -> None:
        pass

    async def silence(name: str, steps: Steps[Presentation]) -> Presentation:
        raise AssertionError("a door that only beats asks no provider")

    async def scene() -> None:
        app = machines_door(cast(Desk, BrokenDesk()), {}, talk=silence, hang_up=nobody)
        async with app.router.lifespan_context(app), asyncio.timeout(1):
            await ended.wait()

    asyncio.run(scene())

    assert ended.is_set()
