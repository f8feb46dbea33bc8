"""From a payment accepted to a relay seen closed, against bare round trips in the same run.

Signed notices go into a real door; a real gateway delivers to virtual meters on real sockets and
pseudo-terminals. What counts is posted -> closed by the rows of the database, and every meter's own record is
compared with the books. The floor is as many round trips as a recharge over 4G has exchanges, on loopback,
with nothing behind them, and the delays that the scene emulates on top. Meters are read only for their
recharges (polls every 900 s).

    python bench/power.py [--seconds 20]
"""

import argparse
import asyncio
import json
import os
import socket
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context

import _stand
import psycopg
from _stand import Stand, told

from compuerta.apps import town, wiring
from compuerta.apps.config import settings
from compuerta.apps.roadside import Roadside, fleet_config

CLIENTS = 16
STEP = 7
SETTLE_S_MAX = 60.0
DIAL_S_MAX = 60.0
EXCHANGES = 4  # identity, recharge, status with the balance, relay: DL/T 645-2007, standard layout
FRAME_BYTES = 40
FLOOR_RECHARGES = 1_000
DONE = """
select extract(epoch from closed_at - posted_at)::float8 * 1000, m.road
from recharge_timeline t join meter m using (meter_id)
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """One estate, and how fast its parties pay."""

    name: str
    meters_4g: int
    buses: int
    meters_per_bus: int
    one_way_ms: int
    answer_delay_ms: tuple[int, int]
    payments_per_s: int
    target_p99_ms: float


SCENES = (
    Scene(
        name="loopback, no delay", meters_4g=1_000, buses=0, meters_per_bus=0, one_way_ms=0,
        answer_delay_ms=(0, 0), payments_per_s=100, target_p99_ms=100,
    ),
    Scene(
        # On each line somebody pays every six seconds: more than ten tenants do, even on a Friday evening.
        name="4G 80 ms each way, RS485 9600 baud", meters_4g=40, buses=8, meters_per_bus=10, one_way_ms=80,
        answer_delay_ms=(20, 100), payments_per_s=2, target_p99_ms=2_000,
    ),
)  # fmt: skip


def main() -> None:
    """Print percentiles for each scene, and the floor's."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seconds", type=int, default=20)
    seconds = parser.parse_args().seconds
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as apart:
        for scene in SCENES:
            floor_ms = apart.submit(bare_round_trips).result()
            _play(scene, seconds=seconds, apart=apart, floor_ms=floor_ms)


def bare_round_trips() -> list[float]:
    """Time `EXCHANGES` round trips over loopback, many times; returns milliseconds."""

    async def run() -> list[float]:
        over = asyncio.Event()

        async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            while frame := await reader.read(FRAME_BYTES):
                writer.write(frame)
            writer.close()
            over.set()

        server = await asyncio.start_server(echo, "127.0.0.1", 0)
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        taken_ms = []
        for _ in range(FLOOR_RECHARGES):
            began_s = time.perf_counter()
            for _ in range(EXCHANGES):
                writer.write(bytes(FRAME_BYTES))
                await reader.readexactly(FRAME_BYTES)
            taken_ms.append((time.perf_counter() - began_s) * 1_000)
        writer.close()
        await over.wait()
        server.close()
        return taken_ms

    return asyncio.run(run())


