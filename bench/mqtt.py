"""What devices push by MQTT, kept and then acknowledged, against a subscriber that keeps nothing.

A real mosquitto with TLS holds the same letters for three sessions: for our ingest, for a bare subscriber of
our own client, and for one of paho's, which acknowledge each letter at once and do nothing else. Each session
then takes all of its letters, one session after the other, in the same run; seconds count from its first.
Keeping alone, from registers to committed rows, is held against the same rows by COPY, made before, in as
many commits. What was kept becomes readings, charges and balances beside it; that is timed too.

    python bench/mqtt.py [--letters 30000]
"""

import argparse
import asyncio
import os
import shutil
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from getpass import getuser
from pathlib import Path

import _estate
import psycopg
from _stand import told
from paho.mqtt import client as paho
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from compuerta.adapters.links.mqtt_client import Broker, MqttClient, broker_at
from compuerta.adapters.postgres import pushed
from compuerta.adapters.postgres.store import PostgresStore
from compuerta.apps import broker_files, ingest
from compuerta.apps.config import settings
from compuerta.domain.party import Bearer, RoadKind
from compuerta.services.records import Endpoint
from compuerta.wire.mqtt.packets import Connect, Publish
from compuerta.wire.mqtt.session import Heard
from compuerta.wire.pm.letters import Encoding, PushedReading, Readings, encode, readings_from
from compuerta.wire.pm.topics import Direction, shared, topic

DEVICES = 100
IN_FLIGHT_MAX = 1_000
SECRET = bytes(32)
ORGANISATION = 1
RATIO_MIN, COPY_RATIO_MIN = 0.5, 0.6
KEEPING_ROUNDS = 5
COLUMNS = "meter_id, at, energy_wh, relay, power_w"
EVERYTHING = topic("+", "+", Direction.UP)
BARE, PAHO = "bare, our own client", "bare, paho"
ACKNOWLEDGED, CHARGED = "kept, then acknowledged", "until all are charged"
KEPT, COPIED = "kept, without a broker", "the same rows by COPY"


@dataclass
class Counting:
    """A listener that acknowledges each letter at once, and counts."""

    wanted: int
    client: MqttClient | None = None
    is_here: asyncio.Event = field(default_factory=asyncio.Event)
    is_done: asyncio.Event = field(default_factory=asyncio.Event)
    count: int = 0
    started_s: float = 0.0  # when the first letter came
    arrivals: int = 0
    awaited: int = 0
    has_arrived: asyncio.Event = field(default_factory=asyncio.Event)

    def connected(self) -> None:
        self.is_here.set()

    def heard(self, message: Heard) -> None:
        assert self.client is not None
        self.client.acknowledge([message.packet_id])
        self.started_s = self.started_s or time.perf_counter()
        self.count += 1
        if self.count == self.wanted:
            self.is_done.set()

    def arrived(self, packet_id: int, reason: int) -> None:
        self.arrivals += 1
        if self.arrivals >= self.awaited:
            self.has_arrived.set()

    async def caught_up(self) -> None:
        """Wait until as many letters have arrived as are awaited."""
        self.has_arrived.clear()
        if self.arrivals < self.awaited:
            await self.has_arrived.wait()

    def ended(self, reason: str) -> None:
        raise SystemExit(f"the broker is gone: {reason}")


def main() -> None:
    """Print the three sessions' letters per second, and the readings' floor."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--letters", type=int, default=30_000)
    letters = parser.parse_args().letters
    with _estate.standing(accounts=letters) as url, a_mosquitto() as address:
        broker = broker_at(address)
        enter_devices(url)
        bare = Connect(client_id="bare", session_expiry_s=3_600, clean_start=False, receive_max=20_000)
        theirs = replace(bare, client_id="paho")
        ours = replace(bare, client_id=f"ingest-{socket.gethostname()}-1")
        filters = {bare: EVERYTHING, theirs: EVERYTHING, ours: shared(ingest.GROUP, Direction.UP)}
        for opening, wanted in filters.items():
            asyncio.run(subscribe(broker, opening, wanted))
        asyncio.run(publish(broker, letters))
        took = {
            BARE: asyncio.run(drain(broker, bare, letters)),
            PAHO: drain_by_paho(broker, theirs.client_id, letters),
            **asyncio.run(drain_by_ingest(url, address, letters)),
            **keep_and_copy(url, letters),
        }
        report(letters, took)


def report(letters: int, took: Mapping[str, float]) -> None:
    """Print the figures and their ratios."""
    told(f"{letters:,} letters of one register each, load {os.getloadavg()[0]:.1f}")
    for name, seconds in took.items():
        told(f"  {name:<28}{letters / seconds:9,.0f} registers/s")
    told(f"  ratio to our own bare one    {took[BARE] / took[ACKNOWLEDGED]:8.2f}, at least {RATIO_MIN}")
    told(f"  ratio to paho's bare one     {took[PAHO] / took[ACKNOWLEDGED]:8.2f}")
    told(f"  ratio of keeping to COPY     {took[COPIED] / took[KEPT]:8.2f}, at least {COPY_RATIO_MIN}")


def enter_devices(url: str) -> None:
    """Put the meters of an estate behind devices at the broker, evenly."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(
            """insert into endpoint (endpoint_id, organisation_id, road, bearer, address)
            select 'dtu-' || n, %s, '4g', 'mqtt', 'dtu-' || n from generate_series(0, %s) n""",
            [ORGANISATION, DEVICES - 1],
        )
        connection.execute("update meter set endpoint_id = 'dtu-' || meter_id %% %s, road = '4g'", [DEVICES])
        connection.execute("vacuum analyze meter")


