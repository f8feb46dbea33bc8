"""Devices behind an operator's platform: what it keeps, what is taken back, and who is let in."""

import asyncio
from collections.abc import Coroutine
from datetime import UTC, datetime

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.contract.coap_road import PATIENCE_S
from tests.contract.operator_road import DEVICE, SECRET, Operated, operated
from tests.contract.test_link import Ear

from compuerta.adapters.links.operator_http import OperatorUrlMalformed, account_at
from compuerta.adapters.links.operator_roads import COMMAND_S
from compuerta.adapters.links.roadhead import ASLEEP
from compuerta.services.link_port import Link
from compuerta.wire.northbound.door import BODY_BYTES_MAX, HttpDoor
from compuerta.wire.northbound.letters import (
    SEAL_HEADER,
    SEAL_S_MAX,
    Command,
    CommandState,
    LetterMalformed,
    Said,
    Standing,
    command_from,
    command_to,
    is_sealed,
    push_from,
    said_to,
    seal,
    standing_to,
)

FRAME = bytes.fromhex("68943521908855689106333435357B555E16")
HEARD = Said(device_id=DEVICE, request_id="r1", frame=FRAME, rsrp_dbm=-104, snr_db=3, cell="77")


def play(scene: Coroutine[None, None, None]) -> None:
    async def patiently() -> None:
        async with asyncio.timeout(PATIENCE_S):
            await scene

    asyncio.run(patiently())


async def an_open_road(scene: Operated) -> tuple[Link, Ear]:
    scene.say(b"")
    link, ear = await scene.link(), Ear()
    link.attach(ear)
    return link, ear


async def pushed(scene: Operated, body: bytes, *, secret: bytes = SECRET, age_s: int = 0) -> int:
    at_s = int(datetime.now(UTC).timestamp()) - age_s
    headers = {SEAL_HEADER: seal(body, at_s=at_s, secret=secret)}
    async with httpx.AsyncClient() as client:
        url = f"http://127.0.0.1:{scene.push_port}/push"
        return (await client.post(url, content=body, headers=headers)).status_code


def test_a_command_may_be_kept_no_longer_than_a_line_waits() -> None:
    async def scene() -> None:
        async with operated() as here:
            link, _ = await an_open_road(here)
            link.write(FRAME)
            await here.hear(len(FRAME))

            [kept] = here.platform.kept.values()
            assert kept.command == Command(device_id=DEVICE, frame=FRAME, expire_s=COMMAND_S)

    play(scene())


def test_a_new_frame_cancels_the_one_that_the_platform_still_keeps() -> None:
    async def scene() -> None:
        async with operated() as here:
            link, _ = await an_open_road(here)
            here.is_awake = False
            link.write(b"first")
            await here.until(lambda: here.states() == ["PENDING"])
            link.write(b"second")
            await here.until(lambda: here.states() == ["CANCELED", "PENDING"])
            here.is_awake = True
            here.say(b"")
            await here.hear(len(b"second"))

            assert here.told == b"second"

    play(scene())


def test_a_road_that_ends_takes_its_command_back() -> None:
    async def scene() -> None:
        async with operated() as here:
            link, _ = await an_open_road(here)
            here.is_awake = False
            link.write(FRAME)
            await here.until(lambda: here.states() == ["PENDING"])
            link.shut()
            await here.until(lambda: here.states() == ["CANCELED"])
            here.is_awake = True
            here.say(b"")
            await here.settle()

            assert here.told == b""

    play(scene())


def test_a_sleeper_is_gone_after_its_window_and_back_with_its_next_word() -> None:
    async def scene() -> None:
        async with operated(contact_s=60, window_s=0.0) as here:
            _, ear = await an_open_road(here)
            await asyncio.sleep(0)
            here.roads.sweep()
            _, ear_again = await an_open_road(here)

            assert ear.losses == [ASLEEP]
            assert ear_again.losses == []
            sign = here.keeper.signs[0]
            assert sign.next_contact_at is not None
            assert (sign.next_contact_at - sign.at).total_seconds() == 60

    play(scene())