def knock_at(port: int, requests: Sequence[bytes], per_s: int) -> int:
    """Send requests at a steady pace, whatever the answers take; returns how many were refused."""

    async def client(number: int, began_s: float) -> int:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        refused = 0
        for place in range(number, len(requests), clients):
            await asyncio.sleep(began_s + place / per_s - time.perf_counter())
            writer.write(requests[place])
            refused += not (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 204")
        writer.close()
        return refused

    # A connection that is silent for seconds is closed by the door: few clients where few pay.
    clients = min(CLIENTS, per_s)

    async def run() -> int:
        began_s = time.perf_counter() + 0.5
        return sum(await asyncio.gather(*(client(number, began_s) for number in range(clients))))

    return asyncio.run(run())


def _play(scene: Scene, *, seconds: int, apart: ProcessPoolExecutor, floor_ms: Sequence[float]) -> None:
    buses = [f"bus-{number}" for number in range(scene.buses)]
    on_bus = [bus for bus in buses for _ in range(scene.meters_per_bus)]
    places: list[str | None] = [*([None] * scene.meters_4g), *on_bus]
    homes = [_stand.a_home(place, bus=bus) for place, bus in enumerate(places)]
    with _stand.standing(homes, buses=buses) as stand:
        _start_meters(stand, scene, buses)
        _stand.open_door(stand)
        stand.crew.start_role("gateway")
        _wait(stand, "select count(*) from endpoint_state where alive", scene.meters_4g + scene.buses)
        requests = _notices(stand, count=scene.payments_per_s * seconds)
        refused = apart.submit(knock_at, stand.ports["door"], requests, scene.payments_per_s).result()
        assert not refused, f"{refused} genuine notices were refused"
        _wait(stand, "select count(*) from recharge_instant where instant = 'closed'", len(requests))
        with psycopg.connect(stand.url) as connection:
            rows = connection.execute(DONE).fetchall()
        _verify_meters(stand, recharges=len(requests))
    _report(scene, rows, floor_ms)


def _start_meters(stand: Stand, scene: Scene, buses: Sequence[str]) -> None:
    config = fleet_config(
        town.Town(organisation_id=1, homes=stand.homes),
        esam_key=settings({**stand.crew.environment}).secret("esam"),
        control=str(stand.directory / "meters.sock"),
        roadside=Roadside(
            road_port=stand.ports["road"], bus_paths={bus: str(stand.directory / bus) for bus in buses}
        ),
        factor=1,
    )
    config["dial_in"] = {
        "host": "127.0.0.1",
        "port": stand.ports["road"],
        "heartbeat_s": 30,
        "one_way_ms": scene.one_way_ms,
        "answer_delay_ms": list(scene.answer_delay_ms),
        "redial_s_max": 2.0,
    }
    file = stand.directory / "fleet.json"
    file.write_text(json.dumps(config), encoding="utf-8")
    stand.crew.start("meters", sys.executable, "-m", "compuerta.virtual.fleet", "--config", str(file))


def _notices(stand: Stand, *, count: int) -> list[bytes]:
    # Prime steps through the estate: neighbours on one line do not pay one after the other.
    homes = stand.homes
    account_ids = [homes[place * STEP % len(homes)].account_id for place in range(count)]
    references = _stand.place_orders(stand.url, prefix="P", account_ids=account_ids)
    keys = stand.keys.provider()
    return [
        _stand.on_the_wire(_stand.signed_notice(keys, reference, now=wiring.now(), chance=os.urandom(16)))
        for reference in references
    ]


def _wait(stand: Stand, count: str, wanted: int) -> None:
    deadline_s = time.monotonic() + max(SETTLE_S_MAX, DIAL_S_MAX)
    there = 0
    with psycopg.connect(stand.url, autocommit=True) as connection:
        while time.monotonic() < deadline_s:
            for name in stand.crew.members:
                stand.crew.require(name)
            row = connection.execute(count).fetchone()
            there = row[0] if row else 0
            if there == wanted:
                return
            time.sleep(0.2)
    raise TimeoutError(f"{there} of {wanted}: {count}")


def _verify_meters(stand: Stand, *, recharges: int) -> None:
    with socket.socket(socket.AF_UNIX) as wire:
        wire.connect(str(stand.directory / "meters.sock"))
        wire.sendall(json.dumps({"order": "dump"}).encode() + b"\n")
        with wire.makefile("rb") as answers:
            meters = json.loads(answers.readline())["meters"]
    credited = [one for meter in meters for one in meter["credited"]]
    assert len(credited) == recharges, f"the meters took {len(credited)} recharges of {recharges}"
    assert sum(one["amount_minor"] for one in credited) == recharges * _stand.AMOUNT_MINOR
    assert all(meter["relay"] == "closed" for meter in meters if meter["credited"])


def _report(scene: Scene, rows: Sequence[tuple[float, str]], floor_ms: Sequence[float]) -> None:
    told(f"{scene.name}: {len(rows)} recharges at {scene.payments_per_s}/s, all in the meters once")
    for road in sorted({road for _, road in rows}):
        taken_ms = [each for each, on in rows if on == road]
        p50, p95, p99 = (_stand.percentile(taken_ms, rank) for rank in (50, 95, 99))
        told(
            f"  {road:6} posted -> closed p50 / p95 / p99  {p50:.0f} / {p95:.0f} / {p99:.0f} ms"
            f"   target p99 {scene.target_p99_ms:.0f} ms"
        )
    delay_ms = EXCHANGES * (2 * scene.one_way_ms + sum(scene.answer_delay_ms) / 2)
    floor = _stand.percentile(floor_ms, 50) + delay_ms
    ours = _stand.percentile([each for each, on in rows if on == "4g"], 50)
    told(
        f"  4g     floor of {EXCHANGES} round trips p50  {floor:.2f} ms; ratio of medians {ours / floor:.2f}"
    )


if __name__ == "__main__":
    main()
