"""An outpost's connection: who is let in, what is dropped, and what becomes of lines."""

import asyncio
from collections.abc import Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from tests.contract.outposts import (
    KEY,
    PATIENCE_S,
    POST,
    Host,
    Tenant,
    a_client,
    a_pair,
    a_server,
    an_identity,
    lent,
    turns_until,
)

from compuerta.adapters.links import outpost_server
from compuerta.adapters.links.outpost_stream import Stream
from compuerta.adapters.links.roadhead import STRANGERS_MAX, Refusals, Stranger
from compuerta.wire import outpost
from compuerta.wire.outpost import Frame, Kind

OTHER_KEY = bytes(32)
NONCE = bytes(range(32))


def play(scene: Callable[[], Any]) -> None:
    asyncio.run(scene())


async def refused(key: bytes = KEY, name: str = POST) -> list[Stranger]:
    host, tenant, away = Host(), Tenant(), list[str]()
    async with (
        a_server(host) as (server, port),
        a_client(an_identity(port, key=key, name=name), tenant, away),
    ):
        await turns_until(lambda: server.strangers())
        assert host.guests == []
        assert tenant.told == []
        return server.strangers()


def test_a_wrong_key_is_refused_and_told() -> None:
    strangers = asyncio.run(refused(key=OTHER_KEY))

    assert strangers == [Stranger(registration=POST, times=1, why="key_refused")]


def test_an_outpost_that_is_not_entered_is_refused_and_told() -> None:
    strangers = asyncio.run(refused(name="post-9"))

    assert strangers == [Stranger(registration="post-9", times=1)]


def test_a_proof_is_good_for_one_nonce_one_certificate_and_one_name() -> None:
    proof = outpost.proof_of(POST, key=KEY, nonce=NONCE, certificate=b"ours")

    assert outpost_server.is_proven(proof, key=KEY, nonce=NONCE, certificate=b"ours")
    assert not outpost_server.is_proven(proof, key=KEY, nonce=bytes(32), certificate=b"ours")
    assert not outpost_server.is_proven(proof, key=KEY, nonce=NONCE, certificate=b"theirs")
    assert not outpost_server.is_proven(proof, key=OTHER_KEY, nonce=NONCE, certificate=b"ours")
    other = outpost.Proof(outpost_id="post-2", code=proof.code)
    assert not outpost_server.is_proven(other, key=KEY, nonce=NONCE, certificate=b"ours")


def test_an_outpost_speaks_to_no_platform_but_the_one_it_pins() -> None:
    async def scene() -> None:
        host, tenant, away = Host(), Tenant(), list[str]()
        async with a_server(host) as (server, port):
            async with a_client(an_identity(port, pinned="somebody else"), tenant, away):
                await tenant.news.until(lambda: away)

            assert away == ["its certificate is not the one that is pinned"]
            assert host.guests == server.strangers() == []

    play(scene)


def test_the_last_connection_of_an_outpost_wins() -> None:
    async def scene() -> None:
        async with a_pair() as pair:
            link = await lent(pair)
            ear = Heard()
            link.attach(ear)
            port = pair.server._server.sockets[0].getsockname()[1]  # type: ignore[union-attr]
            async with a_client(an_identity(port), Tenant(), []):
                await pair.host.news.until(lambda: len(pair.host.guests) == 2)

                assert ear.losses == ["replaced"]

    play(scene)


@pytest.mark.slow
def test_a_key_that_was_taken_away_ends_the_connection_and_opens_none() -> None:
    async def scene() -> None:
        async with a_pair() as pair:
            pair.host.keys[POST] = OTHER_KEY
            pair.host.guests[0].send_off("key_revoked")
            await pair.tenant.news.until(lambda: pair.tenant.count("left_alone"))
            await turns_until(lambda: pair.server.strangers())

            assert len(pair.host.guests) == 1

    play(scene)


def test_what_was_said_too_long_ago_is_not_put_on_a_line() -> None:
    async def scene() -> None:
        async with a_pair() as pair:
            link = await lent(pair)
            await asyncio.sleep(0)  # the first tick is on its way
            old_ms = max(int(asyncio.get_running_loop().time() * 1_000) - outpost.FRESH_MS - 1, 0)
            stale = Frame(kind=Kind.SAY, line=1, payload=outpost.stamped(b"cut", tick_ms=old_ms))
            guest = pair.host.guests[0]
            guest._stream._transport.write(outpost.encode(stale))  # type: ignore[union-attr]
            link.write(b"read")
            await pair.tenant.news.until(lambda: pair.tenant.octets)

            assert pair.tenant.octets == b"read"
            assert pair.client.stale == 1

    play(scene)


@pytest.mark.parametrize(
    ("age_ms", "fresh"), [(0, True), (outpost.FRESH_MS, True), (outpost.FRESH_MS + 1, False), (-1, False)]
)
def test_freshness_is_told_by_the_outposts_own_clock(age_ms: int, fresh: bool) -> None:
    assert outpost.is_fresh(1_000_000 - age_ms, now_ms=1_000_000) is fresh


