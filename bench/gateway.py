"""Ten thousand meters on one gateway process: 50 recharges a second beside the readings of a quarter hour.

Every meter is a virtual one on a connection of its own, in another process, over loopback and without any
delay: what a recharge takes, from its posting to the evidence in the rows, is the software's share alone.
The meters dial in at a steady pace, and are read; the last of them do so while the recharges run, at the pace
at which ten thousand are read each in a quarter of an hour.
The floor, at the same pace and in the same run, with everything else still alive: one commit, as many round
trips over loopback as a recharge has, one commit; nothing is looked up, decided or decoded.

    python bench/gateway.py [--meters 10000] [--seconds 20] [--per-second 50]
"""

import argparse
import asyncio
import contextlib
import os
import statistics
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from multiprocessing import get_context
from pathlib import Path
from typing import Final

import _stand
import psycopg
from _stand import Stand, told

from compuerta.adapters.postgres.store import PostgresStore
from compuerta.apps import wiring
from compuerta.domain.payment import PaymentNotice
from compuerta.services import vend
from compuerta.virtual.fleet.config import roads_from
from compuerta.virtual.fleet.world import World

TARGET_MS: Final = 200.0
QUARTER_S: Final = 900
DIALED_PER_S: Final = 150  # at first: what one process of meters and one gateway can do beside each other
ROUND_TRIPS: Final = 8  # of a recharge: status, identity, recharge, relay and read-backs
BATCH_S: Final = 0.02
GIVE_UP_S: Final = 900.0
READ = "select count(*) from meter_state where read_at is not null"
DONE = """
select extract(epoch from i.ended_at - i.created_at)::float8 * 1000, extract(epoch from i.created_at)::float8
from instruction i where i.kind = 'recharge' and i.state = 'done'
"""
LEFT = "select count(*) from instruction where kind = 'recharge' and ended_at is null"


def main() -> None:
    """Print what a meter costs in memory, and what a recharge waits for software."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--meters", type=int, default=10_000)
    parser.add_argument("--seconds", type=int, default=20)
    parser.add_argument("--per-second", type=int, default=50)
    given = parser.parse_args()
    late = min(given.meters * given.seconds // QUARTER_S, given.meters // 2)
    told(f"{given.meters:,} meters on one gateway, load {os.getloadavg()[0]:.1f}")
    with _stand.standing([_stand.a_home(place) for place in range(given.meters)]) as stand:
        # As a database that has stood for a while: what was built in one go has no statistics yet.
        with psycopg.connect(stand.url, autocommit=True) as connection:
            connection.execute("vacuum analyze")
        gateway = stand.crew.start_role("gateway").process
        assert gateway is not None
        bare_kb = settled_kb(gateway.pid)
        fleet = get_context("spawn").Process(
            target=be_meters,
            args=(plan(stand, given.meters), given.meters - late, given.seconds),
            daemon=True,
        )
        fleet.start()
        try:
            began_s = time.monotonic()
            until(stand.url, READ, lambda count: count >= given.meters - late)
            took_s = time.monotonic() - began_s
            told(f"  dialed in and read: {given.meters - late:,} in {took_s:.0f} s")
            measure(stand, given.per_second, given.seconds)
            busy_kb = rss_kb(gateway.pid)
        finally:
            fleet.kill()
            fleet.join()
    each_kb = (busy_kb - bare_kb) / given.meters
    told(f"  memory: {bare_kb / 1024:.0f} MB before the first meter dialed, {busy_kb / 1024:.0f} MB now:")
    told(f"    {each_kb:.1f} kB for each meter that is connected and read")


def measure(stand: Stand, per_second: int, seconds: int) -> None:
    """Let people pay at a steady pace; then the same pace on the floor."""
    account_ids = [home.account_id for home in stand.homes[: per_second * seconds]]
    references = _stand.place_orders(stand.url, prefix="gateway", account_ids=account_ids)
    from_s = time.time()
    pay(stand.url, references, per_second=per_second)
    until(stand.url, LEFT, lambda count: count == 0)
    with psycopg.connect(stand.url) as connection:
        found = connection.execute(DONE).fetchall()
    ours_ms = sorted(float(row[0]) for row in found if float(row[1]) >= from_s)
    floor_ms = sorted(asyncio.run(at_the_floor(stand.url, per_second=per_second, count=len(references) // 4)))
    ours_99, floor_99 = _stand.percentile(ours_ms, 99), _stand.percentile(floor_ms, 99)
    told(f"  {len(ours_ms):,} recharges at {per_second}/s, posted to done in the rows:")
    ours_50, floor_50 = statistics.median(ours_ms), statistics.median(floor_ms)
    told(f"    ours  p50 {ours_50:6.1f} ms, p99 {ours_99:6.1f} ms, target {TARGET_MS:.0f} ms")
    told(f"    floor p50 {floor_50:6.1f} ms, p99 {floor_99:6.1f} ms")
    told(f"    ratio of p99: {ours_99 / floor_99:.1f}")


def pay(url: str, references: Sequence[str], *, per_second: int) -> None:
    """Say payments at a steady pace, as a door does: those that are due together in one transaction."""
    store = PostgresStore(url)
    began_s, done = time.monotonic(), 0
    while done < len(references):
        due = min(int((time.monotonic() - began_s) * per_second) + 1, len(references))
        if due > done:
            notices = [word(reference) for reference in references[done:due]]
            outcomes = vend.accept_payments(store, notices, now=wiring.now())
            assert set(outcomes) == {vend.Outcome.CREDITED}, set(outcomes)
            done = due
        time.sleep(BATCH_S)
    store.shut()


def word(reference: str) -> PaymentNotice:
    """Return the provider's word that an order was paid."""
    return PaymentNotice(
        provider="wechat",
        transaction_no=f"42{reference}",
        reference=reference,
        amount_minor=_stand.AMOUNT_MINOR,
        currency="CNY",
        paid_at=wiring.now(),
    )