@contextmanager
def a_mosquitto() -> Iterator[str]:
    """Run mosquitto by the files that we write, with room for all letters; gives its address."""
    directory = Path(tempfile.mkdtemp(prefix="compuerta-bench-mqtt-"))
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    ends = [
        Endpoint(
            endpoint_id=f"dtu-{n}",
            organisation_id=ORGANISATION,
            road=RoadKind.MOBILE_4G,
            bearer=Bearer.MQTT,
            address=f"dtu-{n}",
        )
        for n in range(DEVICES)
    ]
    words = broker_files.words_of(ends, secret=SECRET)
    place = broker_files.Place(host="127.0.0.1", port=port, name="localhost", user=getuser())
    broker_files.write(directory, words, place=place, now=datetime.now(UTC))
    file = directory / broker_files.CONFIGURATION
    file.write_text(file.read_text().replace("max_queued_messages 10000", "max_queued_messages 0"))
    program = shutil.which("mosquitto", path="/usr/sbin:/usr/bin:/usr/local/sbin") or "mosquitto"
    process = subprocess.Popen([program, "-c", str(file)], stderr=subprocess.DEVNULL)
    try:
        word = words[broker_files.PLATFORM]
        yield f"mqtts://{broker_files.PLATFORM}:{word}@localhost:{port}?ca={directory / broker_files.CA}"
    finally:
        process.terminate()
        process.wait()
        shutil.rmtree(directory)


@contextmanager
def connected(broker: Broker, opening: Connect, wanted: str, listener: Counting) -> Iterator[MqttClient]:
    """Hold a connection while the block lasts."""
    client = MqttClient(
        broker,
        replace(opening, user=broker.user, password=broker.password.encode()),
        filters=[wanted],
        listener=listener,
    )
    listener.client = client
    task = asyncio.create_task(client.run())
    try:
        yield client
    finally:
        task.cancel()


async def subscribe(broker: Broker, opening: Connect, wanted: str) -> None:
    """Let the broker know a session, and leave it."""
    listener = Counting(wanted=0)
    with connected(broker, opening, wanted, listener):
        await listener.is_here.wait()
    await asyncio.sleep(0.1)


async def publish(broker: Broker, letters: int) -> None:
    """Let all devices say one register of each meter."""
    listener = Counting(wanted=0)
    with connected(broker, Connect(client_id="devices"), "pm/v1/none", listener) as client:
        await listener.is_here.wait()
        for number, message in enumerate(messages(letters)):
            if number - listener.arrivals >= IN_FLIGHT_MAX:
                listener.awaited = number - IN_FLIGHT_MAX // 2
                await listener.caught_up()
            client.publish(message)
        listener.awaited = letters
        await listener.caught_up()


def messages(letters: int) -> Iterable[Publish]:
    """Yield what is said: as many letters as there are meters."""
    at_ms = int((_estate.OPENED_AT + timedelta(hours=1)).timestamp() * 1_000)
    for meter_id in range(1, letters + 1):
        reading = PushedReading(
            meter_no=f"{meter_id:012}",
            ts_ms=at_ms,
            energy_wh=10 * (meter_id % 200 + 20),
            power_w=500,
            relay="closed",
        )
        letter = Readings(seq=meter_id, ts_ms=at_ms, readings=(reading,))
        name = topic(str(ORGANISATION), f"dtu-{meter_id % DEVICES}", Direction.UP)
        yield Publish(topic=name, payload=encode(letter, Encoding.JSON), qos=1)


async def drain(broker: Broker, opening: Connect, letters: int) -> float:
    """Take all letters of a session, and return the seconds since the first one came."""
    listener = Counting(wanted=letters)
    with connected(broker, opening, EVERYTHING, listener):
        await listener.is_done.wait()
        return time.perf_counter() - listener.started_s