def test_a_line_that_is_not_wanted_goes_back() -> None:
    async def scene() -> None:
        async with a_pair() as pair:
            pair.client.send(Kind.OFFER, line=7)
            await pair.tenant.news.until(lambda: pair.tenant.count("returned"))

            assert ("returned", 7) in pair.tenant.told

    play(scene)


def test_a_line_that_the_platform_shuts_goes_back() -> None:
    async def scene() -> None:
        async with a_pair() as pair:
            link = await lent(pair)

            link.shut()
            await pair.tenant.news.until(lambda: pair.tenant.count("returned"))

            assert ("returned", 1) in pair.tenant.told

    play(scene)


def test_a_port_that_is_gone_is_lost_and_the_other_lines_are_not() -> None:
    async def scene() -> None:
        async with a_pair() as pair:
            ears = {1: Heard(), 2: Heard()}
            for line, ear in ears.items():
                (await lent(pair, line)).attach(ear)

            pair.client.send(Kind.WITHDRAW, line=1)
            pair.client.send(Kind.HEARD, line=2, payload=b"still here")
            await turns_until(lambda: ears[2].octets)

            assert ears[1].losses == ["device_gone"]
            assert ears[2].losses == []

    play(scene)


def test_records_and_their_acknowledgement_and_orders_travel() -> None:
    async def scene() -> None:
        async with a_pair() as pair:
            pair.client.send(Kind.RECORDS, payload=b"one hour")
            await pair.host.news.until(lambda: pair.host.records)
            guest = pair.host.guests[0]
            guest.keep(42)
            guest.order(b"x" * 300_000)
            await pair.tenant.news.until(lambda: pair.tenant.count("ordered"))

            assert pair.host.records == [b"one hour"]
            assert ("kept", 42) in pair.tenant.told
            assert ("ordered", b"x" * 300_000) in pair.tenant.told

    play(scene)


@asynccontextmanager
async def a_stranger(pair_host: Host):  # type: ignore[no-untyped-def]
    async with a_server(pair_host) as (server, port):
        ended: list[str] = []
        stream = Stream(
            begun=lambda _: None, heard=lambda *_: None, ended=lambda _, reason: ended.append(reason)
        )
        context = an_identity(port).context()
        await asyncio.get_running_loop().create_connection(
            lambda: stream, "127.0.0.1", port, ssl=context, server_hostname=""
        )
        yield server, stream, ended
        stream.end("over")


@pytest.mark.parametrize(
    "said",
    [
        outpost.encode(Frame(kind=Kind.RECORDS, payload=b"before a proof")),
        outpost.encode(Frame(kind=Kind.PROOF, payload=bytes(33) + "é".encode())),
        (10**6).to_bytes(4) + bytes(2),
        bytes(4) + b"\xff\x00",
        outpost.encode(Frame(kind=Kind.PROOF, payload=bytes(200))),
    ],
)
def test_nonsense_before_a_proof_ends_the_connection(said: bytes) -> None:
    async def scene() -> None:
        host = Host()
        async with a_stranger(host) as (_, stream, ended):
            stream._transport.write(said)
            await turns_until(lambda: ended)

            assert host.guests == []

    play(scene)


def test_who_proves_nothing_makes_room_and_takes_nobodys_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outpost_server, "UNPROVEN_MAX", 1)

    async def scene() -> None:
        async with a_pair() as pair, asyncio.timeout(PATIENCE_S):
            port = pair.server._server.sockets[0].getsockname()[1]  # type: ignore[union-attr]
            context = an_identity(port).context()
            silent = []
            for _ in range(2):
                reader, writer = await asyncio.open_connection(
                    "127.0.0.1", port, ssl=context, server_hostname=""
                )
                await reader.readexactly(1)  # it is asked who it is
                silent.append((reader, writer))
            await asyncio.gather(silent[0][0].read(), return_exceptions=True)  # until it is hung up on

            assert pair.host.departed == 0
            for _, writer in silent:
                writer.close()

    play(scene)


def test_no_more_outposts_are_let_in_than_there_is_room_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outpost_server, "OUTPOSTS_MAX", 1)

    async def scene() -> None:
        async with a_pair() as pair:
            pair.host.keys["post-2"] = KEY
            port = pair.server._server.sockets[0].getsockname()[1]  # type: ignore[union-attr]
            async with a_client(an_identity(port, name="post-2"), Tenant(), []):
                await turns_until(lambda: pair.server.strangers())

            assert [each.registration for each in pair.server.strangers()] == ["post-2"]
            assert len(pair.host.guests) == 1

    play(scene)


def test_who_is_refused_again_and_again_is_counted_within_bounds() -> None:
    noted = Refusals()

    for number in range(2 * STRANGERS_MAX):
        noted.note(f"post-{number}", why="key_refused")
    noted.note(f"post-{2 * STRANGERS_MAX - 1}", why="key_refused")

    strangers = noted.strangers()
    assert len(strangers) == STRANGERS_MAX
    assert strangers[-1].times == 2


class Heard:
    """A listener that keeps what it is told."""

    def __init__(self) -> None:
        self.octets = bytearray()
        self.losses: list[str] = []

    def heard(self, data: bytes) -> None:
        self.octets += data

    def lost(self, reason: str) -> None:
        self.losses.append(reason)
