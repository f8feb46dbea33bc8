"""What an ingest takes of letters, and what it refuses: nobody speaks for another's meters."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

import pytest

from compuerta.adapters.links.mqtt_client import MqttClient
from compuerta.apps import ingest
from compuerta.apps.config import settings
from compuerta.apps.desk import Desk
from compuerta.apps.ingest import (
    AHEAD_MS_MAX,
    Device,
    Ingest,
    IngestsTooMany,
    Register,
    Sorted,
    sort_letters,
    taken_slot,
)
from compuerta.domain.errors import Unreachable
from compuerta.wire.mqtt.session import Heard
from compuerta.wire.pm.letters import Encoding, PushedReading, Readings, encode
from compuerta.wire.pm.topics import Direction, topic

NOW_MS = 1_800_000_000_000
DEVICES = {
    "mq-1": Device(tenant="1", meter_ids={"000000000001": 11, "000000000002": 12}),
    "mq-2": Device(tenant="2", meter_ids={"000000000003": 13}),
}


def a_reading(meter_no: str = "000000000001", *, ts_ms: int = NOW_MS) -> PushedReading:
    return PushedReading(meter_no=meter_no, ts_ms=ts_ms, energy_wh=5)


def sorted_of(*readings: PushedReading, tenant: str = "1", device: str = "mq-1") -> Sorted:
    letter = encode(Readings(seq=1, ts_ms=NOW_MS, readings=readings), Encoding.JSON)
    return sort_letters([(topic(tenant, device, Direction.UP), letter)], DEVICES, now_ms=NOW_MS)


@dataclass
class Broker:
    """What an ingest has told the broker to forget."""

    forgotten: list[int] = field(default_factory=list)

    def acknowledge(self, packet_ids: Sequence[int]) -> None:
        self.forgotten += packet_ids


@dataclass
class Database:
    """A desk behind which the broker, or the database, may go away while rows are written."""

    ingest: Ingest
    is_away: bool = False
    loses_broker: bool = False
    batches: int = 0

    async def run(self, _: object) -> None:
        self.batches += 1
        if self.loses_broker:
            self.ingest.ended("broken")
        if self.is_away:
            raise Unreachable("the database is away")


@pytest.fixture
def at_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Ingest, Broker, Database]:
    """An ingest with three letters that wait."""
    monkeypatch.setattr(ingest, "AWAY_S", 0)
    monkeypatch.setattr(ingest, "_now_ms", lambda: NOW_MS)
    given = {
        "COMPUERTA_DATA": str(tmp_path),
        "DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none",
        "COMPUERTA_MQTT_URL": "mqtt://platform:word@127.0.0.1:1",
    }
    it = Ingest(settings(given))
    it._slot.lock.close()
    it._register = Register(devices=DEVICES)
    broker, database = Broker(), Database(it)
    it._client, it._desk = cast(MqttClient, broker), cast(Desk, database)
    letter = encode(Readings(seq=1, ts_ms=NOW_MS, readings=(a_reading(),)), Encoding.JSON)
    for packet_id in (1, 2, 3):
        it.heard(Heard(topic=topic("1", "mq-1", Direction.UP), payload=letter, packet_id=packet_id))
    return it, broker, database


def test_what_is_kept_is_acknowledged_and_not_before(at_work: tuple[Ingest, Broker, Database]) -> None:
    it, broker, database = at_work
    database.is_away = True
    asyncio.run(it._keep_some())
    while_away = list(broker.forgotten)

    database.is_away = False
    asyncio.run(it._keep_some())

    assert while_away == []
    assert broker.forgotten == [1, 2, 3]


def test_numbers_of_a_connection_that_has_ended_are_not_acknowledged_on_the_next(
    at_work: tuple[Ingest, Broker, Database],
) -> None:
    it, broker, database = at_work
    database.loses_broker = True

    asyncio.run(it._keep_some())

    assert database.batches == 1
    assert broker.forgotten == []


def test_a_batch_holds_no_more_letters_than_a_commit_should(
    at_work: tuple[Ingest, Broker, Database], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ingest, "LETTERS_PER_BATCH_MAX", 2)
    it, broker, database = at_work

    asyncio.run(it._keep_some())
    first = list(broker.forgotten)
    asyncio.run(it._keep_some())

    assert (first, broker.forgotten, database.batches) == ([1, 2], [1, 2, 3], 2)


def test_registers_of_the_devices_own_meters_are_taken() -> None:
    found = sorted_of(a_reading(), a_reading("000000000002"))

    assert found.rows == [(11, a_reading()), (12, a_reading("000000000002"))]
    assert found.refused == []


def test_a_device_does_not_speak_for_a_meter_that_is_not_behind_it() -> None:
    found = sorted_of(a_reading("000000000003"), a_reading())

    assert found.rows == [(11, a_reading())]
    assert found.refused == [("000000000003", "meter_not_behind_device")]


def test_a_register_from_the_future_is_not_taken() -> None:
    late = a_reading(ts_ms=NOW_MS + AHEAD_MS_MAX)
    ahead = a_reading(ts_ms=NOW_MS + AHEAD_MS_MAX + 1)

    assert sorted_of(late, ahead).rows == [(11, late)]
    assert sorted_of(ahead).refused == [("000000000001", "reading_ahead")]


@pytest.mark.parametrize(
    ("tenant", "device", "why"), [("2", "mq-1", "topic_refused"), ("1", "mq-3", "device_unknown")]
)
def test_strangers_are_told_by_name(tenant: str, device: str, why: str) -> None:
    found = sorted_of(a_reading(), tenant=tenant, device=device)

    assert found.rows == []
    assert found.refused == [(device, why)]


@pytest.mark.parametrize("encoding", list(Encoding))
def test_a_name_that_no_alarm_can_tell_makes_a_letter_malformed(encoding: Encoding) -> None:
    letter = encode(Readings(seq=1, ts_ms=NOW_MS, readings=(a_reading("1\0"),)), encoding)

    found = sort_letters([(topic("1", "mq-1", Direction.UP), letter)], DEVICES, now_ms=NOW_MS)

    assert found == Sorted(refused=[("mq-1", "letter_malformed")])


def test_what_is_no_letter_costs_itself_and_nothing_else() -> None:
    good = encode(Readings(seq=1, ts_ms=NOW_MS, readings=(a_reading(),)), Encoding.CBOR)
    mine = topic("1", "mq-1", Direction.UP)

    found = sort_letters([(mine, b"{"), ("pm/v1/x", good), (mine, good)], DEVICES, now_ms=NOW_MS)

    assert found.rows == [(11, a_reading())]
    assert found.refused == [("mq-1", "letter_malformed"), ("pm/v1/x", "topic_refused")]


def test_each_ingest_of_a_machine_has_a_place_that_its_successor_takes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ingest, "SLOTS_MAX", 2)
    first, second = taken_slot(tmp_path), taken_slot(tmp_path)
    with pytest.raises(IngestsTooMany):
        taken_slot(tmp_path)

    first.lock.close()
    third = taken_slot(tmp_path)

    assert (first.number, second.number, third.number) == (1, 2, 1)
    second.lock.close()
    third.lock.close()