def drain_by_paho(broker: Broker, client_id: str, letters: int) -> float:
    """The same by paho-mqtt, which acknowledges by itself."""
    client = paho.Client(paho.CallbackAPIVersion.VERSION2, client_id=client_id, protocol=paho.MQTTv5)
    client.username_pw_set(broker.user, broker.password)
    assert broker.tls is not None
    client.tls_set_context(broker.tls)
    is_done, started_s, count = threading.Event(), [0.0], [0]

    def heard(*_: object) -> None:
        started_s[0] = started_s[0] or time.perf_counter()
        count[0] += 1
        if count[0] == letters:
            is_done.set()

    client.on_message = heard
    asked = Properties(PacketTypes.CONNECT)
    asked.SessionExpiryInterval, asked.ReceiveMaximum = 3_600, 20_000
    client.connect(broker.host, broker.port, clean_start=False, properties=asked)
    client.loop_start()
    is_done.wait()
    taken_s = time.perf_counter() - started_s[0]
    client.loop_stop()
    return taken_s


async def drain_by_ingest(url: str, address: str, letters: int) -> dict[str, float]:
    """Take all letters by our ingest: kept, then acknowledged, then charged."""
    directory = Path(tempfile.mkdtemp(prefix="compuerta-bench-ingest-"))
    environment = {"COMPUERTA_DATA": str(directory), "COMPUERTA_MQTT_URL": address}
    work = ingest.Ingest(replace(settings(environment), database_url=url))
    kept, is_done = [0], asyncio.Event()
    acknowledge, hear = work._client.acknowledge, work.heard
    started_s = [0.0]

    def count(packet_ids: list[int]) -> None:
        acknowledge(packet_ids)
        kept[0] += len(packet_ids)
        if kept[0] >= letters:
            is_done.set()

    def heard(message: Heard) -> None:
        started_s[0] = started_s[0] or time.perf_counter()
        hear(message)

    work._client.acknowledge = count  # type: ignore[method-assign, assignment]
    work.heard = heard  # type: ignore[method-assign]
    task = asyncio.create_task(work.run())
    await is_done.wait()
    acknowledged_s = time.perf_counter() - started_s[0]
    store = PostgresStore(url)
    while store.query("select count(*) as is_so from reading", {})[0]["is_so"] < letters:  # noqa: ASYNC110 rows tell nobody
        await asyncio.sleep(0.1)
    charged_s = time.perf_counter() - started_s[0]
    store.shut()
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
    shutil.rmtree(directory)
    return {ACKNOWLEDGED: acknowledged_s, CHARGED: charged_s}


def keep_and_copy(url: str, letters: int) -> dict[str, float]:
    """Keep as many registers without a broker, copy the same rows, and return the seconds of both.

    Both go into the inbox, emptied and vacuumed before, in as many commits; the best of some rounds counts.
    """
    readings = [readings_from(message.payload).readings[0] for message in messages(letters)]
    rows = [(int(each.meter_no), each) for each in readings]
    starts = range(0, letters, ingest.LETTERS_PER_BATCH_MAX)
    took = {KEPT: float("inf"), COPIED: float("inf")}
    store = PostgresStore(url)
    with psycopg.connect(url, autocommit=True) as connection:
        for _ in range(KEEPING_ROUNDS):
            empty_the_inbox(connection)
            started_s = time.perf_counter()
            for start in starts:
                pushed.keep(store, ingest.registers_of(rows[start : start + ingest.LETTERS_PER_BATCH_MAX]))
            took[KEPT] = min(took[KEPT], time.perf_counter() - started_s)
            batches = [a_batch(connection, start) for start in starts]
            empty_the_inbox(connection)
            started_s = time.perf_counter()
            for octets in batches:
                into = f"copy pushed_reading ({COLUMNS}) from stdin (format binary)"
                with connection.cursor().copy(into) as copy:
                    copy.write(octets)
            took[COPIED] = min(took[COPIED], time.perf_counter() - started_s)
    store.shut()
    return took


def empty_the_inbox(connection: psycopg.Connection) -> None:
    """Forget what is kept, as the ingest does when it is taken, and what is left of it."""
    connection.execute("delete from pushed_reading")
    connection.execute("vacuum analyze pushed_reading")


def a_batch(connection: psycopg.Connection, start: int) -> bytes:
    """Return the rows of one commit, as COPY takes them."""
    asked = f"""copy (
        select {COLUMNS} from pushed_reading order by pushed_id
        limit {ingest.LETTERS_PER_BATCH_MAX} offset {start}
    ) to stdout (format binary)"""
    with connection.cursor().copy(asked) as copy:
        return b"".join(bytes(piece) for piece in copy)


if __name__ == "__main__":
    main()