async def at_the_floor(url: str, *, per_second: int, count: int) -> list[float]:
    """Return the milliseconds of the least that could be done, at the same pace."""
    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    connection = await psycopg.AsyncConnection.connect(url, autocommit=True)
    await connection.execute("create unlogged table floor_bench (no integer)")
    await connection.execute("alter table floor_bench set logged")
    lock = asyncio.Lock()

    async def one(number: int) -> float:
        began_s = time.perf_counter()
        async with lock:
            await connection.execute("insert into floor_bench values (%s)", [number])
        reader, writer = roads[number % len(roads)]
        for _ in range(ROUND_TRIPS):
            writer.write(bytes(24))
            await reader.readexactly(24)
        async with lock:
            await connection.execute("insert into floor_bench values (%s)", [number])
        return (time.perf_counter() - began_s) * 1_000

    roads = [await asyncio.open_connection("127.0.0.1", port) for _ in range(per_second)]
    tasks = []
    for number in range(count):
        tasks.append(asyncio.create_task(one(number)))
        await asyncio.sleep(1 / per_second)
    taken_ms = await asyncio.gather(*tasks)
    for _, writer in roads:
        writer.close()
        await writer.wait_closed()
    server.close()
    await server.wait_closed()
    await connection.close()
    return list(taken_ms)


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Say what was heard."""
    with contextlib.suppress(asyncio.CancelledError, ConnectionError):
        while octets := await reader.read(64):
            writer.write(octets)
    writer.close()


def plan(stand: Stand, count: int) -> dict[str, object]:
    """Return the fleet's file: every meter with a modem of its own, and no delay anywhere."""
    key = (stand.directory / "esam.key").read_text(encoding="ascii")
    return {
        "soft_esam_key": key,
        "utc_offset_min": 480,
        "dial_in": {
            "host": "127.0.0.1",
            "port": stand.ports["road"],
            "heartbeat_s": 60,
            "one_way_ms": 0,
            "answer_delay_ms": [0, 0],
        },
        "meters": [
            {"meter_no": home.meter_no, "customer_no": home.meter_no, "endpoint_id": home.endpoint_id}
            for home in stand.homes[:count]
        ],
    }


def be_meters(config: dict[str, object], early: int, seconds: int) -> None:
    """Be all the meters: most dial in as fast as they are read, the last ones over the measured seconds."""
    world = World(started_at=datetime.now(UTC))
    roads = list(roads_from(config, world=world).values())  # type: ignore[arg-type]

    async def live() -> None:
        for road in roads[:early]:
            road.start()
            await asyncio.sleep(1 / DIALED_PER_S)
        for road in roads[early:]:
            await asyncio.sleep(seconds / max(len(roads) - early, 1))
            road.start()
        await asyncio.Event().wait()

    asyncio.run(live())


def until(url: str, query: str, is_so: Callable[[int], bool]) -> None:
    """Wait until a count is so."""
    deadline_s = time.monotonic() + GIVE_UP_S
    with psycopg.connect(url, autocommit=True) as connection:
        while time.monotonic() < deadline_s:
            row = connection.execute(query.encode()).fetchone()
            if row is not None and is_so(int(row[0])):
                return
            time.sleep(0.5)
    raise TimeoutError(query)


def settled_kb(pid: int) -> int:
    """Return what a process holds in memory once it has begun."""
    before_kb = -1
    while (now_kb := rss_kb(pid)) != before_kb:
        before_kb = now_kb
        time.sleep(3)
    return now_kb


def rss_kb(pid: int) -> int:
    """Return what a process holds in memory."""
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    return int(status.partition("VmRSS:")[2].split()[0])


if __name__ == "__main__":
    main()
