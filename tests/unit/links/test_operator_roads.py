"""Devices behind an operator's platform: what it keeps, what is taken back, and who is let in."""

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass, field
from datetime import UTC, datetime

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.contract.coap_road import PATIENCE_S, Keeper
from tests.contract.operator_road import DEVICE, SECRET, Operated, a_device_end, operated
from tests.contract.test_link import Ear

from compuerta.adapters.links import operator_roads
from compuerta.adapters.links.operator_http import OperatorUrlMalformed, account_at
from compuerta.adapters.links.operator_roads import AGAIN_S, COMMAND_S, OperatorAway, OperatorRoads
from compuerta.adapters.links.roadhead import ASLEEP, Refusals
from compuerta.services.link_port import Link
from compuerta.wire.northbound.door import BODY_BYTES_MAX, HttpDoor
from compuerta.wire.northbound.letters import (
    FRAME_BYTES_MAX,
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


@dataclass
class Bench:
    """Roads on a virtual clock, and a platform that takes commands at once, or not at all."""

    now_s: float = 1_000.0
    is_away: bool = False
    sent: list[bytes] = field(default_factory=list)
    cancelled: list[str] = field(default_factory=list)
    keeper: Keeper = field(default_factory=Keeper)

    async def send(self, command: Command) -> Standing:
        if self.is_away:
            raise OperatorAway("away")
        self.sent.append(command.frame)
        return self.standing(f"c{len(self.sent)}", CommandState.PENDING)

    async def cancel(self, standing: Standing) -> None:
        self.cancelled.append(standing.command_id)

    def standing(self, command_id: str, state: CommandState) -> Standing:
        return Standing(device_id=DEVICE, command_id=command_id, state=state)

    def roads(self, *, contact_s: int | None = 60) -> OperatorRoads:
        roads = OperatorRoads(self.keeper, Refusals(), self, window_s=10.0)
        roads._clock = lambda: self.now_s
        roads.learn({DEVICE: a_device_end(contact_s=contact_s)})
        return roads

    def awake(self, roads: OperatorRoads, request_id: str = "here") -> tuple[Link, Ear]:
        roads.hear(Said(device_id=DEVICE, request_id=request_id, frame=b""))
        return self.opened()

    def opened(self) -> tuple[Link, Ear]:
        _, link = self.keeper.links.get_nowait()
        ear = Ear()
        link.attach(ear)
        return link, ear


async def settled() -> None:
    """Let what was begun come to its end: nothing of it waits for anybody."""
    for _ in range(8):
        await asyncio.sleep(0)


def test_a_road_that_ends_takes_back_what_the_platform_had_taken() -> None:
    async def scene() -> None:
        bench = Bench()
        link, _ = bench.awake(bench.roads())
        link.write(FRAME)
        await settled()

        link.shut()
        await settled()

        assert (bench.sent, bench.cancelled) == ([FRAME], ["c1"])

    play(scene())


def test_a_frame_that_was_not_sent_yet_dies_with_its_road() -> None:
    async def scene() -> None:
        bench = Bench()
        link, _ = bench.awake(bench.roads())

        link.write(FRAME)
        link.shut()
        await settled()

        assert bench.sent == []

    play(scene())


def test_frames_that_follow_each_other_leave_one_command_out() -> None:
    async def scene() -> None:
        bench = Bench()
        link, _ = bench.awake(bench.roads())
        for frame in (b"first", b"second", bytes(FRAME_BYTES_MAX + 1)):  # the last one fits no command
            link.write(frame)
        await settled()
        link.write(b"third")
        await settled()

        assert (bench.sent, bench.cancelled) == ([b"second", b"third"], ["c1"])

    play(scene())


@pytest.mark.parametrize(("contact_s", "losses"), [(60, [ASLEEP]), (None, [])])
def test_a_command_that_found_nobody_tells_that_a_sleeper_sleeps(
    contact_s: int | None, losses: list[str]
) -> None:
    async def scene() -> None:
        bench = Bench()
        roads = bench.roads(contact_s=contact_s)
        link, ear = bench.awake(roads)
        link.write(FRAME)
        await settled()

        roads.hear(bench.standing("of one that was given up", CommandState.EXPIRED))
        before = list(ear.losses)
        roads.hear(bench.standing("c1", CommandState.EXPIRED))
        await settled()

        assert before == []
        assert ear.losses == losses
        assert bench.cancelled == []  # it has ended by itself

    play(scene())


def test_a_platform_that_failed_is_tried_again_after_a_while_for_who_never_sleeps() -> None:
    async def scene() -> None:
        bench = Bench(is_away=True)
        roads = bench.roads(contact_s=None)
        roads.sweep()
        link, ear = bench.opened()
        link.write(FRAME)
        await settled()

        bench.now_s += AGAIN_S - 1
        roads.sweep()
        assert ear.losses == ["operator_away"]
        assert bench.keeper.links.empty()

        bench.now_s += 1
        roads.sweep()
        assert not bench.keeper.links.empty()

    play(scene())


def test_a_device_that_is_no_longer_entered_loses_its_road() -> None:
    async def scene() -> None:
        bench = Bench()
        roads = bench.roads()
        _, ear = bench.awake(roads)

        roads.learn({})

        assert ear.losses == ["not_entered"]

    play(scene())


def test_pushes_are_remembered_within_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(operator_roads, "REMEMBERED_MAX", 2)

    async def scene() -> None:
        bench = Bench()
        roads = bench.roads()
        _, ear = bench.awake(roads)
        for request_id in ("r1", "r2", "r2", "r3", "r1"):
            roads.hear(Said(device_id=DEVICE, request_id=request_id, frame=request_id.encode()))

        assert bytes(ear.received) == b"r1r2r3r1"

    play(scene())


@pytest.mark.parametrize(
    "said",
    ["", "t=,v=", "t=0", "t=0,v=", "t=-1,v=00", "t=²,v=00", "t=" + "9" * 13, "t=" + "9" * 5_000 + ",v=00"],
)
def test_what_is_no_seal_proves_nothing(said: str) -> None:
    assert not is_sealed(b"body", said, secret=SECRET, now_s=0)


def test_a_seal_is_good_for_its_body_and_its_time() -> None:
    said = seal(b"body", at_s=1_000, secret=SECRET)

    for now_s in (1_000 - SEAL_S_MAX, 1_000 + SEAL_S_MAX):
        assert is_sealed(b"body", said, secret=SECRET, now_s=now_s)
        assert not is_sealed(b"another", said, secret=SECRET, now_s=now_s)
    for now_s in (1_000 - SEAL_S_MAX - 1, 1_000 + SEAL_S_MAX + 1):
        assert not is_sealed(b"body", said, secret=SECRET, now_s=now_s)
    assert not is_sealed(b"body", said.replace("t=1000", "t=1001"), secret=SECRET, now_s=1_000)


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