def test_a_platform_that_is_away_loses_the_road() -> None:
    async def scene() -> None:
        async with operated() as here:
            link, ear = await an_open_road(here)
            await here.platform.shut()
            link.write(FRAME)
            await ear.until(lambda ear: bool(ear.losses))

            assert ear.losses == ["operator_away"]

    play(scene())


def test_a_push_that_comes_twice_is_taken_once() -> None:
    async def scene() -> None:
        async with operated() as here:
            _, ear = await an_open_road(here)
            statuses = [await pushed(here, said_to(HEARD)) for _ in range(2)]

            assert statuses == [200, 200]
            assert bytes(ear.received) == FRAME
            assert here.keeper.signs[-1].cell == "77"

    play(scene())


@pytest.mark.parametrize(
    ("secret", "age_s"), [(b"another", 0), (SECRET, SEAL_S_MAX + 60), (SECRET, -SEAL_S_MAX - 60)]
)
def test_a_push_without_a_fresh_seal_is_refused_and_counted(secret: bytes, age_s: int) -> None:
    async def scene() -> None:
        async with operated() as here:
            _, ear = await an_open_road(here)
            status = await pushed(here, said_to(HEARD), secret=secret, age_s=age_s)

            assert status == 401
            assert [each.why for each in here.refusals.strangers()] == ["push_forged"]
            assert bytes(ear.received) == b""

    play(scene())


def test_a_push_of_a_device_that_is_not_entered_is_counted() -> None:
    async def scene() -> None:
        async with operated() as here:
            status = await pushed(here, said_to(Said(device_id="dev-9", request_id="r", frame=b"")))
            broken = await pushed(here, b"{}")

            assert (status, broken) == (200, 400)
            assert [(each.registration, each.why) for each in here.refusals.strangers()] == [
                ("dev-9", "registration_unknown"),
                ("127.0.0.1", "push_malformed"),
            ]

    play(scene())


def test_letters_are_read_as_they_are_written() -> None:
    command = Command(device_id=DEVICE, frame=FRAME, expire_s=10)
    standing = Standing(device_id=DEVICE, command_id="c1", state=CommandState.EXPIRED)

    assert command_from(command_to(command)) == command
    assert push_from(standing_to(standing)) == standing
    assert push_from(said_to(HEARD)) == HEARD


@pytest.mark.parametrize(("said", "state"), [("SUCCESS", "SUCCESSFUL"), ("FAIL", "FAILED"), ("SENT", "SENT")])
def test_states_are_read_in_their_short_form_too(said: str, state: str) -> None:
    body = f'{{"deviceId":"d","commandId":"c","result":{{"resultCode":"{said}","resultDetail":null}}}}'

    push = push_from(body.encode())

    assert isinstance(push, Standing)
    assert push.state.value == state


@settings(max_examples=30)
@given(
    st.binary(max_size=60) | st.recursive(st.none() | st.text(max_size=5), st.lists).map(repr).map(str.encode)
)
def test_any_body_is_a_letter_or_refused(body: bytes) -> None:
    for read in (push_from, command_from):
        with pytest.raises(LetterMalformed):
            read(body)
    assert not is_sealed(body, body.decode("latin-1"), secret=SECRET, now_s=0)


@settings(max_examples=30)
@given(st.lists(st.binary(max_size=40), max_size=8))
def test_any_bytes_at_the_door_are_a_request_or_its_end(pieces: list[bytes]) -> None:
    door = HttpDoor(seal_header=SEAL_HEADER)
    for piece in pieces:
        if not door.is_over:
            assert door.receive(piece) is None


def test_a_body_without_end_ends_the_connection() -> None:
    door = HttpDoor(seal_header=SEAL_HEADER)
    length = 2 * BODY_BYTES_MAX
    door.receive(b"POST /push HTTP/1.1\r\nhost: a\r\ncontent-length: %d\r\n\r\n" % length)

    assert door.receive(bytes(BODY_BYTES_MAX + 1)) is None
    assert door.is_over


@pytest.mark.parametrize(
    "url", ["", "http://host", "ftp://a:b@host", "http://a:b@host:port", "http://a@host"]
)
def test_an_address_without_application_and_secret_is_refused(url: str) -> None:
    with pytest.raises(OperatorUrlMalformed):
        account_at(url)
